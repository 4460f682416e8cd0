"""From records and metrics to score rows: each picture is decoded once, what is scored already is kept."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bench.core.files import printable
from bench.engine.tasks import (
    CompareSet,
    ExtractFeatures,
    ScorePictures,
    extractor_fingerprint,
    missing_prerequisite,
    pictures_hash,
    rows_without_value,
)
from bench.errors import StoreError
from bench.images import decoding
from bench.metrics import ImageMetric, RunMetric, Sample, SetMetric
from bench.store import schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from PIL import Image

    from bench.core.progress import Progress
    from bench.store import Run
    from bench.types import Cause, ImageRecord, ScoreRow

Metric = ImageMetric | SetMetric | RunMetric

_BATCH = 16
_SAVE_SECONDS = 20.0
"""Scores and features are written this often, so that a process that dies loses no more than that."""


@dataclass
class Work:
    """What there is to score in a run.

    Attributes:
        records: the latest of each prompt and seed.
        rows: scores that need no picture: of records alone, and of pictures that cannot be scored.
        pictures: one task a metric of single pictures.
        extractions: one task an extractor, by its fingerprint.
        sets: one task a metric of the whole run, to be done when its extraction is.
    """

    records: Sequence[ImageRecord]
    rows: list[ScoreRow] = field(default_factory=list)
    pictures: list[ScorePictures] = field(default_factory=list)
    extractions: dict[str, ExtractFeatures] = field(default_factory=dict)
    sets: list[CompareSet] = field(default_factory=list)

    @property
    def tasks(self) -> list[ScorePictures | ExtractFeatures]:
        """Those that are given decoded pictures."""
        return [*self.pictures, *self.extractions.values()]


def score(run: Run, metrics: Sequence[Metric], progress: Progress) -> list[ScoreRow]:
    """Score ``run`` with every metric and store the rows; returns the new ones.

    A metric whose weights or packages are missing gives unscored rows that say what to do, and stops no other. A
    refused picture is not applicable, a failed one unscored. Pictures of random weights have no quality score.
    """
    _delete_scores_seen_otherwise(run)
    work = plan_scoring(run, metrics)
    rows = work.rows + _score_pictures(run, work, progress)
    for task in work.sets:
        rows += task.score(scorable(work.records))
    if rows:
        run.save_scores(rows)
    _save_columns(run, metrics)
    return rows


def _delete_scores_seen_otherwise(run: Run) -> None:
    """Delete what an earlier version scored of pictures that it did not decode as they are seen, and of sets that hold them."""
    if run.info().get("decoding") == decoding.VERSION:
        return
    records = [record for record in run.current() if record.status == "ok"] if run.scores() else []
    files = {record.key: run.image_path(record) for record in records}
    otherwise = {key for key, file in files.items() if file.is_file() and not decoding.seen_as_before(file.read_bytes())}
    if otherwise:
        run.delete_scores({*otherwise, (None, None)})
        run.delete_features()
    run.update_info(decoding=decoding.VERSION)


def plan_scoring(run: Run, metrics: Sequence[Metric]) -> Work:
    """What is left to score with ``metrics``; no picture is decoded yet.

    Raises:
        TypeError: something that is no metric.
    """
    work, scores = Work(run.current()), run.scores()
    for metric in metrics:
        if isinstance(metric, RunMetric):
            work.rows += metric.summarise(work.records, run.info())
        elif isinstance(metric, ImageMetric):
            _plan_pictures(work, metric, scores)
        elif isinstance(metric, SetMetric):
            _plan_set(work, metric, scores, run)
        else:
            raise TypeError(f"{type(metric).__name__} is no metric: it implements none of ImageMetric, SetMetric, RunMetric")
    return work


def unscored_reasons(rows: Sequence[ScoreRow]) -> list[str]:
    """What could not be scored and why, a line a reason; pictures that were not rendered are left out."""
    metrics_by_reason: dict[str, set[str]] = {}
    for row in rows:
        if row.status == "unscored" and row.reason and row.cause != "not_made":
            metrics_by_reason.setdefault(row.reason, set()).add(row.metric.partition(".")[0])
    return sorted(f"{', '.join(sorted(metrics))}: {reason}" for reason, metrics in metrics_by_reason.items())


def scoring_failures(rows: Sequence[ScoreRow]) -> list[str]:
    """The ``unscored_reasons`` that more pictures would not change: of pictures that are there, or of a run without a prerequisite."""
    return unscored_reasons([row for row in rows if row.request_id or row.cause == "prerequisite"])


def unscorable_reason(record: ImageRecord) -> str | None:
    """Why a record has no quality score; None if it has a picture to score."""
    if record.status != "ok":
        return f"{record.status}: {record.error or 'no reason given'}"
    return "random weights carry no quality" if record.detail.get("random_weights") else None


def scorable(records: Sequence[ImageRecord]) -> list[ImageRecord]:
    """The records whose pictures have a quality score."""
    return [record for record in records if unscorable_reason(record) is None]


def _plan_pictures(work: Work, metric: ImageMetric, scores: Sequence[ScoreRow]) -> None:
    """The pictures that lack a final row of one of the metric's columns."""
    settings, columns = metric.fingerprint(), {column.name for column in metric.columns}
    final: dict[tuple[str | None, str | None], set[str]] = {}
    for row in scores:
        if row.fingerprint == settings and row.status != "unscored":
            final.setdefault((row.prompt_id, row.request_id), set()).add(row.metric)
    todo = set()
    for record in work.records:
        if final.get(record.key, set()) >= columns:
            continue
        not_applicable, unscorable = metric.not_applicable_reason(record), unscorable_reason(record)
        if not_applicable is not None:
            work.rows += rows_without_value(metric, record, not_applicable, "not_applicable")
        elif unscorable is None:
            todo.add(record.key)
        elif record.failed:
            work.rows += rows_without_value(metric, record, unscorable, "unscored", "not_made")
        else:
            cause: Cause | None = "refused" if record.status == "refused" else None
            work.rows += rows_without_value(metric, record, unscorable, "not_applicable", cause)
    work.pictures.append(ScorePictures(metric, todo))


