"""Stage one: the autoencoder, trained on crops of drawn scenes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional as F

from bench.tiny import scenes
from bench.tiny.training import models
from bench.tiny.training.data import to_input
from bench.tiny.training.loop import Loop

if TYPE_CHECKING:
    from diffusers import AutoencoderTiny

_CROP = 64
_NOISE = 0.15
_ALIKE = "OQ0CGD8B3EF1I"
"""Characters that differ by a few pixels; half of the signs have no others."""


def training_pictures(rng: np.random.Generator, count: int) -> torch.Tensor:
    """``count`` random scenes as float32 (N, 3, 128, 128) in [-1, 1]."""
    drawn = []
    for _ in range(count):
        scene = scenes.sample(rng)
        if scene.word and rng.random() < 0.5:
            scene = replace(scene, word="".join(_ALIKE[i] for i in rng.integers(len(_ALIKE), size=len(scene.word))))
        drawn.append(np.asarray(scenes.draw(scene, int(rng.integers(2**31)))))
    return to_input(np.stack(drawn))


def loss(vae: AutoencoderTiny, crops: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
    """The loss of decoding from noisy latents.

    L1 + 2 L2 + L1 of the differences of neighbouring pixels + 4 L2 of means over 8 x 8 pixels (flat colour), and 0.01 times
    the latents' squared distance from mean 0 and variance 1.

    Args:
        vae: the autoencoder.
        crops: float32 (N, 3, 64, 64) in [-1, 1].
        noise: draws the noise, of standard deviation 0.15.
    """
    latents = vae.encode(crops).latents
    spread = torch.randn(latents.shape, generator=noise).to(latents) * _NOISE
    seen = vae.decode(latents + spread).sample
    edges = sum((seen.diff(dim=d) - crops.diff(dim=d)).abs().mean() for d in (2, 3))
    mean, var = latents.mean((0, 2, 3)), latents.var((0, 2, 3))
    flat = F.mse_loss(F.avg_pool2d(seen, 8), F.avg_pool2d(crops, 8))
    unit = mean.square().mean() + (var - 1).square().mean()
    total: torch.Tensor = F.l1_loss(seen, crops) + edges + 2 * F.mse_loss(seen, crops) + 4 * flat + 0.01 * unit
    return total


def train_autoencoder(loop: Loop) -> AutoencoderTiny:
    """Train (or continue) the autoencoder; ``loop`` says for how many steps and where checkpoints live."""
    torch.manual_seed(loop.seed)
    return _fit(loop, models.autoencoder().to(loop.device))


def sharpen(loop: Loop, vae: AutoencoderTiny) -> AutoencoderTiny:
    """Train only the decoder: the latents, and the models trained on them, stay as they are."""
    vae.decoder.requires_grad_(requires_grad=True)
    vae.encoder.requires_grad_(requires_grad=False)
    return _fit(loop, vae)


def _fit(loop: Loop, vae: AutoencoderTiny) -> AutoencoderTiny:
    optimiser = torch.optim.Adam([p for p in vae.parameters() if p.requires_grad], lr=1.5e-3, betas=(0.9, 0.95))
    pool: list[torch.Tensor] = []

    def step(rng: np.random.Generator, noise: torch.Generator) -> torch.Tensor:
        if not pool or rng.random() < 0.5:
            pool.append(training_pictures(rng, 16))
            del pool[:-24]
        source = torch.cat([pool[i] for i in rng.integers(len(pool), size=4)])
        index = rng.integers(len(source), size=loop.batch)
        # half of the crops hold the sign, the finest detail of the domain
        tops = np.where(rng.random(loop.batch) < 0.5, 64, rng.integers(0, 9, loop.batch) * 8)
        lefts = rng.integers(0, 9, loop.batch) * 8
        crops = [source[i, :, y : y + _CROP, x : x + _CROP] for i, y, x in zip(index, tops, lefts, strict=True)]
        # a third of the crops with swapped colour channels: without them one colour axis is lost for good
        crops = [c[rng.permutation(3)] if rng.random() < 0.33 else c for c in crops]
        return loss(vae, torch.stack(crops).to(loop.device), noise)

    loop.run(vae, [optimiser], step)
    return vae.eval().requires_grad_(requires_grad=False)
