"""OCR engines, their self-test, and what happens when one is broken or missing."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image
from support.requirements import require

from bench.core.progress import Progress
from bench.engine import score
from bench.errors import MissingPackageError
from bench.metrics.text import ocr
from bench.metrics.text.engines import base
from bench.metrics.text.engines.base import TextLine, check, enlarged, self_test
from bench.metrics.text.engines.rapidocr import RapidEngine, reading_order
from bench.metrics.text.engines.tesseract import TesseractEngine

if TYPE_CHECKING:
    from bench.store import Run

MODELS = Path(str(find_spec("rapidocr").origin)).parent / "models"  # type: ignore[union-attr]


def broken_models(folder: Path, *, keep: int = 1000) -> Path:
    folder.mkdir(parents=True)
    for file in MODELS.glob("*.onnx"):
        (folder / file.name).write_bytes(file.read_bytes()[:keep])
    return folder


def test_rapidocr_reads_latin_and_chinese() -> None:
    engine = RapidEngine()
    assert engine.scripts() == ("latin", "chinese")
    assert self_test(engine) is None


@pytest.mark.slow
def test_tesseract_reads_the_scripts_it_has_models_for() -> None:
    require("tesseract")
    assert self_test(TesseractEngine()) is None
    english = TesseractEngine(languages="eng+tlh")
    assert english.scripts() == ("latin",)
    assert str(english.fingerprint_fields()["weights"]).startswith("eng@")


def test_tesseract_puts_words_together_to_lines() -> None:
    require("tesseract")
    with Image.open(Path(base.__file__).parent / "selftest" / "latin.png") as picture:
        (line,) = TesseractEngine().read(picture)
    assert line.text == "BENCH 42"
    assert 0.5 < line.confidence <= 1


def test_an_engine_that_misreads_its_self_test_scores_nothing() -> None:
    class Blind:
        name, fix = "blind", "buy glasses"

        def scripts(self) -> tuple[str, ...]:
            return ("latin",)

        def read(self, _: Image.Image) -> list[TextLine]:
            return []

    assert self_test(Blind()) == "'BENCH 42' was read as ''"  # type: ignore[arg-type]
    with pytest.raises(MissingPackageError, match=r"blind fails its self-test \('BENCH 42' was read as ''\); buy glasses"):
        check(Blind())  # type: ignore[arg-type]


def test_unreadable_models_leave_pictures_unscored_with_the_way_out(oracle_run: Run, tmp_path: Path) -> None:
    engine = RapidEngine(models=str(broken_models(tmp_path / "models")))
    metrics = [ocr.TextAccuracy(engine=engine), ocr.StrayText(engine=engine)]
    rows = [r for r in score.score(oracle_run, metrics, Progress()) if r.status != "not_applicable"]
    assert {r.metric.split(".")[0] for r in rows} == {"ocr", "stray_text"}
    assert {r.status for r in rows} == {"unscored"}
    assert all(math.isnan(r.value) for r in rows)
    assert all("RapidOCR does not work here" in str(r.reason) and "pip install --force-reinstall rapidocr" in str(r.reason) for r in rows)


def test_missing_models_are_named(tmp_path: Path) -> None:
    engine = RapidEngine(models=str(tmp_path))
    with pytest.raises(MissingPackageError, match=r"holds 0 files \*_det_\*.onnx .* pip install --force-reinstall rapidocr"):
        engine.read(Image.new("RGB", (64, 64)))
    assert engine.fingerprint_fields()["weights"] == "none"


@pytest.mark.slow
def test_a_damaged_package_is_never_read_as_an_empty_picture_and_nothing_is_downloaded(tmp_path: Path) -> None:
    copy = tmp_path / "rapidocr"
    shutil.copytree(MODELS.parent, copy, ignore=shutil.ignore_patterns("*.onnx", "__pycache__"))
    shutil.rmtree(copy / "models")
    broken_models(copy / "models")
    held = {f.name: f.stat().st_size for f in (copy / "models").iterdir()}
    program = (
        "from bench.errors import BenchError\nfrom bench.metrics.text.engines import base, rapidocr\n"
        "try:\n    base.check(rapidocr.RapidEngine())\nexcept BenchError as error:\n    print('told:', error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("told: RapidOCR does not work here")
    assert {f.name: f.stat().st_size for f in (copy / "models").iterdir()} == held


def test_a_missing_program_is_told_with_its_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    engine = TesseractEngine(least=500)
    with pytest.raises(MissingPackageError, match=r"not installed; install it with: apt install tesseract-ocr"):
        check(engine)
    assert engine.fingerprint_fields()["weights"] == "none"


def test_a_failing_program_is_no_empty_picture(tmp_path: Path) -> None:
    program = tmp_path / "tesseract"
    program.write_text(
        "#!/bin/sh\ncase $1 in --version) echo tesseract 9.9;; --list-langs) echo eng;; *) echo Image too odd >&2; exit 1;; esac\n"
    )
    program.chmod(0o755)
    engine = TesseractEngine(program=str(program))
    assert engine.fingerprint_fields()["engine"] == "tesseract 9.9"
    with pytest.raises(MissingPackageError, match=r"Tesseract does not work here \(Image too odd\)"):
        engine.read(Image.new("RGB", (64, 64)))


def test_the_models_hash_is_of_their_content(tmp_path: Path) -> None:
    marks = {
        str(RapidEngine(models=str(broken_models(tmp_path / str(keep), keep=keep))).fingerprint_fields()["weights"]) for keep in (10, 20)
    }
    assert len(marks) == 2
    assert all(mark.split("@")[0] == "PP-OCRv6_rec_small" for mark in marks)


def test_small_pictures_are_enlarged_by_whole_factors() -> None:
    assert enlarged(Image.new("RGB", (128, 128)), 512).size == (512, 512)
    assert enlarged(Image.new("RGB", (64, 100)), 512).size == (512, 800)
    assert enlarged(Image.new("RGB", (20, 20)), 512).size == (160, 160)
    assert enlarged(Image.new("RGB", (600, 700)), 512).size == (600, 700)


def test_words_of_one_line_are_read_from_left_to_right_whatever_their_height() -> None:
    def box(x: float, y: float, w: float, h: float) -> list[list[float]]:
        return [[x, y], [x + w, y], [x + w, y + h], [x, y + h]]

    line = [box(300, 98, 90, 40), box(100, 100, 150, 40), box(110, 20, 60, 30)]
    assert reading_order(line) == [2, 1, 0]
    columns = [box(0, 0, 50, 20), box(200, 2, 50, 20), box(0, 25, 50, 20), box(200, 27, 50, 20)]
    assert reading_order(columns[::-1]) == [3, 2, 1, 0]
    assert reading_order([]) == []


@pytest.mark.slow
def test_two_words_of_a_sign_keep_their_order() -> None:
    from bench.verify import pictures

    engine = RapidEngine()
    for text in ("OPEN TODAY", "LAST ORDERS"):
        assert " ".join(line.text for line in engine.read(pictures.sign(text).image)) == text
