"""Text accuracy with the real engines on drawn signs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from PIL import Image, ImageDraw, ImageFont
from support.requirements import require

from bench.config import presets
from bench.core.fingerprint import difference
from bench.core.resources import latin_font
from bench.metrics import Sample
from bench.metrics.text import ocr
from bench.metrics.text.engines.base import TextLine, _readings, reading
from bench.metrics.text.engines.rapidocr import RapidEngine
from bench.metrics.text.engines.tesseract import TesseractEngine
from bench.tiny import scenes
from bench.types import ImageRecord, Request

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Told:
    """An engine that reads what it is told to."""

    lines: tuple[str, ...] = ()
    confidence: float = 1.0
    name: str = "told"
    fix: str = "tell it"
    read_so_far: list[int] = field(default_factory=list, hash=False, compare=False)

    def scripts(self) -> tuple[str, ...]:
        return ()

    def fingerprint_fields(self) -> Mapping[str, str]:
        return {"engine": self.name}

    def read(self, _: Image.Image) -> list[TextLine]:
        self.read_so_far.append(1)
        return [TextLine(text, self.confidence) for text in self.lines]


def record(expected: tuple[str, ...], sha256: str | None = None) -> ImageRecord:
    return ImageRecord(
        "p", "c", "s", "h", Request("m", "r", "t", None, 0, 128, 128), "ok", "e", "now", expected_text=expected, sha256=sha256
    )


def sample(word: str | None, expected: tuple[str, ...]) -> Sample:
    text = "a red star in the centre, on white" + (f', with a white sign reading "{word}"' if word else "")
    return Sample(record(expected), scenes.draw(scenes.parse(text), 0))


def told(expected: tuple[str, ...], *lines: str) -> dict[str, float]:
    rows = ocr.TextAccuracy(engine=Told(lines)).score([Sample(record(expected), Image.new("RGB", (8, 8)))])
    return {r.metric.removeprefix("ocr."): r.value for r in rows if r.status == "ok"}


@pytest.fixture(scope="module")
def metric() -> ocr.TextAccuracy:
    return ocr.TextAccuracy()


@pytest.mark.slow
def test_a_sign_is_read_and_scored(metric: ocr.TextAccuracy) -> None:
    right, wrong = (({r.metric: r for r in metric.score([s])}) for s in (sample("BELL", ("BELL",)), sample("BULL", ("BELL",))))
    assert {r.value for k, r in right.items() if k not in {"ocr.cer", "ocr.oneig_ed"}} == {1}
    assert right["ocr.cer"].value == right["ocr.oneig_ed"].value == 0
    values = {k.removeprefix("ocr."): r.value for k, r in wrong.items()}
    assert {k for k, v in values.items() if v == 0} == {
        "exact", "exact_case", "strict", "recall", "precision", "f1", "anytext_acc", "longtext", "oneig_cr", "oneig_wac",
    }  # fmt: skip
    assert (values["cer"], values["ned"], values["ned_case"], values["anytext_ned"], values["oneig_ed"]) == (0.25, 0.75, 0.75, 0.75, 1)
    assert wrong["ocr.exact"].detail["regions"] == [
        {"expected": "BELL", "read": "BULL", "missing": [], "added": [], "changed": [["bell", "bull"]]}
    ]


def test_an_empty_picture_has_every_columns_worst_value(metric: ocr.TextAccuracy) -> None:
    rows = {r.metric: r for r in metric.score([sample(None, ("BELL",))])}
    assert {k: r.value for k, r in rows.items() if r.worst is not None} == {k: r.worst for k, r in rows.items() if r.worst is not None}
    assert [k for k, r in rows.items() if r.worst is None] == ["ocr.oneig_ed"]
    assert rows["ocr.oneig_ed"].value == 4


def test_a_prompt_without_text_or_letters_is_not_applicable() -> None:
    for made in (ocr.TextAccuracy(), ocr.Agreement()):
        assert made.not_applicable_reason(record(())) == "the prompt asks for no text"
        assert made.not_applicable_reason(record(("?!",))) == "the expected text has no letters, digits or signs"
        assert made.not_applicable_reason(record(("?!", "OPEN"))) is None
    assert ocr.StrayText().not_applicable_reason(record(())) is None


def test_every_column_has_a_row_for_every_picture() -> None:
    made = ocr.TextAccuracy(name="ocr_told", engine=Told(("OPEN",)))
    rows = made.score([Sample(record((text,)), Image.new("RGB", (8, 8))) for text in ("OPEN", "ОТКРЫТО")])
    assert [r.metric for r in rows] == [c.name for c in made.columns] * 2
    assert all(r.metric.startswith("ocr_told.") for r in rows)


def test_published_formulas_do_not_apply_to_scripts_they_drop() -> None:
    values = told(("Привет",), "Привет")
    assert values["exact"] == 1
    assert not values.keys() & {"longtext", "oneig_ed", "oneig_cr", "oneig_wac"}


def test_case_spaces_and_order_fall_where_the_columns_say() -> None:
    """Regions "Half Price" and "OPEN 24h"; lines "open 24H" and "Half", "Price".

    OneIG compares "Half Price OPEN 24h" with "open 24H Half Price"; in common are Half and Price of four words. AnyText
    joins lines by a space: the first region is accurate, the second has 5 of 8 characters wrong ("OPEN", "h").
    """
    values = told(("Half Price", "OPEN 24h"), "open 24H", "Half", "Price")
    assert (values["exact"], values["exact_case"], values["recall"], values["precision"], values["cer"]) == (1, 0, 1, 1, 0)
    assert (values["strict"], told(("“Half Price!”",), '"Half', 'Price!"')["strict"]) == (0, 1)
    assert values["ned_case"] == pytest.approx((1 + 1 - 5 / 7) / 2)
    assert (values["anytext_acc"], values["anytext_ned"]) == (0.5, pytest.approx((1 + 3 / 8) / 2))
    assert (values["longtext"], values["oneig_wac"], values["oneig_cr"]) == (1, 0.5, 0)


def test_text_beside_the_asked_lowers_precision_alone() -> None:
    """Asked: OPEN; read: OPEN, and now hiring. Precision 1/3, F1 2·1/(1+3)."""
    values = told(("OPEN",), "OPEN", "now hiring")
    assert (values["exact"], values["recall"], values["precision"], values["f1"]) == (1, 1, pytest.approx(1 / 3), 0.5)


def test_the_character_error_rate_weighs_regions_by_their_length() -> None:
    """One of 2 characters wrong in "ab", none of 8 in the other: 1 / 10; NED (1/2 + 1) / 2."""
    values = told(("ab", "cdefghij"), "ax", "cdefghij")
    assert (values["cer"], values["ned"]) == (pytest.approx(0.1), pytest.approx(0.75))


def test_one_region_wrong_makes_the_picture_inexact() -> None:
    values = told(("OPEN", "24h"), "OPEN", "24 k")
    assert (values["exact"], values["exact_case"], values["anytext_acc"]) == (0, 0, 0.5)


def test_counts_for_the_micro_average_are_kept() -> None:
    rows = ocr.TextAccuracy(engine=Told(("a b",))).score([Sample(record(("a b c",)), Image.new("RGB", (8, 8)))])
    details = {r.metric: r.detail for r in rows}
    assert details["ocr.longtext"] == details["ocr.oneig_wac"] == {"hits": 2, "asked": 3}
    assert details["ocr.recall"] == {"hits": 2, "asked": 3, "read": 2}


@pytest.mark.parametrize(
    ("expected", "lines", "words"),
    [
        ((), ("now open",), ["now", "open"]),
        (("OPEN",), ("open", "open now"), ["open", "now"]),
        (("OPEN",), ("OP EN",), []),
        ((), ("+ =",), []),
    ],
)
def test_stray_words_are_those_nobody_asked_for(expected: tuple[str, ...], lines: tuple[str, ...], words: list[str]) -> None:
    (row,) = ocr.StrayText(engine=Told(lines)).score([Sample(record(expected), Image.new("RGB", (8, 8)))])
    assert (row.value, sorted(row.detail["words"])) == (len(words), sorted(words))


def test_what_the_engine_is_unsure_of_is_no_stray_text() -> None:
    (row,) = ocr.StrayText(engine=Told(("HELLO",), confidence=0.79)).score([sample(None, ())])
    assert row.value == 0


@pytest.mark.slow
def test_stray_text_on_drawn_pictures() -> None:
    with_sign, without = ocr.StrayText().score([sample("BELL", ()), sample(None, ())])
    assert (with_sign.value, with_sign.detail["words"], without.value) == (1, ["bell"], 0)


def test_metrics_that_share_an_engine_read_a_picture_once() -> None:
    engine, other = Told(("HELLO",)), Told(("HELP",), name="other")
    one = Sample(record(("HELLO",), sha256="of the picture"), Image.new("RGB", (8, 8)))
    ocr.TextAccuracy(engine=engine).score([one])
    ocr.StrayText(engine=engine).score([one])
    (row,) = ocr.Agreement(first=engine, second=other).score([one])
    assert (len(engine.read_so_far), len(other.read_so_far)) == (1, 1)
    assert row.value == pytest.approx(3 / 5)
    for i in range(200):
        reading(engine, Sample(record((), sha256=str(i)), one.image))
    assert len(_readings) <= 128


def board(text: str) -> Image.Image:
    image = Image.new("RGB", (900, 300), "white")
    face = ImageFont.truetype(str(latin_font()), 90)
    ImageDraw.Draw(image).text((450, 150), text, font=face, fill="black", anchor="mm")
    return image


@pytest.mark.slow
def test_both_engines_agree_on_clear_text_and_fill_their_own_columns() -> None:
    require("tesseract")
    second, agreement = presets.metrics(["ocr_tesseract", "ocr_agreement"])
    one = Sample(record(("Fresh bread",)), board("Fresh bread"))
    rows = {r.metric: r for r in second.score([one])}
    assert rows["ocr_tesseract.exact"].value == rows["ocr_tesseract.exact_case"].value == 1
    (row,) = agreement.score([one])
    assert (row.metric, row.value, row.detail) == ("ocr_agreement", 1.0, {"RapidOCR": "Fresh bread", "Tesseract": "Fresh bread"})


def test_the_fingerprint_names_engine_models_and_scaling() -> None:
    marks = [ocr.TextAccuracy(engine=RapidEngine(least=least)).fingerprint() for least in (512, 640)]
    assert list(difference(marks)) == ["preprocess"]
    other = ocr.TextAccuracy(engine=TesseractEngine()).fingerprint()
    assert {"engine", "weights"} <= difference([marks[0], other]).keys()
