"""Timings under unlike conditions: neither pooled nor compared, and what differs is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from bench import engine, prompts
from bench.analysis.drops import GateRun
from bench.analysis.frames import frames
from bench.analysis.gate import judge
from bench.analysis.limits import parse
from bench.config import presets
from bench.core.progress import Progress
from bench.report.answer import verdict
from bench.report.sections import speed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.store import Run

UNLIKE = "1 thread against 2 threads"


def run(results: Path, label: str, threads: int, limit: int = 6) -> Run:
    torch.set_num_threads(threads)
    plan = engine.plan(
        presets.provider("tiny-schnell"), prompts.load("tiny"), metrics=presets.metrics(["latency"]), seeds=[0], limit=limit, label=label,
        results=results,
    )  # fmt: skip
    return engine.run(plan, Progress()).run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Run, Run]]:
    """The same model with one thread and with two."""
    before, folder = torch.get_num_threads(), tmp_path_factory.mktemp("threads")
    yield run(folder, "one", 1), run(folder, "two", 2)
    torch.set_num_threads(before)


@pytest.mark.slow
def test_other_threads_are_no_verdict_on_speed(runs: tuple[Run, Run]) -> None:
    tables = frames(runs)
    (row,) = tables["pairwise"].query("metric == 'latency'").to_dict("records")
    assert (row["verdict"], row["reason"]) == ("not comparable", UNLIKE)
    assert f"Speeds are not all comparable ({UNLIKE})." in verdict(tables).answer
    found = speed.section(tables, ["one", "two"])
    assert found is not None
    assert [pair["reason"] for pair in found["apart"]] == [UNLIKE]
    assert [line.rpartition(", ")[2] for line in found["measured"]] == ["1 thread", "2 threads"]


def test_other_threads_are_no_regression_for_the_gate(runs: tuple[Run, Run]) -> None:
    limits = parse([], ["p50=10%"])
    (found,) = judge(*(GateRun.read(run, limits) for run in runs), limits)
    assert (found.verdict, found.reason) == ("cannot tell", UNLIKE)


@pytest.mark.slow
def test_a_run_that_goes_on_with_other_threads_pools_the_larger_part(runs: tuple[Run, Run]) -> None:
    before = torch.get_num_threads()
    mixed = run(runs[0].path.parent, "mixed", 1)
    run(runs[0].path.parent, "mixed", 2, limit=8)
    torch.set_num_threads(before)
    (median,) = [row for row in mixed.scores() if row.metric == "latency.p50"]
    assert median.detail["n"] == 6
    assert "2 pictures made otherwise (2 threads against 1 thread) left out" in median.detail["note"]
    assert len({record.environment for record in mixed.records()}) == 2


def test_runs_of_before_are_compared_by_what_their_sessions_noted(runs: tuple[Run, Run]) -> None:
    """Then one key stood for the machine, whatever the threads."""
    from bench.analysis.comparable import not_comparable_reason
    from bench.analysis.slowdown import timed

    tables = frames(runs)
    pictures = {name: timed(group.assign(environment="old")) for name, group in tables["images"].groupby("run")}
    infos = {
        name: {"environments": {"old": {"cpu": "X"}}, "sessions": {"old": [{"device": "cpu", "threads": threads}] * 2}}
        for name, threads in (("one", 1), ("two", 2))
    }
    assert not_comparable_reason(tables.cards["latency"], "one", "two", infos, pictures) == UNLIKE
    infos["two"]["sessions"]["old"][0] = {"device": "cpu", "threads": 1}
    assert not_comparable_reason(tables.cards["latency"], "one", "two", infos, pictures) is None, "they do not say which pictures"


def test_the_report_names_what_rendered_and_not_a_card_that_was_there(runs: tuple[Run, Run]) -> None:
    from bench.report.markdown import summary_markdown
    from bench.report.sections import notes

    for one in runs:
        told = one.info()["environments"]
        one.update_info(environments={key: {**facts, "gpu": ["NVIDIA H100, driver 550"], "cpu": "AMD EPYC"} for key, facts in told.items()})
    tables = frames(runs)
    assert [e["rendered"] for e in notes.environments(tables)] == ["AMD EPYC (cpu), 1 thread", "AMD EPYC (cpu), 2 threads"]
    assert "H100" not in summary_markdown(tables, "t")
