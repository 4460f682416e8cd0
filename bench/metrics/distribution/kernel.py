"""Kernel distances: KID and CMMD."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from bench.core.fingerprint import Trait
from bench.metrics.distribution.base import SetDistance, draws_by_influence
from bench.metrics.distribution.formulas import influence
from bench.metrics.distribution.formulas import kernel as kernels
from bench.metrics.distribution.guards import name_with_inception
from bench.metrics.distribution.reference import ReferenceFeatures
from bench.types import Column

_CMMD_CLIP = "openai/clip-vit-large-patch14-336"
_MAX_PICTURES = 10_000
"""Of a set, for KID's interval and the influences."""


@dataclass(frozen=True)
class KernelDistance(SetDistance):
    """Kernel distance: unbiased squared maximum mean discrepancy, lower is better (Bińkowski et al., ICLR 2018).

    mean k(x, x') + mean k(y, y') - 2 mean k(x, y) over pairs x != x' and y != y', with k(a, b) = (a.b / D + 1)^3, averaged
    over random subsets. Unbiased at any n, so it can be below zero. Called ``kid`` with FID's Inception weights
    (``kid_clean`` with clean-fid's resize), else ``kid_<extractor>``.

    The interval takes pictures as independent. Several seeds of a prompt make it a little too narrow; a reference made from
    the same prompts is more alike than chance, so that a perfect model lies a little below zero.

    Attributes:
        subsets: random subsets to average over.
        subset_size: pictures of each set in one; never more than the smaller set has.
        seed: of the subsets; 2020 is torch-fidelity's.
    """

    limits: ClassVar[Sequence[tuple[float, float]]] = ((-math.inf, math.inf),)
    headline_names: ClassVar[frozenset[str]] = frozenset({"kid"})

    subsets: int = 100
    subset_size: int = 1000
    seed: int = 2020

    @property
    def expected_name(self) -> str:
        """``kid``, ``kid_clean`` or ``kid_<extractor>``."""
        return name_with_inception("kid", "kid", self.extractor)

    @property
    def columns(self) -> tuple[Column, ...]:
        """One column, lower is better."""
        return (self._column("MMD²", order=220),)

    def settings(self) -> dict[str, Trait]:
        """Subsets."""
        return {"kernel": "(x.y/d+1)^3", "subsets": self.subsets, "subset_size": self.subset_size, "seed": self.seed}

    def measure(self, features: np.ndarray, reference: ReferenceFeatures) -> tuple[Sequence[float], dict[str, Any]]:
        """Mean over subsets, its deviation, and the 95 % interval from leaving pictures out."""
        theirs = reference.require_features(self.name)
        estimate = kernels.kid(features, theirs, subsets=self.subsets, subset_size=self.subset_size, seed=self.seed)
        detail: dict[str, Any] = {"std": estimate.std, "subsets": self.subsets, "subset_size": estimate.subset_size}
        if min(len(features), len(theirs)) >= 3:
            error_of_all = kernels.mmd2_error(_subsample(features, self.seed), _subsample(theirs, self.seed))
            error = float(np.hypot(error_of_all, estimate.std / np.sqrt(self.subsets)))
            low, high = kernels.interval(estimate.value, error)
            detail |= {"low": low, "high": high, "error": error}
        if estimate.subset_size < self.subset_size:
            detail["note"] = f"subsets of {estimate.subset_size:,} pictures instead of {self.subset_size:,}, which is all there are"
        return [estimate.value], detail

    def draws(self, features: np.ndarray, reference: ReferenceFeatures, values: Sequence[float], members: np.ndarray) -> np.ndarray:
        """By the influence of each picture on the complete estimate, of 10,000 pictures of each set at most."""
        theirs, among = _subsample(reference.require_features(self.name), self.seed), _subsample(np.arange(len(features)), self.seed)
        return draws_by_influence(values[0], influence.discrepancy(features, theirs, kernels.cubic, among), members)


@dataclass(frozen=True)
class ClipDiscrepancy(SetDistance):
    """CMMD: 1000 times the biased squared maximum mean discrepancy of unit-length features (Jayasumana et al., CVPR 2024).

    mean k(x, x') + mean k(y, y') - 2 mean k(x, y) over all pairs, with k(a, b) = exp(-|a - b|^2 / (2 sigma^2)); 0 or more,
    lower is better. Called ``cmmd`` with the CLIP it is defined on (ViT-L/14 at 336 pixels), else ``cmmd_<extractor>``.

    Attributes:
        sigma: width of the kernel on features of unit length.
    """

    sigma: float = 10.0

    @property
    def expected_name(self) -> str:
        """``cmmd`` or ``cmmd_<extractor>``."""
        return "cmmd" if getattr(self.extractor, "repo", None) == _CMMD_CLIP else f"cmmd_{self.extractor.name}"

    @property
    def columns(self) -> tuple[Column, ...]:
        """One column, lower is better."""
        return (self._column("1000 MMD²", order=230),)

    def settings(self) -> dict[str, Trait]:
        """Width of the kernel."""
        return {"sigma": self.sigma, "scale": 1000}

    def measure(self, features: np.ndarray, reference: ReferenceFeatures) -> tuple[Sequence[float], dict[str, Any]]:
        """The discrepancy x 1000; it counts each picture with itself, so that small sets read higher."""
        theirs = reference.require_features(self.name)
        few = min(len(features), len(theirs))
        note = {"note": f"{few:,} pictures: the estimate is biased upwards; compare only runs of equal n"} if few < 1000 else {}
        return [kernels.cmmd(features, theirs, sigma=self.sigma)], note

    def draws(self, features: np.ndarray, reference: ReferenceFeatures, values: Sequence[float], members: np.ndarray) -> np.ndarray:
        """By the influence of each picture, of 10,000 pictures of each set at most."""
        ours, theirs = (kernels.unit(z) for z in (features, _subsample(reference.require_features(self.name), 0)))
        kernel = partial(kernels.gaussian_less_one, sigma=self.sigma)
        by_picture = 1000 * influence.discrepancy(ours, theirs, kernel, _subsample(np.arange(len(ours)), 0))
        return draws_by_influence(values[0], by_picture, members)


def _subsample(rows: np.ndarray, seed: int) -> np.ndarray:
    """At most 10,000 of the rows, drawn without replacement."""
    if len(rows) <= _MAX_PICTURES:
        return rows
    return np.asarray(rows[np.random.default_rng(seed).permutation(len(rows))[:_MAX_PICTURES]])
