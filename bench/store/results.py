"""The results folder: runs by folder, name or label; comparisons; votes."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from bench.core.advice import command
from bench.errors import ConfigError, StoreError, unknown
from bench.store.run import Run
from bench.store.votes import VoteBook

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.store.votes import Vote

COMPARISONS = "comparisons"
_LOG = logging.getLogger(__name__)


class Store:
    """A folder of runs."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def runs(self) -> list[str]:
        """Names of the runs, sorted."""
        return sorted(p.parent.name for p in self.root.glob("*/run.json"))

    def run(self, name: str, *, create: bool = False) -> Run:
        """The run that ``find`` finds; with ``create`` the run of exactly this name, which need not exist yet."""
        return Run(self.root / name) if create else self.find(name)

    def find(self, name: str) -> Run:
        """A run by its folder, its full name or its label, in that order.

        Of several runs with this label it is the one whose last record is newest; a warning of the logger
        ``bench.store.results`` then says which, and what the others are called (Python prints it on standard error unless
        logging is set up otherwise).

        Raises:
            ConfigError: there is no such run; the message names the nearest.
        """
        newest, *others = self.matching(name)
        if others:
            _LOG.warning(
                "%d runs have the label %r; using the newest, %s. Give the full name for another: %s",
                len(others) + 1, name, newest.name, ", ".join(run.name for run in others),
            )  # fmt: skip
        return newest

    def find_all(self, names: Iterable[str]) -> list[Run]:
        """``find`` for each of ``names``."""
        return [self.find(name) for name in names]

    def matching(self, name: str) -> list[Run]:
        """All runs that ``name`` may mean, as ``find`` reads it; several with the same label by their last record, newest first.

        Raises:
            ConfigError: there is none.
        """
        for folder in (Path(name), self.root / name):
            if (folder / "run.json").is_file():
                return [Run(folder)]
        runs = [Run(self.root / run) for run in self.runs()]
        labels = [_label(run) for run in runs]
        matches = [run for run, label in zip(runs, labels, strict=True) if label == name]
        if not matches and not runs:
            make_one = command("run", *([] if self.root == Path("results") else [f"results={self.root}"]))
            raise ConfigError(f"unknown run {name!r}: there is no run in {self.root}; make one with: {make_one}")
        if not matches:
            raise unknown("run", name, {*labels, *self.runs()} - {""})
        return sorted(matches, key=_last_record, reverse=True) if len(matches) > 1 else matches

    def comparison_folder(self, name: str) -> Path:
        """The folder of a comparison report."""
        return self.root / COMPARISONS / name

    def vote_book(self) -> VoteBook:
        """The votes of people on pictures of these runs, to add to."""
        return VoteBook(self.root / "votes.jsonl")

    def votes(self) -> list[Vote]:
        """The votes that stand, oldest first; [] where nobody voted."""
        return list(self.vote_book().standing().values())


def _label(run: Run) -> str:
    """The label of a run; "" where its run.json cannot be read, so that a damaged run hides no other."""
    try:
        return str(run.info().get("label") or "")
    except StoreError:
        return ""


def _last_record(run: Run) -> str:
    """When the newest record of a run was made, in ISO 8601 (UTC); "" without records."""
    return max((record.created for record in run.records()), default="")


def labelled(runs: Sequence[Run]) -> dict[str, Run]:
    """The runs by what every table and page calls them.

    That is the label; for runs that share one the full name, and for those that share this too the shortest end of the path
    that tells them apart.

    Raises:
        ConfigError: a run is given twice.
    """
    paths = [run.path.resolve() for run in runs]
    twice = next((run.name for run, path in zip(runs, paths, strict=True) if paths.count(path) > 1), None)
    if twice:
        raise ConfigError(f"run {twice} is given twice; compare needs different runs")
    candidates = [
        [str(run.info().get("label") or run.name), run.name, *("/".join(path.parts[-n:]) for n in range(2, len(path.parts))), str(path)]
        for run, path in zip(runs, paths, strict=True)
    ]
    while len(set(names := [names_of_run[0] for names_of_run in candidates])) < len(candidates):
        candidates = [of_run[1:] or of_run if names.count(of_run[0]) > 1 else of_run for of_run in candidates]
    return dict(zip(names, runs, strict=True))
