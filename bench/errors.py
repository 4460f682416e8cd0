"""Every error a user can meet.

::

    BenchError                      exit code 2: the request cannot be carried out as given
    ├── ConfigError                 a bad option, an unknown name, a value out of range
    ├── PromptError                 a broken prompt file or a prompt outside a model's domain
    ├── MissingWeightsError         weights are gated, absent, or too large for this machine
    ├── MissingKeyError             an environment variable with a key is not set
    ├── MissingPackageError         an optional package or program is not installed
    ├── StoreError                  a results folder is damaged, newer than this program, locked or full
    ├── ProviderError               exit code 1: one picture could not be made (``transient``: worth another try)
    ├── RenderingError              exit code 1: no further picture can be made: warm-up failed, device lost, one error again and again
    └── BudgetError                 exit code 4: stopped before more money was spent
"""

from __future__ import annotations

import math
from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bench.types import Failure


class BenchError(Exception):
    """A failure that is explained in one message and never shown as a traceback."""

    exit_code = 2


class ConfigError(BenchError):
    """A bad option, an unknown name or a value out of range."""


class PromptError(BenchError):
    """A broken prompt file, or a prompt outside a model's domain."""


class MissingWeightsError(BenchError):
    """Weights are gated, absent, or too large for this machine."""


class MissingKeyError(BenchError):
    """The environment variable that holds a key is not set."""


class MissingPackageError(BenchError):
    """An optional package or program is not installed."""


class StoreError(BenchError):
    """A results folder is damaged, newer than this program, locked or on a full disk."""


class ProviderError(BenchError):
    """One picture could not be made in this attempt.

    Attributes:
        status: what is recorded where no further attempt follows.
        transient: another attempt may succeed (rate limit, time-out, server fault).
        retry_after: seconds the server asks to wait; None where it does not say.
        usd: what the attempt cost: 0.0 where the server did no work, NaN where that is unknown.
        keep_task: the server still works on it: the next attempt asks for its result, which is not paid again.
        code: the server's own name for the failure.
    """

    exit_code = 1

    def __init__(
        self,
        message: str,
        *,
        status: Failure = "failed",
        transient: bool = False,
        retry_after: float | None = None,
        usd: float = math.nan,
        keep_task: bool = False,
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.transient = transient
        self.retry_after = retry_after
        self.usd = usd
        self.keep_task = keep_task
        self.code = code


class RenderingError(BenchError):
    """No further picture can be made: the warm-up failed, the device is lost, or the same error comes again and again."""

    exit_code = 1


class BudgetError(BenchError):
    """Stopped before more money was spent than the user allowed."""

    exit_code = 4


def causes(error: BaseException | None) -> list[BaseException]:
    """``error`` and what caused it, each once: "raise cause from None" while its wrapper is handled makes a circle.

    >>> first, second = ValueError("first"), ValueError("second")
    >>> first.__cause__, second.__context__ = second, first
    >>> [str(e) for e in causes(first)]
    ['first', 'second']
    """
    found: list[BaseException] = []
    while error is not None and not any(error is other for other in found):
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def unknown(what: str, name: str, available: Iterable[str], *, prefix: str = "") -> ConfigError:
    """The error for a name that does not exist: the nearest valid names, then all of them; ``prefix`` stands before each.

    >>> str(unknown("model", "flux-dve", ["flux-dev", "sdxl"]))
    "unknown model 'flux-dve'; did you mean 'flux-dev'? Available: flux-dev, sdxl"
    """
    names = sorted(available)
    near = get_close_matches(name, names, n=2, cutoff=0.6)
    hint = f"; did you mean {' or '.join(repr(prefix + n) for n in near)}?" if near else "."
    return ConfigError(f"unknown {what} {prefix + name!r}{hint} Available: {', '.join(prefix + n for n in names)}")
