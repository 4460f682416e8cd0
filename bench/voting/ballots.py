"""Which two pictures a person is shown, in which order and on which side. Pure; standard library only."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, zip_longest
from random import Random
from typing import TYPE_CHECKING, Literal

from bench.types import digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bench.types import ImageRecord


@dataclass(frozen=True)
class BallotSide:
    """A picture of a ballot: the run's name, the request it answers, the file in the run's folder and its hash."""

    run: str
    request_id: str
    image: str
    sha256: str


@dataclass(frozen=True)
class Ballot:
    """Two pictures of one prompt from two runs; ``a.run`` comes before ``b.run`` in the alphabet.

    Attributes:
        turn: 0 for the first pair of pictures that these two runs have of this prompt, 1 for the second, …
    """

    prompt_id: str
    prompt: str
    a: BallotSide
    b: BallotSide
    turn: int = 0

    @cached_property
    def id(self) -> str:
        """Names both pictures by content: another picture is another ballot."""
        sides = [[side.run, side.request_id, side.sha256] for side in (self.a, self.b)]
        return digest([self.prompt_id, sides])[:24]

    @property
    def pair(self) -> tuple[str, str]:
        """The two runs."""
        return (self.a.run, self.b.run)


def pairs(records: Mapping[str, Sequence[ImageRecord]]) -> tuple[list[Ballot], int]:
    """Every ballot of some runs, and how many were left out because the two pictures are the same file.

    A prompt is the same where id and text are. Two pictures go together by seed where both runs have it; what is left
    over is matched in the order of the records.

    Args:
        records: the current records of each run, by name.
    """
    made: list[Ballot] = []
    identical = 0
    held = {run: _by_prompt(records[run]) for run in sorted(records)}
    for one, other in combinations(held, 2):
        for key in [k for k in held[one] if k in held[other]]:
            turn = 0
            for left, right in _matched(held[one][key], held[other][key]):
                a, b = _side(one, left), _side(other, right)
                identical += a.sha256 == b.sha256
                if a.sha256 != b.sha256:
                    made.append(Ballot(*key, a, b, turn))
                    turn += 1
    return made, identical


def select_ballots(ballots: Sequence[Ballot], *, seed: int, most: int | None = None) -> list[Ballot]:
    """The first ``most`` ballots of a balanced order; the same for every rater, so that raters can be compared."""
    return _balanced(ballots, Random(f"{seed}"))[:most]  # noqa: S311 - no secret


def queue(ballots: Sequence[Ballot], *, seed: int, rater: str) -> list[Ballot]:
    """The order in which ``rater`` meets ``ballots``: decided by ``seed`` and the name, whatever order they come in."""
    return _balanced(ballots, Random(f"{seed} {rater}"))  # noqa: S311 - no secret


def left(ballot: Ballot, *, seed: int, rater: str) -> Literal["a", "b"]:
    """The run on the left for ``rater``; a coin decided by ``seed``, the name and the ballot."""
    return "ab"[int(digest([seed, rater, ballot.id])[:8], 16) % 2]  # type: ignore[return-value] # one of the two letters


def _balanced(ballots: Sequence[Ballot], chance: Random) -> list[Ballot]:
    """Rounds in which every pair of runs comes once, in a new order; every prompt once before the second pictures of any."""
    by_pair: defaultdict[tuple[str, str], list[Ballot]] = defaultdict(list)
    for ballot in sorted(ballots, key=lambda b: b.id):
        by_pair[ballot.pair].append(ballot)
    for pair in sorted(by_pair):
        chance.shuffle(by_pair[pair])
        by_pair[pair].sort(key=lambda b: b.turn)
    order: list[Ballot] = []
    for met in zip_longest(*(by_pair[pair] for pair in sorted(by_pair))):
        there = [ballot for ballot in met if ballot is not None]
        chance.shuffle(there)
        order += there
    return order


def _by_prompt(records: Iterable[ImageRecord]) -> dict[tuple[str, str], list[ImageRecord]]:
    found: defaultdict[tuple[str, str], list[ImageRecord]] = defaultdict(list)
    for record in records:
        if record.status == "ok" and record.image and record.sha256:
            found[record.prompt_id, record.request.prompt].append(record)
    return dict(found)


def _matched(one: Sequence[ImageRecord], other: Sequence[ImageRecord]) -> list[tuple[ImageRecord, ImageRecord]]:
    seeds = {r.request.seed: r for r in other if r.request.seed is not None}
    same = [(r, seeds[r.request.seed]) for r in one if r.request.seed in seeds]
    used = {r.request.seed for r, _ in same}
    rest = [[r for r in records if r.request.seed not in used] for records in (one, other)]
    return same + list(zip(*rest, strict=False))


def _side(run: str, record: ImageRecord) -> BallotSide:
    return BallotSide(run, record.request.id, str(record.image), str(record.sha256))
