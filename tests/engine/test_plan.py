"""Planning: nothing is loaded, sent or written; what is left is read from the records."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support.paths import ROOT
from support.runs import render_oracle

from bench import engine, prompts
from bench.config import presets
from bench.core.progress import Progress
from bench.engine.forecast import forecast
from bench.engine.plan import run_name
from bench.errors import BudgetError, ConfigError
from bench.metrics.speed.latency import Latency
from bench.pricing.budget import Budget
from bench.store.attempts import Ledger

if TYPE_CHECKING:
    from pathlib import Path


def plan(tmp_path: Path, model: str = "tiny-oracle", **options: Any) -> engine.Plan:
    return engine.plan(presets.provider(model), prompts.load("tiny"), results=tmp_path / "results", **{"limit": 3, **options})


def test_a_plan_writes_nothing_and_has_every_prompt_with_every_seed(tmp_path: Path) -> None:
    planned = plan(tmp_path)
    assert [(job.prompt.id, job.request.seed) for job in planned.todo] == [
        (prompt.id, seed) for prompt in prompts.load("tiny").prompts[:3] for seed in (0, 1)
    ]
    assert planned.jobs == planned.todo
    assert not list(tmp_path.iterdir())


def test_a_hosted_model_has_one_picture_a_prompt_and_a_price(tmp_path: Path) -> None:
    planned = plan(tmp_path, "gpt-image", budget=Budget(price=0.5))
    assert len(planned.jobs) == 3
    assert not planned.takes_seeds
    assert planned.estimate is not None
    assert planned.estimate.usd == pytest.approx(1.5)
    assert plan(tmp_path).estimate is None


def test_what_is_final_is_not_planned_again_unless_fresh(tmp_path: Path) -> None:
    render_oracle(tmp_path / "results", limit=2)
    assert [job.request.seed for job in plan(tmp_path).todo] == [0, 1]
    assert len(plan(tmp_path, fresh=True).todo) == 6


def test_a_plan_is_read_again_only_after_records_were_stored(tmp_path: Path) -> None:
    before = plan(tmp_path)
    assert before.updated() is before
    render_oracle(tmp_path / "results", limit=2)
    after = before.updated()
    assert len(after.todo) == 2
    assert after.updated() is after
    render_oracle(tmp_path / "results", limit=3)
    assert after.updated().todo == []


def test_what_was_sent_and_only_has_to_be_fetched_is_not_estimated_again(tmp_path: Path) -> None:
    planned = plan(tmp_path, "flux-pro", budget=Budget(price=0.5))
    with planned.run.lock():
        attempt = Ledger(planned.run).attempt(planned.jobs[0])
        attempt.send(0.5)
        attempt.submitted({"id": "abc"})
    estimate = plan(tmp_path, "flux-pro", budget=Budget(price=0.5)).estimate
    assert estimate is not None
    assert (estimate.usd, estimate.spent_usd) == (pytest.approx(1.0), pytest.approx(0.5))


def test_the_budget_is_kept_without_a_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-this-test")
    plan(tmp_path, "gpt-image", budget=Budget(price=0.5, max=1.5)).check()
    with pytest.raises(BudgetError, match=r"may cost 1\.50 USD.*more than budget\.max=1"):
        plan(tmp_path, "gpt-image", budget=Budget(price=0.5, max=1)).check()


def test_no_secret_of_a_hosted_model_enters_the_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-this-test")
    planned = plan(tmp_path, "gpt-image", configuration={"model": {"note": "sk-of-this-test"}})
    assert planned.description({})["config"] == {"model": {"note": "***"}}
    assert "config" not in plan(tmp_path, "gpt-image").description({"config": {"kept": True}})


def test_the_description_keeps_the_sets_of_earlier_sessions(tmp_path: Path) -> None:
    described = plan(tmp_path, label="mine").description({"prompt_sets": {"other": "hash"}})
    assert described["prompt_sets"] == {"other": "hash", "tiny": prompts.load("tiny").hash}
    assert (described["label"], described["model"], described["hosted"]) == ("mine", "tiny-oracle", False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": []}, "must be a list of distinct whole numbers"),
        ({"seeds": [1, 1]}, "must be a list of distinct whole numbers"),
        ({"seeds": [True]}, "a seed is a whole number from 0"),
        ({"seeds": [2**32]}, "a seed is a whole number from 0"),
        ({"seeds": "0"}, "a seed is a whole number from 0"),
        ({"limit": 0}, "whole number of at least 1"),
        ({"categories": ["none"]}, "none"),
    ],
)
def test_what_cannot_be_carried_out_is_refused(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        plan(tmp_path, **options)


def test_a_forecast_speaks_of_what_is_left(tmp_path: Path) -> None:
    render_oracle(tmp_path / "results", limit=2)
    words = forecast(plan(tmp_path, budget=Budget(per_hour=3600)))
    assert "6 pictures, 2 to render" in words
    assert "(from 4 earlier pictures)" in words
    assert "USD at 3600 USD an hour" in words
    assert "at most about 1.50 USD, budget.price" in forecast(plan(tmp_path, "gpt-image", budget=Budget(price=0.5)))


def test_scenarios_are_planned_with_the_metric_that_wants_them(tmp_path: Path) -> None:
    (scenario,) = plan(tmp_path, metrics=[Latency(scenario="offline"), *presets.metrics(["scene"])]).scenarios
    assert scenario.name == "offline"
    assert plan(tmp_path, metrics=presets.metrics(["latency"])).scenarios == []


def test_importing_the_engine_loads_nothing_heavy() -> None:
    heavy = ("torch", "hydra", "omegaconf", "numpy", "pandas", "pyarrow", "PIL", "httpx2")
    code = f"import sys, bench.engine; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metrics": ["scene"]}, "'scene' is no metric; build metrics with"),
        ({"metrics": "scene"}, "'scene' is no metric"),
        ({"label": 2026}, "label=2026 is no text; write label='2026'"),
        ({"results": 2026}, "results=2026 is no text"),
        ({"label": "x" * 101}, "has 101 characters; it may have 100"),
        ({"prompt_set": "tiny"}, "'tiny' is no prompt set; read one with"),
        ({"provider": "tiny-oracle"}, "'tiny-oracle' is no model; build one with"),
    ],
)
def test_what_is_no_plan_is_refused_before_anything_is_rendered(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    provider, prompt_set = presets.provider("tiny-oracle"), prompts.load("tiny")
    with pytest.raises(ConfigError, match=re.escape(message)):
        engine.plan(**{"provider": provider, "prompt_set": prompt_set, "results": tmp_path, **changes})


def test_names_that_look_the_same_in_a_folder_are_different_runs(tmp_path: Path) -> None:
    provider, prompt_set = presets.provider("tiny-oracle"), prompts.load("tiny")

    def run(label: str) -> tuple[str, int]:
        result = engine.run(engine.plan(provider, prompt_set, label=label, limit=1, seeds=[0], results=tmp_path), Progress())
        return result.run.name, result.counts.rendered

    first, second = run("a=b"), run("a b")
    assert first[0].startswith("a-b.tiny.")
    assert first[0] != second[0]
    assert (first[1], second[1]) == (1, 1)
    assert (run("a=b"), run("a b")) == ((first[0], 0), (second[0], 0)), "each is found again"


def test_prompt_files_of_any_alphabet_have_runs_of_their_own(tmp_path: Path) -> None:
    names = set()
    for stem in ("кот", "日本語", "a b", "a-b"):
        (tmp_path / f"{stem}.txt").write_text("a red circle on the left, on white\n", encoding="utf-8")
        plan = engine.plan(presets.provider("tiny-oracle"), prompts.load(str(tmp_path / f"{stem}.txt")), results=tmp_path / "r", seeds=[0])
        names.add(engine.run(plan, Progress()).run.name)
    assert len(names) == 4


def test_a_large_number_in_a_name_is_no_small_one() -> None:
    assert "-cfg1e38-" in run_name(presets.provider("tiny-pro", true_cfg=1e38), prompts.load("tiny"), None)
