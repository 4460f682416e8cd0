"""Known answers: what every metric must give, checked on this machine. ``python -m bench verify``.

Four kinds of check: ``formula`` (values computed by hand or by the paper), ``degradation`` (pictures made worse step by
step must score worse step by step), ``published`` (numbers from papers and leaderboards, against the user's own runs),
``fingerprint`` (it names what the number depends on, and shows a change of it).
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


class SkipCheck(Exception):  # noqa: N818 - no error: the check cannot run here
    """A check cannot run here; the message says why."""


class WrongAnswerError(Exception):
    """A metric gives another answer than the known one; the message says which."""


@dataclass(frozen=True)
class Check:
    """One question with a known answer.

    Attributes:
        metric: the preset that is checked.
        kind: see the module.
        name: what is checked, in words.
        test: returns what was seen, in words; raises WrongAnswerError or SkipCheck.
    """

    metric: str
    kind: CheckKind
    name: str
    test: Callable[[], str]


@dataclass(frozen=True)
class CheckOutcome:
    """The result of a check; ``seen`` says in words what was seen, or why it was skipped."""

    check: Check
    verdict: CheckStatus
    seen: str


def expect(seen: float, expected: float, tolerance: float = 1e-9) -> str:
    """Both numbers in words.

    Raises:
        WrongAnswerError: not |seen - expected| <= tolerance * max(1, |expected|); NaN is wrong.
    """
    message = f"{seen:.6g} (known {expected:.6g})"
    if not abs(seen - expected) <= tolerance * max(1.0, abs(expected)):
        raise WrongAnswerError(message)
    return message


def expect_decrease(levels: Sequence[object], values: Sequence[float], min_fall: float) -> str:
    """The values in words.

    Raises:
        WrongAnswerError: a value exceeds the one before, or the first exceeds the last by less than ``min_fall``.
    """
    steps = ", ".join(f"{level}: {value:.4g}" for level, value in zip(levels, values, strict=True))
    steady = all(b <= a for a, b in pairwise(values))
    if not steady or not values[0] - values[-1] >= min_fall:
        raise WrongAnswerError(f"should fall by {min_fall:g} or more, step by step: {steps}")
    return steps
