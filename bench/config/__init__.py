"""YAML presets and the objects they describe."""
