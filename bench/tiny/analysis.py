"""What is in a picture of the embedded domain, by the renderer's own geometry and palette: no learned model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from bench.tiny import scenes

if TYPE_CHECKING:
    from bench.tiny.scenes import Scene

_ZONE = 90
"""Shapes stand above this row, the sign below it."""
_LEAST = 120
"""Smallest area of a shape in pixels."""
_SIDE = 32


@dataclass(frozen=True)
class Found:
    """A coloured figure seen in a picture; ``fit`` is the overlap (IoU, 0 to 1) with the drawn outline of its kind."""

    kind: str
    colour: str
    x: float
    y: float
    fit: float


@dataclass(frozen=True)
class Verdict:
    """Whether every shape has its kind and colour, and whether they stand where the caption says."""

    shapes: bool
    places: bool


@cache
def _templates() -> dict[str, np.ndarray]:
    masks = {}
    for kind in scenes.KINDS:
        image = Image.new("L", (128, 128))
        ImageDraw.Draw(image).polygon(scenes.outline(kind, 64, 64, 50), fill=255)
        masks[kind] = _framed(np.asarray(image) > 0)
    return masks


def _framed(mask: np.ndarray) -> np.ndarray:
    """The mask cut to its bounding box and scaled to a fixed square."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    cut = mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return np.asarray(Image.fromarray((cut * 255).astype(np.uint8)).resize((_SIDE, _SIDE), Image.Resampling.BOX)) > 127


def find(image: Image.Image) -> list[Found]:
    """The coloured figures of an RGB picture of 128 x 128, from left to right."""
    pixels = np.asarray(image.convert("RGB"), dtype=np.float32)[:_ZONE]
    names = [*scenes.COLOURS, *scenes.GROUNDS]
    palette = np.array([*scenes.COLOURS.values(), *scenes.GROUNDS.values()], dtype=np.float32)
    nearest = np.square(pixels[:, :, None] - palette).sum(-1).argmin(-1)
    figure = ndimage.binary_opening(nearest < len(scenes.COLOURS))
    labels, count = ndimage.label(figure)
    found = []
    for i in range(1, count + 1):
        mask = labels == i
        if mask.sum() < _LEAST:
            continue
        colour = names[int(np.bincount(nearest[mask], minlength=len(names)).argmax())]
        framed = _framed(mask)
        fits = {k: float((framed & t).sum() / (framed | t).sum()) for k, t in _templates().items()}
        kind = max(fits, key=lambda k: fits[k])
        y, x = ndimage.center_of_mass(mask)
        found.append(Found(kind, colour, float(x), float(y), fits[kind]))
    return sorted(found, key=lambda f: f.x)


def check(image: Image.Image, scene: Scene) -> Verdict:
    """Compare a picture with the scene it should show: each shape once, no other, each of recognisable form."""
    seen = find(image)
    wanted = [(s.kind, s.colour) for s in scene.shapes] * scene.count
    right = sorted((f.kind, f.colour) for f in seen) == sorted(wanted) and all(f.fit > 0.7 for f in seen)
    return Verdict(right, right and _placed(scene, seen))


def _placed(scene: Scene, seen: list[Found]) -> bool:
    if scene.count > 1:
        return max(f.y for f in seen) - min(f.y for f in seen) < 20
    if len(scene.shapes) == 1:
        return abs(seen[0].x - scenes.PLACES[scene.relation]) < 15
    first = next(f for f in seen if (f.kind, f.colour) == (scene.shapes[0].kind, scene.shapes[0].colour))
    other = next(f for f in seen if f is not first)
    gap = {
        "left of": other.x - first.x,
        "right of": first.x - other.x,
        "above": other.y - first.y,
        "below": first.y - other.y,
    }[scene.relation]
    return gap > 20
