"""Whether a model fits, and which way of keeping its weights is advised: one that fits, never the one that failed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from bench.config import presets
from bench.errors import MissingWeightsError
from bench.weights import devices, memory
from bench.weights.memory import Footprint

if TYPE_CHECKING:
    from collections.abc import Mapping

FLUX, QWEN = Footprint(36, 26), Footprint(60, 43)


def machine(monkeypatch: pytest.MonkeyPatch, *, free: float = 0, card: float = 0, host: float = 64, mps: float = 0) -> None:
    """A machine with so many GB free of a card, of a Mac's unified memory, and of its own memory."""
    monkeypatch.setattr(devices, "AUTOMATIC", ("cuda", "mps", "cpu"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: free > 0)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (int(free * 1e9), int((card or free) * 1e9)))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps > 0)
    monkeypatch.setattr(torch.mps, "recommended_max_memory", lambda: int(mps * 1e9))
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: 0)
    monkeypatch.setattr(memory, "host_free", lambda: host)


@pytest.mark.parametrize(
    ("footprint", "free", "host", "offload", "advice"),
    [
        (FLUX, 80, 16, "none", None),
        (FLUX, 48, 8, "none", None),
        (FLUX, 32, 64, "none", "set model.offload=model"),
        (FLUX, 24.1, 64, "none", "set model.offload=group"),
        (FLUX, 24.1, 64, "model", "set model.offload=group"),
        (FLUX, 24.1, 40, "group", None),
        (FLUX, 24.1, 16, "model", "no model.offload fits this machine"),
        (FLUX, 24.1, 16, "none", "no model.offload fits this machine"),
        (FLUX, 80, 16, "sequential", "set model.offload=none"),
        (FLUX, 3, 64, "group", "set model.offload=sequential"),
        (QWEN, 40, 80, "model", "set model.offload=group"),
        (Footprint(30), 24, 64, "model", None),
        (Footprint(4), 1, 1, "none", None),
    ],
)
def test_a_model_that_does_not_fit_is_told_the_one_mode_that_does(
    footprint: Footprint, free: float, host: float, offload: str, advice: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, free=free, host=host)
    if advice is None:
        memory.check_memory("flux", "auto", footprint, offload)
        return
    with pytest.raises(MissingWeightsError) as caught:
        memory.check_memory("flux", "auto", footprint, offload)
    assert advice in str(caught.value)
    assert str(caught.value).count("set model.offload=") == advice.count("set")


def test_free_memory_counts_not_the_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, free=20, card=80)
    with pytest.raises(MissingWeightsError, match=r"20\.0 GB are free of 80; other programs have the rest \(nvidia-smi"):
        memory.check_memory("flux", "cuda", FLUX, "none")


def test_a_large_model_never_falls_to_the_processor_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, host=500)
    with pytest.raises(MissingWeightsError, match=r"needs a GPU and about 36 GB; torch sees none here\. model\.device=cpu runs it"):
        memory.check_memory("flux", "auto", FLUX, "none")
    memory.check_memory("flux", "cpu", FLUX, "none")
    memory.check_memory("small", "auto", Footprint(4), "none")
    machine(monkeypatch, host=20)
    with pytest.raises(MissingWeightsError, match="36 GB of memory, of which 20 GB are free"):
        memory.check_memory("flux", "cpu", FLUX, "none")


def test_a_mac_is_measured_by_its_unified_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, mps=27, host=100)
    with pytest.raises(MissingWeightsError, match="27 GB of this Mac's unified memory are free for its GPU. Offloading does not help"):
        memory.check_memory("flux", "auto", FLUX, "model")
    machine(monkeypatch, mps=48, host=100)
    memory.check_memory("flux", "auto", FLUX, "none")
    machine(monkeypatch, mps=48, host=30)
    with pytest.raises(MissingWeightsError, match="30 GB of this Mac"):
        memory.check_memory("flux", "mps", FLUX, "none")


@pytest.mark.parametrize(
    ("place", "offload", "batch", "free", "advice"),
    [
        ("cuda", "none", 8, 24, "set model.batch_size=4"),
        ("cuda", "none", 1, 24, "set model.offload=group"),
        ("cuda", "none", 1, 32, "set model.offload=model"),
        ("cuda", "model", 1, 32, "set model.offload=group"),
        ("cuda", "group", 1, 32, "set model.offload=sequential"),
        ("cuda", "sequential", 1, 32, "lower model.size"),
        ("mps", "none", 1, 0, "lower model.size"),
        ("cpu", "none", 3, 0, "set model.batch_size=1"),
    ],
)
def test_after_memory_ran_out_the_failed_mode_is_not_advised(
    place: str, offload: str, batch: int, free: float, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, free=free)
    assert advice in memory.less_memory(FLUX, place, offload, batch)


def test_float32_takes_twice_and_small_models_are_taken_as_they_are() -> None:
    card = {"memory_gb": 36, "largest_gb": 26}
    assert Footprint.of(card, "bfloat16") == FLUX
    assert Footprint.of(card, "float32") == Footprint(72, 52)
    assert Footprint.of({"memory_gb": 1}, "float32") == Footprint(1)
    assert Footprint.of({}, "float16") == Footprint(0)


def test_group_locks_all_memory_only_where_there_is_half_as_much_again() -> None:
    assert FLUX.pins(53)
    assert not FLUX.pins(52)


@pytest.mark.parametrize("name", [n for n in presets.names("model") if (presets.read("model", n)["card"].get("memory_gb") or 0) > 4])
def test_a_large_presets_largest_component_is_said_and_less_than_all(name: str) -> None:
    card = presets.read("model", name)["card"]
    assert 2 < card["largest_gb"] < card["memory_gb"]


def write(root: Path, files: Mapping[str, object]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(str(text))


def test_free_memory_is_the_kernels_within_every_container_around(tmp_path: Path) -> None:
    assert memory.host_free(tmp_path) == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, "what the machine has"
    write(tmp_path, {"proc/meminfo": "MemTotal: 200000000 kB\nMemAvailable: 100000000 kB\n"})
    assert memory.host_free(tmp_path) == 102.4
    top = "sys/fs/cgroup"
    write(tmp_path, {f"{top}/memory.max": "max\n", f"{top}/memory.current": 10, "proc/self/cgroup": "0::/pod/job\n"})
    assert memory.host_free(tmp_path) == 102.4
    write(tmp_path, {f"{top}/pod/memory.max": 46_000_000_000, f"{top}/pod/memory.current": 16_000_000_000})
    assert memory.host_free(tmp_path) == 30
    write(tmp_path, {f"{top}/pod/memory.stat": "anon 1\ninactive_file 6000000000\n"})
    assert memory.host_free(tmp_path) == 36, "pages of files that were read are dropped when memory is needed"
    write(tmp_path, {f"{top}/pod/job/memory.max": 5_000_000_000, f"{top}/pod/job/memory.current": 6_000_000_000})
    assert memory.host_free(tmp_path) == 0


def test_containers_of_the_first_kind_have_limits_too(tmp_path: Path) -> None:
    top = "sys/fs/cgroup/memory/docker/a"
    write(tmp_path, {"proc/meminfo": "MemAvailable: 100000000 kB\n", "proc/self/cgroup": "5:cpu,memory:/docker/a\n0::/\n"})
    write(tmp_path, {f"{top}/memory.limit_in_bytes": 8_000_000_000, f"{top}/memory.usage_in_bytes": 3_000_000_000})
    assert memory.host_free(tmp_path) == 5
