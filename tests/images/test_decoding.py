"""Pictures from strangers: limits, damage, what they say about themselves, and showing them without it."""

from __future__ import annotations

import concurrent.futures
import hashlib
import io
import json
import struct
import zlib
from typing import TYPE_CHECKING, Any
from unittest.mock import ANY

import pytest
from PIL import Image, ImageChops, ImageCms, PngImagePlugin

from bench.images import containers, decoding
from bench.report import thumbnails

if TYPE_CHECKING:
    from pathlib import Path

FORMATS = ["PNG", "JPEG", "WEBP"]
XMP = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'>secret place</x:xmpmeta>"
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def drawn(width: int = 48, height: int = 32, mode: str = "RGB") -> Image.Image:
    """A gradient with a corner mark: every orientation of it differs."""
    image = Image.merge("RGB", [Image.linear_gradient("L").resize((width, height)).rotate(90 * i) for i in range(3)])
    image.paste((255, 0, 0), (0, 0, width // 4, height // 4))
    return image.convert(mode)


def coded(form: str, image: Image.Image | None = None, **options: Any) -> bytes:
    data = io.BytesIO()
    (image or drawn()).save(data, form, **options)
    return data.getvalue()


def exif() -> Image.Exif:
    tags = Image.Exif()
    tags[0x010F], tags[0x0131], tags[0x011A] = "Maker", "Generator 7\nx", 72.0
    tags[0x8769] = {0x9003: "2026:11:23 10:00:00", 0x829A: 0.008, 0xA002: 48, 0x927C: b"\0\1\2serial"}
    tags[0x8825] = {1: "N", 2: (51.0, 30.0, 12.5), 3: "W"}
    return tags


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def in_png(data: bytes, *chunks: bytes) -> bytes:
    """With chunks behind the header, which takes 33 bytes."""
    return data[:33] + b"".join(chunks) + data[33:]


def segment(marker: int, body: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


def in_jpeg(data: bytes, *segments: bytes) -> bytes:
    return data[:2] + b"".join(segments) + data[2:]


def in_webp(data: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    data += b"".join(kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2) for kind, body in chunks)
    return data[:4] + struct.pack("<I", len(data) - 8) + data[8:]


def manifest(payload: bytes = b"claims " * 20_000) -> bytes:
    """A JUMBF superbox as C2PA describes it."""
    kind = b"c2pa\x00\x11\x00\x10\x80\x00\x00\xaa\x00\x38\x9b\x71" + b"\x03c2pa\x00"
    inside = struct.pack(">I", len(kind) + 8) + b"jumd" + kind + payload
    return struct.pack(">I", len(inside) + 8) + b"jumb" + inside


def app11(box: bytes, number: int = 1) -> list[bytes]:
    """The box in as many segments as it takes, each with the box's header."""
    pieces = [box[8:][i : i + 60_000] for i in range(0, len(box) - 8, 60_000)]
    return [segment(0xEB, b"JP" + struct.pack(">HI", number, i) + box[:8] + piece) for i, piece in enumerate(pieces, 1)]


@pytest.mark.parametrize("form", FORMATS)
def test_a_plain_picture_is_told_by_its_content(form: str) -> None:
    found = decoding.inspect(coded(form))
    assert (found.format, found.width, found.height, dict(found.metadata)) == (form, 48, 32, {})


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("PNG", {}),
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("JPEG", {"restart_marker_blocks": 2}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"exif": exif()}),
    ],
)
def test_every_cut_is_noticed(form: str, options: dict[str, Any]) -> None:
    data = coded(form, **options)
    decoding.inspect(data)
    for kept in [*range(1, 40), *range(40, len(data) - 40, 29), *range(len(data) - 40, len(data))]:
        with pytest.raises(ValueError, match=r"^the file is (cut off|damaged|no PNG)"):
            decoding.inspect(data[:kept])


