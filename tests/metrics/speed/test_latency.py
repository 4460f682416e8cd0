"""Latency: what is timed, what is pooled, what is said about it, and where the numbers come from."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from support.scripted import Untold

from bench import engine, prompts, stats
from bench.analysis import slowdown
from bench.config import presets
from bench.core import environment
from bench.core.fingerprint import parse_fingerprint
from bench.core.progress import Progress
from bench.engine.render import render
from bench.engine.worker import batches, warm_up
from bench.errors import ConfigError, ProviderError
from bench.metrics.speed.latency import COLUMNS, Latency
from bench.providers.local import meters
from bench.store import schema
from bench.types import ImageRecord, Job, Prompt, Rendered, Request, ScoreRow, Timing

if TYPE_CHECKING:
    from pathlib import Path

NAN = math.nan


def record(seconds: float, *, environment: str = "a", prompt: str = "p", **timing: Any) -> ImageRecord:
    told = {"encode_s": 0.1, "denoise_s": seconds - 0.2, "decode_s": 0.1, "steps": 4, **timing}
    request = Request("m", "r", "t", None, 0, 1, 1)
    return ImageRecord(prompt, "c", "s", "h", request, "ok", environment, "now", timing=Timing(seconds, **told))


def hosted(prompt: str, generate: float, download: float, retry: float = 0.0, attempts: int = 1) -> ImageRecord:
    parts = {"generate_s": generate, "download_s": download, "retry_s": retry, "attempts": attempts}
    return record(generate + download, prompt=prompt, steps=0, encode_s=NAN, denoise_s=NAN, decode_s=NAN, **parts)


def summary(records: Sequence[ImageRecord], run: Mapping[str, Any] | None = None) -> dict[str, ScoreRow]:
    return {r.metric: r for r in Latency().summarise(records, run or {}) if r.request_id is None}


ELEVEN = [record(float(s), prompt=f"p{s}") for s in range(1, 12)]


def test_percentiles_of_one_to_eleven_seconds() -> None:
    rows = summary(ELEVEN)
    assert [rows[f"latency.p{q}"].value for q in (50, 90, 95, 99)] == pytest.approx([6.0, 10.0, 10.5, 10.9])
    assert rows["latency.mean"].value == 6.0
    assert rows["images_per_s"].value == 11 / 66
    assert rows["steps_per_s"].value == pytest.approx(44 / (66 - 11 * 0.2))
    assert rows["latency.step"].value == pytest.approx(5.8 / 4)
    assert {r.unit for m, r in rows.items() if m.startswith("latency")} == {"s"}
    assert not any(r.higher_is_better for m, r in rows.items() if m.startswith("latency"))


@pytest.mark.slow
def test_each_picture_keeps_its_own_latency() -> None:
    rows = [r for r in Latency().summarise(ELEVEN, {}) if r.metric == "latency"]
    assert [r.value for r in rows] == [float(s) for s in range(1, 12)]
    assert [r.prompt_id for r in rows] == [f"p{s}" for s in range(1, 12)]


def test_another_machine_is_left_out_and_said() -> None:
    rows = summary([*ELEVEN, record(100.0, environment="b")])
    assert rows["latency.p50"].value == 6.0
    assert rows["latency.p50"].detail["left_out"] == 1
    assert "1 picture made on another machine left out" in rows["latency.p50"].detail["note"]
    assert rows["latency.p50"].detail["environment"] == "a"


def test_pictures_of_unlike_batch_sizes_are_not_pooled() -> None:
    four = [record(4.0, prompt=f"p{i}", batch_size=4) for i in range(8)]
    rows = summary([*four, *(record(3.0, prompt=f"q{i}", batch_size=2) for i in range(2))])
    assert rows["latency.p90"].value == 4.0
    assert rows["images_per_s"].value == 1.0
    assert rows["images_per_s"].detail["by_batch_size"] == {
        "2": {"images_per_s": pytest.approx(2 / 3), "n": 2},
        "4": {"images_per_s": 1.0, "n": 8},
    }
    assert rows["latency.p90"].detail["batch_size"] == 4
    assert rows["latency.p90"].detail["n"] == 8
    assert "2 pictures of another batch size left out" in rows["latency.p90"].detail["note"]


def test_the_speed_of_a_minority_batch_size_is_not_the_models() -> None:
    mixed = [record(4.0, prompt=f"{n}{i}", batch_size=n) for n, count in ((8, 8), (6, 12), (4, 8)) for i in range(count)]
    rows = summary(mixed)
    assert {rows[name].status for name in ("latency.p50", "latency.p99", "images_per_s")} == {"unscored"}
    said = "no batch size made half of the pictures (8 at a time: 8 pictures, 6 at a time: 12 pictures, 4 at a time: 8 pictures)"
    assert str(rows["latency.p50"].reason).startswith(said)
    assert summary(mixed[:20])["latency.p50"].detail["batch_size"] == 6
    table = pd.DataFrame([schema.record_to_json(r) for r in mixed])
    assert slowdown.timed(table).empty
    assert len(slowdown.timed(table.iloc[:20])) == 12


def test_one_batch_is_one_measurement() -> None:
    one = summary([record(4.0, prompt=f"p{i}", batch_size=4) for i in range(4)])
    assert "low" not in one["latency.p50"].detail
    assert "low" not in one["images_per_s"].detail
    assert one["latency.p90"].detail["note"] == "p90 of 1 batch is probably too low; it takes 29, of which one is likely to be slower"
    three = summary([record(4.0 + i // 4, prompt=f"p{i}", batch_size=4) for i in range(12)])
    assert three["latency.p50"].detail["open"], "no three times bear the ends of a median"
    assert "of 3 batches" in three["latency.p90"].detail["note"]


@pytest.mark.slow
def test_a_tail_of_few_pictures_is_called_the_slowest_one() -> None:
    rows = summary(ELEVEN)
    assert "note" not in rows["latency.p50"].detail
    for q, needed in ((90, 29), (95, 59), (99, 299)):
        said = f"p{q} of 11 pictures is probably too low; it takes {needed}, of which one is likely to be slower"
        assert rows[f"latency.p{q}"].detail["note"] == said
    many = summary([record(float(s), prompt=f"p{s}") for s in range(1, 300)])
    assert "note" not in many["latency.p99"].detail


def test_intervals_hold_the_value_and_need_two_prompts() -> None:
    rows = summary(ELEVEN)
    for column in ("latency.p50", "latency.mean", "images_per_s", "latency.step"):
        detail = rows[column].detail
        assert detail["low"] < rows[column].value < detail["high"], column
    alone = summary([record(1.0), record(2.0)])
    assert "low" not in alone["latency.p50"].detail
    json.dumps([dict(r.detail) for r in alone.values()], allow_nan=False)


def test_every_percentile_is_numpys() -> None:
    values = np.random.default_rng(3).lognormal(size=137)
    groups = np.arange(137) // 3
    for q in (0, 1, 50, 90, 95, 99, 100):
        found = stats.percentile_interval(values, groups, q)
        assert found.value == np.percentile(values, q)
        assert found.low <= found.value <= found.high


def test_the_bootstrap_of_a_percentile_agrees_with_scipys() -> None:
    from scipy.stats import bootstrap

    values = np.random.default_rng(5).gamma(4.0, size=1000)
    for q in (50, 90):
        ours = stats.percentile_interval(values, np.arange(1000), q)
        theirs = bootstrap((values,), lambda x, axis, q=q: np.percentile(x, q, axis=axis), method="percentile", n_resamples=4000, rng=1)
        width = theirs.confidence_interval.high - theirs.confidence_interval.low
        assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.1 * width)
        assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.1 * width)


def test_seeds_of_one_prompt_do_not_narrow_the_interval() -> None:
    one = stats.percentile_interval(np.arange(10.0), np.arange(10), 50)
    five = stats.percentile_interval(np.repeat(np.arange(10.0), 5), np.repeat(np.arange(10), 5), 50)
    assert five.high - five.low == pytest.approx(one.high - one.low, rel=0.35)


def test_the_cold_first_picture_stands_apart() -> None:
    first = {"load_s": 2.0, "device": "cpu", "peak_memory_bytes": 2**30, "peak_host_memory_bytes": 2**30}
    second = {"load_s": 4.0, "device": "cpu", "peak_memory_bytes": 3 * 2**30, "peak_host_memory_bytes": 3 * 2**30}
    warm = {"pictures": 2, "seconds": 30.0}
    run = {"sessions": {"a": [{**first, "warmup": {**warm, "first_s": 20.0}}, {**second, "warmup": {**warm, "first_s": 22.0}}]}}
    rows = summary(ELEVEN, run)
    assert rows["latency.first"].value == 21.0
    assert rows["latency.first"].detail["samples"] == [20.0, 22.0]
    assert rows["latency.p99"].value < 11.0
    assert rows["latency.p50"].detail["warmup"] == {"pictures": 4, "seconds": 60.0}
    assert rows["load_s"].value == 3.0
    assert rows["peak_memory"].value == 3.0
    assert "peak_host_memory" not in rows, "on the CPU both are one number"


def test_a_gpu_has_device_and_host_memory() -> None:
    run = {"sessions": {"a": [{"load_s": 1.0, "device": "NVIDIA X", "peak_memory_bytes": 2**30, "peak_host_memory_bytes": 2**31}]}}
    rows = summary(ELEVEN, run)
    assert (rows["peak_memory"].value, rows["peak_host_memory"].value) == (1.0, 2.0)
    assert rows["latency.p50"].detail["device"] == "NVIDIA X"
    assert "latency.first" not in rows


@pytest.mark.slow
def test_memory_is_shown_with_what_the_allocator_and_the_card_hold_and_refused_where_it_is_another_models() -> None:
    memory = {"peak_memory_bytes": 2**30, "peak_reserved_bytes": 3 * 2**29, "device_used_bytes": 2**31, "foreign_bytes": 2**20}
    full = {**memory, "foreign_bytes": 22 * 2**30}
    names = ("peak_memory", "peak_memory.reserved", "peak_memory.device")
    rows = summary(ELEVEN, {"sessions": {"a": [memory, full]}})
    assert [rows[name].value for name in names] == [1.0, 1.5, 2.0]
    refused = summary(ELEVEN, {"sessions": {"a": [{**full, "load_s": 1.0}]}})
    assert [math.isnan(refused[name].value) for name in names] == [True] * 3
    assert str(refused["peak_memory"].reason).startswith("22.0 GiB of something else were on the device when the model was loaded")
    assert refused["load_s"].value == 1.0


@pytest.mark.slow
def test_pictures_a_second_of_the_wall_count_whole_sessions() -> None:
    rows = summary(
        ELEVEN, {"sessions": {"a": [{"wall_s": 20.0, "wall_pictures": 5}, {"wall_s": 10.0, "wall_pictures": 10}, {"load_s": 1.0}]}}
    )
    assert rows["images_per_s.wall"].value == 0.5
    assert rows["images_per_s.wall"].detail["n"] == 15
    assert "images_per_s.wall" not in summary(ELEVEN, {"sessions": {"a": [{"load_s": 1.0}]}})


@pytest.mark.slow
def test_weights_on_their_way_are_said_to_be_in_a_step() -> None:
    rows = summary(ELEVEN, {"sessions": {"a": [{"offload": "model"}]}})
    assert {rows[name].detail["note"] for name in ("latency.step", "steps_per_s")} == {
        "offload=model: weights on their way to and from the device count in these steps"
    }
    assert "note" not in summary(ELEVEN, {"sessions": {"a": [{"offload": "none"}]}})["latency.step"].detail


def test_a_session_of_another_machine_does_not_count() -> None:
    assert "load_s" not in summary(ELEVEN, {"sessions": {"b": [{"load_s": 1.0}]}, "session": {"load_s": 1.0, "environment": "b"}})
    old = summary(ELEVEN, {"session": {"load_s": 1.5, "environment": "a"}, "warmup": {"pictures": 1, "seconds": 9.0}})
    assert old["load_s"].value == 1.5
    assert old["latency.p50"].detail["warmup"] == {"pictures": 1, "seconds": 9.0}


def test_a_local_run_has_no_hosted_columns_and_no_energy_without_a_meter() -> None:
    names = set(summary(ELEVEN))
    assert names.isdisjoint({"latency.queue", "latency.generate", "latency.download", "latency.retry", "attempts", "energy_j"})
    assert names <= {c.name for c in COLUMNS}


def test_hosted_time_is_split_and_retries_are_in_percentiles() -> None:
    records = [hosted("a", 10.0, 1.0), hosted("b", 12.0, 2.0, retry=30.0, attempts=3), hosted("c", 20.0, 3.0)]
    rows = summary(records, {"hosted": True})
    assert rows["latency.generate"].value == 12.0
    assert rows["latency.download"].value == 2.0
    assert rows["latency.retry"].value == 10.0
    assert rows["attempts"].value == pytest.approx(5 / 3)
    assert rows["latency.p50"].value == 23.0
    assert 44.0 > rows["latency.p99"].value > 43.0
    assert "latency.queue" not in rows
    assert "latency.step" not in rows
    assert "steps_per_s" not in rows
    queued = [replace(r, timing=replace(r.timing, queue_s=float(i))) for i, r in enumerate(records)]
    assert summary(queued)["latency.queue"].value == 1.0


def test_what_a_server_failed_to_make_counts_as_slower_than_every_picture() -> None:
    made = [hosted(f"p{i}", float(i), 0.0) for i in range(1, 81)]
    lost = [replace(hosted(f"q{i}", NAN, NAN), status="timeout") for i in range(20)]
    rows = summary([*made, *lost], {"hosted": True})
    assert rows["latency.p50"].value == 50.5, "of a hundred"
    tail = rows["latency.p90"]
    assert (tail.value, tail.detail["low"], tail.detail["high"], tail.detail["open"]) == (80.0, 80.0, None, True)
    assert "20 of 100 failed for good and count as slower than every picture" in tail.detail["note"]
    assert rows["latency.mean"].value == 40.5, "of those made"


def test_the_rate_of_a_server_is_pictures_by_the_seconds_of_its_sessions() -> None:
    """64 pictures of 8 s, made 16 at a time in 32 s."""
    run = {"hosted": True, "sessions": {"a": [{"in_flight": 16, "wall_s": 32.0, "wall_pictures": 64}]}}
    made = [hosted(f"p{i}", 8.0, 0.0) for i in range(64)]
    rows = summary(made, run)
    assert (rows["images_per_s"].value, rows["images_per_s"].detail["concurrency"]) == (2.0, 16)
    assert "images_per_s.wall" not in rows
    assert summary(made, {"hosted": True})["images_per_s"].status == "unscored"


def test_the_median_tells_sessions_correlation_and_drift() -> None:
    times = [2.0 + 0.01 * i for i in range(20)]
    rising = [replace(record(s, prompt=f"p{i}"), created=f"{i:02d}", detail={"session": i // 10}) for i, s in enumerate(times)]
    told = summary(rising[::-1])["latency.p50"].detail
    assert (told["sessions"], told["drift"]) == (2, pytest.approx(0.19 / 2.095, abs=1e-3))
    off = np.arange(10) - 4.5
    assert told["lag1"] == pytest.approx((off[:-1] @ off[1:]) / (off @ off), abs=1e-3)
    assert "lag1" not in summary([record(1.0, prompt=f"p{i}") for i in range(9)])["latency.p50"].detail, "times that never differ"


def test_energy_is_joules_a_picture() -> None:
    rows = summary([record(1.0, prompt=f"p{i}", energy_j=float(j)) for i, j in enumerate((100, 140))])
    assert rows["energy_j"].value == 120.0
    assert rows["energy_j"].unit == "J"


def test_imported_pictures_have_no_latency_and_say_why() -> None:
    untimed = replace(ELEVEN[0], timing=Timing())
    rows = Latency().summarise([untimed], {"imported": True})
    assert {"latency", "latency.p50", "latency.p99", "images_per_s"} <= {r.metric for r in rows}
    assert {(r.status, r.reason) for r in rows} == {("not_applicable", "imported pictures carry no timing")}


def test_what_was_not_made_has_no_latency_and_says_why() -> None:
    refused, failed = (replace(ELEVEN[0], status=s, error="because") for s in ("refused", "failed"))
    picture, *whole = Latency().summarise([refused], {})
    assert (picture.status, picture.reason) == ("not_applicable", "refused: because")
    assert {(r.status, r.reason) for r in whole} == {("unscored", "no picture was timed")}
    picture, *_ = Latency().summarise([failed], {})
    assert (picture.status, picture.reason) == ("unscored", "failed: because")
    assert math.isnan(picture.value)
    assert summary([*ELEVEN, refused])["latency.p50"].detail["n"] == 11


def test_a_picture_fetched_after_a_kill_has_no_latency_and_is_no_complaint() -> None:
    late = replace(ELEVEN[0], timing=Timing(), detail={"no_latency": "fetched by a later attempt"})
    row, *_ = Latency().summarise([late], {})
    assert (row.status, row.reason) == ("not_applicable", "fetched by a later attempt")


def test_the_fingerprint_says_what_is_timed_and_names_no_machine() -> None:
    said = parse_fingerprint(Latency().fingerprint())
    assert said["version"] == "3"
    assert "warm-up" in said["excluded"]
    assert "torch" not in said
    assert Latency().fingerprint() == Latency(scenario="offline", min_duration_s=1).fingerprint()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"scenario": "ofline"}, "Did you mean|offline"),
        ({"min_duration_s": 0}, "above 0"),
        ({"min_duration_s": "long"}, "above 0"),
        ({"min_queries": 0}, "whole number"),
    ],
)
def test_a_wrong_option_is_named(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Latency(**wrong)


def test_new_timings_survive_the_files_and_old_files_still_read(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    made = hosted("a", 10.0, 1.0, retry=2.5, attempts=2)
    made = replace(made, timing=replace(made.timing, energy_j=7.0))
    (back,) = schema.records_from_table(schema.records_table([made]))
    assert asdict(back.timing) == pytest.approx(asdict(made.timing), rel=0, abs=0, nan_ok=True)
    new = ["queue_s", "generate_s", "download_s", "retry_s", "attempts", "energy_j"]
    pq.write_table(schema.records_table([ELEVEN[0]]).drop_columns(new), tmp_path / "old.parquet")
    (old,) = schema.records_from_table(pq.read_table(tmp_path / "old.parquet"))
    assert old.timing.latency_s == 1.0
    assert old.timing.attempts == 1
    assert all(math.isnan(getattr(old.timing, f)) for f in new if f != "attempts")
    line = {k: v for k, v in schema.record_to_json(ELEVEN[0]).items() if k not in new}
    assert schema.record_from_json(line).timing.attempts == 1


def test_each_session_of_a_machine_is_kept(tmp_path: Path) -> None:
    provider, chosen = presets.provider("tiny-oracle"), prompts.load("tiny")
    for seeds in ([0], [0, 1]):
        plan = engine.plan(provider, chosen, seeds=seeds, limit=2, results=tmp_path)
        render(plan, Progress())
    run, info = plan.run, plan.run.info()
    (where,) = info["environments"]
    assert len(info["sessions"][where]) == 2
    for session in info["sessions"][where]:
        assert session["warmup"]["pictures"] == 1
        assert 0 < session["warmup"]["first_s"] <= session["warmup"]["seconds"] + 1e-4
        assert session["wall_pictures"] == 2
        assert session["wall_s"] > 0
    assert info["environments"][where]["device"] == "cpu"
    assert info["warmup"] == info["sessions"][where][-1]["warmup"]
    rows = summary(run.current(), info)
    assert rows["latency.p50"].detail["n"] == 4, "the warm-up's pictures are no pictures of the run"
    assert rows["latency.first"].detail["n"] == 2


def test_every_shape_is_warmed_up_and_the_first_picture_is_the_cold_one() -> None:
    calls: list[list[int]] = []

    def render(requests: Sequence[Request]) -> list[Rendered]:
        calls.append([r.width for r in requests])
        return [Rendered("ok", b"x", Timing(float(len(calls))))] * len(requests)

    wide = [Job(Prompt(f"p{i}", "t"), Request("m", "r", "t", None, i, width, 64)) for i, width in enumerate((64, 64, 64, 128, 128, 32))]
    facts = warm_up(SimpleNamespace(render=render), list(batches(wide, 2)), "m", Progress())  # type: ignore[arg-type]
    assert calls == [[64, 64], [64], [128, 128], [32]]
    assert (facts["pictures"], facts["first_s"]) == (6, 1.0)


@pytest.mark.slow
def test_a_cold_embedding_is_not_the_time_of_a_warm_picture() -> None:
    provider = presets.provider("tiny-schnell", steps=2)
    session = provider.open(lambda _: None)
    try:
        request = provider.request(Prompt("p", "a red circle on the left, on white"), 0)
        cold, warm, again = (session.render([request])[0].timing for _ in range(3))
    finally:
        session.close()
    assert cold.encode_s != warm.encode_s
    assert warm.encode_s == again.encode_s
    assert warm.encode_s + warm.denoise_s + warm.decode_s == pytest.approx(warm.latency_s)
    assert warm.steps == 2
    assert math.isnan(warm.energy_j)


@pytest.mark.slow
def test_energy_of_a_batch_is_shared_by_its_pictures() -> None:
    from bench.providers.local.pipeline import PipelineSession

    provider = presets.provider("tiny-schnell")
    loaded = provider.open(lambda _: None)
    meter = iter(np.cumsum([0.0, 1.0, 5.0, 12.0]))
    session = PipelineSession(loaded._pipe, provider, "cpu", 0.0, joules=lambda: float(next(meter)))
    try:
        one, two = session.render([provider.request(Prompt("p", "a red circle on the left, on white"), seed) for seed in (0, 1)])
    finally:
        session.close()
    assert one.timing.energy_j == two.timing.energy_j == (1.0 + 12.0) / 2


def test_without_nvml_there_is_no_energy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert meters.gpu_joules("GPU-x") is None


def test_a_card_without_an_energy_counter_has_no_energy(monkeypatch: pytest.MonkeyPatch) -> None:
    def old(_card: object) -> float:
        raise LookupError

    card = {"nvmlInit": lambda: None, "nvmlDeviceGetHandleByUUID": lambda uuid: uuid, "NVMLError": LookupError}
    monkeypatch.setitem(sys.modules, "pynvml", SimpleNamespace(**card, nvmlDeviceGetTotalEnergyConsumption=old))
    assert meters.gpu_joules("GPU-x") is None
    monkeypatch.setitem(sys.modules, "pynvml", SimpleNamespace(**card, nvmlDeviceGetTotalEnergyConsumption=lambda _: 1500))
    read = meters.gpu_joules("GPU-x")
    assert read is not None
    assert read() == 1.5


def test_host_memory_peaks_and_is_forgotten() -> None:
    meters.reset_host_peak()
    before = meters.host_peak()
    block = np.ones(2**24)
    during = meters.host_peak()
    assert during - before > 0.9 * block.nbytes
    del block
    assert meters.host_peak() == pytest.approx(during, rel=0.02)
    if sys.platform == "linux":
        meters.reset_host_peak()
        assert meters.host_peak() < during - 0.9 * 2**27


def test_a_gpus_driver_clocks_and_limit_are_named() -> None:
    line = environment.gpu_line("NVIDIA H100 80GB HBM3, 550.54.15, 81559 MiB, 1980 MHz, 2619 MHz, 700.00 W")
    assert line == "NVIDIA H100 80GB HBM3, driver 550.54.15, 81559 MiB, SM up to 1980 MHz, memory up to 2619 MHz, limit 700.00 W"
    assert environment.facts() == environment.facts()


class Handler(BaseHTTPRequestHandler):
    """Answers with a link for the prompt "link", breaks off for "torn", sends the picture otherwise; measures its own work."""

    worked: dict[str, float]

    def do_POST(self) -> None:
        began = time.perf_counter()
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        inline, link = base64.b64encode(png()).decode(), f"http://{self.headers['Host']}/p.png"
        item = {"url": link} if told["prompt"] == "link" else {"b64_json": inline}
        more = 10 if told["prompt"] == "torn" else 0
        self.send("application/json", json.dumps({"created": 1, "data": [item]}).encode(), "generate", began, more)

    def do_GET(self) -> None:
        began = time.perf_counter()
        self.send("image/png", png(), "download", began)

    def send(self, kind: str, body: bytes, work: str, began: float, more: int = 0) -> None:
        type(self).worked[work] = time.perf_counter() - began
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body) + more))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


def png() -> bytes:
    """A picture that takes a while to draw: some 10 ms."""
    data = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (256, 256, 3), np.uint8)).save(data, "PNG")
    return data.getvalue()


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Rendered]]:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    Handler.worked = {}
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        provider = presets.provider("gpt-image", base_url=f"http://127.0.0.1:{http.server_port}/v1")

        async def once(text: str) -> Rendered:
            client = await provider.connect(lambda _: None)
            try:
                return await client.make(provider.request(Prompt("p", text), None), Untold())
            finally:
                await client.close()

        yield lambda text: asyncio.run(once(text))
        http.shutdown()
        thread.join()


@pytest.mark.parametrize("text", ["link", "inline"])
def test_generation_and_download_are_timed_apart(text: str, ask: Callable[[str], Rendered]) -> None:
    rendered = ask(text)
    assert rendered.status == "ok", rendered.error
    assert rendered.image == png()
    timing = rendered.timing
    assert timing.generate_s + timing.download_s == pytest.approx(timing.latency_s)
    assert timing.generate_s > Handler.worked["generate"]
    assert timing.download_s > Handler.worked.get("download", 0.0)
    assert math.isnan(timing.queue_s)


def test_an_answer_that_breaks_off_is_no_picture_and_no_latency(ask: Callable[[str], Rendered]) -> None:
    with pytest.raises(ProviderError, match="the answer broke off") as caught:
        ask("torn")
    assert (caught.value.status, caught.value.transient) == ("provider_error", True)
