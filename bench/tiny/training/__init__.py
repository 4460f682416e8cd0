"""Training the embedded family."""