@pytest.mark.parametrize("form", FORMATS)
def test_damage_inside_is_noticed_or_harmless_and_never_anything_but_a_refusal(form: str) -> None:
    data, refused = coded(form, exif=exif()), 0
    for place in range(0, len(data), 7):
        broken = bytearray(data)
        broken[place] ^= 0xFF
        try:
            decoding.inspect(bytes(broken))
        except ValueError:
            refused += 1
    assert refused > 10
    if form == "PNG":
        assert refused == len(range(0, len(data), 7))


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "is empty"),
        (coded("GIF"), "a GIF"),
        (coded("TIFF"), "a TIFF"),
        (coded("BMP"), "a BMP"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "HTML, SVG or XML"),
        (b"\n <!doctype html><p>\x89PNG\r\n\x1a\n", "HTML, SVG or XML"),
        (b'{"error": "no picture"}', "JSON"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "no PNG, JPEG or WebP"),
        (b"GIF89a" + coded("PNG"), "a GIF"),
        (b"%PDF-1.7\n" + coded("JPEG"), "no PNG, JPEG or WebP"),
        (b"\x89PNG\r\n\x1a\n", "cut off"),
        (b"\xff\xd8\xff\xd9", "no size"),
        (b"RIFF\x04\0\0\0WEBP", "no size"),
    ],
)
def test_what_is_no_picture_is_refused_and_named(data: bytes, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        decoding.inspect(data)


def test_more_after_the_picture_is_counted_kept_and_not_shown() -> None:
    for form in FORMATS:
        data = coded(form) + b"PK\x03\x04 <script>"
        assert decoding.inspect(data).metadata == {"trailing_bytes": 13}
        assert decoding.thumbnail(data, 512).data == decoding.thumbnail(coded(form), 512).data


def test_size_limits_are_checked_before_anything_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    jpeg = bytearray(coded("JPEG"))
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = struct.pack(">HH", 65_000, 65_000)
    webp = in_webp(b"RIFF\0\0\0\0WEBP", (b"VP8L", b"\x2f\xff\xff\xff\x0f" + bytes(9)))
    canvas = bytearray(coded("WEBP", exif=exif()))
    canvas[24:30] = b"\xff\x3f\x00" * 2
    with monkeypatch.context() as patched:
        patched.setattr(Image, "open", lambda *_, **__: pytest.fail("decoded"))
        for data, told in [(bomb, "20000 x 20000"), (jpeg, "65000 x 65000"), (webp, "16384 x 16384"), (canvas, "or several")]:
            with pytest.raises(ValueError, match=told):
                decoding.inspect(bytes(data))
        with pytest.raises(ValueError, match="larger than 64 MiB"):
            decoding.inspect(bytes(decoding.MAX_BYTES + 1))


def test_headers_that_contradict_each_other_are_refused() -> None:
    small, data = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)), coded("PNG")
    with pytest.raises(ValueError, match="header is not where"):
        decoding.inspect(data[:8] + small + data[8:])
    jpeg = coded("JPEG")
    frame = jpeg[jpeg.index(b"\xff\xc0") :][:19]
    with pytest.raises(ValueError, match="two frame headers"):
        decoding.inspect(in_jpeg(jpeg, frame))


def test_bombs_in_text_and_profile_are_left_out_and_the_picture_is_read() -> None:
    bomb, plain = zlib.compress(bytes(3 << 20), 9), decoding.seen(coded("PNG")).tobytes()
    for kind, body, told in [
        (b"zTXt", b"k\0\0" + bomb, {"left_out": 1}),
        (b"iTXt", b"k\0\1\0\0\0" + bomb, {"left_out": 1}),
        (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + bomb, {"left_out": 1}),
        (b"iCCP", b"k\0\0" + bomb, {"icc": "unnamed"}),
        (b"iCCP", b"k\0\0" + zlib.compress(SRGB + bytes(3 << 20)), {"icc": "sRGB built-in"}),
    ]:
        data = in_png(coded("PNG"), chunk(kind, body))
        assert decoding.inspect(data).metadata == told
        assert decoding.seen(data).tobytes() == plain
        assert decoding.thumbnail(data, 512).data == coded("PNG")
    half = chunk(b"zTXt", b"k\0\0" + zlib.compress(b"a" * (1 << 19), 9))
    many = containers.parse_container(in_png(coded("PNG"), *[half] * 40))
    assert (many.left_out, many.unpacked) == (8, 16 << 20)


