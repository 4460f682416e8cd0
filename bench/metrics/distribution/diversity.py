"""How different the pictures of a prompt are from seed to seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.core.fingerprint import fingerprint
from bench.metrics.base import Extractor
from bench.metrics.distribution.guards import require_name
from bench.stats import cluster_mean
from bench.types import Column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.types import ImageRecord, ScoreRow

VERSION = 1
_DEFAULT_EXTRACTOR = "clip"
"""The default extractor; its column is plainly ``diversity``."""


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
    """Mean of 1 - cos over the pairs of a prompt's seeds in the extractor's space, averaged over prompts with two seeds or more.

    One row for the run, 0 to 2, higher is better only beside a similarity score: a model that ignores the prompt is
    diverse too. n (prompts), pictures, prompts left out, the 95 % interval over prompts and each prompt's value in
    ``detail``.

    Attributes:
        extractor: what turns pictures into features; the column is ``diversity`` with CLIP ViT-L/14 and
            ``diversity_<extractor>`` with any other.

    Raises:
        ConfigError: another name than that.
    """

    extractor: Extractor
    name: str

    def __post_init__(self) -> None:
        expected = "diversity" if self.extractor.name == _DEFAULT_EXTRACTOR else f"diversity_{self.extractor.name}"
        require_name(self.name, expected, self.extractor)

    @property
    def columns(self) -> tuple[Column, ...]:
        """The one column."""
        return (
            Column(self.name, "1 - cosine", about="seeds come out unlike", headline=False, weighed=False, order=250, aggregate="value"),
        )

    def fingerprint(self) -> str:
        """Metric version and the extractor's fields."""
        return fingerprint(self.name, VERSION, distance="1 - cosine", **self.extractor.fingerprint_fields())

    def unavailable_reason(self) -> str | None:
        """Nothing stands in the way."""
        return None

    def compare(self, features: np.ndarray, records: Sequence[ImageRecord]) -> list[ScoreRow]:
        """The run's row; unscored when no prompt has two pictures."""
        fingerprint, (column,) = self.fingerprint(), self.columns
        rows_of: dict[str, list[int]] = {}
        for i, record in enumerate(records):
            rows_of.setdefault(record.prompt_id, []).append(i)
        several = {prompt: rows for prompt, rows in rows_of.items() if len(rows) > 1}
        if not several:
            why = "no pictures" if not rows_of else "every prompt has one picture; diversity needs two seeds or more: seeds=[0,1]"
            return [column.missing(fingerprint, why)]
        values = {prompt: mean_pairwise_distance(features[rows]) for prompt, rows in several.items()}
        mean = cluster_mean(np.array(list(values.values())), np.arange(len(values)), limits=(0.0, 2.0))
        interval = {} if len(values) < 2 else {"low": mean.low, "high": mean.high}
        detail = {
            "n": len(values),
            "pictures": sum(map(len, several.values())),
            "left_out": len(rows_of) - len(several),
            **interval,
            "prompts": {prompt: round(value, 6) for prompt, value in values.items()},
        }
        return [column.scored(fingerprint, mean.value, detail=detail)]
