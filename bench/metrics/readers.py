"""OCR engines: what reads text in a picture, and the test each must pass before anything is scored with it."""

from __future__ import annotations

import csv
import hashlib
import io
import logging
import math
import os
import re
import shutil
import subprocess
from collections import OrderedDict
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from bench.errors import MissingPackageError
from bench.fingerprint import libraries
from bench.metrics import textmatch

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PIL import Image

    from bench.fingerprint import Trait
    from bench.metrics import Sample

SELF_TEST = {"latin": "BENCH 42", "chinese": "营业时间"}
"""Script to what is written in ``selftest/SCRIPT.png``."""
_MOST_READINGS = 128
_MOST_ENLARGED = 8
_TIMEOUT_S = 120
_RAPID_FIX = "reinstall it with: pip install --force-reinstall rapidocr onnxruntime"
_TESSERACT_FIX = "install it with: apt install tesseract-ocr tesseract-ocr-eng tesseract-ocr-chi-sim (macOS: brew install tesseract-lang)"
_WORD_LEVEL = "5"


class Line(NamedTuple):
    """A recognised line and how sure the engine is of it, 0 to 1."""

    text: str
    confidence: float


class Engine(Protocol):
    """Reads text. Cheap to build: models load when something is first read."""

    def __hash__(self) -> int:
        """Engines with the same settings share their readings."""

    @property
    def name(self) -> str:
        """What users call it."""

    @property
    def fix(self) -> str:
        """What helps when it does not work."""

    def scripts(self) -> tuple[str, ...]:
        """The scripts it reads, keys of SELF_TEST."""

    def traits(self) -> Mapping[str, Trait]:
        """Engine, models with their hash, scaling and library versions; cheap, loads no model."""

    def read(self, image: Image.Image) -> list[Line]:
        """Lines from top to bottom and left to right. Raises MissingPackageError when it cannot work."""


@dataclass(frozen=True)
class RapidEngine:
    """RapidOCR with the PP-OCR models its package carries (English and Chinese), on the CPU; never downloads anything.

    Attributes:
        least: short side in pixels up to which a picture is enlarged, by a whole factor of at most 8 (Lanczos).
        models: folder with one detection, one recognition and one orientation model (``*_det_*.onnx``, ``*_rec_*``,
            ``*_cls_*``); None takes the package's.
    """

    least: int = 512
    models: str | None = None

    @property
    def name(self) -> str:
        """RapidOCR."""
        return "RapidOCR"

    @property
    def fix(self) -> str:
        """Reinstalling brings the models back."""
        return _RAPID_FIX

    def scripts(self) -> tuple[str, ...]:
        """Both."""
        return tuple(SELF_TEST)

    def traits(self) -> Mapping[str, Trait]:
        """``weights`` is "none" where the package or its models are missing."""
        try:
            files = _onnx_files(self.models)
            weights = f"{files['rec'].stem}@{_hash(tuple(files.values()))}"
        except (MissingPackageError, OSError):
            weights = "none"
        scale = f"{_scaling(self.least)}; long side at most 2000 px; BGR uint8"
        return {"engine": "rapidocr", "weights": weights, "preprocess": scale, **_rapid_libraries()}

    def read(self, image: Image.Image) -> list[Line]:
        """Lines that RapidOCR is at least half sure of.

        Raises:
            MissingPackageError: the package or a model is missing or unreadable.
        """
        import numpy as np  # noqa: PLC0415 - only here

        pixels = np.asarray(enlarged(image, self.least).convert("RGB"))[:, :, ::-1]
        try:
            found = _rapid(self.models)(pixels)
        except MissingPackageError:
            raise
        except Exception as error:  # onnxruntime's and RapidOCR's exceptions share no base
            why = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            raise MissingPackageError(f"RapidOCR does not work here ({why}); {_RAPID_FIX}") from error
        texts = getattr(found, "txts", None)
        if texts is None:
            return []
        return [Line(texts[i], float(found.scores[i])) for i in reading_order(found.boxes) if texts[i].strip()]


