"""What distances between a set of pictures and a reference share: guards, refusals, notes, and resampling by halves."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from bench import stats
from bench.core.fingerprint import Trait, fingerprint
from bench.errors import BenchError, ConfigError
from bench.metrics.base import Extractor
from bench.metrics.distribution.formulas import frechet
from bench.metrics.distribution.reference import Reference, ReferenceFeatures, kind
from bench.types import Column, digest

if TYPE_CHECKING:
    from bench.types import ImageRecord, ScoreRow

VERSION = 2
_LEAST_HALVES = 20
_LEAST_PROMPTS = 10
"""Prompts below which there is no point in halves."""


@dataclass(frozen=True)
class SetDistance(ABC):
    """What the distances share: the reference, its refusals, and the notes on what was compared.

    Attributes:
        extractor: what turns pictures into features.
        name: column; it says which extractor made the features, and a wrong one is refused.
        reference: see ``Reference.where``; None leaves the run unscored.
        samples: pictures a prompt that the renderer draws.
        resamples: halves of the prompts for ``draws`` in the detail, which tell how far a value or a difference is chance;
            0 draws none. They are no part of the value, nor of the fingerprint.
    """

    version: ClassVar[int] = VERSION
    limits: ClassVar[Sequence[tuple[float, float]]] = ((0.0, math.inf),)
    """The least and the largest value of each column."""

    extractor: Extractor
    name: str
    reference: str | None = None
    samples: int = 8
    resamples: int = 50

    def __post_init__(self) -> None:
        if self.resamples != 0 and self.resamples < _LEAST_HALVES:
            raise ConfigError(f"metric.{self.name}.resamples={self.resamples}: 0 draws no halves, else it takes {_LEAST_HALVES} or more")
        right = self._expected_name()
        if self.name != right:
            raise ConfigError(f"metric {self.name!r} with the extractor {self.extractor.name!r} must be called {right!r}")

    @property
    def columns(self) -> tuple[Column, ...]:
        """One column of its own name, lower is better."""
        return (self._column("distance", order=210 if self.name.startswith("fd") else 200),)

    def _column(self, unit: str, *, order: int, headline: bool = False, weighed: bool = False) -> Column:
        return Column(
            self.name, unit, higher_is_better=False, about="distance to reference pictures", headline=headline, weighed=weighed,
            order=order, aggregate="value",
        )  # fmt: skip

    def settings(self) -> dict[str, Trait]:
        """The fields that change the value."""
        return {}

    def fingerprint(self) -> str:
        """The extractor's traits, the reference by content, the settings."""
        identity = self._reference.identity if self._reference else "none"
        return fingerprint(self.name, self.version, **self.extractor.fingerprint_fields(), reference=identity, **self.settings())

    def unavailable_reason(self) -> str | None:
        """No reference, and how to name one."""
        if self.reference is None:
            return f"no reference; name one with: metric.{self.name}.reference=FOLDER (pictures, a run, or an .npz with mu, sigma, n)"
        return None

    def compare(self, features: np.ndarray, records: Sequence[ImageRecord]) -> list[ScoreRow]:
        """A row of each column; n, the reference's n and a note on what is unequal in ``detail``."""
        try:
            return self._compared(features, records)
        except BenchError as error:
            return [column.missing(self.fingerprint(), str(error), detail={"n": len(features)}) for column in self.columns]

    def check(self, n: int, dimensions: int) -> None:  # noqa: B027 - most distances take any number
        """Raise ConfigError where ``n`` pictures are too few, before the reference is loaded."""

    @abstractmethod
    def measure(self, features: np.ndarray, held: ReferenceFeatures) -> tuple[Sequence[float], dict[str, Any]]:
        """A value of each column, and details."""

    @abstractmethod
    def draws(self, features: np.ndarray, held: ReferenceFeatures, values: Sequence[float], members: np.ndarray) -> np.ndarray:
        """The values (R, columns) on parts of the pictures, bool (R, N).

        Raises:
            ConfigError: they cannot be had, or would say nothing.
        """

    @abstractmethod
    def _expected_name(self) -> str: ...

    @cached_property
    def _reference(self) -> Reference | None:
        return None if self.reference is None else Reference(self.reference, self.samples)

    def _compared(self, features: np.ndarray, records: Sequence[ImageRecord]) -> list[ScoreRow]:
        why = self.unavailable_reason()
        if why or self._reference is None:
            raise ConfigError(why or "no reference")
        if len(features) < 2:
            raise ConfigError(f"{len(features)} picture{'s' * (len(features) != 1)}; a distance between sets needs at least two")
        self.check(len(features), features.shape[1])
        held = self._reference.load(self.extractor, records)
        if held.dimensions != features.shape[1]:
            raise ConfigError(
                f"the reference has {held.dimensions} features a picture, {self.extractor.name} gives {features.shape[1]}; "
                "name a reference made with the same extractor"
            )
        refuse_shared(features, records, held)
        by_content = np.argsort([str(r.sha256) for r in records], kind="stable")
        ordered = features[by_content]
        values, detail = self.measure(ordered, held)
        notes = [*format_and_size_notes(records, held), *([detail["note"]] if "note" in detail else [])]
        detail |= {"n": len(features), "reference_n": held.n or None, "dimensions": features.shape[1]}
        if notes:
            detail["note"] = f"{self.name}: {'; '.join(notes)}"
        resampled = self._resampled(ordered, held, values, [records[i].prompt_id for i in by_content])
        return [
            column.scored(self.fingerprint(), value, detail=more | detail)
            for column, value, more in zip(self.columns, values, resampled, strict=True)
        ]

    def _resampled(
        self, features: np.ndarray, held: ReferenceFeatures, values: Sequence[float], prompts: Sequence[str]
    ) -> list[dict[str, Any]]:
        """For each column ``draws`` on halves of the prompts, ``drawn`` (which halves), ``prompts`` and an interval.

        The draws' standard deviation is the value's standard error. Without draws ``undrawn`` says why.
        """
        names = sorted(set(prompts))
        if not self.resamples:
            return [{} for _ in values]
        if len(names) < _LEAST_PROMPTS:
            return [{"undrawn": f"{len(names)} prompts; halves of fewer than {_LEAST_PROMPTS} say nothing"} for _ in values]
        halves = stats.halves(prompts, self.resamples)
        try:
            found = self.draws(features, held, values, halves.members)
        except ConfigError as error:
            return [{"undrawn": str(error)} for _ in values]
        centre = found.mean(0)
        found = centre + (found - centre) * math.sqrt(halves.kept / (halves.prompts - halves.kept))
        base = {"drawn": digest({"version": 1, "resamples": self.resamples, "prompts": names})[:16], "prompts": len(names)}
        intervals = [
            stats.half_interval(value, column, len(names), least=least, most=most)
            for value, column, (least, most) in zip(values, found.T, self.limits, strict=True)
        ]
        return [{**base, "draws": d.tolist(), "low": i.low, "high": i.high} for d, i in zip(found.T, intervals, strict=True)]


