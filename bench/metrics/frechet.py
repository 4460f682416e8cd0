"""FID and its family: distances between the pictures of a run and a reference set, each an extractor and a statistic."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from bench.errors import BenchError, ConfigError
from bench.fingerprint import Trait, fingerprint
from bench.metrics import Extractor, distances, kernels, manifold
from bench.metrics.reference import Held, Reference, kind
from bench.types import Column

if TYPE_CHECKING:
    from bench.types import ImageRecord, ScoreRow

VERSION = 2
_CMMD_CLIP = "openai/clip-vit-large-patch14-336"
_MOST = 10_000
"""Pictures of a set that enter KID's interval at most."""


@dataclass(frozen=True)
class SetDistance(ABC):
    """What the distances share: the reference, its refusals, and the notes on what was compared.

    Attributes:
        extractor: what turns pictures into features.
        name: column; it says which extractor made the features, and a wrong one is refused.
        reference: see ``Reference.where``; None leaves the run unscored.
        samples: pictures a prompt that the renderer draws.
    """

    version: ClassVar[int] = VERSION

    extractor: Extractor
    name: str
    reference: str | None = None
    samples: int = 8

    def __post_init__(self) -> None:
        right = self._right_name()
        if self.name != right:
            raise ConfigError(f"metric {self.name!r} with the extractor {self.extractor.name!r} must be called {right!r}")

    @property
    def columns(self) -> tuple[Column, ...]:
        """One column of its own name, lower is better."""
        return (Column(self.name, "distance", higher_is_better=False),)

    def settings(self) -> dict[str, Trait]:
        """The fields that change the value."""
        return {}

    def fingerprint(self) -> str:
        """The extractor's traits, the reference by content, the settings."""
        identity = self._reference.identity if self._reference else "none"
        return fingerprint(self.name, self.version, **self.extractor.traits(), reference=identity, **self.settings())

    def obstacle(self) -> str | None:
        """No reference, and how to name one."""
        if self.reference is None:
            return f"no reference; name one with: metric.{self.name}.reference=FOLDER (pictures, a run, or an .npz with mu, sigma, n)"
        return None

    def compare(self, features: np.ndarray, records: Sequence[ImageRecord]) -> list[ScoreRow]:
        """A row of each column; n, the reference's n and a note on what is unequal in ``detail``."""
        try:
            return self._compared(features, records)
        except BenchError as error:
            return [column.missing(self.fingerprint(), str(error), detail={"n": len(features)}) for column in self.columns]

    def check(self, n: int, dimensions: int) -> None:  # noqa: B027 - most distances take any number
        """Raise ConfigError where ``n`` pictures are too few, before the reference is loaded."""

    @abstractmethod
    def measure(self, features: np.ndarray, held: Held) -> tuple[Sequence[float], dict[str, Any]]:
        """A value of each column, and details."""

    @abstractmethod
    def _right_name(self) -> str: ...

    @cached_property
    def _reference(self) -> Reference | None:
        return None if self.reference is None else Reference(self.reference, self.samples)

    def _compared(self, features: np.ndarray, records: Sequence[ImageRecord]) -> list[ScoreRow]:
        why = self.obstacle()
        if why or self._reference is None:
            raise ConfigError(why or "no reference")
        if len(features) < 2:
            raise ConfigError(f"{len(features)} picture{'s' * (len(features) != 1)}; a distance between sets needs at least two")
        self.check(len(features), features.shape[1])
        held = self._reference.load(self.extractor, records)
        if held.dimensions != features.shape[1]:
            raise ConfigError(
                f"the reference has {held.dimensions} features a picture, {self.extractor.name} gives {features.shape[1]}; "
                "name a reference made with the same extractor"
            )
        refuse_shared(features, records, held)
        by_content = np.argsort([str(r.sha256) for r in records], kind="stable")
        values, detail = self.measure(features[by_content], held)
        notes = [*unlike(records, held), *([detail["note"]] if "note" in detail else [])]
        detail |= {"n": len(features), "reference_n": held.n or None, "dimensions": features.shape[1]}
        if notes:
            detail["note"] = f"{self.name}: {'; '.join(notes)}"
        return [c.scored(self.fingerprint(), v, detail=detail) for c, v in zip(self.columns, values, strict=True)]


