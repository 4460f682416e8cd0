"""Pictures as people have them are scored, shown and compared as a viewer shows them."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bench.images import decoding

WORDS = Image.linear_gradient("L").resize((48, 32)).point(lambda level: 255 if level > 128 else level)
"""Grey on what is white below: no two turns of it are alike."""


def coded(form: str, image: Image.Image, **options: Any) -> bytes:
    data = io.BytesIO()
    image.save(data, form, **options)
    return data.getvalue()


def marked() -> Image.Image:
    image = WORDS.convert("RGB")
    image.paste((200, 30, 60), (0, 0, 12, 8))
    return image


def turned(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def sixteen_bits(levels: np.ndarray, kind: int = 0, more: bytes = b"") -> bytes:
    """A PNG of 16 bits; ``kind`` is its colour type, ``levels`` (height, width, samples)."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    height, width = levels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0))
    clear = chunk(b"tRNS", more) if more else b""
    return b"\x89PNG\r\n\x1a\n" + header + clear + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def cut_out() -> Image.Image:
    """Transparent where ``WORDS`` is white, and black there."""
    image = Image.new("RGBA", WORDS.size, (0, 0, 0, 0))
    image.paste(WORDS.convert("RGBA"), mask=WORDS.point(lambda level: 255 if level < 255 else 0))
    return image


GREY = np.asarray(WORDS)
PALETTE = WORDS.convert("P")
STATES = {
    "RGB": coded("PNG", WORDS.convert("RGB")),
    "grey": coded("PNG", WORDS),
    "palette": coded("PNG", PALETTE),
    "transparent": coded("PNG", cut_out()),
    "transparent WebP": coded("WEBP", cut_out(), lossless=True),
    "transparent grey": coded("PNG", cut_out().convert("LA")),
    "transparent palette": coded("PNG", Image.fromarray(np.where(GREY == 255, 3, GREY).astype(np.uint8)).convert("P"), transparency=3),
    "grey, one level transparent": coded("PNG", Image.fromarray(np.where(GREY == 255, 3, GREY).astype(np.uint8)), transparency=3),
    "16 bits": sixteen_bits(GREY[..., None].astype(np.uint16) * 257),
    "16 bits, lowest of a level": sixteen_bits(GREY[..., None].astype(np.uint16) * 256),
    "16 bits, one level transparent": sixteen_bits(
        np.where(GREY == 255, 7, GREY.astype(np.uint16) * 257)[..., None], more=struct.pack(">H", 7)
    ),
    "16 bits RGB": sixteen_bits(np.repeat(GREY[..., None].astype(np.uint16) * 257, 3, 2), 2),
    "16 bits RGB, a colour transparent": sixteen_bits(
        np.repeat(np.where(GREY == 255, 771, GREY.astype(np.uint16) * 257)[..., None], 3, 2), 2, more=struct.pack(">HHH", 771, 771, 771)
    ),
    "16 bits, transparent": sixteen_bits(np.dstack([GREY % 255, np.where(GREY == 255, 0, 255)]).astype(np.uint16) * 257, 4),
    "16 bits TIFF": coded("TIFF", Image.fromarray(GREY.astype(np.uint16) * 257)),
    "TIFF": coded("TIFF", WORDS.convert("RGB")),
    "CMYK TIFF": coded("TIFF", WORDS.convert("RGB").convert("CMYK")),
    "BMP": coded("BMP", WORDS.convert("RGB")),
    "GIF": coded("GIF", WORDS),
    "transparent GIF": coded("GIF", cut_out()),
    "AVIF": coded("AVIF", WORDS.convert("RGB"), quality=100, subsampling="4:4:4"),
    "CMYK JPEG": coded("JPEG", WORDS.convert("RGB").convert("CMYK"), quality=100),
    "grey JPEG": coded("JPEG", WORDS, quality=100),
}  # fmt: skip


@pytest.mark.parametrize("state", STATES)
def test_every_state_of_a_picture_is_seen_alike(state: str) -> None:
    seen = decoding.seen(STATES[state])
    assert (seen.mode, seen.size) == ("RGB", WORDS.size)
    off = np.abs(np.asarray(seen).astype(int) - GREY[..., None])
    assert off.max() <= (8 if state in {"CMYK JPEG", "grey JPEG", "AVIF", "transparent GIF"} else 0)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "AVIF", "TIFF"])
@pytest.mark.parametrize("orientation", [2, 3, 5, 6])
def test_a_turned_picture_is_seen_upright_and_so_is_its_thumbnail(form: str, orientation: int) -> None:
    back = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90}
    data = coded(form, marked().transpose(back[orientation]), exif=turned(orientation), **({} if form == "TIFF" else {"quality": 95}))
    seen, found = decoding.seen(data), decoding.inspect(data, others=True)
    assert seen.size == (found.width, found.height) == WORDS.size
    assert np.abs(np.asarray(seen).astype(int) - np.asarray(marked())).mean() < 4
    shown = decoding.thumbnail(data, 512)
    with Image.open(io.BytesIO(shown.data)) as thumb:
        assert thumb.convert("RGB").tobytes() == seen.tobytes()
    assert not decoding.seen_as_before(data) or form == "TIFF", "no TIFF was ever scored lying"


def test_half_transparent_pixels_are_mixed_with_white() -> None:
    seen = np.asarray(decoding.seen(coded("PNG", Image.new("RGBA", (2, 2), (0, 100, 200, 128)))))
    assert seen[0, 0].tolist() == [127, 177, 227]


def test_ordinary_pictures_are_the_same_bytes_as_ever() -> None:
    rng = np.random.default_rng(3)
    image = Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    opaque = image.copy()
    opaque.putalpha(255)
    for data in (
        *(coded(form, image) for form in ("PNG", "JPEG", "WEBP")), coded("PNG", image.convert("L")), coded("PNG", image.convert("P")),
        coded("PNG", image.convert("1")), coded("JPEG", image.convert("CMYK")), coded("PNG", opaque), coded("PNG", image, exif=turned(1)),
    ):  # fmt: skip
        assert decoding.seen_as_before(data)
        with Image.open(io.BytesIO(data)) as before:
            assert decoding.seen(data).tobytes() == before.convert("RGB").tobytes()
    for state in ("transparent", "16 bits", "transparent palette", "grey, one level transparent"):
        assert not decoding.seen_as_before(STATES[state])


def test_a_colour_profile_is_left_aside() -> None:
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert decoding.seen(coded("PNG", marked(), icc_profile=profile)).tobytes() == marked().tobytes()


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (coded("TIFF", Image.new("F", (4, 4), 0.5)), r"pixels \(F\) have no black and white"),
        (coded("TIFF", Image.new("I", (4, 4), 70_000)), r"pixels \(I\) have no black and white"),
        (coded("GIF", marked())[:40], "is damaged"),
        (coded("AVIF", marked())[:300], "is damaged"),
        (coded("BMP", marked())[:300], "is damaged"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "looks like a HEIF"),
    ],
)
def test_what_has_no_agreed_look_is_refused(data: bytes, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        decoding.seen(data)
