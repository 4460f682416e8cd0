"""Text accuracy with the real engine on drawn signs."""

from __future__ import annotations

import pytest
from PIL import Image

from bench.metrics import Sample, ocr
from bench.tiny import scenes
from bench.types import ImageRecord, Request


def sample(word: str | None, expected: tuple[str, ...]) -> Sample:
    text = "a red star in the centre, on white" + (f', with a white sign reading "{word}"' if word else "")
    record = ImageRecord("p", "c", "tiny", "h", Request("m", "r", text, None, 0, 128, 128), "ok", "e", "now", expected_text=expected)
    return Sample(record, scenes.draw(scenes.parse(text), 0))


@pytest.fixture(scope="module")
def metric() -> ocr.TextAccuracy:
    return ocr.TextAccuracy()


def test_a_sign_is_read_and_scored(metric: ocr.TextAccuracy) -> None:
    right, wrong = (({r.metric: r for r in metric.score([s])}) for s in (sample("BELL", ("BELL",)), sample("BULL", ("BELL",))))
    assert {k: r.value for k, r in right.items()} == {"ocr.exact": 1, "ocr.word_accuracy": 1, "ocr.cer": 0, "ocr.ned": 1}
    assert {k: r.value for k, r in wrong.items()} == {"ocr.exact": 0, "ocr.word_accuracy": 0, "ocr.cer": 0.25, "ocr.ned": 0.75}
    assert wrong["ocr.exact"].detail["regions"] == [{"expected": "BELL", "read": "BULL", "missing": ["bell"], "added": ["bull"]}]


def test_an_empty_picture_scores_zero_and_a_prompt_without_text_is_not_applicable(metric: ocr.TextAccuracy) -> None:
    assert [r.value for r in metric.score([sample(None, ("BELL",))])] == [0, 0, 1, 0]
    assert {r.status for r in metric.score([sample(None, ())])} == {"not_applicable"}


def test_a_broken_engine_stops_the_metric_with_a_reason() -> None:
    class Blind:
        def read(self, _: Image.Image) -> list[tuple[str, float]]:
            return []

    assert ocr.self_test(Blind()) == "'BENCH 42' was read as ''"  # type: ignore[arg-type]


def test_small_pictures_are_enlarged_by_whole_factors() -> None:
    assert ocr.enlarged(Image.new("RGB", (128, 128)), 512).size == (512, 512)
    assert ocr.enlarged(Image.new("RGB", (64, 100)), 512).size == (256, 400)
    assert ocr.enlarged(Image.new("RGB", (600, 700)), 512).size == (600, 700)
