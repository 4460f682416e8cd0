"""PNG, JPEG and WebP as sequences of parts: those that show the picture, and those that only speak about it.

Nothing is decompressed here but PNG text and colour profiles, to at most 1 MiB each and 16 MiB in all. Sources: PNG third edition; ITU-T
T.81 annex B; RFC 9649 (WebP); ISO 19566-5 (JUMBF in JPEG); C2PA 2.1 annex A.3 (where its manifests lie).
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass, field
from typing import Literal

_PNG, _JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
_MOST_PARTS, _MOST_SCANS = 1 << 16, 100
_MOST_UNPACKED, _MOST_UNPACKED_IN_ALL = 1 << 20, 16 << 20
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_FRAME_HEADERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_OTHERS = ((b"GIF8", "a GIF"), (b"II*\0", "a TIFF"), (b"MM\0*", "a TIFF"), (b"BM", "a BMP"), (b"<", "HTML, SVG or XML"), (b"{", "JSON"))
_CUT = "the file is cut off before its end"


@dataclass
class Container:
    """What a picture file is made of.

    Attributes:
        width, height: pixels as stored, from the header.
        shown: the parts without which there would be no picture, in order.
        exif: a TIFF structure, perhaps with "Exif" before it.
        xmp: bytes of XMP.
        icc: the colour profile.
        c2pa: the manifest store (JUMBF).
        text: PNG's keyword and text, JPEG's comments.
        trailing: bytes after the picture's end.
        unpacked: bytes that compressed text and profiles came to.
        exif_segments: where a JPEG has EXIF or an index of pictures, which Pillow reads on opening, and warns when they are damaged.
    """

    format: Literal["PNG", "JPEG", "WEBP"]
    width: int = 0
    height: int = 0
    shown: list[bytes | memoryview] = field(default_factory=list)
    exif: bytearray = field(default_factory=bytearray)
    xmp: int = 0
    icc: bytes = b""
    c2pa: bytearray = field(default_factory=bytearray)
    text: list[tuple[str, str]] = field(default_factory=list)
    trailing: int = 0
    unpacked: int = 0
    exif_segments: list[slice] = field(default_factory=list)

    @property
    def without_metadata(self) -> bytes:
        """The file without anything that does not show: the same pixels, bit for bit."""
        return b"".join(self.shown)

    def without_exif(self, data: bytes) -> bytes:
        """``data``, which this was made from, without its noisy parts."""
        starts = [0, *(part.stop for part in self.exif_segments)]
        ends = [*(part.start for part in self.exif_segments), len(data)]
        return b"".join(map(memoryview(data).__getitem__, map(slice, starts, ends)))

    def set_size(self, width: int, height: int) -> None:
        """Take a header's word on the size; headers that differ are refused."""
        if not width or not height or self.width not in {0, width} or self.height not in {0, height}:
            raise ValueError("the file is damaged: its headers give no size, or several")
        self.width, self.height = width, height


