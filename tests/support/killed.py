"""A process that renders and is killed at a named point, begun with everything imported."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from pathlib import Path

from support.runs import render_oracle

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["bench.config.presets", "bench.engine.render", "hydra", "pandas", "PIL.ImageFont", "pyarrow.parquet"])


def killed(results: Path, event: str, ending: str, turn: int, torn: str) -> int | None:
    """The exit code of a process that renders three prompts and dies where an audit event happens.

    Args:
        results: where it renders to.
        event: "open", "os.rename" or "os.truncate".
        ending: how the name of the file ends that it happens to.
        turn: at which of these events the process dies.
        torn: what it still writes to the file.
    """
    child = _FORKS.Process(target=_render_and_die, args=(str(results), event, ending, turn, torn))
    child.start()
    child.join()
    return child.exitcode


def _render_and_die(results: str, event: str, ending: str, turn: int, torn: str) -> None:
    seen = 0

    def hook(name: str, details: tuple[object, ...]) -> None:
        nonlocal seen
        if name != event or not str(details[0]).endswith(ending) or not str(details[0]).startswith(results):
            return
        if name == "open" and not int(str(details[2])) & (os.O_WRONLY | os.O_RDWR):
            return
        seen += 1
        if seen == turn:
            if torn:
                handle = os.open(str(details[0]), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
                os.write(handle, torn.encode())
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    render_oracle(Path(results), limit=3)
