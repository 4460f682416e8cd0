"""The embedded domain: captions, drawings, the renderer's own analysis, the tokenizer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bench.errors import PromptError
from bench.tiny import analysis, scenes
from bench.tiny.training import tokenizer


@pytest.fixture(scope="module")
def sampled() -> list[scenes.Scene]:
    rng = np.random.default_rng(0)
    return [scenes.sample(rng) for _ in range(300)]


def test_parse_reads_back_every_caption(sampled: list[scenes.Scene]) -> None:
    assert [scenes.parse(scenes.caption(s)) for s in sampled] == sampled


@pytest.mark.parametrize("text", ["", "a cat", "a red circle", 'a red circle on the left, on white, with a white sign reading "TOOLONG12"'])
def test_other_sentences_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(PromptError, match="write it like"):
        scenes.parse(text)


def test_a_drawing_is_decided_by_scene_and_seed(sampled: list[scenes.Scene]) -> None:
    scene = sampled[0]
    first = scenes.draw(scene, 1)
    assert first.size == (128, 128)
    assert first.tobytes() == scenes.draw(scene, 1).tobytes()
    assert first.tobytes() != scenes.draw(scene, 2).tobytes()


@pytest.mark.slow
def test_analysis_finds_what_was_drawn(sampled: list[scenes.Scene]) -> None:
    verdicts = [analysis.check_picture(scenes.draw(s, i), s) for i, s in enumerate(sampled)]
    assert np.mean([v.shapes for v in verdicts]) >= 0.98
    assert np.mean([v.places for v in verdicts]) >= 0.98


def test_analysis_sees_a_wrong_colour_kind_count_or_place() -> None:
    scene = scenes.parse("a red circle left of a blue star, on white")
    red, blue = scene.shapes
    assert analysis.check_picture(scenes.draw(scene, 0), scene) == analysis.SceneMatch(shapes=True, places=True)
    for wrong in (
        replace(scene, shapes=(replace(red, colour="orange"), blue)),
        replace(scene, shapes=(replace(red, kind="square"), blue)),
        scenes.parse("two red circles in a row, on white"),
    ):
        assert not analysis.check_picture(scenes.draw(wrong, 0), scene).shapes
    swapped = analysis.check_picture(scenes.draw(replace(scene, relation="right of"), 0), scene)
    assert swapped == analysis.SceneMatch(shapes=True, places=False)


def test_every_caption_fits_the_tokenizer(sampled: list[scenes.Scene]) -> None:
    words = tokenizer.build_tokenizer()
    encoded = [words(scenes.caption(s)).input_ids for s in sampled]
    assert max(map(len, encoded)) <= tokenizer.MAX_TOKENS
    assert not any(tokenizer.UNK in ids for ids in encoded)


@pytest.mark.parametrize(
    ("word", "pieces"), [("AB", ["④A", "⑤B"]), ("CAT", ["③C", "④A", "⑤T"]), ("A1B2C3D4", ["①A", "②1", "③B", "④2", "⑤C", "⑥3", "⑦D", "⑧4"])]
)
def test_a_character_names_its_column(word: str, pieces: list[str]) -> None:
    tokens = tokenizer.build_tokenizer().tokenize(f'a red star in the centre, on white, with a white sign reading "{word}"')
    assert tokens[-1 - len(word) : -1] == pieces
    assert tokens[-1] == tokens[-2 - len(word)] == '"'


def test_the_held_out_share_is_one_in_sixteen() -> None:
    words = [f"W{i}" for i in range(4000)]
    assert np.mean([scenes.held_out(w) for w in words]) == pytest.approx(1 / 16, abs=0.012)
