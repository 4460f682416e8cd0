"""The pure parts of CLIP similarity: cosine, scales, windows, preprocessing in words; values by hand."""

from __future__ import annotations

import numpy as np
import pytest

from bench.metrics.alignment.clip import scales
from bench.metrics.extractors.contrastive import cosine
from bench.metrics.extractors.preprocessing import preprocessing, windows


def test_a_cosine_is_that_of_the_angle() -> None:
    assert cosine(np.array([3.0, 0.0]), np.array([1.0, 1.0])) == pytest.approx(0.7071067811865476)
    np.testing.assert_allclose(cosine(np.eye(2, dtype=np.float32), np.array([[2.0, 0.0], [0.0, -1.0]])), [1, -1])


def test_the_published_scales() -> None:
    assert scales(0.25) == {"score100": 25.0, "clipscore": 0.625}
    assert scales(-0.5) == {"score100": 0.0, "clipscore": 0.0}


def test_windows_hold_whole_sentences_and_lose_nothing() -> None:
    def fits(text: str) -> bool:
        return len(text) <= 12

    text = "Cat. Dog 3.5. A very, very long sentence here! 猫在这里。狗也在那里坐着看着你。 Unbreakableword."
    found = windows(text, fits)
    assert found[:3] == ["Cat.", "Dog 3.5.", "A very,"]
    assert all(fits(w) for w in found)
    assert "".join("".join(found).split()) == "".join(text.split())
    assert windows("Cat. Dog.", fits) == ["Cat. Dog."]
    assert windows("", fits) == [""]
    assert windows("ab", lambda _: False) == ["a", "b"], "what never fits still ends"


def test_preprocessing_is_told_for_every_shape_of_configuration() -> None:
    assert preprocessing({"do_resize": False, "do_rescale": False, "do_normalize": False}) == "8-bit RGB"
    patches = {"resample": 2, "max_num_patches": 256, "patch_size": 16, "image_mean": [0.5], "image_std": [0.5]}
    assert preprocessing(patches) == (
        "8-bit RGB, bilinear (Pillow) to at most 256 patches of 16, times 0.00392156863, mean 0.5, deviation 0.5"
    )
    assert preprocessing({"size": {"height": 384, "width": 380}}).startswith("8-bit RGB, its class's filter (Pillow) to 380x384,")
