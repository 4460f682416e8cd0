"""The results folder: runs, their records and scores, hosted attempts, votes."""

from bench.store.results import COMPARISONS, Store
from bench.store.run import Run
from bench.store.votes import Retraction, Vote, VoteBook

__all__ = [
    "COMPARISONS",
    "Retraction",
    "Run",
    "Store",
    "Vote",
    "VoteBook",
]
