"""By category: who is ahead where, as a table whose colours say how far a cell is from its row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from bench import stats
from bench.analysis.pairwise import prompt_means
from bench.report import cells, wording

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.analysis.frames import Frames
    from bench.types import Column

TITLE, ORDER, ANCHOR = "Categories", 30, "heat"

STEPS = 4
"""Depths of colour on either side."""
ALL = "all prompts"


class Means(NamedTuple):
    """Of each column of some values: how many there are, their mean and its standard error, NaN where there is none."""

    n: np.ndarray
    mean: np.ndarray
    error: np.ndarray


def section(tables: Frames, labels: Sequence[str]) -> dict[str, Any] | None:
    """The tables as ``panels``, one a metric; None where there is one category."""
    panels = heat(tables, labels)
    return {"panels": panels} if panels else None


def heat(tables: Frames, labels: Sequence[str]) -> list[dict[str, Any]]:
    """A table a metric of pictures: its ``rows`` are the categories, with a cell a run; none where there is one category.

    A cell's value is the mean over prompts, seeds of a prompt averaged first, ``n`` of them. Its ``tone`` is "up1" to
    "up4" where it is better than the mean of its row and "down1" to "down4" where it is worse: steps of the largest
    distance in the table, over prompts that every model has, ceilings left out. Within two standard errors, and with
    fewer than ``bench.stats.MIN_PROMPTS`` prompts, it is at most step 1. A single run is set against its own mean.
    """
    images, scores, summary = tables["images"], tables["scores"], tables["summary"]
    category = images.drop_duplicates("prompt_id").set_index("prompt_id")["category"]
    if category.nunique() < 2:
        return []
    ceilings = set(summary.loc[summary["ceiling"].astype(bool), "run"])
    pictures = scores[scores["request_id"].notna() & ~scores["metric"].isin(tables.cards.timed(scores["metric"]))]
    means = prompt_means(pictures)
    order = [m for m in [*tables.cards.first_table(summary["metric"]), *summary["metric"]] if m in means]
    return [
        _table(tables.cards[metric], means[metric].reindex(columns=list(labels)), category, ceilings) for metric in dict.fromkeys(order)
    ]


def _table(column: Column, means: pd.DataFrame, category: pd.Series[str], ceilings: set[str]) -> dict[str, Any]:
    values = means.to_numpy(float)
    place, names = pd.factorize(category.reindex(means.index), sort=True)
    gaps = _gaps(values, np.array([run not in ceilings for run in means]))
    where = [np.ones(len(values), dtype=bool), *(place == i for i in range(len(names)))]
    means_of_runs, apart = [_means(values[w]) for w in where], [_means(gaps[w]) for w in where]
    better = column.higher_is_better
    sign = 0 if better is None else 1 if better else -1
    depths = _depths(apart) * sign
    return {
        "metric": column.name, "about": column.about, "unit": column.unit, "arrow": wording.arrow(higher=better),
        "rows": [
            {"category": name, "whole": i == 0, "cells": [
                _cell(value, int(n), gap, int(depth), column.unit)
                for value, n, gap, depth in zip(means_of_runs[i].mean, means_of_runs[i].n, apart[i].mean, depths[i], strict=True)
            ]}
            for i, name in enumerate([ALL, *map(str, names)])
        ],
    }  # fmt: skip


def _cell(value: float, n: int, gap: float, depth: int, unit: str) -> dict[str, Any]:
    tone = f"{'up' if depth > 0 else 'down'}{abs(depth)}" if depth else ""
    gap_text = "" if np.isnan(gap) else cells.signed(gap, unit)
    return {"text": wording.number(value, unit), "known": n > 0, "n": f"{n:,}", "few": n < stats.MIN_PROMPTS, "tone": tone, "gap": gap_text}


def _gaps(values: np.ndarray, rival: np.ndarray) -> np.ndarray:
    """(prompts, runs) less the rivals' mean of the prompt where all have it; a single rival less its own mean; NaN elsewhere."""
    rival = rival & ~np.isnan(values).all(axis=0)
    gaps = np.full_like(values, np.nan)
    if rival.sum() > 1:
        gaps[:, rival] = values[:, rival] - values[:, rival].mean(axis=1, keepdims=True)
    elif rival.any():
        gaps[:, rival] = values[:, rival] - np.nanmean(values[:, rival])
    return gaps


def _means(values: np.ndarray) -> Means:
    present = ~np.isnan(values)
    count = present.sum(axis=0)
    nothing = np.full(values.shape[1], np.nan)
    mean = np.divide(np.where(present, values, 0).sum(axis=0), count, out=nothing.copy(), where=count > 0)
    squares = (np.where(present, values - mean, 0) ** 2).sum(axis=0)
    return Means(count, mean, np.sqrt(np.divide(squares, count * (count - 1), out=nothing, where=count > 1)))


def _depths(apart: Sequence[Means]) -> np.ndarray:
    """Steps of colour, int (rows, runs), negative below the mean."""
    count, gap, error = (np.array([getattr(row, name) for row in apart]) for name in Means._fields)
    size = np.where(np.isnan(gap), 0, np.abs(gap))
    sure = (count >= stats.MIN_PROMPTS) & (size > 2 * error)
    reach = size[count >= stats.MIN_PROMPTS].max(initial=0) or size.max(initial=0)
    if reach < 1e-12:
        return np.zeros(gap.shape, dtype=int)
    depth = np.ceil(STEPS * np.minimum(size / reach, 1) - 1e-9)
    steps: np.ndarray = np.where(sure, depth, np.minimum(depth, 1)) * np.sign(np.nan_to_num(gap))
    return steps.astype(int)
