"""The bench's pictures are those of the pipeline called as its model card does, bit for bit, on published architectures made tiny."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from support import tiny_pipelines
from support.model_cards import CARDS, encode_alone, of_the_bench, of_the_pipeline

from bench.types import Prompt

if TYPE_CHECKING:
    from pathlib import Path

SHORT, LONG = "a fox", "two red foxes under a black umbrella, in the rain"
NEGATIVE = "blue, out of focus"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The pipelines, each saved once."""
    return {kind: tiny_pipelines.save(kind, tmp_path_factory.mktemp(kind)) for kind in tiny_pipelines.PIPELINES}


@pytest.mark.parametrize("kind", CARDS)
def test_a_picture_is_the_one_that_the_model_card_makes(folders: dict[str, Path], kind: str) -> None:
    (ours,) = of_the_bench(folders[kind], kind, [Prompt("a", SHORT)])
    (theirs,) = of_the_pipeline(folders[kind], [SHORT], **CARDS[kind])
    assert theirs.std() > 5
    assert np.array_equal(ours, theirs)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sdxl", "sd3-medium", "qwen-image"])
def test_a_negative_prompt_is_given_as_the_model_card_does(folders: dict[str, Path], kind: str) -> None:
    (ours,) = of_the_bench(folders[kind], kind, [Prompt("a", SHORT, negative_prompt=NEGATIVE)])
    (theirs,) = of_the_pipeline(folders[kind], [SHORT], **{**CARDS[kind], "negative_prompt": NEGATIVE})
    (without,) = of_the_pipeline(folders[kind], [SHORT], **CARDS[kind])
    assert np.array_equal(ours, theirs)
    assert not np.array_equal(ours, without)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in CARDS if kind != "qwen-image"])
def test_two_prompts_in_a_batch_are_those_of_the_pipeline(folders: dict[str, Path], kind: str) -> None:
    negatives = {"negative_prompt": ["", NEGATIVE]} if kind == "sd3-medium" else {}
    ours = of_the_bench(folders[kind], kind, [Prompt("a", SHORT), Prompt("b", LONG, negative_prompt=NEGATIVE if negatives else None)])
    theirs = of_the_pipeline(folders[kind], [SHORT, LONG], prepare=encode_alone, **{**CARDS[kind], **negatives})
    assert not np.array_equal(*theirs)
    assert np.array_equal(ours, theirs)


@pytest.mark.slow
def test_prompts_of_unlike_length_in_a_batch_are_padded_and_masked(folders: dict[str, Path]) -> None:
    """Encoded together, as here by the pipeline, floating-point numbers differ in their last digits."""
    ours = of_the_bench(folders["qwen-image"], "qwen-image", [Prompt("a", SHORT), Prompt("b", LONG)])
    theirs = of_the_pipeline(folders["qwen-image"], [SHORT, LONG], **{**CARDS["qwen-image"], "negative_prompt": [" ", " "]})
    assert np.abs(np.subtract(ours, theirs, dtype=int)).max() <= 1


@pytest.mark.slow
def test_float16_keeps_what_the_authors_keep_in_float32(folders: dict[str, Path]) -> None:
    kind = "sd3-medium"
    (ours,) = of_the_bench(folders[kind], kind, [Prompt("a", SHORT)], dtype="float16")
    (theirs,) = of_the_pipeline(folders[kind], [SHORT], "float16", **CARDS[kind])
    assert np.array_equal(ours, theirs)
