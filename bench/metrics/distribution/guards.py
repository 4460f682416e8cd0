"""What is refused or noted before a distance is believed: a wrong name, too few pictures, pictures on both sides, unlike formats."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench.errors import ConfigError
from bench.metrics.distribution.formulas import frechet
from bench.metrics.distribution.reference import file_format

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.metrics.base import Extractor
    from bench.metrics.distribution.reference import ReferenceFeatures
    from bench.types import ImageRecord

_FRECHET_NEEDS = 20
"""Pictures a feature; there a Fréchet distance lies some 7 % above that of endless pictures, at one a feature 160 %."""
RECALL_NEEDS = 200
"""Pictures for a verdict by recall or coverage, which rise with their number: a model's coverage is .36 by 30 and .95 by 300."""


def frechet_needs(dimensions: int) -> int:
    """How many pictures a Fréchet distance of so many features needs for a verdict."""
    return _FRECHET_NEEDS * dimensions


def no_verdict_reason(column: str, n: int, dimensions: int) -> str | None:
    """Why two runs of ``n`` pictures cannot be compared by the distance ``column``; None where they can.

    Equal n does not cure a bias that depends on the model: of two models as far from the reference, a Fréchet distance of few
    pictures prefers the less varied one.

    >>> no_verdict_reason("fd_clip_tiny", 100, 64)
    '100 pictures for 64 features: below about 1,280 a Fréchet distance prefers the less varied model; kid_clip_tiny decides'
    """
    metric, _, part = column.partition(".")
    family, _, rest = metric.partition("_")
    if family in {"fid", "fd"} and n < (enough := frechet_needs(dimensions)):
        kernel = f"kid_{rest}" if rest else "kid"
        few = f"{n:,} pictures for {dimensions:,} features: below about {enough:,}"
        return f"{few} a Fréchet distance prefers the less varied model; {kernel.removesuffix('_infinity')} decides"
    if family == "prdc" and part in {"recall", "coverage"} and n < RECALL_NEEDS:
        return f"{n:,} pictures: below {RECALL_NEEDS} {part} depends on how many there are"
    return None


def name_with_inception(plain: str, otherwise: str, extractor: Extractor) -> str:
    """``plain`` with the Inception that FID is defined on ("fid", "fid_clean"), ``otherwise`` and the extractor's name else."""
    if extractor.name == "inception" or extractor.name.startswith("inception_"):
        return plain + extractor.name.removeprefix("inception")
    return f"{otherwise}_{extractor.name}"


def require_name(name: str, expected: str, extractor: Extractor) -> None:
    """Raise ConfigError unless a metric is called as what it is."""
    if name != expected:
        raise ConfigError(f"metric {name!r} with the extractor {extractor.name!r} must be called {expected!r}")


def require_unshared(features: np.ndarray, records: Sequence[ImageRecord], reference: ReferenceFeatures) -> None:
    """Raise ConfigError if a picture of the sample is in the reference: the same file, or the same features to rounding.

    Of drawn pictures only those with the renderer's own seeds are looked at: flat scenes of other seeds can coincide.
    """
    same = np.array([r.sha256 in reference.hashes for r in records])
    if reference.features is not None:
        comparable = np.array([reference.seeds is None or (r.request.seed or 0) in reference.seeds for r in records])
        if comparable.any():
            same[comparable] |= frechet.shared(features[comparable], reference.features)
    if same.any():
        first = records[int(same.argmax())]
        raise ConfigError(
            f"the reference shares {int(same.sum()):,} of {len(same):,} pictures with the sample ({first.prompt_id}, seed "
            f"{first.request.seed}{' and others' if same.sum() > 1 else ''}), so the distance says little; name a reference without them"
        )


def format_and_size_notes(records: Sequence[ImageRecord], reference: ReferenceFeatures) -> list[str]:
    """Notes on formats and sizes that are mixed within the sample or differ from the reference: they move the distance."""
    formats = frozenset(file_format(r.image) for r in records if r.image)
    sizes = frozenset(f"{r.request.width}x{r.request.height}" for r in records)
    notes = []
    for what, ours, theirs in (("formats", formats, reference.formats), ("sizes", sizes, reference.sizes)):
        if len(ours) > 1:
            notes.append(f"mixed {what} ({_listed(ours)}) in the sample")
        if theirs and ours and theirs != ours:
            notes.append(f"{what} differ: {_listed(ours)} in the sample, {_listed(theirs)} in the reference")
    return notes


def _listed(values: frozenset[str]) -> str:
    return ", ".join(sorted(values)[:4]) + (f" and {len(values) - 4} more" if len(values) > 4 else "")
