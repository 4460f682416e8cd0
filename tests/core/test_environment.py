"""The machine as its own tools name it; what makes two environments unlike for timings, and how that is said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.machines import program

from bench.core import environment

if TYPE_CHECKING:
    from pathlib import Path

HERE: dict[str, Any] = {
    "python": "3.11.7", "system": "Linux x86_64", "cpu": "X", "cores": 2, "memory_gib": 24.0, "gpu": ["NVIDIA H100, driver 550"],
    "packages": {"torch": "2.13.0", "openai": "1.0"}, "commit": "abc",
    "device": "NVIDIA H100", "threads": 2, "offload": "none", "compile": False, "attention": "native", "cuda": "13.0",
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"threads": 1}, "2 threads against 1 thread"),
        ({"device": "NVIDIA L4"}, "NVIDIA H100 against NVIDIA L4"),
        ({"offload": "model"}, "offload=none against offload=model"),
        ({"compile": True}, "not compiled against compiled"),
        ({"attention": "flash"}, "attention native against attention flash"),
        ({"cuda": "12.8"}, "cuda 13.0 against cuda 12.8"),
        ({"packages": {"torch": "2.12.0"}}, "torch 2.13.0 against 2.12.0"),
        ({"python": "3.12.1"}, "python 3.11.7 against 3.12.1"),
        ({"cpu": "Y"}, "timed on different machines"),
        ({"gpu": ["NVIDIA H100, driver 580"]}, "timed on different machines"),
    ],
)
def test_what_timings_depend_on_makes_another_key_and_is_named(change: dict[str, Any], said: str) -> None:
    other = HERE | change
    assert environment.key(other) != environment.key(HERE)
    assert environment.difference(HERE, other) == said


@pytest.mark.parametrize(
    "change", [{"commit": "def"}, {"packages": {"torch": "2.13.0", "openai": "2.0", "rapidocr": "3.0"}}, {"packages": {"torch": "2.13.0"}}]
)
def test_other_packages_and_the_commit_make_no_other_machine(change: dict[str, Any]) -> None:
    other = HERE | change
    assert environment.key(other) == environment.key(HERE)
    assert environment.difference(HERE, other) is None


def test_a_card_that_did_not_render_does_not_count() -> None:
    on_cpu = HERE | {"device": "cpu"}
    assert environment.key(on_cpu) == environment.key(on_cpu | {"gpu": []})
    assert environment.difference(on_cpu, on_cpu | {"gpu": []}) is None


def test_what_an_older_run_did_not_note_says_nothing_but_offload_and_compile() -> None:
    older = {name: value for name, value in HERE.items() if name not in environment.CONDITIONS}
    assert environment.difference(older, HERE) is None
    assert environment.difference(older, HERE | {"offload": "group"}) == "offload=none against offload=group"


def test_only_conditions_of_a_session_are_taken() -> None:
    assert environment.conditions({"device": "cpu", "threads": 2, "load_s": 1.0, "cudnn": None}) == {"device": "cpu", "threads": 2}


def test_a_mac_is_known_by_its_chip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_CPUINFO", tmp_path / "absent")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    program(tmp_path / "sysctl", 'test "$*" = "-n machdep.cpu.brand_string" && echo "Apple M4 Max"')
    assert environment.facts()["cpu"] == "Apple M4 Max"
    program(tmp_path / "sysctl", "exit 1")
    monkeypatch.setattr("platform.processor", lambda: "arm")
    assert environment.facts()["cpu"] == "arm"
