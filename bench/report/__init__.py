"""Reports: frames to Parquet and CSV, a Markdown summary, one HTML page that needs no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.report.frames import frames
from bench.report.html import write_page
from bench.report.markdown import summary_markdown
from bench.report.terminal import print_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from bench.store import Run


def write_run(run: Run) -> Path:
    """Write a run's report into its own folder; returns the page."""
    return _write([run], run.path / "report", f"{run.info().get('label', run.name)}")


def write_comparison(runs: Sequence[Run], folder: Path, *, without: Sequence[str] = ()) -> Path:
    """Write the comparison of ``runs``, less the metrics ``without``, into ``folder``, which can be copied anywhere; returns the page."""
    labels = [str(run.info().get("label", run.name)) for run in runs]
    return _write(runs, folder, " · ".join(labels), without)


def show(runs: Sequence[Run], console: Console, *, without: Sequence[str] = ()) -> None:
    """Print the table of ``runs``."""
    print_table(frames(runs, without=without), console)


def _write(runs: Sequence[Run], folder: Path, title: str, without: Sequence[str] = ()) -> Path:
    tables = frames(runs, without=without)
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        table.to_parquet(folder / f"{name}.parquet", index=False)
        table.to_csv(folder / f"{name}.csv", index=False)
    (folder / "summary.md").write_text(summary_markdown(tables, title), encoding="utf-8")
    return write_page(runs, tables, folder, title)
