"""Composition on the embedded domain: whether a picture shows the shapes its caption asks for, without any learned judge."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from bench.core.fingerprint import fingerprint, libraries
from bench.errors import PromptError
from bench.types import Column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL import Image

    from bench.metrics.base import Sample
    from bench.types import ImageRecord, ScoreRow

VERSION = 1
_PARTS = ("kind", "colour", "place", "count")


@dataclass(frozen=True)
class Composition:
    """The shapes of a picture, found by the renderer's own palette and outlines, against the caption's.

    Columns, each from 0 to 1, higher is better, worst 0:

    - ``scene``: 1 if the four below are 1, else 0;
    - ``scene.kind``: share of the wanted shapes that are there in their kind (overlap with the outline above 0.7);
    - ``scene.colour``: share of the wanted shapes that are there in their colour (the nearest of the palette);
    - ``scene.place``: 1 if the place, the relation or the row is as asked (within 15 pixels of the place; more than 20
      pixels apart along the relation; heights of a row within 20 pixels), else 0, also when a shape is missing;
    - ``scene.count``: min(wanted, found) / max(wanted, found) shapes.

    Wanted and found shapes are paired as ``bench.tiny.analysis.compare`` says. Ground and sign are not judged: the sign stands below
    the rows that are looked at, and its word is what ``ocr`` reads. Pictures of another size are scaled to 128 x 128
    (box filter). Prompts outside the embedded domain are not applicable.
    """

    name: str = "scene"

    @property
    def columns(self) -> tuple[Column, ...]:
        """``scene`` and its four parts."""
        whole = Column(self.name, "share", worst=0.0, about="objects, colours and places as asked", order=140)
        return (whole, *(Column(f"{self.name}.{part}", "share", worst=0.0, order=140) for part in _PARTS))

    def fingerprint(self) -> str:
        """Metric version, preprocessing and the libraries that find shapes."""
        return fingerprint(self.name, VERSION, preprocess="box filter to 128x128", **libraries("scipy", "pillow"))

    def not_applicable_reason(self, record: ImageRecord) -> str | None:
        """Prompts outside the embedded domain have no scene to compare with."""
        from bench.tiny import scenes  # noqa: PLC0415 - slow import

        try:
            scenes.parse(record.request.prompt)
        except PromptError:
            return "the prompt is not of the embedded domain"
        return None

    def score(self, samples: Sequence[Sample]) -> list[ScoreRow]:
        """Five rows a picture, with the shapes found in ``detail``."""
        return [row for sample in samples for row in self._score(sample)]

    def _score(self, sample: Sample) -> list[ScoreRow]:
        from bench.tiny import analysis, scenes  # noqa: PLC0415 - slow import

        scene = scenes.parse(sample.record.request.prompt)
        seen = analysis.find(fitted(sample.image, scenes.SIZE))
        marks = analysis.match_scene(seen, scene)
        values = (float(marks.right), *(getattr(marks, part) for part in _PARTS))
        detail = {"found": [{k: round(v, 2) if isinstance(v, float) else v for k, v in asdict(f).items()} for f in seen]}
        return [c.scored(self.fingerprint(), value, sample.record, detail) for c, value in zip(self.columns, values, strict=True)]


def fitted(image: Image.Image, side: int) -> Image.Image:
    """The picture at ``side`` x ``side`` pixels."""
    from PIL import Image as Images  # noqa: PLC0415 - slow import

    return image if image.size == (side, side) else image.resize((side, side), Images.Resampling.BOX)
