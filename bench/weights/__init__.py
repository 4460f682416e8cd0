"""Weights on this machine: the hub's cache, hashes, devices."""
