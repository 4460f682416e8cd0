"""FID and its family: distances between the pictures of a run and a reference set, each an extractor and a statistic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from bench.errors import ConfigError
from bench.fingerprint import Trait
from bench.metrics import Extractor, distances, influence, kernels, manifold
from bench.metrics.reference import Held
from bench.metrics.setdistance import SetDistance
from bench.types import Column

_CMMD_CLIP = "openai/clip-vit-large-patch14-336"
_MOST = 10_000
"""Pictures of a set that enter KID's interval and the influences at most."""


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

    def draws(self, features: np.ndarray, held: Held, values: Sequence[float], members: np.ndarray) -> np.ndarray:
        """By the influence of each picture, whatever the number of pictures and features."""
        return _moved(values[0], influence.frechet(features, held.gaussian), members)

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

    def draws(self, features: np.ndarray, held: Held, values: Sequence[float], members: np.ndarray) -> np.ndarray:  # noqa: ARG002 - the same for all
        """None: the subsets that the line is fitted to add chance of their own, which halves of the prompts do not show."""
        raise ConfigError("the random subsets of the fit add chance that halves of the prompts do not show; compare the plain distance")


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

    limits: ClassVar[Sequence[tuple[float, float]]] = ((-math.inf, math.inf),)

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

    def draws(self, features: np.ndarray, held: Held, values: Sequence[float], members: np.ndarray) -> np.ndarray:
        """By the influence of each picture on the complete estimate, of 10,000 pictures of each set at most."""
        there, among = _some(_features(held, self.name), self.seed), _some(np.arange(len(features)), self.seed)
        return _moved(values[0], influence.discrepancy(features, there, kernels.cubic, among), members)


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

    def draws(self, features: np.ndarray, held: Held, values: Sequence[float], members: np.ndarray) -> np.ndarray:
        """By the influence of each picture, of 10,000 pictures of each set at most."""
        ours, theirs = (kernels.unit(z) for z in (features, _some(_features(held, self.name), 0)))
        kernel = partial(kernels.gaussian_less_one, sigma=self.sigma)
        return _moved(values[0], 1000 * influence.discrepancy(ours, theirs, kernel, _some(np.arange(len(ours)), 0)), members)


@dataclass(frozen=True)
class PrecisionRecall(SetDistance):
    """``<name>.precision``, ``.recall``, ``.density`` and ``.coverage``, higher is better.

    Attributes:
        k: nearest neighbours that a ball reaches.
    """

    limits: ClassVar[Sequence[tuple[float, float]]] = ((0.0, 1.0), (0.0, 1.0), (0.0, math.inf), (0.0, 1.0))

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

    def draws(self, features: np.ndarray, held: Held, values: Sequence[float], members: np.ndarray) -> np.ndarray:  # noqa: ARG002 - the same for all
        """The shares of each half."""
        try:
            return manifold.prdc_halves(features, _features(held, self.name), self.k, members)
        except ValueError as error:
            raise ConfigError(str(error)) from error


def _moved(value: float, by: np.ndarray, members: np.ndarray) -> np.ndarray:
    """``value`` and what the pictures of each part (R, N) move it by (N,), to first order; (R, 1)."""
    moved: np.ndarray = value + members @ by / members.sum(1)
    return moved[:, None]


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
