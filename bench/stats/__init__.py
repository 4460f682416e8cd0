"""Statistics of scores: pure functions of numbers, with numpy and scipy only.

One observation is a prompt: its seeds are averaged first, and prompts are resampled. All random numbers are seeded, so the
same scores give the same interval. ``docs/statistics.md`` has the formulas and measured coverage.
"""

from bench.stats.agreement import krippendorff
from bench.stats.bradley_terry import Strength, bradley_terry
from bench.stats.half_sampling import Halves, half_interval, halves, resampled_difference
from bench.stats.intervals import (
    Interval,
    cluster_mean,
    cluster_ratio,
    mean_interval,
    mean_intervals,
    paired_share_interval,
    percentile_interval,
    wilson,
)
from bench.stats.paired import MIN_PROMPTS, Paired, paired, paired_many, ties
from bench.stats.power import adjust, detectable, needed

__all__ = [
    "MIN_PROMPTS",
    "Halves",
    "Interval",
    "Paired",
    "Strength",
    "adjust",
    "bradley_terry",
    "cluster_mean",
    "cluster_ratio",
    "detectable",
    "half_interval",
    "halves",
    "krippendorff",
    "mean_interval",
    "mean_intervals",
    "needed",
    "paired",
    "paired_many",
    "paired_share_interval",
    "percentile_interval",
    "resampled_difference",
    "ties",
    "wilson",
]
