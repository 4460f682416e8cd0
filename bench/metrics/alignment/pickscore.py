"""PickScore and other preference models of CLIP's architecture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from bench.core.fingerprint import fingerprint
from bench.metrics.extractors.contrastive import ContrastiveModel, cosine
from bench.types import Column, ImageRecord, ScoreRow

if TYPE_CHECKING:
    from bench.metrics.base import Sample

VERSION = 1


def preference(pictures: np.ndarray, texts: np.ndarray, logit_scale: float) -> np.ndarray:
    """exp(s) cos(picture, text), float64 (N,), of features (N, D): a logit, higher is better.

    The difference of two pictures of one prompt is the log-odds that people prefer the first (Kirstain et al., NeurIPS
    2023). ``logit_scale`` is the model's learned s.
    """
    return math.exp(logit_scale) * cosine(pictures, texts)


@dataclass(frozen=True)
class PickScore(ContrastiveModel):
    """What people prefer, predicted by a CLIP trained on their choices: exp(s) cos(E_image(picture), E_text(prompt)).

    Kirstain et al., "Pick-a-Pic", NeurIPS 2023; about 15 to 25 for its published weights. Any preference model of
    CLIP's architecture works by ``repo`` (and ``processor``); HPSv2 in transformers' layout, for one. It was trained on
    prompts of at most 77 tokens; ``detail`` says when one was cut.
    """

    @property
    def columns(self) -> tuple[Column, ...]:
        """The one column it fills."""
        return (Column(self.name, "logit", about="preference, predicted", order=120),)

    def fingerprint(self) -> str:
        """Weights, preprocessing, tokenizer and library versions."""
        return self._mark

    def not_applicable_reason(self, record: ImageRecord) -> str | None:  # noqa: ARG002 - the same for every picture
        """None: every picture has a prompt."""
        return None

    def score(self, samples: Sequence[Sample]) -> list[ScoreRow]:
        """One row a picture.

        Raises:
            MissingWeightsError: the model is not on this machine.
        """
        if not samples:
            return []
        pictures = self.features([s.image for s in samples])
        texts = [self.text(s.record.request.prompt) for s in samples]
        values = preference(pictures, np.stack([t.vector for t in texts]), float(self.model.logit_scale.detach()))
        (column,) = self.columns
        return [
            column.scored(self._mark, float(value), sample.record, text.detail)
            for sample, text, value in zip(samples, texts, values, strict=True)
        ]

    @cached_property
    def _mark(self) -> str:
        return fingerprint(
            self.name,
            VERSION,
            **self.fingerprint_fields(),
            **self.text_fingerprint_fields(),
            long_prompts="cut at the limit, end token kept",
        )
