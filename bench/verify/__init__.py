"""Known answers for every metric, checked on this machine. ``python -m bench verify``."""

from bench.verify.checks import Check, CheckOutcome, SkipCheck, WrongAnswerError
from bench.verify.suite import choose, collect, run_checks

__all__ = [
    "Check",
    "CheckOutcome",
    "SkipCheck",
    "WrongAnswerError",
    "choose",
    "collect",
    "run_checks",
]
