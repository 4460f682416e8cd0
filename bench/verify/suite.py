"""All checks: collect, choose and run them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.errors import ConfigError, MissingKeyError, MissingPackageError, MissingWeightsError, unknown
from bench.verify.checks import Check, CheckOutcome, SkipCheck, WrongAnswerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path


def collect(results: Path) -> list[Check]:
    """Every check, formulas first."""
    from bench.verify import degradations, fingerprints, formulas, published  # noqa: PLC0415 - they import the metrics

    return [*formulas.checks(), *degradations.checks(), *published.checks(results), *fingerprints.checks()]


def choose(checks: Iterable[Check], metrics: Sequence[str]) -> list[Check]:
    """The checks of some metrics; of all metrics where none is named.

    Raises:
        ConfigError: a metric without checks, or no checks at all.
    """
    every = list(checks)
    names = {c.metric for c in every}
    for name in metrics:
        if name not in names:
            raise unknown("metric to verify", name, names)
    if not every:
        raise ConfigError("there is nothing to verify")
    return [c for c in every if not metrics or c.metric in metrics]


def run_checks(checks: Iterable[Check]) -> Iterator[CheckOutcome]:
    """Run the checks one after another. A metric that cannot run here (weights, packages) is skipped with its reason."""
    for check in checks:
        try:
            yield CheckOutcome(check, "ok", check.test())
        except (SkipCheck, MissingWeightsError, MissingPackageError, MissingKeyError) as reason:
            yield CheckOutcome(check, "skipped", str(reason))
        except Exception as error:  # noqa: BLE001 - a crash of a metric is a wrong answer, and the next check goes on
            seen = str(error) if isinstance(error, WrongAnswerError) else f"{type(error).__name__}: {error}"
            yield CheckOutcome(check, "wrong", seen)
