"""From records and metrics to score rows: each picture is decoded once, what is scored already is kept."""

from __future__ import annotations

import io
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from bench.core.fingerprint import fingerprint
from bench.errors import BenchError
from bench.metrics import ImageMetric, RunMetric, Sample, SetMetric
from bench.store import schema
from bench.types import digest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PIL import Image

    from bench.core.progress import Progress
    from bench.metrics import Extractor
    from bench.store import Run
    from bench.types import Cause, ImageRecord, ScoreRow, ScoreStatus

Metric = ImageMetric | SetMetric | RunMetric

_BATCH = 16
_SAVE_SECONDS = 20.0
"""Scores and features are written this often: so much is lost at most when the process dies."""


@dataclass
class _Scoring:
    """A picture metric's state while pictures stream by."""

    metric: ImageMetric
    wanted: set[tuple[str, str]]
    broken: str | None = None

    def take(self, samples: Sequence[Sample]) -> list[ScoreRow]:
        mine = [s for s in samples if s.record.key in self.wanted]
        if mine and self.broken is None:
            try:
                return self.metric.score(mine)
            except BenchError as error:
                self.broken = str(error)
        return [row for s in mine for row in _blank(self.metric, s.record, self.broken or "", "unscored")]


@dataclass
class _Extraction:
    """An extractor's state: features by the picture's hash, shared by all metrics that use it."""

    extractor: Extractor
    key: str
    wanted: set[tuple[str, str]] = field(default_factory=set)
    features: dict[str, np.ndarray] = field(default_factory=dict)
    broken: str | None = None
    fresh: int = 0

    def take(self, samples: Sequence[Sample]) -> list[ScoreRow]:
        mine = [s for s in samples if s.record.key in self.wanted]
        if mine and self.broken is None:
            try:
                made = self.extractor.features([s.image for s in mine])
            except BenchError as error:
                self.broken = str(error)
                return []
            self.features.update(zip([str(s.record.sha256) for s in mine], made, strict=True))
            self.fresh += len(mine)
        return []

    def save(self, run: Run) -> None:
        if not self.fresh:
            return
        data = io.BytesIO()
        np.savez(data, hashes=np.array(list(self.features)), features=np.stack(list(self.features.values())).astype(np.float32))
        run.save_bytes(run.features_path(self.key), data.getvalue())
        self.fresh = 0


def score(run: Run, metrics: Sequence[Metric], progress: Progress) -> list[ScoreRow]:
    """Score ``run`` with every metric and store the rows; returns the new ones.

    A metric whose weights or packages are missing gives unscored rows that say what to do, and stops no other. A
    refused picture is not applicable, a failed one unscored. Pictures of random weights carry no quality score.
    """
    records, known = run.current(), run.scores()
    new: list[ScoreRow] = []
    scorings: list[_Scoring] = []
    extractions: dict[str, _Extraction] = {}
    open_sets: list[tuple[SetMetric, _Extraction]] = []
    for metric in metrics:
        if isinstance(metric, RunMetric):
            new += metric.summarise(records, run.info())
        elif isinstance(metric, ImageMetric):
            work, rows = _image_work(metric, records, known)
            scorings.append(work)
            new += rows
        elif not isinstance(metric, SetMetric):
            raise TypeError(f"{metric!r} keeps none of the protocols of bench.metrics.base")
        elif not _compared(metric, records, known):
            why = metric.unavailable_reason()
            if why:
                new += [column.missing(metric.fingerprint(), why, cause="prerequisite") for column in metric.columns]
            else:
                open_sets.append((metric, _extraction(metric, records, run, extractions)))
    new += _stream(run, records, [*scorings, *extractions.values()], progress)
    for metric, extraction in open_sets:
        new += _compare(metric, extraction, records)
    if new:
        run.save_scores(new)
    _save_columns(run, metrics)
    return new


def _save_columns(run: Run, metrics: Sequence[Metric]) -> None:
    """Keep the card of every column in run.json, so that reports need no metric's code."""
    stored = run.info().get("columns", {})
    cards = {column.name: schema.column_to_json(column, metric.name) for metric in metrics for column in metric.columns}
    if {**stored, **cards} != stored:
        run.update_info(columns={**stored, **cards})


def unscored_reasons(rows: Sequence[ScoreRow]) -> list[str]:
    """What could not be scored and why, once a reason; pictures that were never made are left out."""
    told: dict[str, set[str]] = {}
    for row in rows:
        if row.status == "unscored" and row.reason and row.cause != "not_made":
            told.setdefault(row.reason, set()).add(row.metric.partition(".")[0])
    return sorted(f"{', '.join(sorted(metrics))}: {reason}" for reason, metrics in told.items())


def missing_prerequisites(rows: Sequence[ScoreRow]) -> list[str]:
    """The complaints that are no matter of too few pictures: a metric that cannot score here as asked."""
    return unscored_reasons([r for r in rows if r.request_id or r.cause == "prerequisite"])


