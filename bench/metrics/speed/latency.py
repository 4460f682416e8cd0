"""How long a picture takes, how many are rendered a second, and what that costs in memory and energy."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from bench import stats
from bench.core import environment
from bench.core.fingerprint import fingerprint
from bench.metrics.speed.scenario import MIN_DURATION_S, Scenario
from bench.types import Column

if TYPE_CHECKING:
    from bench.types import ImageRecord, ScoreRow, ScoreStatus

VERSION = 3
_POSITIVE = (0.0, math.inf)

Measure = Callable[["ImageRecord"], float]


def _latency(record: ImageRecord) -> float:
    return record.timing.to_picture_s


def _field(name: str, record: ImageRecord) -> float:
    return float(getattr(record.timing, name))


def _step(record: ImageRecord) -> float:
    return record.timing.denoise_s / record.timing.steps if record.timing.steps else math.nan


def _attempts(record: ImageRecord) -> float:
    """Calls of a hosted picture; a local one has no ``retry_s`` and none to count."""
    return math.nan if math.isnan(record.timing.retry_s) else record.timing.attempts


def _gib(session: Mapping[str, Any], key: str) -> float | None:
    return session[key] / 2**30 if key in session else None


def _host(session: Mapping[str, Any]) -> float | None:
    """Host memory in GiB; None where ``peak_memory`` is the same number."""
    key = "peak_host_memory_bytes"
    return None if session.get(key) == session.get("peak_memory_bytes") else _gib(session, key)


_timed = partial(Column, timed=True, headline=False, weighed=False)
_figure = partial(_timed, aggregate="value")
_gibs = partial(_figure, unit="GiB", higher_is_better=False, order=750)
_seconds = partial(_figure, unit="s", higher_is_better=False, order=710)
_PICTURE = _timed("latency", "s", higher_is_better=False, about="seconds a picture", order=770)
_TAILS = {
    50: _seconds("latency.p50", about="median seconds a picture", headline=True, order=700, of="latency"),
    90: _seconds("latency.p90", about="nine of ten are faster", headline=True, order=701),
    95: _seconds("latency.p95", order=702),
    99: _seconds("latency.p99", order=703),
}
_MEAN = _seconds("latency.mean", order=704, of="latency")
_RATE = _figure("images_per_s", "1/s", about="pictures a second", headline=True, order=720, of="latency")
_BY_WALL = "no session came to its end, and with several requests in flight the rate is pictures by its seconds"
_WALL = _figure("images_per_s.wall", "1/s", about="pictures a second of the whole session", order=721)
_STEP = _seconds("latency.step")
_STEPS = _figure("steps_per_s", "1/s", order=730)
_ENERGY = _figure("energy_j", "J", higher_is_better=False, order=760)
_SESSION = (
    (_seconds("latency.first"), lambda s: s.get("warmup", {}).get("first_s"), np.median),
    (_seconds("load_s", order=740), lambda s: s.get("load_s"), np.median),
    (_gibs("peak_memory"), lambda s: _gib(s, "peak_memory_bytes"), np.max),
    (_gibs("peak_memory.reserved"), lambda s: _gib(s, "peak_reserved_bytes"), np.max),
    (_gibs("peak_memory.device"), lambda s: _gib(s, "device_used_bytes"), np.max),
    (_gibs("peak_host_memory"), _host, np.max),
)
_MEMORY = ("peak_memory", "peak_memory.reserved", "peak_memory.device")
_FOREIGN_GIB = 0.0625
"""Memory of an earlier model on the card above which the next one's peak is not its own."""
_HOSTED = tuple((_seconds(f"latency.{part}"), f"{part}_s") for part in ("queue", "generate", "download"))
_RETRY = _seconds("latency.retry")
_ATTEMPTS = _figure("attempts", "calls", higher_is_better=False, order=900)
_SCENARIO = {
    "single_stream": _seconds("latency.single_stream_p90"),
    "offline": _figure("latency.offline_images_per_s", "1/s", order=710),
}
COLUMNS = (
    _PICTURE, *_TAILS.values(), _MEAN, _RATE, _WALL, _STEP, _STEPS, _ENERGY, *(column for column, _, _ in _SESSION),
    *(column for column, _ in _HOSTED), _RETRY, _ATTEMPTS, *_SCENARIO.values(),
)  # fmt: skip
"""All columns this metric can fill; a run has those that were measured."""


