"""Scoring a run: what is scored once stays, what is missing is said."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bench import presets, scoring
from bench.metrics.latency import Latency
from bench.progress import Progress
from bench.types import ImageRecord, Job, Prompt, PromptSet, Rendered, Request, Timing

if TYPE_CHECKING:
    import pytest

    from bench.store import Run


def test_pictures_are_scored_once(oracle_run: Run) -> None:
    metrics = presets.metrics(["ocr"])
    first = scoring.score(oracle_run, metrics, Progress())
    assert len(first) == 4 * len(oracle_run.current())
    assert scoring.score(oracle_run, metrics, Progress()) == []
    assert {r.status for r in oracle_run.scores()} == {"ok"}


def test_a_refused_picture_is_not_applicable_and_a_failed_one_unscored(oracle_run: Run) -> None:
    provider = presets.provider("tiny-oracle")
    chosen = PromptSet("tiny", "1", "en", "x", "y", (Prompt("x1", "no"), Prompt("x2", "nono")))
    with oracle_run.lock():
        for prompt, status in zip(chosen.prompts, ("refused", "failed"), strict=True):
            oracle_run.save(Job(prompt, provider.request(prompt, 0)), Rendered(status, error="because"), prompt_set=chosen, environment="e")  # type: ignore[arg-type]
    rows = {(r.prompt_id, r.metric): r for r in scoring.score(oracle_run, presets.metrics(["ocr"]), Progress())}
    assert rows["x1", "ocr.exact"].status == "not_applicable"
    assert rows["x2", "ocr.exact"].status == "unscored"
    assert rows["x2", "ocr.exact"].reason == "failed: because"


def test_a_metric_without_weights_does_not_stop_the_others(oracle_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    rows = scoring.score(oracle_run, presets.metrics(["clip", "latency"]), Progress())
    clip = [r for r in rows if r.metric == "clip"]
    assert len(clip) == len(oracle_run.current())
    assert {r.status for r in clip} == {"unscored"}
    assert all("hf download" in str(r.reason) for r in clip)
    assert any(r.metric == "latency.p50" and r.status == "ok" for r in rows)


def test_random_weights_carry_no_quality_score(oracle_run: Run) -> None:
    prompt = Prompt("r1", "a red circle on the left, on white", expected_text=("X",))
    chosen = PromptSet("tiny", "1", "en", "x", "y", (prompt,))
    picture = oracle_run.image_path(oracle_run.current()[0]).read_bytes()
    with oracle_run.lock():
        job = Job(prompt, Request("m", "random", prompt.text, None, 0, 128, 128))
        oracle_run.save(job, Rendered("ok", picture, detail={"random_weights": True}), prompt_set=chosen, environment="e")
    rows = [r for r in scoring.score(oracle_run, presets.metrics(["ocr"]), Progress()) if r.prompt_id == "r1"]
    assert {(r.status, r.reason) for r in rows} == {("not_applicable", "random weights carry no quality")}


def record(seconds: float, *, environment: str = "a", batch: int = 1) -> ImageRecord:
    timing = Timing(seconds, 0.1, seconds - 0.2, 0.1, steps=4, batch_size=batch)
    return ImageRecord("p", "c", "s", "h", Request("m", "r", "t", None, 0, 1, 1), "ok", environment, "now", timing=timing)


def test_latency_percentiles_and_rates() -> None:
    records = [record(float(s)) for s in range(1, 12)] + [record(100.0, environment="b")]
    rows = {r.metric: r for r in Latency().summarise(records, {"session": {"load_s": 2.0, "environment": "a", "peak_memory_bytes": 2**30}})}
    assert rows["latency.p50"].value == 6.0
    assert rows["latency.p90"].value == 10.0
    assert rows["images_per_s"].value == 11 / 66
    assert rows["steps_per_s"].value == 44 / (66 - 11 * 0.2)
    assert rows["load_s"].value == 2.0
    assert rows["peak_memory"].value == 1.0
    assert rows["latency.p50"].detail["left_out"] == 1


def test_a_batch_counts_its_time_once() -> None:
    rows = {r.metric: r for r in Latency().summarise([record(4.0, batch=4)] * 4, {})}
    assert rows["images_per_s"].value == 1.0
    assert rows["latency.p50"].value == 4.0


def test_imported_pictures_have_no_latency_and_say_why() -> None:
    untimed = ImageRecord("p", "c", "s", "h", Request("m", "r", "t", None, 0, 1, 1), "ok", "e", "now")
    rows = [r for r in Latency().summarise([untimed], {"imported": True}) if r.metric == "latency.p50"]
    assert math.isnan(rows[0].value)
    assert rows[0].reason == "imported pictures carry no timing"
