"""What is measured. One file a metric; each is a frozen dataclass that a YAML under conf/metric fills in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from PIL import Image

    from bench.core.fingerprint import Trait
    from bench.types import Column, ImageRecord, ScoreRow


@dataclass(frozen=True)
class Sample:
    """A picture to score: its record and its pixels (RGB, uint8), decoded once for all metrics."""

    record: ImageRecord
    image: Image.Image


class Extractor(Protocol):
    """Turns pictures into features; a distance between sets of them is named after it."""

    @property
    def name(self) -> str:
        """What a distance is called after; "inception" for the network FID is defined on."""

    def fingerprint_fields(self) -> Mapping[str, Trait]:
        """Weights, preprocessing, numeric type and library versions; cheap, loads no network. Keys the feature cache."""

    def features(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Features (N, D), float32, of a batch of RGB pictures. Raises BenchError when weights or packages are missing."""


@runtime_checkable
class ImageMetric(Protocol):
    """Scores each picture on its own."""

    @property
    def name(self) -> str:
        """What users call it."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns it fills: a row of each for every picture."""

    def fingerprint(self) -> str:
        """What the numbers depend on (``bench.core.fingerprint``); cheap, loads no weights beyond hashing them."""

    def not_applicable_reason(self, record: ImageRecord) -> str | None:
        """Why the metric does not apply to what this picture should show (no text asked for, say); None if it does."""

    def score(self, samples: Sequence[Sample]) -> list[ScoreRow]:
        """Rows for a batch of pictures it applies to, one of each column a picture."""


@runtime_checkable
class SetMetric(Protocol):
    """Scores a run from the features of its pictures: distances to a reference set, spread, doubles."""

    @property
    def name(self) -> str:
        """What users call it."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns it fills."""

    @property
    def extractor(self) -> Extractor:
        """What makes features; metrics with one extractor share them."""

    def fingerprint(self) -> str:
        """As for ImageMetric."""

    def unavailable_reason(self) -> str | None:
        """Why nothing can be scored (no reference, say), with the way out; None if something can. Asked before features are made."""

    def compare(self, features: np.ndarray, records: Sequence[ImageRecord]) -> list[ScoreRow]:
        """Rows of the run (or of single pictures), given features (N, D) and the N records they belong to."""


@runtime_checkable
class RunMetric(Protocol):
    """Derives scores from the records alone (latency, refusals, cost)."""

    @property
    def name(self) -> str:
        """What users call it."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns it can fill; those without a row are not shown."""

    def fingerprint(self) -> str:
        """As for ImageMetric."""

    def summarise(self, records: Sequence[ImageRecord], run: Mapping[str, object]) -> list[ScoreRow]:
        """Rows for the whole run and, where they make sense, a picture; ``run`` is the content of run.json."""