@dataclass(frozen=True)
class FrechetDistance(SetDistance):
    """``fid`` with the Inception weights FID is defined on (``fid_clean`` with clean-fid's resize), else ``fd_<extractor>``.

    Attributes:
        allow_small: score with fewer pictures than features too, where the covariance is rank-deficient.
    """

    allow_small: bool = False

    def _right_name(self) -> str:
        return _after_inception("fid", "fd", self.extractor)

    def check(self, n: int, dimensions: int) -> None:
        """Refuse fewer pictures than features."""
        if n < dimensions and not self.allow_small:
            raise ConfigError(self._small(f"{n:,} pictures", n - 1, dimensions))

    def measure(self, features: np.ndarray, held: Held) -> tuple[Sequence[float], dict[str, Any]]:
        """The Fréchet distance, and both ranks."""
        there, dimensions = held.gaussian, features.shape[1]
        small = there.n < dimensions if there.n else there.rank < dimensions
        if small and not self.allow_small:
            what = f"{there.n:,} reference pictures" if there.n else "a reference of unknown size"
            raise ConfigError(self._small(what, there.rank, dimensions))
        here = distances.gaussian(features)
        detail: dict[str, Any] = {"rank": here.rank, "reference_rank": there.rank}
        if small or here.n < dimensions:
            detail["note"] = (
                f"{here.n:,} pictures and {f'{there.n:,}' if there.n else 'an unknown number of'} reference pictures for "
                f"{dimensions:,} features: the distance is biased upwards; compare only runs of equal n"
            )
        return [distances.distance(here, there)], detail

    def _small(self, what: str, rank: int, dimensions: int) -> str:
        kernel = _after_inception("kid", "kid", self.extractor)
        return (
            f"{what} for {dimensions:,} features: the covariance has rank {rank:,} at most and the distance would be biased upwards; "
            f"{kernel} with its interval stands instead (metric=[{kernel}]), or set metric.{self.name}.allow_small=true"
        )


@dataclass(frozen=True)
class FrechetInfinity(SetDistance):
    """The Fréchet distance of endless pictures: ``fid_infinity``, ``fid_clean_infinity`` or ``fd_<extractor>_infinity``.

    Attributes:
        smallest: pictures in the smallest subset; n must be twice that.
        points: subsets.
        seed: of the subsets.
        allow_small: let ``smallest`` or the reference be below the number of features.
    """

    smallest: int = 5000
    points: int = 15
    seed: int = 0
    allow_small: bool = False

    def _right_name(self) -> str:
        return f"{_after_inception('fid', 'fd', self.extractor)}_infinity"

    def settings(self) -> dict[str, Trait]:
        """Subsets."""
        return {"smallest": self.smallest, "points": self.points, "seed": self.seed}

    def check(self, n: int, dimensions: int) -> None:
        """Refuse what no line can be fitted to."""
        if n < 2 * self.smallest:
            raise ConfigError(
                f"{n:,} pictures; an extrapolation from {self.smallest:,} needs twice as many (metric.{self.name}.smallest=… lowers it)"
            )
        if self.smallest < dimensions and not self.allow_small:
            raise ConfigError(
                f"subsets of {self.smallest:,} pictures for {dimensions:,} features are rank-deficient; raise "
                f"metric.{self.name}.smallest, or set metric.{self.name}.allow_small=true"
            )

    def measure(self, features: np.ndarray, held: Held) -> tuple[Sequence[float], dict[str, Any]]:
        """The value at 1/n = 0 with the interval of the fit."""
        there = held.gaussian
        if there.rank < features.shape[1] and not self.allow_small:
            raise ConfigError(
                f"the reference's covariance has rank {there.rank:,} for {features.shape[1]:,} features; use a larger reference, "
                f"or set metric.{self.name}.allow_small=true"
            )
        try:
            limit = distances.infinity(features, there, smallest=self.smallest, points=self.points, seed=self.seed)
        except ValueError as error:
            raise ConfigError(str(error)) from error
        low, high = kernels.interval(limit.value, limit.error)
        detail = {"low": low, "high": high, "slope": limit.slope, "sizes": list(limit.sizes), "distances": list(limit.distances)}
        return [limit.value], {**detail, "reference_rank": there.rank}


@dataclass(frozen=True)
class KernelDistance(SetDistance):
    """``kid`` with FID's Inception weights, else ``kid_<extractor>``; unbiased at any n, so it can be below zero.

    The interval takes pictures as independent. Several seeds of a prompt make it a little too narrow; a reference made from
    the same prompts is more alike than chance, so that a perfect model lies a little below zero.

    Attributes:
        subsets: random subsets to average over.
        subset_size: pictures of each set in one; never more than the smaller set has.
        seed: of the subsets; 2020 is torch-fidelity's.
    """

    subsets: int = 100
    subset_size: int = 1000
    seed: int = 2020

    def _right_name(self) -> str:
        return _after_inception("kid", "kid", self.extractor)

    @property
    def columns(self) -> tuple[Column, ...]:
        """One column, lower is better."""
        return (Column(self.name, "MMD²", higher_is_better=False),)

    def settings(self) -> dict[str, Trait]:
        """Subsets."""
        return {"kernel": "(x.y/d+1)^3", "subsets": self.subsets, "subset_size": self.subset_size, "seed": self.seed}

    def measure(self, features: np.ndarray, held: Held) -> tuple[Sequence[float], dict[str, Any]]:
        """Mean over subsets, its deviation, and the 95 % interval from leaving pictures out."""
        there = _features(held, self.name)
        found = kernels.kid(features, there, subsets=self.subsets, subset_size=self.subset_size, seed=self.seed)
        detail: dict[str, Any] = {"std": found.std, "subsets": self.subsets, "subset_size": found.subset_size}
        if min(len(features), len(there)) >= 3:
            some, others = (_some(x, self.seed) for x in (features, there))
            error = float(np.hypot(kernels.mmd2_error(some, others), found.std / np.sqrt(self.subsets)))
            low, high = kernels.interval(found.value, error)
            detail |= {"low": low, "high": high, "error": error}
        if found.subset_size < self.subset_size:
            detail["note"] = f"subsets of {found.subset_size:,} pictures instead of {self.subset_size:,}, which is all there are"
        return [found.value], detail


