"""PNG, JPEG and WebP files as sequences of parts: those that hold the picture, and those that hold metadata.

Only PNG text and colour profiles are decompressed here, to at most 1 MiB each and 16 MiB in all; longer text is left out.
Sources: PNG, third edition; ITU-T T.81 annex B (JPEG); RFC 9649 (WebP); ISO 19566-5 (JUMBF in JPEG);
C2PA 2.1 annex A.3 (places of manifests).
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass, field
from typing import Literal

_WholeFormat = Literal["AVIF", "GIF", "BMP", "TIFF"]
_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_MAX_PARTS, _MAX_SCANS = 1 << 16, 100
_MAX_UNPACKED, _MAX_UNPACKED_TOTAL = 1 << 20, 16 << 20
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_FRAME_HEADERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_OTHERS: tuple[tuple[bytes, _WholeFormat], ...] = ((b"GIF8", "GIF"), (b"II*\0", "TIFF"), (b"MM\0*", "TIFF"), (b"BM", "BMP"))
_NO_PICTURES = ((b"<", "HTML, SVG or XML"), (b"{", "JSON"))
_CUT_OFF = "the file is cut off before its end"


@dataclass
class Container:
    """The parts of a picture file.

    Attributes:
        format: by content.
        width, height: pixels as stored, from the headers; 0 where they were not read.
        depth: bits a sample of a PNG.
        shown: the parts that the picture is decoded from, in order.
        exif: a TIFF structure, perhaps after the word "Exif".
        xmp: number of bytes of XMP.
        icc: the colour profile.
        c2pa: the manifest store (JUMBF).
        text: (keyword, text) of PNG text; ("Comment", text) of JPEG comments.
        trailing: number of bytes after the picture's end.
        unpacked: number of bytes that compressed text and profiles were decompressed to.
        several: a JPEG with further pictures behind the first, which viewers show.
        left_out: number of texts that unpack to more than there is room for.
    """

    format: Literal["PNG", "JPEG", "WEBP"] | _WholeFormat
    width: int = 0
    height: int = 0
    depth: int = 0
    shown: list[bytes | memoryview] = field(default_factory=list)
    exif: bytearray = field(default_factory=bytearray)
    xmp: int = 0
    icc: bytes = b""
    c2pa: bytearray = field(default_factory=bytearray)
    text: list[tuple[str, str]] = field(default_factory=list)
    trailing: int = 0
    unpacked: int = 0
    several: bool = False
    left_out: int = 0

    @property
    def without_metadata(self) -> bytes:
        """The file without metadata: the same pixels, bit for bit."""
        return b"".join(self.shown)

    def set_size(self, width: int, height: int) -> None:
        """Set the size that a header states.

        Raises:
            ValueError: a side of 0, or another size than an earlier header's.
        """
        if not width or not height or self.width not in {0, width} or self.height not in {0, height}:
            raise ValueError("the file is damaged: its headers give no size, or several")
        self.width, self.height = width, height


def parse_container(data: bytes, *, others: bool = False) -> Container:
    """Split a picture file into its parts; its content decides the format.

    Args:
        data: the file.
        others: take AVIF, GIF, BMP and TIFF too, each as one part that is not looked into.

    Raises:
        ValueError: of no such format, cut off, damaged, animated, or of more than 65,536 parts; the message says which.
    """
    if data.startswith(_PNG):
        return _png(data)
    if data.startswith(_JPEG):
        return _jpeg(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data)
    if not data:
        raise ValueError("the file is empty")
    other = _other_format(data)
    if others and other:
        return Container(other, shown=[data])
    start = data[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    likely = f"a {other}" if other else next((name for magic, name in _NO_PICTURES if start.startswith(magic)), "")
    if not other and data[4:8] == b"ftyp":
        likely = "a HEIF or a film"
    raise ValueError(f"the file is no PNG, JPEG or WebP{f': it looks like {likely}' if likely else ''}")


def _other_format(data: bytes) -> _WholeFormat | None:
    if data[4:8] == b"ftyp" and (b"avif" in (brands := data[8 : min(int.from_bytes(data[:4]), 256)]) or b"avis" in brands):
        return "AVIF"
    return next((name for magic, name in _OTHERS if data.startswith(magic)), None)


def _png(data: bytes) -> Container:
    container, view, place = Container("PNG", shown=[_PNG]), memoryview(data), len(_PNG)
    for _ in range(_MAX_PARTS):
        if place + 12 > len(data):
            raise ValueError(_CUT_OFF)
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 12 + length
        if end > len(data):
            raise ValueError(_CUT_OFF)
        if zlib.crc32(view[place + 4 : end - 4]) != int.from_bytes(view[end - 4 : end]):
            raise ValueError("the file is damaged: a checksum is wrong")
        if (kind == b"IHDR") != (place == len(_PNG)):
            raise ValueError("the file is damaged: its header is not where it belongs")
        if kind in {b"acTL", b"fcTL", b"fdAT"}:
            raise ValueError("the file is animated")
        if kind in {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}:
            container.shown.append(view[place:end])
        else:
            _png_extra(container, kind, data[place + 8 : end - 4])
        if kind == b"IHDR":
            container.set_size(*struct.unpack_from(">II", data, place + 8) if length == 13 else (0, 0))
            container.depth = data[place + 16]
        place = end
        if kind == b"IEND":
            container.trailing = len(data) - end
            return container
    raise ValueError("the file is made of implausibly many parts")


def _png_extra(container: Container, kind: bytes, body: bytes) -> None:
    if kind == b"eXIf":
        container.exif = bytearray(body)
    elif kind == b"caBX":
        container.c2pa += body
    elif kind == b"iCCP":
        container.icc = _unpacked(container, body.partition(b"\0")[2][1:])[0]
    elif kind in {b"tEXt", b"zTXt", b"iTXt"}:
        keyword, _, rest = body.partition(b"\0")
        whole = True
        if kind == b"zTXt":
            rest, whole = _unpacked(container, rest[1:])
        elif kind == b"iTXt":
            packed = rest[:1] == b"\1"
            rest = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
            rest, whole = _unpacked(container, rest) if packed else (rest, True)
        if not whole:
            container.left_out += 1
        elif keyword == b"XML:com.adobe.xmp":
            container.xmp += len(rest)
        else:
            container.text.append((keyword.decode("latin-1"), rest.decode("utf-8" if kind == b"iTXt" else "latin-1", "replace")))


def _unpacked(container: Container, packed: bytes) -> tuple[bytes, bool]:
    """The beginning of a compressed text or profile, and whether that is all of it; b"" for what is no zlib stream."""
    room = min(_MAX_UNPACKED, _MAX_UNPACKED_TOTAL - container.unpacked)
    if room <= 0:
        return b"", False
    unpacker = zlib.decompressobj()
    try:
        data = unpacker.decompress(packed, room)
    except zlib.error:
        return b"", True
    container.unpacked += len(data)
    return data, not unpacker.unconsumed_tail


def _jpeg(data: bytes) -> Container:
    container, view, place = Container("JPEG", shown=[b"\xff\xd8"]), memoryview(data), 2
    extras: list[tuple[int, slice]] = []
    scans = 0
    for _ in range(_MAX_PARTS):
        place = _next_marker(data, place)
        marker = data[place + 1]
        if marker == 0xD9:
            container.shown.append(b"\xff\xd9")
            container.trailing = len(data) - place - 2
            _jpeg_extras(container, data, extras)
            container.set_size(container.width, container.height)
            return container
        length = 0 if marker in {0x01, 0xD8} else int.from_bytes(view[place + 2 : place + 4])
        end = place + 2 + length
        if end > len(data):
            raise ValueError(_CUT_OFF)
        body = view[place + 4 : end]
        if marker in _FRAME_HEADERS:
            if container.width:
                raise ValueError("the file is damaged: it has two frame headers")
            container.set_size(int.from_bytes(body[3:5]), int.from_bytes(body[1:3]))
        if marker == 0xDA:
            scans += 1
            end = _next_marker(data, end)
        colours = (marker, length) in {(0xE0, 16), (0xEE, 14)}  # JFIF and Adobe segments say how colours are coded
        if marker == 0xFE or (0xE0 <= marker <= 0xEF and not colours):
            extras.append((marker, slice(place, end)))
        elif length:
            container.shown.append(view[place:end])
        place = end
        if scans > _MAX_SCANS:
            break
    raise ValueError("the file is made of implausibly many parts")


def _next_marker(data: bytes, place: int) -> int:
    marker = _MARKER.search(data, place)
    if marker is None:
        raise ValueError(_CUT_OFF)
    return marker.start()


def _jpeg_extras(container: Container, data: bytes, extras: list[tuple[int, slice]]) -> None:
    """Read the metadata of APPn and comment segments; EXIF, profiles and manifests may span several segments."""
    profile: list[bytes] = []
    boxes: dict[bytes, list[tuple[int, bytes]]] = {}
    high_range = False
    for marker, place in extras:
        body = data[place][4:]
        if marker == 0xFE:
            container.text.append(("Comment", body.decode("utf-8", "replace")))
        elif marker == 0xE1 and body.startswith(b"Exif\0"):
            container.exif += body[6:] if container.exif else body
        elif marker == 0xE1 and body.startswith(b"http://ns.adobe.com/"):
            container.xmp += len(body.partition(b"\0")[2])
            high_range |= b"hdrgm:Version" in body
        elif marker == 0xE2 and body.startswith(b"ICC_PROFILE\0"):
            profile.append(body[12:])
        elif marker == 0xE2 and body.startswith(b"MPF\0"):
            container.several = True
        elif marker == 0xEB and body.startswith(b"JP") and len(body) >= 16:
            boxes.setdefault(body[2:4], []).append((int.from_bytes(body[4:8]), body[8:]))
    container.several &= not high_range
    container.icc = b"".join(part[2:] for part in sorted(profile))
    container.c2pa += b"".join(box for box in map(_joined, boxes.values()) if box[4:8] == b"jumb" and box[16:20] == b"c2pa")


def _joined(parts: list[tuple[int, bytes]]) -> bytes:
    """A JUMBF box from its numbered pieces, each of which begins with the box's header of 8 bytes."""
    parts.sort()
    return parts[0][1] + b"".join(body[8:] for _, body in parts[1:])


