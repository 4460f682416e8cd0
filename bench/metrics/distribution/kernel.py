"""Kernel distances: KID and CMMD."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np

from bench.core.fingerprint import Trait
from bench.metrics.distribution.base import SetDistance, first_order_draws, name_after_extractor, reference_features
from bench.metrics.distribution.formulas import influence
from bench.metrics.distribution.formulas import kernel as kernels
from bench.metrics.distribution.reference import ReferenceFeatures
from bench.types import Column

_CMMD_CLIP = "openai/clip-vit-large-patch14-336"
_MOST = 10_000
"""Pictures of a set that enter KID's interval and the influences at most."""


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

    def _expected_name(self) -> str:
        return name_after_extractor("kid", "kid", self.extractor)

    @property
    def columns(self) -> tuple[Column, ...]:
        """One column, lower is better."""
        return (self._column("MMD²", order=220, headline=self.name == "kid"),)

    def settings(self) -> dict[str, Trait]:
        """Subsets."""
        return {"kernel": "(x.y/d+1)^3", "subsets": self.subsets, "subset_size": self.subset_size, "seed": self.seed}

    def measure(self, features: np.ndarray, held: ReferenceFeatures) -> tuple[Sequence[float], dict[str, Any]]:
        """Mean over subsets, its deviation, and the 95 % interval from leaving pictures out."""
        there = reference_features(held, self.name)
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

    def draws(self, features: np.ndarray, held: ReferenceFeatures, values: Sequence[float], members: np.ndarray) -> np.ndarray:
        """By the influence of each picture on the complete estimate, of 10,000 pictures of each set at most."""
        there, among = _some(reference_features(held, self.name), self.seed), _some(np.arange(len(features)), self.seed)
        return first_order_draws(values[0], influence.discrepancy(features, there, kernels.cubic, among), members)


@dataclass(frozen=True)
class ClipDiscrepancy(SetDistance):
    """``cmmd`` with the CLIP it is defined on (ViT-L/14 at 336 pixels), else ``cmmd_<extractor>``.

    Attributes:
        sigma: width of the kernel on features of unit length.
    """

    sigma: float = 10.0

    def _expected_name(self) -> str:
        return "cmmd" if getattr(self.extractor, "repo", None) == _CMMD_CLIP else f"cmmd_{self.extractor.name}"

    @property
    def columns(self) -> tuple[Column, ...]:
        """One column, lower is better."""
        return (self._column("1000 MMD²", order=230),)

    def settings(self) -> dict[str, Trait]:
        """Width of the kernel."""
        return {"sigma": self.sigma, "scale": 1000}

    def measure(self, features: np.ndarray, held: ReferenceFeatures) -> tuple[Sequence[float], dict[str, Any]]:
        """The discrepancy x 1000; it counts each picture with itself, so that small sets read higher."""
        there = reference_features(held, self.name)
        few = min(len(features), len(there))
        note = {"note": f"{few:,} pictures: the estimate is biased upwards; compare only runs of equal n"} if few < 1000 else {}
        return [kernels.cmmd(features, there, sigma=self.sigma)], note

    def draws(self, features: np.ndarray, held: ReferenceFeatures, values: Sequence[float], members: np.ndarray) -> np.ndarray:
        """By the influence of each picture, of 10,000 pictures of each set at most."""
        ours, theirs = (kernels.unit(z) for z in (features, _some(reference_features(held, self.name), 0)))
        kernel = partial(kernels.gaussian_less_one, sigma=self.sigma)
        return first_order_draws(values[0], 1000 * influence.discrepancy(ours, theirs, kernel, _some(np.arange(len(ours)), 0)), members)


def _some(features: np.ndarray, seed: int) -> np.ndarray:
    if len(features) <= _MOST:
        return features
    found: np.ndarray = features[np.random.default_rng(seed).permutation(len(features))[:_MOST]]
    return found
