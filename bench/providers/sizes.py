"""Sizes and aspects: what is configured ("1024x768"), what a prompt asks for ("16:9"), and what a model can draw."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, NamedTuple

from bench.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

_SAME = 0.005
"""Relative difference of two ratios up to which they are one aspect."""
_ROUNDED = 0.02
"""As above, for a size whose sides were rounded to multiples."""


class Sides(NamedTuple):
    """What a model takes as the sides of a picture: multiples of ``multiple`` from ``smallest`` to ``largest`` pixels."""

    multiple: int
    smallest: int
    largest: int


LATENT_SIDES = Sides(16, 64, 4096)
"""Of models whose tokens are 16 x 16 pixels."""
ANY_SIDES = Sides(1, 10, 99_999)
"""Of servers that list their sizes or check them themselves."""


def parse_size(size: str | int, sides: Sides = LATENT_SIDES, *, field: str = "model.size", keyword: str = "") -> tuple[int, int]:
    """Width and height in pixels of "1024x768", or of "1024" for a square.

    Args:
        size: as configured.
        sides: what the model takes.
        field: where the size stands, for the message.
        keyword: what else the field may hold, for the message.

    Raises:
        ConfigError: not of that form, or a side that the model does not take.

    >>> parse_size("1024x768"), parse_size(512)
    ((1024, 768), (512, 512))
    """
    match = re.fullmatch(r"([0-9]{1,5})(?:x([0-9]{1,5}))?", str(size))
    if match:
        width, height = int(match[1]), int(match[2] or match[1])
        if all(side % sides.multiple == 0 and sides.smallest <= side <= sides.largest for side in (width, height)):
            return width, height
    multiples = f" in multiples of {sides.multiple}" if sides.multiple > 1 else ""
    form = f"WIDTHxHEIGHT or {keyword}" if keyword else "WIDTHxHEIGHT"
    raise ConfigError(f"{field}={size!r} must be {form}, like 1024x768, with sides from {sides.smallest} to {sides.largest}{multiples}")


def parse_aspect(aspect: str) -> tuple[float, float]:
    """Width and height, in no unit, of an aspect "16:9"; decimals are allowed.

    Raises:
        ConfigError: not of that form, or a side of 0.
    """
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?):([0-9]+(?:\.[0-9]+)?)", str(aspect))
    if not match or not float(match[1]) or not float(match[2]):
        raise ConfigError(f"{aspect!r} is no aspect; write width and height, like 16:9")
    return float(match[1]), float(match[2])


def ratio(shape: str) -> float:
    """Width / height of an aspect "16:9" or a size "1024x768".

    Raises:
        ConfigError: it is neither.

    >>> ratio("16:9"), ratio("1024x768")
    (1.7777777777777777, 1.3333333333333333)
    """
    width, height = parse_size(shape, ANY_SIDES, field="size") if "x" in str(shape) else parse_aspect(shape)
    return width / height


def nearest(aspect: str, offered: Sequence[str], *, max_factor: float = 1.5) -> tuple[str, bool]:
    """The offered aspect or size nearest to ``aspect`` by the logarithm of the ratio, and whether the two have one shape.

    Of two equally near ones the earlier is taken.

    Raises:
        ConfigError: nothing is offered, or the nearest is wider or narrower by more than ``max_factor``.

    >>> nearest("16:9", ["1:1", "3:2", "2:3"])
    ('3:2', False)
    """
    distances = {shape: abs(math.log(ratio(shape) / ratio(aspect))) for shape in offered}
    best = min(distances, key=lambda shape: distances[shape], default=None)
    if best is None:
        raise ConfigError(f"aspect {aspect} is not supported: nothing is offered")
    if distances[best] > math.log(max_factor) + 1e-9:
        raise ConfigError(f"aspect {aspect} is not supported; closest: {best}")
    return best, math.isclose(ratio(best), ratio(aspect), rel_tol=_SAME)


def fit(aspect: str, pixels: int, sides: Sides) -> tuple[int, int]:
    """Width and height of about ``pixels`` in all at an aspect, each side as ``sides`` allows.

    The limits of the sides come before the number of pixels, and rounding to multiples changes the aspect a little (see
    ``has_aspect``).

    Raises:
        ConfigError: at this aspect no size has both sides within the limits.

    >>> fit("16:9", 1024 * 1024, Sides(16, 256, 2048))
    (1360, 768)
    >>> fit("3:1", 1024 * 1024, Sides(32, 256, 1440))
    (1440, 480)
    """
    shape = ratio(aspect)
    elongation = max(shape, 1 / shape)
    multiple = sides.multiple
    low, high = math.ceil(sides.smallest / multiple) * multiple, sides.largest // multiple * multiple
    if high < low or elongation > high / low:
        raise ConfigError(f"aspect {aspect} is not supported: both sides must lie within {low} to {high} pixels")
    short = min(max(math.sqrt(pixels / elongation), low), high / elongation)
    exact = (short * shape, short) if shape >= 1 else (short, short / shape)
    width, height = (min(max(round(side / multiple) * multiple, low), high) for side in exact)
    return width, height


def has_aspect(width: int, height: int, aspect: str) -> bool:
    """Whether a size has this aspect but for rounding to whole multiples: within 2 %."""
    return math.isclose(width / height, ratio(aspect), rel_tol=_ROUNDED)


def at_aspect(pixels: int, aspect: str) -> tuple[int, int]:
    """Width and height of about ``pixels`` in all at an aspect, in multiples of 16, 64 or more.

    >>> at_aspect(1024 * 1024, "16:9")
    (1360, 768)
    """
    wide, high = parse_aspect(aspect)
    width = round(math.sqrt(pixels * wide / high) / 16) * 16
    height = round(math.sqrt(pixels * high / wide) / 16) * 16
    return max(width, 64), max(height, 64)
