"""Picture files in folders and archives: which they are, and what macOS leaves beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path, PurePath

ENDINGS = {".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".avif", ".gif", ".bmp", ".dib", ".tif", ".tiff"}
"""Of pictures that are read, in lower case; what a file is, its content decides."""
UNREAD = {".heic", ".heif", ".jxl", ".jp2", ".psd", ".tga"}
"""Of pictures that are not read: they hold their place in an order, and are told."""
_SYSTEM = {".ds_store", "thumbs.db", "desktop.ini"}


def is_leftover(path: PurePath) -> bool:
    """Whether ``path`` is what macOS or Windows keep beside files: ``._name``, ``__MACOSX``, ``.DS_Store``, ``Thumbs.db``."""
    return "__MACOSX" in path.parts or path.name.startswith("._") or path.name.lower() in _SYSTEM


def is_picture(path: PurePath, endings: set[str] = ENDINGS) -> bool:
    """Whether the name is a picture's."""
    return path.suffix.lower() in endings and not is_leftover(path)


def inside(folder: Path) -> list[Path]:
    """All files of a folder and of the folders in it, sorted; none that the system left there."""
    return sorted(f for f in folder.rglob("*") if not is_leftover(f.relative_to(folder)) and f.is_file())
