"""Composition on the embedded domain: drawn scenes are right, and each planted fault lowers its own columns."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from bench.config import presets
from bench.core.fingerprint import parse_fingerprint
from bench.metrics import ImageMetric, Sample
from bench.tiny import analysis, scenes
from bench.types import ImageRecord, Request

RIGHT = {"scene": 1.0, "scene.kind": 1.0, "scene.colour": 1.0, "scene.place": 1.0, "scene.count": 1.0}


def judged(prompt: str, image: Image.Image) -> dict[str, float]:
    (metric,) = presets.metrics(["scene"])
    record = ImageRecord("p", "c", "s", "h", Request("m", "r", prompt, None, 0, 128, 128), "ok", "e", "now")
    rows = metric.score([Sample(record, image)])
    assert {r.metric for r in rows} == {c.name for c in metric.columns} == set(RIGHT)
    assert all((r.higher_is_better, r.worst, r.status) == (True, 0.0, "ok") for r in rows)
    return {r.metric: r.value for r in rows}


def test_drawn_scenes_are_right() -> None:
    rng = np.random.default_rng(0)
    sampled = [scenes.sample(rng) for _ in range(100)]
    wrong = [scenes.caption(s) for i, s in enumerate(sampled) if judged(scenes.caption(s), scenes.draw(s, i)) != RIGHT]
    assert wrong == []


@pytest.mark.parametrize(
    ("asked", "drawn", "lowered"),
    [
        ("a red circle on the left, on white", "a blue circle on the left, on white", {"scene.colour": 0.0}),
        ("a red circle on the left, on white", "a red star on the left, on white", {"scene.kind": 0.0}),
        ("a red circle on the left, on white", "a red circle on the right, on white", {"scene.place": 0.0}),
        ("a red circle left of a blue star, on sky", "a red circle left of a green star, on sky", {"scene.colour": 0.5}),
        ("a red circle left of a blue star, on sky", "a red circle left of a blue heart, on sky", {"scene.kind": 0.5}),
        ("a red circle left of a blue star, on sky", "a blue star left of a red circle, on sky", {"scene.place": 0.0}),
        ("a red circle left of a blue star, on sky", "a blue circle left of a red star, on sky", {"scene.colour": 0.0}),
        ("a red circle above a blue star, on sky", "a red circle below a blue star, on sky", {"scene.place": 0.0}),
        ("a red circle above a blue star, on sky", "a red circle left of a blue star, on sky", {"scene.place": 0.0}),
        ("two pink hearts in a row, on mint", "three pink hearts in a row, on mint", {"scene.count": 2 / 3}),
        (
            "three pink hearts in a row, on mint",
            "two pink hearts in a row, on mint",
            {"scene.kind": 2 / 3, "scene.colour": 2 / 3, "scene.place": 0.0, "scene.count": 2 / 3},
        ),
        (
            "a red circle left of a blue star, on sky",
            "a red circle in the centre, on sky",
            {"scene.kind": 0.5, "scene.colour": 0.5, "scene.place": 0.0, "scene.count": 0.5},
        ),
    ],
)
def test_a_planted_fault_lowers_exactly_its_columns(asked: str, drawn: str, lowered: dict[str, float]) -> None:
    found = judged(asked, scenes.draw(scenes.parse(drawn), 0))
    assert found == pytest.approx({**RIGHT, "scene": 0.0, **lowered})


def test_an_extra_figure_lowers_the_count_alone() -> None:
    image = scenes.draw(scenes.parse("a red circle on the left, on white"), 0)
    extra = scenes.draw(scenes.parse("a green star on the right, on white"), 0)
    image.paste(extra.crop((64, 0, 128, 90)), (64, 0))
    assert judged("a red circle on the left, on white", image) == {**RIGHT, "scene": 0.0, "scene.count": 0.5}


def test_an_empty_ground_has_nothing_of_the_caption() -> None:
    empty = Image.new("RGB", (128, 128), scenes.GROUNDS["white"])
    assert judged("a red circle on the left, on white", empty) == dict.fromkeys(RIGHT, 0.0)


@pytest.mark.parametrize("sign", scenes.SIGNS)
@pytest.mark.parametrize("word", ["HI", "XXXXXXXX"])
def test_the_sign_is_no_figure(sign: str, word: str) -> None:
    prompt = f'a black square above a yellow cross, on cream, with a {sign} sign reading "{word}"'
    assert judged(prompt, scenes.draw(scenes.parse(prompt), 3)) == RIGHT


def test_noise_is_not_a_scene_and_does_not_take_long() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8))
    blots = Image.fromarray(np.random.default_rng(1).integers(0, 256, (9, 9, 3), dtype=np.uint8)).resize(
        (128, 128), Image.Resampling.NEAREST
    )
    for image in (noise, blots):
        assert judged("three black stars in a row, on white", image)["scene"] == 0.0


def test_a_figure_of_no_form_agrees_in_colour_only() -> None:
    image = Image.new("RGB", (128, 128), scenes.GROUNDS["white"])
    image.paste(scenes.COLOURS["red"], (20, 30, 50, 34))
    image.paste(scenes.COLOURS["red"], (20, 30, 24, 60))
    found = judged("a red circle on the left, on white", image)
    assert (found["scene.kind"], found["scene.colour"], found["scene.count"]) == (0.0, 1.0, 1.0)


def test_a_larger_picture_is_scaled_first() -> None:
    prompt = "a red circle left of a blue star, on sky"
    big = scenes.draw(scenes.parse(prompt), 0).resize((512, 512), Image.Resampling.BICUBIC)
    assert judged(prompt, big) == RIGHT


def test_two_shapes_of_one_look_are_told_apart_by_their_places() -> None:
    scene = scenes.Scene((scenes.Shape("star", "red"), scenes.Shape("star", "red")), "right of", ("white",))
    assert analysis.check_picture(scenes.draw(scene, 0), scene) == analysis.SceneMatch(shapes=True, places=True)


@pytest.mark.slow
def test_marks_and_verdict_agree() -> None:
    rng = np.random.default_rng(5)
    for i in range(60):
        scene, other = scenes.sample(rng), scenes.sample(rng)
        shown = scene if i % 3 else replace(scene, shapes=other.shapes, relation=other.relation, count=other.count)
        image = scenes.draw(shown, i)
        marks = analysis.match_scene(analysis.find_shapes(image), scene)
        assert analysis.check_picture(image, scene).places == marks.right


def test_other_prompts_are_not_applicable() -> None:
    (metric,) = presets.metrics(["scene"])
    assert isinstance(metric, ImageMetric)
    for prompt, why in (("a cat on a sofa", "the prompt is not of the embedded domain"), ("two red stars in a row, on sky", None)):
        record = ImageRecord("p", "c", "s", "h", Request("m", "r", prompt, None, 0, 128, 128), "ok", "e", "now")
        assert metric.not_applicable_reason(record) == why


def test_the_fingerprint_names_the_version_of_the_rules() -> None:
    assert parse_fingerprint(presets.metrics(["scene"])[0].fingerprint())["version"] == "1"
