"""Pictures small enough for a page: each picture once, however many runs have it, without metadata.

A thumbnail's name is the start of the hash of the picture it stands for, so that a report written again keeps what it has.
"""

from __future__ import annotations

import base64
import json
import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass
from functools import partial
from typing import TYPE_CHECKING

from bench.core.files import write_atomically
from bench.images import decoding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from bench.core.progress import Progress

EDGE = 512
"""The longer side of a thumbnail in pixels, at most; a smaller picture keeps every pixel."""
_MAILED = ((300, EDGE), (1200, 384))
"""The longer side in a page that holds its pictures, by how many it has at most; beyond, ``_SMALLEST``."""
_SMALLEST = 256
_OURS = re.compile(r"[0-9a-f]{16}\.(png|jpg|webp)|[0-9a-f]{8}\.[0-9a-f]{16}\.(png|jpg|webp)\.part")
"""What a report puts into ``thumbs/``, beside its index."""


@dataclass(frozen=True)
class Thumb:
    """A picture on the page.

    Attributes:
        src: name of its file in ``thumbs/``, or a ``data:`` address.
        width, height: pixels of the picture it stands for, upright.
        whole: it has every pixel of that picture.
    """

    src: str
    width: int
    height: int
    whole: bool


def write(pictures: Mapping[str, Path], folder: Path, progress: Progress | None = None) -> dict[str, Thumb]:
    """Make the thumbnails of ``pictures`` (file by SHA-256) in ``folder``, keep those already there, remove what else it made.

    Returns:
        Thumbnails by SHA-256; a picture that cannot be read has none.
    """
    folder.mkdir(parents=True, exist_ok=True)
    there = {entry.name for entry in folder.iterdir()}
    stored = {name: thumb for name, thumb in _index(folder).items() if thumb.src in there}
    thumbs = {sha: stored[sha[:16]] for sha in pictures if sha[:16] in stored}
    missing = {sha: path for sha, path in pictures.items() if sha not in thumbs}
    try:
        for sha, thumb in _each(missing, partial(_file, folder=folder), progress):
            thumbs[sha] = thumb  # noqa: PERF403 - what was made before an interruption is kept
    finally:
        index = {sha[:16]: astuple(thumb) for sha, thumb in thumbs.items()}
        (folder / "index.json").write_text(
            json.dumps({"edge": EDGE, "decoding": decoding.VERSION, "thumbs": index}, separators=(",", ":")), encoding="utf-8"
        )
    kept = {thumb.src for thumb in thumbs.values()} | {"index.json"}
    for name in there - kept:
        if _OURS.fullmatch(name):
            (folder / name).unlink(missing_ok=True)
    return thumbs


def embedded(pictures: Mapping[str, Path], progress: Progress | None = None) -> dict[str, Thumb]:
    """The thumbnails of ``pictures`` (file by SHA-256) as ``data:`` addresses, smaller where there are many.

    Returns:
        As ``write``.
    """
    edge = next((edge for count, edge in _MAILED if len(pictures) <= count), _SMALLEST)
    return dict(_each(pictures, partial(_data, edge=edge), progress))


def _each(
    pictures: Mapping[str, Path], make: Callable[[tuple[str, Path]], Thumb | None], progress: Progress | None
) -> Iterator[tuple[str, Thumb]]:
    """Pillow lets threads work side by side; each holds one picture at a time."""
    if not pictures:
        return
    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        thumbs = zip(pictures, pool.map(make, pictures.items()), strict=True)
        try:
            if progress is None:
                yield from ((sha, thumb) for sha, thumb in thumbs if thumb)
                return
            with progress.track("thumbnails", len(pictures)) as advance:
                for sha, thumb in thumbs:
                    advance(1)
                    if thumb:
                        yield sha, thumb
        finally:
            pool.shutdown(cancel_futures=True)


def _shown(source: Path, edge: int) -> decoding.Thumbnail | None:
    try:
        return decoding.thumbnail(source.read_bytes(), edge)
    except (OSError, SyntaxError, ValueError):  # gone, or damaged: Pillow raises all three
        return None


def _file(item: tuple[str, Path], folder: Path) -> Thumb | None:
    sha, source = item
    if (shown := _shown(source, EDGE)) is None:
        return None
    target = folder / f"{sha[:16]}{shown.ending}"
    write_atomically(target, shown.data, flush=False)
    return Thumb(target.name, shown.width, shown.height, max(shown.width, shown.height) <= EDGE)


def _data(item: tuple[str, Path], edge: int) -> Thumb | None:
    if (shown := _shown(item[1], edge)) is None:
        return None
    src = f"data:{shown.media_type};base64,{base64.b64encode(shown.data).decode()}"
    return Thumb(src, shown.width, shown.height, max(shown.width, shown.height) <= edge)


def _index(folder: Path) -> dict[str, Thumb]:
    """The thumbnails of an earlier report, {} where it cannot tell or made them otherwise."""
    try:
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        ours = (index["edge"], index["decoding"]) == (EDGE, decoding.VERSION)
        return {sha: Thumb(*values) for sha, values in index["thumbs"].items()} if ours else {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
