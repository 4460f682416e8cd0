"""The provider ``noise`` keeps the contract of providers."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from bench.errors import ConfigError
from bench.providers import Prompt
from bench.providers.local.noise import NoiseProvider


def test_a_request_is_a_picture_and_another_seed_another_one() -> None:
    provider = NoiseProvider(block=16)
    session = provider.open(lambda _: None)
    first, again, second = session.render([provider.request(Prompt("p", "a red circle"), seed) for seed in (0, 0, 1)])
    assert first.image is not None
    assert first.image == again.image != second.image
    pixels = np.asarray(Image.open(io.BytesIO(first.image)))
    assert pixels.shape == (128, 128, 3)
    assert (pixels[:16, :16] == pixels[0, 0]).all()


@pytest.mark.parametrize("block", [0, 129, True, "8"])
def test_a_block_out_of_range_is_refused(block: object) -> None:
    with pytest.raises(ConfigError, match=r"model\.block"):
        NoiseProvider(block=block)  # type: ignore[arg-type]
