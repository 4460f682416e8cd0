"""CLIP similarity: the cosine of picture and prompt in the space of a contrastive model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from bench.core.fingerprint import Trait, fingerprint
from bench.metrics.extractors.contrastive import ContrastiveModel, cosine
from bench.types import Column, ImageRecord, ScoreRow

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

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
class ClipSimilarity:
    """cos(E_image(picture), E_text(prompt)), in [-1, 1], higher is better (Radford et al., 2021).

    ``NAME`` is that cosine; ``NAME.score100`` = 100 max(cos, 0); ``NAME.clipscore`` = 2.5 max(cos', 0), where cos' is
    the cosine to ``prefix`` + prompt; ``NAME.revised`` the cosine to the prompt that a hosted model says it drew instead.
    A cosine has no worst value that stands for a refused picture; the clamped scales have 0.

    The published scales are CLIP's. SigLIP (Zhai et al., 2023; SigLIP 2: Tschannen et al., 2025) is trained with a sigmoid
    whose slope and offset are learned: its cosines lie lower, and nobody publishes them times 100 or 2.5. It has the cosine
    and the cosine to the revised prompt only (``published_scales: false``).

    Attributes:
        name, repo, revision, batch_size, processor: see ``ContrastiveModel``.
        windows: average over windows of whole sentences instead of cutting a prompt at the token limit.
        prefix: Hessel's, for the clipscore; "" for a model whose language lacks its words.
        published_scales: whether the two scales are columns.
    """

    name: str
    repo: str
    revision: str | None = None
    batch_size: int = 16
    processor: str | None = None
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

    @cached_property
    def model(self) -> ContrastiveModel:
        """What embeds pictures and texts."""
        return ContrastiveModel(self.name, self.repo, self.revision, self.batch_size, self.processor)

    def fingerprint(self) -> str:
        """Weights, preprocessing, tokenizer, treatment of long prompts, library versions."""
        return self._fingerprint

    def not_applicable_reason(self, record: ImageRecord) -> str | None:  # noqa: ARG002 - the same for every picture
        """None: every picture has a prompt."""
        return None

    def score(self, samples: Sequence[Sample]) -> list[ScoreRow]:
        """A row of each column a picture; ``detail`` says how many tokens its text has and whether it was cut.

        Raises:
            MissingWeightsError: the model is not on this machine.
        """
        pictures = self.model.features([s.image for s in samples])
        return [row for s, picture in zip(samples, pictures, strict=True) for row in self._rows(s.record, picture)]

    def fingerprint_fields(self) -> Mapping[str, Trait]:
        """As an extractor, which older runs name this class as: those of the model."""
        return self.model.fingerprint_fields()

    def features(self, images: Sequence[Image.Image]) -> np.ndarray:
        """As an extractor, which older runs name this class as: those of the model, float32 (N, D)."""
        return self.model.features(images)

    def _rows(self, record: ImageRecord, picture: np.ndarray) -> list[ScoreRow]:
        plain, *published, revised = self.columns
        prompt, fingerprint = record.request.prompt, self._fingerprint
        value, detail = self._cosine(prompt, picture)
        rows = [plain.scored(fingerprint, value, record, detail)]
        if published:
            score100, clipscore = published
            prefixed, prefixed_detail = self._cosine(self.prefix + prompt, picture)
            rows.append(score100.scored(fingerprint, scales(value)["score100"], record))
            rows.append(clipscore.scored(fingerprint, scales(prefixed)["clipscore"], record, prefixed_detail))
        if record.revised_prompt:
            value, detail = self._cosine(record.revised_prompt, picture)
            rows.append(revised.scored(fingerprint, value, record, detail))
        else:
            rows.append(revised.missing(fingerprint, "the model reported no revised prompt", record, status="not_applicable"))
        return rows

    def _cosine(self, text: str, picture: np.ndarray) -> tuple[float, dict[str, int | bool]]:
        """The cosine of a text and a picture (D,), and the row's detail about the text."""
        embedded = self.model.text(text, windowed=self.windows)
        return float(cosine(picture, embedded.vector)), embedded.detail

    @cached_property
    def _fingerprint(self) -> str:
        long = "mean over sentence windows" if self.windows else "cut at the limit, end token kept"
        own: dict[str, Trait] = {"long_prompts": long, **({"prefix": self.prefix} if self.published_scales else {})}
        return fingerprint(self.name, VERSION, **self.model.fingerprint_fields(), **self.model.text_fingerprint_fields(), **own)
