"""CLIP similarity on the real architecture with seeded random weights: parity, preprocessing, truncation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from bench.errors import MissingWeightsError
from bench.metrics import Sample
from bench.metrics.clip import ClipSimilarity, scales
from bench.tiny import scenes, tokenizer
from bench.types import ImageRecord, Request

if TYPE_CHECKING:
    from pathlib import Path

PROMPTS = [
    "a red circle on the left, on white",
    'a blue star above a pink cross, on sky over mint, with a black sign reading "HELLO"',
    "three green hearts in a row, on grey",
]


def sample(text: str, seed: int = 0) -> Sample:
    record = ImageRecord("p", "c", "tiny", "h", Request("m", "r", text, None, seed, 128, 128), "ok", "e", "now")
    return Sample(record, scenes.draw(scenes.parse(text), seed))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import torch

    from bench.tiny import models

    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("weights") / "clip-seeded"
    model = models.clip_model()
    for p in model.parameters():
        torch.nn.init.normal_(p, std=0.2)
    models.save_clip(path, model, tokenizer.build())
    return path


def test_scales() -> None:
    assert scales(0.25) == {"score100": 25.0, "clipscore": 0.625}
    assert scales(-0.5) == {"score100": 0.0, "clipscore": 0.0}


def test_parity_with_torchmetrics(folder: Path) -> None:
    import torch
    from torchmetrics.functional.multimodal import clip_score
    from transformers import AutoTokenizer, CLIPImageProcessor, CLIPModel

    class Processor:
        """torchmetrics asks for one processor of both kinds."""

        def __init__(self) -> None:
            self.images = CLIPImageProcessor.from_pretrained(folder)
            self.words = AutoTokenizer.from_pretrained(folder)

        def __call__(self, text: list[str] | None = None, images: list[torch.Tensor] | None = None, **_: object) -> dict[str, torch.Tensor]:
            made = dict(self.words(text, return_tensors="pt", padding=True)) if text else {}
            if images:
                made |= dict(self.images(images, return_tensors="pt"))
            return made

    class Model:
        """torchmetrics 1.9 expects tensors where transformers 5 answers with outputs."""

        def __init__(self) -> None:
            self.inner = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()
            self.config = self.inner.config

        def to(self, _: torch.device) -> Model:
            return self

        def get_image_features(self, pixels: torch.Tensor) -> torch.Tensor:
            return self.inner.get_image_features(pixels).pooler_output

        def get_text_features(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
            return self.inner.get_text_features(ids, attention_mask=mask).pooler_output

    metric = ClipSimilarity("clip_seeded", str(folder))
    samples = [sample(text, i) for i, text in enumerate(PROMPTS)]
    mine = [r.detail["score100"] for r in metric.score(samples)]
    model = Model()
    for value, one in zip(mine, samples, strict=True):
        pixels = torch.from_numpy(np.array(one.image)).permute(2, 0, 1)
        with torch.no_grad():
            theirs = clip_score(pixels, one.record.request.prompt, model_name_or_path=lambda: (model, Processor()))
        assert value == pytest.approx(float(theirs), abs=1e-2)


def test_pictures_are_rescaled_once(folder: Path) -> None:
    metric = ClipSimilarity("clip_seeded", str(folder))
    _, processor, _ = metric._loaded
    white = scenes.draw(scenes.parse("a black circle on the left, on white"), 0)
    pixels = processor([white], return_tensors="pt").pixel_values
    assert float(pixels.min()) < -0.6
    assert float(pixels.max()) > 0.9


def test_a_long_prompt_is_cut_with_its_end_token_and_says_so(folder: Path) -> None:
    metric = ClipSimilarity("clip_seeded", str(folder))
    long = sample(PROMPTS[0])
    text = " ".join(["red"] * 60)
    (row,) = metric.score(
        [Sample(ImageRecord(**{**long.record.__dict__, "request": Request("m", "r", text, None, 0, 128, 128)}), long.image)]
    )
    assert (row.detail["truncated"], row.detail["tokens"]) == (True, 61)
    _, _, words = metric._loaded
    assert words(text, truncation=True, max_length=32).input_ids[-1] == tokenizer.EOS
    assert not metric.score([long])[0].detail["truncated"]


def test_a_prompt_is_embedded_once(folder: Path) -> None:
    metric = ClipSimilarity("clip_seeded", str(folder))
    metric.score([sample(PROMPTS[0], seed) for seed in range(3)])
    assert len(metric._texts) == 1


def test_other_weights_have_another_fingerprint(folder: Path, tmp_path: Path) -> None:
    import shutil

    from bench.providers.weights import folder_hash

    other = tmp_path / "copy"
    shutil.copytree(folder, other)
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "changed": True}))
    assert folder_hash(folder) != folder_hash(other)


def test_missing_weights_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(MissingWeightsError, match="hf download openai/clip-vit-base-patch32"):
        ClipSimilarity("clip_b32", "openai/clip-vit-base-patch32").score([sample(PROMPTS[0])])
