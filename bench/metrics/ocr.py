"""Text accuracy: what an OCR engine reads in a picture against the text the prompt asked for."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import MissingPackageError
from bench.metrics import textmatch
from bench.types import ScoreRow

if TYPE_CHECKING:
    from PIL import Image

    from bench.metrics import Sample

VERSION = 1
COLUMNS = {
    "ocr.exact": ("share", True),
    "ocr.word_accuracy": ("share", True),
    "ocr.cer": ("edits/char", False),
    "ocr.ned": ("similarity", True),
}
"""Column to unit and direction; means over the expected regions of a picture (exact: all of them)."""
_LATIN, _CHINESE = "BENCH 42", "营业时间"
_CHINESE_FONTS = ("NotoSansCJK-Regular.ttc", "NotoSansCJK-Bold.ttc", "wqy-microhei.ttc", "wqy-zenhei.ttc")


@dataclass(frozen=True)
class TextAccuracy:
    """Rows ``ocr.exact`` (0 or 1), ``ocr.word_accuracy`` (multiset recall), ``ocr.cer`` and ``ocr.ned``.

    RapidOCR's bundled PP-OCR models read the picture; a picture whose short side is below ``least`` pixels is enlarged
    first. Case is folded. Prompts without expected text are not applicable.

    Attributes:
        least: short side in pixels up to which a picture is enlarged, by a whole factor of at most 4 (Lanczos).
    """

    name: str = "ocr"
    least: int = 512
    batch_size: int = 8

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it fills."""
        return tuple(COLUMNS)

    def fingerprint(self) -> str:
        """Engine, its version and the scaling rule."""
        try:
            engine = version("rapidocr")
        except PackageNotFoundError:
            engine = "none"
        return f"{self.name}/v{VERSION} rapidocr={engine} least={self.least} nfkc+casefold"

    def score(self, samples: Sequence[Sample]) -> list[ScoreRow]:
        """Four rows a picture, with the lines read and the words missing and added in ``detail``.

        Raises:
            MissingPackageError: the engine is not installed or fails its self-test.
        """
        return [row for sample in samples for row in self._score(sample)]

    def read(self, image: Image.Image) -> list[tuple[str, float]]:
        """Lines in reading order with their confidence (0 to 1)."""
        return self._engine.read(enlarged(image, self.least))

    def _score(self, sample: Sample) -> list[ScoreRow]:
        record = sample.record
        whose = {"request_id": record.request.id, "prompt_id": record.prompt_id, "seed": record.request.seed}
        if not record.expected_text:
            reason = "the prompt asks for no text"
            return [
                ScoreRow(k, self.fingerprint(), math.nan, "not_applicable", unit, up, reason=reason, **whose)  # type: ignore[arg-type]
                for k, (unit, up) in COLUMNS.items()
            ]
        lines = self.read(sample.image)
        found = textmatch.assign(record.expected_text, [text for text, _ in lines])
        values = {
            "ocr.exact": float(all(m.exact for m in found)),
            "ocr.word_accuracy": sum(m.recall for m in found) / len(found),
            "ocr.cer": sum(m.cer for m in found) / len(found),
            "ocr.ned": sum(m.ned for m in found) / len(found),
        }
        detail = {
            "lines": [[text, round(sure, 3)] for text, sure in lines],
            "regions": [{"expected": m.expected, "read": m.read, "missing": list(m.missing), "added": list(m.added)} for m in found],
        }
        return [
            ScoreRow(k, self.fingerprint(), values[k], unit=unit, higher_is_better=up, detail=detail, **whose)  # type: ignore[arg-type]
            for k, (unit, up) in COLUMNS.items()
        ]

    @cached_property
    def _engine(self) -> RapidEngine:
        engine = RapidEngine()
        why = self_test(engine)
        if why:
            raise MissingPackageError(
                f"the OCR engine fails its self-test ({why}); reinstall it with: pip install --force-reinstall rapidocr"
            )
        return engine


class RapidEngine:
    """RapidOCR with the models its package carries; offline."""

    def __init__(self) -> None:
        try:
            from rapidocr import RapidOCR  # noqa: PLC0415 - slow import
        except ImportError as error:
            raise MissingPackageError("OCR needs the package rapidocr; install it with: pip install rapidocr onnxruntime") from error
        logging.getLogger("RapidOCR").setLevel(logging.ERROR)
        self._engine: Any = RapidOCR(params={"Global.log_level": "error"})

    def read(self, image: Image.Image) -> list[tuple[str, float]]:
        """Recognised lines, from top to bottom and left to right, with confidence."""
        import numpy as np  # noqa: PLC0415 - only here

        found = self._engine(np.asarray(image.convert("RGB"))[:, :, ::-1])
        if found.txts is None:
            return []
        return [(text, float(sure)) for text, sure in zip(found.txts, found.scores, strict=True) if text.strip()]


def self_test(engine: RapidEngine) -> str | None:
    """None when rendered words (Latin, and Chinese where a font is found) are read back, else what went wrong."""
    for text, font in ((_LATIN, latin_font()), (_CHINESE, chinese_font())):
        if font is None:
            continue
        read = " ".join(line for line, _ in engine.read(rendered(text, font)))
        if textmatch.words(read) != textmatch.words(text):
            return f"{text!r} was read as {read!r}"
    return None


def rendered(text: str, font: Path) -> Image.Image:
    """``text`` in black on white, 64 pixels high."""
    from PIL import Image, ImageDraw, ImageFont  # noqa: PLC0415 - slow import

    face = ImageFont.truetype(str(font), 64)
    width = int(face.getlength(text)) + 120
    image = Image.new("RGB", (width, 192), "white")
    ImageDraw.Draw(image).text((60, 60), text, font=face, fill="black")
    return image


def latin_font() -> Path | None:
    """A font that comes with matplotlib."""
    spec = find_spec("matplotlib")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"


def chinese_font() -> Path | None:
    """A Chinese font of the system, None when it has none."""
    for root in (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), Path("/Library/Fonts"), Path("/System/Library/Fonts")):
        for name in _CHINESE_FONTS:
            found = next(root.rglob(name), None) if root.is_dir() else None
            if found:
                return found
    return None


def enlarged(image: Image.Image, least: int) -> Image.Image:
    """The picture with its short side at ``least`` pixels or more, by a whole factor of at most 4."""
    from PIL import Image as Images  # noqa: PLC0415 - slow import

    factor = min(4, math.ceil(least / min(image.size)))
    if factor <= 1:
        return image
    return image.resize((image.width * factor, image.height * factor), Images.Resampling.LANCZOS)
