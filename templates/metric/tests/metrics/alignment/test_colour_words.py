"""Known answers of the metric ``colour_words``."""

from __future__ import annotations

import numpy as np
import pytest

from bench.metrics.alignment.colour_words import COLOURS, colour_words, share_present


def picture(*words: str) -> np.ndarray:
    """Stripes of equal height, one a colour."""
    return np.repeat(np.array([COLOURS[word] for word in words], np.uint8)[:, None], 8, axis=1)


def test_words_are_found_whole_and_once() -> None:
    assert colour_words("A Red kite, bored; a blue sky and a red hat") == ["red", "blue"]


@pytest.mark.parametrize(("words", "expected"), [(["red"], 1.0), (["red", "green"], 0.5), (["green"], 0.0)])
def test_the_share_of_named_colours_is_counted(words: list[str], expected: float) -> None:
    assert share_present(picture("red", "blue"), words) == expected


def test_less_than_a_hundredth_of_the_pixels_does_not_count() -> None:
    pixels = np.full((20, 20, 3), COLOURS["white"], np.uint8)
    pixels[0, :3] = COLOURS["red"]  # 3 of 400
    assert share_present(pixels, ["red"]) == 0
    pixels[0, :4] = COLOURS["red"]
    assert share_present(pixels, ["red"]) == 1
