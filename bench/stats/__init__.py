"""Statistics of scores: pure functions of numbers, with numpy and scipy only.

One observation is a prompt: its seeds are averaged first, and prompts are resampled. All random numbers are seeded, so the
same scores give the same interval. ``docs/statistics.md`` has the formulas and measured coverage.
"""

from bench.stats.agreement import krippendorff
from bench.stats.bradley_terry import Strength, bradley_terry
from bench.stats.crossed import MIN_PEOPLE, Crossed, crossed
from bench.stats.half_sampling import Halves, half_interval, halves, resampled_difference
from bench.stats.intervals import Ends, Interval, cluster_mean, cluster_ratio, mean_interval, mean_intervals, near_ends, wilson, within
from bench.stats.paired import MIN_PROMPTS, Extremes, Paired, extremes, paired, paired_many, spread, ties
from bench.stats.power import (
    adjust,
    beyond_pairs,
    detectable,
    detectable_yes_no,
    fewest_differing,
    fewest_prompts,
    holm,
    needed,
    needed_beyond,
    needed_if_true,
    needed_within,
    needed_yes_no,
)
from bench.stats.quantiles import enough_values, percentile_interval
from bench.stats.series import drift, lag1
from bench.stats.student import student

__all__ = [
    "MIN_PEOPLE",
    "MIN_PROMPTS",
    "Crossed",
    "Ends",
    "Extremes",
    "Halves",
    "Interval",
    "Paired",
    "Strength",
    "adjust",
    "beyond_pairs",
    "bradley_terry",
    "cluster_mean",
    "cluster_ratio",
    "crossed",
    "detectable",
    "detectable_yes_no",
    "drift",
    "enough_values",
    "extremes",
    "fewest_differing",
    "fewest_prompts",
    "half_interval",
    "halves",
    "holm",
    "krippendorff",
    "lag1",
    "mean_interval",
    "mean_intervals",
    "near_ends",
    "needed",
    "needed_beyond",
    "needed_if_true",
    "needed_within",
    "needed_yes_no",
    "paired",
    "paired_many",
    "percentile_interval",
    "resampled_difference",
    "spread",
    "student",
    "ties",
    "wilson",
    "within",
]
