"""Every attempt of a hosted run, written down before the next step: what money was spent, and what a server still works on.

Lines of ``attempts.jsonl``::

    {"sent": 7, "prompt_id": …, "request_id": …, "usd": 0.04, "at": …}          before the request leaves; usd: the estimate
    {"task": 7, "id": …, "polling_url": …}                                      the server accepted it and works on
    {"answered": 7, "seconds": 3.1, "sha256": …, "status": "ok", …}             the answer is here; its picture lies in answers/7
    {"settled": 7, "status": "ok", "seconds": 3.1, "usd": 0.04, "keep": false}  what became of it; usd null: nobody said

An attempt that was sent and never settled belongs to a process that was killed: it counts as paid at its estimate. One
that was answered is stored by the next process, and one that has a task and is not settled for good ("keep" true) is asked
for again: neither is sent again.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bench.store import schema

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from bench.store.run import Run
    from bench.types import Job, Rendered


@dataclass(eq=False)
class Attempt:
    """One attempt; a ``bench.providers.hosted.base.Task`` for the client that makes it."""

    ledger: Ledger
    number: int
    key: tuple[str, str]
    estimate: float
    submission: dict[str, Any] | None = None
    answer: dict[str, Any] | None = None
    usd: float = math.nan
    settled: bool = False
    keep: bool = True

    def submitted(self, facts: Mapping[str, str | float | None]) -> None:
        """Keep what the server knows this attempt by."""
        self.submission = dict(facts)
        self.ledger.write({"task": self.number, **facts}, flush=True)

    def answered(self, row: Mapping[str, Any], image: bytes | None, seconds: float) -> None:
        """Keep an answer (``schema.rendered_to_json``, nothing secret) and its picture, before the next request takes its place."""
        if image is not None:
            self.ledger.run.save_pending_image(self.number, image)
        self.answer = {"seconds": round(seconds, 4), "sha256": _mark(image), **row}
        self.ledger.write({"answered": self.number, **self.answer})

    def recall(self) -> Rendered | None:
        """The answer as it was kept; None without one, or where its picture is not whole."""
        if self.answer is None:
            return None
        image = self.ledger.run.pending_image(self.number)
        return schema.rendered_from_json(self.answer, image) if _mark(image) == self.answer["sha256"] else None

    def delete_pending_image(self) -> None:
        """Drop the kept picture of an answer that is stored, or of no use."""
        if self.answer:
            self.ledger.run.delete_pending_image(self.number)

    def settle(self, status: str, seconds: float, usd: float, *, keep: bool = False) -> None:
        """Write what became of it; ``keep``: the server may still finish it."""
        row = {"settled": self.number, "status": status, "seconds": round(seconds, 4), "usd": _json(usd), "keep": keep}
        self.ledger.write(row)
        self.ledger.account(self, usd, keep=keep)


class Ledger:
    """The attempts of a run. Cheap to ask while a run goes on: totals are kept as they change."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._attempts: dict[int, Attempt] = {}
        self._latest: dict[tuple[str, str], Attempt] = {}
        self.usd = self.presumed_usd = 0.0
        self.unknown = 0
        for row in run.attempts():
            self._read(row)

    def send(self, job: Job, estimate: float) -> Attempt:
        """A new attempt, written down; to be called before the request leaves."""
        attempt = Attempt(self, len(self._attempts) + 1, job.key, estimate)
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.write({"sent": attempt.number, "prompt_id": job.key[0], "request_id": job.key[1], "usd": _json(estimate), "at": at})
        self._add(attempt)
        return attempt

    def task(self, job: Job) -> Attempt | None:
        """The attempt whose result the server may still give, sent by this or an earlier process."""
        found = self._latest.get(job.key)
        return found if found and found.submission is not None and found.keep else None

    def answer(self, job: Job) -> Attempt | None:
        """The attempt that an earlier process had answered and did not store."""
        found = self._latest.get(job.key)
        return found if found and found.answer and not found.settled else None

    def reconcile(self, open_keys: Collection[tuple[str, str]]) -> None:
        """Settle what was answered and stored by a process that died before it could say so."""
        for attempt in self._attempts.values():
            if attempt.answer and not attempt.settled and attempt.key not in open_keys:
                attempt.delete_pending_image()
                attempt.settle(attempt.answer["status"], attempt.answer["seconds"], _number(attempt.answer["cost_usd"]))

    @property
    def committed_usd(self) -> float:
        """Spent, presumed to be spent and in flight; attempts without an estimate count nothing."""
        return self.usd + self.presumed_usd

    def spending(self) -> dict[str, float | int]:
        """Known money, presumed money (killed, in flight or unanswered), attempts of unknown cost, all attempts."""
        presumed = round(max(0.0, self.presumed_usd), 9)
        return {"usd": round(self.usd, 9), "presumed_usd": presumed, "unknown": self.unknown, "attempts": len(self._attempts)}

    def write(self, row: Mapping[str, Any], *, flush: bool = False) -> None:
        """Append a line. Tasks are flushed to disk; what else a power cut could take is only the last attempts' account."""
        self.run.add_attempt(row, flush=flush)

    def account(self, attempt: Attempt, usd: float, *, keep: bool) -> None:
        """Replace what ``attempt`` counted as by what it cost; NaN leaves the estimate."""
        self._count(attempt, -1)
        attempt.usd, attempt.settled, attempt.keep = usd, True, keep
        self._count(attempt, 1)

    def _add(self, attempt: Attempt) -> None:
        self._attempts[attempt.number] = self._latest[attempt.key] = attempt
        self._count(attempt, 1)

    def _count(self, attempt: Attempt, sign: int) -> None:
        if not math.isnan(attempt.usd):
            self.usd += sign * attempt.usd
        elif not math.isnan(attempt.estimate):
            self.presumed_usd += sign * attempt.estimate
        else:
            self.unknown += sign

    def _read(self, row: dict[str, Any]) -> None:
        if "sent" in row:
            self._add(Attempt(self, row["sent"], (row["prompt_id"], row["request_id"]), _number(row["usd"])))
        elif "answered" in row:
            self._attempts[row["answered"]].answer = {k: v for k, v in row.items() if k != "answered"}
        elif "task" in row:
            self._attempts[row["task"]].submission = {k: v for k, v in row.items() if k != "task"}
        else:
            self.account(self._attempts[row["settled"]], _number(row["usd"]), keep=row["keep"])


def _mark(image: bytes | None) -> str | None:
    return None if image is None else hashlib.sha256(image).hexdigest()


def _json(usd: float) -> float | None:
    return None if math.isnan(usd) else usd


def _number(usd: float | None) -> float:
    return math.nan if usd is None else usd
