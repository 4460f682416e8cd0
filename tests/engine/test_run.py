"""Carrying out a plan from Python: pictures, scores, what is missing, and a second process."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from bench import engine, prompts
from bench.config import presets
from bench.core.progress import Progress
from bench.errors import StoreError
from bench.pricing.budget import Budget

if TYPE_CHECKING:
    from pathlib import Path


class Unasked(Progress):
    """Fails where somebody is asked."""

    def __init__(self) -> None:
        super().__init__(Console(file=io.StringIO()))

    def ask(self, question: str) -> bool | None:
        raise AssertionError(question)


def plan(tmp_path: Path, *metrics: str, **options: Any) -> engine.Plan:
    provider, scored = presets.provider("tiny-oracle"), presets.metrics(metrics)
    return engine.plan(provider, prompts.load("tiny"), metrics=scored, results=tmp_path, **{"limit": 2, **options})


def test_a_plan_is_rendered_and_scored_and_nobody_is_asked(tmp_path: Path) -> None:
    result = engine.run(plan(tmp_path, "scene", "latency", label="mine"), Unasked())
    assert (result.counts.rendered, result.counts.kept, result.counts.failed) == (4, 0, 0)
    assert result.complete
    assert [row.status for row in result.scores if row.metric == "scene"] == ["ok"] * 4
    info = result.run.info()
    assert (info["name"], info["label"], info["model"], info["hosted"]) == (result.run.name, "mine", "tiny-oracle", False)
    assert info["prompt_sets"] == {"tiny": prompts.load("tiny").hash}
    assert "config" not in info


def test_the_same_plan_again_renders_and_scores_nothing(tmp_path: Path) -> None:
    planned = plan(tmp_path, "scene")
    engine.run(planned, Unasked())
    again = engine.run(planned, Unasked())
    assert (again.counts.rendered, again.counts.kept, again.scores) == (0, 4, [])
    assert again.complete


def test_what_another_process_rendered_meanwhile_is_not_rendered_again(tmp_path: Path) -> None:
    early = plan(tmp_path, limit=3)
    engine.run(plan(tmp_path), Unasked())
    counts = engine.run(early, Unasked()).counts
    assert (counts.rendered, counts.kept) == (2, 4)


def test_a_run_that_another_process_works_on_is_left_alone(tmp_path: Path) -> None:
    planned = plan(tmp_path)
    with planned.run.lock(), pytest.raises(StoreError, match="another process is working on run"):
        engine.run(planned, Unasked())
    assert planned.run.records() == []


def test_a_metric_that_cannot_score_here_leaves_the_run_incomplete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    result = engine.run(plan(tmp_path, "clip", "fd_clip_tiny"), Unasked())
    assert not result.complete
    assert [line.partition(":")[0] for line in result.scoring_failures] == ["clip"]
    assert [line.partition(":")[0] for line in result.unscored] == ["clip", "fd_clip_tiny"], "too few pictures is no missing prerequisite"


def test_the_price_of_this_machine_is_stored_with_a_finished_run_too(tmp_path: Path) -> None:
    engine.run(plan(tmp_path), Unasked())
    result = engine.run(plan(tmp_path, budget=Budget(per_hour=2.5)), Unasked())
    assert result.run.info()["per_hour"] == 2.5
    assert result.counts.rendered == 0


def test_the_configuration_is_stored_and_a_run_without_one_keeps_it(tmp_path: Path) -> None:
    engine.run(plan(tmp_path, configuration={"metric": {}}), Unasked())
    result = engine.run(plan(tmp_path, limit=3), Unasked())
    assert result.run.info()["config"] == {"metric": {}}
