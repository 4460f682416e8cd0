"""Readers of public prompt formats, one file each: ``read(text, path)`` yields (line, row), ``LICENCE`` names the set's licence."""
