"""What several tests share."""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile
from typing import TYPE_CHECKING, Any

import pytest
from support.paths import ROOT
from support.requirements import require
from support.runs import render_oracle

from bench.weights import devices

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import ModuleType

    from bench.store import Run


os.environ["HF_HUB_CACHE"] = tempfile.mkdtemp(
    prefix="fluxbench-empty-hub-"
)  # read when huggingface_hub is imported: no weights of the user's


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest tests first, so that no worker has one left when the others are done; ``slow(seconds=…)`` makes a test long."""

    def seconds(item: pytest.Item) -> int:
        return max((mark.kwargs.get("seconds", 0) for mark in item.iter_markers("slow")), default=0)

    for item in filter(seconds, items):
        item.add_marker("long")
    items.sort(key=seconds, reverse=True)


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing is kept in the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLUXBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _processor() -> Iterator[None]:
    """Models run on the processor, whose pictures the golden ones are; a test that means another device names it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(devices, "AUTOMATIC", ("cpu",))
        yield


@pytest.fixture(scope="session")
def report_benchmark() -> ModuleType:
    """``benchmarks/report.py``: large made-up runs, and a browser."""
    spec = importlib.util.spec_from_file_location("report_benchmark", ROOT / "benchmarks" / "report.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def chromium(report_benchmark: ModuleType) -> Iterator[Any]:
    """A headless browser, one for all tests of a process."""
    with report_benchmark.browser(require("chromium"), require("chromedriver")) as opened:
        yield opened


@pytest.fixture
def browser(chromium: Any) -> Iterator[Any]:
    """The browser at an empty page of a desk's width; it must have complained of nothing at the end."""
    chromium.get("about:blank")
    chromium.set_window_size(1280, 900)
    chromium.get_log("browser")
    yield chromium
    assert chromium.get_log("browser") == []


@pytest.fixture
def oracle_run(tmp_path: Path) -> Run:
    """Four prompts of the embedded domain with two seeds each, drawn by the oracle."""
    return render_oracle(tmp_path / "results", limit=4)
