"""How often the words and intervals of distances between sets, and of refusals, are wrong, where the truth is known.

Made-up pictures (features with a known distance) go through the metrics' own ``compare``, the frame ``pairwise`` and its verdict.
"""

from __future__ import annotations

import json
import math
import sys
from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from table import Row, row

from bench.analysis import pairwise
from bench.metrics.distribution.formulas import frechet
from bench.metrics.distribution.frechet import FrechetDistance
from bench.metrics.distribution.kernel import KernelDistance
from bench.metrics.distribution.precision_recall import PrecisionRecall
from bench.metrics.distribution.reference import ReferenceFeatures
from bench.metrics.safety import refusals
from bench.types import ImageRecord, Request

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from bench.metrics.distribution.base import SetDistance
    from bench.types import ScoreRow, Status

_CONTENTS = count()


class Given:
    """An extractor that is never asked: the features are given."""

    name = "given"

    def fingerprint_fields(self) -> Mapping[str, str]:
        """Nothing to say."""
        return {}

    def features(self, images: Sequence[object]) -> np.ndarray:
        """Never asked."""
        raise NotImplementedError(images)


def metric(kind: type[SetDistance], reference: ReferenceFeatures, **settings: Any) -> SetDistance:  # noqa: ANN401 - of each its own
    """A distance to a reference in memory."""
    name = {FrechetDistance: "fd", KernelDistance: "kid", PrecisionRecall: "prdc"}[kind]
    made = kind(Given(), f"{name}_given", "memory", **settings)
    made.__dict__["_reference"] = SimpleNamespace(identity="memory", load=lambda *_: reference)
    return made


def records(prompts: int, seeds: int, declined: np.ndarray | None = None) -> list[ImageRecord]:
    """Pictures of so many prompts and seeds, one prompt after the other; no two have the same content."""
    made = []
    for i in range(prompts):
        for seed in range(seeds):
            status: Status = "refused" if declined is not None and declined[i, seed] else "ok"
            request = Request("m", "r", f"prompt {i}", None, seed, 8, 8)
            made.append(ImageRecord(f"p{i:04d}", "x", "s", "h", request, status, "e", "now", sha256=f"{next(_CONTENTS):064d}"))
    return made


def pictures(
    rng: np.random.Generator, asked: np.ndarray, seeds: int, alike: float, *, spread: float = 1.0, shift: float = 0.0
) -> np.ndarray:
    """Features (prompts x seeds, D), mean ``shift`` / sqrt(D), deviation ``spread``, alike to ``alike`` by what was ``asked`` (P, D)."""
    prompts, d = asked.shape
    own = rng.normal(size=(prompts, seeds, d))
    drawn = math.sqrt(alike) * asked[:, None] + math.sqrt(1 - alike) * own
    return np.asarray((spread * drawn + shift / math.sqrt(d)).reshape(-1, d), dtype=np.float32)


def verdicts(runs: Sequence[Sequence[ScoreRow]]) -> dict[str, str]:
    """The verdict on two runs, of each column, as the frame has it."""
    rows = [
        {"run": name, "metric": r.metric, "unit": r.unit, "higher_is_better": r.higher_is_better, "request_id": None, "prompt_id": None,
         "seed": None, "status": r.status, "value": r.value, "reason": r.reason, "cause": None, "worst": None,
         "detail": json.dumps(r.detail), "fingerprint": r.fingerprint}
        for name, run in zip("ab", runs, strict=True) for r in run
    ]  # fmt: skip
    table = pairwise.table(pd.DataFrame(rows), {"a": {}, "b": {}}, {})
    return dict(zip(table["metric"], table["verdict"], strict=True))


def cubic_discrepancy(shift: float, spread: float, d: int) -> float:
    """KID's endless value of N(shift / sqrt(D), spread²) and N(0, 1) in D features, in closed form."""

    def mean(m: float, s: float, u: float, t: float) -> float:
        dot, s2, t2 = m * u, s * s, t * t
        square = dot**2 + s2 * u * u + t2 * m * m + d * s2 * t2
        cube = dot**3 + 3 * dot * t2 * m * m + 3 * s2 * dot * (u * u + (d + 2) * t2)
        return 1 + 3 * dot / d + 3 * square / d**2 + cube / d**3

    return mean(shift, spread, shift, spread) + mean(0, 1, 0, 1) - 2 * mean(shift, spread, 0, 1)


def less_varied(n: int, d: int, replicates: int, *names: str, high: float = 0.05) -> list[Row]:
    """Two runs as far from the reference, one with 0.7 of the spread: how often FD, and KID, say that one is better.

    The other run's shift makes the endless distances equal, of each distance its own. ``high``: how often it may.
    """
    rng, mine = np.random.default_rng(n), records(n, 1)
    exact = ReferenceFeatures(fitted=frechet.from_statistics(np.zeros(d), np.eye(d), 0))
    theirs = rng.normal(size=(1000, d))
    theirs -= theirs.mean(0)
    theirs = theirs @ np.linalg.inv(np.linalg.cholesky(np.cov(theirs, rowvar=False))).T  # so that the distances to it are equal too
    drawn = ReferenceFeatures(features=theirs.astype(np.float32), n=1000)
    narrow = cubic_discrepancy(0.0, 0.7, d)
    shifts = {"fd": 0.3 * math.sqrt(d), "kid": float(brentq(lambda m: cubic_discrepancy(m, 1.0, d) - narrow, 0, 10 * math.sqrt(d)))}
    measured = {"fd": metric(FrechetDistance, exact), "kid": metric(KernelDistance, drawn, subsets=5)}
    wrong: dict[str, list[bool]] = {name: [] for name in names}
    for _ in range(replicates):
        asked = rng.normal(size=(n, d))
        for name in names:
            distance = measured[name]
            runs = [pictures(rng, asked, 1, 0.5, spread=spread, shift=shift) for spread, shift in ((0.7, 0.0), (1.0, shifts[name]))]
            said = verdicts([distance.compare(x, mine) for x in runs])
            wrong[name].append(said[distance.name] in {pairwise.BETTER, pairwise.WORSE})
    world = f"{n} x 1, D {d}, equal distances, one run less varied"
    return [row(world, f"a word by {name}", sum(hits), replicates, high=high) for name, hits in wrong.items()]


