"""What only a card shows: memory of models one after another, the ways of offloading, and memory that runs out. Run by: make gpu."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from PIL import Image
from support.requirements import require_cuda

from bench.config import presets
from bench.errors import BenchError, ProviderError
from bench.types import Prompt
from bench.weights import devices, memory

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.providers.local.pipeline import PipelineSession

pytestmark = pytest.mark.gpu

PROMPT = Prompt("p", "a red circle on the left, on white")
MIB = 2**20


@pytest.fixture(autouse=True)
def _card() -> Iterator[None]:
    require_cuda()
    devices.release()
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)
    devices.release()


def tiny(**changes: Any) -> Any:
    return presets.provider("tiny-dev", **{"device": "cuda", "steps": 4, **changes})


def opened(provider: Any) -> PipelineSession:
    provider.check()
    session: PipelineSession = provider.open(print)
    return session


def pixels(session: PipelineSession, provider: Any, seed: int = 0) -> np.ndarray:
    (made,) = session.render([provider.request(PROMPT, seed)])
    assert made.status == "ok", made.error
    return np.asarray(Image.open(io.BytesIO(made.image or b"")), dtype=int)


def on_processor() -> np.ndarray:
    provider = tiny(device="cpu")
    session = opened(provider)
    picture = pixels(session, provider)
    session.close()
    return picture


def close_to(picture: np.ndarray, reference: np.ndarray) -> bool:
    """Most pixels within three levels; kernels differ between devices."""
    return bool((np.abs(picture - reference) <= 3).mean() > 0.99)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_the_card_computes_and_torch_sees_all_that_the_driver_lists(dtype: str) -> None:
    devices.check_computes("cuda", dtype)
    assert devices.unusable_card() == ""


def test_each_of_three_models_in_a_row_has_its_own_peak_and_leaves_nothing() -> None:
    peaks, left = [], []
    for name in ("tiny-dev", "tiny-pro", "tiny-dev"):
        provider = presets.provider(name, device="cuda", steps=2)
        session = opened(provider)
        pixels(session, provider)
        pixels(session, provider)
        peaks.append(session.facts["peak_memory_bytes"])
        session.close()
        left.append(torch.cuda.memory_allocated())
    assert abs(peaks[0] - peaks[2]) < MIB, "the third model's peak is that of the first, which it equals"
    assert max(left) - min(left) < MIB
    assert max(left) < 32 * MIB, "workspaces of the card's libraries stay, networks do not"


@pytest.mark.parametrize("offload", ["none", "model", "group", "sequential"])
def test_every_way_of_offloading_draws_the_processors_picture(offload: str) -> None:
    provider = tiny(offload=offload)
    session = opened(provider)
    first, second = pixels(session, provider), pixels(session, provider)
    assert session.facts["offload"].startswith(offload)
    session.close()
    assert (first == second).all()
    assert close_to(first, on_processor())
    assert torch.cuda.memory_allocated() < 32 * MIB


def test_group_without_locked_memory_draws_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    reference = on_processor()
    monkeypatch.setattr(memory.Footprint, "pins", lambda *_: False)
    provider = tiny(offload="group")
    session = opened(provider)
    assert session.facts["offload"] == "group, unpinned"
    assert close_to(pixels(session, provider), reference)
    session.close()


@pytest.mark.parametrize("offload", ["none", "model"])
def test_after_memory_ran_out_the_next_picture_is_good(offload: str) -> None:
    provider = tiny(offload=offload)
    session = opened(provider)
    before = pixels(session, provider)
    devices.release()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(max(1, torch.cuda.memory_reserved()) / total)
    with pytest.raises(ProviderError, match=f"out of memory on {torch.cuda.get_device_name()}; ") as caught:
        session.render([provider.request(Prompt("q", "a blue square on the right, on mint"), seed) for seed in range(256)])
    assert f"offload={offload}" not in str(caught.value)
    torch.cuda.set_per_process_memory_fraction(1.0)
    assert (pixels(session, provider) == before).all()
    session.close()


def test_a_model_that_does_not_fit_is_explained_and_leaves_the_card_empty() -> None:
    torch.cuda.set_per_process_memory_fraction(MIB / torch.cuda.get_device_properties(0).total_memory)
    with pytest.raises(BenchError, match=r"does not fit the memory of .*; set model\.offload=model|its memory is full"):
        opened(tiny(card={"memory_gb": 1, "largest_gb": 0.5}))
    torch.cuda.set_per_process_memory_fraction(1.0)
    assert torch.cuda.memory_allocated() < 32 * MIB
    provider = tiny()
    session = opened(provider)
    pixels(session, provider)
    session.close()


@pytest.mark.slow(seconds=10)
@pytest.mark.parametrize("offload", ["none", "model"])
def test_flux_with_random_weights_peaks_below_what_its_card_says(offload: str) -> None:
    provider = presets.provider("flux-schnell", device="cuda", weights="random", offload=offload, steps=1)
    session = opened(provider)
    pixels(session, provider)
    footprint = memory.Footprint.of(provider.card, provider.dtype)
    peak = session.facts["peak_memory_bytes"] / 1e9
    session.close()
    assert footprint.on_gpu(offload) - 2 * memory.PICTURE_GB < peak < footprint.on_gpu(offload) + memory.PICTURE_GB
