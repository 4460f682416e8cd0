"""The results folder: runs by name, comparisons, votes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import ConfigError, unknown
from bench.store.run import Run
from bench.store.votes import VoteBook

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.store.votes import Retraction, Vote

COMPARISONS = "comparisons"


class Store:
    """A folder of runs."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)

    def runs(self) -> list[str]:
        """Names of the runs, sorted."""
        return sorted(p.parent.name for p in self.root.glob("*/run.json"))

    def run(self, name: str, *, create: bool = False) -> Run:
        """A run by name or by the path of its folder.

        Raises:
            ConfigError: there is no such run; the message names the nearest.
        """
        folder = Path(name) if (Path(name) / "run.json").is_file() else self.root / name
        if not create and not (folder / "run.json").is_file():
            raise unknown("run", name, self.runs())
        return Run(folder)

    def remove(self, name: str) -> None:
        """Delete a run and all it holds."""
        shutil.rmtree(self.run(name).path)

    def comparison_folder(self, name: str) -> Path:
        """The folder of a comparison report."""
        return self.root / COMPARISONS / name

    def vote_book(self) -> VoteBook:
        """The votes of people on pictures of these runs, to add to."""
        return VoteBook(self.root / "votes.jsonl")

    def votes(self) -> list[Vote]:
        """The votes that stand, oldest first; [] where nobody voted."""
        return list(self.vote_book().standing().values())

    def add_vote(self, entry: Vote | Retraction) -> bool:
        """Keep a vote or take one back; see ``VoteBook.add``, which is quicker for many."""
        return self.vote_book().add(entry)


def find_run(store: Store, name: str) -> Run:
    """A run by folder, name, or a label that only one run has."""
    if (Path(name) / "run.json").is_file() or (store.root / name / "run.json").is_file():
        return store.run(name)
    labelled = [run for run in map(store.run, store.runs()) if run.info().get("label") == name]
    if len(labelled) > 1:
        raise ConfigError(f"{len(labelled)} runs are called {name!r}; name one: {', '.join(run.name for run in labelled)}")
    return labelled[0] if labelled else store.run(name)


def labelled(runs: Sequence[Run]) -> dict[str, Run]:
    """The runs by what every table and page calls them: their labels; for runs that share one their names, or ends of their paths.

    Raises:
        ConfigError: a run is there twice.
    """
    paths = [run.path.resolve() for run in runs]
    twice = next((run.name for run, path in zip(runs, paths, strict=True) if paths.count(path) > 1), None)
    if twice:
        raise ConfigError(f"run {twice} is given twice; compare needs different runs")
    words = [
        [str(run.info().get("label") or run.name), run.name, *("/".join(path.parts[-n:]) for n in range(2, len(path.parts))), str(path)]
        for run, path in zip(runs, paths, strict=True)
    ]
    while len(set(first := [held[0] for held in words])) < len(words):
        words = [held[1:] or held if first.count(held[0]) > 1 else held for held in words]
    return dict(zip(first, runs, strict=True))