def unscorable_reason(record: ImageRecord) -> str | None:
    """Why a record has no quality score, None if it has a picture to score."""
    if record.status != "ok":
        return f"{record.status}: {record.error or 'no reason given'}"
    return "random weights carry no quality" if record.detail.get("random_weights") else None


def _image_work(metric: ImageMetric, records: Sequence[ImageRecord], known: Sequence[ScoreRow]) -> tuple[_Scoring, list[ScoreRow]]:
    mark, columns = metric.fingerprint(), {c.name for c in metric.columns}
    final: dict[tuple[str | None, str | None], set[str]] = {}
    for row in known:
        if row.fingerprint == mark and row.status != "unscored":
            final.setdefault((row.prompt_id, row.request_id), set()).add(row.metric)
    rows, wanted = [], set()
    for record in records:
        if final.get(record.key, set()) >= columns:
            continue
        beside = metric.not_applicable_reason(record)
        why = unscorable_reason(record)
        if beside is not None:
            rows += _blank(metric, record, beside, "not_applicable")
        elif why is None:
            wanted.add(record.key)
        else:
            cause: Cause | None = "not_made" if record.failed else "refused" if record.status == "refused" else None
            rows += _blank(metric, record, why, "unscored" if record.failed else "not_applicable", cause)
    return _Scoring(metric, wanted), rows


def _blank(metric: ImageMetric, record: ImageRecord, reason: str, status: ScoreStatus, cause: Cause | None = None) -> list[ScoreRow]:
    mark = metric.fingerprint()
    return [column.missing(mark, reason, record, status=status, cause=cause) for column in metric.columns]


def scorable(records: Sequence[ImageRecord]) -> list[ImageRecord]:
    """The records whose pictures have a quality score."""
    return [r for r in records if unscorable_reason(r) is None]


def _identity(records: Sequence[ImageRecord]) -> str:
    """Which pictures a set score is of."""
    return digest(sorted(str(r.sha256) for r in records))[:16]


def _compared(metric: SetMetric, records: Sequence[ImageRecord], known: Sequence[ScoreRow]) -> bool:
    mark, of = metric.fingerprint(), _identity(scorable(records))
    done = {r.metric for r in known if r.fingerprint == mark and r.detail.get("of") == of and r.status != "unscored"}
    return done >= {c.name for c in metric.columns}


def _extraction(metric: SetMetric, records: Sequence[ImageRecord], run: Run, made: dict[str, _Extraction]) -> _Extraction:
    key = fingerprint(metric.extractor.name, 0, **metric.extractor.fingerprint_fields())
    if key not in made:
        work = made[key] = _Extraction(metric.extractor, key)
        file = run.features_path(key)
        if file.exists():
            with np.load(file) as held:
                work.features = dict(zip(held["hashes"].tolist(), held["features"], strict=True))
        work.wanted = {r.key for r in scorable(records) if r.sha256 not in work.features}
    return made[key]


def _stream(run: Run, records: Sequence[ImageRecord], work: Sequence[_Scoring | _Extraction], progress: Progress) -> list[ScoreRow]:
    todo = [r for r in records if any(r.key in w.wanted for w in work)]
    rows: list[ScoreRow] = []
    unsaved: list[ScoreRow] = []
    if not todo:
        return rows
    saved = time.monotonic()
    with progress.track("score", len(todo)) as advance:
        for start in range(0, len(todo), _BATCH):
            batch = [Sample(r, _decode(run, r)) for r in todo[start : start + _BATCH]]
            unsaved += [row for w in work for row in w.take(batch)]
            if time.monotonic() - saved > _SAVE_SECONDS:
                _save(run, unsaved, work)
                rows, unsaved, saved = rows + unsaved, [], time.monotonic()
            advance(len(batch))
    _save(run, [], work)
    return rows + unsaved


def _save(run: Run, rows: Sequence[ScoreRow], work: Sequence[_Scoring | _Extraction]) -> None:
    if rows:
        run.save_scores(rows)
    for one in work:
        if isinstance(one, _Extraction):
            one.save(run)


def _decode(run: Run, record: ImageRecord) -> Image.Image:
    from PIL import Image  # noqa: PLC0415 - slow import

    return Image.open(io.BytesIO(run.image_path(record).read_bytes())).convert("RGB")


def _compare(metric: SetMetric, extraction: _Extraction, records: Sequence[ImageRecord]) -> list[ScoreRow]:
    fit = scorable(records)
    if extraction.broken is None:
        held: Mapping[str, np.ndarray] = extraction.features
        try:
            features = np.stack([held[str(r.sha256)] for r in fit]) if fit else np.empty((0, 0), np.float32)
            rows = metric.compare(features, fit)
        except BenchError as error:
            extraction = replace(extraction, broken=str(error))
        else:
            return [replace(row, detail={**row.detail, "of": _identity(fit)}) for row in rows]
    return [column.missing(metric.fingerprint(), extraction.broken or "", cause="prerequisite") for column in metric.columns]
