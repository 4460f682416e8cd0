"""What a picture file says about itself: EXIF, text, profile, manifest. All of it is a stranger's word, so it is cut short."""

from __future__ import annotations

import hashlib
import json
import math
import struct
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from bench.images.containers import Container

_MAX_CHARACTERS, _MAX_METADATA = 300, 2048
_ORIENTATION, _EXIF_IFD, _GPS_IFD, _MAKER_NOTE = 0x0112, 0x8769, 0x8825, 0x927C
_NUMBERS = {1: "B", 3: "H", 4: "I", 5: "II", 6: "b", 8: "h", 9: "i", 10: "ii", 11: "f", 12: "d"}
_TEXTS = {2, 7, 129}
_WINDOWS = range(0x9C9B, 0x9CA0)
"""Windows' title, comment, author, keywords and subject: text of another type."""
_MAX_NUMBERS, _MAX_VALUE_BYTES = 8, 1024


def read(parts: Container) -> dict[str, Any]:
    """What a picture file says about itself; ``bench.images.decoding.Picture`` describes it."""
    from PIL.ExifTags import TAGS  # noqa: PLC0415 - slow import

    metadata: dict[str, Any] = {"left_out": parts.left_out} if parts.left_out else {}
    tags = dict(_exif(parts.exif))
    texts = [(k, f"{len(v)} characters" if k.startswith("Raw profile type") else v) for k, v in parts.text if "gps" not in k.lower()]
    if _GPS_IFD in tags or len(texts) < len(parts.text):
        metadata["gps"] = "left out"
    named = ((TAGS.get(tag, f"0x{tag:04X}"), value) for tag, value in tags.items() if tag not in {_EXIF_IFD, _GPS_IFD, _MAKER_NOTE})
    for name, pairs in (("exif", named), ("text", iter(texts))):
        kept, left_out = _fitted(pairs)
        if kept:
            metadata[name] = kept
        if left_out:
            metadata["left_out"] = metadata.get("left_out", 0) + left_out
    if parts.c2pa:
        metadata["c2pa"] = {"bytes": len(parts.c2pa), "sha256": hashlib.sha256(parts.c2pa).hexdigest()}
    if parts.xmp:
        metadata["xmp"] = {"bytes": parts.xmp}
    if parts.icc:
        metadata["icc"] = one_line(_profile_name(parts.icc)) or "unnamed"
    if parts.trailing:
        metadata["trailing_bytes"] = parts.trailing
    return metadata


def _fitted(pairs: Iterable[tuple[str, Any]]) -> tuple[dict[str, Any], int]:
    """The pairs that fit into ``_MAX_METADATA`` characters of JSON, and how many do not."""
    kept: dict[str, Any] = {}
    room, left_out = _MAX_METADATA, 0
    for name, value in pairs:
        short = one_line(value) if isinstance(value, str) else value
        need = len(json.dumps([one_line(name), short]))
        if need > room:
            left_out += 1
            continue
        room -= need
        kept[one_line(name)] = short
    return kept, left_out


def one_line(text: str) -> str:
    """``text`` on one line, printable, cut after 300 characters."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * _MAX_CHARACTERS]).split())
    return plain if len(plain) <= _MAX_CHARACTERS else plain[: _MAX_CHARACTERS - 1] + "…"


def orientation(exif: bytes | bytearray) -> int:
    """The EXIF orientation: 1 (upright) to 8."""
    value = dict(_exif(exif)).get(_ORIENTATION, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _exif(exif: bytes | bytearray) -> Iterator[tuple[int, Any]]:
    """Tags of the picture and of its exposure (Exif 3.0, 4.6); damaged ones are skipped, and the GPS tags are never read."""
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
        raw = data[place : place + min(size, _MAX_VALUE_BYTES)]
        if kind in _TEXTS or tag in _WINDOWS:
            yield tag, one_line(_text(raw, order, tag)) or f"{size} bytes"
        else:
            yield tag, _numbers(raw, order + _NUMBERS[kind])


def _text(raw: bytes, order: str, tag: int) -> str:
    """The text of a tag, "" where it is none."""
    if tag in _WINDOWS:
        return raw.decode("utf-16-le", "replace")
    if raw.startswith(b"UNICODE\0"):
        return raw[8:].decode(f"utf-16-{'le' if order == '<' else 'be'}", "replace")
    text = raw.removeprefix(b"ASCII\0\0\0").rstrip(b"\0")
    return "" if b"\0" in text else text.decode("utf-8", "replace")


def _numbers(raw: bytes, code: str) -> Any:  # noqa: ANN401 - JSON
    """A number, or a list of up to eight; None for what is no number, such as 1/0."""
    parts = list(struct.iter_unpack(code, raw[: _MAX_NUMBERS * struct.calcsize(code)]))
    values = [n[0] if len(n) == 1 else n[0] / n[1] if n[1] else math.nan for n in parts]
    kept = [v if math.isfinite(v) else None for v in values]
    return kept[0] if len(kept) == 1 else kept


def _profile_name(profile: bytes) -> str:
    """The description inside an ICC profile (ICC.1:2022, 7.3 and 10.15), "" without one."""
    for at in range(132, min(132 + 12 * min(int.from_bytes(profile[128:132]), 100), len(profile) - 11), 12):
        name, place, length = struct.unpack_from(">4sII", profile, at)
        if name == b"desc":
            tag = profile[place : place + length]
            if tag.startswith(b"mluc"):
                size, start = int.from_bytes(tag[20:24]), int.from_bytes(tag[24:28])
                return tag[start : start + size].decode("utf-16-be", "replace")
            return tag[12 : 12 + int.from_bytes(tag[8:12])].decode("latin-1")
    return ""
