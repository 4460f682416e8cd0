"""``score``: (re)score finished runs without rendering."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli.overrides import _metrics
from bench.core.progress import Progress
from bench.errors import ConfigError, unknown
from bench.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence

_HELP = """usage: python -m bench score RUN … [metric=[a,b]] [metric.NAME.FIELD=VALUE …] [results=FOLDER]

Scores what is not scored yet with these metrics (default: the metrics the run was made with).
"""


def main(argv: Sequence[str]) -> int:
    """Score every run named; 1 if a metric could not score a picture."""
    if any(word in {"-h", "--help"} for word in argv):
        sys.stdout.write(_HELP)
        return 0
    names, overrides = [w for w in argv if "=" not in w], [w for w in argv if "=" in w]
    if not names:
        raise ConfigError("score which run? See: python -m bench list runs")
    for word in overrides:
        if word.partition("=")[0].partition(".")[0] not in {"metric", "results"}:
            raise unknown("option", word.partition("=")[0], ["metric", "results"])
    results = next((w.partition("=")[2] for w in overrides if w.startswith("results=")), "results")
    store, progress, failed = Store(Path(results)), Progress(), False
    for run in [store.run(name) for name in names]:
        from bench import report  # noqa: PLC0415 - slow imports
        from bench.engine import score  # noqa: PLC0415 - slow imports

        with run.lock():
            rows = score.score(run, _metrics(overrides, run.info().get("config", {})), progress)
        reasons = score.unscored_reasons(rows)
        failed |= bool(reasons)
        for reason in reasons:
            progress.say(f"unscored, {reason}")
        progress.say(f"report: {report.write_run(run, console=progress.console, progress=progress)}")
    return 1 if failed else 0
