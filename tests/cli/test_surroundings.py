"""What is around a command cannot break it: terminals, readers, homes, shells, disks. In processes of their own."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support.command import bench
from support.paths import ROOT
from support.runs import render_oracle

from bench.store import Store

if TYPE_CHECKING:
    from pathlib import Path

BENCH = f"{shlex.quote(sys.executable)} -m bench"


def shell(line: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """What a shell says of a line in which ``bench`` is the program; the exit code is that of the first that fails in a pipe."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HF_HUB_OFFLINE": "1", **environment}
    line = f'bench() {{ {BENCH} "$@"; }}; set -o pipefail; {line}'
    return subprocess.run(["bash", "-c", line], cwd=folder, env=environment, capture_output=True, text=True, check=False, errors="replace")


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which ``results`` has two finished runs."""
    folder = tmp_path_factory.mktemp("around")
    for label in ("one", "two"):
        run = render_oracle(folder / "results", limit=2, label=label)
        assert bench(["score", str(run.path), "metric=[scene,latency]"], folder).returncode == 0
    return folder


@pytest.mark.slow
def test_a_terminal_without_the_letters_shows_others(results: Path) -> None:
    done = shell("bench --help && bench list metrics", results, PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert "usage: python -m bench COMMAND ?" in done.stdout
    assert (done.stdout + done.stderr).isascii()


@pytest.mark.slow
def test_a_reader_that_stops_changes_no_exit_code(results: Path) -> None:
    unbuffered = "export PYTHONUNBUFFERED=1; bench"
    for line, code in ((f"{unbuffered} --help | true", 0), ("bench gate one two --max-drop scene=0.5 --json - | true", 3)):
        done = shell(line, results)
        assert (done.returncode, done.stderr) == (code, ""), line


@pytest.mark.slow
def test_a_run_goes_on_where_nobody_reads_what_it_says(tmp_path: Path) -> None:
    words = "run model=tiny-oracle limit=1 seeds=[0] 'metric=[latency]'"
    line = f"bench {words} label=reader 2>&1 | true && bench {words} label=closed <&- >&- 2>&-"
    done = shell(line, tmp_path)
    assert done.returncode == 0, done.stderr
    for name in ("reader", "closed"):
        run = Store(tmp_path / "results").find(name)
        assert len(run.records()) == 1
        assert (run.path / "report" / "index.html").is_file()


@pytest.mark.slow
def test_output_that_a_full_disk_loses_is_said(tmp_path: Path) -> None:
    done = shell("bench list metrics > /dev/full", tmp_path)
    assert done.returncode == 2
    assert done.stderr == "error: the output cannot be written: No space left on device\n"


@pytest.mark.slow
def test_files_and_pipes_get_no_escape_codes(results: Path) -> None:
    forced = {"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1", "TTY_COMPATIBLE": "1", "TERM": "xterm-256color"}
    for line in ("bench gate one two --max-drop scene=0.5", "bench score one 'metric=[latency]'"):
        done = shell(line, results, **forced)
        assert "\x1b" not in done.stdout + done.stderr, line
        assert "\r" not in done.stdout + done.stderr, line


@pytest.mark.slow
@pytest.mark.parametrize("home", [None, "/proc"])
def test_no_home_that_can_be_written_is_needed(home: str | None, results: Path, tmp_path: Path) -> None:
    words = f"compare one two --results {results / 'results'} --out c"
    gone = "unset HOME XDG_CACHE_HOME; " if home is None else f"export HOME={home}; unset XDG_CACHE_HOME; "
    done = shell(f"{gone}bench {words}", tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "c" / "index.html").is_file()


@pytest.mark.slow
def test_results_may_have_any_name(tmp_path: Path) -> None:
    name = "a = b, #1 (x [y & it's ~ü %@+: ${z}"
    words = ["run", "model=tiny-oracle", "limit=1", "seeds=[0]", "metric=[latency]", f"results={name}"]
    assert bench(words, tmp_path).returncode == 0
    (run,) = Store(tmp_path / name).runs()
    done = bench(["score", run, "metric=[scene]", f"results={name}"], tmp_path)
    assert done.returncode == 0, done.stderr
    assert bench(["compare", run, f"--results={name}", f"--out={name}/out"], tmp_path).returncode == 0
    assert (tmp_path / name / "out" / "index.html").is_file()
    home = bench(["list", "runs", "--results=~/x"], tmp_path, HOME=str(tmp_path))
    assert f"runs in {tmp_path / 'x'}" in home.stdout


@pytest.mark.slow
def test_a_report_that_cannot_be_written_keeps_the_one_before(results: Path) -> None:
    run = Store(results / "results").find("one")
    before = {path: path.read_bytes() for path in (run.path / "report").rglob("*") if path.is_file()}
    done = shell("ulimit -f 1; trap '' XFSZ; bench report one", results)
    assert done.returncode == 2
    assert f"cannot write to results/{run.name}/report: File too large; free some space" in done.stderr
    assert "Traceback" not in done.stderr
    assert {path: path.read_bytes() for path in (run.path / "report").rglob("*") if path.is_file()} == before
