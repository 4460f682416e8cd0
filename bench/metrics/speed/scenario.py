"""The MLPerf-like load that the latency metric measures; ``bench.engine.scenarios`` puts it on a model."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bench.errors import ConfigError, unknown

MIN_DURATION_S = 600.0
"""MLPerf's shortest duration."""
_MIN_QUERIES = {"single_stream": 64, "offline": 24_576}
"""MLPerf's smallest number of pictures, by scenario."""


@dataclass(frozen=True)
class Scenario:
    """How load is put on a model, and for how long.

    Attributes:
        name: "single_stream" or "offline".
        min_duration_s: seconds; MLPerf asks for 600.
        min_queries: pictures; None is MLPerf's number.

    Raises:
        ConfigError: another name, or a length that is no positive number.
    """

    name: str
    min_duration_s: float = MIN_DURATION_S
    min_queries: int | None = None

    def __post_init__(self) -> None:
        if self.name not in _MIN_QUERIES:
            raise unknown("value of metric.latency.scenario", str(self.name), list(_MIN_QUERIES))
        seconds, pictures = self.min_duration_s, self.min_queries
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < math.inf:
            raise ConfigError(f"metric.latency.min_duration_s={seconds!r} must be a number of seconds above 0")
        if pictures is not None and (isinstance(pictures, bool) or not isinstance(pictures, int) or pictures < 1):
            raise ConfigError(f"metric.latency.min_queries={pictures!r} must be a whole number of at least 1, or null for MLPerf's")

    def mlperf_min_queries(self, jobs: int) -> int:
        """MLPerf's number of pictures for a set of ``jobs``."""
        return min(_MIN_QUERIES["offline"], jobs) if self.name == "offline" else _MIN_QUERIES[self.name]
