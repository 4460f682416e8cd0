"""What the tests of voting share: a voting server in a process of its own, and votes given by hand."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx2

from bench.store import Run, Store, Vote
from bench.voting.ballots import all_ballots
from support.paths import ROOT

if TYPE_CHECKING:
    from bench.store.votes import Choice

CHOICES: dict[str, Choice] = {"a": "a", "b": "b", "t": "tie", "x": "bad"}
_numbers = itertools.count()


class ServedVote:
    """``python -m bench vote`` on every run of ``results``; the page's own requests as methods."""

    def __init__(self, results: Path, *words: str) -> None:
        self.results, self._words = results, words
        self.process: subprocess.Popen[str] | None = None
        self._client = httpx2.Client()

    def start(self) -> Self:
        runs = Store(self.results).runs()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "bench", "vote", *runs, "--no-browser", "--results", str(self.results), *self._words],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "160"},
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509 - a background job is born deaf to it
        )  # fmt: skip
        assert self.process.stderr is not None
        told = ""
        for line in self.process.stderr:
            told += line
            if found := re.search(r"http://127\.0\.0\.1:(\d+)/([\w-]+)/", line):
                self.url, self.port, self.token = found[0], int(found[1]), found[2]
                return self
        raise AssertionError(told)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        assert self.process is not None
        self.process.kill()
        self.process.communicate()

    def stop(self) -> tuple[str, str]:
        """Ctrl-C; what it said at the end. It must end with 0."""
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, err
        assert "Traceback" not in err
        return out, err

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()
        self._client.close()

    def get(self, path: str, headers: dict[str, str] | None = None) -> httpx2.Response:
        return self._client.get(self.url + path, headers=headers)

    def post(self, path: str, body: dict[str, Any] | bytes, headers: dict[str, str] | None = None) -> httpx2.Response:
        own = {"Origin": f"http://127.0.0.1:{self.port}", "Content-Type": "application/json", **(headers or {})}
        sent = {"content": body} if isinstance(body, bytes) else {"json": body}
        return self._client.post(self.url + path, headers=own, **sent)

    def state(self, rater: str) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"state?rater={rater}").json()
        return found

    def choice(self, rater: str, ballot: dict[str, Any], choice: str = "left") -> dict[str, Any]:
        return {"id": f"vote-{next(_numbers):06}", "rater": rater, "ballot": ballot["id"], "choice": choice, "seconds": 1.5}

    def votes(self) -> list[Vote]:
        return Store(self.results).votes()


def voted(a: Run, b: Run, choices: str, rater: str = "Ana") -> list[Vote]:
    """Votes on the first pictures of the prompts in turn, a letter each: a, b, t for a tie, x for both bad."""
    made, _ = all_ballots({run.name: run.current() for run in (a, b)})
    return [
        Vote(f"vote-{next(_numbers):06}", x.id, "s", rater, x.prompt_id, a.name, b.name, x.a.request_id, x.b.request_id, x.a.sha256,
             x.b.sha256, "a", CHOICES[letter], 2.0, "now")
        for x, letter in zip([x for x in made if x.turn == 0], choices, strict=False)
    ]  # fmt: skip
