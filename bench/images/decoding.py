"""Pictures from strangers: is it one, what does it say about itself, and how can it be shown without that.

Works on bytes alone and keeps no state, so worker threads may share it. Pillow's warnings would need global state to
catch; the checks that come before it leave it nothing to warn about.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bench.images import containers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from PIL import Image

    from bench.images.containers import Container

MOST_BYTES = 64 * 2**20
MOST_PIXELS = 64 * 2**20
_MOST_CHARACTERS, _MOST_KEPT = 300, 2048
_ORIENTATION, _EXIF_IFD, _GPS_IFD, _MAKER_NOTE = 0x0112, 0x8769, 0x8825, 0x927C
_NUMBERS = {1: "B", 3: "H", 4: "I", 5: "II", 6: "b", 8: "h", 9: "i", 10: "ii", 11: "f", 12: "d"}
_TEXTS = {2, 7, 129}
_WINDOWS = range(0x9C9B, 0x9CA0)
"""Windows' title, comment, author, keywords and subject: text of another type."""
_MOST_NUMBERS, _MOST_READ = 8, 1024


@dataclass(frozen=True)
class Picture:
    """A whole, plain picture.

    Attributes:
        format: "PNG", "JPEG" or "WEBP".
        width, height: pixels as stored; an EXIF orientation is not applied.
        metadata: at most about 5 KB, JSON; only what is there: ``exif`` and ``text`` (tags by name, long values cut,
            ``left_out`` counts those there was no room for), ``c2pa`` (size and SHA-256 of the manifest, which is not
            verified), ``xmp`` (size), ``icc`` (the profile's name), ``trailing_bytes``. Where a picture was taken is never
            kept; ``gps`` says that it was there.
    """

    format: str
    width: int
    height: int
    metadata: Mapping[str, Any]


@dataclass(frozen=True)
class Thumbnail:
    """A picture to show: no EXIF, XMP, text, comment, profile or manifest in it.

    Attributes:
        ending: ".png", ".jpg" or ".webp".
        width, height: of the picture it stands for, upright.
    """

    data: bytes
    ending: str
    width: int
    height: int

    @property
    def media_type(self) -> str:
        """What browsers call its format."""
        return {".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp"}[self.ending]


def inspect(data: bytes) -> Picture:
    """Decode a picture wholly, after its size was checked, and gather what it says about itself.

    Raises:
        ValueError: empty, no PNG, JPEG or WebP (content counts, not names), above ``MOST_BYTES`` or ``MOST_PIXELS``, cut
            off, damaged, animated, or with text or a profile that unpacks to more than a mebibyte; the message says which.
    """
    if len(data) > MOST_BYTES:
        raise ValueError(f"the file is larger than {MOST_BYTES >> 20} MiB")
    parts = containers.parse(data)
    if parts.width * parts.height > MOST_PIXELS:
        raise ValueError(f"the file has {parts.width} x {parts.height} pixels, more than {MOST_PIXELS}")
    _decode(parts, data)
    return Picture(parts.format, parts.width, parts.height, _metadata(parts))


def thumbnail(data: bytes, edge: int) -> Thumbnail:
    """A stored picture made ready to be shown, upright and without metadata.

    Up to ``edge`` pixels it is the picture itself: its pixels are not coded anew unless it has to be turned. A larger one
    becomes a WebP of quality 88.

    Raises:
        OSError: it cannot be read.
    """
    from PIL import Image  # noqa: PLC0415 - slow import

    try:
        parts = containers.parse(data)
    except ValueError:  # stored before pictures were inspected
        parts = None
    turn = _orientation(parts.exif) if parts else 1
    small = parts is not None and max(parts.width, parts.height) <= edge
    if parts and small and turn == 1:
        return Thumbnail(parts.without_metadata, {"PNG": ".png", "JPEG": ".jpg", "WEBP": ".webp"}[parts.format], parts.width, parts.height)
    with Image.open(io.BytesIO(parts.without_metadata if parts else data)) as image:
        width, height = image.size[::-1] if turn >= 5 else image.size
        small = max(image.size) <= edge
        image.thumbnail((edge, edge), Image.Resampling.LANCZOS)
        shown = _upright(image.convert("RGBA" if small and image.has_transparency_data else "RGB"), turn)
    shown.info.clear()
    made = io.BytesIO()
    if small:
        shown.save(made, "PNG")
    else:
        shown.save(made, "WEBP", quality=88)
    return Thumbnail(made.getvalue(), ".png" if small else ".webp", width, height)


def _decode(parts: Container, data: bytes) -> None:
    """Raise ValueError unless every pixel is there."""
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415 - slow import

    try:
        with Image.open(io.BytesIO(parts.without_exif(data)), formats=[parts.format]) as image:
            if agreed := image.size == (parts.width, parts.height):
                image.load()
    except UnidentifiedImageError:
        raise ValueError(f"the file is damaged: no {parts.format} decoder takes it") from None
    except Exception as error:  # noqa: BLE001 - whatever a stranger's bytes make a decoder raise
        raise ValueError(f"the file is damaged: {_line(str(error)) or type(error).__name__}") from None
    if not agreed:
        raise ValueError("the file is damaged: its headers differ on its size")


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


