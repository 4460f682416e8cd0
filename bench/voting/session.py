"""A session of voting: who has judged what, what comes next, and what the page's answers mean."""

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
"""Ballots that the page gets at once; it goes on with them while the server is away."""
_PACE_VOTES = 20
"""The pace is the median time of so many last votes."""
_MAX_NAME, _MAX_VOTE_S, _MAX_EDGE = 40, 3600.0, 8192
_ID = re.compile(r"[0-9A-Za-z-]{8,64}")


class RefusedError(BenchError):
    """An answer of the page that cannot be stored, now or later."""


@dataclass(frozen=True)
class VotingSession:
    """The ballots of a session, and where votes on them are stored.

    Attributes:
        ballots: every rater judges all of them; in no particular order.
        runs: by name.
        labels: names of the runs in the ranking, by run name.
        book: stores the votes.
        seed: decides each rater's order of ballots and sides.
        rater: the only one who votes; None where the page asks for a name.
        token: secret key that makes pictures' names unguessable; the same after a restart.
        name: of the session (``session_name``).
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
        """The ballots by id."""
        return {ballot.id: ballot for ballot in self.ballots}

    @cached_property
    def _pictures(self) -> dict[str, tuple[Ballot, BallotSide]]:
        return {self._picture(b, which): (b, b.a if which == "a" else b.b) for b in self.ballots for which in ("a", "b")}

    @cached_property
    def _gone(self) -> set[str]:
        """Ids of ballots that cannot be shown: a picture's file is gone or has changed since the session began."""
        return set()

    def state(self, rater: str) -> dict[str, Any]:
        """The state of the page: progress, pace (s a vote), the next ballots that ``rater`` has not judged, the last vote.

        Raises:
            RefusedError: no valid name, or not the name that this session is for.
        """
        name = self._named(rater)
        votes = [vote for (who, ballot), vote in self.book.standing().items() if who == name and ballot in self.by_id]
        judged = {vote.ballot for vote in votes}
        rest = [ballot for ballot in self._queue(name) if ballot.id not in judged and ballot.id not in self._gone]
        paces = [vote.seconds for vote in votes[-_PACE_VOTES:] if not math.isnan(vote.seconds)]
        return {
            "rater": name, "done": len(votes), "total": len(votes) + len(rest), "left": len(rest),
            "pace": statistics.median(paces) if paces else None,
            "ballots": [self._shown(ballot, name) for ballot in rest[:_AHEAD]],
            "last": {"vote": votes[-1].id, "ballot": self._shown(self.by_id[votes[-1].ballot], name)} if votes else None,
        }  # fmt: skip

    def vote(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """Store a vote, ``{"id", "rater", "ballot", "choice": left|right|tie|bad, "seconds"}``; return the new state.

        The vote is on disk when this returns. A vote on pictures that are rendered again during the session is stored and does
        not count.

        Raises:
            RefusedError: a field is invalid, or the session has no such ballot: the page is older than the session, and the
                pictures may have been rendered again.
            StoreError: the vote cannot be written; try again.
        """
        name, ballot = self._named(answer.get("rater")), self.by_id.get(str(answer.get("ballot")))
        if ballot is None:
            raise RefusedError("these two pictures are not offered any more")
        left = ballots.left_run(ballot, seed=self.seed, rater=name)
        right: Literal["a", "b"] = "b" if left == "a" else "a"
        choices: dict[str, Choice] = {"left": left, "right": right, "tie": "tie", "bad": "bad"}
        choice = choices.get(str(answer.get("choice")))
        if choice is None:
            raise RefusedError("a choice is left, right, tie or bad")
        a, b = ballot.a, ballot.b
        counts = self.book.add(Vote(
            _id(answer.get("id")), ballot.id, self.name, name, ballot.prompt_id, a.run, b.run, a.request_id, b.request_id, a.sha256,
            b.sha256, left, choice, _seconds(answer.get("seconds")), _now(),
        ))  # fmt: skip
        return {**self.state(name), "counts": counts}

    def undo(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """Take a vote back, ``{"id", "rater", "vote"}``; return the new state.

        Raises:
            RefusedError: a field is invalid.
            StoreError: the retraction cannot be written; try again.
        """
        name = self._named(answer.get("rater"))
        counts = self.book.add(Retraction(_id(answer.get("id")), _id(answer.get("vote")), name, _now()))
        return {**self.state(name), "counts": counts}

    def picture(self, name: str) -> decoding.Thumbnail | None:
        """A picture by its name on the page, without metadata; None where there is none or the file has changed."""
        if name not in self._pictures:
            return None
        ballot, side = self._pictures[name]
        try:
            data = (self.runs[side.run].path / side.image).read_bytes()
            if hashlib.sha256(data).hexdigest() == side.sha256:
                return decoding.thumbnail(data, _MAX_EDGE)
        except (OSError, ValueError):
            pass
        self._gone.add(ballot.id)
        return None

    def tally(self, rater: str) -> list[dict[str, Any]]:
        """The ranking so far, best first, for a rater who has judged everything.

        Raises:
            RefusedError: ballots are left.
        """
        if self.state(rater)["left"]:
            raise RefusedError("the tally is shown once every pair is judged, so that it sways nobody")
        return self.ranking()

    def ranking(self) -> list[dict[str, Any]]:
        """The ranking from all standing votes on these runs, best first: rows of the frame ``ranking``, with the ``share`` of points."""
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
            self._queues[rater] = ballots.rater_queue(self.ballots, seed=self.seed, rater=rater)
        return self._queues[rater]

    def _shown(self, ballot: Ballot, rater: str) -> dict[str, Any]:
        """A ballot as the page gets it: nothing in it shows which run is which."""
        left = ballots.left_run(ballot, seed=self.seed, rater=rater)
        sides = (left, "b" if left == "a" else "a")
        names = [self._picture(ballot, side) for side in sides]
        return {"id": ballot.id, "prompt": ballot.prompt, "left": names[0], "right": names[1]}

    def _picture(self, ballot: Ballot, which: str) -> str:
        return hmac.new(self.token.encode(), f"{ballot.id}:{which}".encode(), hashlib.sha256).hexdigest()[:32]


def session_name(runs: Sequence[str], offered: Sequence[Ballot], seed: int) -> str:
    """Hash of runs, ballots and seed: the same command gives the same name."""
    return digest([sorted(runs), sorted(f"{b.prompt_id} {b.a.request_id} {b.b.request_id}" for b in offered), seed])[:12]


def rater_name(text: str) -> str:
    """A rater's name in its stored form: Unicode NFC, single spaces.

    Raises:
        RefusedError: empty, longer than 40 letters, or with letters that cannot be printed.
    """
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if not name or len(name) > _MAX_NAME or not name.isprintable():
        raise RefusedError(f"a rater's name has 1 to {_MAX_NAME} printable letters, not {text[:60]!r}")
    return name


def checked_rater(text: str | None) -> str | None:
    """The name in ``--rater``.

    Raises:
        ConfigError: no valid name.
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
    valid = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _MAX_VOTE_S
    return round(float(value), 3) if valid else math.nan  # type: ignore[arg-type] # a number, as just seen


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
