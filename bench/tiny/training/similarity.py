"""``clip_tiny``: a small CLIP trained on drawn scenes and their captions, the similarity score of this domain only."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional as F

from bench.tiny import scenes
from bench.tiny.training import models, tokenizer
from bench.tiny.training.data import training_scene
from bench.tiny.training.flow import autocast

if TYPE_CHECKING:
    from transformers import CLIPModel

    from bench.tiny.training.loop import Loop

_MOST = 6144
_FRESH = 24


def _altered(scene: scenes.Scene, rng: np.random.Generator) -> scenes.Scene:
    """The same scene with one thing changed: the hard negative that makes the model read and look closely."""
    if scene.word and rng.random() < 0.6:
        i = int(rng.integers(len(scene.word)))
        letter = scenes.ALPHABET[int(rng.integers(len(scenes.ALPHABET)))]
        word = scene.word[:i] + letter + scene.word[i + 1 :]
        return scene if scenes.held_out(word) else replace(scene, word=word)
    part = scene.shapes[0]
    others = [c for c in scenes.COLOURS if all(c != s.colour for s in scene.shapes)]
    kinds = [k for k in scenes.KINDS if k != part.kind]
    if rng.random() < 0.5:
        part = replace(part, colour=others[int(rng.integers(len(others)))])
    else:
        part = replace(part, kind=kinds[int(rng.integers(len(kinds)))])
    return replace(scene, shapes=(part, *scene.shapes[1:]))


def normalise(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 (N, 128, 128, 3) to float32 (N, 3, 128, 128) in [-1, 1]: what the saved image processor does too."""
    return pixels.permute(0, 3, 1, 2).float().div(127.5).sub(1)


def train(loop: Loop, rate: float = 1e-3) -> CLIPModel:
    """Symmetric InfoNCE over batches in which a third of the scenes stand beside an altered twin."""
    torch.manual_seed(loop.seed)
    model = models.clip_model().to(loop.device)
    words = tokenizer.build()
    pixels: list[np.ndarray] = []
    texts: list[str] = []
    cursor = 0

    def add(rng: np.random.Generator, count: int) -> None:
        nonlocal cursor
        for _ in range(count // 2):
            scene = training_scene(rng)
            for one in (scene, _altered(scene, rng)):
                picture = np.asarray(scenes.draw(one, int(rng.integers(2**31))))
                if len(pixels) < _MOST:
                    pixels.append(picture)
                    texts.append(scenes.caption(one))
                else:
                    pixels[cursor], texts[cursor] = picture, scenes.caption(one)
                    cursor = (cursor + 1) % _MOST

    def step(rng: np.random.Generator, _: torch.Generator) -> torch.Tensor:
        add(rng, loop.first // 4 if not pixels else _FRESH)
        start = rng.choice(len(pixels) // 2, size=loop.batch // 2 + loop.batch // 6, replace=False) * 2
        twins = loop.batch // 3 // 2
        chosen = np.concatenate([start[:twins], start[:twins] + 1, start[twins : loop.batch - twins]])
        seen: dict[str, int] = {}
        for i in chosen:
            seen.setdefault(texts[i], int(i))
        keep = list(seen.values())
        images = normalise(torch.from_numpy(np.stack([pixels[i] for i in keep]))).to(loop.device)
        ids = words([texts[i] for i in keep], padding="max_length", max_length=models.TOKENS, return_tensors="pt").input_ids
        with autocast(loop.device):
            out = model(input_ids=ids.to(loop.device), pixel_values=images)
        logits = out.logits_per_image.float()
        label = torch.arange(len(keep), device=logits.device)
        return (F.cross_entropy(logits, label) + F.cross_entropy(logits.T, label)) / 2

    loop.run(model, [torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.05)], step)
    return model.eval().requires_grad_(requires_grad=False)
