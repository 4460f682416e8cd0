"""A run folder decides numbers of metrics, and no address, program, class or file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.command import bench
from support.runs import render_oracle

from bench.config import presets
from bench.config.stored import metrics
from bench.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path


_PROGRAM = "bench.metrics.text.engines.tesseract.TesseractEngine"


def preset(name: str, **changes: Any) -> dict[str, Any]:
    return {name: {**presets.read("metric", name), **changes}}


def test_presets_come_back_with_the_numbers_of_the_run() -> None:
    stored = {**preset("scene"), **preset("kid_clip_tiny", resamples=20), **preset("latency")}
    found = metrics(stored, "r")
    assert [metric.name for metric in found] == ["scene", "kid_clip_tiny", "latency"]
    assert found[1].resamples == 20


@pytest.mark.parametrize(
    ("stored", "word"),
    [
        (preset("vqa"), "metric=[vqa]"),
        (preset("vqa", base_url="http://127.0.0.1:9/v1?env=${oc.env:AWS_SECRET_ACCESS_KEY}"), "'metric.vqa.base_url=http://127.0.0.1:9/v1?env=$"),
        (preset("fid", reference="~/pictures"), "'metric.fid.reference=~/pictures'"),
        (preset("scene", _target_="pathlib.Path.touch"), "metric.scene._target_=pathlib.Path.touch"),
        (preset("ocr", engine={"_target_": _PROGRAM, "program": "x/e"}), "metric.ocr.engine._target_="),
        ({"ours": {"_target_": "builtins.print", "name": "$(touch X)"}}, "'+metric.ours.name=$(touch X)'"),
        (preset("kid_clip_tiny", resamples=float("nan")), "metric.kid_clip_tiny.resamples=NaN"),
        (preset("kid_clip_tiny", resamples=[1]), "resamples=[1]"),
    ],
)  # fmt: skip
def test_everything_else_is_the_users_to_type(stored: dict[str, Any], word: str) -> None:
    with pytest.raises(
        ConfigError, match="a run folder does not decide that; if you want it, give it yourself: python -m bench score r"
    ) as refused:
        metrics(stored, "r")
    assert word in str(refused.value)


def test_scoring_a_strangers_run_calls_nothing(tmp_path: Path) -> None:
    run = render_oracle(tmp_path / "results", limit=1)
    info = run.info()
    info["config"] = {"metric": {"x": {"_target_": "pathlib.Path.touch", "self": {"_target_": "pathlib.Path", "_args_": ["PWNED"]}}}}
    (run.path / "run.json").write_text(json.dumps(info))
    done = bench(["score", run.name], tmp_path)
    assert done.returncode == 2
    assert "a metric of this run names a file, an address, a class or a program" in done.stderr
    assert not (tmp_path / "PWNED").exists()
