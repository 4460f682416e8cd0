"""The device to compute on, and whether a model fits its memory."""

from __future__ import annotations

import os
from types import SimpleNamespace

import pytest
import torch

from bench.errors import MissingWeightsError
from bench.weights import devices


def machine(monkeypatch: pytest.MonkeyPatch, *, cuda_gb: float = 0, mps: bool = False, host_gb: float = 16) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda_gb > 0)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=cuda_gb * 1e9))
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    monkeypatch.setattr(os, "sysconf", lambda name: 4096 if name == "SC_PAGE_SIZE" else host_gb * 1e9 / 4096)


@pytest.mark.parametrize(("cuda_gb", "mps", "device"), [(24, True, "cuda"), (0, True, "mps"), (0, False, "cpu")])
def test_auto_takes_the_fastest_there_is(cuda_gb: float, mps: bool, device: str, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001 - a case
    machine(monkeypatch, cuda_gb=cuda_gb, mps=mps)
    assert devices.device("auto") == device
    assert devices.device("cpu") == "cpu"


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch)
    with pytest.raises(MissingWeightsError, match=r"model\.device=cuda, but torch sees no such device here; use model\.device=auto"):
        devices.device("cuda")


def test_a_model_that_does_not_fit_names_what_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, cuda_gb=16)
    devices.check_memory("flux", "auto", 16, "none")
    devices.check_memory("flux", "auto", 34, "model")
    with pytest.raises(MissingWeightsError, match=r"34 GB of GPU memory and this GPU has 16 GB; set model\.offload=model"):
        devices.check_memory("flux", "auto", 34, "none")
    machine(monkeypatch, host_gb=16)
    devices.check_memory("flux", "auto", 12, "none")
    with pytest.raises(MissingWeightsError, match="this machine has none and 16 GB of memory"):
        devices.check_memory("flux", "auto", 34, "none")
    devices.check_memory("flux", "cuda", 4, "none")
