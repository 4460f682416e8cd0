"""The ledger of a hosted run: what each attempt costs in each state, and which one a later process goes on with."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from bench.store import Run, Store, schema
from bench.store.attempts import Ledger
from bench.types import Job, Prompt, Rendered, Request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

JOB = Job(Prompt("p", "text"), Request("m", "", "text", None, None, 8, 8))
ANSWER = schema.rendered_to_json(Rendered("ok", b"picture", cost_usd=0.03))


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Store(tmp_path).run("r", create=True)
    with run.lock():
        yield run


def test_an_attempt_counts_at_its_estimate_until_its_answer_has_a_price(run: Run) -> None:
    ledger = Ledger(run)
    attempt = ledger.attempt(JOB)
    assert (attempt.state, attempt.paid, ledger.committed_usd) == ("planned", False, 0.0)
    attempt.settle("failed", 1.0)
    assert (run.attempts(), ledger.committed_usd) == ([], 0.0), "what never left costs nothing and leaves no line"
    attempt.send(0.04)
    assert (attempt.state, attempt.number, ledger.committed_usd) == ("sent", 1, 0.04)
    attempt.answered(ANSWER, b"picture")
    assert (attempt.state, attempt.paid, ledger.committed_usd) == ("answered", True, 0.03)
    attempt.settle("ok", 0.03)
    assert (attempt.state, attempt.paid) == ("settled", False)
    assert ledger.spending() == {"usd": 0.03, "presumed_usd": 0.0, "unknown": 0, "attempts": 1}
    assert [next(iter(line)) for line in run.attempts()] == ["sent", "answered", "settled"]
    assert Ledger(run).spending() == ledger.spending()


def test_an_unknown_cost_stays_presumed_and_without_an_estimate_unknown(run: Run) -> None:
    for estimate in (0.04, math.nan):
        attempt = Ledger(run).attempt(JOB)
        attempt.send(estimate)
        attempt.settle("timeout", math.nan)
    assert Ledger(run).spending() == {"usd": 0.0, "presumed_usd": 0.04, "unknown": 1, "attempts": 2}


def test_a_task_that_the_server_may_finish_goes_on_under_its_number(run: Run) -> None:
    first = Ledger(run).attempt(JOB)
    first.send(0.04)
    first.submitted({"id": "abc"})
    first.settle("timeout", math.nan, keep=True)
    ledger = Ledger(run)
    again = ledger.attempt(JOB)
    assert (again.state, again.number, again.paid, again.submission) == ("planned", 1, True, {"id": "abc"})
    again.send(0.04)
    assert sum("sent" in line for line in run.attempts()) == 1
    again.answered(ANSWER, b"picture")
    recalled = Ledger(run).attempt(JOB).recall()
    assert recalled is not None, "its answer outlives the process as any other does"
    assert (recalled.image, recalled.cost_usd) == (b"picture", 0.03)
    again.settle("ok", 0.03)
    assert Ledger(run).attempt(JOB).number == 0, "it is done: the next attempt is a new one"


def test_an_answer_whose_picture_is_not_whole_is_none(run: Run) -> None:
    attempt = Ledger(run).attempt(JOB)
    attempt.send(0.04)
    attempt.answered(ANSWER, b"picture")
    (run.path / "answers" / "1").write_bytes(b"pic")
    again = Ledger(run).attempt(JOB)
    assert (again.state, again.number, again.recall()) == ("planned", 0, None)


def test_what_was_stored_and_not_settled_is_settled_by_the_next_process(run: Run) -> None:
    attempt = Ledger(run).attempt(JOB)
    attempt.send(0.04)
    attempt.answered(ANSWER, b"picture")
    ledger = Ledger(run)
    ledger.reconcile({JOB.key})
    assert ledger.attempt(JOB).paid, "its job is still open"
    ledger.reconcile(set())
    assert not ledger.attempt(JOB).paid
    assert ledger.spending() == {"usd": 0.03, "presumed_usd": 0.0, "unknown": 0, "attempts": 1}
    assert not (run.path / "answers" / "1").exists()