def _plan_set(work: Work, metric: SetMetric, scores: Sequence[ScoreRow], run: Run) -> None:
    """Nothing where the same pictures were scored already; what is missing where the metric cannot score here."""
    records, settings = scorable(work.records), metric.fingerprint()
    pictures = pictures_hash(records)
    final = {row.metric for row in scores if row.fingerprint == settings and row.detail.get("of") == pictures and row.status != "unscored"}
    if final >= {column.name for column in metric.columns}:
        return
    reason = metric.unavailable_reason()
    if reason:
        work.rows += missing_prerequisite(metric, reason)
        return
    key = extractor_fingerprint(metric.extractor)
    if key not in work.extractions:
        work.extractions[key] = ExtractFeatures.of_run(metric.extractor, run, records)
    work.sets.append(CompareSet(metric, work.extractions[key]))


def _score_pictures(run: Run, work: Work, progress: Progress) -> list[ScoreRow]:
    """Give every task the pictures it has to do; rows and features are stored now and then."""
    tasks = work.tasks
    todo = [record for record in work.records if any(record.key in task.todo for task in tasks)]
    rows: list[ScoreRow] = []
    if not todo:
        return rows
    stored, saved = 0, time.monotonic()
    with progress.track("score", len(todo)) as advance:
        for batch in _decoded(run, todo):
            for task in tasks:
                rows += task.score(batch)
            if time.monotonic() - saved > _SAVE_SECONDS:
                run.save_scores(rows[stored:])
                _save_features(run, work)
                stored, saved = len(rows), time.monotonic()
            advance(len(batch))
    _save_features(run, work)
    return rows


def _decoded(run: Run, records: Sequence[ImageRecord]) -> Iterator[list[Sample]]:
    """The pictures of ``records``, batch by batch."""
    for start in range(0, len(records), _BATCH):
        yield [Sample(record, _seen(run.image_path(record))) for record in records[start : start + _BATCH]]


def _seen(file: Path) -> Image.Image:
    try:
        return decoding.seen(file.read_bytes())
    except (OSError, ValueError) as error:
        raise StoreError(f"the picture {printable(file)} cannot be read ({error}); put it back from a copy") from error


def _save_features(run: Run, work: Work) -> None:
    for extraction in work.extractions.values():
        extraction.save(run)


def _save_columns(run: Run, metrics: Sequence[Metric]) -> None:
    """Store the card of every column in run.json, so that reports need no metric's code."""
    stored = run.info().get("columns", {})
    cards = {column.name: schema.column_to_json(column, metric.name) for metric in metrics for column in metric.columns}
    if {**stored, **cards} != stored:
        run.update_info(columns={**stored, **cards})