def refuse_shared(features: np.ndarray, records: Sequence[ImageRecord], held: ReferenceFeatures) -> None:
    """Raise ConfigError if a picture of the sample is in the reference: the same file, or the same features to rounding.

    Of drawn pictures only those with the renderer's own seeds are looked at: flat scenes of other seeds can coincide.
    """
    same = np.array([r.sha256 in held.hashes for r in records])
    if held.features is not None:
        asked = np.array([held.seeds is None or (r.request.seed or 0) in held.seeds for r in records])
        if asked.any():
            same[asked] |= frechet.shared(features[asked], held.features)
    if same.any():
        who = records[int(same.argmax())]
        raise ConfigError(
            f"the reference shares {int(same.sum()):,} of {len(same):,} pictures with the sample ({who.prompt_id}, seed {who.request.seed}"
            f"{' and others' if same.sum() > 1 else ''}), so the distance says little; name a reference without them"
        )


def format_and_size_notes(records: Sequence[ImageRecord], held: ReferenceFeatures) -> list[str]:
    """Notes on formats and sizes that are mixed within the sample or differ from the reference: they move the distance."""
    mine = (frozenset(kind(r.image) for r in records if r.image), frozenset(f"{r.request.width}x{r.request.height}" for r in records))
    notes = []
    for what, ours, theirs in zip(("formats", "sizes"), mine, (held.formats, held.sizes), strict=True):
        if len(ours) > 1:
            notes.append(f"mixed {what} ({_listed(ours)}) in the sample")
        if theirs and ours and theirs != ours:
            notes.append(f"{what} differ: {_listed(ours)} in the sample, {_listed(theirs)} in the reference")
    return notes


def _listed(values: frozenset[str]) -> str:
    return ", ".join(sorted(values)[:4]) + (f" and {len(values) - 4} more" if len(values) > 4 else "")


def first_order_draws(value: float, by: np.ndarray, members: np.ndarray) -> np.ndarray:
    """``value`` and what the pictures of each part (R, N) move it by (N,), to first order; (R, 1)."""
    moved: np.ndarray = value + members @ by / members.sum(1)
    return moved[:, None]


def name_after_extractor(with_inception: str, otherwise: str, extractor: Extractor) -> str:
    """A metric's name: ``with_inception`` and the variant for an Inception extractor, else ``otherwise``, "_" and its name."""
    name = extractor.name
    if name == "inception" or name.startswith("inception_"):
        return with_inception + name.removeprefix("inception")
    return f"{otherwise}_{name}"


def reference_features(held: ReferenceFeatures, name: str) -> np.ndarray:
    """The reference's features (N, D), N >= 2.

    Raises:
        ConfigError: there are only their mean and covariance, which the metric ``name`` cannot use, or fewer than two pictures.
    """
    if held.features is None:
        raise ConfigError(f"{name} needs the features of the reference and the .npz holds mu and sigma; name its pictures or features")
    if len(held.features) < 2:
        raise ConfigError("the reference has fewer than two pictures")
    return held.features