def reading_order(boxes: Sequence[Sequence[Sequence[float]]]) -> list[int]:
    """Indices of text boxes as people read them: rows from top to bottom, in a row from left to right.

    The engine orders boxes by their upper edges, so that of two words on one line the taller would come first. Here a
    box belongs to the row of the one above it if they share at least half of the smaller one's height.

    Args:
        boxes: (N, K, 2), corners as (x, y) in pixels.
    """
    spans = [(min(y for _, y in box), max(y for _, y in box), min(x for x, _ in box)) for box in boxes]
    rows: list[list[int]] = []
    for i in sorted(range(len(spans)), key=lambda i: (spans[i][0] + spans[i][1]) / 2):
        top, bottom, _ = spans[i]
        if rows:
            above = spans[rows[-1][0]]
            shared = min(bottom, above[1]) - max(top, above[0])
            if 2 * shared >= min(bottom - top, above[1] - above[0]):
                rows[-1].append(i)
                continue
        rows.append([i])
    return [i for row in rows for i in sorted(row, key=lambda i: spans[i][2])]


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

    def traits(self) -> Mapping[str, Trait]:
        """``weights`` is "none" where the program or its languages are missing."""
        try:
            used = self._used()
        except MissingPackageError:
            return {"engine": "tesseract none", "weights": "none", "preprocess": _scaling(self.least)}
        weights = f"{'+'.join(used.languages)}@{_hash(used.files)}"
        scale = f"{_scaling(self.least)}; psm 3; Sauvola threshold"
        return {"engine": f"tesseract {used.version}", "weights": weights, "preprocess": scale, **libraries("pillow")}

    def read(self, image: Image.Image) -> list[Line]:
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


def _tsv_lines(text: str) -> list[Line]:
    """Words of Tesseract's TSV put together to lines, in its reading order."""
    lines: dict[tuple[str, ...], list[tuple[str, float]]] = {}
    for row in csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE):
        if row["level"] == _WORD_LEVEL and (row["text"] or "").strip():
            key = tuple(row[k] for k in ("page_num", "block_num", "par_num", "line_num"))
            lines.setdefault(key, []).append((row["text"].strip(), max(float(row["conf"]), 0.0) / 100))
    return [Line(textmatch.joined([w for w, _ in words]), sum(c for _, c in words) / len(words)) for words in lines.values()]


@lru_cache(maxsize=2)
def _rapid(models: str | None) -> Any:  # noqa: ANN401 - RapidOCR carries no types
    """The engine, shared by all metrics. Naming the model files keeps RapidOCR from downloading others.

    onnxruntime's memory arena is on, which saves a tenth of the time and changes no reading; the orientation
    classifier stays on, which costs less than that and reads signs that are upside down.
    """
    try:
        from rapidocr import RapidOCR  # noqa: PLC0415 - slow import
    except ImportError as error:
        raise MissingPackageError("OCR needs the package rapidocr; install it with: pip install rapidocr onnxruntime") from error
    logging.getLogger("RapidOCR").setLevel(logging.ERROR)
    paths = {f"{kind.capitalize()}.model_path": str(file) for kind, file in _onnx_files(models).items()}
    return RapidOCR(params={"Global.log_level": "error", "EngineConfig.onnxruntime.enable_cpu_mem_arena": True, **paths})


def _onnx_files(models: str | None) -> dict[str, Path]:
    """The detection, recognition and orientation models of a folder, by default the package's."""
    if models is None:
        spec = find_spec("rapidocr")
        if spec is None or spec.origin is None:
            raise MissingPackageError("OCR needs the package rapidocr; install it with: pip install rapidocr onnxruntime")
        folder = Path(spec.origin).parent / "models"
    else:
        folder = Path(models)
    found = {}
    for kind in ("det", "rec", "cls"):
        files = sorted(folder.glob(f"*_{kind}_*.onnx"))
        if len(files) != 1:
            raise MissingPackageError(f"{folder} holds {len(files)} files *_{kind}_*.onnx where RapidOCR needs one; {_RAPID_FIX}")
        found[kind] = files[0]
    return found


