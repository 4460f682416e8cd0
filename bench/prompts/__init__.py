"""Prompt sets: shipped ones, files of the user, public formats."""

from bench.prompts.sets import load, select, shipped

__all__ = [
    "load",
    "select",
    "shipped",
]