def unequal_seeds(prompts: int, replicates: int, d: int = 8) -> Row:
    """One model against itself, one seed a prompt against four: how often a distance says better or worse."""
    rng = np.random.default_rng(prompts)
    distance = metric(FrechetDistance, ReferenceFeatures(fitted=frechet.from_statistics(np.zeros(d), np.eye(d), 0)))
    wrong = []
    for _ in range(replicates):
        asked = rng.normal(size=(prompts, d))
        runs = [distance.compare(pictures(rng, asked, k, 0.5, shift=0.7), records(prompts, k)) for k in (1, 4)]
        wrong.append(verdicts(runs)[distance.name] in {pairwise.BETTER, pairwise.WORSE})
    return row(f"One model, {prompts} x 1 against {prompts} x 4", "a word by fd", sum(wrong), replicates, high=0.0)


def kid_coverage(prompts: int, seeds: int, replicates: int, *, shift: float = 0.0, shared: bool = False, d: int = 16) -> Row:
    """KID of ``seeds`` pictures a prompt, alike to 0.8, against 400 others: how often its interval holds the endless value.

    ``shared``: the reference shows the same prompts, eight pictures each.
    """
    rng, inside, truth = np.random.default_rng(prompts + seeds), [], cubic_discrepancy(shift, 1.0, d)
    texts = tuple(f"prompt {i}" for i in range(prompts) for _ in range(8)) if shared else None
    for _ in range(replicates):
        asked = rng.normal(size=(prompts, d))
        theirs = pictures(rng, asked, 8, 0.8) if shared else rng.normal(size=(400, d)).astype(np.float32)
        reference = ReferenceFeatures(features=theirs, n=len(theirs), prompts=texts)
        drawn = pictures(rng, asked, seeds, 0.8, shift=shift)
        (found,) = metric(KernelDistance, reference, subsets=10).compare(drawn, records(prompts, seeds))
        inside.append(found.detail["low"] <= truth <= found.detail["high"])
    world = f"KID {truth:.3f}, {prompts} x {seeds}{', reference of the same prompts' if shared else ''}"
    return row(world, "interval covers", sum(inside), replicates, low=0.93, high=1.0 if shared or not shift else 0.99)


def alike_words(kind: type[SetDistance], prompts: int, seeds: int, replicates: int, d: int = 8) -> list[Row]:
    """Two runs of one model on the same prompts: how often each column says better or worse."""
    rng, wrong = np.random.default_rng(prompts * seeds), dict[str, list[bool]]()
    reference = ReferenceFeatures(features=rng.normal(size=(300, d)).astype(np.float32), n=300)
    distance = metric(kind, reference, **({"subsets": 10} if kind is KernelDistance else {}))
    for _ in range(replicates):
        asked = rng.normal(size=(prompts, d))
        runs = [distance.compare(pictures(rng, asked, seeds, 0.5, shift=0.7), records(prompts, seeds)) for _ in range(2)]
        for column, word in verdicts(runs).items():
            wrong.setdefault(column, []).append(word in {pairwise.BETTER, pairwise.WORSE})
    return [
        row(f"One model twice, {prompts} x {seeds}", f"a word by {name}", sum(hits), replicates, high=0.05) for name, hits in wrong.items()
    ]


def refusal_coverage(prompts: int, seeds: int, replicates: int, share: float = 0.1, alike: float = 0.8) -> Row:
    """A share of refusals whose seeds agree: how often its interval holds it."""
    rng, inside = np.random.default_rng(seeds), []
    a, b = (p * (1 - alike) / alike for p in (share, 1 - share))
    for _ in range(replicates):
        declined = rng.random((prompts, seeds)) < rng.beta(a, b, size=(prompts, 1))
        found = refusals.shares(records(prompts, seeds, declined))
        inside.append(found["low"] <= share <= found["high"])
    return row(
        f"Refusals of {share:.0%}, {prompts} x {seeds}, alike to {alike:g}", "interval covers", sum(inside), replicates, low=0.93, high=0.99
    )


def worlds(*, quick: bool) -> Iterator[Row]:
    """Every row of this module."""
    few = 12 if quick else 80
    for n in (64, 100, 200, 500):
        yield from less_varied(n, 64, few // 4, "fd")
    yield from less_varied(100, 16, few, "fd", "kid")
    yield from less_varied(320, 16, few, "fd", high=0.12)  # the least number with a verdict: some bias is left
    yield unequal_seeds(100, few // 4)
    yield unequal_seeds(200, few // 4)
    for prompts, seeds in ((50, 4), (25, 4), (12, 4), (50, 1)):
        yield kid_coverage(prompts, seeds, few, shift=1.0)
        yield kid_coverage(prompts, seeds, few)
    yield kid_coverage(32, 2, few, shared=True)
    yield from alike_words(KernelDistance, 50, 4, few)
    yield from alike_words(FrechetDistance, 50, 4, few)
    for prompts in (30, 60, 200):
        yield from alike_words(PrecisionRecall, prompts, 1, few)
    yield refusal_coverage(50, 1, 4 * few)
    yield refusal_coverage(50, 4, 4 * few)


if __name__ == "__main__":
    sys.exit("run: python benchmarks/statistics")
