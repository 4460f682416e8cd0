"""Pictures to check metrics on, and ways to make them worse. Everything is seeded and needs no download."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from bench.metrics import Sample
from bench.types import ImageRecord, Request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.tiny.scenes import Scene

SIGNS = ("OPEN TODAY", "FRESH BREAD", "PLATFORM 9", "MIND THE GAP", "HARBOUR 1927", "LAST ORDERS")
"""What the rendered signs say."""


@dataclass(frozen=True)
class Drawn:
    """A picture with what it should show."""

    image: Image.Image
    prompt: str
    expected: tuple[str, ...] = ()


def sample(drawn: Drawn, name: str = "p") -> Sample:
    """A picture as a metric gets it."""
    request = Request("verify", "", drawn.prompt, None, 0, *drawn.image.size)
    return Sample(ImageRecord(name, "verify", "verify", "", request, "ok", "", "", sha256=name, expected_text=drawn.expected), drawn.image)


def scenes(count: int, seed: int = 5) -> list[Scene]:
    """Scenes of the embedded domain that training never saw, each with a sign."""
    from bench.tiny import scenes as domain  # noqa: PLC0415 - beside its use

    rng = np.random.default_rng(seed)
    drawn_scenes: list[Scene] = []
    while len(drawn_scenes) < count:
        scene = domain.sample(rng, signs=1.0)
        if scene.word and domain.held_out(scene.word):
            drawn_scenes.append(scene)
    return drawn_scenes


def drawn(chosen: Sequence[Scene], seed: int = 0) -> list[Drawn]:
    """The scenes as the renderer draws them, with their captions."""
    from bench.tiny import scenes as domain  # noqa: PLC0415 - beside its use

    return [Drawn(domain.draw(s, seed + i), domain.caption(s), (s.word,) if s.word else ()) for i, s in enumerate(chosen)]


def sign(text: str, expected: str | None = None) -> Drawn:
    """``text`` in dark letters on a light board, 640 x 192."""
    from bench.core.resources import latin_font  # noqa: PLC0415 - beside its use

    image = Image.new("RGB", (640, 192), (236, 228, 208))
    face = ImageFont.truetype(str(latin_font()), 64)
    ImageDraw.Draw(image).text((320, 96), text, font=face, fill=(30, 40, 70), anchor="mm")
    return Drawn(image, f'a sign that says "{expected or text}"', (expected or text,))


def photograph() -> Image.Image:
    """A portrait from NASA that comes with matplotlib, 512 x 600, in the public domain."""
    from matplotlib import cbook  # noqa: PLC0415 - slow import

    with Image.open(str(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))) as image:
        return image.convert("RGB")


def crops(image: Image.Image, count: int, side: int = 200, seed: int = 3) -> list[Image.Image]:
    """Random square cut-outs."""
    rng = np.random.default_rng(seed)
    corners = zip(rng.integers(image.width - side, size=count), rng.integers(image.height - side, size=count), strict=True)
    return [image.crop((int(x), int(y), int(x) + side, int(y) + side)) for x, y in corners]


def blurred(image: Image.Image, radius: float) -> Image.Image:
    """Gaussian blur with this standard deviation in pixels."""
    return image.filter(ImageFilter.GaussianBlur(radius)) if radius else image


def noisy(image: Image.Image, level: float, seed: int = 0) -> Image.Image:
    """Gaussian noise with this standard deviation in grey levels."""
    noise = np.random.default_rng(seed).normal(0, level, (*image.size[::-1], 3)) if level else 0.0
    return Image.fromarray(np.clip(np.asarray(image, dtype=float) + noise, 0, 255).astype(np.uint8))


def jpeg(image: Image.Image, quality: int) -> Image.Image:
    """There and back through JPEG."""
    data = io.BytesIO()
    image.save(data, "JPEG", quality=quality)
    return Image.open(data).convert("RGB")


def cut(image: Image.Image, share: float) -> Image.Image:
    """Without a ``share`` of its width, at the right."""
    return image.crop((0, 0, round(image.width * (1 - share)), image.height))


def shortened(text: str, letters: int) -> str:
    """``text`` without some of its letters, spread evenly."""
    places = [i for i, c in enumerate(text) if c != " "]
    gone = {places[round(j)] for j in np.linspace(0, len(places) - 1, letters)} if letters else set()
    return "".join(c for i, c in enumerate(text) if i not in gone)
