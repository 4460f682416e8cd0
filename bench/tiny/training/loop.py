"""The training loop shared by every stage: schedule, average, checkpoints, log."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from bench.core.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Step = Callable[[np.random.Generator, torch.Generator], torch.Tensor]

_SAVE_SECONDS = 120.0


@dataclass
class Loop:
    """How one stage is trained.

    Attributes:
        name: the stage; its checkpoint is ``folder/name.pt``, its log ``folder/log.jsonl``.
        steps: optimiser steps in all; a finished stage is loaded, not repeated.
        batch: samples a step.
        warmup: steps over which the learning rate rises; it falls as a half cosine after ``hold`` of all steps.
        first: scenes drawn before the first step of a flow stage.
        average: decay of the exponential moving average of the weights, which is what is kept.
    """

    name: str
    folder: Path
    steps: int
    batch: int
    seed: int = 0
    device: str = "cpu"
    warmup: int = 100
    hold: float = 0.5
    average: float = 0.999
    clip: float = 1.0
    first: int = 8192

    def rate(self, step: int) -> float:
        """Learning-rate multiplier in [0, 1] at ``step``."""
        start = self.hold * self.steps
        fall = 0.5 * (1 + math.cos(math.pi * (step - start) / max(1.0, self.steps - start))) if step > start else 1.0
        return min(1.0, (step + 1) / self.warmup) * max(fall, 0.01)

    def run(self, model: torch.nn.Module, optimisers: list[torch.optim.Optimizer], step: Step) -> None:
        """Run to ``steps``, continuing from the stage's checkpoint; leaves the averaged weights in ``model``."""
        file = self.folder / f"{self.name}.pt"
        mean = {k: v.detach().clone() for k, v in model.state_dict().items() if v.is_floating_point()}
        first, spent = 0, 0.0
        groups = [group for optimiser in optimisers for group in optimiser.param_groups]
        base = [group["lr"] for group in groups]
        if file.exists():
            saved = torch.load(file, map_location=self.device, weights_only=True)
            model.load_state_dict(saved["model"])
            mean, first, spent = saved["mean"], saved["step"], saved["seconds"]
            if first < self.steps:
                for optimiser, state in zip(optimisers, saved.get("optimisers") or [saved["optimiser"]], strict=True):
                    optimiser.load_state_dict(state)
        begun = written = time.monotonic()
        total, seen = 0.0, 0
        for i in range(first, self.steps):
            rng = np.random.default_rng([self.seed, i])
            noise = torch.Generator().manual_seed(self.seed * 1_000_003 + i)
            for group, lr in zip(groups, base, strict=True):
                group["lr"] = lr * self.rate(i)
            value = step(rng, noise)
            model.zero_grad(set_to_none=True)
            value.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(model.parameters(), self.clip)
            for optimiser in optimisers:
                optimiser.step()
            decay = min(self.average, (i + 1) / (i + 10))
            current = model.state_dict()
            for key, kept in mean.items():
                kept.lerp_(current[key], 1 - decay)
            total, seen = total + float(value.detach()), seen + 1
            now = time.monotonic()
            if seen == 50 or i + 1 == self.steps:
                self._log({"stage": self.name, "step": i + 1, "loss": round(total / seen, 5), "s": round(spent + now - begun, 1)})
                total, seen = 0.0, 0
            if now - written > _SAVE_SECONDS or i + 1 == self.steps:
                states = [o.state_dict() for o in optimisers]
                state = {"model": model.state_dict(), "mean": mean, "optimisers": states, "step": i + 1, "seconds": spent + now - begun}
                write_atomically(file, partial(torch.save, state), flush=False)
                written = now
        model.load_state_dict({**model.state_dict(), **mean})

    def _log(self, row: dict[str, object]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        print(" ".join(f"{k} {v}" for k, v in row.items()), flush=True)
        with (self.folder / "log.jsonl").open("a") as log:
            log.write(json.dumps(row) + "\n")
