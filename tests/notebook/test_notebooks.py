"""The notebooks: committed without outputs, written against the public interface, and they run."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest
from support.paths import ROOT

if TYPE_CHECKING:
    from nbformat import NotebookNode

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PUBLIC = {
    "explore": {"bench"},
    "compare": {"bench"},
    "metrics": {"bench.config.presets", "bench.metrics.distribution.formulas.frechet", "bench.verify.pictures"},
}
"""What of this project each notebook imports; the last one takes metrics apart."""


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def imported(source: str) -> set[str]:
    """Modules of this project."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{name.name}" for name in node.names}
    return {name for name in found if name.partition(".")[0] == "bench"}


def test_there_are_three() -> None:
    assert {path.stem for path in NOTEBOOKS} == set(PUBLIC)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_without_outputs_and_with_steady_ids(path: Path) -> None:
    notebook = read(path)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code)
    assert all(cell.id.replace("-", "").isalpha() for cell in notebook.cells), "named, so that a change of one cell is a small change"
    assert notebook.cells[0].cell_type == "markdown"
    assert path.stat().st_size < 20_000


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_uses_the_public_interface(path: Path) -> None:
    source = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "code")
    assert imported(source) == PUBLIC[path.stem]
    assert "._" not in source


@pytest.mark.slow(seconds=200)
def test_the_notebooks_run(tmp_path: Path) -> None:
    for path in NOTEBOOKS:
        shutil.copy(path, tmp_path)
    environment = {
        **os.environ, "FLUXBENCH_RESULTS": str(tmp_path / "results"), "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "OMP_WAIT_POLICY": "passive",
    }  # fmt: skip
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--nbmake", "--nbmake-timeout=1800", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
    assert f"{len(NOTEBOOKS)} passed" in done.stdout
    made = {path.name.partition(".")[0] for path in (tmp_path / "results").glob("*/run.json") for path in [path.parent]}
    assert made == {"tiny-pro", "tiny-dev", "tiny-schnell"}
