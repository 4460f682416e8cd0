"""The examples in docstrings give what they say."""

from __future__ import annotations

import doctest
import importlib

import pytest
from support.paths import ROOT

MODULES = [
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for file in sorted((ROOT / "bench").rglob("*.py"))
    if ">>> " in file.read_text(encoding="utf-8")
]


def test_some_modules_have_examples() -> None:
    assert len(MODULES) > 10


@pytest.mark.parametrize("name", MODULES)
def test_examples_hold(name: str) -> None:
    failed, tried = doctest.testmod(importlib.import_module(name))
    assert tried
    assert not failed
