"""fluxbench: which text-to-image model should I use?"""

__version__ = "0.1.0"
