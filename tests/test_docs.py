"""What the documentation says is so: commands parse, links lead somewhere, and the tutorial and how-to pages really run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from support import docnames
from support.checkout import TEMPLATES, add, checkout, environment
from support.docpages import EXECUTED, PAGES, Block, blocks, commands, links, prose
from support.paths import ROOT
from support.runs import render_oracle
from test_layers import DIRECTLY, SHELVES

from bench import prompts
from bench.analysis import votes
from bench.analysis.frames import frames
from bench.config import presets

NOTEBOOKS = tuple(sorted((ROOT / "notebooks").glob("*.ipynb")))
COMMANDS = [command for page in PAGES for command in commands(page)]
WRONG = """
`bench/metrics/clip.py`, `bench/metrics/base.py`; `bench.metrics.Smaple`, `bench.store.Run`;
`model.stepps=4`, `model.steps=4`, `budget.most`, `metric.clip.windows=true`, `model=NAME`, `model=flux-dew`;
`ocr.exakt`, `ocr.exact`, `run.json`; `make test`, `make tset`

| metric |
| `fid`, `fit` |

| `prdc`: `.recall`, `.recal` | `.x` |

```python
from bench.store import Run, Rum
```
"""
"""A page with a mistake of each kind beside names that are right."""
_REMOTE = re.compile(r"""<(?:script|img|link|iframe|source)\b[^>]*\b(?:src|href)=["']?(?:https?:)?//""")


def write(block: Block, folder: Path) -> None:
    file = folder / block.title
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(block.text, encoding="utf-8")


