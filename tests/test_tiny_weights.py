"""The committed weights: plain diffusers loads them, they draw what they drew, and the variants differ as they should."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import FluxPipeline
from PIL import Image
from transformers import AutoImageProcessor, AutoTokenizer, CLIPModel

from bench import resources
from bench.tiny import analysis, scenes

WEIGHTS = resources.folder("weights")
GOLDEN = Path(__file__).parent / "golden"
PROMPT = 'a red circle left of a blue star, on sky over mint, with a yellow sign reading "MINT"'
CALLS = {
    "tiny-pro": {"num_inference_steps": 28, "true_cfg_scale": 2.0, "negative_prompt": ""},
    "tiny-dev": {"num_inference_steps": 28, "guidance_scale": 2.0},
    "tiny-schnell": {"num_inference_steps": 4, "guidance_scale": 0.0},
}


def draw(name: str) -> tuple[Image.Image, int]:
    """The picture of PROMPT with seed 0, and how often the transformer was asked."""
    pipe = FluxPipeline.from_pretrained(WEIGHTS / name, dtype=torch.float32)
    pipe.set_progress_bar_config(disable=True)
    count = 0

    def tally(*_: object) -> None:
        nonlocal count
        count += 1

    pipe.transformer.register_forward_hook(tally)
    generator = torch.Generator().manual_seed(0)
    image = pipe(PROMPT, height=128, width=128, max_sequence_length=32, generator=generator, **CALLS[name]).images[0]
    return image, count


@pytest.fixture(scope="module")
def drawn() -> dict[str, tuple[Image.Image, int]]:
    return {name: draw(name) for name in CALLS}


@pytest.mark.parametrize("name", CALLS)
def test_a_fixed_prompt_gives_the_stored_picture(name: str, drawn: dict[str, tuple[Image.Image, int]]) -> None:
    seen = np.asarray(drawn[name][0], dtype=float)
    stored = np.asarray(Image.open(GOLDEN / f"{name}.png").convert("RGB"), dtype=float)
    assert np.abs(seen - stored).mean() < 2.0


@pytest.mark.parametrize("name", CALLS)
def test_the_picture_shows_the_scene(name: str, drawn: dict[str, tuple[Image.Image, int]]) -> None:
    assert analysis.check(drawn[name][0], scenes.parse(PROMPT)).shapes


def test_schnell_asks_the_transformer_least(drawn: dict[str, tuple[Image.Image, int]]) -> None:
    assert {name: count for name, (_, count) in drawn.items()} == {"tiny-pro": 56, "tiny-dev": 28, "tiny-schnell": 4}


def test_weights_are_small_and_half_precision() -> None:
    files = list(WEIGHTS.rglob("*.safetensors"))
    assert files
    assert sum(f.stat().st_size for f in WEIGHTS.rglob("*") if f.is_file()) <= 40 * 2**20
    from safetensors import safe_open  # noqa: PLC0415 - one test

    for file in files:
        with safe_open(file, "pt") as opened:
            kinds = {opened.get_slice(k).get_dtype() for k in opened.keys()}  # noqa: SIM118 - no iteration
        assert kinds <= {"F16", "I64"}, file


def test_clip_tiny_finds_the_caption_of_a_picture() -> None:
    rng = np.random.default_rng(9)
    chosen: list[scenes.Scene] = []
    while len(chosen) < 64:
        scene = scenes.sample(rng, signs=1.0)
        if scene.word and scenes.held_out(scene.word):
            chosen.append(scene)
    folder = WEIGHTS / "clip-tiny"
    model = CLIPModel.from_pretrained(folder, dtype=torch.float32).eval()
    processor, words = AutoImageProcessor.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    pixels = processor([scenes.draw(s, i) for i, s in enumerate(chosen)], return_tensors="pt").pixel_values
    ids = words([scenes.caption(s) for s in chosen], padding="max_length", max_length=32, return_tensors="pt").input_ids
    with torch.no_grad():
        logits = model(input_ids=ids, pixel_values=pixels).logits_per_image
    assert float((logits.argmax(1) == torch.arange(64)).float().mean()) >= 0.9
