"""Improved precision and recall, density and coverage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bench.core.fingerprint import Trait
from bench.errors import ConfigError
from bench.metrics.distribution.base import SetDistance, reference_features
from bench.metrics.distribution.formulas import precision_recall
from bench.metrics.distribution.reference import ReferenceFeatures
from bench.types import Column


@dataclass(frozen=True)
class PrecisionRecall(SetDistance):
    """``<name>.precision``, ``.recall``, ``.density`` and ``.coverage``, higher is better.

    Attributes:
        k: nearest neighbours that a ball reaches.
    """

    limits: ClassVar[Sequence[tuple[float, float]]] = ((0.0, 1.0), (0.0, 1.0), (0.0, math.inf), (0.0, 1.0))

    k: int = 5

    def _expected_name(self) -> str:
        return self.name if self.name == "prdc" else f"prdc_{self.extractor.name}"

    @property
    def columns(self) -> tuple[Column, ...]:
        """Four columns."""
        units = {"precision": "share", "recall": "share", "density": "ratio", "coverage": "share"}
        return tuple(Column(f"{self.name}.{part}", unit, order=240, aggregate="value") for part, unit in units.items())

    def settings(self) -> dict[str, Trait]:
        """Neighbours."""
        return {"k": self.k}

    def measure(self, features: np.ndarray, held: ReferenceFeatures) -> tuple[Sequence[float], dict[str, Any]]:
        """The four shares."""
        there = reference_features(held, self.name)
        try:
            return precision_recall.prdc(features, there, self.k), {"k": self.k}
        except ValueError as error:
            raise ConfigError(str(error)) from error

    def draws(self, features: np.ndarray, held: ReferenceFeatures, values: Sequence[float], members: np.ndarray) -> np.ndarray:  # noqa: ARG002 - the same for all
        """The shares of each half."""
        try:
            return precision_recall.prdc_halves(features, reference_features(held, self.name), self.k, members)
        except ValueError as error:
            raise ConfigError(str(error)) from error