def test_implausibly_many_parts_or_scans_are_refused() -> None:
    with pytest.raises(ValueError, match="implausibly many parts"):
        decoding.inspect(in_png(coded("PNG"), chunk(b"tEXt", b"a\0b") * 70_000))
    with pytest.raises(ValueError, match="implausibly many parts"):
        decoding.inspect(in_webp(coded("WEBP"), *[(b"JUNK", b"")] * 70_000))
    data = coded("JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    with pytest.raises(ValueError, match="implausibly many parts"):
        decoding.inspect(data[:-2] + scan * 100 + data[-2:])


def test_moving_and_multiple_pictures_are_refused() -> None:
    frames = {"save_all": True, "append_images": [drawn().rotate(90)]}
    for form in ("PNG", "WEBP"):
        with pytest.raises(ValueError, match="is animated"):
            decoding.inspect(coded(form, **frames))
    with pytest.raises(ValueError, match="holds several pictures"):
        decoding.inspect(coded("MPO", **frames))
    assert decoding.inspect(coded("MPO", **frames), others=True).format == "JPEG", "a viewer shows the first"
    for form, told in {"GIF": "is animated", "AVIF": "is animated", "TIFF": "holds several pictures"}.items():
        with pytest.raises(ValueError, match=told):
            decoding.inspect(coded(form, save_all=True, append_images=[drawn().rotate(90)]), others=True)


@pytest.mark.parametrize("form", FORMATS)
def test_exif_xmp_and_profile_are_told_by_name_and_the_place_is_not(form: str) -> None:
    found = decoding.inspect(coded(form, exif=exif(), icc_profile=SRGB, **({"xmp": XMP} if form != "PNG" else {})))
    assert found.metadata["exif"] == {
        "Make": "Maker", "Software": "Generator 7 x", "XResolution": 72.0, "DateTimeOriginal": "2026:11:23 10:00:00",
        "ExposureTime": pytest.approx(0.008), "ExifImageWidth": 48,
    }  # fmt: skip
    assert found.metadata["gps"] == "left out"
    assert found.metadata["icc"] == "sRGB built-in"
    assert "30.0" not in json.dumps(dict(found.metadata))
    assert "secret place" not in json.dumps(dict(found.metadata))
    if form != "PNG":
        assert found.metadata["xmp"] == {"bytes": len(XMP)}


def test_text_is_kept_short_and_hidden_exif_in_it_is_not() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "a fox\nSteps: 4, " + "x" * 5000)
    info.add_text("Raw profile type exif", "\nexif\n  99\n" + "00ff" * 50, zip=True)
    info.add_text("exif:GPSLatitude", "51/1")
    info.add_itxt("Titel", "Füchse 狐", zip=True)
    info.add_itxt("XML:com.adobe.xmp", XMP.decode())
    for i in range(50):
        info.add_text(f"k{i}", "y" * 200)
    found = decoding.inspect(coded("PNG", pnginfo=info)).metadata
    assert found["text"]["parameters"].startswith("a fox Steps: 4, xxx")
    assert len(found["text"]["parameters"]) == 300
    assert found["text"]["Raw profile type exif"] == "211 characters"
    assert found["text"]["Titel"] == "Füchse 狐"
    assert found["xmp"] == {"bytes": len(XMP)}
    assert found["gps"] == "left out"
    assert found["left_out"] > 30
    assert len(json.dumps(dict(found))) < 5000
    assert decoding.inspect(coded("JPEG", comment="made by hand")).metadata == {"text": {"Comment": "made by hand"}}


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_prompt_in_a_jpegs_user_comment_is_read(order: str) -> None:
    words = b"UNICODE\0" + "ein Fuchs 狐".encode("utf-16-le" if order == "<" else "utf-16-be")
    mark = b"II*\0" if order == "<" else b"MM\0*"
    body = mark + struct.pack(f"{order}IHHHIIIHHHII", 8, 1, 0x8769, 4, 1, 26, 0, 1, 0x9286, 7, len(words), 44) + bytes(4) + words
    found = decoding.inspect(in_jpeg(coded("JPEG"), segment(0xE1, b"Exif\0\0" + body)))
    assert found.metadata == {"exif": {"UserComment": "ein Fuchs 狐"}}


