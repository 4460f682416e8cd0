"""Check untrusted image bytes, decode pictures as they are seen, make thumbnails of them.

Runs, imports, references, thumbnails and the voting page all see a picture through ``seen``. Pure functions of bytes, so worker
threads may share them. Catching Pillow's warnings would need global state; the checks before it refuse what it would warn about.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.images import containers, metadata

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PIL import Image

    from bench.images.containers import Container

MAX_BYTES = 64 * 2**20
MAX_PIXELS = 64 * 2**20
VERSION = 1
"""Of ``seen``. Runs keep it (``decoding`` in run.json): what an older version scored and ``seen_as_before`` denies is scored again."""
_ENDINGS = {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp"}
_CODED = {"1", "L", "P", "RGB"}
"""Modes whose pixels are shown as they are coded, where nothing is transparent."""
_MODES = {*_CODED, "LA", "La", "PA", "RGBA", "RGBa", "CMYK", "YCbCr", "I;16", "I;16B", "I;16L", "I;16N"}
_WHITE_IS_ZERO, _BITS = 262, 258  # TIFF 6.0, section 3


@dataclass(frozen=True)
class Picture:
    """A whole, plain picture.

    Attributes:
        format: "PNG", "JPEG" or "WEBP"; of imports "AVIF", "GIF", "BMP" or "TIFF" too.
        width, height: pixels as seen: upright.
        metadata: JSON values, about 5 KB at most: ``exif`` and ``text`` (tags by name, long values cut; ``left_out`` counts
            those without room), ``c2pa`` (size and SHA-256 of the manifest, which is not verified), ``xmp`` (size), ``icc``
            (the profile's name), ``trailing_bytes``; absent keys mean that the file has none. The GPS position is never kept:
            ``gps`` says that there was one. Of GIF, BMP and TIFF nothing is read.
    """

    format: str
    width: int
    height: int
    metadata: Mapping[str, Any]


@dataclass(frozen=True)
class Thumbnail:
    """A picture to show: without EXIF, XMP, text, comments, profile or manifest.

    Attributes:
        data: the file.
        ending: ".png", ".jpg" or ".webp".
        width, height: of the original picture when upright, pixels.
    """

    data: bytes
    ending: str
    width: int
    height: int

    @property
    def media_type(self) -> str:
        """The MIME type."""
        return {".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp"}[self.ending]


def inspect(data: bytes, *, others: bool = False) -> Picture:
    """Check a picture's size, decode all of it, and read its metadata.

    Args:
        data: the file.
        others: take still AVIF, GIF, BMP and TIFF as well, and the first picture of a camera's several; no server has a reason to
            send them.

    Raises:
        ValueError: empty, of no such format (content counts, not names), above ``MAX_BYTES`` or ``MAX_PIXELS``, cut off, damaged,
            animated, or of pixels that have no black and white; the message says which.
    """
    parts, image = _opened(data, others=others)
    picture = _as_seen(parts, image)
    return Picture(parts.format, picture.width, picture.height, metadata.read(parts))


def seen(data: bytes) -> Image.Image:
    """A picture file as a viewer shows it: RGB of 8 bits, upright, on white.

    EXIF orientation is applied; what is transparent shows white. Of 16 bits the upper 8 count. CMYK becomes RGB by
    (1 - C)(1 - K), and palettes their colours. A colour profile is left aside: the numbers count as sRGB.

    Raises:
        ValueError: as ``inspect``, for all formats.
    """
    return _as_seen(*_opened(data))


def seen_as_before(data: bytes) -> bool:
    """Whether scores from before ``seen`` are of the same pixels: as coded, in Pillow's "RGB". What is damaged had no scores."""
    try:
        parts, image = _opened(data)
        if _as_coded(parts, image):
            return True
        before, after = image.convert("RGB"), _as_seen(parts, image)
    except (OSError, ValueError):
        return True
    return before.size == after.size and before.tobytes() == after.tobytes()


def thumbnail(data: bytes, edge: int) -> Thumbnail:
    """A stored picture made ready to be shown as ``seen`` sees it, without metadata.

    A picture whose longer side is at most ``edge`` pixels keeps its coded pixels where a browser shows them so, and becomes a
    PNG otherwise. A larger one becomes a WebP of quality 88.

    Raises:
        ValueError: as ``seen``.
    """
    from PIL import Image  # noqa: PLC0415 - slow import

    parts, image = _opened(data)
    small = max(image.size) <= edge
    if small and parts.format in _ENDINGS and _as_coded(parts, image):
        return Thumbnail(parts.without_metadata, _ENDINGS[parts.format], parts.width, parts.height)
    shown = _as_seen(parts, image)
    width, height = shown.size
    shown.thumbnail((edge, edge), Image.Resampling.LANCZOS)
    shown.info.clear()
    encoded = io.BytesIO()
    if small:
        shown.save(encoded, "PNG")
    else:
        shown.save(encoded, "WEBP", quality=88)
    return Thumbnail(encoded.getvalue(), ".png" if small else ".webp", width, height)


def _opened(data: bytes, *, others: bool = True) -> tuple[Container, Image.Image]:
    """A file's parts and its picture, of which the headers are read. Raises ValueError for what ``inspect`` refuses of them."""
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415 - slow import

    if len(data) > MAX_BYTES:
        raise ValueError(f"the file is larger than {MAX_BYTES >> 20} MiB")
    parts = containers.parse_container(data, others=others)
    if parts.several and not others:
        raise ValueError("the file holds several pictures")
    _check_pixels(parts.width, parts.height)
    try:
        image = Image.open(io.BytesIO(parts.without_metadata), formats=[parts.format])
        frames = getattr(image, "n_frames", 1)
    except UnidentifiedImageError:
        lacking = ", or this Pillow reads no AVIF" if parts.format == "AVIF" else ""
        raise ValueError(f"the file is damaged{lacking}: no {parts.format} decoder takes it") from None
    except Exception as error:  # noqa: BLE001 - a decoder may raise anything on untrusted bytes
        raise _damaged(error) from None
    if parts.width and image.size != (parts.width, parts.height):
        raise ValueError("the file is damaged: its headers differ on its size")
    _check_pixels(*image.size)
    if frames > 1:
        raise ValueError("the file holds several pictures" if parts.format == "TIFF" else "the file is animated")
    tags = getattr(image, "tag_v2", {})  # of a TIFF
    odd = image.mode.startswith("I;16") and (tags.get(_WHITE_IS_ZERO, 1) != 1 or tags.get(_BITS, (16,)) != (16,))
    if odd or image.mode not in _MODES:
        raise ValueError(f"the file's pixels ({image.mode}) have no black and white that viewers agree on; save it as PNG")
    if parts.format == "AVIF":
        parts.exif, parts.icc = bytearray(image.info.get("exif", b"")), image.info.get("icc_profile", b"")
    return parts, image


def _check_pixels(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ValueError(f"the file has {width} x {height} pixels, more than {MAX_PIXELS}")


def _as_coded(parts: Container, image: Image.Image) -> bool:
    """Whether the pixels are shown as they are coded."""
    return image.mode in _CODED and not image.has_transparency_data and metadata.orientation(parts.exif) == 1


def _as_seen(parts: Container, image: Image.Image) -> Image.Image:
    """Decode the picture that ``_opened`` gave. Raises ValueError unless every pixel is there."""
    try:
        image.load()
        if image.mode.startswith("I;16"):
            image = _upper_bits(image)
        elif parts.depth:
            _scale_transparency(image, parts.depth)
        if image.has_transparency_data:
            image = _on_white(image)
        image = image.convert("RGB")
        return _upright(image, metadata.orientation(parts.exif))
    except Exception as error:  # noqa: BLE001 - a decoder may raise anything on untrusted bytes
        raise _damaged(error) from None


def _upper_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 bits as 8, with the level that is transparent as alpha."""
    import numpy as np  # noqa: PLC0415 - slow import
    from PIL import Image  # noqa: PLC0415 - slow import

    levels = np.asarray(image).astype(np.uint16)
    grey = Image.fromarray((levels >> 8).astype(np.uint8))
    if "transparency" in image.info:
        grey.putalpha(Image.fromarray(np.where(levels == image.info["transparency"], 0, 255).astype(np.uint8)))
    return grey


def _scale_transparency(image: Image.Image, depth: int) -> None:
    """A PNG states its transparent colour in samples as stored, of ``depth`` bits; Pillow has scaled the pixels to 8."""
    colour = image.info.get("transparency")
    if image.mode == "P" or colour is None:
        return

    def scaled(sample: int) -> int:
        return sample >> 8 if depth == 16 else sample * 255 // (2**depth - 1)

    image.info["transparency"] = tuple(map(scaled, colour)) if isinstance(colour, tuple) else scaled(colour)


def _on_white(image: Image.Image) -> Image.Image:
    from PIL import Image  # noqa: PLC0415 - slow import

    straight = image.convert("LA") if image.mode == "La" else image
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), straight.convert("RGBA"))


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    from PIL.Image import Transpose  # noqa: PLC0415 - slow import

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return image.transpose(turns[orientation]) if orientation in turns else image


def _damaged(error: Exception) -> ValueError:
    return ValueError(f"the file is damaged: {metadata.one_line(str(error)) or type(error).__name__}")
