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
    """One picture of a ballot.

    Attributes:
        run: the run's name.
        request_id: the request that the picture answers.
        image: the file's path in the run's folder.
        sha256: the file's hash.
    """

    run: str
    request_id: str
    image: str
    sha256: str


@dataclass(frozen=True)
class Ballot:
    """Two pictures of one prompt from two runs.

    Attributes:
        prompt_id, prompt: the prompt's id and text.
        a, b: the pictures; ``a.run`` comes before ``b.run`` in the alphabet.
        turn: 0 for these runs' first pair of pictures of this prompt, 1 for the second, …
    """

    prompt_id: str
    prompt: str
    a: BallotSide
    b: BallotSide
    turn: int = 0

    @cached_property
    def id(self) -> str:
        """Hash of the prompt's id, the runs, the requests and both files: other pictures are another ballot."""
        sides = [[side.run, side.request_id, side.sha256] for side in (self.a, self.b)]
        return digest([self.prompt_id, sides])[:24]

    @property
    def pair(self) -> tuple[str, str]:
        """The two runs."""
        return (self.a.run, self.b.run)


def all_ballots(records: Mapping[str, Sequence[ImageRecord]]) -> tuple[list[Ballot], int]:
    """Every ballot of some runs, and how many pairs are left out because both pictures are the same file.

    Prompts are the same where id and text are. Pictures of a prompt are paired by seed where both runs have it, the rest in
    the order of the records.

    Args:
        records: the current records of each run, by the run's name.
    """
    ballots: list[Ballot] = []
    identical = 0
    by_prompt = {run: _by_prompt(records[run]) for run in sorted(records)}
    for run_a, run_b in combinations(by_prompt, 2):
        for key in [k for k in by_prompt[run_a] if k in by_prompt[run_b]]:
            turn = 0
            for record_a, record_b in _matched(by_prompt[run_a][key], by_prompt[run_b][key]):
                a, b = _side(run_a, record_a), _side(run_b, record_b)
                if a.sha256 == b.sha256:
                    identical += 1
                else:
                    ballots.append(Ballot(*key, a, b, turn))
                    turn += 1
    return ballots, identical


def select_ballots(ballots: Sequence[Ballot], *, seed: int, limit: int | None = None) -> list[Ballot]:
    """The first ``limit`` ballots of a balanced order: the same for every rater, so that raters can be compared."""
    return _balanced(ballots, Random(f"{seed}"))[:limit]  # noqa: S311 - no secret


def rater_queue(ballots: Sequence[Ballot], *, seed: int, rater: str) -> list[Ballot]:
    """The order in which ``rater`` sees ``ballots``: it depends on ``seed`` and the name, not on the order given."""
    return _balanced(ballots, Random(f"{seed} {rater}"))  # noqa: S311 - no secret


def left_run(ballot: Ballot, *, seed: int, rater: str) -> Literal["a", "b"]:
    """Which side of the ballot ``rater`` sees on the left: a coin that ``seed``, the name and the ballot decide."""
    return "ab"[int(digest([seed, rater, ballot.id])[:8], 16) % 2]  # type: ignore[return-value] # one of the two letters


def _balanced(ballots: Sequence[Ballot], chance: Random) -> list[Ballot]:
    """Rounds in which every pair of runs comes once, in random order; second pictures of a prompt come after all first ones."""
    by_pair: defaultdict[tuple[str, str], list[Ballot]] = defaultdict(list)
    for ballot in sorted(ballots, key=lambda b: b.id):
        by_pair[ballot.pair].append(ballot)
    for pair in sorted(by_pair):
        chance.shuffle(by_pair[pair])
        by_pair[pair].sort(key=lambda b: b.turn)
    order: list[Ballot] = []
    for slots in zip_longest(*(by_pair[pair] for pair in sorted(by_pair))):
        round_ = [ballot for ballot in slots if ballot is not None]
        chance.shuffle(round_)
        order += round_
    return order


def _by_prompt(records: Iterable[ImageRecord]) -> dict[tuple[str, str], list[ImageRecord]]:
    by_prompt: defaultdict[tuple[str, str], list[ImageRecord]] = defaultdict(list)
    for record in records:
        if record.status == "ok" and record.image and record.sha256:
            by_prompt[record.prompt_id, record.request.prompt].append(record)
    return dict(by_prompt)


def _matched(a: Sequence[ImageRecord], b: Sequence[ImageRecord]) -> list[tuple[ImageRecord, ImageRecord]]:
    seeds = {r.request.seed: r for r in b if r.request.seed is not None}
    same = [(r, seeds[r.request.seed]) for r in a if r.request.seed in seeds]
    used = {r.request.seed for r, _ in same}
    rest = [[r for r in records if r.request.seed not in used] for records in (a, b)]
    return same + list(zip(*rest, strict=False))


def _side(run: str, record: ImageRecord) -> BallotSide:
    return BallotSide(run, record.request.id, str(record.image), str(record.sha256))
