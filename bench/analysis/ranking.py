"""Many models in one order: Bradley-Terry strengths from who wins which prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bench import stats
from bench.analysis import votes
from bench.analysis.columns import EARLIER_CARDS
from bench.analysis.pairwise import prompt_means

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.analysis.columns import Cards

COLUMNS = votes.RANKING
"""The ranking by votes has the same."""


def table(scores: pd.DataFrame, infos: Mapping[str, Mapping[str, Any]], cards: Cards = EARLIER_CARDS) -> pd.DataFrame:
    """The frame ``ranking``: a row a metric of pictures and run, the best first.

    A prompt is won by the run with the better mean over its seeds, equal means (``bench.stats.paired.ties``) are half a win to
    each; the strengths are those of Bradley and Terry (log scale, mean 0 over the runs), with 95 % intervals and ranges of
    ranks from resampled prompts. ``wins``, ``ties`` and ``losses`` count prompts against all others; ``n`` is the prompts
    that count. Ceilings are left out; so are metrics with fewer than ``bench.stats.MIN_PROMPTS`` prompts that every run has, and
    times, of which prompts are no independent observations.
    """
    rivals = [run for run, info in infos.items() if not info.get("ceiling")]
    fit = scores[scores["higher_is_better"].notna() & scores["run"].isin(rivals) & scores["request_id"].notna()]
    better = fit.drop_duplicates("metric").set_index("metric")["higher_is_better"].astype(bool)
    rows: list[dict[str, Any]] = []
    for metric, means in prompt_means(fit).items():
        runs = [run for run in rivals if run in means]
        values = means[runs].dropna().to_numpy(float)
        if len(runs) >= 2 and not cards[metric].timed and len(values) >= stats.MIN_PROMPTS:
            wins = _wins(values if better[metric] else -values)
            rows += votes.ranking_rows(metric, runs, wins, _records(wins))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _records(wins: np.ndarray) -> list[dict[str, float]]:
    """Prompts won, tied and lost by each run against all others, from the wins (n, k, k)."""
    total, halves = wins.sum(0), np.minimum(wins, wins.swapaxes(1, 2)).sum(0)
    clear = total - halves
    return [
        {"wins": float(clear[i].sum()), "ties": float(2 * halves[i].sum()), "losses": float(clear[:, i].sum())} for i in range(len(total))
    ]


def _wins(values: np.ndarray) -> np.ndarray:
    """Wins (n, k, k) of values (n, k), higher better."""
    row_values, column_values = values[:, :, None], values[:, None, :]
    wins: np.ndarray = np.where(stats.ties(row_values, column_values), 0.5, row_values > column_values)
    diagonal = np.arange(values.shape[1])
    wins[:, diagonal, diagonal] = 0.0
    return wins
