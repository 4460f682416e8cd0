"""Machines as a test wants them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def nvidia_smi(folder: Path, *, driver: str, cuda: str) -> None:
    """Put a program into ``folder`` that answers as the driver's own tool does on a machine with an H100."""
    program(
        folder / "nvidia-smi",
        'case "$1" in\n'
        f'--query-gpu=*) echo "NVIDIA H100 80GB HBM3, {driver}, 81559 MiB, 1980 MHz, 2619 MHz, 700.00 W" ;;\n'
        f'*) echo "| NVIDIA-SMI {driver}    Driver Version: {driver}    CUDA Version: {cuda} |" ;;\n'
        "esac\n",
    )


def program(path: Path, script: str) -> None:
    """Write a program of the shell."""
    path.write_text(f"#!/bin/sh\n{script}", encoding="utf-8")
    path.chmod(0o755)