@pytest.mark.slow
def test_broken_exif_is_passed_over_at_once_and_without_a_warning() -> None:
    loop = b"MM\0*" + struct.pack(">I", 8) + struct.pack(">H", 5000) + struct.pack(">HHII", 0x8769, 4, 1, 8) * 5000
    huge = b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 5000) + struct.pack("<HHII", 0x010E, 2, 60_000, 8) * 5000
    beyond = b"II*\0" + struct.pack("<IHHHII", 8, 9, 0x010E, 2, 1 << 31, 1 << 31)
    zero = b"II*\0" + struct.pack("<IHHHII", 8, 1, 0x011A, 5, 1, 26) + bytes(4) + struct.pack("<II", 1, 0)
    for body, told in [
        (loop, {}), (huge, {"exif": {"ImageDescription": ANY}}), (beyond, {}), (zero, {"exif": {"XResolution": None}}),
        (b"II*\0\xff\xff\xff\xff", {}), (b"II*\0", {}), (b"nonsense", {}),
    ]:  # fmt: skip
        found = decoding.inspect(in_jpeg(coded("JPEG"), segment(0xE1, b"Exif\0\0" + body[:65_000])))
        assert found.metadata == told
        assert found.metadata == decoding.inspect(in_png(coded("PNG"), chunk(b"eXIf", body[:65_000]))).metadata
    greedy = b"II*\0" + struct.pack("<IH", 8, 65_535) + struct.pack("<HHII", 0x010E, 2, 20 << 20, 8) * 65_535
    decoding.inspect(in_png(coded("PNG"), chunk(b"eXIf", greedy.ljust((20 << 20) + 8, b"x"))))


@pytest.mark.parametrize("form", FORMATS)
def test_a_manifest_is_measured_wherever_it_lies(form: str) -> None:
    box = manifest()
    if form == "PNG":
        data = in_png(coded("PNG"), chunk(b"caBX", box))
    elif form == "JPEG":
        other = manifest(b"x").replace(b"c2pa", b"abcd")
        pieces = app11(box)
        assert len(pieces) > 1
        data = in_jpeg(coded("JPEG"), *app11(other, 2), *reversed(pieces))
    else:
        data = in_webp(coded("WEBP"), (b"C2PA", box))
    assert decoding.inspect(data).metadata == {"c2pa": {"bytes": len(box), "sha256": hashlib.sha256(box).hexdigest()}}
    assert b"c2pa" not in decoding.thumbnail(data, 512).data


