"""What is measured. One file a metric; each is a frozen dataclass that a YAML under conf/metric fills in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from PIL import Image

    from bench.types import ImageRecord, ScoreRow


@dataclass(frozen=True)
class Sample:
    """A picture to score: its record and its pixels (RGB, uint8), decoded once for all metrics."""

    record: ImageRecord
    image: Image.Image


@runtime_checkable
class ImageMetric(Protocol):
    """Scores each picture on its own."""

    @property
    def name(self) -> str:
        """What users call it."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the rows it gives for a picture."""

    def fingerprint(self) -> str:
        """What the numbers depend on; cheap, loads no weights beyond hashing them."""

    def score(self, samples: Sequence[Sample]) -> list[ScoreRow]:
        """Rows for a batch of pictures, at least one a picture (unscored or not_applicable rows included)."""


@runtime_checkable
class SetMetric(Protocol):
    """Compares the pictures of a run with a reference set."""

    @property
    def name(self) -> str:
        """What users call it, and the name of its row."""

    @property
    def extractor(self) -> Any:  # noqa: ANN401 - bench.metrics.frechet.Extractor, which imports numpy
        """What makes features; its fingerprint is the key of the feature cache."""

    @property
    def reference(self) -> str | None:
        """What the run is compared with, None for nothing."""

    def fingerprint(self) -> str:
        """As for ImageMetric."""

    def features(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Features (N, D), float32, of a batch."""

    def compare(self, features: np.ndarray, prompts: Sequence[str]) -> list[ScoreRow]:
        """Rows for the whole run, given its features; ``prompts`` are the texts behind them."""


@runtime_checkable
class RunMetric(Protocol):
    """Derives scores from the records alone (latency, cost)."""

    @property
    def name(self) -> str:
        """What users call it."""

    def fingerprint(self) -> str:
        """As for ImageMetric."""

    def summarise(self, records: Sequence[ImageRecord], run: Mapping[str, Any]) -> list[ScoreRow]:
        """Rows for the whole run and, where they make sense, a picture; ``run`` is the content of run.json."""