@dataclass(frozen=True)
class Latency:
    """Seconds from prompt to picture on a warm model, from the timings in the records.

    Always: ``latency`` of each picture (s; hosted: from its first call on, retries and waits between them included). Of the run:
    ``latency.p50``, ``p90``, ``p95``, ``p99`` and ``latency.mean`` (s), ``images_per_s`` = pictures / summed time of their
    batches, of a hosted model pictures / seconds of the sessions, whose requests overlap. Hosted pictures that failed for good
    count in the percentiles as slower than every picture: one that lies among them is at least the slowest picture, with an
    open end. The detail of ``latency.p50`` has ``sessions``, and of the pictures in the order they were made ``lag1``
    (correlation of one with the next within a session, -1 to 1) and ``drift`` (change from the first to the last on the
    fitted line, as a share of the mean).

    Where it was measured: of a local model ``images_per_s.wall`` = pictures / seconds in which the sessions made and stored
    them; ``latency.step`` (median seconds of a sampling step of one batch),
    ``steps_per_s``; ``latency.first`` (s, the cold first picture: that of the warm-up, which counts nowhere else),
    ``load_s``, ``peak_memory`` (GiB, allocated on the CUDA device, elsewhere by the process), ``peak_memory.reserved`` (with
    what the allocator holds besides), ``peak_memory.device`` (all that the device had in use after rendering, other
    processes included), ``peak_host_memory`` (GiB, beside the device's); ``energy_j`` (J a picture, of the whole GPU). Hosted:
    ``latency.queue``, ``.generate``, ``.download`` (s, medians, of the call that was answered), ``latency.retry`` (mean s lost in
    failed attempts) and ``attempts`` (mean calls a picture).

    Pictures of unlike machines, conditions (``bench.core.environment.CONDITIONS``) or batch sizes are never pooled: the
    largest group counts, the note says what was left out, and ``images_per_s`` tells the rate of each batch size. Where no
    batch size made half of the pictures there is no figure. Ends of intervals (95 %, ``low`` and ``high`` in the
    detail) come from resampling prompts or, where pictures share the time of a batch, batches.

    Attributes:
        scenario: "single_stream" or "offline" measures ``latency.single_stream_p90`` (s) or
            ``latency.offline_images_per_s`` too, on pictures that are thrown away: see ``bench.engine.scenarios``.
        min_duration_s: how long the scenario lasts, in seconds.
        min_queries: how many pictures it renders, even if that takes longer; None is MLPerf's number.

    Raises:
        ConfigError: an unknown scenario or a length that is no positive number.
    """

    name: str = "latency"
    scenario: str | None = None
    min_duration_s: float = MIN_DURATION_S
    min_queries: int | None = None

    def __post_init__(self) -> None:
        Scenario(self.scenario or "offline", self.min_duration_s, self.min_queries)

    @property
    def planned(self) -> Scenario | None:
        """The scenario to measure, None without one."""
        return Scenario(self.scenario, self.min_duration_s, self.min_queries) if self.scenario else None

    @property
    def columns(self) -> tuple[Column, ...]:
        """All that it can fill; a run has those that were measured."""
        return COLUMNS

    def fingerprint(self) -> str:
        """The definition; the environment of each row says which machine it is, not the fingerprint."""
        return fingerprint(
            self.name,
            VERSION,
            local="encode+denoise+decode, device synchronised",
            hosted="from the first call to the picture, retries included; failed for good: slower than every picture",
            rate="local: pictures by time of batches; hosted: pictures by seconds of the sessions",
            excluded="load, warm-up, writing the file",
            percentiles="linear",
            interval="over prompts or batches: BCa of means, order statistics of percentiles",
        )

    def summarise(self, records: Sequence[ImageRecord], run: Mapping[str, Any]) -> list[ScoreRow]:
        """All rows; not applicable for imported pictures, unscored with the reason where nothing was timed."""
        fingerprint = self.fingerprint()
        rows = [_picture(r, fingerprint, imported=bool(run.get("imported"))) for r in records]
        timed = [r for r in records if r.status == "ok" and not math.isnan(r.timing.latency_s)]
        group = _Group.of(timed, [r for r in records if r.failed and r.status != "failed"], run, fingerprint) if timed else None
        if isinstance(group, _Group):
            rows += group.rows()
        elif group:
            rows += [c.missing(fingerprint, group) for c in (*_TAILS.values(), _MEAN, _RATE)]
        else:
            imported = bool(run.get("imported")) and any(r.status == "ok" for r in records)
            status: ScoreStatus = "not_applicable" if imported else "unscored"
            why = _IMPORTED if imported else "no picture was timed"
            rows += [c.missing(fingerprint, why, status=status) for c in (*_TAILS.values(), _MEAN, _RATE)]
        return rows + self._scenarios(run, fingerprint)

    def _scenarios(self, run: Mapping[str, Any], fingerprint: str) -> list[ScoreRow]:
        measured = dict(run.get("scenarios", {}))
        if self.scenario and self.scenario not in measured:
            again = f"render again with metric.latency.scenario={self.scenario}"
            measured[self.scenario] = {"reason": f"not measured, and scoring alone cannot; {again}"}
        rows = []
        for name, facts in measured.items():
            if name in _SCENARIO and "value" in facts:
                detail = {k: v for k, v in facts.items() if k not in {"value", "asked"}}
                rows.append(_SCENARIO[name].scored(fingerprint, facts["value"], detail=detail))
            elif name in _SCENARIO:
                rows.append(_SCENARIO[name].missing(fingerprint, facts.get("reason", "not measured")))
        return rows


