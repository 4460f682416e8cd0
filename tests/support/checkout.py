"""A copy of the checkout that pages and templates may add to."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from support.paths import ROOT

TEMPLATES = tuple(sorted(path.name for path in (ROOT / "templates").iterdir() if path.is_dir()))


def checkout(folder: Path) -> Path:
    """Copy what runs into ``folder``; the weights are linked."""
    for part in ("bench", "conf", "prompts"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "weights").symlink_to(ROOT / "weights")
    (folder / "tests").mkdir()
    return folder


def add(template: str, folder: Path) -> list[Path]:
    """Do what CONTRIBUTING.md says, ``cp -r templates/NAME/. .``; nothing else that is there is written over. Returns the new files."""
    source = ROOT / "templates" / template
    files = {file: folder / file.relative_to(source) for file in source.rglob("*") if file.is_file() and "__pycache__" not in file.parts}
    assert not [copy for file, copy in files.items() if copy.exists() and copy.read_bytes() != file.read_bytes()]
    for file, copy in files.items():
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)
    return list(files.values())


def environment(folder: Path) -> dict[str, str]:
    """Offline, without keys, with this Python first and the package of ``folder``."""
    clean = {k: v for k, v in os.environ.items() if not k.endswith(("_API_KEY", "_TOKEN"))}
    path = f"{Path(sys.executable).parent}{os.pathsep}{clean['PATH']}"
    return {**clean, "PATH": path, "PYTHONPATH": f"{folder}{os.pathsep}{ROOT / 'tests'}", "HF_HUB_OFFLINE": "1", "COLUMNS": "200"}
