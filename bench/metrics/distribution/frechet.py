"""Fréchet distance (FID with the Inception weights it is defined on) and its extrapolation to infinitely many samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bench.core.fingerprint import Trait
from bench.errors import ConfigError
from bench.metrics.distribution.base import SetDistance, first_order_draws, name_after_extractor
from bench.metrics.distribution.formulas import frechet, influence
from bench.metrics.distribution.formulas import kernel as kernels
from bench.metrics.distribution.reference import ReferenceFeatures
from bench.types import Column


@dataclass(frozen=True)
class FrechetDistance(SetDistance):
    """``fid`` with the Inception weights FID is defined on (``fid_clean`` with clean-fid's resize), else ``fd_<extractor>``.

    Attributes:
        allow_small: score with fewer pictures than features too, where the covariance is rank-deficient.
    """

    allow_small: bool = False

    def _expected_name(self) -> str:
        return name_after_extractor("fid", "fd", self.extractor)

    @property
    def columns(self) -> tuple[Column, ...]:
        """One column; the first table and the answer have FID and its like in the embedded domain, not the variants."""
        main = self.name in {"fid", "fd_clip_tiny"}
        return (self._column("distance", order=210 if self.name.startswith("fd") else 200, headline=main, weighed=main),)

    def check(self, n: int, dimensions: int) -> None:
        """Refuse fewer pictures than features."""
        if n < dimensions and not self.allow_small:
            raise ConfigError(self._small(f"{n:,} pictures", n - 1, dimensions))

    def measure(self, features: np.ndarray, held: ReferenceFeatures) -> tuple[Sequence[float], dict[str, Any]]:
        """The Fréchet distance, and both ranks."""
        there, dimensions = held.gaussian, features.shape[1]
        small = there.n < dimensions if there.n else there.rank < dimensions
        if small and not self.allow_small:
            what = f"{there.n:,} reference pictures" if there.n else "a reference of unknown size"
            raise ConfigError(self._small(what, there.rank, dimensions))
        here = frechet.gaussian(features)
        detail: dict[str, Any] = {"rank": here.rank, "reference_rank": there.rank}
        if small or here.n < dimensions:
            detail["note"] = (
                f"{here.n:,} pictures and {f'{there.n:,}' if there.n else 'an unknown number of'} reference pictures for "
                f"{dimensions:,} features: the distance is biased upwards; compare only runs of equal n"
            )
        return [frechet.distance(here, there)], detail

    def draws(self, features: np.ndarray, held: ReferenceFeatures, values: Sequence[float], members: np.ndarray) -> np.ndarray:
        """By the influence of each picture, whatever the number of pictures and features."""
        return first_order_draws(values[0], influence.frechet(features, held.gaussian), members)

    def _small(self, what: str, rank: int, dimensions: int) -> str:
        kernel = name_after_extractor("kid", "kid", self.extractor)
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

    def _expected_name(self) -> str:
        return f"{name_after_extractor('fid', 'fd', self.extractor)}_infinity"

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

    def measure(self, features: np.ndarray, held: ReferenceFeatures) -> tuple[Sequence[float], dict[str, Any]]:
        """The value at 1/n = 0 with the interval of the fit."""
        there = held.gaussian
        if there.rank < features.shape[1] and not self.allow_small:
            raise ConfigError(
                f"the reference's covariance has rank {there.rank:,} for {features.shape[1]:,} features; use a larger reference, "
                f"or set metric.{self.name}.allow_small=true"
            )
        try:
            limit = frechet.extrapolate_to_infinity(features, there, smallest=self.smallest, points=self.points, seed=self.seed)
        except ValueError as error:
            raise ConfigError(str(error)) from error
        low, high = kernels.interval(limit.value, limit.error)
        detail = {"low": low, "high": high, "slope": limit.slope, "sizes": list(limit.sizes), "distances": list(limit.distances)}
        return [limit.value], {**detail, "reference_rank": there.rank}

    def draws(self, features: np.ndarray, held: ReferenceFeatures, values: Sequence[float], members: np.ndarray) -> np.ndarray:  # noqa: ARG002 - the same for all
        """None: the subsets that the line is fitted to add chance of their own, which halves of the prompts do not show."""
        raise ConfigError("the random subsets of the fit add chance that halves of the prompts do not show; compare the plain distance")
