"""The embedded domain: its renderer, the FLUX family trained on it, and how good that family is."""

import os

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # read once, when transformers is first imported