def _webp(data: bytes) -> Container:
    container, place = Container("WEBP"), 12
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data):
        raise ValueError(_CUT_OFF)
    for _ in range(_MAX_PARTS):
        if place + 8 > end:
            container.set_size(container.width, container.height)
            size = 4 + sum(map(len, container.shown))
            container.shown.insert(0, b"RIFF" + size.to_bytes(4, "little") + b"WEBP")
            container.trailing = len(data) - end
            return container
        kind, length = struct.unpack_from("<4sI", data, place)
        after = place + 8 + length
        if after > end:
            raise ValueError(_CUT_OFF)
        _webp_part(container, kind, data[place + 8 : after])
        place = after + length % 2
    raise ValueError("the file is made of implausibly many parts")


def _webp_part(container: Container, kind: bytes, body: bytes) -> None:
    if kind in {b"ANIM", b"ANMF"}:
        raise ValueError("the file is animated")
    if kind == b"VP8X":
        container.set_size(*(1 + int.from_bytes(body[i : i + 3], "little") for i in (4, 7)))
        body = bytes([body[0] & 0x10]) + body[1:]  # of the flags, only transparency
    elif kind == b"VP8 ":
        container.set_size(*(int.from_bytes(body[i : i + 2], "little") & 0x3FFF for i in (6, 8)))
    elif kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        container.set_size((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if kind in {b"VP8X", b"VP8 ", b"VP8L", b"ALPH"}:
        container.shown.append(kind + len(body).to_bytes(4, "little") + body + b"\0" * (len(body) % 2))
    elif kind == b"EXIF":
        container.exif = bytearray(body)
    elif kind == b"XMP ":
        container.xmp += len(body)
    elif kind == b"ICCP":
        container.icc = body
    elif kind == b"C2PA":
        container.c2pa += body
