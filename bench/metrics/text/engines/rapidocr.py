"""RapidOCR: PaddleOCR's networks under onnxruntime."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.core.fingerprint import libraries
from bench.errors import MissingPackageError
from bench.metrics.text.engines.base import SELF_TEST, TextLine, enlarged, files_hash, scaling

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from PIL import Image

    from bench.core.fingerprint import Trait

_RAPID_FIX = "reinstall it with: pip install --force-reinstall rapidocr onnxruntime"


@dataclass(frozen=True)
class RapidEngine:
    """RapidOCR with the PP-OCR models its package carries (English and Chinese), on the CPU; never downloads anything.

    Attributes:
        least: short side in pixels up to which a picture is enlarged, by a whole factor of at most 8 (Lanczos).
        models: folder with one detection, one recognition and one orientation model (``*_det_*.onnx``, ``*_rec_*``,
            ``*_cls_*``); None takes the package's.
    """

    requires = (("rapidocr", "pip install rapidocr onnxruntime"),)
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

    def fingerprint_fields(self) -> Mapping[str, Trait]:
        """``weights`` is "none" where the package or its models are missing."""
        try:
            files = _onnx_files(self.models)
            weights = f"{files['rec'].stem}@{files_hash(tuple(files.values()))}"
        except (MissingPackageError, OSError):
            weights = "none"
        scale = f"{scaling(self.least)}; long side at most 2000 px; BGR uint8"
        return {"engine": "rapidocr", "weights": weights, "preprocess": scale, **_rapid_libraries()}

    def read(self, image: Image.Image) -> list[TextLine]:
        """Lines that RapidOCR is at least half sure of.

        Raises:
            MissingPackageError: the package or a model is missing or unreadable.
        """
        import numpy as np  # noqa: PLC0415 - only here

        pixels = np.asarray(enlarged(image, self.least).convert("RGB"))[:, :, ::-1]
        try:
            result = _rapid(self.models)(pixels)
        except MissingPackageError:
            raise
        except Exception as error:  # onnxruntime's and RapidOCR's exceptions share no base
            why = (str(error).strip().splitlines() or [type(error).__name__])[-1]
            raise MissingPackageError(f"RapidOCR does not work here ({why}); {_RAPID_FIX}") from error
        texts = getattr(result, "txts", None)
        if texts is None:
            return []
        return [TextLine(texts[i], float(result.scores[i])) for i in reading_order(result.boxes) if texts[i].strip()]


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


@lru_cache(maxsize=2)
def _rapid(models: str | None) -> Any:  # noqa: ANN401 - RapidOCR carries no types
    """The engine, shared by all metrics. Naming the model files keeps RapidOCR from downloading others.

    onnxruntime's memory arena is on, which saves a tenth of the time and changes no reading; the orientation
    classifier stays on, which costs less than that and reads signs that are upside down. It takes as many threads as
    OMP_NUM_THREADS says, which onnxruntime itself does not read, and else one a core.
    """
    try:
        from rapidocr import RapidOCR  # noqa: PLC0415 - slow import
    except ImportError as error:
        raise MissingPackageError("OCR needs the package rapidocr; install it with: pip install rapidocr onnxruntime") from error
    logging.getLogger("RapidOCR").setLevel(logging.ERROR)
    paths = {f"{kind.capitalize()}.model_path": str(file) for kind, file in _onnx_files(models).items()}
    threads = os.environ.get("OMP_NUM_THREADS", "")
    settings = {"enable_cpu_mem_arena": True, "intra_op_num_threads": int(threads) if threads.isdigit() else -1}
    return RapidOCR(params={"Global.log_level": "error", **{f"EngineConfig.onnxruntime.{k}": v for k, v in settings.items()}, **paths})


def _onnx_files(models: str | None) -> dict[str, Path]:
    """The detection, recognition and orientation models of a folder, by default the package's."""
    if models is None:
        spec = find_spec("rapidocr")
        if spec is None or spec.origin is None:
            raise MissingPackageError("OCR needs the package rapidocr; install it with: pip install rapidocr onnxruntime")
        folder = Path(spec.origin).parent / "models"
    else:
        folder = Path(models)
    model_files = {}
    for kind in ("det", "rec", "cls"):
        files = sorted(folder.glob(f"*_{kind}_*.onnx"))
        if len(files) != 1:
            raise MissingPackageError(f"{folder} holds {len(files)} files *_{kind}_*.onnx where RapidOCR needs one; {_RAPID_FIX}")
        model_files[kind] = files[0]
    return model_files


@cache
def _rapid_libraries() -> dict[str, Trait]:
    """Versions that change readings; OpenCV has four package names, of which the installed ones count."""
    opencv = [f"opencv-{name}" for name in ("python", "python-headless", "contrib-python", "contrib-python-headless")]
    there = {v for v in libraries(*opencv).values() if v != "none"}
    return {**libraries("rapidocr", "onnxruntime", "pillow"), "opencv": ",".join(sorted(map(str, there))) or "none"}
