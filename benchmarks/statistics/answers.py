"""Whole tables: how often the answer says what is not so, and what a table's words and plans are worth."""

from __future__ import annotations

import sys
from functools import lru_cache
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from table import Row, row

from bench.analysis import pairwise
from bench.analysis.columns import EARLIER_CARDS
from bench.analysis.pairwise import BETTER, FEW, LEVEL, WORSE
from bench.report.quality import Leader, decide

if TYPE_CHECKING:
    from collections.abc import Iterator

PROMPTS = 50
TEXT = ("ocr.exact", "ocr.recall", "ocr.ned")
METRICS = ("clip_tiny", "clip", "scene", "scene.kind", *TEXT)
"""Alignment, scenes and text, as a run has them; parts of a metric share what a picture is like."""


def draw(rng: np.random.Generator, models: int, prompts: int, lead: dict[int, float]) -> pd.DataFrame:
    """Scores of the form that ``pairwise.table`` takes; ``lead``: by how many deviations a model's text is better."""
    hard = {name: rng.normal(size=prompts) for name in ("align", "scene", "text")}
    values = []
    for model in range(models):
        own = {name: difficulty + rng.normal(size=prompts) for name, difficulty in hard.items()}
        own["text"] = own["text"] + lead.get(model, 0.0) * np.sqrt(2)
        for metric in METRICS:
            kind = "text" if metric in TEXT else "scene" if metric.startswith("scene") else "align"
            values.append(0.5 + 0.1 * (own[kind] + 0.7 * rng.normal(size=prompts)))
    return _unfilled(models, prompts).assign(value=np.concatenate(values))


@lru_cache
def _unfilled(models: int, prompts: int) -> pd.DataFrame:
    """Everything of ``draw`` but the values: model by model, metric by metric, prompt by prompt."""
    places = pd.MultiIndex.from_product(
        [[f"m{model}" for model in range(models)], METRICS, [f"p{i}" for i in range(prompts)]], names=["run", "metric", "prompt_id"]
    )
    return places.to_frame(index=False).assign(
        status="ok",
        unit="score",
        higher_is_better=True,
        request_id="r",
        reason=None,
        detail="{}",
        cause=None,
        fingerprint="f",
        worst=np.nan,
    )


def judged(rng: np.random.Generator, models: int, lead: dict[int, float], prompts: int = PROMPTS) -> pd.DataFrame:
    """The frame ``pairwise`` of one table."""
    infos = {f"m{model}": {} for model in range(models)}
    return pairwise.table(draw(rng, models, prompts, lead), infos, {}, cards=EARLIER_CARDS)


def advised(table: pd.DataFrame, models: int) -> str | None:
    """The model that the answer says to choose."""
    found = decide(table, [f"m{model}" for model in range(models)], EARLIER_CARDS.weighed(table["metric"]))
    return found.run if isinstance(found, Leader) and found.advised else None


def equal_models(replicates: int) -> Iterator[Row]:
    """Models of which none is better: every word is false."""
    for models in (2, 4, 6):
        rng = np.random.default_rng(models)
        tables = [judged(rng, models, {}) for _ in range(replicates)]
        said = sum(bool(table["answer"].isin([BETTER, WORSE]).any()) for table in tables)
        yield row(f"{models} equal models", "a false word in the answer", said, replicates, high=0.05)
        chosen = sum(advised(table, models) is not None for table in tables)
        yield row(f"{models} equal models", "a model advised", chosen, replicates, high=0.025)


