"""The dispatcher: what becomes of every job, how often the server is asked, and what it costs. No network, no waiting."""

from __future__ import annotations

import asyncio
import io
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image
from support import virtual

from bench.engine.hosted.dispatch import Dispatch
from bench.errors import BenchError, BudgetError, ProviderError, StoreError
from bench.providers.hosted.base import Limits, redact
from bench.store import Run, Store, schema
from bench.store.attempts import Attempt, Ledger
from bench.types import Job, Prompt, PromptSet, Rendered, Request, Timing

if TYPE_CHECKING:
    from pathlib import Path

KEY = "sk-of-this-test"
SET = PromptSet("s", "1", "en", "x", "y", ())


def picture(text: str = "") -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (8, 8), (len(text) % 256, 10, 20)).save(data, "PNG")
    return data.getvalue()


def ok(usd: float = float("nan")) -> Rendered:
    return Rendered("ok", picture(), Timing(latency_s=1.0), cost_usd=usd)


def busy(seconds: float | None = None) -> ProviderError:
    return ProviderError("slow down", status="rate_limited", transient=True, retry_after=seconds, usd=0.0)


DOWN = ProviderError("the server is down", status="provider_error", transient=True, usd=0.0)


@dataclass
class Scripted:
    """A provider and its client: each prompt's answers in turn, the last one for ever; a number is seconds to think first."""

    script: Mapping[str, list[Any]] = field(default_factory=dict)
    limits: Limits = field(default_factory=lambda: Limits(in_flight=4))
    seconds: float = 1.0
    name: str = "scripted"
    asked: list[tuple[str, float]] = field(default_factory=list)
    submissions: list[Any] = field(default_factory=list)
    together: int = 0
    most: int = 0

    def clean(self, text: object) -> str:
        return str(redact(str(text), KEY))

    def redact(self, value: Any) -> Any:
        return redact(value, KEY)

    async def make(self, request: Request, task: Any) -> Rendered:
        text = request.prompt
        await task.turn()
        turn = sum(t == text for t, _ in self.asked)
        self.asked.append((text, asyncio.get_running_loop().time()))
        self.submissions.append(task.submission)
        self.together += 1
        self.most = max(self.most, self.together)
        try:
            answers = self.script.get(text) or [ok()]
            answer = answers[min(turn, len(answers) - 1)]
            if callable(answer):
                answer = answer(task)
            await asyncio.sleep(answer if isinstance(answer, int | float) else self.seconds)
        finally:
            self.together -= 1
        if isinstance(answer, BaseException):
            raise answer
        return ok() if isinstance(answer, int | float) else answer


class Flat:
    """A tariff of ``price`` a picture."""

    def __init__(self, price: float = 0.04) -> None:
        self.price = price

    def estimate(self, _request: Request) -> float:
        return self.price

    def cost(self, _request: Request, rendered: Rendered) -> float:
        return self.price if rendered.cost_usd != rendered.cost_usd else rendered.cost_usd


def jobs(*texts: str) -> list[Job]:
    return [Job(Prompt(f"p{i}", text), Request("m", "", text, None, None, 8, 8)) for i, text in enumerate(texts)]


@dataclass
class Done:
    run: Run
    ledger: Ledger
    seconds: float
    error: BaseException | None

    @property
    def statuses(self) -> dict[str, str]:
        return {r.request.prompt: r.status for r in self.run.records()}


def go(provider: Scripted, todo: list[Job], tmp_path: Path, *, max_usd: float | None = None, price: float = 0.04,
       save: Callable[..., Any] | None = None) -> Done:  # fmt: skip
    run = Store(tmp_path).run("r", create=True)
    run.update_info(name="r")
    ledger = Ledger(run)
    saved = save or (lambda job, rendered: run.save(job, rendered, prompt_set=SET, environment="e"))

    async def main() -> tuple[float, BaseException | None]:
        dispatch = Dispatch(provider, provider, ledger, Flat(price), max_usd=max_usd, save=saved, seed=0)  # type: ignore[arg-type]
        try:
            await dispatch.run(todo)
        except BenchError as error:
            return asyncio.get_running_loop().time(), error
        return asyncio.get_running_loop().time(), None

    with run.lock():
        return Done(run, ledger, *virtual.run(main()))