_IMPORTED = "imported pictures carry no timing"


def _picture(record: ImageRecord, fingerprint: str, *, imported: bool) -> ScoreRow:
    timing = record.timing
    if record.status == "ok" and not math.isnan(timing.latency_s):
        detail = {"environment": record.environment, "batch_size": timing.batch_size}
        return _PICTURE.scored(fingerprint, timing.latency_s, record, detail)
    if record.status == "refused":
        why = f"refused: {record.error or 'no reason given'}"
        return _PICTURE.missing(fingerprint, why, record, status="not_applicable", cause="refused")
    if record.failed:
        return _PICTURE.missing(fingerprint, f"{record.status}: {record.error or 'no reason given'}", record, cause="not_made")
    if imported or record.detail.get("imported"):
        return _PICTURE.missing(fingerprint, _IMPORTED, record, status="not_applicable")
    untimed = record.detail.get("no_latency")
    if untimed:
        return _PICTURE.missing(fingerprint, str(untimed), record, status="not_applicable")
    return _PICTURE.missing(fingerprint, "it was not timed", record)


@dataclass(frozen=True)
class _Group:
    """The pictures that may be pooled: of one machine and one batch size, the most frequent.

    Attributes:
        used: the pictures.
        here: those of the machine in any batch size.
        sessions: what was measured each time the model was loaded on the machine.
        fingerprint: of every row.
        base: detail of every row.
        notes: what a reader must know of every row.
        lost: what a server failed to make there.
    """

    used: Sequence[ImageRecord]
    here: Sequence[ImageRecord]
    sessions: Sequence[Mapping[str, Any]]
    fingerprint: str
    base: Mapping[str, Any]
    notes: Sequence[str]
    lost: Sequence[ImageRecord] = ()

    @classmethod
    def of(cls, timed: Sequence[ImageRecord], lost: Sequence[ImageRecord], run: Mapping[str, Any], fingerprint: str) -> _Group | str:
        """The group, or why there is none: no batch size made half of the pictures."""
        machine = Counter(r.environment for r in timed).most_common(1)[0][0]
        here = [r for r in timed if r.environment == machine]
        sizes = Counter(r.timing.batch_size for r in here)
        size = max(sizes, key=lambda s: (sizes[s], s))
        if 2 * sizes[size] < len(here):
            each = ", ".join(f"{n} at a time: {sizes[n]} pictures" for n in sorted(sizes, reverse=True))
            return f"no batch size made half of the pictures ({each}); render with model.batch_size=1, or prompts of fewer sizes"
        used = [r for r in here if r.timing.batch_size == size]
        left = {f"made {how}": n for how, n in _elsewhere(timed, machine, run.get("environments", {})).items()}
        left["of another batch size"] = len(here) - len(used)
        sessions = _sessions(run, machine)
        last, warmups = (sessions[-1] if sessions else {}), [s.get("warmup", {}) for s in sessions]
        base = {
            "environment": machine, "device": last.get("device", ""), "batch_size": size, "concurrency": last.get("in_flight", 1),
            "warmup": {k: round(sum(w.get(k, 0) for w in warmups), 4) for k in ("pictures", "seconds")}, "left_out": sum(left.values()),
        }  # fmt: skip
        notes = [f"{n} picture{'s' * (n != 1)} {what} left out" for what, n in left.items() if n]
        return cls(used, here, sessions, fingerprint, base, notes, [r for r in lost if r.environment == machine])

    def rows(self) -> list[ScoreRow]:
        tails = [self._tail(column, q) for q, column in _TAILS.items()]
        tails[0] = replace(tails[0], detail={**tails[0].detail, **self._course()})
        hosted = [self._percentile(column, partial(_field, field), 50) for column, field in _HOSTED]
        means = [
            self._mean(_MEAN, _latency), self._mean(_ENERGY, partial(_field, "energy_j")),
            self._mean(_RETRY, partial(_field, "retry_s")), self._mean(_ATTEMPTS, _attempts),
        ]  # fmt: skip
        rows = [*tails, *means, self._rate(), None if self.hosted else self._wall(), self._step(), self._steps(), *hosted]
        rows += [self._session(*line) for line in _SESSION]
        return [row for row in rows if row]

    def _values(self, of: Measure) -> tuple[np.ndarray, np.ndarray]:
        """What the pictures have of a measurement, and what is resampled: their prompts, or the batches they share a time with."""
        size = self.base["batch_size"]
        pairs = [(v, r.prompt_id if size == 1 else repr(_latency(r))) for r in self.used for v in [of(r)] if not math.isnan(v)]
        return np.array([v for v, _ in pairs], dtype=np.float64), np.array([p for _, p in pairs])

    def _row(self, column: Column, value: float, n: int, interval: stats.Interval | None = None, notes: Sequence[str] = ()) -> ScoreRow:
        detail = {**self.base, "n": n}
        if interval and not math.isnan(interval.low):
            ends = {"low": interval.low, "high": interval.high}
            detail |= {key: end if math.isfinite(end) else None for key, end in ends.items()}
            detail |= {} if all(map(math.isfinite, ends.values())) else {"open": True}
        notes = [*self.notes, *notes]
        return column.scored(self.fingerprint, value, detail=detail | ({"note": "; ".join(notes)} if notes else {}))

    def _percentile(self, column: Column, of: Measure, q: int, notes: Sequence[str] = ()) -> ScoreRow | None:
        values, prompts = self._values(of)
        if not len(values):
            return None
        interval = stats.percentile_interval(values, prompts, q)
        return self._row(column, interval.value, len(values), interval, notes)

    def _tail(self, column: Column, q: int) -> ScoreRow:
        """A percentile of the time to a picture, those that a server failed to make counted as slower than every picture."""
        values, prompts = self._values(_latency)
        slowest, needed = float(values.max()), stats.enough_values(q)
        all_values = np.append(values, np.full(len(self.lost), 2 * slowest + 1))
        interval = stats.percentile_interval(all_values, np.append(prompts, [r.prompt_id for r in self.lost]), q)
        notes = []
        if self.lost:
            notes.append(f"{len(self.lost)} of {len(all_values)} failed for good and count as slower than every picture")
            among = interval.value > slowest
            value, low = min(interval.value, slowest), slowest if among else interval.low
            interval = stats.Interval(value, low, math.inf if among or interval.high > slowest else interval.high)
        single = self.base["batch_size"] == 1
        times, what = (len(all_values), "picture") if single else (len(set(prompts)), "batch")
        plural = ("s" if single else "es") * (times != 1)
        if times < needed:
            notes.append(f"p{q} of {times} {what}{plural} is probably too low; it takes {needed}, of which one is likely to be slower")
        return self._row(column, interval.value, len(values), interval, notes)

    def _course(self) -> dict[str, Any]:
        """How the times went on: how alike neighbours are, and what changed from the first to the last."""
        made = [(r.session, _latency(r)) for r in sorted(self.used, key=lambda r: r.created)]
        made = made if self.base["batch_size"] == 1 else list(dict.fromkeys(made))  # pictures of a batch share its time
        session, seconds = np.array([s for s, _ in made]), np.array([s for _, s in made])
        figures = {"lag1": stats.lag1(seconds, session), "drift": stats.drift(seconds)}
        return {"sessions": len(set(session.tolist())), **{k: round(v, 3) for k, v in figures.items() if not math.isnan(v)}}

    def _mean(self, column: Column, of: Measure) -> ScoreRow | None:
        values, prompts = self._values(of)
        if not len(values):
            return None
        mean = stats.cluster_mean(values, prompts, limits=_POSITIVE)
        return self._row(column, mean.value, len(values), mean)

    def _rate(self) -> ScoreRow:
        """Pictures a second; a batch counts its time once, and of a server, where requests overlap, the seconds of the sessions."""
        if self.hosted:
            return self._wall(_RATE) or _RATE.missing(self.fingerprint, _BY_WALL, detail=self.base)
        shares, prompts = self._values(lambda r: _latency(r) / r.timing.batch_size)
        mean = stats.cluster_mean(shares, prompts, limits=_POSITIVE)
        fastest = 1 / mean.low if mean.low else math.inf
        row = self._row(_RATE, 1 / mean.value, len(shares), stats.Interval(mean.value, 1 / mean.high, fastest))
        each = {}
        for size in sorted({r.timing.batch_size for r in self.here}):
            seconds = [_latency(r) / size for r in self.here if r.timing.batch_size == size]
            each[str(size)] = {"images_per_s": len(seconds) / sum(seconds), "n": len(seconds)}
        return replace(row, detail={**row.detail, "by_batch_size": each}) if len(each) > 1 else row

    def _wall(self, column: Column = _WALL) -> ScoreRow | None:
        """Pictures a second of the sessions that came to their end, storing included."""
        told = [s for s in self.sessions if s.get("wall_s") and s.get("wall_pictures")]
        if not told:
            return None
        pictures = sum(s["wall_pictures"] for s in told)
        return self._row(column, pictures / sum(s["wall_s"] for s in told), pictures)

    def _step(self) -> ScoreRow | None:
        return self._percentile(_STEP, _step, 50, notes=self._moves())

    def _steps(self) -> ScoreRow | None:
        sampled = [r.timing for r in self.used if not math.isnan(_step(r))]
        if not sampled:
            return None
        return self._row(_STEPS, sum(t.steps for t in sampled) / sum(t.denoise_s for t in sampled), len(sampled), notes=self._moves())

    @property
    def hosted(self) -> bool:
        """Whether a server made them: it alone says how many calls it took."""
        return any(not math.isnan(_attempts(r)) for r in self.used)

    def _moves(self) -> list[str]:
        """What weights in host memory do to the time of a step."""
        offload = self.sessions[-1].get("offload", "none") if self.sessions else "none"
        return [] if offload == "none" else [f"offload={offload}: weights on their way to and from the device count in these steps"]

    def _session(self, column: Column, of: Callable[[Mapping[str, Any]], float | None], merge: Callable[[Any], Any]) -> ScoreRow | None:
        measured = [s for s in self.sessions if of(s) is not None]
        about = {k: self.base[k] for k in ("environment", "device", "batch_size")}
        foreign = [s for s in measured if column.name in _MEMORY and (_gib(s, "foreign_bytes") or 0) > _FOREIGN_GIB]
        values = [of(s) for s in measured if s not in foreign]
        if values:
            return column.scored(self.fingerprint, float(merge(values)), detail={**about, "n": len(values), "samples": values})
        if not foreign:
            return None
        held = f"{_gib(foreign[-1], 'foreign_bytes'):.1f} GiB of something else were on the device when the model was loaded"
        return column.missing(self.fingerprint, f"{held}: the peak would not be its own; render in a process of its own", detail=about)


def _elsewhere(timed: Sequence[ImageRecord], machine: str, environments: Mapping[str, Any]) -> dict[str, int]:
    """How many pictures were made otherwise than in the environment ``machine``, by what differs."""
    counts: Counter[str] = Counter()
    for name, n in Counter(r.environment for r in timed if r.environment != machine).items():
        how = environment.difference(environments.get(name, {}), environments.get(machine, {}))
        counts[f"otherwise ({how})" if how and "machines" not in how else "on another machine"] += n
    return counts


def _sessions(run: Mapping[str, Any], machine: str) -> list[Mapping[str, Any]]:
    """What was measured each time a model was loaded on ``machine``; runs of older versions kept the last one only."""
    listed = run.get("sessions", {}).get(machine)
    if listed:
        return list(listed)
    last = run.get("session", {})
    return [{**last, "warmup": run.get("warmup", {})}] if last.get("environment") == machine else []
