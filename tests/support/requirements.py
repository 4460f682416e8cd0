"""What a test needs of the machine: programs and files of packages."""

from __future__ import annotations

import os
import shutil
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import NoReturn

import pytest


def require(program: str) -> str:
    """The path of a program; skips the test without it, or fails where FLUXBENCH_REQUIRE names it."""
    found = shutil.which(program)
    return found or _without(program, f"{program} is not installed")


def in_package(package: str, file: str) -> Path:
    """A file that an installed package carries; skips the test without it, or fails where FLUXBENCH_REQUIRE names it."""
    try:
        path = Path(str(distribution(package).locate_file(file)))
    except PackageNotFoundError:
        _without(package, f"{package} is not installed; it carries {file} (make carriers)")
    assert path.is_file()
    return path


def require_cuda() -> None:
    """Skips the test where torch can use no CUDA card, or fails where FLUXBENCH_REQUIRE names cuda."""
    from bench.weights import devices

    if not devices.usable("cuda"):
        _without("cuda", devices.unusable_card() or "torch sees no CUDA card here")


def _without(name: str, why: str) -> NoReturn:
    if name in os.environ.get("FLUXBENCH_REQUIRE", "").split(","):
        pytest.fail(f"required here: {why}")
    pytest.skip(why)