def sent(ledger: Ledger, job: Job) -> Attempt:
    """A new attempt that has left."""
    attempt = ledger.attempt(job)
    attempt.send(0.04)
    return attempt


@pytest.mark.slow
def test_all_places_in_flight_are_used_and_no_more(tmp_path: Path) -> None:
    provider = Scripted(limits=Limits(in_flight=16), seconds=0.2)
    done = go(provider, jobs(*(f"t{i}" for i in range(400))), tmp_path)
    assert done.error is None
    assert provider.most == 16
    assert done.seconds == pytest.approx(400 * 0.2 / 16)
    assert set(done.statuses.values()) == {"ok"}
    assert done.ledger.spending() == {"usd": pytest.approx(16.0), "presumed_usd": 0.0, "unknown": 0, "attempts": 400}


def test_a_minute_never_sees_more_than_the_limit_retries_included(tmp_path: Path) -> None:
    script = {f"t{i}": [DOWN, ok()] for i in range(0, 200, 3)}
    provider = Scripted(script, Limits(in_flight=16, per_minute=60), seconds=5.0)
    go(provider, jobs(*(f"t{i}" for i in range(200))), tmp_path)
    times = [t for _, t in provider.asked]
    assert len(times) == 267
    assert max(sum(start <= t <= start + 60 for t in times) for start in times) <= 60
    assert times[-1] < 1.1 * 267


def test_a_refusal_is_final_and_asked_for_once(tmp_path: Path) -> None:
    provider = Scripted({"no": [Rendered("refused", error="declined", detail={"refusal": "refused"})]})
    done = go(provider, jobs("no", "yes"), tmp_path)
    assert done.statuses == {"no": "refused", "yes": "ok"}
    assert len(provider.asked) == 2


def test_what_passes_is_tried_again_and_every_attempt_is_kept(tmp_path: Path) -> None:
    done = go(Scripted({"x": [DOWN, busy(7), ok()]}), jobs("x"), tmp_path)
    (record,) = done.run.records()
    assert record.status == "ok"
    assert [t["status"] for t in record.detail["tries"]] == ["provider_error", "rate_limited", "ok"]
    assert [t["seconds"] for t in record.detail["tries"]] == [1, 1, 1]
    assert record.detail["tries"][1]["waited"] >= 7
    assert record.timing.attempts == 3
    assert record.timing.latency_s == 1.0
    assert record.timing.retry_s == pytest.approx(done.seconds - 1)
    assert 10 <= record.timing.retry_s < 12


def test_the_first_answer_leaves_no_retry_time(tmp_path: Path) -> None:
    (record,) = go(Scripted(limits=Limits(per_minute=1)), jobs("x"), tmp_path).run.records()
    assert (record.timing.retry_s, record.timing.attempts) == (0.0, 1)


def test_retry_after_holds_everybody(tmp_path: Path) -> None:
    provider = Scripted({"x": [busy(100), ok()]}, Limits(in_flight=2))
    go(provider, jobs("x", *(f"t{i}" for i in range(10))), tmp_path)
    assert not [t for _, t in provider.asked if 1 < t < 101]


@pytest.mark.parametrize(
    ("answer", "status", "times"),
    [(busy(), "rate_limited", 3), (busy(500), "rate_limited", 1), (DOWN, "provider_error", 3), (9.0, "timeout", 3),
     (ProviderError("bad size", status="provider_error", usd=0.0), "provider_error", 1),
     (ProviderError("gone", status="expired_url", transient=True), "expired_url", 3),
     (Rendered("ok", b"<html>"), "invalid_image", 3), (ValueError(f"odd {KEY}"), "provider_error", 1)],
)  # fmt: skip
def test_each_failure_ends_in_its_own_status(answer: Any, status: str, times: int, tmp_path: Path) -> None:
    provider = Scripted({"x": [answer]}, Limits(attempts=3, timeout_s=5.0))
    done = go(provider, jobs("x", "y"), tmp_path)
    assert done.statuses == {"x": status, "y": "ok"}
    assert sum(text == "x" for text, _ in provider.asked) == times
    (record,) = (r for r in done.run.records() if r.failed)
    assert record.error
    assert KEY not in json.dumps(record.detail) + str(record.error)
    assert record.timing.attempts == times