def unequal_models(replicates: int) -> Iterator[Row]:
    """Models of which two write better than the others, equally well: nobody is to be chosen."""
    for models in (4, 6):
        rng, best = np.random.default_rng(10 + models), {0: 1.0, 1: 1.0}
        tables = [judged(rng, models, best) for _ in range(replicates)]
        wrong = sum(advised(table, models) is not None for table in tables)
        yield row(f"{models} models, 2 equally better at text", "one of them advised", wrong, replicates, high=0.025)
        false = sum(any(_false(line, best) for line in _said(table)) for table in tables)
        yield row(f"{models} models, 2 equally better at text", "a false word in the answer", false, replicates, high=0.05)
        true = [line for table in tables for line in _said(table) if not _false(line, best)]
        yield row(f"{models} models, 2 equally better at text", "true differences shown", len(true), replicates * 2 * (models - 2), low=0.5)
    rng = np.random.default_rng(20)
    tables = [judged(rng, 6, {0: 1.2}) for _ in range(replicates)]
    chosen = [advised(table, 6) for table in tables]
    yield row("6 models, 1 better at text", "it is advised", chosen.count("m0"), replicates, low=0.5)
    yield row("6 models, 1 better at text", "another is advised", sum(name not in {None, "m0"} for name in chosen), replicates, high=0.025)


def _said(table: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Metric, better run and worse run of each word of the answer."""
    rows = table[table["answer"].isin([BETTER, WORSE])]
    return [(r.metric, r.a, r.b) if r.answer == BETTER else (r.metric, r.b, r.a) for r in rows.itertuples()]


def _false(line: tuple[str, str, str], lead: dict[int, float]) -> bool:
    metric, better, worse = line
    return metric not in TEXT or lead.get(int(better[1:]), 0.0) <= lead.get(int(worse[1:]), 0.0)


def plans(replicates: int) -> Iterator[Row]:
    """A model better by 0.4 deviations on 24 prompts: what ``more`` promises, rendered once and looked at once."""
    rng, settled, asked = np.random.default_rng(30), 0, 0
    for _ in range(replicates):
        first = rng.normal(0.4, 1, 24)
        (line,) = _one_question(first).to_dict("records")
        if line["verdict"] not in {LEVEL, FEW}:
            continue
        (planned,) = _one_question(first, true=0.4).to_dict("records")
        asked += 1
        found = rng.normal(0.4, 1, int(planned["more"]) + 24)
        settled += _one_question(found)["verdict"].iloc[0] == BETTER
    yield row(
        "A difference of 0.4 sd, not shown by 24 prompts", "shown by as many as the plan for it says", settled, asked, low=0.75, high=0.9
    )


def _one_question(gaps: np.ndarray, *, true: float | None = None) -> pd.DataFrame:
    """The frame of two runs and one metric whose differences are ``gaps``, turned to have the mean ``true`` where that is given."""
    gaps = gaps if true is None else (gaps - gaps.mean()) / gaps.std(ddof=1) + true
    parts = [
        pd.DataFrame({"run": run, "value": values, "prompt_id": [f"p{i}" for i in range(len(gaps))]})
        for run, values in (("a", gaps), ("b", np.zeros(len(gaps))))
    ]
    scores = pd.concat(parts).assign(
        metric="clip", status="ok", unit="score", higher_is_better=True, request_id="r", reason=None, detail="{}", cause=None,
        fingerprint="f", worst=np.nan,
    )  # fmt: skip
    return pairwise.table(scores, {"a": {}, "b": {}}, {}, cards=EARLIER_CARDS)


def few(replicates: int) -> Iterator[Row]:
    """Tables so small that no difference could be shown: "no difference shown" would be no finding."""
    for prompts in (6, 8):
        rng, wrong, total = np.random.default_rng(prompts), 0, 0
        for _ in range(max(1, replicates // 10)):
            table = judged(rng, 4, {}, prompts)
            quality = table[table["answer"].notna()]
            wrong += int((quality["answer"] == LEVEL).sum())
            total += len(quality)
        pairs = len(list(combinations(range(4), 2)))
        yield row(
            f"4 models, {prompts} prompts, {3 * pairs} questions", '"no difference shown" where none could be', wrong, total, high=0.0
        )


def worlds(*, quick: bool) -> Iterator[Row]:
    """Every row of this module."""
    replicates = 40 if quick else 200
    yield from equal_models(replicates)
    yield from unequal_models(replicates)
    yield from plans(60 if quick else 400)
    yield from few(replicates)


if __name__ == "__main__":
    sys.exit("run: python benchmarks/statistics")
