"""Runs and comparisons for Python and notebooks."""

from bench.notebook.runs import Comparison, Run, compare, load, names

__all__ = [
    "Comparison",
    "Run",
    "compare",
    "load",
    "names",
]
