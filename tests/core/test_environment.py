"""The machine, as its own tools name it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from support.machines import program

from bench.core import environment

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_mac_is_known_by_its_chip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "_CPUINFO", tmp_path / "absent")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    program(tmp_path / "sysctl", 'test "$*" = "-n machdep.cpu.brand_string" && echo "Apple M4 Max"')
    assert environment.facts()["cpu"] == "Apple M4 Max"
    program(tmp_path / "sysctl", "exit 1")
    monkeypatch.setattr("platform.processor", lambda: "arm")
    assert environment.facts()["cpu"] == "arm"
