"""Fréchet distance (FID with the Inception weights it is defined on) and its extrapolation to infinitely many samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bench.core.fingerprint import Trait
from bench.errors import ConfigError
from bench.metrics.distribution.base import Pictures, SetDistance, draws_by_influence
from bench.metrics.distribution.formulas import frechet, influence
from bench.metrics.distribution.guards import frechet_needs, name_with_inception
from bench.metrics.distribution.reference import ReferenceFeatures
from bench.types import Column


def _order(name: str) -> int:
    """Place in tables: distances of Inception's features, FID's own, before those of others."""
    return 210 if name.startswith("fd") else 200


@dataclass(frozen=True)
class FrechetDistance(SetDistance):
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) of means and covariances, 0 or more, lower is better (Heusel et al., NeurIPS 2017).

    Called ``fid`` with the Inception weights FID is defined on (``fid_clean`` with clean-fid's resize), else ``fd_<extractor>``.
    Biased upwards at a finite number of pictures, by how much depends on the model; unscored with fewer pictures than
    features, on either side. Below 20 times the features it stands with a note and without a verdict, which KID gives.

    Attributes:
        allow_small: score with fewer pictures than features too, where the covariance is rank-deficient.
    """

    headline_names: ClassVar[frozenset[str]] = frozenset({"fid"})

    allow_small: bool = False

    @property
    def expected_name(self) -> str:
        """``fid``, ``fid_clean`` or ``fd_<extractor>``."""
        return name_with_inception("fid", "fd", self.extractor)

    @property
    def columns(self) -> tuple[Column, ...]:
        """One column; the first table has FID, not the variants."""
        return (self._column("distance", order=_order(self.name)),)

    def check(self, n: int, dimensions: int) -> None:
        """Refuse fewer pictures than features."""
        if n < dimensions and not self.allow_small:
            raise ConfigError(self._too_few(f"{n:,} pictures", n - 1, dimensions))

    def measure(self, pictures: Pictures, reference: ReferenceFeatures) -> tuple[Sequence[float], dict[str, Any]]:
        """The Fréchet distance, and both ranks."""
        theirs, dimensions = reference.gaussian, pictures.features.shape[1]
        small = theirs.n < dimensions if theirs.n else theirs.rank < dimensions
        if small and not self.allow_small:
            what = f"{theirs.n:,} reference pictures" if theirs.n else "a reference of unknown size"
            raise ConfigError(self._too_few(what, theirs.rank, dimensions))
        ours = frechet.gaussian(pictures.features)
        detail: dict[str, Any] = {"rank": ours.rank, "reference_rank": theirs.rank}
        if min(ours.n, theirs.n or ours.n) < (enough := frechet_needs(dimensions)):
            detail["note"] = (
                f"{ours.n:,} pictures and {f'{theirs.n:,}' if theirs.n else 'an unknown number of'} reference pictures for "
                f"{dimensions:,} features: below about {enough:,} the value itself depends on n, and by how much on the model; the "
                "interval is chance of the prompts only"
            )
        return [frechet.distance(ours, theirs)], detail

    def draws(self, pictures: Pictures, reference: ReferenceFeatures, values: Sequence[float], members: np.ndarray) -> np.ndarray:
        """By the influence of each picture, whatever the number of pictures and features."""
        return draws_by_influence(values[0], influence.frechet(pictures.features, reference.gaussian), members)

    def _too_few(self, what: str, rank: int, dimensions: int) -> str:
        kernel = name_with_inception("kid", "kid", self.extractor)
        return (
            f"{what} for {dimensions:,} features: the covariance has rank {rank:,} at most and the distance would be biased upwards; "
            f"use {kernel}, which is unbiased: metric=[{kernel}], or set metric.{self.name}.allow_small=true"
        )


@dataclass(frozen=True)
class FrechetInfinity(SetDistance):
    """The Fréchet distance of infinitely many samples, lower is better (Chong and Forsyth, CVPR 2020).

    Distances of random subsets of growing size n are fitted by a straight line in 1/n; its value at 1/n = 0 is the result,
    which can be below zero. Called ``fid_infinity``, ``fid_clean_infinity`` or ``fd_<extractor>_infinity``. It has no interval:
    how well the line fits (``fit_error`` in the detail) says little of what other pictures would give.

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

    @property
    def expected_name(self) -> str:
        """``fid_infinity``, ``fid_clean_infinity`` or ``fd_<extractor>_infinity``."""
        return f"{name_with_inception('fid', 'fd', self.extractor)}_infinity"

    @property
    def columns(self) -> tuple[Column, ...]:
        """One column."""
        return (self._column("distance", order=_order(self.name)),)

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

    def measure(self, pictures: Pictures, reference: ReferenceFeatures) -> tuple[Sequence[float], dict[str, Any]]:
        """The value at 1/n = 0, and the fit."""
        theirs, features = reference.gaussian, pictures.features
        if theirs.rank < features.shape[1] and not self.allow_small:
            raise ConfigError(
                f"the reference's covariance has rank {theirs.rank:,} for {features.shape[1]:,} features; use a larger reference, "
                f"or set metric.{self.name}.allow_small=true"
            )
        try:
            fit = frechet.extrapolate_to_infinity(features, theirs, smallest=self.smallest, points=self.points, seed=self.seed)
        except ValueError as error:
            raise ConfigError(str(error)) from error
        detail = {"fit_error": fit.error, "slope": fit.slope, "sizes": list(fit.sizes), "distances": list(fit.distances)}
        return [fit.value], {**detail, "reference_rank": theirs.rank}

    def draws(self, pictures: Pictures, reference: ReferenceFeatures, values: Sequence[float], members: np.ndarray) -> str:  # noqa: ARG002 - none are drawn
        """None: the subsets that the line is fitted to add chance of their own, which halves of the prompts do not show."""
        return "the random subsets of the fit add chance that halves of the prompts do not show; compare the plain distance"
