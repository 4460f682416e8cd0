"""The command line without a process of its own."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

import pytest

from bench.cli.app import main

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


class Outcome(NamedTuple):
    code: int
    stdout: str
    stderr: str


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[[Sequence[str]], Outcome]:
    """``python -m bench`` with some words in ``tmp_path``, in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    monkeypatch.setattr(logging.getLogger("bench.store.results"), "disabled", False)  # by a test that ran Hydra in this process
    for name in ("OPENAI_API_KEY", "XAI_API_KEY", "BFL_API_KEY", "STABILITY_API_KEY", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)

    def bench(words: Sequence[str]) -> Outcome:
        capsys.readouterr()
        try:
            code = main(words)
        except SystemExit as error:
            code = int(error.code or 0)
        return Outcome(code, *capsys.readouterr())

    return bench
