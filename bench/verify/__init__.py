"""Known answers for every metric, checked on this machine. ``python -m bench verify``."""

from bench.verify.checks import Check, Outcome, SkipCheck, WrongAnswerError
from bench.verify.suite import choose, collect, run_checks

__all__ = [
    "Check",
    "Outcome",
    "SkipCheck",
    "WrongAnswerError",
    "choose",
    "collect",
    "run_checks",
]
