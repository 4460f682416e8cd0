"""Every attempt of a hosted run, written down before the next step: what was spent, and what a server still works on.

Lines of ``attempts.jsonl``::

    {"sent": 7, "prompt_id": …, "request_id": …, "usd": 0.04, "at": …}          before the request leaves; usd: the estimate
    {"task": 7, "id": …, "polling_url": …}                                      the server accepted it and works on it
    {"answered": 7, "seconds": 3.1, "sha256": …, "status": "ok", …}             the answer is here; its picture is in answers/7
    {"settled": 7, "status": "ok", "seconds": 3.1, "usd": 0.04, "keep": false}  what became of it; usd null: unknown

An attempt that was sent and never settled belongs to a process that was killed: it counts as paid at the price of its
answer, or at its estimate where there is none. The next process stores one that was answered, and asks again for the
result of one that has a task and is not settled for good ("keep" true); it sends neither again.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from bench.store import schema

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from bench.store.run import Run
    from bench.types import Job, Rendered

State = Literal["planned", "sent", "answered", "settled"]


@dataclass(eq=False)
class Attempt:
    """One attempt at a job; it writes its own lines of the ledger, one at each change of state.

    Attributes:
        state: "planned" until the request leaves (or, where a server works on it already, until its result is asked for);
            "sent"; "answered" when the answer is on disk; "settled" when its cost is known or given up.
        number: in the order of sending, from 1; 0 before that.
        estimate: USD it may cost.
        submission: what a server that works in the background knows it by.
        answer: the line of its answer.
        seconds: how long it took.
        usd: what it cost; NaN where that is unknown.
        keep: the server may still finish it.
    """

    ledger: Ledger
    key: tuple[str, str]
    state: State = "planned"
    number: int = 0
    estimate: float = math.nan
    submission: dict[str, Any] | None = None
    answer: dict[str, Any] | None = None
    seconds: float = 0.0
    usd: float = math.nan
    keep: bool = True

    @property
    def paid(self) -> bool:
        """Whether it needs no money: its answer is on disk, or a server works on it."""
        return self.state == "answered" or (self.submission is not None and self.keep)

    def send(self, estimate: float) -> None:
        """Planned → sent; to be called before the request leaves. One that a server works on already is written only once."""
        if not self.number:
            number, (prompt_id, request_id) = self.ledger.next_number, self.key
            at = datetime.now(UTC).isoformat(timespec="milliseconds")
            self.ledger.write({"sent": number, "prompt_id": prompt_id, "request_id": request_id, "usd": _json(estimate), "at": at})
            self.number, self.estimate = number, estimate
            self.ledger.add(self)
        self.state = "sent"

    def submitted(self, facts: Mapping[str, str | float | None]) -> None:
        """Keep what the server knows this attempt by."""
        self.submission = dict(facts)
        self.ledger.write({"task": self.number, **facts}, flush=True)

    def answered(self, row: Mapping[str, Any], image: bytes | None) -> None:
        """Sent → answered: keep ``row`` (``schema.rendered_to_json``, nothing secret) and the picture."""
        if image is not None:
            self.ledger.run.save_pending_image(self.number, image)
        self.answer = {"seconds": round(self.seconds, 4), "sha256": _sha256(image), **row}
        self.ledger.write({"answered": self.number, **self.answer})
        self.state = "answered"
        self.ledger.price(self, _number(self.answer["cost_usd"]))

    def recall(self) -> Rendered | None:
        """The answer as it was kept; None where there is none or its picture is not whole."""
        if self.state != "answered" or self.answer is None:
            return None
        image = self.ledger.run.pending_image(self.number)
        return schema.rendered_from_json(self.answer, image) if _sha256(image) == self.answer["sha256"] else None

    def delete_pending_image(self) -> None:
        """Delete the picture of an answer that is stored, or of no use."""
        if self.answer:
            self.ledger.run.delete_pending_image(self.number)

    def settle(self, status: str, usd: float, *, keep: bool = False) -> None:
        """Sent or answered → settled: write what became of it; does nothing to one that is only planned.

        Args:
            status: of the picture, or why there is none.
            usd: what it cost; NaN where that is unknown.
            keep: the server may still finish it.
        """
        if self.state == "planned":
            return
        self.ledger.write({"settled": self.number, "status": status, "seconds": round(self.seconds, 4), "usd": _json(usd), "keep": keep})
        self.ledger.account(self, usd, keep=keep)


class Ledger:
    """The attempts of a run. Totals are kept as they change, so reading them during a run is cheap."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._attempts: dict[int, Attempt] = {}
        self._latest: dict[tuple[str, str], Attempt] = {}
        self.usd = self.presumed_usd = 0.0
        self.unknown = 0
        for row in run.attempts():
            self._read(row)

    def attempt(self, job: Job) -> Attempt:
        """The attempt to go on with: one that is answered or that a server works on, else a new one."""
        latest = self._latest.get(job.key)
        if latest is None or latest.recall() is not None:
            return latest or Attempt(self, job.key)
        if latest.submission is not None and latest.keep:
            latest.state, latest.seconds = "planned", 0.0
            return latest
        return Attempt(self, job.key)

    def reconcile(self, open_keys: Collection[tuple[str, str]]) -> None:
        """Settle what was answered and stored by a process that died before it could settle it."""
        for attempt in self._attempts.values():
            if attempt.answer is not None and attempt.state == "answered" and attempt.key not in open_keys:
                attempt.delete_pending_image()
                attempt.settle(attempt.answer["status"], _number(attempt.answer["cost_usd"]))

    @property
    def next_number(self) -> int:
        """Of the next attempt that is sent."""
        return len(self._attempts) + 1

    def add(self, attempt: Attempt) -> None:
        """Count an attempt that was sent at its estimate."""
        self._attempts[attempt.number] = self._latest[attempt.key] = attempt
        self._count(attempt, 1)

    @property
    def committed_usd(self) -> float:
        """Spent, presumed to be spent, and in flight; attempts without an estimate count nothing."""
        return self.usd + self.presumed_usd

    def spending(self) -> dict[str, float | int]:
        """Known money, presumed money (killed, in flight or unanswered), attempts of unknown cost, all attempts."""
        presumed = round(max(0.0, self.presumed_usd), 9)
        return {"usd": round(self.usd, 9), "presumed_usd": presumed, "unknown": self.unknown, "attempts": len(self._attempts)}

    def write(self, row: Mapping[str, Any], *, flush: bool = False) -> None:
        """Append a line; ``flush`` for one that must survive a power cut too."""
        self.run.add_attempt(row, flush=flush)

    def account(self, attempt: Attempt, usd: float, *, keep: bool) -> None:
        """Settle ``attempt`` at what it cost."""
        self.price(attempt, usd)
        attempt.state, attempt.keep = "settled", keep

    def price(self, attempt: Attempt, usd: float) -> None:
        """Replace what ``attempt`` counted as by what it costs; NaN is its estimate."""
        self._count(attempt, -1)
        attempt.usd = usd
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
            self.add(Attempt(self, (row["prompt_id"], row["request_id"]), "sent", row["sent"], _number(row["usd"])))
        elif "answered" in row:
            attempt = self._attempts[row.pop("answered")]
            attempt.state, attempt.answer, attempt.seconds = "answered", row, row["seconds"]
            self.price(attempt, _number(row["cost_usd"]))
        elif "task" in row:
            self._attempts[row.pop("task")].submission = row
        else:
            self.account(self._attempts[row["settled"]], _number(row["usd"]), keep=row["keep"])


def _sha256(image: bytes | None) -> str | None:
    return None if image is None else hashlib.sha256(image).hexdigest()


def _json(usd: float) -> float | None:
    return None if math.isnan(usd) else usd


def _number(usd: float | None) -> float:
    return math.nan if usd is None else usd
