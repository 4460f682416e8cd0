"""How different the seeds of a prompt come out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.core.fingerprint import fingerprint
from bench.errors import ConfigError
from bench.metrics.base import Extractor
from bench.stats import cluster_mean
from bench.types import Column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.types import ImageRecord, ScoreRow

VERSION = 1
_PLAIN = "clip"
"""The extractor whose diversity needs no surname."""


def mean_pairwise_distance(features: np.ndarray) -> float:
    """Mean of 1 - cos(x_i, x_j) over all pairs i < j, 0 (all alike) to 2.

    With unit vectors u_i the sum of the cosines is (|u_1 + … + u_n|^2 - n) / 2, so no n x n matrix is built.

    Args:
        features: (n, D), n >= 2, no zero row; computed in float64.

    Raises:
        ValueError: fewer than two rows.
    """
    x = np.asarray(features, dtype=np.float64)
    n = len(x)
    if n < 2:
        raise ValueError("a pairwise distance needs at least two pictures")
    total = (x / np.linalg.norm(x, axis=1, keepdims=True)).sum(0)
    return float(max(0.0, 1 - (total @ total - n) / (n * (n - 1))))


@dataclass(frozen=True)
class Diversity:
    """Mean pairwise distance of a prompt's seeds in the extractor's space, averaged over prompts with two seeds or more.

    One row for the run, 0 to 2, higher is better only beside a similarity score: a model that ignores the prompt is
    diverse too. n (prompts), pictures, prompts left out, the 95 % interval over prompts and each prompt's value in
    ``detail``.

    Attributes:
        extractor: what turns pictures into features; the column is ``diversity`` with CLIP ViT-L/14 and
            ``diversity_<extractor>`` with any other.
    """

    extractor: Extractor
    name: str

    def __post_init__(self) -> None:
        right = "diversity" if self.extractor.name == _PLAIN else f"diversity_{self.extractor.name}"
        if self.name != right:
            raise ConfigError(f"metric {self.name!r} with the extractor {self.extractor.name!r} must be called {right!r}")

    @property
    def columns(self) -> tuple[Column, ...]:
        """The one column."""
        return (
            Column(self.name, "1 - cosine", about="seeds come out unlike", headline=False, weighed=False, order=250, aggregate="value"),
        )

    def fingerprint(self) -> str:
        """Metric version and the extractor's traits."""
        return fingerprint(self.name, VERSION, distance="1 - cosine", **self.extractor.fingerprint_fields())

    def unavailable_reason(self) -> str | None:
        """Nothing stands in the way."""
        return None

    def compare(self, features: np.ndarray, records: Sequence[ImageRecord]) -> list[ScoreRow]:
        """The run's row; unscored when no prompt has two pictures."""
        mark, (column,) = self.fingerprint(), self.columns
        rows: dict[str, list[int]] = {}
        for i, record in enumerate(records):
            rows.setdefault(record.prompt_id, []).append(i)
        several = {prompt: which for prompt, which in rows.items() if len(which) > 1}
        if not several:
            why = "no pictures" if not rows else "every prompt has one picture; diversity needs two seeds or more: seeds=[0,1]"
            return [column.missing(mark, why)]
        values = {prompt: mean_pairwise_distance(features[which]) for prompt, which in several.items()}
        found = cluster_mean(np.array(list(values.values())), np.arange(len(values)), proportion=False)
        interval = {} if len(values) < 2 else {"low": found.low, "high": found.high}
        detail = {
            "n": len(values),
            "pictures": sum(map(len, several.values())),
            "left_out": len(rows) - len(several),
            **interval,
            "prompts": {prompt: round(value, 6) for prompt, value in values.items()},
        }
        return [column.scored(mark, found.value, detail=detail)]
