"""What is in a picture of the embedded domain, by the renderer's own geometry and palette: no learned model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from bench.tiny import scenes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.tiny.scenes import Scene

_ZONE = 90
"""Shapes stand above this row, the sign below it."""
_LEAST = 120
"""Smallest area of a shape in pixels."""
_SIDE = 32
_LEAST_FIT = 0.7
"""Below this overlap a figure is of no kind."""
_CANDIDATES = 12


@dataclass(frozen=True)
class FoundShape:
    """A coloured figure seen in a picture; ``fit`` is the overlap (IoU, 0 to 1) with the drawn outline of its kind."""

    kind: str
    colour: str
    x: float
    y: float
    fit: float


@dataclass(frozen=True)
class SceneMatch:
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


def _read(mask: np.ndarray, nearest: np.ndarray, names: Sequence[str]) -> FoundShape:
    """What the figure under a mask is; ``nearest`` holds each pixel's place in the palette ``names``."""
    colour = names[int(np.bincount(nearest[mask], minlength=len(names)).argmax())]
    framed = _framed(mask)
    fits = {k: float((framed & t).sum() / (framed | t).sum()) for k, t in _templates().items()}
    kind = max(fits, key=lambda k: fits[k])
    y, x = ndimage.center_of_mass(mask)
    return FoundShape(kind, colour, float(x), float(y), fits[kind])


def _split(mask: np.ndarray) -> list[np.ndarray]:
    """The parts of touching figures: what erosion first leaves apart, each pixel given to the nearest part; none if it stays one."""
    cores = mask
    while cores.any():
        labels, count = ndimage.label(cores)
        if count > 1:
            closest = ndimage.distance_transform_edt(labels == 0, return_distances=False, return_indices=True)
            owner = labels[tuple(closest)]
            parts = [mask & (owner == i) for i in range(1, count + 1)]
            return parts if all(p.sum() >= _LEAST for p in parts) else []
        cores = ndimage.binary_erosion(cores)
    return []


def find(image: Image.Image) -> list[FoundShape]:
    """The coloured figures of an RGB picture of 128 x 128, from left to right."""
    pixels = np.asarray(image.convert("RGB"), dtype=np.float32)[:_ZONE]
    names = [*scenes.COLOURS, *scenes.GROUNDS]
    palette = np.array([*scenes.COLOURS.values(), *scenes.GROUNDS.values()], dtype=np.float32)
    nearest = np.square(pixels[:, :, None] - palette).sum(-1).argmin(-1)
    figure = ndimage.binary_opening(nearest < len(scenes.COLOURS))
    labels, count = ndimage.label(figure)
    found: list[FoundShape] = []
    for i in range(1, count + 1):
        mask = labels == i
        if mask.sum() < _LEAST:
            continue
        one = _read(mask, nearest, names)
        parts = [_read(part, nearest, names) for part in _split(mask)] if one.fit <= _LEAST_FIT else []
        found += parts if parts and all(p.fit > _LEAST_FIT for p in parts) else [one]
    return sorted(found, key=lambda f: f.x)


@dataclass(frozen=True)
class Marks:
    """What a picture has of the shapes its caption asks for, each a share from 0 to 1.

    Attributes:
        kind: wanted shapes that are there in their kind, of all wanted shapes.
        colour: wanted shapes that are there in their colour, of all wanted shapes.
        place: 1 if the shapes stand where the caption says, else 0; 0 when one of them is missing.
        count: the smaller of the numbers of wanted and found shapes, of the larger.
    """

    kind: float
    colour: float
    place: float
    count: float

    @property
    def right(self) -> bool:
        """Everything is as the caption says."""
        return self.kind == self.colour == self.place == self.count == 1.0


def match_scene(seen: Sequence[FoundShape], scene: Scene) -> Marks:
    """Hold the figures of a picture against the scene it should show.

    Wanted and found shapes are paired one to one so that as many kinds and colours as possible agree; among equal
    pairings the one whose places are right counts, then the one with more kinds. Beyond twelve figures only the twelve that
    agree best with some wanted shape are tried; all are counted. A figure of no recognisable form agrees in colour only.
    """
    wanted = scene.shapes * scene.count
    likely = sorted(seen, key=lambda f: (-max(_kind(w, f) + _colour(w, f) for w in wanted), -f.fit))[:_CANDIDATES]
    spare: list[FoundShape | None] = [None] * max(0, len(wanted) - len(likely))
    best = (-1, 0, 0, 0)
    for chosen in permutations([*likely, *spare], len(wanted)):
        pairs = [(w, f) for w, f in zip(wanted, chosen, strict=True) if f is not None]
        kinds, colours = sum(_kind(w, f) for w, f in pairs), sum(_colour(w, f) for w, f in pairs)
        place = int(len(pairs) == len(wanted) and _placed(scene, [f for _, f in pairs]))
        best = max(best, (kinds + colours, place, kinds, colours))
    _, place, kinds, colours = best
    count = min(len(seen), len(wanted)) / max(len(seen), len(wanted))
    return Marks(kinds / len(wanted), colours / len(wanted), float(place), count)


def check(image: Image.Image, scene: Scene) -> SceneMatch:
    """Compare a picture with the scene it should show: each shape once, no other, each of recognisable form."""
    marks = match_scene(find(image), scene)
    return SceneMatch(marks.kind == marks.colour == marks.count == 1.0, marks.right)


def _kind(wanted: scenes.Shape, found: FoundShape) -> bool:
    return found.kind == wanted.kind and found.fit > _LEAST_FIT


def _colour(wanted: scenes.Shape, found: FoundShape) -> bool:
    return found.colour == wanted.colour


def _placed(scene: Scene, shapes: Sequence[FoundShape]) -> bool:
    """Whether ``shapes``, in the order in which the caption names them, stand where it says."""
    if scene.count > 1:
        return max(f.y for f in shapes) - min(f.y for f in shapes) < 20
    if len(scene.shapes) == 1:
        return abs(shapes[0].x - scenes.PLACES[scene.relation]) < 15
    first, other = shapes
    gap = {
        "left of": other.x - first.x,
        "right of": first.x - other.x,
        "above": other.y - first.y,
        "below": first.y - other.y,
    }[scene.relation]
    return gap > 20