def _metadata(parts: Container) -> dict[str, Any]:
    from PIL.ExifTags import TAGS  # noqa: PLC0415 - slow import

    told: dict[str, Any] = {}
    tags = dict(_exif(parts.exif))
    texts = [(k, f"{len(v)} characters" if k.startswith("Raw profile type") else v) for k, v in parts.text if "gps" not in k.lower()]
    if _GPS_IFD in tags or len(texts) < len(parts.text):
        told["gps"] = "left out"
    named = ((TAGS.get(tag, f"0x{tag:04X}"), value) for tag, value in tags.items() if tag not in {_EXIF_IFD, _GPS_IFD, _MAKER_NOTE})
    for name, pairs in (("exif", named), ("text", iter(texts))):
        kept, left_out = _fitted(pairs)
        if kept:
            told[name] = kept
        if left_out:
            told["left_out"] = told.get("left_out", 0) + left_out
    if parts.c2pa:
        told["c2pa"] = {"bytes": len(parts.c2pa), "sha256": hashlib.sha256(parts.c2pa).hexdigest()}
    if parts.xmp:
        told["xmp"] = {"bytes": parts.xmp}
    if parts.icc:
        told["icc"] = _line(_profile_name(parts.icc)) or "unnamed"
    if parts.trailing:
        told["trailing_bytes"] = parts.trailing
    return told


def _fitted(pairs: Iterable[tuple[str, Any]]) -> tuple[dict[str, Any], int]:
    """As many as ``_MOST_KEPT`` characters of JSON hold, and how many were left out."""
    kept: dict[str, Any] = {}
    room, left_out = _MOST_KEPT, 0
    for name, value in pairs:
        short = _line(value) if isinstance(value, str) else value
        need = len(json.dumps([_line(name), short]))
        if need > room:
            left_out += 1
            continue
        room -= need
        kept[_line(name)] = short
    return kept, left_out


def _line(text: str) -> str:
    """``text`` on one line, printable, cut after 300 characters."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * _MOST_CHARACTERS]).split())
    return plain if len(plain) <= _MOST_CHARACTERS else plain[: _MOST_CHARACTERS - 1] + "…"


def _orientation(exif: bytearray) -> int:
    """1 (upright) to 8."""
    found = dict(_exif(exif)).get(_ORIENTATION, 1)
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _exif(exif: bytearray) -> Iterator[tuple[int, Any]]:
    """Tags of the picture and of its shot (Exif 3.0, 4.6); what is damaged is passed over. Never follows the GPS tags."""
    data = bytes(exif).removeprefix(b"Exif").lstrip(b"\0")
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(data[:4])
    if order is None or len(data) < 8:
        return
    tags = dict(_directory(data, struct.unpack_from(f"{order}I", data, 4)[0], order))
    yield from tags.items()
    if isinstance(shot := tags.get(_EXIF_IFD), int):
        yield from _directory(data, shot, order)


def _directory(data: bytes, start: int, order: str) -> Iterator[tuple[int, Any]]:
    if start + 2 > len(data):
        return
    (entries,) = struct.unpack_from(f"{order}H", data, start)
    for at in range(start + 2, min(start + 2 + 12 * entries, len(data) - 11), 12):
        tag, kind, count = struct.unpack_from(f"{order}HHI", data, at)
        each = 1 if kind in _TEXTS else struct.calcsize(f"={_NUMBERS.get(kind, '')}")
        if not each or not count:
            continue
        size = each * count
        place = at + 8 if size <= 4 else struct.unpack_from(f"{order}I", data, at + 8)[0]
        if place + size > len(data):
            continue
        raw = data[place : place + min(size, _MOST_READ)]
        if kind in _TEXTS or tag in _WINDOWS:
            yield tag, _line(_text(raw, order, tag)) or f"{size} bytes"
        else:
            yield tag, _numbers(raw, order + _NUMBERS[kind])


def _text(raw: bytes, order: str, tag: int) -> str:
    """What it says, "" where it is no text."""
    if tag in _WINDOWS:
        return raw.decode("utf-16-le", "replace")
    if raw.startswith(b"UNICODE\0"):
        return raw[8:].decode(f"utf-16-{'le' if order == '<' else 'be'}", "replace")
    text = raw.removeprefix(b"ASCII\0\0\0").rstrip(b"\0")
    return "" if b"\0" in text else text.decode("utf-8", "replace")


def _numbers(raw: bytes, code: str) -> Any:  # noqa: ANN401 - JSON
    """A number, or up to eight of them; None for what is none, such as 1/0."""
    found = list(struct.iter_unpack(code, raw[: _MOST_NUMBERS * struct.calcsize(code)]))
    values = [n[0] if len(n) == 1 else n[0] / n[1] if n[1] else math.nan for n in found]
    kept = [v if math.isfinite(v) else None for v in values]
    return kept[0] if len(kept) == 1 else kept


def _profile_name(profile: bytes) -> str:
    """The description inside an ICC profile (ICC.1:2022, 7.3 and 10.15), "" without one."""
    for at in range(132, min(132 + 12 * min(int.from_bytes(profile[128:132]), 100), len(profile) - 11), 12):
        name, place, length = struct.unpack_from(">4sII", profile, at)
        if name == b"desc":
            told = profile[place : place + length]
            if told.startswith(b"mluc"):
                size, start = int.from_bytes(told[20:24]), int.from_bytes(told[24:28])
                return told[start : start + size].decode("utf-16-be", "replace")
            return told[12 : 12 + int.from_bytes(told[8:12])].decode("latin-1")
    return ""
