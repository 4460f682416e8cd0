"""What CUDA draws: the CPU's pictures within a few levels, in any batch, compiled too; nothing where the output is not finite."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image
from support import tiny_pipelines
from support.model_cards import CARDS, of_the_bench, of_the_pipeline
from support.requirements import require_cuda

from bench.config import presets
from bench.types import Prompt, Rendered

if TYPE_CHECKING:
    from pathlib import Path

DEVICE = "cuda"
GROUNDS = ("white", "sky", "mint", "grey", "cream", "white over sky")
PROMPTS = [Prompt(f"p{i}", f"a red circle on the left, on {ground}") for i, ground in enumerate(GROUNDS)]
LEVELS = 4
"""Of 256: by how much the pictures of two devices may differ at most, for sums are added in another order."""

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module", autouse=True)
def _card() -> None:
    require_cuda()


def render(name: str = "tiny-dev", *, device: str = DEVICE, batch: int = 1, **changes: Any) -> list[Rendered]:
    """All prompts with seed 7, in batches; six prompts in batches of four leave two for the last."""
    provider = presets.provider(name, device=device, batch_size=batch, **changes)
    session = provider.open(lambda _: None)
    requests = [provider.request(prompt, 7) for prompt in PROMPTS]
    made = [r for start in range(0, len(requests), batch) for r in session.render(requests[start : start + batch])]
    session.close()
    return made


def pixels(results: list[Rendered]) -> np.ndarray:
    """Int (pictures, height, width, 3)."""
    return np.stack([np.asarray(Image.open(io.BytesIO(r.image or b"")), dtype=int) for r in results])


@pytest.fixture(scope="module")
def on_the_cpu() -> np.ndarray:
    return pixels(render(device="cpu"))


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("changes", [{}, {"compile": True}], ids=["eager", "compiled"])
def test_pictures_are_those_of_the_cpu(on_the_cpu: np.ndarray, batch: int, changes: dict[str, Any]) -> None:
    made = render(batch=batch, **changes)
    assert [r.timing.batch_size for r in made] == ([1] * 6 if batch == 1 else [4] * 4 + [2] * 2)
    assert np.abs(pixels(made) - on_the_cpu).max() <= LEVELS


def test_the_parts_of_a_picture_s_time_add_up() -> None:
    for timing in (r.timing for r in render()[1:]):
        assert timing.steps == 28
        assert min(timing.encode_s, timing.denoise_s, timing.decode_s) > 0
        assert timing.latency_s == pytest.approx(timing.encode_s + timing.denoise_s + timing.decode_s)


def test_output_that_is_not_finite_is_failed() -> None:
    made = render("tiny-pro", true_cfg=1e38, steps=2)
    assert {r.status for r in made} == {"failed"}
    assert all("not finite" in str(r.error) and r.image is None for r in made)


@pytest.mark.parametrize("kind", CARDS)
def test_published_architectures_draw_what_their_pipelines_do(kind: str, tmp_path: Path) -> None:
    """In the preset's own number type. Two calls on a GPU may add in another order, so a level is allowed."""
    folder, dtype = tiny_pipelines.save(kind, tmp_path), presets.read("model", kind)["dtype"]
    (ours,) = of_the_bench(folder, kind, [Prompt("a", "a fox")], device=DEVICE, dtype=dtype)
    (theirs,) = of_the_pipeline(folder, ["a fox"], dtype, DEVICE, **CARDS[kind])
    assert np.abs(ours.astype(int) - theirs).max() <= 1


@pytest.mark.parametrize("kind", ["sd3-medium", "sdxl"], ids=["whole", "blocks"])
def test_a_denoiser_is_compiled_with_or_without_repeated_blocks(kind: str, tmp_path: Path) -> None:
    folder = tiny_pipelines.save(kind, tmp_path)
    plain, compiled = (of_the_bench(folder, kind, [Prompt("a", "a fox")], device=DEVICE, compile=value)[0] for value in (False, True))
    assert np.abs(plain.astype(int) - compiled).max() <= LEVELS
