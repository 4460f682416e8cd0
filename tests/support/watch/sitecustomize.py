"""Python runs this first where its folder is on PYTHONPATH: it notes in FLUXBENCH_WATCH who is contacted and what is written.

A line of JSON an event: ["contact", host] or ["write", path]. Code that is no Python is seen by strace only (watched.py).
"""

import json
import os
import sys
from typing import Any

_NOTES = os.open(os.environ["FLUXBENCH_WATCH"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC
_PLACES = {"os.mkdir": 0, "os.rename": 1, "os.link": 1, "os.symlink": 1, "os.truncate": 0, "sqlite3.connect": 0}


def _note(kind: str, what: object) -> None:
    if isinstance(what, str | bytes):
        text = os.path.join(os.getcwd(), os.fsdecode(what)) if kind == "write" else os.fsdecode(what)  # noqa: PTH109, PTH118 - started often
        os.write(_NOTES, (json.dumps([kind, text]) + "\n").encode())


def _watch(event: str, args: tuple[Any, ...]) -> None:
    if event == "open" and isinstance(args[2], int) and args[2] & _WRITES:
        _note("write", args[0])
    elif event in _PLACES:
        _note("write", os.fspath(args[_PLACES[event]]) if not isinstance(args[_PLACES[event]], int) else None)
    elif event in {"socket.connect", "socket.sendto", "socket.bind"} and isinstance(args[1], tuple):
        _note("contact", args[1][0])
    elif event in {"socket.getaddrinfo", "socket.gethostbyname"}:
        _note("contact", args[0])


sys.addaudithook(_watch)
