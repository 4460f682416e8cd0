"""The command line in a folder of the test's own."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest
from support.command import bench

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Sequence
    from pathlib import Path


@pytest.fixture
def here(tmp_path: Path) -> Callable[[Sequence[str]], subprocess.CompletedProcess[str]]:
    """``python -m bench`` with some words in ``tmp_path``, in this process."""
    return partial(bench, folder=tmp_path)
