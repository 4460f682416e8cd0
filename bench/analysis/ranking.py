"""Many models in one order: Bradley-Terry strengths from who wins which prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bench import stats
from bench.analysis import slowdown, votes
from bench.analysis.columns import EARLIER_CARDS
from bench.analysis.comparable import not_comparable_reason
from bench.analysis.pairwise import prompt_means

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.analysis.columns import Cards

COLUMNS = votes.RANKING
"""The ranking by votes has the same."""


def table(
    scores: pd.DataFrame, infos: Mapping[str, Mapping[str, Any]], timed: Mapping[str, pd.DataFrame], cards: Cards = EARLIER_CARDS
) -> pd.DataFrame:
    """The frame ``ranking``: a row a metric of pictures and run, the best first.

    A prompt is won by the run with the better mean over its seeds, equal means (``bench.stats.paired.ties``) are half a win to
    each; the strengths are those of Bradley and Terry (log scale, mean 0 over the runs), with 95 % intervals and ranges of
    ranks from resampled prompts. ``wins``, ``ties`` and ``losses`` count prompts against all others; ``n`` is the prompts
    that count. Ceilings and runs that cannot be compared with all others are left out; so are metrics with fewer than
    ``bench.stats.MIN_PROMPTS`` prompts that every run has, and times that pictures of a batch share.
    """
    rivals = [run for run, info in infos.items() if not info.get("ceiling")]
    fit = scores[scores["higher_is_better"].notna() & scores["run"].isin(rivals) & scores["request_id"].notna()]
    better = fit.drop_duplicates("metric").set_index("metric")["higher_is_better"].astype(bool)
    rows: list[dict[str, Any]] = []
    for metric, means in prompt_means(fit).items():
        runs = [run for run in rivals if run in means]
        alike = all(not_comparable_reason(cards[metric], runs[0], run, infos, timed) is None for run in runs)
        batched = metric == "latency" and any(slowdown.batch(timed[run]) > 1 for run in runs if run in timed)
        values = means[runs].dropna().to_numpy(float)
        if len(runs) >= 2 and alike and not batched and len(values) >= stats.MIN_PROMPTS:
            rows += placed(metric, runs, _wins(values if better[metric] else -values))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def placed(metric: str, runs: list[str], wins: np.ndarray) -> list[dict[str, Any]]:
    """Rows of ``runs`` for one metric, best first.

    Args:
        metric: what was compared.
        runs: k labels.
        wins: float (n, k, k), how often each run beat each other one in each prompt; a tie is half a win to both.
    """
    strengths = stats.bradley_terry(wins)
    total, halves = wins.sum(0), np.minimum(wins, wins.swapaxes(1, 2)).sum(0)
    rows = [
        {
            "metric": metric, "run": run, "strength": strength.value, "low": strength.low, "high": strength.high, "rank": strength.rank,
            "rank_low": strength.rank_low, "rank_high": strength.rank_high, "wins": float((total - halves)[i].sum()),
            "ties": float(2 * halves[i].sum()), "losses": float((total - halves)[:, i].sum()), "n": len(wins),
        }
        for i, (run, strength) in enumerate(zip(runs, strengths, strict=True))
    ]  # fmt: skip
    return sorted(rows, key=lambda row: row["rank"])


def _wins(values: np.ndarray) -> np.ndarray:
    """Wins (n, k, k) of values (n, k), higher better."""
    row_values, column_values = values[:, :, None], values[:, None, :]
    wins: np.ndarray = np.where(stats.ties(row_values, column_values), 0.5, row_values > column_values)
    diagonal = np.arange(values.shape[1])
    wins[:, diagonal, diagonal] = 0.0
    return wins
