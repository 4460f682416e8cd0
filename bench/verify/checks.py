"""Known answers: what every metric must give, checked on this machine. ``python -m bench verify``.

Four kinds of check: ``formula`` (values computed by hand or by the paper), ``degradation`` (pictures made worse step by
step must score worse step by step), ``published`` (numbers others printed, from the user's own runs), ``fingerprint``
(what a number depends on is all said, and a change of it is seen).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

CheckKind = Literal["formula", "degradation", "published", "fingerprint"]
CheckStatus = Literal["ok", "wrong", "skipped"]


class SkipCheck(Exception):  # noqa: N818 - no error: the check cannot be made here
    """A check cannot be made here; says why."""


class WrongAnswerError(Exception):
    """A metric gives another answer than the known one; says which."""


@dataclass(frozen=True)
class Check:
    """One question with a known answer.

    Attributes:
        metric: the preset it speaks of.
        test: returns what was seen, in words; raises WrongAnswerError or SkipCheck.
    """

    metric: str
    kind: CheckKind
    name: str
    test: Callable[[], str]


@dataclass(frozen=True)
class CheckOutcome:
    """What became of a check."""

    check: Check
    verdict: CheckStatus
    seen: str


def expect(seen: float, known: float, tolerance: float = 1e-9) -> str:
    """Both numbers in words; raises WrongAnswerError unless |seen - known| <= tolerance * max(1, |known|)."""
    told = f"{seen:.6g} (known {known:.6g})"
    if not abs(seen - known) <= tolerance * max(1.0, abs(known)):
        raise WrongAnswerError(told)
    return told


def expect_decrease(levels: Sequence[object], values: Sequence[float], least: float) -> str:
    """The values in words; raises WrongAnswerError unless none exceeds the one before and the whole fall is ``least`` or more."""
    told = ", ".join(f"{level}: {value:.4g}" for level, value in zip(levels, values, strict=True))
    steady = all(b <= a for a, b in pairwise(values))
    if not steady or not values[0] - values[-1] >= least:
        raise WrongAnswerError(f"should fall by {least:g} or more, step by step: {told}")
    return told
