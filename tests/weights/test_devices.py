"""The device to compute on: which there is, whether torch can use the card, and how memory is given back."""

from __future__ import annotations

import gc
import weakref
from typing import TYPE_CHECKING

import pytest
import torch
from support.machines import nvidia_smi

from bench.errors import MissingWeightsError
from bench.weights import devices

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _every_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "AUTOMATIC", ("cuda", "mps", "cpu"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.parametrize(("cuda", "mps", "device"), [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")])
def test_auto_takes_the_fastest_there_is(cuda: bool, mps: bool, device: str, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001 - a case
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert devices.device("auto") == device
    assert devices.device("cpu") == "cpu"


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingWeightsError, match=r"model\.device=cuda, but torch sees no such device here; use model\.device=auto"):
        devices.device("cuda")
    with pytest.raises(MissingWeightsError, match=r"model\.device=mps"):
        devices.device("mps")


@pytest.mark.parametrize(
    ("built", "hidden", "parts"),
    [
        (None, None, ("offers CUDA 12.4", "built for the processor", "for CUDA 12.4 or older")),
        ("13.0", None, ("offers CUDA 12.4", "built for CUDA 13.0", "for CUDA 12.4 or older", "the driver to 580 or newer")),
        ("12.4", "", ("CUDA_VISIBLE_DEVICES=''", "unset it")),
        ("12.1", None, ("start the machine or the container again",)),
    ],
)
def test_a_card_that_torch_cannot_use_is_named_with_both_versions(
    built: str | None, hidden: str | None, parts: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert devices.unusable_card() == ""
    nvidia_smi(tmp_path, driver="550.54.15", cuda="12.4")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(torch.version, "cuda", built)
    if hidden is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    why = devices.unusable_card()
    assert all(part in why for part in ("NVIDIA H100", "driver 550.54.15", torch.__version__, *parts)), why
    with pytest.raises(MissingWeightsError, match=r"driver 550\.54\.15"):
        devices.device("cuda")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert devices.unusable_card() == ""


@pytest.mark.slow
def test_a_device_that_cannot_multiply_is_found_before_anything_is_loaded() -> None:
    devices.check_computes("cpu", "bfloat16")
    with pytest.raises(MissingWeightsError, match="cannot multiply float16 matrices"):
        devices.check_computes("meta", "float16")


def test_a_wrong_product_is_no_models_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    ones = torch.ones
    monkeypatch.setattr(torch, "ones", lambda *size, dtype, **_: ones(*size, dtype=dtype) * 2)
    with pytest.raises(MissingWeightsError, match="wrongly"):
        devices.check_computes("meta", "float32")


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 MiB"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 18.1 GB, other allocations: 1 GB)"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), True),
        (MemoryError(), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_memory_that_ran_out_is_known_by_every_librarys_words(error: BaseException, *, full: bool) -> None:
    assert devices.out_of_memory(error) is full


@pytest.mark.slow
def test_what_an_error_holds_is_let_go_while_the_error_is_kept() -> None:
    class Network:
        """Large."""

    seen: list[weakref.ref[Network]] = []

    def inner() -> None:
        network = Network()
        seen.append(weakref.ref(network))
        network.itself = network  # type: ignore[attr-defined]
        raise KeyError("inner")

    def outer() -> None:
        try:
            inner()
        except KeyError as error:
            raise ValueError("outer") from error

    gc.disable()
    try:
        outer()
    except ValueError as error:
        kept = error
        assert seen[0]() is not None
        devices.release(error)
        assert seen[0]() is None
        assert str(kept) == "outer"
    finally:
        gc.enable()
