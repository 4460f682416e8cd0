"""From a wanted aspect to a size: exact, near, refused."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from bench.errors import ConfigError
from bench.providers.sizes import ANY_SIDES, Sides, at_aspect, fit, has_aspect, nearest, parse_size, ratio

GROK = ["1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3", "2:1", "1:2", "19.5:9", "9:19.5", "20:9", "9:20"]


@pytest.mark.parametrize(("size", "sides"), [("1024x512", (1024, 512)), ("768", (768, 768)), (512, (512, 512)), ("64x4096", (64, 4096))])
def test_a_size_is_read(size: str | int, sides: tuple[int, int]) -> None:
    assert parse_size(size) == sides


@pytest.mark.parametrize(
    "size", ["", "big", "1000x1000", "48", "4112", "1024X768", "1024 x 768", "-64", "64.0", "64x", "1024x1024x3", True, None]
)
def test_what_is_no_size_is_refused_in_one_sentence(size: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_size(size)
    form = "WIDTHxHEIGHT, like 1024x768, with sides from 64 to 4096 in multiples of 16"
    assert str(caught.value) == f"model.size={size!r} must be {form}"


def test_a_size_is_held_to_the_sides_of_its_model() -> None:
    assert parse_size("1000x10", ANY_SIDES) == (1000, 10)
    with pytest.raises(ConfigError, match="sizes='9x10' must be WIDTHxHEIGHT or auto, like 1024x768, with sides from 10 to 99999"):
        parse_size("9x10", ANY_SIDES, field="model.sizes", keyword="auto")
    with pytest.raises(ConfigError, match="from 256 to 1440 in multiples of 32"):
        parse_size("1040x1024", Sides(32, 256, 1440))


@pytest.mark.parametrize(("aspect", "value"), [("16:9", 16 / 9), ("1024x1536", 2 / 3), ("19.5:9", 19.5 / 9), ("1:1", 1.0)])
def test_a_ratio_is_read_from_aspects_and_sizes(aspect: str, value: float) -> None:
    assert ratio(aspect) == pytest.approx(value)


@pytest.mark.parametrize("aspect", ["", "16", "0:9", "16:0", "a:b", "16:9:1", "-1:1", "16 : 9", "1e3:1", 61])
def test_what_is_no_aspect_is_refused(aspect: str) -> None:
    with pytest.raises(ConfigError, match="is no aspect; write width and height, like 16:9"):
        ratio(aspect)


@pytest.mark.parametrize("aspect", GROK)
def test_an_offered_aspect_is_taken_as_it_is(aspect: str) -> None:
    assert nearest(aspect, GROK) == (aspect, True)
    assert nearest(aspect, GROK[::-1]) == (aspect, True)


@pytest.mark.parametrize(
    ("wanted", "offered", "expected"),
    [
        ("16:9", ["1024x1024", "1536x1024", "1024x1536"], ("1536x1024", False)),
        ("2:3", ["1024x1024", "1536x1024", "1024x1536"], ("1024x1536", True)),
        ("16:9", ["1024x1024", "1792x1024", "1024x1792"], ("1792x1024", False)),
        ("16:9", ["1360x768"], ("1360x768", True)),
        ("21:9", GROK, ("20:9", False)),
        ("5:4", ["1:1", "3:2"], ("3:2", False)),
        ("6:5", ["1:1", "3:2"], ("1:1", False)),
        ("5:4", ["3:2", "4:3", "1:1"], ("4:3", False)),
        ("1:1", ["3:2", "2:3"], ("3:2", False)),
        ("1:1", ["512x512", "1024x1024"], ("512x512", True)),
    ],
)
def test_the_nearest_shape_is_found_and_said_to_deviate(wanted: str, offered: list[str], expected: tuple[str, bool]) -> None:
    assert nearest(wanted, offered) == expected


def test_the_distance_is_the_same_lying_and_standing() -> None:
    sides = [1, 2, 3, 4, 5, 9, 16]
    for wide, high in itertools.product(sides, sides):
        lying, standing = (_near(f"{a}:{b}") for a, b in ((wide, high), (high, wide)))
        assert lying is None if standing is None else lying == ":".join(reversed(standing.split(":")))


def _near(aspect: str) -> str | None:
    try:
        return nearest(aspect, ["1:1", "3:2", "2:3", "16:9", "9:16"])[0]
    except ConfigError:
        return None


@pytest.mark.parametrize(
    ("aspect", "offered", "max_factor", "reason"),
    [
        ("3:1", ["1:1", "1792x1024"], 1.5, "closest: 1792x1024"),
        ("1:1", ["16:9"], 1.5, "closest: 16:9"),
        ("3:2", ["1:1"], 1.4, "closest: 1:1"),
    ],
)
def test_what_is_too_far_is_refused(aspect: str, offered: list[str], max_factor: float, reason: str) -> None:
    with pytest.raises(ConfigError, match=f"^aspect {aspect} is not supported; {reason}$"):
        nearest(aspect, offered, max_factor=max_factor)


def test_nothing_is_near_where_nothing_is_offered() -> None:
    with pytest.raises(ConfigError, match="aspect 1:1 is not supported: nothing is offered"):
        nearest("1:1", [])


def test_the_limit_itself_is_near_enough() -> None:
    assert nearest("3:2", ["1:1"], max_factor=1.5) == ("1:1", False)


@pytest.mark.parametrize(
    ("aspect", "pixels", "limits", "size"),
    [
        ("1:1", 1024 * 1024, (16, 256, 2048), (1024, 1024)),
        ("16:9", 1024 * 1024, (16, 256, 2048), (1360, 768)),
        ("9:16", 1024 * 1024, (16, 256, 2048), (768, 1360)),
        ("3:1", 1024 * 1024, (32, 256, 1440), (1440, 480)),
        ("1:1", 64 * 64, (32, 256, 1440), (256, 256)),
        ("1:3", 4 * 2**20, (16, 256, 1500), (496, 1488)),
        ("1:1", 2**20, (32, 250, 1450), (1024, 1024)),
        ("1:1", 2**40, (32, 250, 1450), (1440, 1440)),
        ("1:1", 1, (32, 250, 1450), (256, 256)),
    ],
)
def test_a_size_is_fitted_into_the_limits(aspect: str, pixels: int, limits: tuple[int, int, int], size: tuple[int, int]) -> None:
    assert fit(aspect, pixels, Sides(*limits)) == size


def test_a_size_at_an_aspect_has_about_as_many_pixels() -> None:
    assert at_aspect(1024 * 1024, "16:9") == (1360, 768)
    assert at_aspect(128 * 128, "1:9") == (64, 384)


def test_every_fitted_size_keeps_every_promise() -> None:
    for wide, high, pixels, multiple in itertools.product(range(1, 17), range(1, 17), (2**16, 2**20, 2**23), (8, 32)):
        aspect = f"{wide}:{high}"
        try:
            width, height = fit(aspect, pixels, Sides(multiple, 256, 2048))
        except ConfigError:
            assert max(wide, high) / min(wide, high) > 2048 / 256
            continue
        assert all(side % multiple == 0 and 256 <= side <= 2048 for side in (width, height))
        assert width / height == pytest.approx(wide / high, rel=multiple / 256)
        short, long = sorted((width, height))
        free = short > 256 + multiple and long < 2048 - multiple
        assert not free or width * height == pytest.approx(pixels, rel=0.1)


def test_an_impossible_size_is_refused() -> None:
    with pytest.raises(ConfigError, match="aspect 9:1 is not supported: both sides must lie within 256 to 2048"):
        fit("9:1", 2**20, Sides(16, 256, 2048))


def test_rounding_is_told_from_another_aspect() -> None:
    assert has_aspect(1360, 768, "16:9")
    assert has_aspect(1024, 1024, "1:1")
    assert not has_aspect(1792, 1024, "3:2")
