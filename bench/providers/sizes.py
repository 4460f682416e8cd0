"""From the aspect a prompt wants to the size a server takes: exactly, nearly (recorded), or not at all."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from bench.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence


_SAME = 0.005
_ROUNDED = 0.02


def ratio(aspect: str) -> float:
    """Width by height of "W:H" or "WxH"; decimals are allowed.

    Raises:
        ConfigError: not of that form, or a side of 0.

    >>> ratio("16:9")
    1.7777777777777777
    """
    match = re.fullmatch(r"(\d+(?:\.\d+)?)[:x](\d+(?:\.\d+)?)", str(aspect))
    if not match or not float(match[1]) or not float(match[2]):
        raise ConfigError(f"{aspect!r} is no aspect or size; say width and height, like 16:9 or 1024x768")
    return float(match[1]) / float(match[2])


def nearest(aspect: str, offered: Sequence[str], *, most: float = 1.5) -> tuple[str, bool]:
    """The offered "W:H" or "WxH" whose shape is nearest, by the logarithm of the ratio, and whether it is the one wanted.

    Of two equally near ones the earlier is taken.

    Raises:
        ConfigError: nothing is offered, or the nearest is wider or narrower than wanted by more than a factor of ``most``.

    >>> nearest("16:9", ["1:1", "3:2", "2:3"])
    ('3:2', False)
    """
    wanted = math.log(ratio(aspect))
    best = min(offered, key=lambda shape: abs(math.log(ratio(shape)) - wanted), default=None)
    if best is None or abs(math.log(ratio(best)) - wanted) > math.log(most) + 1e-9:
        raise ConfigError(f"the aspect {aspect} cannot be had: nothing near it is offered, only {', '.join(offered) or 'nothing'}")
    return best, math.isclose(ratio(best), ratio(aspect), rel_tol=_SAME)


def fit(aspect: str, pixels: int, *, multiple: int, least: int, most: int) -> tuple[int, int]:
    """Width and height at "W:H", of about ``pixels`` unless a limit asks for fewer or more.

    Args:
        aspect: kept but for the rounding to multiples; see ``exact``.
        pixels: how many the picture should have.
        multiple: both sides are multiples of it.
        least: pixels of the shorter side at least.
        most: pixels of the longer side at most.

    Raises:
        ConfigError: at this aspect no size has both sides within the limits.

    >>> fit("16:9", 1024 * 1024, multiple=16, least=256, most=2048)
    (1360, 768)
    >>> fit("3:1", 1024 * 1024, multiple=32, least=256, most=1440)
    (1440, 480)
    """
    wanted = ratio(aspect)
    longer = max(wanted, 1 / wanted)
    least, most = math.ceil(least / multiple) * multiple, most // multiple * multiple
    if most < least or longer > most / least:
        raise ConfigError(f"the aspect {aspect} cannot be had: both sides must lie within {least} to {most} pixels")
    short = min(max(math.sqrt(pixels / longer), least), most / longer)
    sides = (short * wanted, short) if wanted >= 1 else (short, short / wanted)
    width, height = (min(max(round(side / multiple) * multiple, least), most) for side in sides)
    return width, height


def exact(width: int, height: int, aspect: str) -> bool:
    """Whether a size has this aspect but for rounding to whole multiples: within 2 %."""
    return math.isclose(width / height, ratio(aspect), rel_tol=_ROUNDED)


def parse_size(size: str | int) -> tuple[int, int]:
    """Width and height from "1024x768" or "1024".

    Raises:
        ConfigError: not of that form, not multiples of 16, or outside 64 to 4096.
    """
    match = re.fullmatch(r"(\d+)(?:x(\d+))?", str(size))
    if match:
        width = int(match[1])
        height = int(match[2] or width)
        if all(64 <= side <= 4096 and side % 16 == 0 for side in (width, height)):
            return width, height
    raise ConfigError(f"model.size={size!r} must be WIDTHxHEIGHT in multiples of 16 from 64 to 4096, like 1024x768")


def at_aspect(pixels: int, aspect: str) -> tuple[int, int]:
    """Width and height of about ``pixels`` at "W:H", in multiples of 16.

    >>> at_aspect(1024 * 1024, "16:9")
    (1360, 768)
    """
    wide, high = (int(x) for x in aspect.split(":"))
    width = round(math.sqrt(pixels * wide / high) / 16) * 16
    height = round(math.sqrt(pixels * high / wide) / 16) * 16
    return max(width, 64), max(height, 64)
