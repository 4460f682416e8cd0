"""kill -9 inside every point where a run writes, and at random moments; the same command then ends as if undisturbed."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support.killed import killed
from support.paths import ROOT
from support.runs import render_oracle

from bench.store import Run, Store

POINTS = {
    "before a picture's temporary file": ("open", ".png.part", 3, ""),
    "inside a picture's temporary file": ("open", ".png.part", 3, "\x89PNG half"),
    "before a picture's rename": ("os.rename", ".png.part", 3, ""),
    "after a picture, before its record": ("open", "journal.jsonl", 3, ""),
    "inside a record": ("open", "journal.jsonl", 3, '{"prompt_id": "half'),
    "before the compacted file": ("open", "records.parquet.part", 1, ""),
    "inside the compacted file": ("open", "records.parquet.part", 1, "PAR1"),
    "before the compacted file's rename": ("os.rename", "records.parquet.part", 1, ""),
    "after compaction, before the journal is emptied": ("os.truncate", "journal.jsonl", 1, ""),
    "inside the first run.json": ("open", "run.json.part", 1, "{"),
    "before the rename of a later run.json": ("os.rename", "run.json.part", 3, ""),
}


def pictures(run: Run) -> dict[tuple[str, int | None], tuple[str, str, str]]:
    """What must be the same: per prompt and seed the request, the file and the hash of its bytes."""
    found = {}
    for record in run.records():
        data = run.image_path(record).read_bytes()
        assert hashlib.sha256(data).hexdigest() == record.sha256
        found[record.prompt_id, record.request.seed] = (record.request.id, str(record.image), str(record.sha256))
    return found


def only_run(results: Path) -> Run:
    store = Store(results)
    (name,) = store.runs()
    return store.run(name)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int | None], tuple[str, str, str]]:
    results = tmp_path_factory.mktemp("undisturbed")
    render_oracle(results, limit=3)
    return pictures(only_run(results))


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_at_a_named_point_costs_nothing_that_was_recorded(point: str, tmp_path: Path, undisturbed: object) -> None:
    assert killed(tmp_path, *POINTS[point]) == -signal.SIGKILL
    runs = Store(tmp_path).runs()
    before = {r.key: r for r in Store(tmp_path).run(runs[0]).records()} if runs else {}
    render_oracle(tmp_path, limit=3)
    run = only_run(tmp_path)
    assert pictures(run) == undisturbed
    assert not list(tmp_path.rglob("*.part"))
    assert (run.path / "journal.jsonl").stat().st_size == 0
    after = {r.key: r for r in run.records()}
    assert {key: repr(after[key]) for key in before} == {key: repr(r) for key, r in before.items()}
    json.loads((run.path / "run.json").read_text())


def command(results: Path) -> list[str]:
    return [sys.executable, "-m", "bench", "run", "model=tiny-schnell", "limit=6", "metric=[ocr,latency]", f"results={results}"]


@pytest.mark.slow(seconds=85)
def test_six_kills_at_random_moments_leave_the_run_of_an_undisturbed_command(tmp_path: Path) -> None:
    began = time.monotonic()
    assert subprocess.run(command(tmp_path / "calm"), cwd=ROOT, capture_output=True, check=False).returncode == 0
    whole = time.monotonic() - began
    calm = only_run(tmp_path / "calm")
    chance = random.Random(7)
    for _ in range(6):
        child = subprocess.Popen(command(tmp_path / "wild"), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            child.wait(chance.uniform(0.3, 0.9) * whole)
        except subprocess.TimeoutExpired:
            child.kill()
        child.wait()
    assert subprocess.run(command(tmp_path / "wild"), cwd=ROOT, capture_output=True, check=False).returncode == 0
    wild = only_run(tmp_path / "wild")
    assert pictures(wild) == pictures(calm)
    rows = [{(s.metric, s.prompt_id, s.seed): s.value for s in r.scores() if s.metric.startswith("ocr")} for r in (calm, wild)]
    assert rows[0].keys() == rows[1].keys()
    assert all(rows[0][k] == rows[1][k] or rows[0][k] != rows[0][k] for k in rows[0])


@pytest.mark.slow(seconds=40)
def test_ctrl_c_ends_with_130_and_the_same_command_continues(tmp_path: Path) -> None:
    asked = [w.replace("schnell", "dev") for w in command(tmp_path)]
    child = subprocess.Popen(
        asked, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - a background job is born deaf to it
    )  # fmt: skip
    journal = None
    while child.poll() is None and not (journal and journal.stat().st_size):
        journal = next(tmp_path.glob("*/journal.jsonl"), None)
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    _, told = child.communicate()
    assert child.returncode == 130, told
    assert "Traceback" not in told
    kept = len(only_run(tmp_path).records())
    assert kept
    again = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert f"{kept} kept" in again.stderr
