"""What several vendors' files use."""