def parse(data: bytes) -> Container:
    """Take a picture apart, whatever its name or its sender says it is.

    Raises:
        ValueError: no PNG, JPEG or WebP, cut off, damaged, animated, or made of implausibly many parts; says which.
    """
    if data.startswith(_PNG):
        return _png(data)
    if data.startswith(_JPEG):
        return _jpeg(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _webp(data)
    if not data:
        raise ValueError("the file is empty")
    start = data[:64].lstrip(b"\xef\xbb\xbf \t\r\n")
    other = next((f": it looks like {name}" for magic, name in _OTHERS if start.startswith(magic)), "")
    raise ValueError(f"the file is no PNG, JPEG or WebP{other}")


def _png(data: bytes) -> Container:
    found, view, place = Container("PNG", shown=[_PNG]), memoryview(data), len(_PNG)
    for _ in range(_MOST_PARTS):
        if place + 12 > len(data):
            raise ValueError(_CUT)
        length, kind = struct.unpack_from(">I4s", data, place)
        end = place + 12 + length
        if end > len(data):
            raise ValueError(_CUT)
        if zlib.crc32(view[place + 4 : end - 4]) != int.from_bytes(view[end - 4 : end]):
            raise ValueError("the file is damaged: a checksum is wrong")
        if (kind == b"IHDR") != (place == len(_PNG)):
            raise ValueError("the file is damaged: its header is not where it belongs")
        if kind in {b"acTL", b"fcTL", b"fdAT"}:
            raise ValueError("the file is animated")
        if kind in {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}:
            found.shown.append(view[place:end])
        else:
            _png_extra(found, kind, data[place + 8 : end - 4])
        if kind == b"IHDR":
            found.set_size(*struct.unpack_from(">II", data, place + 8) if length == 13 else (0, 0))
        place = end
        if kind == b"IEND":
            found.trailing = len(data) - end
            return found
    raise ValueError("the file is made of implausibly many parts")


def _png_extra(found: Container, kind: bytes, body: bytes) -> None:
    if kind == b"eXIf":
        found.exif = bytearray(body)
    elif kind == b"caBX":
        found.c2pa += body
    elif kind == b"iCCP":
        found.icc = _unpacked(found, body.partition(b"\0")[2][1:])
    elif kind in {b"tEXt", b"zTXt", b"iTXt"}:
        keyword, _, rest = body.partition(b"\0")
        if kind == b"zTXt":
            rest = _unpacked(found, rest[1:])
        elif kind == b"iTXt":
            packed = rest[:1] == b"\1"
            rest = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
            rest = _unpacked(found, rest) if packed else rest
        if keyword == b"XML:com.adobe.xmp":
            found.xmp += len(rest)
        else:
            found.text.append((keyword.decode("latin-1"), rest.decode("utf-8" if kind == b"iTXt" else "latin-1", "replace")))


def _unpacked(found: Container, packed: bytes) -> bytes:
    """Decompressed text or profile; too much of it is a bomb, what is no zlib stream is nothing."""
    unpacker = zlib.decompressobj()
    try:
        data = unpacker.decompress(packed, _MOST_UNPACKED)
    except zlib.error:
        return b""
    found.unpacked += len(data)
    if unpacker.unconsumed_tail or found.unpacked > _MOST_UNPACKED_IN_ALL:
        raise ValueError("the file's text or colour profile unpacks to implausibly much")
    return data


def _jpeg(data: bytes) -> Container:
    found, view, place = Container("JPEG", shown=[b"\xff\xd8"]), memoryview(data), 2
    extras: list[tuple[int, slice]] = []
    scans = 0
    for _ in range(_MOST_PARTS):
        place = _next_marker(data, place)
        marker = data[place + 1]
        if marker == 0xD9:
            found.shown.append(b"\xff\xd9")
            found.trailing = len(data) - place - 2
            _jpeg_extras(found, data, extras)
            found.set_size(found.width, found.height)
            return found
        length = 0 if marker in {0x01, 0xD8} else int.from_bytes(view[place + 2 : place + 4])
        end = place + 2 + length
        if end > len(data):
            raise ValueError(_CUT)
        body = view[place + 4 : end]
        if marker in _FRAME_HEADERS:
            if found.width:
                raise ValueError("the file is damaged: it has two frame headers")
            found.set_size(int.from_bytes(body[3:5]), int.from_bytes(body[1:3]))
        if marker == 0xDA:
            scans += 1
            end = _next_marker(data, end)
        colours = (marker, length) in {(0xE0, 16), (0xEE, 14)}  # JFIF and Adobe say how they are coded
        if marker == 0xFE or (0xE0 <= marker <= 0xEF and not colours):
            extras.append((marker, slice(place, end)))
        elif length:
            found.shown.append(view[place:end])
        place = end
        if scans > _MOST_SCANS:
            break
    raise ValueError("the file is made of implausibly many parts")


def _next_marker(data: bytes, place: int) -> int:
    found = _MARKER.search(data, place)
    if found is None:
        raise ValueError(_CUT)
    return found.start()


def _jpeg_extras(found: Container, data: bytes, extras: list[tuple[int, slice]]) -> None:
    """Metadata of the APPn and comment segments; EXIF, profiles and manifests may span several."""
    profile: list[bytes] = []
    boxes: dict[bytes, list[tuple[int, bytes]]] = {}
    several = high_range = False
    for marker, place in extras:
        body = data[place][4:]
        if marker == 0xFE:
            found.text.append(("Comment", body.decode("utf-8", "replace")))
        elif marker == 0xE1 and body.startswith(b"Exif\0"):
            found.exif += body[6:] if found.exif else body
            found.exif_segments.append(place)
        elif marker == 0xE1 and body.startswith(b"http://ns.adobe.com/"):
            found.xmp += len(body.partition(b"\0")[2])
            high_range |= b"hdrgm:Version" in body
        elif marker == 0xE2 and body.startswith(b"ICC_PROFILE\0"):
            profile.append(body[12:])
        elif marker == 0xE2 and body.startswith(b"MPF\0"):
            several = True
            found.exif_segments.append(place)
        elif marker == 0xEB and body.startswith(b"JP") and len(body) >= 16:
            boxes.setdefault(body[2:4], []).append((int.from_bytes(body[4:8]), body[8:]))
    if several and not high_range:
        raise ValueError("the file holds several pictures")
    found.icc = b"".join(part[2:] for part in sorted(profile))
    found.c2pa += b"".join(box for box in map(_joined, boxes.values()) if box[4:8] == b"jumb" and box[16:20] == b"c2pa")


def _joined(parts: list[tuple[int, bytes]]) -> bytes:
    """A JUMBF box from its numbered pieces, each of which repeats the box's header of 8 bytes."""
    parts.sort()
    return parts[0][1] + b"".join(body[8:] for _, body in parts[1:])


def _webp(data: bytes) -> Container:
    found, place = Container("WEBP"), 12
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data):
        raise ValueError(_CUT)
    for _ in range(_MOST_PARTS):
        if place + 8 > end:
            found.set_size(found.width, found.height)
            size = 4 + sum(map(len, found.shown))
            found.shown.insert(0, b"RIFF" + size.to_bytes(4, "little") + b"WEBP")
            found.trailing = len(data) - end
            return found
        kind, length = struct.unpack_from("<4sI", data, place)
        after = place + 8 + length
        if after > end:
            raise ValueError(_CUT)
        _webp_part(found, kind, data[place + 8 : after])
        place = after + length % 2
    raise ValueError("the file is made of implausibly many parts")


def _webp_part(found: Container, kind: bytes, body: bytes) -> None:
    if kind in {b"ANIM", b"ANMF"}:
        raise ValueError("the file is animated")
    if kind == b"VP8X":
        found.set_size(*(1 + int.from_bytes(body[i : i + 3], "little") for i in (4, 7)))
        body = bytes([body[0] & 0x10]) + body[1:]  # of the flags, only: there is transparency
    elif kind == b"VP8 ":
        found.set_size(*(int.from_bytes(body[i : i + 2], "little") & 0x3FFF for i in (6, 8)))
    elif kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        found.set_size((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if kind in {b"VP8X", b"VP8 ", b"VP8L", b"ALPH"}:
        found.shown.append(kind + len(body).to_bytes(4, "little") + body + b"\0" * (len(body) % 2))
    elif kind == b"EXIF":
        found.exif = bytearray(body)
    elif kind == b"XMP ":
        found.xmp += len(body)
    elif kind == b"ICCP":
        found.icc = body
    elif kind == b"C2PA":
        found.c2pa += body
