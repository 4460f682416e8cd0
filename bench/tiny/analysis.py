"""Find the shapes in a picture of the embedded domain by the renderer's geometry and palette, without a learned model."""

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

_SHAPE_ROWS = 90
"""Shapes are above this row, the sign is below it."""
_MIN_AREA = 120
"""Of a shape, pixels."""
_SIDE = 32
"""Of the square that outlines are compared in, pixels."""
_MIN_FIT = 0.7
"""Overlap up to which a figure is of no kind."""
_CANDIDATES = 12
"""Figures that are paired with the caption's shapes."""


@dataclass(frozen=True)
class FoundShape:
    """A coloured figure in a picture.

    Attributes:
        kind: the kind whose outline fits best.
        colour: the commonest colour of its pixels.
        x, y: centre of mass, pixels.
        fit: overlap with the outline of its kind (intersection over union, 0 to 1); above 0.7 the kind is certain enough.
    """

    kind: str
    colour: str
    x: float
    y: float
    fit: float


@dataclass(frozen=True)
class SceneMatch:
    """Whether a picture shows its caption.

    Attributes:
        shapes: every shape is there in its kind and colour, and no other.
        places: besides, all are where the caption says.
    """

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


def _figure(mask: np.ndarray, nearest: np.ndarray, names: Sequence[str]) -> FoundShape:
    """The figure under a mask; ``nearest`` is each pixel's index in the palette ``names``."""
    colour = names[int(np.bincount(nearest[mask], minlength=len(names)).argmax())]
    framed = _framed(mask)
    fits = {k: float((framed & t).sum() / (framed | t).sum()) for k, t in _templates().items()}
    kind = max(fits, key=lambda k: fits[k])
    y, x = ndimage.center_of_mass(mask)
    return FoundShape(kind, colour, float(x), float(y), fits[kind])


def _split(mask: np.ndarray) -> list[np.ndarray]:
    """The parts of touching figures: those that erosion first separates, each pixel given to the nearest; [] if none separate."""
    cores = mask
    while cores.any():
        labels, count = ndimage.label(cores)
        if count > 1:
            closest = ndimage.distance_transform_edt(labels == 0, return_distances=False, return_indices=True)
            owner = labels[tuple(closest)]
            parts = [mask & (owner == i) for i in range(1, count + 1)]
            return parts if all(p.sum() >= _MIN_AREA for p in parts) else []
        cores = ndimage.binary_erosion(cores)
    return []


def find_shapes(image: Image.Image) -> list[FoundShape]:
    """The coloured figures of an RGB picture of 128 x 128, from left to right."""
    pixels = np.asarray(image.convert("RGB"), dtype=np.float32)[:_SHAPE_ROWS]
    names = [*scenes.COLOURS, *scenes.GROUNDS]
    palette = np.array([*scenes.COLOURS.values(), *scenes.GROUNDS.values()], dtype=np.float32)
    nearest = np.square(pixels[:, :, None] - palette).sum(-1).argmin(-1)
    figure = ndimage.binary_opening(nearest < len(scenes.COLOURS))
    labels, count = ndimage.label(figure)
    figures: list[FoundShape] = []
    for i in range(1, count + 1):
        mask = labels == i
        if mask.sum() < _MIN_AREA:
            continue
        whole = _figure(mask, nearest, names)
        parts = [_figure(part, nearest, names) for part in _split(mask)] if whole.fit <= _MIN_FIT else []
        figures += parts if parts and all(p.fit > _MIN_FIT for p in parts) else [whole]
    return sorted(figures, key=lambda f: f.x)


@dataclass(frozen=True)
class SceneScores:
    """How well a picture shows the shapes that its caption names; each a share from 0 to 1.

    Attributes:
        kind: share of the caption's shapes that are there in their kind.
        colour: share of the caption's shapes that are there in their colour.
        place: 1 if all shapes are where the caption says, else 0.
        count: of the numbers of shapes in caption and picture, the smaller / the larger.
    """

    kind: float
    colour: float
    place: float
    count: float

    @property
    def right(self) -> bool:
        """Everything is as the caption says."""
        return self.kind == self.colour == self.place == self.count == 1.0


def match_scene(seen: Sequence[FoundShape], scene: Scene) -> SceneScores:
    """Compare the figures of a picture with the scene it should show.

    The scene's shapes and the figures are paired one to one so that as many kinds and colours as possible agree; among equal
    pairings one with the right places comes first, then one with more kinds. Of more than twelve figures only the twelve
    that agree best with some shape are paired; all are counted. A figure of uncertain kind agrees in colour only.
    """
    shapes = scene.shapes * scene.count
    likely = sorted(seen, key=lambda f: (-max(_kind(w, f) + _colour(w, f) for w in shapes), -f.fit))[:_CANDIDATES]
    spare: list[FoundShape | None] = [None] * max(0, len(shapes) - len(likely))
    best = (-1, 0, 0, 0)
    for chosen in permutations([*likely, *spare], len(shapes)):
        pairs = [(w, f) for w, f in zip(shapes, chosen, strict=True) if f is not None]
        kinds, colours = sum(_kind(w, f) for w, f in pairs), sum(_colour(w, f) for w, f in pairs)
        place = int(len(pairs) == len(shapes) and _placed(scene, [f for _, f in pairs]))
        best = max(best, (kinds + colours, place, kinds, colours))
    _, place, kinds, colours = best
    count = min(len(seen), len(shapes)) / max(len(seen), len(shapes))
    return SceneScores(kinds / len(shapes), colours / len(shapes), float(place), count)


def check_picture(image: Image.Image, scene: Scene) -> SceneMatch:
    """Whether an RGB picture of 128 x 128 shows a scene."""
    scores = match_scene(find_shapes(image), scene)
    return SceneMatch(scores.kind == scores.colour == scores.count == 1.0, scores.right)


def _kind(shape: scenes.Shape, figure: FoundShape) -> bool:
    return figure.kind == shape.kind and figure.fit > _MIN_FIT


def _colour(shape: scenes.Shape, figure: FoundShape) -> bool:
    return figure.colour == shape.colour


def _placed(scene: Scene, shapes: Sequence[FoundShape]) -> bool:
    """Whether ``shapes``, in the caption's order, are where it says."""
    if scene.count > 1:
        return max(f.y for f in shapes) - min(f.y for f in shapes) < 20
    if len(scene.shapes) == 1:
        return abs(shapes[0].x - scenes.PLACES[scene.relation]) < 15
    first, second = shapes
    gap = {
        "left of": second.x - first.x,
        "right of": first.x - second.x,
        "above": second.y - first.y,
        "below": first.y - second.y,
    }[scene.relation]
    return gap > 20
