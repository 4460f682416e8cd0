"""Tables are made when they are read, once; what is advised can be typed."""

from __future__ import annotations

import re
import shlex
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from support.command import bench
from support.paths import GOLDEN

from bench.analysis import pairwise
from bench.analysis.advice import score_command
from bench.analysis.columns import EARLIER_CARDS, Cards
from bench.analysis.frames import Frames, frames
from bench.config import presets
from bench.store import Run, schema
from bench.types import Column

if TYPE_CHECKING:
    from pathlib import Path

RUNS = [Run(file.parent) for file in sorted((GOLDEN / "results").glob("*/run.json"))]


def test_a_table_is_made_when_it_is_first_read_and_once() -> None:
    calls = []

    def make() -> pd.DataFrame:
        calls.append("x")
        return pd.DataFrame({"x": [1]})

    tables = Frames({"x": make})
    assert list(tables) == ["x"]
    assert calls == []
    assert tables["x"] is tables["x"]
    assert calls == ["x"]
    more = tables | {"y": pd.DataFrame({"y": [2]})}
    assert list(more) == ["x", "y"]
    assert more["x"] is tables["x"]


def test_pictures_and_scores_are_read_without_comparing_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> pd.DataFrame:
        raise AssertionError("compared")

    monkeypatch.setattr(pairwise, "table", never)
    tables = frames(RUNS, only=["scene"])
    assert set(tables["scores"]["metric"]) == {"scene"}
    assert len(tables["images"]) == 8
    with pytest.raises(AssertionError, match="compared"):
        tables["summary"]


def test_a_metric_is_left_out_with_all_its_columns() -> None:
    left = set(frames(RUNS, without=["latency", "ocr.exact"])["scores"]["metric"])
    assert not left & {"latency", "latency.p50", "images_per_s", "load_s", "ocr.exact"}
    assert {"ocr.ned", "scene", "clip_tiny"} <= left


def test_commands_name_metrics_and_not_their_columns() -> None:
    columns = ["images_per_s", "latency.p50", "refused", "clip_tiny.score100", "ocr.exact"]
    assert score_command(columns, EARLIER_CARDS, ["a", "b c"]) == "python -m bench score a 'b c' 'metric=[clip_tiny,latency,ocr,refusals]'"
    assert all(name in presets.names("metric") for name in ("clip_tiny", "latency", "ocr", "refusals"))


def test_a_metric_of_no_preset_needs_its_yaml_first() -> None:
    cards = Cards([{name: schema.column_to_json(Column(name, ""), "ours") for name in ("shine", "gloss")}])
    first = "(no preset yet: first write conf/metric/ours.yaml)"
    assert score_command(["shine", "gloss", "scene"], cards, ["a"]) == f"python -m bench score a 'metric=[ours,scene]' {first}"


@pytest.mark.slow
def test_the_commands_that_a_refusal_advises_can_be_typed(tmp_path: Path) -> None:
    results = shutil.copytree(GOLDEN / "results", tmp_path / "results")
    names = [run.path.name for run in RUNS]
    run = Run(results / names[0])
    run.save_scores([replace(row, fingerprint='{"metric":"latency","version":1}') for row in run.scores() if row.unit in {"s", "1/s"}])
    unlike = bench(["compare", *names], tmp_path)
    assert unlike.returncode == 2
    refusal = " ".join(unlike.stderr.split())
    assert "images_per_s" in refusal
    score_alike, leave_out = (shlex.split(words) for words in re.findall(r"python -m bench (.*?)(?:;|$)", refusal))
    folders = [f"results/{name}" for name in names]
    assert leave_out == ["compare", *folders, "--without", "latency"]
    assert bench(leave_out, tmp_path).returncode == 0
    assert score_alike == ["score", *folders, "metric=[latency]"]
    assert bench(score_alike, tmp_path).returncode == 0
    assert bench(["compare", *names], tmp_path).returncode == 0
