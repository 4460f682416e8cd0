"""Fréchet distance between the pictures of a run and a reference set."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from bench.errors import ConfigError, PromptError
from bench.types import ScoreRow

if TYPE_CHECKING:
    from PIL import Image

VERSION = 1
_BATCH = 16
_RENDERER_SEED = 1_000_000
_ENDINGS = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}


class Extractor(Protocol):
    """Turns pictures into features; the distance is named after it."""

    @property
    def name(self) -> str:
        """What the distance is called after; "inception" for the network FID is defined on."""

    def fingerprint(self) -> str:
        """Weights and preprocessing."""

    def features(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Features (N, D), float32."""


class Gaussian(NamedTuple):
    """Mean (D,), a factor F (R, D) with covariance F'F, and the number of pictures; float64."""

    mean: np.ndarray
    factor: np.ndarray
    n: int


def gaussian(features: np.ndarray) -> Gaussian:
    """Fit features (N, D), N >= 2; the factor has at most min(N, D) rows.

    Raises:
        ValueError: fewer than two pictures.
    """
    x = np.asarray(features, dtype=np.float64)
    if len(x) < 2:
        raise ValueError("a covariance needs at least two pictures")
    mean = x.mean(0)
    factor = (x - mean) / math.sqrt(len(x) - 1)
    if len(factor) > factor.shape[1]:
        factor = np.linalg.qr(factor, mode="r")
    return Gaussian(mean, factor, len(x))


def from_statistics(mean: np.ndarray, covariance: np.ndarray, n: int) -> Gaussian:
    """From a stored mean (D,) and covariance (D, D)."""
    values, vectors = np.linalg.eigh(np.asarray(covariance, dtype=np.float64))
    return Gaussian(np.asarray(mean, dtype=np.float64), np.sqrt(np.clip(values, 0, None))[:, None] * vectors.T, n)


def distance(a: Gaussian, b: Gaussian) -> float:
    """|m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)), 0 or more (Heusel et al., 2017).

    With S = F'F, the trace of the root is the sum of the singular values of F1 F2', which is exact for any N and costs
    only min(N, D) squared numbers.
    """
    root = np.linalg.svd(a.factor @ b.factor.T, compute_uv=False).sum()
    between = np.square(a.mean - b.mean).sum()
    return max(0.0, float(between + np.square(a.factor).sum() + np.square(b.factor).sum() - 2 * root))


def frechet_distance(mean1: np.ndarray, cov1: np.ndarray, mean2: np.ndarray, cov2: np.ndarray) -> float:
    """``distance`` from means (D,) and covariances (D, D)."""
    return distance(from_statistics(mean1, cov1, 0), from_statistics(mean2, cov2, 0))


@dataclass(frozen=True)
class FrechetDistance:
    """One row for the run: ``fid`` with the Inception weights FID is defined on, ``fd_<extractor>`` with any other.

    Attributes:
        extractor: what turns pictures into features.
        reference: a folder of pictures, a run's folder, an .npz with ``mu``, ``sigma`` and ``n``, or "renderer" (the
            embedded domain drawn from the run's own prompts); None leaves the run unscored.
        samples: pictures a prompt that the renderer draws.
    """

    extractor: Extractor
    name: str
    reference: str | None = None
    samples: int = 8

    def __post_init__(self) -> None:
        right = "fid" if self.extractor.name == "inception" else f"fd_{self.extractor.name}"
        if self.name != right:
            raise ConfigError(f"metric {self.name!r} with the extractor {self.extractor.name!r} must be called {right!r}")

    def fingerprint(self) -> str:
        """Metric version, extractor and reference."""
        return f"{self.name}/v{VERSION} {self.extractor.fingerprint()} reference={self._reference_name()}"

    def features(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Features (N, D) of a batch."""
        return self.extractor.features(images)

    def compare(self, features: np.ndarray, prompts: Sequence[str]) -> list[ScoreRow]:
        """The run's row; n, reference n and a note on small samples in ``detail``."""
        if self.reference is None:
            return [
                self._unscored(
                    f"no reference; name one with: metric.{self.name}.reference=FOLDER (pictures, a run, or an .npz with mu, sigma, n)"
                )
            ]
        if len(features) < 2:
            return [self._unscored(f"{len(features)} pictures; a covariance needs at least two")]
        try:
            reference = self._gaussian(prompts)
        except (PromptError, ValueError) as error:
            return [self._unscored(str(error))]
        if reference.mean.shape != features.shape[1:]:
            return [
                self._unscored(
                    f"the reference has {reference.mean.size} features a picture, {self.extractor.name} gives {features.shape[1]}"
                )
            ]
        few = min(len(features), reference.n or len(features))
        detail: dict[str, Any] = {"n": len(features), "reference_n": reference.n, "dimensions": features.shape[1]}
        if few < features.shape[1]:
            detail["note"] = (
                f"{few} pictures for {features.shape[1]} features: the covariance is rank-deficient and the distance biased "
                "upwards; compare only runs of equal n"
            )
        return [
            ScoreRow(
                self.name,
                self.fingerprint(),
                distance(gaussian(features), reference),
                unit="distance",
                higher_is_better=False,
                detail=detail,
            )
        ]

    def _unscored(self, reason: str) -> ScoreRow:
        return ScoreRow(self.name, self.fingerprint(), math.nan, "unscored", "distance", higher_is_better=False, reason=reason)

    def _reference_name(self) -> str:
        if self.reference in (None, "renderer"):
            return f"{self.reference} x{self.samples}" if self.reference else "none"
        return Path(str(self.reference)).name

    def _gaussian(self, prompts: Sequence[str]) -> Gaussian:
        if self.reference == "renderer":
            return self._fit(_drawn(prompts, self.samples))
        path = Path(str(self.reference)).expanduser()
        if path.suffix == ".npz" and path.is_file():
            with np.load(path) as held:
                return from_statistics(held["mu"], held["sigma"], int(held["n"]) if "n" in held else 0)
        folder = path / "images" if (path / "run.json").is_file() else path
        if not folder.is_dir():
            raise ValueError(f"the reference {self.reference!r} is neither a folder nor an .npz file")
        return self._fit(_pictures(folder))

    def _fit(self, images: Iterator[Image.Image]) -> Gaussian:
        parts = []
        while batch := list(islice(images, _BATCH)):
            parts.append(self.extractor.features(batch))
        if not parts:
            raise ValueError(f"the reference {self.reference!r} holds no pictures")
        return gaussian(np.concatenate(parts))


def _drawn(prompts: Sequence[str], samples: int) -> Iterator[Image.Image]:
    """Scenes of the embedded domain, with seeds that no run uses by default."""
    from bench.tiny import scenes  # noqa: PLC0415 - only for this reference

    for text in prompts:
        for i in range(samples):
            yield scenes.draw(scenes.parse(text), _RENDERER_SEED + i)


def _pictures(folder: Path) -> Iterator[Image.Image]:
    from PIL import Image as Images  # noqa: PLC0415 - slow import

    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() in _ENDINGS:
            with Images.open(file) as image:
                yield image.convert("RGB")
