"""Training data of the flow stages: drawn scenes as latents, with their captions as token ids."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from bench.tiny import scenes
from bench.tiny.training import models, tokenizer

if TYPE_CHECKING:
    from diffusers import AutoencoderTiny

_CAPACITY = 65536
_FRESH = 8
"""New scenes a batch."""


def to_input(pixels: np.ndarray) -> torch.Tensor:
    """uint8 (N, 128, 128, 3) as float32 (N, 3, 128, 128) in [-1, 1], as the saved image processor does it."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div(127.5).sub(1)


def pack(latents: torch.Tensor) -> torch.Tensor:
    """(N, C, 16, 16) latents as (N, 64, 4 C) tokens, in FluxPipeline's own order."""
    n, c, h, w = latents.shape
    return latents.view(n, c, h // 2, 2, w // 2, 2).permute(0, 2, 4, 1, 3, 5).reshape(n, h * w // 4, c * 4)


def training_scene(rng: np.random.Generator) -> scenes.Scene:
    """A random scene whose word and whose caption are not held out."""
    while True:
        scene = scenes.sample(rng)
        if not scenes.held_out(scenes.caption(scene)) and not (scene.word and scenes.held_out(scene.word)):
            return scene


class Pool:
    """Scenes as latents; every draw adds a few new ones, which replace the oldest once the pool is full."""

    def __init__(self, vae: AutoencoderTiny, seed: int, device: str, first: int) -> None:
        self._vae, self._device = vae, device
        self._tokenizer = tokenizer.build_tokenizer()
        self._latents = torch.empty(_CAPACITY, models.GRID**2, models.LATENT_CHANNELS * 4, dtype=torch.float16)
        self._ids = torch.empty(_CAPACITY, models.TOKENS, dtype=torch.int16)
        self._count = self._next = 0
        rng = np.random.default_rng([seed, 77])
        while self._count < first:
            self._add(rng, 64)

    def _add(self, rng: np.random.Generator, count: int) -> None:
        added = [training_scene(rng) for _ in range(count)]
        pixels = np.stack([np.asarray(scenes.draw(s, int(rng.integers(2**31)))) for s in added])
        with torch.no_grad():
            latents = pack(self._vae.encode(to_input(pixels).to(self._device)).latents * self._vae.config["scaling_factor"])
        where = torch.arange(self._next, self._next + count) % _CAPACITY
        self._latents[where] = latents.cpu().half()
        self._ids[where] = self.tokens([scenes.caption(s) for s in added]).short()
        self._next = (self._next + count) % _CAPACITY
        self._count = min(_CAPACITY, self._count + count)

    def tokens(self, texts: list[str]) -> torch.Tensor:
        """Captions as int64 (N, 32) ids, as the pipeline would pad them."""
        encoded = self._tokenizer(texts, padding="max_length", max_length=models.TOKENS, truncation=True, return_tensors="pt")
        ids: torch.Tensor = encoded.input_ids
        return ids

    def draw(self, rng: np.random.Generator, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """A batch: latents float32 (N, 64, 32) and token ids int64 (N, 32)."""
        self._add(rng, _FRESH)
        index = torch.from_numpy(rng.integers(self._count, size=count))
        return self._latents[index].float().to(self._device), self._ids[index].long().to(self._device)
