"""fluxbench: which text-to-image model should I use?

In Python: ``load`` gives a run, ``compare`` several side by side, ``runs`` their names. Importing this loads nothing heavy,
and switches the telemetry of other libraries off (``bench.core.telemetry``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.core import telemetry

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.notebook import Comparison, Run

__all__ = ["compare", "load", "runs"]
__version__ = "0.1.0"

telemetry.switch_off()


def load(run: str | Path, results: str | Path = "results") -> Run:
    """A run with its pictures and scores.

    Args:
        run: a run's folder, its full name or its label ("tiny-dev"), in that order. Of several runs with one label it is the
            one with the newest record, and the logger ``bench.store.results`` warns which that is and how to name the others.
        results: the folder that holds the runs.

    Raises:
        ConfigError: there is no such run; the message names the nearest.
    """
    from bench.notebook import runs as notebook  # noqa: PLC0415 - slow import

    return notebook.load(run, results)


def compare(runs: Sequence[str | Path | Run], results: str | Path = "results", *, without: Sequence[str] = ()) -> Comparison:
    """Several runs side by side, with the statistics of the report.

    Args:
        runs: as ``load`` takes them, or what it gives; in the order of the tables.
        results: the folder that holds the runs, and the votes on them.
        without: metrics to leave out.

    Raises:
        ConfigError: no such run, one given twice, or a metric with unlike fingerprints.
    """
    from bench.notebook import runs as notebook  # noqa: PLC0415 - slow import

    return notebook.compare(runs, results, without=without)


def runs(results: str | Path = "results") -> list[str]:
    """Names of the runs in a folder, sorted."""
    from bench.notebook import runs as notebook  # noqa: PLC0415 - slow import

    return notebook.names(results)
