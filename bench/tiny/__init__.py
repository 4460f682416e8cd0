"""A FLUX family that fits in the repository, and the drawn scenes it was trained on."""
