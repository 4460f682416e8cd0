"""Tesseract, called as a program."""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bench.core.fingerprint import libraries
from bench.errors import MissingPackageError
from bench.metrics.text import matching
from bench.metrics.text.engines.base import SELF_TEST, TextLine, enlarged, files_hash, scaling_rule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PIL import Image

    from bench.core.fingerprint import Trait

_TIMEOUT_S = 120
_TESSERACT_FIX = "install it with: apt install tesseract-ocr tesseract-ocr-eng tesseract-ocr-chi-sim (macOS: brew install tesseract-lang)"
_WORD_LEVEL = "5"


@dataclass(frozen=True)
class TesseractEngine:
    """The program ``tesseract`` (5 or later), called once a picture with the picture on its standard input.

    Pages are its field: of signs in scenes it reads far fewer than RapidOCR. Sauvola's threshold
    (``thresholding_method=2``) finds more of them than its default.

    Attributes:
        languages: as Tesseract writes them; those not installed are left out.
        least: as for RapidEngine.
        program: name or path.
    """

    languages: str = "eng+chi_sim"
    least: int = 512
    program: str = "tesseract"

    @property
    def name(self) -> str:
        """Tesseract."""
        return "Tesseract"

    @property
    def fix(self) -> str:
        """The packages' names."""
        return _TESSERACT_FIX

    def scripts(self) -> tuple[str, ...]:
        """Chinese only where one of its Chinese models is there and asked for."""
        chinese = any(one.startswith("chi_") for one in self._used().languages)
        return tuple(SELF_TEST) if chinese else ("latin",)

    def fingerprint_fields(self) -> Mapping[str, Trait]:
        """``weights`` is "none" where the program or its languages are missing."""
        try:
            used = self._used()
        except MissingPackageError:
            return {"engine": "tesseract none", "weights": "none", "preprocess": scaling_rule(self.least)}
        weights = f"{'+'.join(used.languages)}@{files_hash(used.files)}"
        scale = f"{scaling_rule(self.least)}; psm 3; Sauvola threshold"
        return {"engine": f"tesseract {used.version}", "weights": weights, "preprocess": scale, **libraries("pillow")}

    def read(self, image: Image.Image) -> list[TextLine]:
        """Lines with the mean confidence of their words.

        Raises:
            MissingPackageError: the program or its languages are missing, or it fails.
        """
        data = io.BytesIO()
        enlarged(image, self.least).convert("RGB").save(data, "PNG", compress_level=1)
        given = ["-", "-", "-l", "+".join(self._used().languages), "--psm", "3", "-c", "thresholding_method=2", "tsv"]
        environment = {**os.environ, "OMP_THREAD_LIMIT": "1"}
        try:
            done = subprocess.run(
                [self.program, *given], input=data.getvalue(), capture_output=True, env=environment, timeout=_TIMEOUT_S, check=True
            )
        except subprocess.CalledProcessError as error:
            why = (error.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {error.returncode}"])[-1]
            raise MissingPackageError(f"Tesseract does not work here ({why}); {_TESSERACT_FIX}") from error
        except (OSError, subprocess.TimeoutExpired) as error:
            raise MissingPackageError(f"Tesseract does not work here ({error}); {_TESSERACT_FIX}") from error
        return _tsv_lines(done.stdout.decode(errors="replace"))

    def _used(self) -> _Tesseract:
        where = shutil.which(self.program)
        if where is None:
            raise MissingPackageError(f"the second OCR engine is the program tesseract, which is not installed; {_TESSERACT_FIX}")
        return _tesseract(where, self.languages)


class _Tesseract(NamedTuple):
    version: str
    languages: tuple[str, ...]
    files: tuple[Path, ...]


@cache
def _tesseract(program: str, languages: str) -> _Tesseract:
    """What of ``languages`` an installed Tesseract has."""

    def told(option: str) -> str:
        done = subprocess.run([program, option], capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)
        return done.stdout + done.stderr

    listed = told("--list-langs")
    there = listed.split()
    folder = re.search(r'"(.+?)"', listed)
    used = tuple(one for one in languages.split("+") if one in there)
    if not used:
        raise MissingPackageError(f"Tesseract has none of the languages {languages}; {_TESSERACT_FIX}")
    files = tuple(Path(folder[1]) / f"{one}.traineddata" for one in used) if folder else ()
    number = re.search(r"tesseract\s+v?(\S+)", told("--version"))
    return _Tesseract(number[1] if number else "unknown", used, tuple(f for f in files if f.is_file()))


def _tsv_lines(text: str) -> list[TextLine]:
    """Words of Tesseract's TSV put together to lines, in its reading order."""
    lines: dict[tuple[str, ...], list[tuple[str, float]]] = {}
    for row in csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE):
        if row["level"] == _WORD_LEVEL and (row["text"] or "").strip():
            key = tuple(row[k] for k in ("page_num", "block_num", "par_num", "line_num"))
            lines.setdefault(key, []).append((row["text"].strip(), max(float(row["conf"]), 0.0) / 100))
    return [TextLine(matching.joined([w for w, _ in words]), sum(c for _, c in words) / len(words)) for words in lines.values()]
