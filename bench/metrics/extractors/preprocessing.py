"""What goes into a model: a picture's way to pixels in words, a long text in windows."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

_FILTERS = {0: "nearest", 1: "Lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "Hamming"}
_BREAKS = (r"(?<=[.!?;])(?=\s)|(?<=[。！？；\n])", r"(?<=[,:])(?=\s)|(?<=[，、：])", r"(?=\s)", r"(?<=.)(?=.)")


def windows(text: str, fits: Callable[[str], bool], level: int = 0) -> list[str]:
    """Cut ``text`` into consecutive windows of whole sentences, as many in each as ``fits`` allows.

    A sentence that does not fit alone is cut between clauses, a clause between words, a word between characters.

    >>> windows("A cat. A dog sits. A hen.", lambda t: len(t.split()) <= 3)
    ['A cat.', 'A dog sits.', 'A hen.']
    """
    if fits(text) or level == len(_BREAKS):
        return [text.strip()]
    pieces: list[str] = []
    for unit in re.split(_BREAKS[level], text):
        if pieces and fits(pieces[-1] + unit):
            pieces[-1] += unit
        else:
            pieces.append(unit)
    return [w for piece in pieces if piece.strip() for w in windows(piece, fits, level + 1)]


def preprocessing(config: Mapping[str, Any]) -> str:
    """A transformers image processor's configuration in words: filter, size, crop, scale, mean and deviation."""
    steps = ["8-bit RGB"]
    if config.get("do_resize", True):
        kernel = _FILTERS.get(config.get("resample", -1), "its class's filter")
        steps.append(f"{kernel} (Pillow) to {_extent(config)}")
    if config.get("do_center_crop"):
        steps.append(f"centre crop {_sides(config.get('crop_size'))}")
    if config.get("do_rescale", True):
        steps.append(f"times {config.get('rescale_factor', 1 / 255):.9g}")
    if config.get("do_normalize", True):
        mean, std = (" ".join(f"{v:.9g}" for v in config.get(k, [])) for k in ("image_mean", "image_std"))
        steps.append(f"mean {mean or 'of its class'}, deviation {std or 'of its class'}")
    return ", ".join(steps)


def _extent(config: Mapping[str, Any]) -> str:
    size = config.get("size")
    if size is None:
        patches = config.get("max_num_patches")
        return f"at most {patches} patches of {config.get('patch_size')}" if patches else "its class's size"
    if isinstance(size, int):
        return f"shortest edge {size}"
    return f"shortest edge {size['shortest_edge']}" if "shortest_edge" in size else _sides(size)


def _sides(size: int | Mapping[str, int] | None) -> str:
    if size is None:
        return "of its class's size"
    return f"{size}x{size}" if isinstance(size, int) else f"{size['width']}x{size['height']}"
