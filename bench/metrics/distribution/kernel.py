"""Kernel distances: KID and CMMD."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from bench.core.fingerprint import Trait
from bench.errors import ConfigError
from bench.metrics.distribution.base import Pictures, SetDistance, draws_by_influence
from bench.metrics.distribution.formulas import influence
from bench.metrics.distribution.formulas import kernel as kernels
from bench.metrics.distribution.guards import name_with_inception
from bench.metrics.distribution.reference import ReferenceFeatures
from bench.types import Column

if TYPE_CHECKING:
    from bench.stats import Interval

_CMMD_CLIP = "openai/clip-vit-large-patch14-336"
_MAX_PICTURES = 10_000
"""Of a set, for KID's interval and the influences."""


@dataclass(frozen=True)
class KernelDistance(SetDistance):
    """Kernel distance: unbiased squared maximum mean discrepancy, lower is better (Bińkowski et al., ICLR 2018).

    mean k(x, x') + mean k(y, y') - 2 mean k(x, y) over pairs of pictures of different prompts, with k(a, b) = (a.b / D + 1)^3,
    averaged over random subsets. Unbiased at any n, so it can be below zero. Called ``kid`` with FID's Inception weights
    (``kid_clean`` with clean-fid's resize), else ``kid_<extractor>``.

    The prompts of a reference are known where it is a run or the renderer. A folder's or an .npz's are not: where they are the
    run's own, its pictures are more alike than chance and the value is too low, which a note says as soon as it shows.

    The interval is the chance of the prompts, by halves, and of the reference's pictures.

    Attributes:
        subsets: random subsets to average over.
        subset_size: pictures of each set in one; never more than the smaller set has.
        seed: of the subsets; 2020 is torch-fidelity's.
    """

    limits: ClassVar[Sequence[tuple[float, float]]] = ((-math.inf, math.inf),)
    headline_names: ClassVar[frozenset[str]] = frozenset({"kid", "kid_clip_tiny"})
    version: ClassVar[int] = 3

    subsets: int = 100
    subset_size: int = 1000
    seed: int = 2020

    @property
    def expected_name(self) -> str:
        """``kid``, ``kid_clean`` or ``kid_<extractor>``."""
        return name_with_inception("kid", "kid", self.extractor)

    @property
    def columns(self) -> tuple[Column, ...]:
        """One column; the first table and the answer have KID and its like in the embedded domain, not the variants."""
        return (self._column("MMD²", order=220, weighed=True),)

    def settings(self) -> dict[str, Trait]:
        """Subsets."""
        return {"kernel": "(x.y/d+1)^3", "subsets": self.subsets, "subset_size": self.subset_size, "seed": self.seed}

    def measure(self, pictures: Pictures, reference: ReferenceFeatures) -> tuple[Sequence[float], dict[str, Any]]:
        """Mean over subsets and its deviation."""
        theirs, (of_ours, of_theirs) = reference.require_features(self.name), _numbered(pictures, reference)
        estimate = kernels.kid(
            pictures.features, theirs, subsets=self.subsets, subset_size=self.subset_size, seed=self.seed, of_x=of_ours, of_y=of_theirs
        )
        if math.isnan(estimate.value):
            raise ConfigError(
                f"{self.name} compares pictures of different prompts, and run or reference has too few; use two prompts or more"
            )
        return [estimate.value], {"std": estimate.std, "subsets": self.subsets, "subset_size": estimate.subset_size}

    def draws(self, pictures: Pictures, reference: ReferenceFeatures, values: Sequence[float], members: np.ndarray) -> np.ndarray:
        """By the influence of each picture on the complete estimate, of 10,000 pictures of each set at most."""
        theirs, (of_ours, of_theirs) = reference.require_features(self.name), _numbered(pictures, reference)
        some, among = (_subsample(np.arange(len(z)), self.seed) for z in (theirs, pictures.features))
        of_some = None if of_theirs is None else of_theirs[some]
        by_picture = influence.discrepancy(pictures.features, theirs[some], kernels.cubic, among, of_features=of_ours, of_reference=of_some)
        return draws_by_influence(values[0], by_picture, members)

    def besides(self, pictures: Pictures, reference: ReferenceFeatures, detail: Mapping[str, Any]) -> float:
        """Of the reference's pictures, by prompt where these are known, and of the random subsets."""
        theirs, (of_ours, of_theirs) = reference.require_features(self.name), _numbered(pictures, reference)
        some, among = (_subsample(np.arange(len(z)), self.seed) for z in (pictures.features, theirs))
        by_picture = influence.discrepancy(
            theirs, pictures.features[some], kernels.cubic, among, of_features=of_theirs, of_reference=of_ours[some]
        )
        groups = by_picture if of_theirs is None else np.bincount(of_theirs, by_picture)[np.unique(of_theirs)]
        k = len(groups)
        error = math.sqrt(k / (k - 1) * float(np.square(groups).sum())) / len(theirs)
        return math.hypot(error, float(detail["std"]) / math.sqrt(self.subsets))

    def doubt(self, interval: Interval, reference: ReferenceFeatures) -> str | None:
        """An interval wholly below zero."""
        if not interval.high < 0:
            return None
        shared = (
            "shares seeds with this run" if reference.prompts else "shows this run's prompts and does not say which; name its run's folder"
        )
        return f"the interval lies wholly below zero, where no squared distance can be: the reference probably {shared}"


def _numbered(pictures: Pictures, reference: ReferenceFeatures) -> tuple[np.ndarray, np.ndarray | None]:
    """Prompts as numbers, of the pictures and of the reference; equal texts have equal numbers."""
    _, numbers = np.unique([*pictures.texts, *(reference.prompts or ())], return_inverse=True)
    n = len(pictures.texts)
    return numbers[:n], numbers[n:] if reference.prompts else None


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

    def measure(self, pictures: Pictures, reference: ReferenceFeatures) -> tuple[Sequence[float], dict[str, Any]]:
        """The discrepancy x 1000; it counts each picture with itself, so that small sets read higher."""
        theirs = reference.require_features(self.name)
        few = min(len(pictures.features), len(theirs))
        note = {"note": f"{few:,} pictures: each counts with itself, so that the value falls as n grows"} if few < 1000 else {}
        return [kernels.cmmd(pictures.features, theirs, sigma=self.sigma)], note

    def draws(self, pictures: Pictures, reference: ReferenceFeatures, values: Sequence[float], members: np.ndarray) -> np.ndarray:
        """By the influence of each picture, of 10,000 pictures of each set at most."""
        ours, theirs = (kernels.unit(z) for z in (pictures.features, _subsample(reference.require_features(self.name), 0)))
        kernel = partial(kernels.gaussian_less_one, sigma=self.sigma)
        by_picture = 1000 * influence.discrepancy(ours, theirs, kernel, _subsample(np.arange(len(ours)), 0))
        return draws_by_influence(values[0], by_picture, members)


def _subsample(rows: np.ndarray, seed: int) -> np.ndarray:
    """At most 10,000 of the rows, drawn without replacement."""
    if len(rows) <= _MAX_PICTURES:
        return rows
    return np.asarray(rows[np.random.default_rng(seed).permutation(len(rows))[:_MAX_PICTURES]])
