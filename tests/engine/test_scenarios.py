"""Scenarios: how long they last, what they time, and what is said of a short one."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from bench import engine, prompts
from bench.config import presets
from bench.core.progress import Progress
from bench.engine import scenarios
from bench.errors import ConfigError, ProviderError
from bench.metrics.speed.latency import Latency
from bench.metrics.speed.scenario import Scenario
from bench.store import Store
from bench.types import Job, Prompt, Rendered, Request, ScoreRow, Timing

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Scripted:
    """A session whose n-th call takes the n-th of ``takes`` seconds of a clock of its own, over and over."""

    takes: Sequence[float]
    timed: bool = True
    refuse: int | None = None
    now: float = 0.0
    calls: list[list[str]] = field(default_factory=list)
    facts: Mapping[str, Any] = field(default_factory=lambda: {"device": "scripted"})

    def render(self, requests: Sequence[Request]) -> list[Rendered]:
        self.calls.append([r.prompt for r in requests])
        took = self.takes[(len(self.calls) - 1) % len(self.takes)]
        self.now += took
        if self.refuse == len(self.calls):
            return [Rendered("refused", error="moderation")] * len(requests)
        return [Rendered("ok", b"x", Timing(took if self.timed else math.nan, batch_size=len(requests)))] * len(requests)

    def close(self) -> None: ...

    def clock(self) -> float:
        return self.now


class Heard(Progress):
    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def jobs(count: int, sizes: Sequence[int] = (64,)) -> list[Job]:
    made = [Prompt(f"p{i}", f"t{i}") for i in range(count)]
    return [Job(p, Request("m", "r", p.text, None, 0, sizes[i % len(sizes)], 64)) for i, p in enumerate(made)]


def measured(session: Scripted, count: int, scenario: Scenario, batch: int = 1, **more: Any) -> dict[str, Any]:
    return scenarios.measure(session, jobs(count, **more), scenario, batch, Heard(), clock=session.clock)


def test_single_stream_lasts_until_both_lengths_are_reached() -> None:
    session = Scripted([9.0, 1.0, 2.0, 3.0])
    raw = measured(session, 3, Scenario("single_stream", min_duration_s=4.0, min_queries=2))
    assert raw["seconds"] == [1.0, 2.0, 3.0], "the first call is the warm-up; 1 + 2 s are too short for 4 s"
    assert raw["wall_s"] == 6.0
    assert raw["warmup"] == {"pictures": 1, "seconds": 9.0}
    raw = measured(Scripted([9.0, 1.0, 2.0, 3.0]), 3, Scenario("single_stream", min_duration_s=4.0, min_queries=5))
    assert len(raw["seconds"]) == 5, "4 s are over, 5 pictures are not there"


def test_single_stream_makes_one_picture_at_a_time_in_turn() -> None:
    session = Scripted([1.0])
    raw = measured(session, 2, Scenario("single_stream", 5.0, 1), batch=4)
    assert session.calls == [["t0"], ["t0"], ["t1"], ["t0"], ["t1"], ["t0"]]
    assert raw["prompts"] == ["p0", "p1", "p0", "p1", "p0"]
    assert raw["batch_size"] == 1


def test_offline_fills_batches_across_the_end_of_the_set() -> None:
    session = Scripted([1.0])
    raw = measured(session, 3, Scenario("offline", 2.5, 1), batch=2)
    assert session.calls == [["t0", "t0"], ["t0", "t1"], ["t2", "t0"], ["t1", "t2"]]
    assert raw["pictures"] == [2, 2, 2]
    assert scenarios.summarise(raw)["value"] == 2.0


def test_offline_warms_up_and_batches_each_size_on_its_own() -> None:
    session = Scripted([1.0])
    raw = measured(session, 4, Scenario("offline", 1.0, 4), batch=2, sizes=(64, 128))
    assert session.calls[:2] == [["t0", "t0"], ["t1", "t1"]]
    assert session.calls[2:] == [["t0", "t2"], ["t1", "t3"]]
    assert raw["warmup"]["pictures"] == 4


def test_offline_times_full_batches_only_and_asks_for_every_job() -> None:
    session = Scripted([1.0])
    raw = measured(session, 5, Scenario("offline", 1.0, 5), batch=2, sizes=(64, 128))
    assert session.calls[2:] == [["t0", "t2"], ["t4", "t4"], ["t1", "t3"]], "five are asked for, the odd one is doubled"
    assert raw["pictures"] == [2, 2, 2]


def test_the_latency_that_the_session_measured_counts() -> None:
    session = Scripted([1.0])
    told = Timing(0.25)
    session.render = lambda requests: [Rendered("ok", b"x", told)] * len(requests)  # type: ignore[method-assign]
    ticks = iter(float(i) for i in range(1000))
    raw = scenarios.measure(session, jobs(1), Scenario("single_stream", 3.0, 1), 1, Heard(), clock=lambda: next(ticks))
    assert set(raw["seconds"]) == {0.25}
    assert measured(Scripted([2.0], timed=False), 1, Scenario("single_stream", 3.0, 1))["seconds"] == [2.0, 2.0]


@pytest.mark.slow
def test_no_query_meets_the_embedding_of_an_earlier_one() -> None:
    provider = presets.provider("tiny-schnell")
    session = provider.open(lambda _: None)
    seen: list[float] = []
    render = session.render

    def watched(requests: Sequence[Request]) -> list[Rendered]:
        made = render(requests)
        seen.append(made[0].timing.encode_s)
        return made

    session.render = watched
    try:
        job = Job(Prompt("p", "x"), provider.request(Prompt("p", "a red circle on the left, on white"), 0))
        scenarios.measure(session, [job], Scenario("single_stream", 1e-6, 3), 1, Heard())
    finally:
        session.close()
    assert len(set(seen)) == len(seen) == 4


def test_a_picture_that_is_not_made_ends_the_scenario() -> None:
    with pytest.raises(ProviderError, match=r"p1 \(seed 0\) was refused: moderation"):
        measured(Scripted([1.0], refuse=3), 3, Scenario("single_stream", 10.0, 1))


def test_progress_has_rate_and_time_left() -> None:
    heard, session = Heard(), Scripted([4.0])
    scenarios.measure(session, jobs(1), Scenario("single_stream", 30.0, 10), 1, heard, clock=session.clock)
    assert heard.said == [
        "single_stream: warm-up, 1 picture, not timed; then at least 30 s",
        "single_stream: 3 pictures, 0.25/s, 28 s left",
        "single_stream: 6 pictures, 0.25/s, 16 s left",
        "single_stream: 9 pictures, 0.25/s, 4 s left",
        "single_stream: 10 pictures, 0.25/s, 0 s left",
    ]


def raw(name: str, seconds: Sequence[float], **more: Any) -> dict[str, Any]:
    count = len(seconds)
    base = {"pictures": [1] * count, "prompts": [f"p{i % 5}" for i in range(count)], "wall_s": sum(seconds), "warmup": {}}
    lengths = {"batch_size": 1, "jobs": 5, "min_duration_s": 600.0, "min_queries": 1}
    return {"scenario": name, "seconds": list(seconds), **base, **lengths, **more}


def test_single_stream_reports_the_90th_percentile_with_an_interval() -> None:
    found = scenarios.summarise(raw("single_stream", [float(s) for s in range(1, 12)]))
    assert found["value"] == 10.0
    assert found["low"] <= 10.0 <= found["high"]
    assert found["n"] == 11
    assert "early_stopping_p90" not in found


def test_a_short_scenario_is_said_to_be_short() -> None:
    long_enough = scenarios.summarise(raw("single_stream", [10.0] * 64))
    assert "note" not in long_enough
    few = scenarios.summarise(raw("single_stream", [10.0] * 63))
    assert few["note"] == "63 pictures in 630 s: not of an MLPerf-conformant length, which is at least 64 in 600 s"
    brief = scenarios.summarise(raw("offline", [1.0] * 64))
    assert "not of an MLPerf-conformant length" in brief["note"]
    assert "note" not in scenarios.summarise(raw("offline", [150.0] * 5))


def test_offline_needs_every_job_once_and_never_more_than_mlperfs_number() -> None:
    assert Scenario("offline").mlperf_min_queries(5_000) == 5_000
    assert Scenario("offline").mlperf_min_queries(10**6) == 24_576
    assert Scenario("single_stream").mlperf_min_queries(10**6) == 64


def test_early_stopping_takes_what_mlperf_takes() -> None:
    values = [float(v) for v in range(1, 1001)]
    assert math.isnan(scenarios.early_stopping(values[:63]))
    assert scenarios.early_stopping(values[:64]) == 64.0, "64 queries: the slowest one"
    assert math.isnan(scenarios.early_stopping(values[:661], share=0.99))
    assert scenarios.early_stopping(values[:662], share=0.99) == 662.0, "MultiStream's 662 queries"


@pytest.mark.parametrize("n", [64, 100, 333, 1000])
def test_early_stopping_counts_as_the_binomial_of_scipy(n: int) -> None:
    from scipy.stats import binom

    late = max(t for t in range(n) if binom.cdf(t, n, 0.1) <= 0.01)
    values = np.random.default_rng(n).normal(10, 1, n)
    assert scenarios.early_stopping(values) == np.sort(values)[n - late] >= np.percentile(values, 90)


@dataclass(frozen=True)
class Model:
    """A provider of one scripted session."""

    session: Any
    name: str = "scripted"
    hosted: bool = False
    batch_size: int = 2
    opened: list[str] = field(default_factory=list)

    def check(self) -> None: ...

    def open(self, say: Callable[[str], None]) -> Any:
        say("open")
        self.opened.append(self.name)
        return self.session


def rows(info: Mapping[str, Any], metric: Latency | None = None) -> dict[str, ScoreRow]:
    return {r.metric: r for r in (metric or Latency()).summarise([], info) if "single_stream" in r.metric or "offline" in r.metric}


def test_a_scenario_is_measured_once_and_again_when_it_changes(tmp_path: Path) -> None:
    run, model = Store(tmp_path).run("r", create=True), Model(Scripted([1.0]))
    few = jobs(2)

    def conduct(name: str, queries: int, **more: Any) -> int:
        scenarios.run_scenario(Scenario(name, 1e-6, queries), few, model, run, progress=Heard(), **more)
        return len(model.opened)

    assert [conduct("offline", 4), conduct("offline", 4)] == [1, 1]
    assert [conduct("offline", 6), conduct("offline", 6, fresh=True), conduct("single_stream", 3)] == [2, 3, 4]
    info = run.info()
    assert info["scenarios"]["offline"]["n"] == 6
    assert info["scenarios"]["offline"]["environment"] in info["environments"]
    samples = json.loads((run.path / "scenario-offline.json").read_text())
    assert samples["pictures"] == [2, 2, 2]
    found = rows(info)
    assert found["latency.single_stream_p90"].value == 1.0
    assert found["latency.offline_images_per_s"].value == 2.0
    assert "MLPerf" in found["latency.offline_images_per_s"].detail["note"]
    assert found["latency.offline_images_per_s"].detail["device"] == "scripted"
    assert run.records() == []


def test_a_scenario_given_up_is_unscored_and_tried_again(tmp_path: Path) -> None:
    run = Store(tmp_path).run("r", create=True)
    scenario = Scenario("single_stream", 1e-6, 3)
    scenarios.run_scenario(scenario, jobs(2), Model(Scripted([1.0], refuse=2)), run, progress=Heard())
    row = rows(run.info())["latency.single_stream_p90"]
    assert (row.status, row.reason) == ("unscored", "single_stream was given up: p0 (seed 0) was refused: moderation")
    assert not (run.path / "scenario-single_stream.json").exists()
    scenarios.run_scenario(scenario, jobs(2), Model(Scripted([1.0])), run, progress=Heard())
    assert rows(run.info())["latency.single_stream_p90"].status == "ok"


def test_a_scenario_wanted_and_not_measured_is_unscored() -> None:
    row = rows({}, Latency(scenario="offline"))["latency.offline_images_per_s"]
    assert row.status == "unscored"
    assert "metric.latency.scenario=offline" in str(row.reason)
    assert rows({}) == {}


def test_a_hosted_model_is_not_paid_for_pictures_that_are_thrown_away(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="hosted"):
        engine.plan(presets.provider("gpt-image"), prompts.load("tiny"), metrics=[Latency(scenario="offline")], results=tmp_path)


def test_an_interrupt_leaves_the_ordinary_run_as_it_was(tmp_path: Path) -> None:
    from conftest import render_oracle

    run = render_oracle(tmp_path, limit=2, seeds=(0,))
    before = (run.path / "run.json").read_bytes()
    session = Scripted([1.0])

    def stop(_: Sequence[Request]) -> list[Rendered]:
        raise KeyboardInterrupt

    session.render = stop  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        scenarios.run_scenario(Scenario("offline", 1.0), jobs(1), Model(session), run, progress=Heard())
    assert len(run.current()) == 2
    assert (run.path / "run.json").read_bytes() == before
    scenarios.run_scenario(Scenario("offline", 1e-6, 1), jobs(1), Model(Scripted([1.0])), run, progress=Heard())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["single_stream", "offline"])
def test_a_real_model_end_to_end(name: str, tmp_path: Path) -> None:
    provider, chosen = presets.provider("tiny-schnell", batch_size=2), prompts.load("tiny")
    latency = Latency(scenario=name, min_duration_s=0.05, min_queries=6)
    run = engine.run(engine.plan(provider, chosen, metrics=[latency], limit=2, results=tmp_path), Progress()).run
    info = run.info()
    (row,) = rows(info).values()
    samples = json.loads((run.path / f"scenario-{name}.json").read_text())
    assert sum(samples["pictures"]) >= 6
    assert samples["wall_s"] >= 0.05
    if name == "offline":
        assert row.value == pytest.approx(sum(samples["pictures"]) / sum(samples["seconds"]))
    else:
        assert row.value == pytest.approx(np.percentile(samples["seconds"], 90))
    ordinary = {r.metric: r for r in Latency().summarise(run.current(), info)}
    assert ordinary["latency.p50"].detail["n"] == 4
    assert len(list((run.path / "images").iterdir())) == 4
