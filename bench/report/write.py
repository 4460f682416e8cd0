"""Reports: frames as Parquet and CSV, the summary as Markdown and LaTeX, one HTML page that needs no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.analysis.frames import frames
from bench.core.files import PART, write_atomically, writing
from bench.core.harmless import csv_text
from bench.errors import ConfigError
from bench.report.latex import summary_latex
from bench.report.markdown import summary_markdown
from bench.report.page import write_page
from bench.report.terminal import print_table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from bench.analysis.frames import Frames
    from bench.core.progress import Progress
    from bench.store import Run, Vote

_FIRST = "images.parquet"
"""What a report writes before all else, and is known by."""


def write_run(run: Run, *, console: Console | None = None, progress: Progress | None = None) -> Path:
    """Write a run's report into its own folder, and print its table on ``console``; returns the page."""
    return _write([run], frames([run]), run.path / "report", console=console, progress=progress)


def write_comparison(
    runs: Sequence[Run],
    folder: Path,
    *,
    without: Sequence[str] = (),
    votes: Sequence[Vote] = (),
    embed: bool = False,
    console: Console | None = None,
    progress: Progress | None = None,
) -> Path:
    """Write the comparison of some runs.

    Args:
        runs: in the order of the tables.
        folder: where to; it can be copied anywhere.
        without: metrics to leave out.
        votes: of people on pictures of these runs.
        embed: put everything into the page, to be sent as one file.
        console: where to print the table and the answer; None prints nothing.
        progress: shows the making of thumbnails.

    Returns:
        The page.

    Raises:
        ConfigError: one metric has unlike fingerprints.
    """
    return _write(runs, frames(runs, without=without, votes=votes), folder, embed=embed, console=console, progress=progress)


def _write(
    runs: Sequence[Run],
    tables: Frames,
    folder: Path,
    *,
    embed: bool = False,
    console: Console | None,
    progress: Progress | None,
) -> Path:
    title = " · ".join(dict.fromkeys(tables["images"]["run"])) or " · ".join(run.name for run in runs)
    with writing(folder):
        _prepare(folder)
        for name, table in tables.items():
            write_atomically(folder / f"{name}.parquet", table.to_parquet(index=False), flush=False)
            write_atomically(folder / f"{name}.csv", csv_text(table), flush=False)
        write_atomically(folder / "summary.md", summary_markdown(tables, title), flush=False)
        write_atomically(folder / "summary.tex", summary_latex(tables), flush=False)
        page = write_page(runs, tables, folder, title, embed=embed, progress=progress)
    if console is not None:
        print_table(tables, console)
    return page


def _prepare(folder: Path) -> None:
    """Make the folder of a report; one that holds other files is refused, for a report writes over its own."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(entry.suffix != PART for entry in folder.iterdir()) and not (folder / _FIRST).exists():
        raise ConfigError(f"{folder} holds files that are no report's; choose an empty or a new folder with --out")
