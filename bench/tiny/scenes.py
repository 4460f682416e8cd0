"""The embedded domain: flat scenes of one to three shapes and perhaps a sign, and the captions that describe them.

A caption says everything about a scene: shapes (kind, colour, place or relation, count), ground (plain or two-tone), and
sign and word. It leaves size and position open within a few pixels; a seed decides them. ``parse`` is the inverse of
``caption``, and ``draw`` gives the same picture for the same scene and seed. Whoever changes what it draws changes
``bench.tiny.revision`` too.
"""

from __future__ import annotations

import hashlib
import math
import re
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from bench.errors import PromptError

if TYPE_CHECKING:
    from collections.abc import Collection

T = TypeVar("T")

SIZE = 128
CELL = 16
"""Side of a character's cell in pixels; a cell is one token of the embedded FLUX transformers."""
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
KINDS = ("circle", "square", "triangle", "star", "heart", "cross")
COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (214, 40, 40),
    "orange": (240, 130, 30),
    "yellow": (250, 208, 40),
    "green": (35, 150, 75),
    "blue": (35, 85, 200),
    "purple": (125, 55, 170),
    "pink": (238, 110, 175),
    "black": (35, 35, 40),
}
GROUNDS: dict[str, tuple[int, int, int]] = {
    "white": (246, 246, 243),
    "cream": (243, 230, 200),
    "grey": (190, 194, 200),
    "sky": (176, 214, 242),
    "mint": (186, 230, 200),
}
SIGNS: dict[str, tuple[tuple[int, int, int], tuple[int, int, int]]] = {
    "white": ((252, 252, 252), (20, 20, 24)),
    "yellow": ((252, 216, 60), (20, 20, 24)),
    "black": ((24, 24, 28), (252, 252, 252)),
}
PLACES = {"on the left": 34, "in the centre": 64, "on the right": 94}
RELATIONS = ("left of", "right of", "above", "below")
COUNTS = {2: "two", 3: "three"}
SIGN_TOP, SIGN_BOTTOM, LETTER_TOP = 91, 116, 96
_SUPERSAMPLING = 4
"""Scenes are drawn so many times larger, then reduced."""
_HELD_OUT = 16


@dataclass(frozen=True)
class Shape:
    """One coloured figure."""

    kind: str
    colour: str


@dataclass(frozen=True)
class Scene:
    """What a caption says.

    Attributes:
        shapes: one or two.
        relation: a key of ``PLACES`` (one shape), one of ``RELATIONS`` (two shapes) or "in a row" (``count`` copies).
        ground: one colour of ``GROUNDS``, or two: the upper and the lower half.
        word: on the sign, 2 to 8 of ``ALPHABET``; None without a sign.
        sign: the sign's colours, a key of ``SIGNS``.
        count: copies of the one shape, 1 to 3.
    """

    shapes: tuple[Shape, ...]
    relation: str
    ground: tuple[str, ...]
    word: str | None = None
    sign: str = "white"
    count: int = 1


def plural(kind: str) -> str:
    """The plural of a kind: stars, crosses."""
    return f"{kind}es" if kind.endswith("s") else f"{kind}s"


def _article(colour: str) -> str:
    return "an" if colour[0] in "aeiou" else "a"


def caption(scene: Scene) -> str:
    """The sentence that describes ``scene``; ``parse`` reads it back."""
    first = scene.shapes[0]
    if scene.count > 1:
        what = f"{COUNTS[scene.count]} {first.colour} {plural(first.kind)} in a row"
    elif len(scene.shapes) == 2:
        second = scene.shapes[1]
        place = f"{scene.relation} {_article(second.colour)} {second.colour} {second.kind}"
        what = f"{_article(first.colour)} {first.colour} {first.kind} {place}"
    else:
        what = f"{_article(first.colour)} {first.colour} {first.kind} {scene.relation}"
    text = f"{what}, on {' over '.join(scene.ground)}"
    return text if scene.word is None else f'{text}, with a {scene.sign} sign reading "{scene.word}"'


