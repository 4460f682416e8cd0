"""One round of voting: who has judged what, what comes next, and what an answer of the page means."""

from __future__ import annotations

import hashlib
import hmac
import math
import re
import statistics
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from bench.errors import BenchError, ConfigError
from bench.images import decoding
from bench.store import Retraction, Vote
from bench.types import digest
from bench.voting import ballots

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.store import Run, VoteBook
    from bench.store.votes import Choice
    from bench.voting.ballots import Ballot, BallotSide

_AHEAD = 8
"""Ballots the page is told of at once; it goes on with them while the server is away."""
_PACE = 20
"""The pace is the median of so many of the last votes."""
_LONGEST_NAME, _LONGEST_VOTE_S, _EDGE = 40, 3600.0, 8192
_ID = re.compile(r"[0-9A-Za-z-]{8,64}")


class RefusedError(BenchError):
    """An answer of the page that cannot be kept, now or later."""


@dataclass(frozen=True)
class VotingSession:
    """What people are asked.

    Attributes:
        ballots: what every rater judges, in no particular order.
        runs: by name.
        labels: what the tally calls each run.
        rater: the only one who votes; None where the page asks for a name.
        token: the key that makes names of pictures unguessable; the same after a restart.
    """

    ballots: Sequence[Ballot]
    runs: Mapping[str, Run]
    labels: Mapping[str, str]
    book: VoteBook
    seed: int
    rater: str | None
    token: str
    name: str

    @cached_property
    def by_id(self) -> dict[str, Ballot]:
        """The ballots by name."""
        return {ballot.id: ballot for ballot in self.ballots}

    @cached_property
    def _pictures(self) -> dict[str, tuple[Ballot, BallotSide]]:
        return {self._picture(b, which): (b, b.a if which == "a" else b.b) for b in self.ballots for which in ("a", "b")}

    @cached_property
    def _gone(self) -> set[str]:
        """Ballots that cannot be shown: a picture's file is gone or another one since this session began."""
        return set()

    def state(self, rater: str) -> dict[str, Any]:
        """What the page needs to know; ``ballots`` are the next ones that ``rater`` has not judged.

        Raises:
            RefusedError: the name is none, or not the one this session is for.
        """
        name = self._named(rater)
        votes = [vote for (who, ballot), vote in self.book.standing().items() if who == name and ballot in self.by_id]
        judged = {vote.ballot for vote in votes}
        rest = [ballot for ballot in self._queue(name) if ballot.id not in judged and ballot.id not in self._gone]
        paces = [vote.seconds for vote in votes[-_PACE:] if not math.isnan(vote.seconds)]
        return {
            "rater": name, "done": len(votes), "total": len(votes) + len(rest), "left": len(rest),
            "pace": statistics.median(paces) if paces else None,
            "ballots": [self._shown(ballot, name) for ballot in rest[:_AHEAD]],
            "last": {"vote": votes[-1].id, "ballot": self._shown(self.by_id[votes[-1].ballot], name)} if votes else None,
        }  # fmt: skip

    def vote(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """Keep a vote, ``{"id", "rater", "ballot", "choice": left|right|tie|bad, "seconds"}``; the new state, once it is on disk.

        Raises:
            RefusedError: it makes no sense, or the pictures are not offered: those of a page older than this session may have
                been made anew. A vote on pictures that are made anew during the session is kept and does not count.
            StoreError: it cannot be written; try again.
        """
        name, ballot = self._named(said.get("rater")), self.by_id.get(str(said.get("ballot")))
        if ballot is None:
            raise RefusedError("these two pictures are not offered any more")
        left = ballots.left(ballot, seed=self.seed, rater=name)
        right: Literal["a", "b"] = "b" if left == "a" else "a"
        meant: dict[str, Choice] = {"left": left, "right": right, "tie": "tie", "bad": "bad"}
        choice = meant.get(str(said.get("choice")))
        if choice is None:
            raise RefusedError("a choice is left, right, tie or bad")
        a, b = ballot.a, ballot.b
        counts = self.book.add(Vote(
            _id(said.get("id")), ballot.id, self.name, name, ballot.prompt_id, a.run, b.run, a.request_id, b.request_id, a.sha256,
            b.sha256, left, choice, _seconds(said.get("seconds")), _now(),
        ))  # fmt: skip
        return {**self.state(name), "counts": counts}

    def undo(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """Take a vote back, ``{"id", "rater", "vote"}``; the new state, once it is on disk.

        Raises:
            RefusedError: it makes no sense.
            StoreError: it cannot be written; try again.
        """
        name = self._named(said.get("rater"))
        counts = self.book.add(Retraction(_id(said.get("id")), _id(said.get("vote")), name, _now()))
        return {**self.state(name), "counts": counts}

    def picture(self, name: str) -> decoding.Thumbnail | None:
        """A picture by the name the page has for it, free of metadata; None where there is none or the file has changed."""
        if name not in self._pictures:
            return None
        ballot, side = self._pictures[name]
        try:
            data = (self.runs[side.run].path / side.image).read_bytes()
            if hashlib.sha256(data).hexdigest() == side.sha256:
                return decoding.thumbnail(data, _EDGE)
        except OSError:
            pass
        self._gone.add(ballot.id)
        return None

    def tally(self, rater: str) -> list[dict[str, Any]]:
        """The ranking so far, the best first, for someone who has judged everything.

        Raises:
            RefusedError: there is something left to judge.
        """
        if self.state(rater)["left"]:
            raise RefusedError("the tally is shown once every pair is judged, so that it sways nobody")
        return self.ranking()

    def ranking(self) -> list[dict[str, Any]]:
        """The ranking from all standing votes on these runs: the columns of the frame ``ranking``, and ``share`` of its points."""
        from bench.analysis import votes as tally  # noqa: PLC0415 - slow import

        return tally.ranked(list(self.book.standing().values()), {self.labels[name]: run for name, run in self.runs.items()})

    def _named(self, rater: object) -> str:
        name = rater_name(rater if isinstance(rater, str) else "")
        if self.rater is not None and name != self.rater:
            raise RefusedError(f"this session is for {self.rater}")
        return name

    @cached_property
    def _queues(self) -> dict[str, list[Ballot]]:
        return {}

    def _queue(self, rater: str) -> list[Ballot]:
        if rater not in self._queues:
            self._queues[rater] = ballots.queue(self.ballots, seed=self.seed, rater=rater)
        return self._queues[rater]

    def _shown(self, ballot: Ballot, rater: str) -> dict[str, Any]:
        """A ballot as the page knows it: nothing in it tells which run is which."""
        left = ballots.left(ballot, seed=self.seed, rater=rater)
        sides = (left, "b" if left == "a" else "a")
        names = [self._picture(ballot, side) for side in sides]
        return {"id": ballot.id, "prompt": ballot.prompt, "left": names[0], "right": names[1]}

    def _picture(self, ballot: Ballot, which: str) -> str:
        return hmac.new(self.token.encode(), f"{ballot.id}:{which}".encode(), hashlib.sha256).hexdigest()[:32]


def session_name(runs: Sequence[str], offered: Sequence[Ballot], seed: int) -> str:
    """Short hash of what is voted on: the same command gives the same name."""
    return digest([sorted(runs), sorted(f"{b.prompt_id} {b.a.request_id} {b.b.request_id}" for b in offered), seed])[:12]


def rater_name(text: str) -> str:
    """A name as it is kept: one form of every letter, single spaces.

    Raises:
        RefusedError: empty, too long, or with letters that cannot be printed.
    """
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise RefusedError(f"a rater's name has 1 to {_LONGEST_NAME} printable letters, not {text[:60]!r}")
    return name


def checked_rater(text: str | None) -> str | None:
    """The name given on the command line.

    Raises:
        ConfigError: it is no name.
    """
    try:
        return None if text is None else rater_name(text)
    except RefusedError as error:
        raise ConfigError(f"--rater: {error}") from error


def _id(value: object) -> str:
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise RefusedError("an answer needs an id of 8 to 64 letters and digits")
    return value


def _seconds(value: object) -> float:
    known = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LONGEST_VOTE_S
    return round(float(value), 3) if known else math.nan  # type: ignore[arg-type] # a number, as just seen


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
