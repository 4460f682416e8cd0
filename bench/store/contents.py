"""What a run folder consists of, by the names that this program gives to files: deleting a run deletes nothing else."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LOGS = ("journal.jsonl", "attempts.jsonl")
_FILES = (*LOGS, "records.parquet", "scores.parquet", ".lock", "run.json")
"""At the top; run.json last, so that a deletion that is interrupted can be repeated."""
_FOLDERS = {
    "answers": r"\d+",
    "images": r".+_s(x|-?\d+)(_[0-9a-f]{6}|_[0-9a-f]{12})?\.(png|jpg|webp|gif|bmp|tiff|avif|bin)",
    "features": r"[0-9a-f]{16}\.npz",
    "report/thumbs": r"[0-9a-f]{16}\.\w+|index\.json",
    "report": r"index\.html|gallery-data\.js|summary\.(md|tex)|[a-z_]+\.parquet",
}
_FRAME = re.compile(r"[a-z_]+\.csv")


def delete(folder: Path) -> list[str]:
    """Delete what the run in ``folder`` consists of, and the folders that then are empty.

    Returns:
        What else is there and stays, relative to ``folder``: files, links and empty folders.
    """
    for name, own in _FOLDERS.items():
        inside = folder / name
        if inside.is_symlink():
            inside.unlink()
        if not inside.is_dir():
            continue
        for file in sorted(inside.iterdir()):  # a frame's CSV before its Parquet file, by which it is known
            twin = bool(_FRAME.fullmatch(file.name)) and name == "report" and file.with_suffix(".parquet").is_file()
            if (twin or re.fullmatch(own, file.name)) and (file.is_symlink() or file.is_file()):
                file.unlink()
        if not any(inside.iterdir()):
            inside.rmdir()
    for name in _FILES:
        (folder / name).unlink(missing_ok=True)
    others = sorted(_others(folder, ""))
    if not others:
        folder.rmdir()
    return others


def _others(folder: Path, before: str) -> list[str]:
    """Files, links and empty folders, however deep."""
    names = []
    for entry in folder.iterdir():
        name = f"{before}{entry.name}"
        inside = _others(entry, f"{name}/") if entry.is_dir() and not entry.is_symlink() else []
        names += inside or [name + "/" * (entry.is_dir() and not entry.is_symlink())]
    return names