_KIND, _COLOUR = "|".join(KINDS), "|".join(COLOURS)
_GRAMMAR = re.compile(
    rf"an? (?P<c1>{_COLOUR}) (?P<k1>{_KIND}) (?:(?P<place>{'|'.join(PLACES)})|(?P<rel>{'|'.join(RELATIONS)}) "
    rf"an? (?P<c2>{_COLOUR}) (?P<k2>{_KIND}))"
    rf"|(?P<n>{'|'.join(COUNTS.values())}) (?P<cn>{_COLOUR}) (?P<kn>{_KIND})e?s in a row"
)
_REST = re.compile(
    rf", on (?P<g1>{'|'.join(GROUNDS)})(?: over (?P<g2>{'|'.join(GROUNDS)}))?"
    rf"(?:, with a (?P<sign>{'|'.join(SIGNS)}) sign reading \"(?P<word>[A-Z0-9]{{2,8}})\")?\.?"
)


def parse(text: str) -> Scene:
    """The scene that a caption describes.

    Raises:
        PromptError: the text is no caption of this domain; the message shows one that is.
    """
    head = _GRAMMAR.match(text.strip())
    rest = _REST.fullmatch(text.strip(), head.end()) if head else None
    if head is None or rest is None:
        raise PromptError(
            f"not a prompt of the embedded domain: {text!r}; write it like "
            "'a red circle left of a blue star, on sky over mint, with a yellow sign reading \"HELLO\"'"
        )
    ground = tuple(g for g in rest.group("g1", "g2") if g)
    word, sign = rest["word"], rest["sign"] or "white"
    if head["n"]:
        count = next(k for k, v in COUNTS.items() if v == head["n"])
        return Scene((Shape(head["kn"], head["cn"]),), "in a row", ground, word, sign, count)
    shapes: tuple[Shape, ...] = (Shape(head["k1"], head["c1"]),)
    if head["rel"]:
        shapes += (Shape(head["k2"], head["c2"]),)
    return Scene(shapes, head["place"] or head["rel"], ground, word, sign)


def held_out(text: str) -> bool:
    """Whether training never uses a word or caption: 1 in 16, by SHA-256."""
    spelt = text.replace("an ", "a ").replace("crosses", "crosss")  # as spelt when the committed weights were trained
    return hashlib.sha256(spelt.encode()).digest()[0] % _HELD_OUT == 0


def sample(rng: np.random.Generator, *, signs: float = 0.9) -> Scene:
    """A random scene, with a sign of 2 to 8 characters with probability ``signs``."""

    def pick(options: Collection[T]) -> T:
        return tuple(options)[int(rng.integers(len(options)))]

    kind, colour = pick(KINDS), pick(COLOURS)
    ground = tuple(rng.choice(tuple(GROUNDS), size=1 if rng.random() < 0.5 else 2, replace=False).tolist())
    word = None
    if rng.random() < signs:
        word = "".join(ALPHABET[i] for i in rng.integers(len(ALPHABET), size=rng.integers(2, 9)))
    sign = pick(SIGNS) if word else "white"
    roll = rng.random()
    if roll < 0.4:
        return Scene((Shape(kind, colour),), pick(PLACES), ground, word, sign)
    if roll < 0.55:
        return Scene((Shape(kind, colour),), "in a row", ground, word, sign, pick(COUNTS))
    second = Shape(pick(KINDS), pick(tuple(c for c in COLOURS if c != colour)))
    return Scene((Shape(kind, colour), second), pick(RELATIONS), ground, word, sign)


def place_shapes(scene: Scene, rng: np.random.Generator) -> list[tuple[Shape, float, float, float]]:
    """Where each shape is drawn: (shape, x, y, radius), pixels, with random offsets."""
    first = scene.shapes[0]
    if scene.count > 1:
        radius, xs = (22.0, (36, 92)) if scene.count == 2 else (17.0, (24, 64, 104))
        spots = [(first, float(x), 45.0, radius) for x in xs]
    elif len(scene.shapes) == 1:
        spots = [(first, float(PLACES[scene.relation]), 45.0, 29.0)]
    elif scene.relation in ("left of", "right of"):
        order = scene.shapes if scene.relation == "left of" else scene.shapes[::-1]
        spots = [(s, float(x), 45.0, 24.0) for s, x in zip(order, (35, 93), strict=True)]
    else:
        order = scene.shapes if scene.relation == "above" else scene.shapes[::-1]
        spots = [(s, 64.0, float(y), 19.0) for s, y in zip(order, (23, 66), strict=True)]
    jitter = rng.uniform(-1, 1, size=(len(spots), 3)) * (3.0, 2.0, 1.5)
    return [(s, x + dx, y + dy, r + dr) for (s, x, y, r), (dx, dy, dr) in zip(spots, jitter, strict=True)]


