"""Models behind a server, one file a vendor."""
