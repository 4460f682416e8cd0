"""What several tests share."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from bench import presets, prompts, runner
from bench.progress import Progress
from bench.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from bench.store import Run


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


def _without(name: str, why: str) -> NoReturn:
    if name in os.environ.get("FLUXBENCH_REQUIRE", "").split(","):
        pytest.fail(f"required here: {why}")
    pytest.skip(why)


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nothing is kept in the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLUXBENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def report_benchmark() -> ModuleType:
    """``benchmarks/report.py``: large made-up runs, and a browser."""
    spec = importlib.util.spec_from_file_location("report_benchmark", Path(__file__).parents[1] / "benchmarks/report.py")
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


def render_oracle(results: Path, *, limit: int = 4, label: str | None = None, seeds: tuple[int, ...] = (0, 1)) -> Run:
    """A run of the oracle through the ordinary store and runner."""
    provider, chosen = presets.provider("tiny-oracle"), prompts.load("tiny")
    run = Store(results).run(runner.run_name(provider, chosen, label), create=True)
    run.update_info(name=run.name, label=label or "tiny-oracle", model="tiny-oracle", hosted=False)
    jobs = runner.plan(provider, prompts.select(chosen, limit=limit), seeds)
    runner.render(jobs, provider, chosen, run, progress=Progress())
    return run
