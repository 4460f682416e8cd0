"""The tasks of scoring: pictures for a metric, features for an extractor, a set of features for a metric of the whole run."""

from __future__ import annotations

import io
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from bench.core.fingerprint import fingerprint
from bench.errors import BenchError
from bench.types import digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.metrics import Extractor, ImageMetric, Sample, SetMetric
    from bench.store import Run
    from bench.types import Cause, ImageRecord, ScoreRow, ScoreStatus

    Key = tuple[str, str]


@dataclass
class ScorePictures:
    """Score pictures with one metric.

    Attributes:
        todo: keys of the records to score.
        failure: why the metric cannot score here, once it has failed; it is not tried again.
    """

    metric: ImageMetric
    todo: set[Key]
    failure: str | None = None

    def score(self, samples: Sequence[Sample]) -> list[ScoreRow]:
        """Rows of those of a batch that are to do."""
        own = [sample for sample in samples if sample.record.key in self.todo]
        if own and self.failure is None:
            try:
                return self.metric.score(own)
            except BenchError as error:
                self.failure = str(error)
        return [row for sample in own for row in rows_without_value(self.metric, sample.record, self.failure or "", "unscored")]


@dataclass
class ExtractFeatures:
    """Extract features of pictures once for all metrics that use the extractor.

    Attributes:
        cache_key: the extractor's fingerprint, under which the run stores the features.
        todo: keys of the records whose features are missing.
        features: one array (D,) a picture, by the SHA-256 of its file.
        failure: why the extractor cannot work here, once it has failed; it is not tried again.
    """

    extractor: Extractor
    cache_key: str
    todo: set[Key] = field(default_factory=set)
    features: dict[str, np.ndarray] = field(default_factory=dict)
    failure: str | None = None
    _stored: int = 0

    @classmethod
    def of_run(cls, extractor: Extractor, run: Run, records: Sequence[ImageRecord]) -> ExtractFeatures:
        """The task for ``records``, with the features that the run has stored."""
        task = cls(extractor, extractor_fingerprint(extractor))
        file = run.features_path(task.cache_key)
        if file.exists():
            with np.load(file) as stored:
                task.features = dict(zip(stored["hashes"].tolist(), stored["features"], strict=True))
        task.todo = {record.key for record in records if record.sha256 not in task.features}
        task._stored = len(task.features)
        return task

    def score(self, samples: Sequence[Sample]) -> list[ScoreRow]:
        """Extract those of a batch that are to do; there are no rows yet."""
        own = [sample for sample in samples if sample.record.key in self.todo]
        if own and self.failure is None:
            try:
                features = self.extractor.features([sample.image for sample in own])
            except BenchError as error:
                self.failure = str(error)
            else:
                self.features.update(zip([str(sample.record.sha256) for sample in own], features, strict=True))
        return []

    def of(self, records: Sequence[ImageRecord]) -> np.ndarray:
        """Features (N, D) of N records. Raises BenchError where the extractor failed."""
        if self.failure is not None:
            raise BenchError(self.failure)
        return np.stack([self.features[str(record.sha256)] for record in records]) if records else np.empty((0, 0), np.float32)

    def save(self, run: Run) -> None:
        """Store the features if there are new ones."""
        if len(self.features) == self._stored:
            return
        data = io.BytesIO()
        np.savez(data, hashes=np.array(list(self.features)), features=np.stack(list(self.features.values())).astype(np.float32))
        run.save_bytes(run.features_path(self.cache_key), data.getvalue())
        self._stored = len(self.features)


@dataclass
class CompareSet:
    """Score a whole run with one metric, once the features of its pictures are there."""

    metric: SetMetric
    extraction: ExtractFeatures

    def score(self, records: Sequence[ImageRecord]) -> list[ScoreRow]:
        """Rows of the run, or what is missing for them."""
        try:
            rows = self.metric.compare(self.extraction.of(records), records)
        except BenchError as error:
            return missing_prerequisite(self.metric, str(error))
        return [replace(row, detail={**row.detail, "of": pictures_hash(records)}) for row in rows]


def extractor_fingerprint(extractor: Extractor) -> str:
    """What the features depend on."""
    return fingerprint(extractor.name, 0, **extractor.fingerprint_fields())


def pictures_hash(records: Sequence[ImageRecord]) -> str:
    """Which pictures a score of the whole run is of; its row keeps it as ``detail["of"]``."""
    return digest(sorted(str(record.sha256) for record in records))[:16]


def rows_without_value(
    metric: ImageMetric, record: ImageRecord, reason: str, status: ScoreStatus, cause: Cause | None = None
) -> list[ScoreRow]:
    """A row a column of ``metric`` that says why a picture has no value."""
    settings = metric.fingerprint()
    return [column.missing(settings, reason, record, status=status, cause=cause) for column in metric.columns]


def missing_prerequisite(metric: SetMetric, reason: str) -> list[ScoreRow]:
    """A row a column of ``metric`` that says what the run cannot be scored without: weights, a package or a reference."""
    return [column.missing(metric.fingerprint(), reason, cause="prerequisite") for column in metric.columns]
