"""Pictures that are nearly the same for different prompts, by a perceptual hash, coarse colours and a small grey copy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from bench.core.fingerprint import Trait, fingerprint, libraries
from bench.errors import ConfigError
from bench.metrics.base import Extractor
from bench.types import Column

if TYPE_CHECKING:
    from PIL import Image

    from bench.types import ImageRecord, ScoreRow

VERSION = 2
_SIDE, _KEPT = 32, 8
_BITS = _KEPT * _KEPT
_GREY = 64
_NOISE = 2 / 255
"""Deviation of a small grey copy that counts as none, so that two flat pictures are alike."""
_BLOCK = 512
_MAX_GROUPS = 50
"""Groups that the detail lists."""


@cache
def _cosines() -> np.ndarray:
    """The unnormalised DCT-II, 2 cos(pi k (2 n + 1) / 2 N), for k = 0 to 7: float64 (8, 32)."""
    k, n = np.arange(_KEPT)[:, None], np.arange(_SIDE)[None]
    return np.asarray(2 * np.cos(np.pi * k * (2 * n + 1) / (2 * _SIDE)))


def phash(image: Image.Image) -> np.ndarray:
    """64-bit perceptual hash: bool (64,), row by row.

    The picture in grey (ITU-R 601) at 32 x 32 (Lanczos), its two-dimensional DCT-II, the 8 x 8 lowest coefficients, each 1 where it is
    above their median (Zauner, 2010; the definition of the ImageHash package). Coefficients are rounded to 1e-6 first,
    so that a flat picture has one hash and not one of rounding errors.
    """
    from PIL import Image as Images  # noqa: PLC0415 - slow import

    small = np.asarray(image.convert("L").resize((_SIDE, _SIDE), Images.Resampling.LANCZOS), dtype=np.float64)
    low = np.round(_cosines() @ small @ _cosines().T, 6)
    return np.asarray(low > np.median(low)).ravel()


def blocks(image: Image.Image) -> np.ndarray:
    """Mean colour of 8 x 8 blocks (box filter): float64 (192,), 0 to 1; row by row, red, green and blue of each."""
    from PIL import Image as Images  # noqa: PLC0415 - slow import

    return np.asarray(image.convert("RGB").resize((_KEPT, _KEPT), Images.Resampling.BOX), dtype=np.float64).ravel() / 255


def grain(image: Image.Image) -> np.ndarray:
    """The picture in grey at 64 x 64 (box filter), less its mean: float64 (4096,), -1 to 1, row by row."""
    from PIL import Image as Images  # noqa: PLC0415 - slow import

    small = np.asarray(image.convert("L").resize((_GREY, _GREY), Images.Resampling.BOX), dtype=np.float64).ravel() / 255
    return np.asarray(small - small.mean())


def correlation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Correlation of all rows of centred arrays (N, D) and (M, D): float (N, M), -1 to 1.

    (mean of a b + s) / sqrt((mean of a² + s) (mean of b² + s)) with s the square of two grey levels: noise alone, or nothing, is
    alike.
    """
    d, s = a.shape[1], _NOISE**2
    power_a, power_b = (np.square(z).sum(1) / d + s for z in (a, b))
    return np.asarray((a @ b.T / d + s) / np.sqrt(np.outer(power_a, power_b)))


