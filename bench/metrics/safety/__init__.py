"""Refusals and explicit content."""