def outline(kind: str, x: float, y: float, r: float) -> list[tuple[float, float]]:
    """Corners of the polygon of a ``kind`` of shape around (x, y) with radius ``r``."""
    if kind == "circle":
        return [(x + r * math.cos(t), y + r * math.sin(t)) for t in np.linspace(0, 2 * math.pi, 72, endpoint=False)]
    if kind == "square":
        h = r * 0.86
        return [(x - h, y - h), (x + h, y - h), (x + h, y + h), (x - h, y + h)]
    if kind == "triangle":
        return [(x, y - r), (x + r * 0.98, y + r * 0.8), (x - r * 0.98, y + r * 0.8)]
    if kind == "star":
        turn = [(r if i % 2 == 0 else r * 0.42, -math.pi / 2 + i * math.pi / 5) for i in range(10)]
        return [(x + a * math.cos(t), y + a * math.sin(t)) for a, t in turn]
    if kind == "cross":
        a, b = r * 0.95, r * 0.34
        arms = [(-b, -a), (b, -a), (b, -b), (a, -b), (a, b), (b, b), (b, a), (-b, a), (-b, b), (-a, b), (-a, -b), (-b, -b)]
        return [(x + dx, y + dy) for dx, dy in arms]
    curve = np.linspace(0, 2 * math.pi, 90, endpoint=False)  # heart
    return [
        (x + r * np.sin(t) ** 3, y - r / 17 * (13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t) + 2)) for t in curve
    ]


@cache
def _font() -> ImageFont.FreeTypeFont:
    spec = find_spec("matplotlib")
    assert spec is not None
    assert spec.origin is not None
    face = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSansMono-Bold.ttf"
    return ImageFont.truetype(str(face), 21 * _SUPERSAMPLING)


def draw(scene: Scene, seed: int) -> Image.Image:
    """The picture of ``scene``: RGB, 128 x 128, the same for the same (scene, seed)."""
    rng = np.random.default_rng(seed)
    s = _SUPERSAMPLING
    image = Image.new("RGB", (SIZE * s, SIZE * s), GROUNDS[scene.ground[0]])
    pen = ImageDraw.Draw(image)
    if len(scene.ground) == 2:
        pen.rectangle((0, SIZE * s // 2, SIZE * s, SIZE * s), fill=GROUNDS[scene.ground[1]])
    for shape, x, y, r in place_shapes(scene, rng):
        pen.polygon([(px * s, py * s) for px, py in outline(shape.kind, x, y, r)], fill=COLOURS[shape.colour])
    if scene.word is not None:
        board, ink = SIGNS[scene.sign]
        start = first_column(len(scene.word)) * CELL
        end = start + len(scene.word) * CELL
        box = (max(1, start - 4) * s, SIGN_TOP * s, min(SIZE - 1, end + 4) * s, SIGN_BOTTOM * s)
        pen.rounded_rectangle(box, radius=3 * s, fill=board, outline=(70, 70, 76), width=s)
        for i, letter in enumerate(scene.word):
            centre = ((start + i * CELL + CELL / 2) * s, (LETTER_TOP + CELL / 2) * s)
            pen.text(centre, letter, font=_font(), fill=ink, anchor="mm")
            if letter == "Q":  # the font's tail of Q, below the line, is too small to see at this size
                tail = [(centre[0] + dx * s, centre[1] + dy * s) for dx, dy in ((0.5, 1.5), (5.5, 8.0))]
                pen.line(tail, fill=ink, width=int(2.5 * s))
    return image.reduce(s)


def first_column(length: int) -> int:
    """Column, 0 to 7, of the sign's grid in which a word of ``length`` characters begins."""
    return (SIZE // CELL - length) // 2