def test_unknown_costs_are_presumed_and_failures_without_work_are_free(tmp_path: Path) -> None:
    done = go(Scripted({"x": [9.0], "y": [DOWN, ok(0.10)]}, Limits(attempts=2, timeout_s=5.0)), jobs("x", "y"), tmp_path)
    assert done.ledger.spending() == {"usd": pytest.approx(0.10), "presumed_usd": pytest.approx(0.08), "unknown": 0, "attempts": 4}
    again = Ledger(done.run).spending()
    assert again == done.ledger.spending()


def test_a_wrong_key_ends_the_run_after_the_first_answer(tmp_path: Path) -> None:
    provider = Scripted({"t0": [BenchError("the key is refused")]}, Limits(in_flight=3))
    done = go(provider, jobs(*(f"t{i}" for i in range(50))), tmp_path)
    assert str(done.error) == "the key is refused"
    assert len(provider.asked) == 3
    assert done.statuses == {"t1": "ok", "t2": "ok"}, "what was in flight is stored"
    assert done.ledger.spending()["usd"] == pytest.approx(0.08)


def test_those_who_wait_for_a_retry_are_recorded_when_the_run_ends(tmp_path: Path) -> None:
    provider = Scripted({"a": [busy(50)], "b": [20.0, ok()], "c": [BenchError("stop")]}, Limits(in_flight=2))
    done = go(provider, jobs("a", "b", "c"), tmp_path)
    assert str(done.error) == "stop"
    assert done.statuses["a"] == "rate_limited"
    assert done.statuses["b"] == "ok"


def test_a_server_that_only_fails_opens_the_breaker_and_then_ends_the_run(tmp_path: Path) -> None:
    todo = jobs(*(f"t{i}" for i in range(500)))
    provider = Scripted({job.request.prompt: [DOWN] for job in todo}, Limits(in_flight=4))
    done = go(provider, todo, tmp_path)
    assert isinstance(done.error, ProviderError)
    assert "the server keeps failing (last error: the server is down). 0 images are saved" in str(done.error)
    assert len(provider.asked) <= 20
    assert max(t for _, t in provider.asked) > 30, "it was given time to recover"
    assert len(done.run.records()) < 20, "the rest stays pending"


def test_a_server_that_recovers_is_asked_on(tmp_path: Path) -> None:
    todo = jobs(*(f"t{i}" for i in range(60)))
    provider = Scripted({job.request.prompt: [DOWN, ok()] for job in todo[:12]}, Limits(in_flight=4))
    done = go(provider, todo, tmp_path)
    assert done.error is None
    assert Counter(done.statuses.values()) == {"ok": 60}


def test_the_retry_budget_bounds_the_requests(tmp_path: Path) -> None:
    todo = jobs(*(f"t{i}" for i in range(100)))
    provider = Scripted({job.request.prompt: [busy()] for job in todo}, Limits(in_flight=8, attempts=50, retries=0.5))
    done = go(provider, todo, tmp_path)
    assert len(provider.asked) == 100 + 70
    assert set(done.statuses.values()) == {"rate_limited"}


