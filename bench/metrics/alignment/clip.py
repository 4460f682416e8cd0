"""CLIP similarity: the cosine of picture and prompt in the space of a contrastive model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from bench.core.fingerprint import Trait, fingerprint
from bench.metrics.extractors.contrastive import ContrastiveModel, cosine
from bench.types import Column, ImageRecord, ScoreRow

if TYPE_CHECKING:
    import numpy as np

    from bench.metrics.base import Sample

VERSION = 2


def scales(cosine: float) -> dict[str, float]:
    """The published scales of a cosine in [-1, 1].

    ``score100`` = 100 max(cos, 0), 0 to 100 (torchmetrics); ``clipscore`` = 2.5 max(cos, 0), 0 to 2.5 (Hessel et al.,
    EMNLP 2021, where the text is the prompt after "A photo depicts ").

    >>> scales(0.25)
    {'score100': 25.0, 'clipscore': 0.625}
    """
    return {"score100": 100 * max(cosine, 0.0), "clipscore": 2.5 * max(cosine, 0.0)}


@dataclass(frozen=True)
class ClipSimilarity(ContrastiveModel):
    """cos(E_image(picture), E_text(prompt)), in [-1, 1], higher is better (Radford et al., 2021).

    ``NAME`` is that cosine; ``NAME.score100`` = 100 max(cos, 0); ``NAME.clipscore`` = 2.5 max(cos', 0), where cos' is
    the cosine to ``prefix`` + prompt; ``NAME.revised`` the cosine to the prompt that a hosted model says it drew instead.
    A cosine has no worst value that stands for a refused picture; the clamped scales have 0.

    The published scales are CLIP's. SigLIP (Zhai et al., 2023; SigLIP 2: Tschannen et al., 2025) is trained with a sigmoid
    whose slope and offset are learned: its cosines lie lower, and nobody publishes them times 100 or 2.5. It has the cosine
    and the cosine to the revised prompt only (``published_scales: false``).

    Attributes:
        windows: average over windows of whole sentences instead of cutting a prompt at the token limit.
        prefix: Hessel's, for the clipscore; "" for a model whose language lacks its words.
        published_scales: whether the two scales are columns.
    """

    windows: bool = False
    prefix: str = "A photo depicts "
    published_scales: bool = True

    @property
    def columns(self) -> tuple[Column, ...]:
        """The cosine, its two published scales, the cosine to the revised prompt."""
        name, order = self.name, 100 if self.published_scales else 110
        published = (
            Column(f"{name}.score100", "0-100", worst=0.0, order=order),
            Column(f"{name}.clipscore", "0-2.5", worst=0.0, order=order),
        )
        return (
            Column(name, "cosine", about="picture fits the prompt", order=order),
            *(published if self.published_scales else ()),
            Column(f"{name}.revised", "cosine", order=order),
        )

    def fingerprint(self) -> str:
        """Weights, preprocessing, tokenizer, treatment of long prompts, library versions."""
        return self._mark

    def not_applicable_reason(self, record: ImageRecord) -> str | None:  # noqa: ARG002 - the same for every picture
        """None: every picture has a prompt."""
        return None

    def score(self, samples: Sequence[Sample]) -> list[ScoreRow]:
        """A row of each column a picture; ``detail`` tells how many tokens its text has and whether it was cut.

        Raises:
            MissingWeightsError: the model is not on this machine.
        """
        pictures = self.features([s.image for s in samples])
        return [row for s, picture in zip(samples, pictures, strict=True) for row in self._rows(s.record, picture)]

    def _rows(self, record: ImageRecord, picture: np.ndarray) -> list[ScoreRow]:
        plain, *published, revised = self.columns
        prompt, mark = record.request.prompt, self._mark
        value, detail = self._to(prompt, picture)
        rows = [plain.scored(mark, value, record, detail)]
        if published:
            hundred, hessel = published
            prefixed, its_detail = self._to(self.prefix + prompt, picture)
            rows.append(hundred.scored(mark, scales(value)["score100"], record))
            rows.append(hessel.scored(mark, scales(prefixed)["clipscore"], record, its_detail))
        if record.revised_prompt:
            value, detail = self._to(record.revised_prompt, picture)
            rows.append(revised.scored(mark, value, record, detail))
        else:
            rows.append(revised.missing(mark, "the model reported no revised prompt", record, status="not_applicable"))
        return rows

    def _to(self, text: str, picture: np.ndarray) -> tuple[float, dict[str, int | bool]]:
        embedded = self.text(text, windowed=self.windows)
        return float(cosine(picture, embedded.vector)), embedded.detail

    @cached_property
    def _mark(self) -> str:
        long = "mean over sentence windows" if self.windows else "cut at the limit, end token kept"
        own: dict[str, Trait] = {"long_prompts": long, **({"prefix": self.prefix} if self.published_scales else {})}
        return fingerprint(self.name, VERSION, **self.fingerprint_fields(), **self.text_fingerprint_fields(), **own)
