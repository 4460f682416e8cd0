"""PickScore on a small random CLIP, against transformers' own forward pass."""

from __future__ import annotations

import math
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from bench.config import presets
from bench.core.fingerprint import difference, parse_fingerprint
from bench.errors import MissingWeightsError
from bench.metrics import ImageMetric, Sample
from bench.metrics.alignment.pickscore import PickScore, preference
from bench.tiny import scenes
from bench.tiny.training import tokenizer
from bench.types import ImageRecord, Request

if TYPE_CHECKING:
    from pathlib import Path

PROMPTS = ["a red circle on the left, on white", "three green hearts in a row, on grey", "a red circle on the left, on white"]


def samples() -> list[Sample]:
    records = [ImageRecord("p", "c", "tiny", "h", Request("m", "r", t, None, i, 128, 128), "ok", "e", "now") for i, t in enumerate(PROMPTS)]
    return [Sample(r, scenes.draw(scenes.parse(r.request.prompt), r.request.seed or 0)) for r in records]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    from bench.tiny.training import models

    torch.manual_seed(11)
    path = tmp_path_factory.mktemp("weights") / "preference"
    model = models.clip_model()
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.2)
    model.logit_scale.data.fill_(math.log(80))
    models.save_clip(path, model, tokenizer.build_tokenizer())
    return path


def test_the_score_is_the_logit_of_transformers_own_forward(folder: Path) -> None:
    import torch
    from transformers import AutoImageProcessor, AutoTokenizer, CLIPModel

    metric = PickScore("preference", str(folder))
    assert isinstance(metric, ImageMetric)
    rows = metric.score(samples())
    words = AutoTokenizer.from_pretrained(folder)(PROMPTS, padding=True, return_tensors="pt")
    pixels = AutoImageProcessor.from_pretrained(folder)([s.image for s in samples()], return_tensors="pt")
    with torch.no_grad():
        logits = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()(**words, **pixels).logits_per_image
    assert [r.value for r in rows] == pytest.approx(logits.diagonal().tolist(), abs=1e-3)
    assert not np.allclose(logits.diagonal(), logits[:, 1], atol=1e-2), "another prompt would be seen"
    assert {(r.metric, r.unit, r.higher_is_better, r.worst) for r in rows} == {("preference", "logit", True, None)}
    assert rows[0].detail == {"tokens": 10, "truncated": False}


def test_the_formula() -> None:
    pictures, texts = np.array([[1.0, 0.0], [2.0, 2.0]]), np.array([[0.0, 3.0], [1.0, 0.0]])
    np.testing.assert_allclose(preference(pictures, texts, math.log(100)), [0.0, 70.71067811865476])


def test_no_pictures_have_no_scores(folder: Path) -> None:
    assert PickScore("preference", str(folder)).score([]) == []


def test_the_processor_may_lie_apart_from_the_weights(folder: Path, tmp_path: Path) -> None:
    bare, beside = tmp_path / "bare", tmp_path / "beside"
    for place, wanted in ((bare, ("config.json", "model.safetensors")), (beside, ("preproc", "token", "config.json"))):
        place.mkdir()
        for file in folder.iterdir():
            if file.name.startswith(wanted):
                shutil.copy(file, place)
    apart, whole = PickScore("preference", str(bare), processor=str(beside)), PickScore("preference", str(folder))
    assert [r.value for r in apart.score(samples())] == [r.value for r in whole.score(samples())]
    assert parse_fingerprint(apart.fingerprint())["preprocess"] == parse_fingerprint(whole.fingerprint())["preprocess"]
    assert set(difference([apart.fingerprint(), whole.fingerprint()])) == {"weights", "processor"}


def test_missing_weights_name_both_downloads() -> None:
    (metric,) = presets.metrics(["pickscore"])
    with pytest.raises(MissingWeightsError) as told:
        metric.score(samples())
    assert "hf download yuvalkirstain/PickScore_v1 and: hf download laion/CLIP-ViT-H-14-laion2B-s32B-b79K" in str(told.value)
    assert "python -m bench score RUN metric=[pickscore]" in str(told.value)
    with pytest.raises(MissingWeightsError, match="hf download yuvalkirstain/PickScore_v1, then"):
        replace(metric, processor=None).score(samples())
