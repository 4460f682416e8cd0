"""Commands under a watch: which addresses they contact and which files they write, by Python's audit events and by strace."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench.core.http import is_loopback
from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

_WATCH = Path(__file__).parent / "watch"
_CALL = re.compile(r"^\d+ +(\w+)\((.*)$")
_ADDRESS = re.compile(r'inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"')
_OPENED = re.compile(r'^(AT_FDCWD|\d+)(?:<([^>]*)>)?, "((?:[^"\\]|\\.)*)", ([^)]*)')
_WRITES = ("O_WRONLY", "O_RDWR", "O_CREAT", "O_APPEND", "O_TRUNC")


class Watched:
    """A command that ran under the watch.

    Attributes:
        ended: what it returned and printed.
        contacted: hosts and addresses, as they were named.
        written: absolute paths of files that were opened for writing and of folders that were made.
        home: the folder that it took for the user's home; empty before.
    """

    def __init__(self, arguments: Sequence[str], folder: Path, *, native: bool = False) -> None:
        """Run ``python`` with ``arguments`` in ``folder``/work, with homes and caches beside it; ``native`` uses strace too."""
        self._folder, self.home = folder, folder / "home"
        for name in ("home", "work", "cache", "tmp"):
            (folder / name).mkdir(exist_ok=True)
        notes, trace = folder / "notes", folder / "trace"
        traced = ["strace", "-f", "-y", "-s", "4096", "-e", "trace=connect,sendto,sendmsg,bind,openat,mkdir,mkdirat", "-o", str(trace)]
        kept = {
            name: value for name, value in os.environ.items() if name in {"PATH", "LD_LIBRARY_PATH", "OMP_NUM_THREADS", "OMP_WAIT_POLICY"}
        }
        self.ended = subprocess.run(
            [*(traced if native else []), sys.executable, *arguments], cwd=folder / "work", capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, env={
                **kept, "HOME": str(self.home), "XDG_CACHE_HOME": str(folder / "cache"), "TMPDIR": str(folder / "tmp"),
                "PYTHONPATH": os.pathsep.join([str(_WATCH), str(ROOT)]), "PYTHONDONTWRITEBYTECODE": "1", "FLUXBENCH_WATCH": str(notes),
            },
        )  # fmt: skip
        events = [json.loads(line) for line in notes.read_text(encoding="utf-8").splitlines()]
        events += traced_events(trace.read_text(encoding="utf-8", errors="replace"), folder / "work") if native else []
        self.contacted = {what for kind, what in events if kind == "contact"}
        self.written = {what for kind, what in events if kind == "write"} - {str(notes)}

    def elsewhere(self) -> list[str]:
        """Addresses that are not this machine, paths outside of ``work``, ``cache`` and ``tmp``, and what was left at home."""
        hosts = sorted(host for host in self.contacted if not is_loopback(host) and host not in {"", "::", "0.0.0.0"})
        allowed = [self._folder / name for name in ("work", "cache", "tmp")]
        own = ("/dev/", "/proc/self/")
        paths = sorted(p for p in self.written if not p.startswith(own) and not any(Path(p).is_relative_to(f) for f in allowed))
        left = sorted(str(p) for p in self.home.rglob("*"))
        return [*hosts, *paths, *left, *(str(p) for p in (self._folder / "tmp").iterdir())]


def strace_works() -> bool:
    """Whether strace is installed and may be used."""
    found = shutil.which("strace")
    return found is not None and subprocess.run([found, "-o", os.devnull, "true"], capture_output=True, check=False).returncode == 0


def traced_events(trace: str, folder: Path) -> list[tuple[str, str]]:
    """Contacts and writes of strace's lines; relative paths are below ``folder``. Calls that failed count too, but for missing files."""
    events = []
    for line in trace.splitlines():
        call = _CALL.match(line)
        if not call or "ENOENT" in line or "EEXIST" in line:
            continue
        name, rest = call.groups()
        if name in {"connect", "sendto", "sendmsg", "bind"}:
            events += [("contact", four or six) for four, six in _ADDRESS.findall(rest)]
        elif name in {"mkdir", "mkdirat", "openat"}:
            opened = _OPENED.match(rest if name != "mkdir" else f"AT_FDCWD, {rest}")
            if opened and (name != "openat" or any(flag in opened[4] for flag in _WRITES)):
                events.append(("write", str(Path(opened[2] or folder, opened[3]))))
    return events