def test_money_in_flight_counts_and_the_stop_keeps_what_is_there(tmp_path: Path) -> None:
    provider = Scripted(limits=Limits(in_flight=16))
    todo = jobs(*(f"t{i}" for i in range(50)))
    done = go(provider, todo, tmp_path, max_usd=0.20)
    assert isinstance(done.error, BudgetError)
    assert "budget.max=0.2" in str(done.error)
    assert len(provider.asked) == 5
    assert Counter(done.statuses.values()) == {"ok": 5}
    more = go(provider, todo[5:], tmp_path, max_usd=0.40)
    assert len(provider.asked) == 10, "earlier sessions count"
    assert len(more.run.records()) == 10


def test_dearer_than_estimated_stops_midway(tmp_path: Path) -> None:
    todo = jobs(*(f"t{i}" for i in range(50)))
    done = go(Scripted({j.request.prompt: [ok(0.10)] for j in todo}, Limits(in_flight=2)), todo, tmp_path, max_usd=1.0)
    assert isinstance(done.error, BudgetError)
    spent = done.ledger.spending()["usd"]
    assert 0.86 <= spent <= 1.0 + 0.06 * 2
    assert len(done.run.records()) == pytest.approx(spent / 0.10)


def test_a_full_disk_ends_the_run(tmp_path: Path) -> None:
    def full(_job: Job, _rendered: Rendered) -> None:
        raise StoreError("disk full")

    provider = Scripted(limits=Limits(in_flight=2))
    done = go(provider, jobs(*(f"t{i}" for i in range(50))), tmp_path, save=full)
    assert isinstance(done.error, StoreError)
    assert len(provider.asked) <= 4


def test_a_task_is_asked_for_again_and_not_paid_twice(tmp_path: Path) -> None:
    def submit(task: Any) -> ProviderError:
        task.submitted({"id": "abc", "polling_url": "https://x"})
        return ProviderError("polling failed", status="provider_error", transient=True, keep_task=True)

    provider = Scripted({"x": [submit, ok(0.03)]})
    done = go(provider, jobs("x"), tmp_path)
    assert provider.submissions == [None, {"id": "abc", "polling_url": "https://x"}]
    assert done.ledger.spending() == {"usd": pytest.approx(0.03), "presumed_usd": 0.0, "unknown": 0, "attempts": 1}


def test_a_task_the_server_lost_is_sent_anew(tmp_path: Path) -> None:
    def submit(task: Any) -> ProviderError:
        task.submitted({"id": "abc"})
        return ProviderError("task not found", status="provider_error", transient=True)

    provider = Scripted({"x": [submit, ok()]})
    done = go(provider, jobs("x"), tmp_path)
    assert provider.submissions == [None, None]
    assert done.ledger.spending()["attempts"] == 2


def test_a_killed_process_leaves_tasks_to_poll_and_attempts_that_count_as_paid(tmp_path: Path) -> None:
    run = Store(tmp_path).run("r", create=True)
    run.update_info(name="r")
    todo = jobs("task", "plain", "new")
    before = Ledger(run)
    with run.lock():
        sent(before, todo[0]).submitted({"id": "abc"})
        sent(before, todo[1])
    assert before.spending() == Ledger(run).spending() == {"usd": 0, "presumed_usd": 0.08, "unknown": 0, "attempts": 2}
    provider = Scripted(limits=Limits(in_flight=1))
    done = go(provider, todo, tmp_path)
    assert provider.submissions == [{"id": "abc"}, None, None]
    assert done.ledger.spending() == {"usd": pytest.approx(0.12), "presumed_usd": 0.04, "unknown": 0, "attempts": 4}


def left_answered(tmp_path: Path, todo: list[Job], image: bytes | None, usd: float = 0.05) -> Run:
    """A run whose process died with the first job answered and not stored."""
    run = Store(tmp_path).run("r", create=True)
    run.update_info(name="r")
    answer = Rendered("ok", image, Timing(latency_s=1.5), revised_prompt="as told", cost_usd=usd, detail={"usage": {"n": 1}})
    with run.lock():
        attempt = sent(Ledger(run), todo[0])
        attempt.seconds = 1.6
        attempt.answered(schema.rendered_to_json(answer), image)
    return run


