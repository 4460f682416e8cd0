"""What distances between a set of pictures and a reference share: name, guards, notes, and resampling by halves of the prompts."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import numpy as np

from bench import stats
from bench.core.fingerprint import Trait, fingerprint
from bench.errors import BenchError, ConfigError
from bench.metrics.base import Extractor
from bench.metrics.distribution.guards import format_and_size_notes, require_name, require_unshared
from bench.metrics.distribution.reference import Reference, ReferenceFeatures
from bench.types import Column, digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.types import ImageRecord, ScoreRow

_MIN_RESAMPLES = 20
_MIN_PROMPTS = 10
"""With fewer prompts their halves are not drawn."""


class Pictures(NamedTuple):
    """What is measured: features (N, D), and of each picture its prompt's id and text."""

    features: np.ndarray
    prompts: Sequence[str]
    texts: Sequence[str]


@dataclass(frozen=True)
class SetDistance(ABC):
    """A distance between the features of a run's pictures and those of a reference.

    A subclass says how it is called (``expected_name``), what it needs (``check``), what it measures (``measure``), how
    that varies from half to half of the prompts (``draws``) and which of its fields change the value (``settings``). Its
    interval is the chance of the prompts; what else ``besides`` counts, and no interval tells how a value depends on n.

    Attributes:
        extractor: what turns pictures into features.
        name: column; it says which extractor made the features, and a wrong one is refused.
        reference: see ``Reference.where``; None leaves the run unscored.
        samples: pictures a prompt that the renderer draws.
        resamples: halves of the prompts for ``draws`` in the detail, which tell how far a value or a difference is chance;
            0 draws none. They are no part of the value, nor of the fingerprint.

    Raises:
        ConfigError: another name than the extractor's, or from 1 to 19 resamples.
    """

    limits: ClassVar[Sequence[tuple[float, float]]] = ((0.0, math.inf),)
    """The lowest and the highest possible value of each column."""
    headline_names: ClassVar[frozenset[str]] = frozenset()
    """The names under which it stands in the first table; the same distance of other features does not."""
    version: ClassVar[int] = 2
    """Of the definition."""

    extractor: Extractor
    name: str
    reference: str | None = None
    samples: int = 8
    resamples: int = 50

    def __post_init__(self) -> None:
        if self.resamples != 0 and self.resamples < _MIN_RESAMPLES:
            raise ConfigError(f"metric.{self.name}.resamples={self.resamples}: 0 draws no halves, else it takes {_MIN_RESAMPLES} or more")
        require_name(self.name, self.expected_name, self.extractor)

    @property
    @abstractmethod
    def columns(self) -> tuple[Column, ...]:
        """What it fills; see ``_column``."""

    def _column(self, unit: str, *, order: int, weighed: bool = False) -> Column:
        """A column of its own name, lower is better; ``weighed`` counts where it stands in the first table."""
        headline = self.name in self.headline_names
        return Column(
            self.name, unit, higher_is_better=False, about="distance to reference pictures", headline=headline,
            weighed=headline and weighed, order=order, aggregate="value",
        )  # fmt: skip

    @property
    @abstractmethod
    def expected_name(self) -> str:
        """The name that says which distance it is, of which features."""

    def settings(self) -> dict[str, Trait]:
        """The fields that change the value."""
        return {}

    def check(self, n: int, dimensions: int) -> None:  # noqa: B027 - most distances take any number
        """Raise ConfigError where ``n`` pictures are too few, before the reference is loaded."""

    @abstractmethod
    def measure(self, pictures: Pictures, reference: ReferenceFeatures) -> tuple[Sequence[float], dict[str, Any]]:
        """A value of each column, and details. Raises ConfigError where it cannot be measured."""

    @abstractmethod
    def draws(self, pictures: Pictures, reference: ReferenceFeatures, values: Sequence[float], members: np.ndarray) -> np.ndarray | str:
        """The values (R, columns) on parts of the pictures, bool (R, N); or why there are none."""

    def besides(self, pictures: Pictures, reference: ReferenceFeatures, detail: Mapping[str, Any]) -> float:  # noqa: ARG002 - most count none
        """Standard error of chance that is not of the prompts; ``detail`` is what ``measure`` gave."""
        return 0.0

    def doubt(self, interval: stats.Interval, reference: ReferenceFeatures) -> str | None:  # noqa: ARG002 - most have none
        """Why an interval cannot be right; None where it can."""
        return None

    def fingerprint(self) -> str:
        """The extractor's fields, the reference by content, the settings."""
        identity = self._reference.identity if self._reference else "none"
        return fingerprint(self.name, self.version, **self.extractor.fingerprint_fields(), reference=identity, **self.settings())

    def unavailable_reason(self) -> str | None:
        """No reference, and how to name one; or none where the one named should be."""
        if self._reference is None:
            return f"no reference; name one with: metric.{self.name}.reference=FOLDER (pictures, a run, or an .npz with mu, sigma, n)"
        return self._reference.missing_reason()

    def compare(self, features: np.ndarray, records: Sequence[ImageRecord]) -> list[ScoreRow]:
        """A row of each column; n, the reference's n and a note on what is unequal in ``detail``."""
        try:
            return self._compare(features, records)
        except BenchError as error:
            return [column.missing(self.fingerprint(), str(error), detail={"n": len(features)}) for column in self.columns]

    @cached_property
    def _reference(self) -> Reference | None:
        return None if self.reference is None else Reference(self.reference, self.samples)

    def _compare(self, features: np.ndarray, records: Sequence[ImageRecord]) -> list[ScoreRow]:
        if self._reference is None:
            raise ConfigError(str(self.unavailable_reason()))
        if len(features) < 2:
            raise ConfigError(f"{len(features)} picture{'s' * (len(features) != 1)}; a distance between sets needs at least two")
        self.check(len(features), features.shape[1])
        reference = self._reference.load(self.extractor, records)
        if reference.dimensions != features.shape[1]:
            raise ConfigError(
                f"the reference has {reference.dimensions} features a picture, {self.extractor.name} gives {features.shape[1]}; "
                "name a reference made with the same extractor"
            )
        require_unshared(features, records, reference)
        by_content = np.argsort([str(r.sha256) for r in records], kind="stable")
        ordered = [records[i] for i in by_content]
        pictures = Pictures(features[by_content], [r.prompt_id for r in ordered], [r.request.prompt for r in ordered])
        values, detail = self.measure(pictures, reference)
        notes = [*format_and_size_notes(records, reference), *([detail["note"]] if "note" in detail else [])]
        detail |= {"n": len(features), "reference_n": reference.n or None, "dimensions": features.shape[1]}
        rows = []
        for column, value, more in zip(self.columns, values, self._resample(pictures, reference, values, detail), strict=True):
            interval = stats.Interval(value, more.get("low", math.nan), more.get("high", math.nan))
            doubt = self.doubt(interval, reference)
            remarks = [*notes, *([doubt] if doubt else [])]
            note = {"note": f"{self.name}: {'; '.join(remarks)}"} if remarks else {}
            rows.append(column.scored(self.fingerprint(), value, detail={**more, **detail, **note}))
        return rows

    def _resample(
        self, pictures: Pictures, reference: ReferenceFeatures, values: Sequence[float], detail: Mapping[str, Any]
    ) -> list[dict[str, Any]]:
        """For each column ``draws`` on halves of the prompts, ``drawn`` (which halves of which pictures), ``prompts`` and an interval.

        The draws' standard deviation is the value's standard error. Without draws ``undrawn`` says why.
        """
        prompts = pictures.prompts
        names = sorted(set(prompts))
        if not self.resamples:
            return [{} for _ in values]
        if len(names) < _MIN_PROMPTS:
            return [{"undrawn": f"{len(names)} prompts; resampling needs at least {_MIN_PROMPTS}"} for _ in values]
        halves = stats.halves(prompts, self.resamples)
        draws = self.draws(pictures, reference, values, halves.members)
        if isinstance(draws, str):
            return [{"undrawn": draws} for _ in values]
        centre = draws.mean(0)
        draws = centre + (draws - centre) * math.sqrt(halves.kept / (halves.prompts - halves.kept))
        base = {"drawn": digest({"version": 1, "resamples": self.resamples, "prompts": sorted(prompts)})[:16], "prompts": len(names)}
        besides = self.besides(pictures, reference, detail)
        intervals = [
            stats.half_interval(value, column, len(names), minimum=low, maximum=high, besides=besides)
            for value, column, (low, high) in zip(values, draws.T, self.limits, strict=True)
        ]
        return [{**base, "draws": d.tolist(), "low": i.low, "high": i.high} for d, i in zip(draws.T, intervals, strict=True)]


def draws_by_influence(value: float, influence: np.ndarray, members: np.ndarray) -> np.ndarray:
    """``value`` plus the mean influence (N,) of the pictures in each part, bool (R, N), to first order; (R, 1)."""
    draws: np.ndarray = value + members @ influence / members.sum(1)
    return draws[:, None]
