"""``clip_tiny``: a small CLIP trained on drawn scenes and their captions, the similarity score of this domain only."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional as F

from bench.tiny import scenes
from bench.tiny.training import models, tokenizer
from bench.tiny.training.data import to_input, training_scene
from bench.tiny.training.flow import autocast

if TYPE_CHECKING:
    from transformers import CLIPModel

    from bench.tiny.training.loop import Loop

_CAPACITY = 6144
_FRESH = 24
"""New pictures a step."""


def _altered(scene: scenes.Scene, rng: np.random.Generator) -> scenes.Scene:
    """The same scene with one letter, colour or kind changed: a hard negative."""
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


def train_clip(loop: Loop, rate: float = 1e-3) -> CLIPModel:
    """Train by symmetric InfoNCE; a third of each batch are pairs of a scene and its altered twin."""
    torch.manual_seed(loop.seed)
    model = models.clip_model().to(loop.device)
    words = tokenizer.build_tokenizer()
    pixels: list[np.ndarray] = []
    texts: list[str] = []
    cursor = 0

    def add(rng: np.random.Generator, count: int) -> None:
        nonlocal cursor
        for _ in range(count // 2):
            scene = training_scene(rng)
            for twin in (scene, _altered(scene, rng)):
                picture = np.asarray(scenes.draw(twin, int(rng.integers(2**31))))
                if len(pixels) < _CAPACITY:
                    pixels.append(picture)
                    texts.append(scenes.caption(twin))
                else:
                    pixels[cursor], texts[cursor] = picture, scenes.caption(twin)
                    cursor = (cursor + 1) % _CAPACITY

    def step(rng: np.random.Generator, _: torch.Generator) -> torch.Tensor:
        add(rng, loop.first // 4 if not pixels else _FRESH)
        start = rng.choice(len(pixels) // 2, size=loop.batch // 2 + loop.batch // 6, replace=False) * 2
        twins = loop.batch // 3 // 2
        chosen = np.concatenate([start[:twins], start[:twins] + 1, start[twins : loop.batch - twins]])
        seen: dict[str, int] = {}
        for i in chosen:
            seen.setdefault(texts[i], int(i))
        keep = list(seen.values())
        images = to_input(np.stack([pixels[i] for i in keep])).to(loop.device)
        ids = words([texts[i] for i in keep], padding="max_length", max_length=models.TOKENS, return_tensors="pt").input_ids
        with autocast(loop.device):
            out = model(input_ids=ids.to(loop.device), pixel_values=images)
        logits = out.logits_per_image.float()
        label = torch.arange(len(keep), device=logits.device)
        return (F.cross_entropy(logits, label) + F.cross_entropy(logits.T, label)) / 2

    loop.run(model, [torch.optim.AdamW(model.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.05)], step)
    return model.eval().requires_grad_(requires_grad=False)