@cache
def _rapid_libraries() -> dict[str, Trait]:
    """Versions that change readings; OpenCV has four package names, of which the installed ones count."""
    opencv = [f"opencv-{name}" for name in ("python", "python-headless", "contrib-python", "contrib-python-headless")]
    there = {v for v in libraries(*opencv).values() if v != "none"}
    return {**libraries("rapidocr", "onnxruntime", "pillow"), "opencv": ",".join(sorted(map(str, there))) or "none"}


def _hash(files: Sequence[Path]) -> str:
    """SHA-256 (16 hex digits) of the files' contents."""
    return _hash_of(tuple((str(f), f.stat().st_mtime_ns, f.stat().st_size) for f in files))


@cache
def _hash_of(files: tuple[tuple[str, int, int], ...]) -> str:
    total = hashlib.sha256()
    for path, _, _ in files:
        total.update(Path(path).read_bytes())
    return total.hexdigest()[:16]


def _scaling(least: int) -> str:
    return f"short side >= {least} px by a whole factor of at most {_MOST_ENLARGED}, Lanczos"


def enlarged(image: Image.Image, least: int) -> Image.Image:
    """The picture with its short side at ``least`` pixels or more, by a whole factor of at most 8 (Lanczos)."""
    from PIL import Image as Images  # noqa: PLC0415 - slow import

    factor = min(_MOST_ENLARGED, math.ceil(least / min(image.size)))
    if factor <= 1:
        return image
    return image.resize((image.width * factor, image.height * factor), Images.Resampling.LANCZOS)


def latin_font() -> Path:
    """DejaVu Sans, as matplotlib carries it: for pictures of words with a known text."""
    spec = find_spec("matplotlib")
    if spec is None or spec.origin is None:
        raise MissingPackageError("drawing words needs the package matplotlib; install it with: pip install matplotlib")
    return Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"


def self_test(engine: Engine) -> str | None:
    """None when the words drawn in ``selftest/`` are read back in every script the engine has, else what went wrong.

    Raises:
        MissingPackageError: the engine cannot read at all.
    """
    from PIL import Image as Images  # noqa: PLC0415 - slow import

    for script in engine.scripts():
        with Images.open(Path(__file__).parent / "selftest" / f"{script}.png") as picture:
            read = textmatch.joined([line.text for line in engine.read(picture.convert("RGB"))])
        if textmatch.words(read) != textmatch.words(SELF_TEST[script]):
            return f"{SELF_TEST[script]!r} was read as {read!r}"
    return None


@cache
def check(engine: Engine) -> None:
    """Pass once a process, or say why nothing may be scored with this engine.

    Raises:
        MissingPackageError: the engine is missing, broken, or misreads its self-test.
    """
    why = self_test(engine)
    if why:
        raise MissingPackageError(f"{engine.name} fails its self-test ({why}); {engine.fix}")


_readings: OrderedDict[tuple[str, Engine], tuple[Line, ...]] = OrderedDict()


def reading(engine: Engine, sample: Sample) -> tuple[Line, ...]:
    """What a checked engine reads in a picture.

    The last 128 readings are kept (text only), by the picture's hash and the engine with its settings. Metrics take turns on
    batches of 16 pictures, so those that share an engine read each picture once.

    Raises:
        MissingPackageError: see ``check``.
    """
    check(engine)
    if sample.record.sha256 is None:
        return tuple(engine.read(sample.image))
    key = (sample.record.sha256, engine)
    if key not in _readings:
        _readings[key] = tuple(engine.read(sample.image))
        while len(_readings) > _MOST_READINGS:
            _readings.popitem(last=False)
    return _readings[key]
