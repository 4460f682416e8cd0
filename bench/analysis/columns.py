"""The cards of columns: what each says, where it stands in tables, whether the answer weighs it.

A run stores the cards of its metrics when it is scored (``run.json: columns``). For a column that no run stored one for,
``EARLIER`` has it, and what is in neither has the defaults of ``bench.types.Column``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bench import stats
from bench.analysis import votes
from bench.store import schema
from bench.types import Column

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pandas as pd

_TIMED: dict[str, Any] = {"metric": "latency", "timed": True, "headline": False, "weighed": False}
_FIGURE = {**_TIMED, "aggregate": "value", "order": 710}
_REST: dict[str, Any] = {"headline": False, "weighed": False}
_PROMPT, _REFERENCE, _DECLINED = "picture fits the prompt", "distance to reference pictures", "prompts declined"
EARLIER: dict[str, dict[str, Any]] = {
    **{f"clip{end}": {"order": 100, **_REST} for end in (".score100", ".clipscore", ".revised")},
    **{name: {"about": _PROMPT, "order": 100, "headline": True, "weighed": True} for name in ("clip", "clip_b32", "clip_tiny")},
    "siglip2": {"about": _PROMPT, "order": 110}, "siglip2.revised": {"order": 110},
    "pickscore": {"about": "preference, predicted", "order": 120},
    "vqa": {"about": "a reader sees what was asked", "order": 130},
    "scene": {"about": "objects, colours and places as asked", "order": 140},
    **{f"scene.{part}": {"order": 140} for part in ("kind", "colour", "place", "count")},
    "ocr.exact": {"about": "text read exactly as asked", "headline": True, "weighed": True, "order": 150},
    "ocr.recall": {"about": "words that were read", "headline": True, "order": 150},
    "ocr.ned": {"about": "letters alike", "headline": True, "order": 150},
    "ocr.cer": {"about": "wrong letters", "order": 150},
    **{f"ocr.{end}": {"order": 150, "aggregate": "ratio"} for end in ("longtext", "oneig_wac")},
    **{f"ocr.{end}": {"order": 150} for end in ("exact_case", "precision", "f1", "ned_case", "anytext_acc", "anytext_ned")},
    **{f"ocr.{end}": {"order": 150} for end in ("oneig_ed", "oneig_cr")},
    "ocr_agreement": {"about": "text as asked", "order": 150, **_REST},
    "stray_text": {"about": "words nobody asked for", "order": 160, **_REST},
    "fid": {"about": _REFERENCE, "order": 200, "aggregate": "value"},
    "fd": {"about": _REFERENCE, "order": 210, "aggregate": "value"},
    "fd_clip_tiny": {"about": _REFERENCE, "order": 210, "aggregate": "value"},
    "kid": {"about": _REFERENCE, "order": 220, "aggregate": "value", "weighed": False},
    "cmmd": {"about": _REFERENCE, "order": 230, "aggregate": "value", **_REST},
    **{f"prdc.{part}": {"order": 240, "aggregate": "value"} for part in ("precision", "recall", "density", "coverage")},
    "diversity": {"about": "seeds come out unlike", "order": 250, "aggregate": "value", **_REST},
    "duplicates": {"about": "pictures that repeat", "order": 260, "aggregate": "value", **_REST},
    "nsfw": {"order": 900, **_REST}, "nudenet": {"order": 900, **_REST},
    "refused": {"metric": "refusals", "about": _DECLINED, "order": 600, **_REST},
    "refusals": {"about": _DECLINED, "order": 600, "headline": True, "weighed": False, "aggregate": "value", "of": "refused"},
    "latency": {**_TIMED, "about": "seconds a picture", "order": 770},
    "latency.p50": {**_FIGURE, "about": "median seconds a picture", "headline": True, "order": 700, "of": "latency"},
    "latency.p90": {**_FIGURE, "about": "nine of ten are faster", "headline": True, "order": 701},
    "latency.p95": {**_FIGURE, "order": 702}, "latency.p99": {**_FIGURE, "order": 703},
    "latency.mean": {**_FIGURE, "order": 704, "of": "latency"},
    **{f"latency.{end}": _FIGURE for end in ("step", "first", "queue", "generate", "download", "retry")},
    "latency.single_stream_p90": _FIGURE, "latency.offline_images_per_s": _FIGURE,
    "images_per_s": {**_FIGURE, "about": "pictures a second", "headline": True, "order": 720, "of": "latency"},
    "steps_per_s": {**_FIGURE, "order": 730}, "load_s": {**_FIGURE, "order": 740}, "peak_memory": {**_FIGURE, "order": 750},
    "peak_host_memory": {**_FIGURE, "order": 750}, "energy_j": {**_FIGURE, "order": 760}, "attempts": {**_FIGURE, "order": 900},
}  # fmt: skip
"""Cards of the columns of versions that did not store any; frozen. A column without ``metric`` has the name before its "."."""


def _earlier(name: str) -> dict[str, Any]:
    """The card in ``EARLIER``; a variant (``kid_clean``, ``clip_l14.revised``) is like its family, but no headline."""
    family, dot, end = name.partition(".")
    if name in EARLIER:
        return EARLIER[name]
    while "_" in family:
        family = family.rpartition("_")[0]
        if family + dot + end in EARLIER:
            card = {key: value for key, value in EARLIER[family + dot + end].items() if key != "metric"}
            return {**card, **_REST, "about": "" if dot else card.get("about", "")}
    return {}


def one_a_metric(names: Iterable[str]) -> list[str]:
    """The first column of each metric.

    >>> one_a_metric(["clip", "ocr.exact", "ocr.ned"])
    ['clip', 'ocr.exact']
    """
    return list({name.partition(".")[0]: name for name in reversed(list(names))}.values())[::-1]


_FAMILIES = ((100, 140, "alignment"), (140, 150, "scene"), (150, 200, "text"), (200, 300, "distribution"))
"""Columns from and below which ``order`` ask the same question in several ways."""
_UNIT_ENDS = {"share": 1.0, "similarity": 1.0, "P(yes)": 1.0, "edits/char": 1.0}


def score_ends(unit: str, values: np.ndarray) -> stats.Ends | None:
    """The lowest and the highest score there can be in ``unit``; None where there are none, or every score lies far from them.

    Edits a character may be more than 1: then the largest of ``values`` is the end.
    """
    if unit not in _UNIT_ENDS:
        return None
    return 0.0, max(_UNIT_ENDS[unit], float(np.max(values, initial=0.0)))


_WITHOUT_WORST = frozenset({"edits", "words", "s"})
"""Units that begin at 0 and end nowhere."""


def score_limits(unit: str) -> stats.Ends:
    """Beyond which no mean of ``unit`` lies."""
    return (0.0 if unit in _WITHOUT_WORST else -math.inf), math.inf


def without_worst(interval: stats.Interval, unit: str) -> stats.Interval:
    """``interval``, or none where it has no width in a unit that ends nowhere: what was not met yet may lie anywhere."""
    if unit in _WITHOUT_WORST and interval.low == interval.high:
        return stats.Interval(interval.value, math.nan, math.nan)
    return interval


class Cards(Mapping[str, Column]):
    """The card of every column that some runs have; a column that nobody described has the defaults.

    Args:
        stored: ``columns`` of each run's run.json; where several have a column, the first counts.
        scores: frame ``scores``, which says unit and better end of columns that no run stored.
    """

    def __init__(self, stored: Iterable[Mapping[str, Mapping[str, Any]]] = (), scores: pd.DataFrame | None = None) -> None:
        self._cards = {votes.METRIC: votes.CARD}
        self._metrics: dict[str, str] = {}
        for columns in stored:
            for name, row in columns.items():
                self._cards.setdefault(name, schema.column_from_json(name, row))
                self._metrics.setdefault(name, str(row["metric"]))
        if scores is not None:
            first = scores.drop_duplicates("metric")
            better = first["higher_is_better"].astype(object).where(first["higher_is_better"].notna(), None)
            for name, unit, end in zip(first["metric"], first["unit"], better, strict=True):
                self._cards.setdefault(name, self._unstored(name, unit, better=None if end is None else bool(end)))

    def __getitem__(self, name: str) -> Column:
        return self._cards[name] if name in self._cards else self._unstored(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._cards)

    def __len__(self) -> int:
        return len(self._cards)

    def metric(self, name: str) -> str:
        """The metric that fills the column ``name``."""
        return self._metrics.get(name) or str(_earlier(name).get("metric", name.partition(".")[0]))

    def headline(self, names: Iterable[str]) -> list[str]:
        """Those of ``names`` that are headlines, in the order of tables, each once."""
        return self._ordered(name for name in names if self[name].headline)

    def first_table(self, names: Iterable[str]) -> list[str]:
        """The columns of the first table: the headlines, or the first six where there are none."""
        columns = list(dict.fromkeys(names))
        return self.headline(columns) or columns[:6]

    def below_pictures(self, names: Iterable[str]) -> list[str]:
        """What stands below a picture: headlines, then what is behind a headline of the whole run (seconds behind their median)."""
        columns = list(dict.fromkeys(names))
        behind = {card.of for card in self.values() if card.headline and card.higher_is_better is not None}
        return list(dict.fromkeys([*self.headline(columns), *(name for name in columns if name in behind)]))

    def timed(self, names: Iterable[str]) -> list[str]:
        """Those that depend on the machine, as given, each once."""
        return [name for name in dict.fromkeys(names) if self[name].timed]

    def weighed(self, names: Iterable[str]) -> list[str]:
        """Those that the answer weighs, in the order of tables, each once."""
        return self._ordered(name for name in names if self[name].weighed)

    def family(self, name: str) -> str:
        """What the column asks: columns of a family are several answers to one question, those of two families to two."""
        card = self[name]
        if name == votes.METRIC:
            return "people"
        if card.timed:
            return "speed"
        return next((family for start, end, family in _FAMILIES if start <= card.order < end), self.metric(name))

    def questions(self, names: Iterable[str]) -> list[str]:
        """One column a family, the first of those that the answer weighs."""
        return list({self.family(name): name for name in reversed(self.weighed(names))}.values())[::-1]

    def _ordered(self, names: Iterable[str]) -> list[str]:
        return sorted(dict.fromkeys(names), key=lambda name: (self[name].order, name.partition(".")[0]))

    @staticmethod
    def _unstored(name: str, unit: str = "", *, better: bool | None = True) -> Column:
        card = {key: value for key, value in _earlier(name).items() if key != "metric"}
        return Column(name, unit, better, **card)


EARLIER_CARDS = Cards()
"""The cards of earlier versions alone."""
