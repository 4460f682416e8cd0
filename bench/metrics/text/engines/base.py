"""OCR engines: what reads text in a picture, and the test each must pass before anything is scored with it."""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from bench.errors import MissingPackageError
from bench.metrics.text import matching

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PIL import Image

    from bench.core.fingerprint import Trait
    from bench.metrics.base import Sample

SELF_TEST = {"latin": "BENCH 42", "chinese": "营业时间"}
"""Script to what is written in ``selftest/SCRIPT.png``."""
_MOST_READINGS = 128
_MOST_ENLARGED = 8


class TextLine(NamedTuple):
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

    def fingerprint_fields(self) -> Mapping[str, Trait]:
        """Engine, models with their hash, scaling and library versions; cheap, loads no model."""

    def read(self, image: Image.Image) -> list[TextLine]:
        """Lines from top to bottom and left to right. Raises MissingPackageError when it cannot work."""


def files_hash(files: Sequence[Path]) -> str:
    """SHA-256 (16 hex digits) of the files' contents."""
    return _hash_of(tuple((str(f), f.stat().st_mtime_ns, f.stat().st_size) for f in files))


@cache
def _hash_of(files: tuple[tuple[str, int, int], ...]) -> str:
    total = hashlib.sha256()
    for path, _, _ in files:
        total.update(Path(path).read_bytes())
    return total.hexdigest()[:16]


def scaling_rule(least: int) -> str:
    """What ``enlarged`` does, as text for the fingerprint."""
    return f"short side >= {least} px by a whole factor of at most {_MOST_ENLARGED}, Lanczos"


def enlarged(image: Image.Image, least: int) -> Image.Image:
    """The picture with its short side at ``least`` pixels or more, by a whole factor of at most 8 (Lanczos)."""
    from PIL import Image as Images  # noqa: PLC0415 - slow import

    factor = min(_MOST_ENLARGED, math.ceil(least / min(image.size)))
    if factor <= 1:
        return image
    return image.resize((image.width * factor, image.height * factor), Images.Resampling.LANCZOS)


def self_test(engine: Engine) -> str | None:
    """None when the words drawn in ``selftest/`` are read back in every script the engine has, else what went wrong.

    Raises:
        MissingPackageError: the engine cannot read at all.
    """
    from PIL import Image as Images  # noqa: PLC0415 - slow import

    for script in engine.scripts():
        with Images.open(Path(__file__).parent / "selftest" / f"{script}.png") as picture:
            read = matching.joined([line.text for line in engine.read(picture.convert("RGB"))])
        if matching.words(read) != matching.words(SELF_TEST[script]):
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


_readings: OrderedDict[tuple[str, Engine], tuple[TextLine, ...]] = OrderedDict()


def reading(engine: Engine, sample: Sample) -> tuple[TextLine, ...]:
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
