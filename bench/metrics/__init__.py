"""Metrics: everything that scores pictures. What the author of a metric needs is imported from here."""

from bench.core.fingerprint import fingerprint, libraries
from bench.metrics.base import Extractor, ImageMetric, RunMetric, Sample, SetMetric
from bench.types import Column, ImageRecord, ScoreRow

__all__ = [
    "Column",
    "Extractor",
    "ImageMetric",
    "ImageRecord",
    "RunMetric",
    "Sample",
    "ScoreRow",
    "SetMetric",
    "fingerprint",
    "libraries",
]
