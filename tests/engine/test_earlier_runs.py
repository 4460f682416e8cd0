"""Runs and a comparison that an earlier version wrote: they open, score again to the same values, and compare with new ones."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from support.command import bench
from support.paths import GOLDEN
from support.runs import render_oracle

from bench import load
from bench.analysis.frames import frames
from bench.core.fingerprint import is_version
from bench.store import Run, Store

if TYPE_CHECKING:
    from pathlib import Path

RESULTS = GOLDEN / "results"
SCHNELL, ORACLE = (next(RESULTS.glob(f"{name}.*")).name for name in ("tiny-schnell", "tiny-oracle"))


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return shutil.copytree(RESULTS, tmp_path / "results")


def settings(fingerprint: str) -> dict[str, object]:
    """The fields that are not of libraries; nor how text is compared, of which no text in these pictures shows a difference."""
    fields = json.loads(fingerprint)
    reworded = {"version", "normalisation"} if fields["metric"] == "ocr" else set()
    return {k: v for k, v in fields.items() if not is_version(k) and k not in reworded}


def test_earlier_runs_open_with_every_picture(results: Path) -> None:
    for name in (SCHNELL, ORACLE):
        run = Store(results).run(name)
        records = run.current()
        assert [r.status for r in records] == ["ok"] * 4
        assert all(hashlib.sha256(run.image_path(r).read_bytes()).hexdigest() == r.sha256 for r in records)
        assert load(name, results).summary().query("metric == 'scene'")["mean"].tolist() == [1.0]


def test_an_earlier_comparison_opens(results: Path) -> None:
    (folder,) = (results / "comparisons").iterdir()
    assert "clip_tiny" in set(pd.read_parquet(folder / "summary.parquet")["metric"])
    assert (folder / "index.html").is_file()


REDEFINED = {"duplicates", "kid_clip_tiny", "refusals", "latency"}
"""Metrics whose definition is another one since: their fingerprints say so, and old and new are not compared."""


def test_an_earlier_run_scores_again_to_the_same_values_and_fingerprints(results: Path) -> None:
    before = {(s.metric, s.prompt_id, s.seed): s for s in Run(results / SCHNELL).scores()}
    (results / SCHNELL / "scores.parquet").unlink()
    shutil.rmtree(results / SCHNELL / "features")
    done = bench(["score", SCHNELL], results.parent)
    assert done.returncode == 0, done.stderr
    after = {(s.metric, s.prompt_id, s.seed): s for s in Run(results / SCHNELL).scores()}
    assert after.keys() - before.keys() == {("ocr.strict", *key[1:]) for key in before if key[0] == "ocr.exact"}
    for key, stored in before.items():
        score = after[key]
        same = settings(stored.fingerprint)["metric"] not in REDEFINED
        assert (settings(score.fingerprint) == settings(stored.fingerprint)) == same, key
        assert score.status == stored.status
        assert not same or score.value == pytest.approx(stored.value, abs=1e-4, nan_ok=True), key
        assert math.isnan(score.value) == math.isnan(stored.value)


@pytest.mark.slow
def test_an_earlier_run_compares_with_a_new_one(results: Path) -> None:
    new = render_oracle(results, limit=2, label="new")
    done = bench(["score", new.name, "metric=[scene]"], results.parent)
    assert done.returncode == 0, done.stderr
    pairs = frames([Run(results / SCHNELL), new])["pairwise"]
    assert pairs.query("metric == 'scene'")["n"].tolist() == [2]
    done = bench(["compare", SCHNELL, new.name], results.parent)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_an_earlier_run_is_continued_and_not_made_again(results: Path) -> None:
    done = bench(["run", "model=tiny-schnell", "limit=2", "metric=[latency]"], results.parent)
    assert done.returncode == 0, done.stderr
    assert "0 rendered, 4 kept" in done.stderr + done.stdout
