"""What every provider and every metric promises, shown on those that run here without a download."""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from bench.config import presets
from bench.engine.plan import jobs_for
from bench.errors import BenchError
from bench.metrics import ImageMetric, RunMetric, Sample, SetMetric
from bench.types import Prompt

if TYPE_CHECKING:
    from bench.store import Run
    from bench.types import ScoreRow

PROMPTS = [
    Prompt("a", 'a red circle on the left, on white, with a white sign reading "GO"', "x"),
    Prompt("b", "two blue stars in a row, on sky", "x"),
]
LOCAL = [name for name in presets.names("model") if str(presets.read("model", name).get("repo", "weights/")).startswith("weights/")]


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in LOCAL if not presets.read("model", n).get("api_key_env")])
def test_a_provider_gives_one_repeatable_picture_a_request(name: str) -> None:
    few = {"steps": 2} if "steps" in presets.read("model", name) else {}
    provider = presets.provider(name, **few)
    provider.check()
    said: list[str] = []
    session = provider.open(said.append)
    try:
        assert session.facts["load_s"] >= 0
        requests = [job.request for job in jobs_for(provider, PROMPTS, [0, 1])]
        pictures = []
        for request in (*requests, requests[0]):
            (made,) = session.render([request])
            assert made.status == "ok"
            assert made.error is None
            image = Image.open(io.BytesIO(made.image))
            assert image.size == (request.width, request.height)
            assert made.timing.latency_s > 0
            pictures.append(np.asarray(image))
        assert np.array_equal(pictures[0], pictures[-1]), "the same request gives the same picture"
        assert not np.array_equal(pictures[0], pictures[1]), "another seed gives another picture"
    finally:
        session.close()


def rows_of(metric: Any, run: Run) -> list[ScoreRow]:
    records = run.current()[:2]
    if isinstance(metric, RunMetric):
        return list(metric.summarise(records, run.info()))
    images = [Image.open(run.image_path(r)).convert("RGB") for r in records]
    if isinstance(metric, ImageMetric):
        fit = [Sample(r, image) for r, image in zip(records, images, strict=True) if metric.not_applicable_reason(r) is None]
        rows = metric.score(fit)
        wanted = {(c.name, s.record.prompt_id, s.record.request.seed) for c in metric.columns for s in fit}
        assert {(r.metric, r.prompt_id, r.seed) for r in rows} == wanted
        assert len(rows) == len(wanted)
        return list(rows)
    assert isinstance(metric, SetMetric)
    features = metric.extractor.features(images)
    assert features.shape[0] == len(records)
    assert features.dtype == np.float32
    why = metric.unavailable_reason()
    return [c.missing(metric.fingerprint(), why) for c in metric.columns] if why else list(metric.compare(features, records))


@pytest.mark.parametrize("name", presets.names("metric"))
def test_a_metric_scores_says_why_not_or_says_what_is_missing(name: str, oracle_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    (metric,) = presets.metrics([name])
    try:
        rows = rows_of(metric, oracle_run)
    except BenchError as error:
        rows, missing = [], str(error)
    if not rows:
        assert any(way in missing for way in ("hf download", "make fid", "reference=", "pip install", "export ", "apt")), (
            "what is missing and how to get it"
        )
        return
    known = {c.name: c for c in getattr(metric, "columns", ())}
    for row in rows:
        assert row.metric.startswith(name) or isinstance(metric, RunMetric)
        if row.metric in known:
            column = known[row.metric]
            assert (row.unit, row.higher_is_better, row.worst) == (column.unit, column.higher_is_better, column.worst)
        assert row.fingerprint == metric.fingerprint()
        assert row.status in {"ok", "unscored", "not_applicable"}
        assert math.isnan(row.value) == (row.status != "ok")
        assert (row.reason is None) == (row.status == "ok")
