"""``score``: (re)score finished runs without rendering."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bench.cli import options
from bench.core.progress import Progress
from bench.errors import ConfigError, unknown
from bench.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str]) -> int:
    """Score every run named; 1 if a metric could not score a picture."""
    parser = argparse.ArgumentParser(
        prog="python -m bench score", usage="python -m bench score RUN … [metric=[a,b]] [metric.NAME.FIELD=VALUE …] [results=FOLDER]",
        description="Score what is not scored yet with these metrics (default: the metrics the run was made with).",
    )  # fmt: skip
    parser.add_argument("words", nargs="*", metavar="RUN", help="a run's folder, name or label")
    options.add_results(parser)
    args = parser.parse_args(argv)
    from bench import report  # noqa: PLC0415 - slow import
    from bench.cli import overrides  # noqa: PLC0415 - imports Hydra
    from bench.cli.words import read_words  # noqa: PLC0415 - imports Hydra
    from bench.engine import score  # noqa: PLC0415 - slow import

    changes = [
        word for word in args.words if word.lstrip("+~").partition("=")[0].partition(".")[0] in {"metric", "results"} and "=" in word
    ]
    words = read_words(changes, ["metric", "results"])
    names = [word for word in args.words if word not in changes]
    if not names:
        raise ConfigError("score which run? See: python -m bench list runs")
    results = [args.results, *(Path(str(text)) for word in words if word.path == ["results"] for text in word.texts())]
    store, progress, failed = Store(results[-1]), Progress(), False
    _refuse_options(store, names)
    for run in store.find_all(names):
        metrics = overrides.compose_metrics(words, run.info().get("config", {}).get("metric"), str(run.path))
        with run.lock():
            rows = score.score(run, metrics, progress)
        reasons = score.unscored_reasons(rows)
        failed |= bool(reasons)
        for reason in reasons:
            progress.say(f"unscored, {reason}")
        progress.say(f"report: {report.write_run(run, console=progress.console, progress=progress)}")
    return 1 if failed else 0


def _refuse_options(store: Store, names: Sequence[str]) -> None:
    """Refuse a word with "=" that is no run's name or label either."""
    for name in names:
        if "=" in name:
            try:
                store.matching(name)
            except ConfigError:
                raise unknown("option", name.partition("=")[0], ["metric", "results"]) from None
