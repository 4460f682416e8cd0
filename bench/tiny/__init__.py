"""The embedded domain: its renderer, the FLUX family trained on it, and how good that family is."""
