"""Scores on disk: why there is no value is read from files of earlier versions too; cards come back as they were stored."""

from __future__ import annotations

import math
import shutil
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from support.paths import GOLDEN

from bench.analysis.drops import GateRun
from bench.analysis.frames import frames
from bench.analysis.gate import judge
from bench.analysis.limits import parse
from bench.store import Run, Store, schema
from bench.types import Column, ScoreRow

if TYPE_CHECKING:
    from pathlib import Path

RUNS = sorted(file.parent for file in (GOLDEN / "results").glob("*/run.json"))
REASONS: list[tuple[dict[str, Any], str | None]] = [
    ({"status": "not_applicable", "reason": "refused: policy"}, "refused"),
    ({"status": "not_applicable", "reason": "the prompt asks for no text"}, None),
    ({"status": "unscored", "reason": "timeout: no answer"}, "not_made"),
    ({"status": "unscored", "reason": "failed: out of memory"}, "not_made"),
    ({"status": "unscored", "reason": "the weights failed: none"}, None),
    ({"status": "unscored", "reason": "no reference", "detail": {"barred": True}}, "prerequisite"),
    ({"status": "unscored", "reason": "2 pictures are too few", "detail": {"n": 2}}, None),
    ({"status": "ok", "value": 0.5}, None),
]


def earlier(run: Run) -> None:
    """Store the scores of ``run`` as versions before ``cause`` did."""
    file = run.path / "scores.parquet"
    pq.write_table(pq.read_table(file).drop_columns(["cause"]), file)


def test_scores_of_earlier_versions_get_their_cause_from_reason_and_detail(tmp_path: Path) -> None:
    run = Store(tmp_path).run("old", create=True)
    rows = [ScoreRow("clip", "{}", **{"value": math.nan, "prompt_id": f"p{i}", **row}) for i, (row, _) in enumerate(REASONS)]
    run.save_scores(rows)
    assert [row.cause for row in run.scores()] == [None] * len(REASONS)
    earlier(run)
    assert [row.cause for row in run.scores()] == [cause for _, cause in REASONS]
    assert run.scores_table().column_names == schema.scores_table([]).column_names


def test_an_empty_file_of_an_earlier_version_opens(tmp_path: Path) -> None:
    run = Store(tmp_path).run("old", create=True)
    run.save_scores([])
    earlier(run)
    assert run.scores() == []


@pytest.mark.slow
@pytest.mark.parametrize("folder", RUNS, ids=lambda path: path.name)
def test_earlier_runs_have_the_same_summary_and_verdicts_once_their_causes_are_stored(folder: Path, copies: dict[str, Run]) -> None:
    old, new = Run(folder), copies[folder.name]
    assert "cause" not in pq.read_table(folder / "scores.parquet").column_names
    assert "cause" in pq.read_table(new.path / "scores.parquet").column_names
    pd.testing.assert_frame_equal(frames([old])["summary"], frames([new])["summary"])
    limits = parse(["scene=0.05", "clip_tiny=2%", "fd_clip_tiny=0.1"], ["p50=10%"])
    sides = [[GateRun.read(run, limits) for run in (first, Run(RUNS[0]))] for first in (old, new)]
    assert repr(judge(*sides[0], limits)) == repr(judge(*sides[1], limits))


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """The earlier runs with their scores stored anew."""
    found = {}
    for folder in RUNS:
        run = Run(shutil.copytree(folder, tmp_path_factory.mktemp("stored") / folder.name))
        run.save_scores(run.scores())
        found[folder.name] = run
    return found


@pytest.mark.parametrize(
    "column",
    [
        Column("clip", "cosine"),
        Column("latency", "s", higher_is_better=False, timed=True, order=7, of="x", about="seconds", aggregate="value"),
    ],
)
def test_a_card_comes_back_as_it_was_stored(column: Column) -> None:
    stored = schema.column_to_json(column, "ours")
    assert stored["metric"] == "ours"
    assert schema.column_from_json(column.name, stored) == column
    assert schema.column_from_json(column.name, {**stored, "later": 1}) == column
