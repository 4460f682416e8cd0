"""From records and metrics to score rows: each picture is decoded once, what is scored already is kept."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from bench.errors import BenchError
from bench.metrics import ImageMetric, RunMetric, Sample, SetMetric
from bench.types import ScoreRow, digest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from bench.progress import Progress
    from bench.store import Run
    from bench.types import ImageRecord

Metric = ImageMetric | SetMetric | RunMetric

_BATCH = 16
_SAVE_EVERY = 8
"""Batches between two writes of the scores: at most so many are lost when the process dies."""


@dataclass
class _Work:
    """One metric's state while pictures stream by."""

    metric: ImageMetric | SetMetric
    wanted: set[tuple[str, str]]
    features: dict[str, np.ndarray] = field(default_factory=dict)
    broken: str | None = None


def score(run: Run, metrics: Sequence[Metric], progress: Progress) -> list[ScoreRow]:
    """Score ``run`` with every metric and store the rows; returns the new ones.

    A metric whose weights or packages are missing gives unscored rows that say what to do, and stops no other. A
    refused picture is not applicable, a failed one unscored. Pictures of random weights carry no quality score.
    """
    records = run.current()
    known = run.scores()
    new = [row for m in metrics if isinstance(m, RunMetric) for row in m.summarise(records, run.info())]
    jobs = []
    for metric in metrics:
        if isinstance(metric, ImageMetric):
            job, rows = _image_work(metric, records, known)
        elif isinstance(metric, SetMetric):
            job, rows = _set_work(metric, records, run, known)
        else:
            continue
        new += rows
        jobs.append(job)
    new += _stream(run, records, [j for j in jobs if j.wanted], progress)
    for job in jobs:
        if isinstance(job.metric, SetMetric):
            new += _compare(job, records, run)
    if new:
        run.save_scores(new)
    return new


def _unfit(record: ImageRecord) -> str | None:
    """Why a record has no quality score, None if it has a picture to score."""
    if record.status != "ok":
        return f"{record.status}: {record.error or 'no reason given'}"
    return "random weights carry no quality" if record.detail.get("random_weights") else None


def _image_work(metric: ImageMetric, records: Sequence[ImageRecord], known: Sequence[ScoreRow]) -> tuple[_Work, list[ScoreRow]]:
    fingerprint = metric.fingerprint()
    final = {(r.prompt_id, r.request_id) for r in known if r.fingerprint == fingerprint and r.status != "unscored"}
    rows, wanted = [], set()
    for record in records:
        if record.key in final:
            continue
        why = _unfit(record)
        if why is None:
            wanted.add(record.key)
        else:
            rows += _blank(metric, record, why)
    return _Work(metric, wanted), rows


def _blank(metric: ImageMetric, record: ImageRecord, reason: str) -> list[ScoreRow]:
    status = "unscored" if record.status == "failed" or _unfit(record) is None else "not_applicable"
    return [
        ScoreRow(column, metric.fingerprint(), math.nan, status, request_id=record.request.id,  # type: ignore[arg-type]
                 prompt_id=record.prompt_id, seed=record.request.seed, reason=reason)
        for column in metric.columns
    ]  # fmt: skip


def _set_work(metric: SetMetric, records: Sequence[ImageRecord], run: Run, known: Sequence[ScoreRow]) -> tuple[_Work, list[ScoreRow]]:
    fit = [r for r in records if _unfit(r) is None]
    done = {r.detail.get("of") for r in known if r.metric == metric.name and r.fingerprint == metric.fingerprint() and r.status == "ok"}
    if _identity(fit) in done:
        return _Work(metric, set(), broken=""), []
    work = _Work(metric, set())
    file = run.features_path(metric.extractor.fingerprint())
    if file.exists():
        with np.load(file) as held:
            work.features = dict(zip(held["hashes"].tolist(), held["features"], strict=True))
    if metric.reference is not None:
        work.wanted = {r.key for r in fit if r.sha256 not in work.features}
    return work, []


def _identity(records: Sequence[ImageRecord]) -> str:
    return digest(sorted(str(r.sha256) for r in records))[:16]


def _stream(run: Run, records: Sequence[ImageRecord], jobs: Sequence[_Work], progress: Progress) -> list[ScoreRow]:
    todo = [r for r in records if any(r.key in job.wanted for job in jobs)]
    rows: list[ScoreRow] = []
    unsaved: list[ScoreRow] = []
    if not todo:
        return rows
    with progress.track("score", len(todo)) as advance:
        for count, start in enumerate(range(0, len(todo), _BATCH), 1):
            batch = [Sample(r, _decode(run, r)) for r in todo[start : start + _BATCH]]
            for job in jobs:
                unsaved += _one(job, [s for s in batch if s.record.key in job.wanted])
            if count % _SAVE_EVERY == 0:
                run.save_scores(unsaved)
                rows, unsaved = rows + unsaved, []
            advance(len(batch))
    return rows + unsaved


def _decode(run: Run, record: ImageRecord) -> Image.Image:
    from PIL import Image  # noqa: PLC0415 - slow import

    return Image.open(io.BytesIO(run.image_path(record).read_bytes())).convert("RGB")


def _one(job: _Work, samples: Sequence[Sample]) -> list[ScoreRow]:
    if not samples:
        return []
    if job.broken is None:
        try:
            if isinstance(job.metric, ImageMetric):
                return job.metric.score(samples)
            for sample, vector in zip(samples, job.metric.features([s.image for s in samples]), strict=True):
                job.features[str(sample.record.sha256)] = vector
        except BenchError as error:
            job.broken = str(error)
    if isinstance(job.metric, ImageMetric):
        return [row for s in samples for row in _blank(job.metric, s.record, job.broken or "")]
    return []


def _compare(job: _Work, records: Sequence[ImageRecord], run: Run) -> list[ScoreRow]:
    metric = job.metric
    assert isinstance(metric, SetMetric)
    if job.broken is not None:
        unscored = ScoreRow(metric.name, metric.fingerprint(), math.nan, "unscored", "distance", higher_is_better=False, reason=job.broken)
        return [unscored] if job.broken else []
    fit = [r for r in records if _unfit(r) is None and r.sha256 in job.features]
    held = [job.features[str(r.sha256)] for r in fit]
    if job.wanted:
        _keep_features(job, run)
    try:
        rows = metric.compare(np.array(held), list(dict.fromkeys(r.request.prompt for r in fit)))
    except BenchError as error:
        rows = [ScoreRow(metric.name, metric.fingerprint(), math.nan, "unscored", "distance", higher_is_better=False, reason=str(error))]
    return [ScoreRow(**{**row.__dict__, "detail": {**row.detail, "of": _identity(fit)}}) for row in rows]


def _keep_features(job: _Work, run: Run) -> None:
    data = io.BytesIO()
    np.savez(data, hashes=np.array(list(job.features)), features=np.array(list(job.features.values()), dtype=np.float32))
    assert isinstance(job.metric, SetMetric)
    run.save_bytes(run.features_path(job.metric.extractor.fingerprint()), data.getvalue())
