"""What every other room may use: fingerprints, environment, files, cache, progress, HTTP helpers."""