@pytest.fixture(scope="module")
def complaints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is wrong with each command, all asked in one process, which has the files of all pages and templates."""
    folder = checkout(tmp_path_factory.mktemp("docs"))
    for template in TEMPLATES:
        add(template, folder)
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


@pytest.mark.slow(seconds=10)
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
    packages = {parent for file in tmp_path.rglob("bench/**/*.py") for parent in file.parents if tmp_path in parent.parents}
    for package in packages:
        (package / "__init__.py").write_text('"""Stands in for the package."""\n', encoding="utf-8")
    linted = subprocess.run([sys.executable, "-m", "ruff", "check", "."], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout


@pytest.mark.parametrize("page", [*PAGES, *NOTEBOOKS], ids=lambda p: str(p.relative_to(ROOT)))
def test_every_path_module_option_preset_and_column_of_a_page_is_right(page: Path) -> None:
    wrong = {
        "paths": docnames.wrong_paths(page),
        "modules": docnames.wrong_modules(page),
    }
    if page.suffix == ".md":
        kinds = {"options": docnames.wrong_options, "presets": docnames.wrong_presets, "columns": docnames.wrong_columns}
        wrong |= {kind: find(page) for kind, find in {**kinds, "make": docnames.wrong_targets}.items()}
    assert not {kind: names for kind, names in wrong.items() if names}


def test_a_wrong_name_in_a_page_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(WRONG, encoding="utf-8")
    assert docnames.wrong_paths(page) == ["bench/metrics/clip.py"]
    assert docnames.wrong_modules(page) == ["bench.metrics.Smaple", "bench.store.Rum"]
    assert docnames.wrong_options(page) == ["budget.most", "model.stepps=4", "model=flux-dew"]
    assert docnames.wrong_presets(page) == ["fit"]
    assert docnames.wrong_columns(page) == [".recal", "ocr.exakt"]
    assert docnames.wrong_targets(page) == ["tset"]


def test_the_design_page_names_every_room_and_draws_it_on_its_shelf() -> None:
    named = set(re.findall(r"`([a-z]+)`", prose(ROOT / "docs" / "design.md")))
    assert not set().union(*SHELVES) - named
    drawing = (ROOT / "docs" / "images" / "shelves.svg").read_text(encoding="utf-8")
    drawn = re.findall(r'<text class="room"[^>]* y="(\d+)">(\w+)<', drawing)
    assert sorted(name for _, name in drawn) == sorted(set().union(*SHELVES))
    shelf = {room: number for number, rooms in enumerate(SHELVES) for room in rooms}
    heights = sorted((int(y), -shelf[room]) for y, room in drawn)
    assert [level for _, level in heights] == sorted(level for _, level in heights)
    rooms = {path.name for path in (ROOT / "bench").iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert rooms | (DIRECTLY - {"__init__", "__main__"}) <= set(shelf)


@pytest.mark.parametrize("group", ["model", "metric"])
def test_every_preset_is_named(group: str) -> None:
    text = "\n".join(prose(page) for page in PAGES)
    assert not [name for name in presets.names(group) if f"`{name}`" not in text]


def test_every_shipped_prompt_set_is_named_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert not [name for name in prompts.shipped() if f"`{name}`" not in text]


def test_every_column_of_a_frame_is_documented(tmp_path: Path) -> None:
    documented = set(re.findall(r"`([\w.]+)`", prose(ROOT / "docs" / "frames.md")))
    runs = [render_oracle(tmp_path, limit=2, label=label) for label in ("one", "two")]
    tables = frames(runs)
    missing = {name: [c for c in table.columns if c not in documented] for name, table in tables.items() if name != "latency"}
    assert not {name: columns for name, columns in missing.items() if columns}
    assert not {*tables, *votes.VOTES, *votes.AGREEMENT} - documented


def test_the_hooks_before_a_commit_hold_the_linters_of_make_lint() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    recipe = (ROOT / "Makefile").read_text(encoding="utf-8").partition("\nlint:")[2].partition("\n\n")[0]
    linters = {
        " ".join(re.sub(r"^@?\$\(BIN\)/", "", line.strip()).removesuffix(" .").replace(" --quiet", "").split())
        for line in recipe.splitlines()[1:]
    }
    assert linters
    assert linters <= {hook["entry"].removeprefix(".venv/bin/").replace(" --force-exclude", "") for hook in hooks}


def test_the_readme_stays_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 170


@pytest.mark.slow(seconds=10)
def test_the_site_builds_without_a_warning_and_fetches_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(tmp_path / "site")]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > len([page for page in PAGES if page.is_relative_to(ROOT / "docs")])
    assert not [page.name for page in pages if _REMOTE.search(page.read_text(encoding="utf-8"))]


@pytest.mark.slow
def test_the_example_of_an_executor_renders_and_writes_nothing(tmp_path: Path) -> None:
    (example,) = [block for block in blocks(ROOT / "CONTRIBUTING.md") if block.language == "python"]
    done = subprocess.run(
        [sys.executable, "-c", example.text], cwd=tmp_path, env=environment(ROOT), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"^\S+ ok \d+ bytes$", done.stdout, re.MULTILINE)) == 2
    assert not list(tmp_path.iterdir())


_AS_PRINTED, _IN_TESTS = "limit=16", "limit=6"
"""The tutorial's sweep is large enough to show something; that its commands work needs less."""


@pytest.mark.slow(seconds=150)
@pytest.mark.parametrize("page", EXECUTED, ids=lambda p: p.stem)
def test_the_blocks_of_a_page_run_in_order(page: Path, tmp_path: Path) -> None:
    folder = checkout(tmp_path / "checkout")
    for block in blocks(page):
        if block.title:
            write(block, folder)
        if not block.runs:
            continue
        text = block.text.replace(_AS_PRINTED, _IN_TESTS)
        call = ["bash", "-euo", "pipefail", "-c", text] if block.language == "bash" else [sys.executable, "-c", text]
        done = subprocess.run(
            call, cwd=folder, env=environment(folder), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        output = f"{block.text}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        assert done.returncode in block.exits, f"{page.relative_to(ROOT)}:{block.line} ended with {done.returncode}\n{output}"
