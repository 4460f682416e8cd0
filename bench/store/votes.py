"""``results/votes.jsonl``: every vote, one line each, only ever added to, by any number of processes at once.

::

    {"schema_version": 1, "kind": "vote", "id": …, "ballot": …, "session": …, "rater": "Ana", "prompt_id": …, "a": "<run>",
     "b": "<run>", "a_request": …, "b_request": …, "a_sha256": …, "b_sha256": …, "left": "b", "choice": "a", "seconds": 2.9, "created": …}
    {"schema_version": 1, "kind": "retraction", "id": …, "vote": "<id of the vote>", "rater": "Ana", "created": …}

Every line is written under a lock on the file, after what others added was read, and is on disk before the page hears of
it. A line that a killed process left half-written is cut off by the next one that writes.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import threading
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from bench.core.files import add_line, write_atomically, writing
from bench.errors import StoreError
from bench.store import schema

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Choice = Literal["a", "b", "tie", "bad"]
"""The picture of the first run is better, that of the second, they are equally good, neither is any good."""
CHOICES: tuple[Choice, ...] = ("a", "b", "tie", "bad")


@dataclass(frozen=True)
class Vote:
    """What one person said of one ballot.

    Attributes:
        id: of this vote, given by the page; sending it twice is one vote.
        ballot: ``Ballot.id``.
        session: short hash of the runs, prompts and seed that were voted on together.
        a, b: names of the runs, in the order of the alphabet; ``a_request`` and ``a_sha256`` name the picture of a.
        left: the run whose picture was shown on the left.
        seconds: from when both pictures were there to the choice, without the time the page was hidden; NaN where unknown.
        created: UTC, ISO 8601.
    """

    id: str
    ballot: str
    session: str
    rater: str
    prompt_id: str
    a: str
    b: str
    a_request: str
    b_request: str
    a_sha256: str
    b_sha256: str
    left: Literal["a", "b"]
    choice: Choice
    seconds: float = math.nan
    created: str = ""


@dataclass(frozen=True)
class Retraction:
    """A vote taken back by the person who gave it; ``vote`` is its id."""

    id: str
    vote: str
    rater: str
    created: str = ""


def apply_vote(entry: Vote | Retraction, standing: dict[tuple[str, str], Vote]) -> bool:
    """Apply ``entry`` to ``standing``, the votes that count, by (rater, ballot); returns whether it changed them.

    The first vote of a rater on a ballot counts until it is taken back; then the next one does.
    """
    if isinstance(entry, Vote):
        return standing.setdefault((entry.rater, entry.ballot), entry) is entry
    retracted = [key for key, vote in standing.items() if vote.id == entry.vote and vote.rater == entry.rater]
    for key in retracted:
        del standing[key]
    return bool(retracted)


_KINDS: dict[str, type[Vote | Retraction]] = {"vote": Vote, "retraction": Retraction}


class VoteBook:
    """The votes of a results folder; threads and processes may share it."""

    def __init__(self, file: Path) -> None:
        self.path = file
        self._guard = threading.Lock()
        self._start_over()

    def _start_over(self) -> None:
        self._read, self._lines = 0, 0
        self._ids: set[str] = set()
        self._standing: dict[tuple[str, str], Vote] = {}

    def standing(self) -> dict[tuple[str, str], Vote]:
        """The votes that count, by (rater, ballot), oldest first.

        Raises:
            StoreError: a line is damaged or from a newer version.
        """
        with self._guard:
            self._catch_up()
            return dict(self._standing)

    def add(self, entry: Vote | Retraction) -> bool:
        """Write ``entry`` down; one that is there already, by its id, is not written again.

        Returns:
            Whether it counts: False for a vote on a ballot that the rater has judged, or the retraction of none that stands.

        Raises:
            StoreError: the file cannot be written or read.
        """
        with self._guard, writing(self.path, "voted"):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            new = not self.path.exists()
            with self.path.open("ab", buffering=0) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                self._catch_up()
                if entry.id in self._ids:
                    return True
                if not apply_vote(entry, dict(self._standing)):
                    return False
                if file.seek(0, os.SEEK_END) > self._read:
                    file.truncate(self._read)
                add_line(file, _row(entry), flush=True)
                if new:
                    _flush(self.path.parent)
                self._catch_up()
        return True

    def secret(self, name: str, values: Mapping[str, str | int] | None = None) -> dict[str, Any]:
        """The values stored as ``name`` in this user's folder ``.vote-<uid>``, which nobody else can read; {} where there are none.

        Where there are none, ``values`` are stored first; of two processes that try, the first one's values count.

        Raises:
            StoreError: the file cannot be written or is damaged.
        """
        file = self.path.parent / f".vote-{os.getuid()}" / f"{name}.json"
        with writing(file, "voted"):
            if values is None and not file.exists():
                return {}
            if values is not None and not file.exists():
                file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                write_atomically(file, json.dumps(dict(values)).encode(), flush=False, mode=0o600, replace=False)
        try:
            stored: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise StoreError(f"{file} is damaged ({error}); delete it, the voting page then gets a new address") from error
        return stored

    def _catch_up(self) -> None:
        """Read the whole lines that were added since the last time; a file that is gone or shorter is read from its start."""
        size = self.path.stat().st_size if self.path.exists() else 0
        if size < self._read:
            self._start_over()
        if size == self._read:
            return
        with self.path.open("rb") as file:
            file.seek(self._read)
            whole, end, _torn = file.read().rpartition(b"\n")
        lines = whole.split(b"\n") if end else []
        entries = [_entry(line, f"{self.path}, line {self._lines + i}") for i, line in enumerate(lines, 1)]
        for entry in entries:
            if entry.id not in self._ids:
                self._ids.add(entry.id)
                apply_vote(entry, self._standing)
        self._lines += len(lines)
        self._read += len(whole) + len(end)


def _row(entry: Vote | Retraction) -> dict[str, Any]:
    row = {"schema_version": schema.SCHEMA_VERSION, "kind": "vote" if isinstance(entry, Vote) else "retraction", **asdict(entry)}
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()}


def _entry(line: bytes, where: str) -> Vote | Retraction:
    try:
        row: dict[str, Any] = json.loads(line)
        schema.check_version(row.pop("schema_version", 1), where)
        kind = _KINDS[row.pop("kind")]
        if kind is Vote and row.get("seconds") is None:
            row["seconds"] = math.nan
        entry = kind(**row)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise StoreError(f"{where}, is damaged ({error}); repair or delete that line") from error
    if isinstance(entry, Vote) and (entry.choice not in CHOICES or entry.left not in {"a", "b"}):
        raise StoreError(f"{where}, is no vote: choice {entry.choice!r}, left {entry.left!r}; repair or delete that line")
    return entry


def _flush(folder: Path) -> None:
    """Flush the folder itself, so that a new file's name is on disk too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
