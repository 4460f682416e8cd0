"""Nothing leaves the machine unasked: commands under a watch on the addresses they contact and the files they write."""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING

import pytest
from support.paths import ROOT
from support.requirements import require
from support.watched import Watched, strace_works, traced_events

from bench.core import telemetry

if TYPE_CHECKING:
    from pathlib import Path

DEMO = ROOT.joinpath("Makefile").read_text(encoding="utf-8")


def demo() -> list[str]:
    """The arguments of Python in ``make demo``."""
    models = re.search(r"^MODELS \?= (\S+)$", DEMO, re.MULTILINE)
    command = re.search(r"^demo:.*\n\t\$\(BIN\)/python (.+)$", DEMO, re.MULTILINE)
    assert models
    assert command
    return shlex.split(command[1].replace("$(MODELS)", models[1]))


def test_the_watch_sees_what_leaves(tmp_path: Path) -> None:
    code = """
import contextlib, pathlib, socket
for host in ("127.0.0.1", "192.0.2.1"):
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.connect((host, 9))
(pathlib.Path.home() / "left").write_text("x")
pathlib.Path("results").mkdir()
pathlib.Path("results/ok").write_text("x")
"""
    watched = Watched(["-c", code], tmp_path)
    assert watched.ended.returncode == 0, watched.ended.stderr
    left = str(watched.home / "left")
    assert watched.elsewhere() == ["192.0.2.1", left, left]


def test_a_trace_is_read_as_strace_writes_it(tmp_path: Path) -> None:
    trace = r"""
12 connect(5<UDP:[1]>, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("192.0.2.7")}, 16) = 0
12 connect(5<TCP:[2]>, {sa_family=AF_INET6, sin6_port=htons(443), inet_pton(AF_INET6, "2001:db8::1", &sin6_addr), sin6_scope_id=0}, 28) = 0
12 connect(5<UNIX:[3]>, {sa_family=AF_UNIX, sun_path="/var/run/nscd/socket"}, 110) = -1 ENOENT (No such file or directory)
13 openat(AT_FDCWD</somewhere/work>, "results/run.json", O_WRONLY|O_CREAT|O_CLOEXEC, 0666) = 4
13 openat(AT_FDCWD, "/etc/hosts", O_RDONLY|O_CLOEXEC) = 4
13 openat(7</home/me>, ".identity", O_RDWR|O_CREAT, 0600 <unfinished ...>
13 mkdir("/home/me/.cache/other", 0755) = 0
"""
    assert traced_events(trace, tmp_path) == [
        ("contact", "192.0.2.7"), ("contact", "2001:db8::1"), ("write", "/somewhere/work/results/run.json"),
        ("write", "/home/me/.identity"), ("write", "/home/me/.cache/other"),
    ]  # fmt: skip


@pytest.mark.slow
def test_onnxruntime_leaves_no_identity_in_processes_that_import_bench_or_come_of_one(tmp_path: Path) -> None:
    child = "import onnxruntime, time; onnxruntime.SessionOptions(); time.sleep(0.1)"
    code = f"import bench, subprocess, sys; {child}; sys.exit(subprocess.call([sys.executable, '-c', {child!r}]))"
    watched = Watched(["-c", code], tmp_path)
    assert watched.ended.returncode == 0, watched.ended.stderr
    assert watched.elsewhere() == []
    assert not list((tmp_path / "cache").iterdir())


def test_the_switches_are_named_in_the_documentation() -> None:
    told = ROOT.joinpath("docs", "files.md").read_text(encoding="utf-8")
    assert [name for name in telemetry.SWITCHES if f"`{name}=" not in told] == []


@pytest.mark.slow(seconds=60)
def test_the_demo_and_doctor_contact_nobody_and_write_results_and_cache_only(tmp_path: Path) -> None:
    native = strace_works()
    if "strace" in os.environ.get("FLUXBENCH_REQUIRE", ""):
        require("strace")
    ready = Watched(["-m", "bench", "doctor"], tmp_path, native=native)
    assert ready.ended.returncode == 0, ready.ended.stdout
    assert ready.elsewhere() == []
    assert not list((tmp_path / "cache").iterdir()), "doctor leaves nothing behind"
    done = Watched([*demo(), "limit=1"], tmp_path, native=native)
    assert done.ended.returncode == 0, done.ended.stderr
    assert done.elsewhere() == []
    assert {path.name for path in (tmp_path / "work").iterdir()} == {"results"}
    assert {path.name for path in (tmp_path / "cache").iterdir()} <= {"fluxbench", "fontconfig"}


@pytest.mark.slow
def test_weights_named_by_repository_are_looked_for_on_this_machine_only(tmp_path: Path) -> None:
    code = f"""
import os, pathlib, shutil, time
cache = pathlib.Path({str(tmp_path / "cache" / "hub")!r})
os.environ["HF_HUB_CACHE"] = str(cache)
snapshot = cache / "models--owner--clip" / "snapshots" / ("0" * 40)
shutil.copytree({str(ROOT / "weights" / "clip-tiny")!r}, snapshot)
(cache / "models--owner--clip" / "refs").mkdir()
(cache / "models--owner--clip" / "refs" / "main").write_text("0" * 40)
from bench.errors import MissingWeightsError
from bench.metrics.extractors.contrastive import ContrastiveModel
from bench.metrics.extractors.dinov2 import DinoV2
assert ContrastiveModel("here", "owner/clip").loaded
for lacking in (lambda: ContrastiveModel("gone", "owner/gone").loaded, lambda: DinoV2("gone", "owner/gone")._loaded):
    try:
        lacking()
    except MissingWeightsError:
        continue
    raise SystemExit("loaded what is not there")
"""
    watched = Watched(["-c", code], tmp_path)
    assert watched.ended.returncode == 0, watched.ended.stderr
    assert not watched.contacted
