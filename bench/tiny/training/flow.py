"""The transformer stages: teacher (pro), guidance distillation (dev), step distillation (schnell).

All predict the velocity v = noise - x0 of the straight path x_s = (1 - s) x0 + s noise, s in [0, 1], as FLUX does.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import torch

from bench.tiny.training import models, tokenizer

if TYPE_CHECKING:
    import numpy as np

    from bench.tiny.training.data import Pool
    from bench.tiny.training.loop import Loop

GUIDANCE = 2.0
"""Guidance at which schnell imitates dev; also the default of pro and dev."""
_GUIDANCE_SPAN = 2.0
_SUBSTEPS, _MIN_LEVEL = 8, 0.2
_DROP = 0.1
_RATE, _STUDENT_RATE = 1.5e-3, 5e-4


class Denoiser(torch.nn.Module):
    """A FLUX transformer with its two text encoders, trained as one."""

    def __init__(self, size: models.Size, *, guidance: bool) -> None:
        super().__init__()
        self.transformer = models.transformer(size, guidance=guidance)
        self.text_encoder, self.text_encoder_2 = models.text_encoders(size)
        side = models.GRID
        rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
        places = torch.stack([torch.zeros(side * side), rows.flatten().float(), columns.flatten().float()], 1)
        self.register_buffer("img_ids", places, persistent=False)
        self.register_buffer("txt_ids", torch.zeros(models.TOKENS, 3), persistent=False)

    def encode(self, ids: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Per-token (N, 32, D) and pooled (N, D) embeddings, without padding masks, as FluxPipeline makes them."""
        return self.text_encoder_2(ids)[0], self.text_encoder(ids).pooler_output

    def forward(
        self, x: torch.Tensor, s: torch.Tensor, text: tuple[torch.Tensor, torch.Tensor], guidance: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Velocity (N, 64, 32) at ``x`` and noise level ``s`` (N,)."""
        velocity: torch.Tensor = self.transformer(
            hidden_states=x,
            timestep=s,
            guidance=guidance,
            encoder_hidden_states=text[0],
            pooled_projections=text[1],
            img_ids=self.img_ids,
            txt_ids=self.txt_ids,
            return_dict=False,
        )[0]
        return velocity


def autocast(device: str) -> contextlib.AbstractContextManager[object]:
    """bfloat16 matrix products; weights, sums and losses stay in float32."""
    return torch.autocast(device, dtype=torch.bfloat16)


def optimisers(model: torch.nn.Module, rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the blocks, AdamW for embeddings, biases, norms and the last layer."""
    matrices: list[torch.nn.Parameter] = []
    others: list[torch.nn.Parameter] = []
    for name, p in model.named_parameters():
        if p.requires_grad:
            inner = p.ndim == 2 and "embed" not in name and "shared" not in name and name[-15:] != "proj_out.weight"
            (matrices if inner else others).append(p)
    muon = torch.optim.Muon(matrices, lr=rate, weight_decay=0.01, adjust_lr_fn="match_rms_adamw")
    return [muon, torch.optim.AdamW(others, lr=rate, betas=(0.9, 0.98), weight_decay=0.0)]


def _levels(count: int, noise: torch.Generator, device: str) -> torch.Tensor:
    """Noise levels, logit-normal and leaning to the noisy end, where words and layout are decided."""
    return torch.sigmoid(torch.randn(count, generator=noise) * 1.2 + 0.3).to(device)


def _weights(device: str) -> torch.Tensor:
    """Loss weight of each of the 64 tokens: the row that holds the letters counts three times."""
    weights = torch.ones(models.GRID, models.GRID)
    weights[6] = 3.0
    return (weights / weights.mean()).flatten()[None, :, None].to(device)


def _empty(count: int, device: str) -> torch.Tensor:
    ids = torch.full((count, models.TOKENS), tokenizer.PAD, device=device)
    ids[:, 0] = tokenizer.EOS
    return ids


def train_teacher(loop: Loop, pool: Pool, size: models.Size, start: Denoiser | None = None) -> Denoiser:
    """Rectified flow on drawn scenes, a tenth of the captions empty (for classifier-free guidance)."""
    torch.manual_seed(loop.seed)
    model = (start or Denoiser(size, guidance=False)).to(loop.device)
    rate = _RATE / 3 if start else _RATE
    weights = _weights(loop.device)

    def step(rng: np.random.Generator, noise: torch.Generator) -> torch.Tensor:
        x0, ids = pool.draw(rng, loop.batch)
        drop = (torch.rand(loop.batch, generator=noise) < _DROP).to(loop.device)
        ids = torch.where(drop[:, None], _empty(loop.batch, loop.device), ids)
        e = torch.randn(x0.shape, generator=noise).to(loop.device)
        s = _levels(loop.batch, noise, loop.device)
        x = x0 + s[:, None, None] * (e - x0)
        with autocast(loop.device):
            v = model(x, s, model.encode(ids))
        loss: torch.Tensor = (weights * (v.float() - (e - x0)).square()).mean()
        return loss

    loop.run(model, optimisers(model, rate), step)
    return model.eval().requires_grad_(requires_grad=False)


def _student(parent: Denoiser, size: models.Size, *, guidance: bool) -> Denoiser:
    """A copy of ``parent``, with or without a guidance embedding."""
    child = Denoiser(size, guidance=guidance)
    shared = {k: v for k, v in parent.state_dict().items() if k in child.state_dict()}
    child.load_state_dict({**child.state_dict(), **shared})
    return child


def _keep_text(model: Denoiser) -> None:
    """Students keep their parent's text encoders."""
    model.text_encoder.requires_grad_(requires_grad=False)
    model.text_encoder_2.requires_grad_(requires_grad=False)


def guided(model: Denoiser, x: torch.Tensor, s: torch.Tensor, ids: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """Classifier-free guidance: v(empty) + w (v(caption) - v(empty)), w (N,)."""
    both = torch.cat([_empty(len(ids), str(ids.device)), ids])
    without, conditioned = model(x.repeat(2, 1, 1), s.repeat(2), model.encode(both)).float().chunk(2)
    combined: torch.Tensor = without + w[:, None, None] * (conditioned - without)
    return combined


def train_dev(loop: Loop, pool: Pool, parent: Denoiser, size: models.Size, start: Denoiser | None = None) -> Denoiser:
    """Guidance distillation: with the guidance w in [1, 3] as an input, one forward pass predicts the teacher's guided velocity."""
    torch.manual_seed(loop.seed)
    model = (start or _student(parent, size, guidance=True)).to(loop.device)
    _keep_text(model)
    weights = _weights(loop.device)

    def step(rng: np.random.Generator, noise: torch.Generator) -> torch.Tensor:
        x0, ids = pool.draw(rng, loop.batch)
        e = torch.randn(x0.shape, generator=noise).to(loop.device)
        s = _levels(loop.batch, noise, loop.device)
        w = (1 + _GUIDANCE_SPAN * torch.rand(loop.batch, generator=noise)).to(loop.device)
        x = x0 + s[:, None, None] * (e - x0)
        with autocast(loop.device):
            with torch.no_grad():
                target = guided(parent, x, s, ids, w)
                text = model.encode(ids)
            v = model(x, s, text, w)
        loss: torch.Tensor = (weights * (v.float() - target).square()).mean()
        return loss

    loop.run(model, optimisers(model, _STUDENT_RATE), step)
    return model.eval().requires_grad_(requires_grad=False)


def train_schnell(loop: Loop, pool: Pool, parent: Denoiser, size: models.Size, start: Denoiser | None = None) -> Denoiser:
    """Step distillation: predict, from any noise level, the mean velocity of dev's path to the picture.

    One step from pure noise then jumps to where dev's many steps lead; further steps correct it. Half of a batch starts
    from pure noise, the hardest case.
    """
    torch.manual_seed(loop.seed)
    model = (start or _student(parent, size, guidance=False)).to(loop.device)
    _keep_text(model)
    weights = _weights(loop.device)

    def step(rng: np.random.Generator, noise: torch.Generator) -> torch.Tensor:
        x0, ids = pool.draw(rng, loop.batch)
        e = torch.randn(x0.shape, generator=noise).to(loop.device)
        part = _MIN_LEVEL + (1 - _MIN_LEVEL) * torch.rand(loop.batch, generator=noise)
        s = torch.where(torch.arange(loop.batch) % 2 == 0, 1.0, part).to(loop.device)
        x = x0 + s[:, None, None] * (e - x0)
        w = torch.full((loop.batch,), GUIDANCE, device=loop.device)
        small = s / _SUBSTEPS
        with autocast(loop.device):
            with torch.no_grad():
                text, end = parent.encode(ids), x
                for i in range(_SUBSTEPS):
                    end = end - small[:, None, None] * parent(end, s - i * small, text, w).float()
            v = model(x, s, text)
        loss: torch.Tensor = (weights * (v.float() - (x - end) / s[:, None, None]).square()).mean()
        return loss

    loop.run(model, optimisers(model, _STUDENT_RATE), step)
    return model.eval().requires_grad_(requires_grad=False)
