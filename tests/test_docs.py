"""What the documentation says is so: commands parse, links lead somewhere, and the tutorial and how-to pages really run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.docpages import EXECUTED, PAGES, ROOT, Block, blocks, commands, links, prose
from support.runs import render_oracle

from bench import prompts
from bench.analysis import votes
from bench.analysis.frames import frames
from bench.config import presets

COMMANDS = [command for page in PAGES for command in commands(page)]
_REMOTE = re.compile(r"""<(?:script|img|link|iframe|source)\b[^>]*\b(?:src|href)=["']?(?:https?:)?//""")


def checkout(folder: Path) -> Path:
    """A copy of what runs, which pages may add to."""
    for part in ("bench", "conf", "prompts"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "weights").symlink_to(ROOT / "weights")
    (folder / "tests").mkdir()
    return folder


def environment(folder: Path) -> dict[str, str]:
    """Offline, without keys, with this Python first."""
    clean = {k: v for k, v in os.environ.items() if not k.endswith(("_API_KEY", "_TOKEN"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{clean['PATH']}"
    return {**clean, "PATH": path, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT / 'tests'}", "HF_HUB_OFFLINE": "1", "COLUMNS": "200"}


def write(block: Block, folder: Path) -> None:
    file = folder / block.title
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(block.text, encoding="utf-8")


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is wrong with each command, all asked in one process, which has the files of all pages."""
    folder = checkout(tmp_path_factory.mktemp("docs"))
    for block in (b for page in PAGES for b in blocks(page) if b.title):
        write(block, folder)
    each = sorted({tuple(c.words) for c in COMMANDS})
    done = subprocess.run(
        [sys.executable, "-m", "support.understand"], input=json.dumps(each), cwd=folder,
        env=environment(folder), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    wrong = dict(zip(each, json.loads(done.stdout), strict=True))
    return {str(c): wrong[tuple(c.words)] for c in COMMANDS}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_command_of_a_page_is_understood(page: Path, complaints: dict[str, str]) -> None:
    wrong = {str(c): complaints[str(c)] for c in COMMANDS if c.page == page and complaints[str(c)]}
    assert not wrong, "\n".join(f"{command}\n    {why}" for command, why in wrong.items())


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_link_of_a_page_leads_to_a_file(page: Path) -> None:
    assert not [target for target in links(page) if not (page.parent / target).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_python_in_a_page_is_python(page: Path) -> None:
    for block in blocks(page):
        if block.language == "python":
            compile(block.text, f"{page.name}:{block.line}", "exec")


def test_the_examples_keep_the_rules_of_the_code(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for block in (b for page in PAGES for b in blocks(page) if b.title.endswith(".py")):
        write(block, tmp_path)
    for package in {file.parent for file in tmp_path.rglob("bench/**/*.py")} | {tmp_path / "bench"}:
        (package / "__init__.py").write_text('"""Stands in for the package."""\n', encoding="utf-8")
    linted = subprocess.run([sys.executable, "-m", "ruff", "check", "."], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout


@pytest.mark.parametrize("group", ["model", "metric"])
def test_every_preset_is_named(group: str) -> None:
    told = "\n".join(prose(page) for page in PAGES)
    assert not [name for name in presets.names(group) if f"`{name}`" not in told]


def test_every_shipped_prompt_set_is_named_in_the_readme() -> None:
    told = (ROOT / "README.md").read_text(encoding="utf-8")
    assert not [name for name in prompts.shipped() if f"`{name}`" not in told]


def test_every_column_of_a_frame_is_documented(tmp_path: Path) -> None:
    told = set(re.findall(r"`([\w.]+)`", prose(ROOT / "docs" / "frames.md")))
    runs = [render_oracle(tmp_path, limit=2, label=label) for label in ("one", "two")]
    tables = frames(runs)
    missing = {name: [c for c in table.columns if c not in told] for name, table in tables.items() if name != "latency"}
    assert not {name: columns for name, columns in missing.items() if columns}
    assert not {*tables, *votes.VOTES, *votes.AGREEMENT} - told


def test_the_readme_stays_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 170


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_fetches_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(tmp_path / "site")]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > len(PAGES) - 1
    assert not [page.name for page in pages if _REMOTE.search(page.read_text(encoding="utf-8"))]


@pytest.mark.slow
@pytest.mark.parametrize("page", EXECUTED, ids=lambda p: p.stem)
def test_the_blocks_of_a_page_run_in_order(page: Path, tmp_path: Path) -> None:
    folder = checkout(tmp_path / "checkout")
    for block in blocks(page):
        if block.title:
            write(block, folder)
        if not block.runs:
            continue
        call = ["bash", "-euo", "pipefail", "-c", block.text] if block.language == "bash" else [sys.executable, "-c", block.text]
        done = subprocess.run(
            call, cwd=folder, env=environment(folder), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        said = f"{block.text}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        assert done.returncode in block.exits, f"{page.relative_to(ROOT)}:{block.line} ended with {done.returncode}\n{said}"
