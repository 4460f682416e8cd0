"""Improved precision and recall, density and coverage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bench.core.fingerprint import Trait
from bench.errors import ConfigError
from bench.metrics.distribution.base import Pictures, SetDistance
from bench.metrics.distribution.formulas import precision_recall
from bench.metrics.distribution.guards import RECALL_NEEDS
from bench.metrics.distribution.reference import ReferenceFeatures
from bench.types import Column


@dataclass(frozen=True)
class PrecisionRecall(SetDistance):
    """How far pictures and reference lie in one another, by balls that reach to the k-th nearest member of their own set.

    ``NAME.precision``: share of pictures inside the ball of any reference, 0 to 1. ``NAME.recall``: share of references
    inside the ball of any picture, 0 to 1 (Kynkäänniemi et al., NeurIPS 2019). ``NAME.density``: references whose ball
    holds a picture, over k, averaged over pictures, 0 or more. ``NAME.coverage``: share of references with a picture in
    their ball, 0 to 1 (Naeem et al., ICML 2020). Higher is better. Called ``prdc`` or ``prdc_<extractor>``.

    Recall and coverage rise with the number of pictures: below 200 they stand with a note and without a verdict.

    Attributes:
        k: nearest neighbours that a ball reaches.
    """

    limits: ClassVar[Sequence[tuple[float, float]]] = ((0.0, 1.0), (0.0, 1.0), (0.0, math.inf), (0.0, 1.0))

    k: int = 5

    @property
    def expected_name(self) -> str:
        """``prdc``, which it may be called with any extractor, or ``prdc_<extractor>``."""
        return self.name if self.name == "prdc" else f"prdc_{self.extractor.name}"

    @property
    def columns(self) -> tuple[Column, ...]:
        """Four columns."""
        units = {"precision": "share", "recall": "share", "density": "ratio", "coverage": "share"}
        return tuple(Column(f"{self.name}.{part}", unit, order=240, aggregate="value") for part, unit in units.items())

    def settings(self) -> dict[str, Trait]:
        """Neighbours."""
        return {"k": self.k}

    def measure(self, pictures: Pictures, reference: ReferenceFeatures) -> tuple[Sequence[float], dict[str, Any]]:
        """The four shares."""
        n = len(pictures.features)
        note = (
            {"note": f"{n:,} pictures: recall and coverage rise with n, and below {RECALL_NEEDS} depend on it"} if n < RECALL_NEEDS else {}
        )
        try:
            return precision_recall.prdc(pictures.features, reference.require_features(self.name), self.k), {"k": self.k, **note}
        except ValueError as error:
            raise ConfigError(str(error)) from error

    def draws(
        self,
        pictures: Pictures,
        reference: ReferenceFeatures,
        values: Sequence[float],  # noqa: ARG002 - each half has values of its own
        members: np.ndarray,
    ) -> np.ndarray | str:
        """The shares of each half, or that a half has too few pictures."""
        try:
            return precision_recall.prdc_halves(pictures.features, reference.require_features(self.name), self.k, members)
        except ValueError as error:
            return str(error)
