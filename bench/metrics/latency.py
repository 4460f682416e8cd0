"""How long a picture takes: per picture, and as percentiles and rates of the whole run."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.types import ScoreRow

if TYPE_CHECKING:
    from bench.types import ImageRecord

VERSION = 1
PERCENTILES = (50, 90, 99)


@dataclass(frozen=True)
class Latency:
    """Seconds from prompt to picture, text encoding included, warm-up excluded.

    Rows for each picture: ``latency`` (s). Rows for the run: ``latency.p50``, ``p90``, ``p99``, ``latency.mean`` (s;
    percentiles interpolate linearly), ``images_per_s`` (pictures / summed batch time), ``steps_per_s`` (sampling steps
    / sampling time), ``load_s``, ``peak_memory`` (GiB). Only pictures made on the machine that made most of them count.
    """

    name: str = "latency"

    def fingerprint(self) -> str:
        """Metric version and definition."""
        return f"{self.name}/v{VERSION} encode+generate+decode"

    def summarise(self, records: Sequence[ImageRecord], run: Mapping[str, Any]) -> list[ScoreRow]:
        """All rows; unscored with the reason where nothing was timed."""
        timed = [r for r in records if r.status == "ok" and not math.isnan(r.timing.latency_s)]
        rows = [self._picture(r) for r in records]
        if not timed:
            why = "imported pictures carry no timing" if run.get("imported") else "no picture was timed"
            return rows + [self._row(f"latency.p{p}", math.nan, "s", reason=why) for p in PERCENTILES]
        main, count = Counter(r.environment for r in timed).most_common(1)[0]
        used = [r for r in timed if r.environment == main]
        seconds = np.array([r.timing.latency_s for r in used])
        warmup = run.get("warmup", {})
        detail = {"n": count, "environment": main, "left_out": len(timed) - count, "warmup": warmup}
        busy = sum(r.timing.latency_s / r.timing.batch_size for r in used)
        sampling = [r for r in used if r.timing.steps and not math.isnan(r.timing.denoise_s)]
        rows += [self._row(f"latency.p{p}", float(np.percentile(seconds, p)), "s", detail=detail) for p in PERCENTILES]
        rows.append(self._row("latency.mean", float(seconds.mean()), "s", detail=detail))
        rows.append(self._row("images_per_s", len(used) / busy, "1/s", up=True, detail=detail))
        if sampling:
            steps = sum(r.timing.steps / r.timing.batch_size for r in sampling)
            time = sum(r.timing.denoise_s / r.timing.batch_size for r in sampling)
            rows.append(self._row("steps_per_s", steps / time, "1/s", up=True, detail=detail))
        session = run.get("session", {})
        if session.get("environment") == main:
            for column, key, unit, scale in (("load_s", "load_s", "s", 1), ("peak_memory", "peak_memory_bytes", "GiB", 2**30)):
                if key in session:
                    rows.append(self._row(column, session[key] / scale, unit, detail={"environment": main}))
        return rows

    def _picture(self, record: ImageRecord) -> ScoreRow:
        seconds = record.timing.latency_s
        whose: dict[str, Any] = {"request_id": record.request.id, "prompt_id": record.prompt_id, "seed": record.request.seed}
        if record.status == "ok" and not math.isnan(seconds):
            return self._row("latency", seconds, "s", detail={"environment": record.environment}, **whose)
        why = record.error or ("imported: not timed" if record.status == "ok" else record.status)
        return self._row("latency", math.nan, "s", reason=why, **whose)

    def _row(self, metric: str, value: float, unit: str, *, up: bool = False, reason: str | None = None, **more: Any) -> ScoreRow:  # noqa: ANN401
        status = "unscored" if math.isnan(value) else "ok"
        return ScoreRow(metric, self.fingerprint(), value, status, unit, higher_is_better=up, reason=reason, **more)  # type: ignore[arg-type]
