"""A tiny pipeline's pictures: the bench's, and those of the pipeline called as the model card of its preset does."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from bench.config import presets

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bench.types import Prompt

CARDS: dict[str, dict[str, Any]] = {
    "sdxl": {"guidance_scale": 5.0},
    "sd3-medium": {"guidance_scale": 7.0, "negative_prompt": ""},
    "flux-dev": {"guidance_scale": 3.5, "max_sequence_length": 512},
    "flux-schnell": {"guidance_scale": 0.0, "max_sequence_length": 256},
    "flux2-klein-4b": {"guidance_scale": 1.0},
    "qwen-image": {"negative_prompt": " ", "true_cfg_scale": 4.0},
}
"""What the model card gives the call beside prompt, size, steps and generator."""


def of_the_bench(folder: Path, kind: str, prompts: Sequence[Prompt], **changes: Any) -> list[np.ndarray]:
    """One batch, seeds counted from 0."""
    settings = {"repo": str(folder), "device": "cpu", "dtype": "float32", "steps": 2, "size": 64, "batch_size": len(prompts), "card": {}}
    provider = presets.provider(kind, **{**settings, **changes})
    provider.check()
    session = provider.open(lambda _: None)
    made = session.render([provider.request(prompt, seed) for seed, prompt in enumerate(prompts)])
    session.close()
    assert [m.status for m in made] == ["ok"] * len(prompts)
    return [np.asarray(Image.open(io.BytesIO(m.image or b""))) for m in made]


def encode_alone(pipe: Any) -> None:
    """Let a pipeline encode the prompts of a batch one by one, for a matrix product of another size differs in the last digits."""
    import torch

    encode = pipe.encode_prompt

    def one_by_one(prompt: list[str], *others: Any, **named: Any) -> tuple[Any, ...]:
        count = len(prompt)

        def row(value: Any, index: int) -> Any:
            return value[index] if isinstance(value, list) and len(value) == count else value

        each = [encode(prompt[i], *(row(o, i) for o in others), **{k: row(v, i) for k, v in named.items()}) for i in range(count)]
        return tuple(torch.cat(v) if v[0] is not None and v[0].shape[0] == 1 else v[0] for v in zip(*each, strict=True))

    pipe.encode_prompt = one_by_one


def of_the_pipeline(
    folder: Path,
    texts: Sequence[str],
    dtype: str = "float32",
    device: str = "cpu",
    prepare: Callable[[Any], None] = lambda _: None,
    **arguments: Any,
) -> list[np.ndarray]:
    """As the card loads and calls it."""
    import diffusers
    import torch

    pipe = diffusers.DiffusionPipeline.from_pretrained(folder, dtype=getattr(torch, dtype)).to(device)
    pipe.set_progress_bar_config(disable=True)
    prepare(pipe)
    generators = [torch.Generator("cpu").manual_seed(seed) for seed in range(len(texts))]
    one = len(texts) == 1
    images = pipe(
        prompt=texts[0] if one else list(texts), generator=generators[0] if one else generators,
        width=64, height=64, num_inference_steps=2, **arguments,
    ).images  # fmt: skip
    return [np.asarray(image) for image in images]
