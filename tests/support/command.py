"""The command line: in this process, which is fast, or in one of its own."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence


def bench(arguments: Sequence[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """What ``python -m bench`` with ``arguments`` in ``folder`` prints and returns; offline, without keys, in this process."""
    from bench.cli.app import main

    out, err = io.StringIO(), io.StringIO()
    logger = logging.getLogger("bench.store.results")  # which an earlier Hydra in this process may have switched off
    with (
        mock.patch.dict(os.environ, _environment(environment), clear=True), contextlib.chdir(folder), Path(os.devnull).open() as nothing,
        mock.patch.object(logger, "disabled", new=False),
        mock.patch.object(sys, "stdin", nothing), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err),
    ):  # fmt: skip
        try:
            code = main(arguments)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
            err.write(end.code if isinstance(end.code, str) else "")
    return subprocess.CompletedProcess([*arguments], code, out.getvalue(), err.getvalue())


def bench_process(arguments: Sequence[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The same in a process of its own: for exit codes, imports, signals and pipes."""
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments], cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL,
        env=_environment(environment),
    )  # fmt: skip


def _environment(more: dict[str, str]) -> dict[str, str]:
    clean = {k: v for k, v in os.environ.items() if not k.endswith("_API_KEY")}
    return {**clean, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", "COLUMNS": "200", **more}