@dataclass(frozen=True)
class ClipDiscrepancy(SetDistance):
    """``cmmd`` with the CLIP it is defined on (ViT-L/14 at 336 pixels), else ``cmmd_<extractor>``.

    Attributes:
        sigma: width of the kernel on features of unit length.
    """

    sigma: float = 10.0

    def _right_name(self) -> str:
        return "cmmd" if getattr(self.extractor, "repo", None) == _CMMD_CLIP else f"cmmd_{self.extractor.name}"

    @property
    def columns(self) -> tuple[Column, ...]:
        """One column, lower is better."""
        return (Column(self.name, "1000 MMD²", higher_is_better=False),)

    def settings(self) -> dict[str, Trait]:
        """Width of the kernel."""
        return {"sigma": self.sigma, "scale": 1000}

    def measure(self, features: np.ndarray, held: Held) -> tuple[Sequence[float], dict[str, Any]]:
        """The discrepancy x 1000; it counts each picture with itself, so that small sets read higher."""
        there = _features(held, self.name)
        few = min(len(features), len(there))
        note = {"note": f"{few:,} pictures: the estimate is biased upwards; compare only runs of equal n"} if few < 1000 else {}
        return [kernels.cmmd(features, there, sigma=self.sigma)], note


@dataclass(frozen=True)
class PrecisionRecall(SetDistance):
    """``<name>.precision``, ``.recall``, ``.density`` and ``.coverage``, higher is better.

    Attributes:
        k: nearest neighbours that a ball reaches.
    """

    k: int = 5

    def _right_name(self) -> str:
        return self.name if self.name == "prdc" else f"prdc_{self.extractor.name}"

    @property
    def columns(self) -> tuple[Column, ...]:
        """Four columns."""
        units = {"precision": "share", "recall": "share", "density": "ratio", "coverage": "share"}
        return tuple(Column(f"{self.name}.{part}", unit) for part, unit in units.items())

    def settings(self) -> dict[str, Trait]:
        """Neighbours."""
        return {"k": self.k}

    def measure(self, features: np.ndarray, held: Held) -> tuple[Sequence[float], dict[str, Any]]:
        """The four shares."""
        there = _features(held, self.name)
        try:
            return manifold.prdc(features, there, self.k), {"k": self.k}
        except ValueError as error:
            raise ConfigError(str(error)) from error


def refuse_shared(features: np.ndarray, records: Sequence[ImageRecord], held: Held) -> None:
    """Raise ConfigError if a picture of the sample is in the reference: the same file, or the same features to rounding.

    Of drawn pictures only those with the renderer's own seeds are looked at: flat scenes of other seeds can coincide.
    """
    same = np.array([r.sha256 in held.hashes for r in records])
    if held.features is not None:
        asked = np.array([held.seeds is None or (r.request.seed or 0) in held.seeds for r in records])
        if asked.any():
            same[asked] |= distances.shared(features[asked], held.features)
    if same.any():
        who = records[int(same.argmax())]
        raise ConfigError(
            f"the reference shares {int(same.sum()):,} of {len(same):,} pictures with the sample ({who.prompt_id}, seed {who.request.seed}"
            f"{' and others' if same.sum() > 1 else ''}), so the distance says little; name a reference without them"
        )


def unlike(records: Sequence[ImageRecord], held: Held) -> list[str]:
    """Notes on formats and sizes that are mixed within the sample or differ from the reference: they move the distance."""
    mine = (frozenset(kind(r.image) for r in records if r.image), frozenset(f"{r.request.width}x{r.request.height}" for r in records))
    notes = []
    for what, ours, theirs in zip(("formats", "sizes"), mine, (held.formats, held.sizes), strict=True):
        if len(ours) > 1:
            notes.append(f"mixed {what} ({_listed(ours)}) in the sample")
        if theirs and ours and theirs != ours:
            notes.append(f"{what} differ: {_listed(ours)} in the sample, {_listed(theirs)} in the reference")
    return notes


def _listed(values: frozenset[str]) -> str:
    return ", ".join(sorted(values)[:4]) + (f" and {len(values) - 4} more" if len(values) > 4 else "")


def _after_inception(with_inception: str, otherwise: str, extractor: Extractor) -> str:
    name = extractor.name
    if name == "inception" or name.startswith("inception_"):
        return with_inception + name.removeprefix("inception")
    return f"{otherwise}_{name}"


def _features(held: Held, name: str) -> np.ndarray:
    if held.features is None:
        raise ConfigError(f"{name} needs the features of the reference and the .npz holds mu and sigma; name its pictures or features")
    if len(held.features) < 2:
        raise ConfigError("the reference has fewer than two pictures")
    return held.features


def _some(features: np.ndarray, seed: int) -> np.ndarray:
    if len(features) <= _MOST:
        return features
    found: np.ndarray = features[np.random.default_rng(seed).permutation(len(features))[:_MOST]]
    return found