def hamming(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Number of differing bits between all rows of 0/1 arrays (N, D) and (M, D): int (N, M)."""
    a, b = np.asarray(a, dtype=np.float32), np.asarray(b, dtype=np.float32)
    same = a @ b.T + (1 - a) @ (1 - b).T
    return np.asarray(a.shape[1] - np.rint(same).astype(np.int64))


def alike(features: np.ndarray, owners: Sequence[str], max_bits: int, max_shade: float, likeness: float) -> list[tuple[int, int]]:
    """Pairs i < j of nearly identical pictures of different owners.

    Args:
        features: (N, 4352), the bits of ``phash``, the colours of ``blocks``, the ``grain``.
        owners: N names; two pictures of one owner are no pair.
        max_bits: largest number of differing bits.
        max_shade: largest difference of any block in any channel, 0 to 1.
        likeness: smallest correlation of the grains.
    """
    bits, colours, grains = np.split(features, [_BITS, 4 * _BITS], axis=1)
    _, owner = np.unique(np.asarray(owners), return_inverse=True)
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(bits), _BLOCK):
        near = hamming(bits[start : start + _BLOCK], bits[start:]) <= max_bits
        near &= owner[start : start + _BLOCK, None] != owner[None, start:]
        i, j = start + np.argwhere(np.triu(near)).T
        same = np.abs(colours[i] - colours[j]).max(1, initial=0.0) <= max_shade
        i, j = i[same], j[same]
        (rows, row), (columns, column) = (np.unique(k, return_inverse=True) for k in (i, j))
        same = correlation(grains[rows], grains[columns])[row, column] >= likeness
        pairs += zip(i[same].tolist(), j[same].tolist(), strict=True)
    return pairs


def linked(pairs: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Groups of numbers that pairs join, directly or through others; sorted.

    >>> linked([(0, 2), (5, 6), (2, 3)])
    [[0, 2, 3], [5, 6]]
    """
    group: dict[int, list[int]] = {}
    for i, j in pairs:
        first, second = group.setdefault(i, [i]), group.setdefault(j, [j])
        if first is not second:
            first += second
            group |= dict.fromkeys(second, first)
    return sorted(sorted(g) for g in {id(g): g for g in group.values()}.values())


@dataclass(frozen=True)
class PerceptualHash:
    """``phash``, ``blocks`` and ``grain`` as an extractor: features (N, 4352) from -1 to 1, no weights."""

    name: str = "phash"

    def fingerprint_fields(self) -> Mapping[str, Trait]:
        """Definition and the library that scales."""
        how = "grey, Lanczos to 32x32, DCT-II, 8x8 lowest over their median; mean colours of 8x8 blocks; grey 64x64 less its mean"
        return {"weights": "none", "preprocess": how, **libraries("pillow")}

    def features(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Bits, colours and grain as float32 (N, 4352)."""
        return np.stack([np.concatenate([phash(i), blocks(i), grain(i)]) for i in images]).astype(np.float32)


@dataclass(frozen=True)
class Duplicates:
    """Share of the run's pictures that are nearly identical to a picture of another prompt, 0 to 1.

    Nearly identical: at most ``most`` of the 64 bits of ``phash`` differ, no block of ``blocks`` by more than ``shade``, and the
    ``grain`` of both correlates to ``likeness`` or more. The hash alone is blind to colour: among 600 drawn scenes of the
    embedded domain, all different, it calls 11 % doubles; hash and colours together call unlike words on a plain ground
    doubles, 95 % of them where letters are 24 of 512 pixels high, which the grain tells apart. JPEG, scaling and some brightness
    change none of them. A mirror image is another picture; so are a crop of 3 % and a shift of 8 pixels in 512.

    Neither end is better: the share rises with n, prompts for nearly the same picture raise it through no fault of the model,
    and it has no interval. n and the groups in ``detail``.

    Attributes:
        most: largest number of bits that may differ.
        shade: largest difference of a block's mean in a channel, 0 to 1.
        likeness: smallest correlation of the small grey copies, 0 to 1.

    Raises:
        ConfigError: a value out of range.
    """

    name: str = "duplicates"
    extractor: Extractor = field(default_factory=PerceptualHash)
    most: int = 4
    shade: float = 0.125
    likeness: float = 0.98

    def __post_init__(self) -> None:
        if isinstance(self.most, bool) or not isinstance(self.most, int) or not 0 <= self.most < 32:
            raise ConfigError(f"metric.{self.name}.most={self.most!r} must be a whole number from 0 to 31: bits of 64 that may differ")
        if not isinstance(self.shade, int | float) or not 0 <= self.shade <= 1:
            raise ConfigError(f"metric.{self.name}.shade={self.shade!r} must be a number from 0 to 1: how far a block's colour may differ")
        if not isinstance(self.likeness, int | float) or not 0 <= self.likeness <= 1:
            raise ConfigError(
                f"metric.{self.name}.likeness={self.likeness!r} must be a number from 0 to 1: how far small grey copies correlate"
            )

    @property
    def columns(self) -> tuple[Column, ...]:
        """The one column."""
        return (
            Column(
                self.name, "share", higher_is_better=None, about="pictures that repeat", headline=False, weighed=False, order=260,
                aggregate="value",
            ),
        )  # fmt: skip

    def fingerprint(self) -> str:
        """Metric version, the hash and the distance that counts."""
        distance = f"Hamming <= {self.most}, blocks <= {self.shade:g}, grey r >= {self.likeness:g}"
        return fingerprint(self.name, VERSION, distance=distance, **self.extractor.fingerprint_fields())

    def unavailable_reason(self) -> str | None:
        """Nothing stands in the way."""
        return None

    def compare(self, features: np.ndarray, records: Sequence[ImageRecord]) -> list[ScoreRow]:
        """The run's row; unscored when all pictures are of one prompt."""
        fingerprint, (column,) = self.fingerprint(), self.columns
        owners = [r.request.prompt for r in records]
        if len(set(owners)) < 2:
            return [column.missing(fingerprint, "all pictures are of one prompt; duplicates are looked for between prompts")]
        groups = linked(alike(features, owners, self.most, self.shade, self.likeness))
        listed = [[{"prompt_id": records[i].prompt_id, "seed": records[i].request.seed} for i in group] for group in groups[:_MAX_GROUPS]]
        detail = {"n": len(records), "groups": listed, "groups_in_all": len(groups)}
        return [column.scored(fingerprint, sum(map(len, groups)) / len(records), detail=detail)]
