"""The bench's pictures are those of the pipeline called as its model card does, bit for bit; the architectures are published ones, made tiny."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from support import tiny_pipelines

from bench.config import presets
from bench.types import Prompt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

CARDS: dict[str, dict[str, Any]] = {
    "sdxl": {"guidance_scale": 5.0},
    "sd3-medium": {"guidance_scale": 7.0, "negative_prompt": ""},
    "flux-dev": {"guidance_scale": 3.5, "max_sequence_length": 512},
    "flux-schnell": {"guidance_scale": 0.0, "max_sequence_length": 256},
    "flux2-klein-4b": {"guidance_scale": 1.0},
    "qwen-image": {"negative_prompt": " ", "true_cfg_scale": 4.0},
}
"""What the model card gives the call beside prompt, size, steps and generator."""
SHORT, LONG = "a fox", "two red foxes under a black umbrella, in the rain"
NEGATIVE = "blue, out of focus"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The pipelines, each saved once."""
    return {kind: tiny_pipelines.save(kind, tmp_path_factory.mktemp(kind)) for kind in tiny_pipelines.PIPELINES}


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

        each = [
            encode(prompt[i], *(row(o, i) for o in others), **{k: row(v, i) for k, v in named.items()})
            for i in range(count)
        ]
        return tuple(torch.cat(v) if v[0] is not None and v[0].shape[0] == 1 else v[0] for v in zip(*each, strict=True))

    pipe.encode_prompt = one_by_one


def of_the_pipeline(
    folder: Path, texts: Sequence[str], dtype: str = "float32", prepare: Callable[[Any], None] = lambda _: None, **arguments: Any
) -> list[np.ndarray]:
    """As the card loads and calls it."""
    import diffusers
    import torch

    pipe = diffusers.DiffusionPipeline.from_pretrained(folder, dtype=getattr(torch, dtype))
    pipe.set_progress_bar_config(disable=True)
    prepare(pipe)
    generators = [torch.Generator("cpu").manual_seed(seed) for seed in range(len(texts))]
    one = len(texts) == 1
    images = pipe(
        prompt=texts[0] if one else list(texts), generator=generators[0] if one else generators,
        width=64, height=64, num_inference_steps=2, **arguments,
    ).images  # fmt: skip
    return [np.asarray(image) for image in images]


@pytest.mark.parametrize("kind", CARDS)
def test_a_picture_is_the_one_that_the_model_card_makes(folders: dict[str, Path], kind: str) -> None:
    (ours,) = of_the_bench(folders[kind], kind, [Prompt("a", SHORT)])
    (theirs,) = of_the_pipeline(folders[kind], [SHORT], **CARDS[kind])
    assert theirs.std() > 5
    assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("kind", ["sdxl", "sd3-medium", "qwen-image"])
def test_a_negative_prompt_is_given_as_the_model_card_does(folders: dict[str, Path], kind: str) -> None:
    (ours,) = of_the_bench(folders[kind], kind, [Prompt("a", SHORT, negative_prompt=NEGATIVE)])
    (theirs,) = of_the_pipeline(folders[kind], [SHORT], **{**CARDS[kind], "negative_prompt": NEGATIVE})
    (without,) = of_the_pipeline(folders[kind], [SHORT], **CARDS[kind])
    assert np.array_equal(ours, theirs)
    assert not np.array_equal(ours, without)


@pytest.mark.parametrize("kind", [kind for kind in CARDS if kind != "qwen-image"])
def test_two_prompts_in_a_batch_are_those_of_the_pipeline(folders: dict[str, Path], kind: str) -> None:
    negatives = {"negative_prompt": ["", NEGATIVE]} if kind == "sd3-medium" else {}
    ours = of_the_bench(folders[kind], kind, [Prompt("a", SHORT), Prompt("b", LONG, negative_prompt=NEGATIVE if negatives else None)])
    theirs = of_the_pipeline(folders[kind], [SHORT, LONG], prepare=encode_alone, **{**CARDS[kind], **negatives})
    assert not np.array_equal(*theirs)
    assert np.array_equal(ours, theirs)


def test_prompts_of_unlike_length_in_a_batch_are_padded_and_masked(folders: dict[str, Path]) -> None:
    """Encoded together, as here by the pipeline, floating-point numbers differ in their last digits."""
    ours = of_the_bench(folders["qwen-image"], "qwen-image", [Prompt("a", SHORT), Prompt("b", LONG)])
    theirs = of_the_pipeline(folders["qwen-image"], [SHORT, LONG], **{**CARDS["qwen-image"], "negative_prompt": [" ", " "]})
    assert np.abs(np.subtract(ours, theirs, dtype=int)).max() <= 1


def test_float16_keeps_what_the_authors_keep_in_float32(folders: dict[str, Path]) -> None:
    kind = "sd3-medium"
    (ours,) = of_the_bench(folders[kind], kind, [Prompt("a", SHORT)], dtype="float16")
    (theirs,) = of_the_pipeline(folders[kind], [SHORT], "float16", **CARDS[kind])
    assert np.array_equal(ours, theirs)
