"""What a number depends on, in one text; and what happens where two of them meet."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from support.runs import render_oracle

from bench import report
from bench.analysis.frames import frames
from bench.config.instantiate import build
from bench.config.presets import metrics, read
from bench.core import fingerprint as f
from bench.core import resources
from bench.core.progress import Progress
from bench.engine import score
from bench.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from bench.store import Run


def test_a_fingerprint_is_the_same_whatever_the_order() -> None:
    assert f.fingerprint("m", 1, a=1, b="x") == f.fingerprint("m", 1, b="x", a=1)
    assert f.parse_fingerprint(f.fingerprint("m", 1, a=None)) == {"metric": "m", "version": "1", "a": "None"}


def test_a_difference_names_field_and_values() -> None:
    one, two = f.fingerprint("m", 1, weights="a@1", dtype="float32"), f.fingerprint("m", 1, weights="b@2", dtype="float32")
    assert f.difference([one, two, one]) == {"weights": ["a@1", "b@2"]}
    assert f.difference([one, f.fingerprint("m", 1, weights="a@1")]) == {"dtype": ["float32", "-"]}
    assert f.difference([one, one]) == {}


def test_libraries_say_what_is_missing() -> None:
    found = f.libraries("numpy", "no-such-package")
    assert found["no-such-package"] == "none"
    assert str(found["numpy"])[0].isdigit()


@pytest.fixture(scope="module")
def unlike(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run]:
    """Two runs, the second scored by a copy of clip_tiny with other weights."""
    results = tmp_path_factory.mktemp("results")
    runs = [render_oracle(results, limit=2, label=label, seeds=(0,)) for label in ("first", "second")]
    other = results / "other-clip"
    shutil.copytree(resources.folder("weights") / "clip-tiny", other)
    weights = bytearray((other / "model.safetensors").read_bytes())
    weights[-2000:] = bytes(2000)
    (other / "model.safetensors").write_bytes(weights)
    for run, repo in zip(runs, ("weights/clip-tiny", str(other)), strict=True):
        metric = build({**read("metric", "clip_tiny"), "repo": repo})
        with run.lock():
            score.score(run, [metric, *metrics(["latency"])], Progress())
    return runs[0], runs[1]


def test_unlike_scores_share_no_column_and_the_field_is_named(unlike: tuple[Run, Run], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"clip_tiny.* differ in weights: .* against .*other-clip") as caught:
        report.write_comparison(unlike, tmp_path / "page")
    assert "python -m bench score" in str(caught.value)
    assert "--without clip_tiny" in str(caught.value)
    assert not (tmp_path / "page").exists()


def test_a_sweep_of_unlike_runs_ends_with_the_message_and_exit_code_2(unlike: tuple[Run, Run], capfd: pytest.CaptureFixture[str]) -> None:
    from omegaconf import OmegaConf

    from bench.cli.sweep import SweepComparison

    ended = SweepComparison()
    ended._runs = [str(run.path) for run in unlike]
    with pytest.raises(SystemExit) as caught:
        ended.on_multirun_end(OmegaConf.create({"results": str(unlike[0].path.parent)}))
    assert caught.value.code == 2
    assert "scores computed with different settings cannot be compared" in capfd.readouterr().err


def test_what_is_alike_is_compared_without_the_rest(unlike: tuple[Run, Run]) -> None:
    summary = frames(unlike, without=["clip_tiny"])["summary"]
    assert "latency.p50" in set(summary["metric"])
    assert not summary["metric"].str.startswith("clip").any()


def test_scored_alike_again_they_compare(unlike: tuple[Run, Run]) -> None:
    second = unlike[1]
    before = second.scores()
    try:
        with second.lock():
            score.score(second, metrics(["clip_tiny"]), Progress())
        assert "clip_tiny" in set(frames(unlike)["summary"]["metric"])
    finally:
        second.save_scores(before)