def test_an_answer_that_a_killed_process_did_not_store_is_stored_and_not_asked_for_again(tmp_path: Path) -> None:
    todo = jobs("answered", "new")
    left_answered(tmp_path, todo, picture("answered"))
    provider = Scripted()
    done = go(provider, todo, tmp_path)
    assert [text for text, _ in provider.asked] == ["new"]
    record = next(r for r in done.run.records() if r.request.prompt == "answered")
    assert done.run.image_path(record).read_bytes() == picture("answered")
    assert (record.timing.latency_s, record.revised_prompt, record.cost_usd) == (1.5, "as told", 0.05)
    assert (record.detail["usage"], record.detail["tries"]) == ({"n": 1}, [{"status": "ok", "seconds": 1.6}])
    assert done.ledger.spending() == {"usd": pytest.approx(0.09), "presumed_usd": 0.0, "unknown": 0, "attempts": 2}
    assert not list((done.run.path / "answers").iterdir())


@pytest.mark.parametrize("damage", ["gone", "half", "no picture"])
def test_an_answer_that_is_not_whole_is_asked_for_again(damage: str, tmp_path: Path) -> None:
    todo = jobs("answered")
    run = left_answered(tmp_path, todo, b"<html>" if damage == "no picture" else picture())
    parked = run.path / "answers" / "1"
    if damage == "gone":
        parked.unlink()
    if damage == "half":
        parked.write_bytes(parked.read_bytes()[:20])
    provider = Scripted()
    done = go(provider, todo, tmp_path)
    assert len(provider.asked) == 1
    assert done.statuses == {"answered": "ok"}
    assert done.ledger.spending()["attempts"] == 2


def test_what_was_stored_but_not_accounted_for_is_settled_at_its_price(tmp_path: Path) -> None:
    todo = jobs("answered", "new")
    left_answered(tmp_path, todo, picture())
    done = go(Scripted(), todo[1:], tmp_path)
    assert done.ledger.spending() == {"usd": pytest.approx(0.09), "presumed_usd": 0.0, "unknown": 0, "attempts": 2}
    assert Ledger(done.run).spending() == done.ledger.spending()


def test_polling_a_task_needs_no_money(tmp_path: Path) -> None:
    run = Store(tmp_path).run("r", create=True)
    run.update_info(name="r")
    todo = jobs("task", "new")
    with run.lock():
        sent(Ledger(run), todo[0]).submitted({"id": "abc"})
    done = go(Scripted(), todo, tmp_path, max_usd=0.05)
    assert isinstance(done.error, BudgetError)
    assert done.statuses == {"task": "ok"}


def test_nothing_the_server_says_brings_the_key_into_the_record(tmp_path: Path) -> None:
    said = Rendered("ok", picture(), revised_prompt=f"draw {KEY}", detail={"usage": {KEY: [KEY, {"a": KEY}]}})
    done = go(Scripted({"x": [said], "y": [ProviderError(f"no {KEY}", code=KEY)]}), jobs("x", "y"), tmp_path)
    written = b"".join(f.read_bytes() for f in tmp_path.rglob("*") if f.is_file())
    assert KEY.encode() not in written
    assert b"draw ***" in written
    assert len(done.run.records()) == 2


def test_the_size_and_metadata_of_the_file_are_kept(tmp_path: Path) -> None:
    (record,) = go(Scripted(), jobs("x"), tmp_path).run.records()
    assert record.detail["size"] == [8, 8]
    assert record.cost_usd == 0.04


def test_a_torn_line_of_the_ledger_is_dropped(tmp_path: Path) -> None:
    run = Store(tmp_path).run("r", create=True)
    run.update_info(name="r")
    with run.lock():
        sent(Ledger(run), jobs("x")[0])
    with (run.path / "attempts.jsonl").open("ab") as file:
        file.write(b'{"sent": 2, "prom')
    assert Ledger(run).spending()["attempts"] == 1
    with run.lock():
        sent(Ledger(run), jobs("x")[0])
    assert Ledger(run).spending()["attempts"] == 2
