"""The results folder: what is stored, how it is found again, what it survives."""

from __future__ import annotations

import errno
import json
import math
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.paths import ROOT
from support.runs import render_oracle

from bench.core.files import writing
from bench.errors import BenchError, StoreError
from bench.store import Run, Store, schema
from bench.types import Job, Prompt, PromptSet, Rendered, Request, ScoreRow, Timing

PROMPT = Prompt("one", "a red circle on the left, on white", "shape", expected_text=("AB",))
SET = PromptSet("tiny", "1", "en", "x", "y", (PROMPT,))
PNG = b"\x89PNG\r\n\x1a\nrest"


def job(text: str = PROMPT.text, seed: int | None = 0) -> Job:
    return Job(PROMPT, Request("m", "r", text, None, seed, 128, 128, {"steps": 4}))


def new_run(tmp_path: Path) -> Run:
    run = Store(tmp_path).run("r", create=True)
    run.update_info(name="r")
    return run


def test_a_record_comes_back_as_it_was_saved_before_and_after_compaction(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    with run.lock():
        saved = run.save(job(), Rendered("ok", PNG, Timing(1.5, steps=4), detail={"a": [1]}), prompt_set=SET, environment="e")
        refused = run.save(job(seed=1), Rendered("refused", error="no"), prompt_set=SET, environment="e")
        for _ in range(2):
            found = {r.key: r for r in Run(run.path).records()}
            for record in (saved, refused):
                assert schema.record_to_json(found[record.key]) == schema.record_to_json(record)
            run.compact()
    assert (run.path / "journal.jsonl").read_bytes() == b""
    assert saved.image == "images/one_s0.png"
    assert run.image_path(saved).read_bytes() == PNG


def test_compaction_puts_records_into_the_order_asked_for(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    wanted = [job(f"text {i}") for i in range(5)]
    with run.lock():
        for one in (wanted[i] for i in (3, 0, 4, 1, 2)):
            run.save(one, Rendered("ok", PNG), prompt_set=SET, environment="e")
        run.compact([one.key for one in wanted[1:]])
    assert [r.request.prompt for r in run.records()] == [f"text {i}" for i in range(5)]


def test_a_later_record_of_the_same_job_wins(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    with run.lock():
        run.save(job(), Rendered("failed", error="once"), prompt_set=SET, environment="e")
        run.compact()
        run.save(job(), Rendered("ok", PNG), prompt_set=SET, environment="e")
    assert [r.status for r in run.records()] == ["ok"]


def test_another_request_for_the_same_name_keeps_the_first_picture(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    with run.lock():
        first = run.save(job(), Rendered("ok", PNG), prompt_set=SET, environment="e")
        other = run.save(job("another text"), Rendered("ok", PNG + b"2"), prompt_set=SET, environment="e")
    assert first.image != other.image
    assert run.image_path(first).read_bytes() == PNG
    assert [r.image for r in run.current()] == [other.image]


def test_pictures_of_ids_that_differ_in_case_have_files_that_do_not(tmp_path: Path) -> None:
    """On file systems that take Open and open for one name; and Windows takes con.a for a device."""
    run, request = new_run(tmp_path), job().request
    with run.lock():
        saved = [
            run.save(Job(Prompt(name, PROMPT.text), request), Rendered("ok", PNG), prompt_set=SET, environment="e")
            for name in ("Open", "open", "OPEN", "con.a", "Open")
        ]
    files = [str(record.image).lower() for record in saved]
    assert len(set(files)) == 4
    assert (saved[0].image, saved[4].image) == ("images/Open_s0.png", "images/Open_s0.png"), "its own again"
    assert files[3] == "images/_con.a_s0.png"


def test_a_half_written_last_line_is_ignored_and_cut_off(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    with run.lock():
        run.save(job(), Rendered("ok", PNG), prompt_set=SET, environment="e")
    with (run.path / "journal.jsonl").open("ab") as journal:
        journal.write(b'{"prompt_id": "tor')
    assert len(run.records()) == 1
    with run.lock():
        run.save(job(seed=1), Rendered("ok", PNG), prompt_set=SET, environment="e")
    assert len(Run(run.path).records()) == 2


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    (run.path / "run.json").write_text(json.dumps({"schema_version": schema.SCHEMA_VERSION + 1}))
    with pytest.raises(StoreError, match="newer fluxbench"):
        run.info()


def test_a_run_folder_can_be_copied(tmp_path: Path) -> None:
    run = render_oracle(tmp_path / "a", limit=2)
    shutil.copytree(run.path, tmp_path / "elsewhere" / "moved")
    moved = Store(tmp_path / "x").run(str(tmp_path / "elsewhere" / "moved"))
    assert [moved.image_path(r).read_bytes() for r in moved.current()] == [run.image_path(r).read_bytes() for r in run.current()]


def test_an_unknown_run_names_the_nearest(tmp_path: Path) -> None:
    render_oracle(tmp_path, limit=1, label="alpha")
    with pytest.raises(BenchError, match="did you mean 'alpha"):
        Store(tmp_path).run("alpa.tiny.128x128")


def test_a_second_process_on_the_same_run_is_told(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    code = "import sys; from bench.store.run import Run\nfrom pathlib import Path\nwith Run(Path(sys.argv[1])).lock(): pass"
    with run.lock():
        other = subprocess.run([sys.executable, "-c", code, str(run.path)], capture_output=True, text=True, check=False)
    assert other.returncode != 0
    assert "another process is working on run 'r'" in other.stderr
    assert subprocess.run([sys.executable, "-c", code, str(run.path)], check=False).returncode == 0


def test_a_full_disk_is_one_message_and_loses_nothing(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    with run.lock():
        run.save(job(), Rendered("ok", PNG), prompt_set=SET, environment="e")
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
        try:
            with pytest.raises(StoreError, match="nothing already rendered is lost"):
                run.save(job(seed=1), Rendered("ok", PNG + os.urandom(8192)), prompt_set=SET, environment="e")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, ignored)
        run.save(job(seed=2), Rendered("ok", PNG), prompt_set=SET, environment="e")
    assert [r.request.seed for r in run.records()] == [0, 2]
    assert not list(run.path.rglob("*.part"))


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads as Linux shows them")
def test_reading_a_run_leaves_no_thread_that_could_abort_the_process_at_its_end(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    with run.lock():
        run.save(job(), Rendered("ok", PNG), prompt_set=SET, environment="e")
        run.compact()
    code = (
        "import os, sys, pathlib, pyarrow.parquet; from bench.store.run import Run\n"
        "before = len(os.listdir('/proc/self/task')); records = Run(pathlib.Path(sys.argv[1])).records()\n"
        "print(len(records), len(os.listdir('/proc/self/task')) - before)"
    )
    shown = subprocess.run([sys.executable, "-c", code, str(run.path)], capture_output=True, text=True, check=True, cwd=ROOT)
    assert shown.stdout == "1 0\n"


@pytest.mark.parametrize(
    ("code", "remedy"),
    [(errno.ENOSPC, "free some space"), (errno.EACCES, "ask its owner for permission"), (errno.EROFS, "choose another folder")],
)
def test_advice_is_about_what_is_wrong(code: int, remedy: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=remedy) as raised, writing(tmp_path):
        raise OSError(code, os.strerror(code))
    assert str(raised.value).count("free some space") == (remedy == "free some space")
    assert "nothing already rendered is lost" in str(raised.value)


def score(value: float = math.nan, *, fingerprint: str = "f", of: str | None = "q") -> ScoreRow:
    status, reason = ("unscored", "the engine broke") if math.isnan(value) else ("ok", None)
    return ScoreRow("m", fingerprint, value, status, request_id=of, prompt_id=of, reason=reason)  # type: ignore[arg-type]


def test_an_unscored_row_does_not_replace_the_number_of_a_picture(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    run.save_scores([score()])
    run.save_scores([score(0.5)])
    run.save_scores([score(fingerprint="other")])
    assert [s.value for s in run.scores()] == [0.5]
    run.save_scores([score(0.75, fingerprint="other")])
    assert [s.value for s in run.scores()] == [0.75]
    run.save_scores([score(0.5, of=None)])
    run.save_scores([score(of=None)])
    assert [s.status for s in run.scores() if s.request_id is None] == ["unscored"], "of a whole run the newest word counts"


def test_scores_of_pictures_that_are_made_again_are_forgotten(tmp_path: Path) -> None:
    run = new_run(tmp_path)
    run.delete_scores({("q", "q")})
    run.save_scores([score(0.5), score(0.25, of="other"), score(1.0, of=None)])
    run.delete_scores({("q", "q")})
    assert sorted(s.value for s in run.scores()) == [0.25, 1.0]
