"""Scoring a run: what is scored once stays, what is missing is said."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from bench.config import presets
from bench.core.progress import Progress
from bench.engine import score
from bench.errors import StoreError
from bench.types import Job, Prompt, PromptSet, Rendered, Request

if TYPE_CHECKING:
    from bench.store import Run


@pytest.mark.slow
def test_pictures_are_scored_once(oracle_run: Run) -> None:
    metrics = presets.metrics(["ocr"])
    first = score.score(oracle_run, metrics, Progress())
    columns = {c.name for m in metrics for c in m.columns}
    assert {(r.metric, r.request_id) for r in first} == {(c, r.request.id) for c in columns for r in oracle_run.current()}
    assert len(first) == len(columns) * len(oracle_run.current())
    assert score.score(oracle_run, metrics, Progress()) == []
    assert {r.status for r in oracle_run.scores()} == {"ok"}


def test_scores_of_pictures_that_were_decoded_otherwise_once_are_made_again(oracle_run: Run) -> None:
    metrics, first = presets.metrics(["scene"]), oracle_run.current()[0]
    with Image.open(oracle_run.image_path(first)) as image:
        drawn = image.convert("RGBA")
    drawn.putalpha(drawn.convert("L").point(lambda level: 0 if level > 128 else 255))
    data = io.BytesIO()
    drawn.save(data, "PNG")
    oracle_run.image_path(first).write_bytes(data.getvalue())
    score.score(oracle_run, metrics, Progress())
    right = {s.request_id: s.value for s in oracle_run.scores()}
    oracle_run.save_scores([replace(s, value=-7.0) for s in oracle_run.scores()])
    assert score.score(oracle_run, metrics, Progress()) == []
    oracle_run.update_info(decoding=None)  # as a version before wrote it
    assert {s.request_id for s in score.score(oracle_run, metrics, Progress())} == {first.request.id}
    kept = {s.request_id: s.value for s in oracle_run.scores()}
    assert kept == {**dict.fromkeys(right, -7.0), first.request.id: right[first.request.id]}


def test_a_picture_that_is_damaged_is_named(oracle_run: Run) -> None:
    file = oracle_run.image_path(oracle_run.current()[0])
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(StoreError, match=rf"{file.name} cannot be read \(the file is cut off before its end\)"):
        score.score(oracle_run, presets.metrics(["scene"]), Progress())


def test_a_refused_picture_is_not_applicable_and_a_failed_one_unscored(oracle_run: Run) -> None:
    provider = presets.provider("tiny-oracle")
    chosen = PromptSet(
        "tiny",
        "1",
        "en",
        "x",
        "y",
        (Prompt("x1", "no", expected_text=("A",)), Prompt("x2", "nono", expected_text=("A",)), Prompt("x3", "three")),
    )
    with oracle_run.lock():
        for prompt, status in zip(chosen.prompts, ("refused", "failed", "refused"), strict=True):
            oracle_run.save(Job(prompt, provider.request(prompt, 0)), Rendered(status, error="because"), prompt_set=chosen, environment="e")  # type: ignore[arg-type]
    rows = {(r.prompt_id, r.metric): r for r in score.score(oracle_run, presets.metrics(["ocr"]), Progress())}
    assert rows["x1", "ocr.exact"].status == "not_applicable"
    assert rows["x2", "ocr.exact"].status == "unscored"
    assert rows["x2", "ocr.exact"].reason == "failed: because"
    assert rows["x3", "ocr.exact"].reason == "the prompt asks for no text", "its refusal says nothing about text"


def test_a_metric_without_weights_does_not_stop_the_others(oracle_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    rows = score.score(oracle_run, presets.metrics(["clip", "latency"]), Progress())
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
    rows = [r for r in score.score(oracle_run, presets.metrics(["ocr"]), Progress()) if r.prompt_id == "r1"]
    assert {(r.status, r.reason) for r in rows} == {("not_applicable", "random weights carry no quality")}


def test_no_reference_or_no_weights_is_not_as_asked_and_too_few_pictures_is(oracle_run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    few = score.score(oracle_run, presets.metrics(["fd_clip_tiny"]), Progress())
    assert [r.status for r in few] == ["unscored"]
    assert score.unscored_reasons(few)
    assert score.scoring_failures(few) == []
    lost = score.score(oracle_run, presets.metrics(["fid", "diversity"]), Progress())
    assert [line.partition(":")[0] for line in score.scoring_failures(lost)] == ["diversity", "fid"]