def laden(form: str, image: Image.Image | None = None, **options: Any) -> bytes:
    """With everything that must not be shown."""
    data = coded(form, image, exif=exif(), icc_profile=SRGB, **options)
    if form == "PNG":
        words = chunk(b"tEXt", b"Comment\0secret"), chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)
        return in_png(data, *words, chunk(b"caBX", manifest())) + b"secret"
    if form == "JPEG":
        words = segment(0xFE, b"secret"), segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0" + XMP), segment(0xED, b"Photoshop 3.0\0secret")
        return in_jpeg(data, *words, *app11(manifest())) + b"secret"
    return in_webp(data, (b"XMP ", XMP), (b"C2PA", manifest()), (b"NOTE", b"secret")) + b"secret"


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize(
    ("form", "mode", "options"),
    [
        ("PNG", "RGB", {}), ("PNG", "RGBA", {}), ("PNG", "P", {"transparency": 3}), ("PNG", "I;16", {}), ("JPEG", "RGB", {}),
        ("JPEG", "CMYK", {}), ("JPEG", "L", {"progressive": True}), ("WEBP", "RGB", {}), ("WEBP", "RGBA", {}),
        ("WEBP", "RGBA", {"lossless": True}),
    ],
)  # fmt: skip
def test_thumbnails_hold_no_metadata_and_small_ones_every_pixel_as_it_is_seen(
    form: str, mode: str, options: dict[str, Any], tmp_path: Path, *, large: bool
) -> None:
    image = drawn(600 if large else 48, 400 if large else 32, mode)
    if mode == "RGBA":
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    ending = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp"}[form]
    data = laden(form, image, **options)
    stored = tmp_path / f"a.{ending}"
    stored.write_bytes(data)
    told = decoding.inspect(data).metadata
    assert {"exif", "gps", "icc", "xmp", "c2pa", "trailing_bytes"} <= set(told)
    made = thumbnails.write({"a" * 64: stored}, tmp_path / "thumbs")["a" * 64]
    as_coded = mode in {"RGB", "L"}
    assert made == thumbnails.Thumb(
        f"{'a' * 16}.{'webp' if large else ending if as_coded else 'png'}", image.width, image.height, whole=not large
    )
    shown = (tmp_path / "thumbs" / made.src).read_bytes()
    assert decoding.inspect(shown).metadata == {}
    for word in (b"secret", b"Maker", b"Generator", b"c2pa", b"jumb", b"xmp", b"Exif", b"EXIF", b"sRGB", b"ICC"):
        assert word not in shown
    assert shown[12:16] != b"VP8X" or shown[20] == 0
    assert stored.read_bytes() == data
    with Image.open(io.BytesIO(shown)) as after:
        if large:
            assert max(after.size) == 512
        else:
            assert after.mode == (mode if as_coded else "RGB")
            assert after.convert("RGB").tobytes() == decoding.seen(data).tobytes()


@pytest.mark.parametrize("edge", [512, 16])
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_thumbnails_stand_upright(form: str, orientation: int, edge: int) -> None:
    tags = Image.Exif()
    tags[0x0112] = orientation
    data = coded(form, exif=tags, quality=95)
    shown = decoding.thumbnail(data, edge)
    from PIL import ImageOps

    with Image.open(io.BytesIO(data)) as stored, Image.open(io.BytesIO(shown.data)) as image:
        right = ImageOps.exif_transpose(stored).convert("RGB")
        assert (shown.width, shown.height) == right.size
        right.thumbnail((edge, edge))
        assert image.size == right.size
        difference = ImageChops.difference(image.convert("RGB"), right).convert("L")
    mean = sum(i * n for i, n in enumerate(difference.histogram())) / (image.width * image.height)
    assert mean == 0 if edge == 512 else mean < 12
    assert containers.parse_container(shown.data).exif == b""


def test_pictures_of_other_formats_are_shown_as_png() -> None:
    for form in ("GIF", "TIFF", "BMP", "AVIF"):
        shown = decoding.thumbnail(coded(form, drawn(mode="L")), 512)
        assert (shown.ending, shown.width) == (".png", 48)
    with pytest.raises(ValueError, match="no PNG, JPEG or WebP"):
        decoding.thumbnail(b"nothing", 512)


def test_threads_share_it() -> None:
    data = [laden(form) for form in FORMATS] * 20
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert [p.format for p in pool.map(decoding.inspect, data)] == FORMATS * 20
