"""Whether the colours that a prompt names are in the picture."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.metrics import Column, fingerprint, libraries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.metrics import ImageRecord, Sample, ScoreRow

VERSION = 1
"""Raised whenever the same picture would score otherwise: scores of two versions never share a column."""
MIN_SHARE = 0.01
"""A colour is in the picture from this share of its pixels on."""
COLOURS = {
    "red": (220, 40, 40), "orange": (245, 130, 30), "yellow": (250, 215, 50), "green": (40, 150, 70), "blue": (40, 90, 205),
    "purple": (125, 60, 170), "pink": (240, 120, 175), "brown": (120, 75, 40), "black": (25, 25, 25), "white": (245, 245, 245),
    "grey": (160, 160, 160),
}  # fmt: skip
"""The words that are looked for, and an RGB value of each; a pixel has the colour whose value is nearest."""


def colour_words(text: str) -> list[str]:
    """The colour words of ``text``, each once, in order."""
    return list(dict.fromkeys(word for word in re.findall(r"[a-z]+", text.lower()) if word in COLOURS))


def share_present(pixels: np.ndarray, words: Sequence[str]) -> float:
    """Share of ``words`` whose colour at least 1 % of the pixels have, 0 to 1.

    Args:
        pixels: (H, W, 3), 0 to 255.
        words: of ``COLOURS``, at least one.
    """
    palette = np.array(list(COLOURS.values()), dtype=np.int64)
    nearest = ((np.asarray(pixels, dtype=np.int64)[:, :, None] - palette) ** 2).sum(axis=-1).argmin(axis=-1)
    shares = np.bincount(nearest.ravel(), minlength=len(palette)) / nearest.size
    present = {word for word, share in zip(COLOURS, shares, strict=True) if share >= MIN_SHARE}
    return sum(word in present for word in words) / len(words)


@dataclass(frozen=True)
class ColourWords:
    """``colour_words`` of each picture: the share of the colours its prompt names that it shows.

    It asks whether they are there, not where: a picture of noise has them all and scores 1.
    """

    name: str = "colour_words"

    @property
    def columns(self) -> tuple[Column, ...]:
        """One column, with its card: reports, the answer and the notebook show a metric as its columns say."""
        return (Column(self.name, "share", higher_is_better=True, worst=0.0, about="named colours that are there"),)

    def fingerprint(self) -> str:
        """Everything that can change the number."""
        return fingerprint(self.name, VERSION, preprocess="8-bit RGB as decoded", min_share=MIN_SHARE, **libraries("pillow"))

    def not_applicable_reason(self, record: ImageRecord) -> str | None:
        """Why a picture has no such score; None if it has one."""
        return None if colour_words(record.request.prompt) else "the prompt names no colour"

    def score(self, samples: Sequence[Sample]) -> list[ScoreRow]:
        """A row of each column for every picture."""
        (column,), key = self.columns, self.fingerprint()
        return [
            column.scored(key, share_present(np.asarray(sample.image), words), sample.record, {"words": words})
            for sample in samples
            for words in [colour_words(sample.record.request.prompt)]
        ]
