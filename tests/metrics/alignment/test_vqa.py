"""The judge: pure scoring of answers, and the real SDK against a real server on loopback."""

from __future__ import annotations

import base64
import io
import json
import math
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from bench.config import instantiate
from bench.config.presets import read
from bench.errors import BenchError, ConfigError, MissingKeyError
from bench.metrics import ImageMetric, Sample
from bench.metrics.alignment import vqa_score
from bench.metrics.alignment.vqa import data_url
from bench.types import ImageRecord, Request, ScoreRow

if TYPE_CHECKING:
    from pathlib import Path

KEY = "sk-secret-of-this-test"
LIST = "1. Is there a cat?\n2) Is it black?\n- Is there a sofa?\n"


class Handler(BaseHTTPRequestHandler):
    """Answers by a word of the question; counts what it was asked."""

    seen: list[dict[str, Any]]
    fail: list[tuple[int, dict[str, Any], str | None]]

    def do_POST(self) -> None:
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        type(self).seen.append({**told, "auth": self.headers["Authorization"], "path": self.path})
        if type(self).fail:
            code, error, later = type(self).fail.pop(0)
            self.answer(code, {"error": error}, later)
            return
        content = told["messages"][0]["content"]
        question = content if isinstance(content, str) else content[1]["text"]
        wrong = {"message": f"bad key {KEY}", "code": "invalid_api_key"}
        if "logprobs" in told and "nologprobs" in question:
            self.answer(400, {"error": {"message": "logprobs are not supported with this model", "code": "unsupported_parameter"}})
        elif "wrongkey" in question:
            self.answer(401, {"error": wrong})
        elif "filtered" in question:
            self.answer(400, {"error": {"message": "no", "code": "content_policy_violation"}})
        else:
            self.answer(200, completion(question, soft="plain" not in question and told.get("logprobs", False)))

    def answer(self, code: int, body: dict[str, Any], later: str | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if later is not None:
            self.send_header("Retry-After", later)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None: ...


def completion(question: str, *, soft: bool) -> dict[str, Any]:
    text, refusal, finish = "Yes.", None, "stop"
    top = [("Yes", 0.6), (" yes", 0.2), ("No", 0.1), ("NO", 0.1)]
    if question.startswith("Below is a description"):
        text, top = ("Is it a cat?" if "terse" in question else LIST), []
    elif "black" in question or "nothing" in question:
        text, top = "No", [("No", 0.75), ("Yes", 0.25)]
    elif "mumble" in question:
        text, top = "The picture is nice", [("The", 0.97), ("Yes", 0.01)]
    elif "refuse" in question:
        text, refusal = "", f"I cannot do that with {KEY}"
    elif "cutoff" in question:
        text, finish = "", "content_filter"
    tops = [{"token": t, "logprob": math.log(p), "bytes": None} for t, p in top]
    token = {"token": top[0][0] if top else "", "logprob": 0.0, "bytes": None, "top_logprobs": tops}
    return {
        "id": "x", "object": "chat.completion", "created": 1, "model": "judge-2026-11-01",
        "choices": [
            {
                "index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text, "refusal": refusal},
                "logprobs": {"content": [token]} if soft and top else None,
            }
        ] if "emptyanswer" not in question else [],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 2, "total_tokens": 1002},
    }  # fmt: skip


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    Handler.seen, Handler.fail = [], []
    monkeypatch.setenv("JUDGE_KEY", KEY)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}/v1"
        http.shutdown()
        thread.join()


def build(server: str | None, **changes: Any) -> Any:
    return instantiate.build({**read("metric", "vqa"), "model": "judge", "base_url": server, "api_key_env": "JUDGE_KEY", **changes})


def sample(prompt: str, size: tuple[int, int] = (16, 16)) -> Sample:
    record = ImageRecord("p", "c", "s", "h", Request("m", "r", prompt, None, 0, *size), "ok", "e", "now")
    return Sample(record, Image.new("RGB", size, "red"))


def ask(server: str, prompt: str, **changes: Any) -> ScoreRow:
    (row,) = build(server, **changes).score([sample(prompt)])
    assert isinstance(row, ScoreRow)
    assert KEY not in json.dumps(dict(row.detail)) + str(row.reason)
    return row


@pytest.mark.parametrize(
    ("top", "score"),
    [
        ([("Yes", 0.9), ("No", 0.1)], 0.9),
        ([("yes", 0.2), (" YES", 0.2), ("No", 0.1), ("maybe", 0.5)], 0.8),
        ([("No", 1.0)], 0.0),
        ([("▁Yes", 0.5), ("Ġno", 0.5)], 0.5),
        ([("Yes", 0.05), ("The", 0.9)], None),
        ([], None),
    ],
)
def test_the_soft_score_is_a_share_of_two_probabilities(top: list[tuple[str, float]], score: float | None) -> None:
    assert vqa_score.soft_score([(token, math.log(p)) for token, p in top]) == (None if score is None else pytest.approx(score))


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ("Yes", 1.0),
        (" **no**, it does not", 0.0),
        ('"YES."', 1.0),
        ("Yesterday", None),
        ("nothing", None),
        ("It does. yes", None),
        ("", None),
    ],
)
def test_a_plain_answer_must_begin_with_the_word(answer: str, score: float | None) -> None:
    assert vqa_score.plain_score(answer) == score


def test_questions_are_read_from_a_list_and_capped() -> None:
    assert vqa_score.parse_questions("Here they are:\n1. Is it red?\n - Is it red?\n* **Are there 3 cats?**\nQ4: Is it day?\nthanks") == (
        "Is it red?", "Are there 3 cats?", "Is it day?",
    )  # fmt: skip
    assert len(vqa_score.parse_questions("\n".join(f"{i}. Is it {i}?" for i in range(20)))) == 8


def test_cost_needs_both_prices() -> None:
    assert vqa_score.cost(2_000_000, 500_000, 0.4, 1.6) == pytest.approx(1.6)
    assert math.isnan(vqa_score.cost(1, 1, None, 1.6))
    assert vqa_score.cost(1, 1, 0.0, 0.0) == 0.0


def test_a_soft_score_with_everything_that_made_it(server: str) -> None:
    row = ask(server, "a red square", usd_per_million_in=0.5, usd_per_million_out=2.0)
    assert isinstance(build(server), ImageMetric)
    assert (row.status, row.unit, row.worst, row.higher_is_better) == ("ok", "P(yes)", 0.0, True)
    assert row.value == pytest.approx(0.8)
    assert row.detail["answers"] == [
        {"question": 'Does this figure show "a red square"? Please answer yes or no.', "answer": "Yes.", "score": 0.8, "soft": True}
    ]
    assert (row.detail["judge"], row.detail["judge_version"]) == ("judge", "judge-2026-11-01")
    assert row.detail["usage"] == {"requests": 1, "prompt_tokens": 1000, "completion_tokens": 2}
    assert row.detail["cost_usd"] == pytest.approx(0.000504)
    (told,) = Handler.seen
    assert (told["path"], told["auth"]) == ("/v1/chat/completions", f"Bearer {KEY}")
    assert {k: told[k] for k in ("model", "temperature", "max_tokens", "logprobs", "top_logprobs")} == {
        "model": "judge", "temperature": 0, "max_tokens": 16, "logprobs": True, "top_logprobs": 20,
    }  # fmt: skip
    kind, data = told["messages"][0]["content"][0]["image_url"]["url"].split(",")
    assert kind == "data:image/png;base64"
    assert Image.open(io.BytesIO(base64.b64decode(data))).getpixel((3, 3)) == (255, 0, 0)


def test_without_probabilities_the_answer_is_the_score(server: str) -> None:
    for prompt, value in (("a plain square", 1.0), ("a plain nothing", 0.0)):
        row = ask(server, prompt)
        assert (row.value, row.detail["answers"][0]["soft"]) == (value, False)
    row = ask(server, "a plain square", top_logprobs=0)
    assert row.detail["cost_usd"] is None
    assert "logprobs" not in Handler.seen[-1]


def test_a_server_that_refuses_probabilities_is_asked_without_them_from_then_on(server: str) -> None:
    metric = build(server)
    rows = metric.score([sample("nologprobs one"), sample("nologprobs two")])
    assert [r.value for r in rows] == [1.0, 1.0]
    assert ["logprobs" in told for told in Handler.seen] == [True, False, False]


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        ("refuse this", "the judge declined: I cannot do that with ***"),
        ("a cutoff answer", "the judge declined: its answer was filtered"),
        ("a filtered request", "the judge declined: Error code: 400"),
        ("a mumble", "neither yes nor no: 'The picture is nice'"),
        ("emptyanswer", "the judge sent an empty answer"),
    ],
)
def test_a_judge_that_does_not_judge_leaves_the_picture_unscored(server: str, prompt: str, reason: str) -> None:
    row = ask(server, prompt)
    assert row.status == "unscored"
    assert math.isnan(row.value)
    assert reason in str(row.reason)
    assert len(Handler.seen) == 1


def test_a_busy_server_is_asked_again_when_it_says(server: str) -> None:
    busy = {"message": "slow down", "code": "rate_limit_exceeded"}
    Handler.fail = [(429, busy, "7"), (503, {"message": "down"}, None), (429, busy, "9000")]
    waited: list[float] = []
    row = ask(server, "a red square", sleep=waited.append)
    assert row.value == pytest.approx(0.8)
    assert waited == [7.0, 2.0, 120.0]
    assert row.detail["usage"]["requests"] == len(Handler.seen) == 4


def test_a_server_that_stays_busy_leaves_the_picture_unscored(server: str) -> None:
    Handler.fail = [(429, {"message": "slow down"}, None)] * 3
    waited: list[float] = []
    row = ask(server, "a red square", sleep=waited.append, attempts=3)
    assert (row.status, waited) == ("unscored", [1.0, 2.0])
    assert "no answer in 3 attempts" in str(row.reason)


def test_a_bad_request_is_not_repeated(server: str) -> None:
    Handler.fail = [(400, {"message": "unknown parameter"}, None)]
    assert "does not take the request" in str(ask(server, "a red square").reason)
    assert len(Handler.seen) == 1


@pytest.mark.parametrize(
    ("code", "error", "message"),
    [
        (401, {"message": f"bad key {KEY}", "code": "invalid_api_key"}, "refuses the key in JUDGE_KEY"),
        (404, {"message": "no such model"}, "has no model 'judge'"),
        (429, {"message": "pay", "code": "insufficient_quota"}, "no quota left"),
    ],
)
def test_what_no_picture_survives_stops_the_metric(server: str, code: int, error: dict[str, Any], message: str) -> None:
    Handler.fail = [(code, error, None)]
    with pytest.raises(BenchError, match=message) as caught:
        ask(server, "a red square")
    assert KEY not in str(caught.value)
    assert len(Handler.seen) == 1


def test_answers_paid_for_before_the_server_gave_out_are_kept(server: str) -> None:
    rows = build(server).score([sample("a red square"), sample("wrongkey"), sample("a red square")])
    assert [r.status for r in rows] == ["ok", "unscored", "unscored"]
    assert all("refuses the key" in str(r.reason) for r in rows[1:])
    assert len(Handler.seen) == 2


def test_an_unreachable_server_is_named_with_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_KEY", KEY)
    waited: list[float] = []
    with pytest.raises(BenchError, match=r"cannot reach http://127\.0\.0\.1:9/v1 in 2 attempts"):
        ask("http://127.0.0.1:9/v1", "x", sleep=waited.append, attempts=2)
    assert waited == [1.0]


def test_a_missing_key_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUDGE_KEY", raising=False)
    with pytest.raises(MissingKeyError, match="export JUDGE_KEY"):
        build(None).score([sample("x")])


def test_derived_questions_are_drawn_once_and_kept(server: str, tmp_path: Path) -> None:
    file = tmp_path / "deep" / "questions.jsonl"
    derived = {"questions": "derived", "questions_model": "asker", "questions_file": str(file)}
    rows = build(server, **derived).score([sample("a black cat on a sofa"), sample("a black cat on a sofa")])
    asked = [told for told in Handler.seen if told["model"] == "asker"]
    assert len(asked) == 1
    assert "a black cat on a sofa" in asked[0]["messages"][0]["content"]
    assert [a["question"] for a in rows[0].detail["answers"]] == [
        "Is there a cat? Please answer yes or no.", "Is it black? Please answer yes or no.", "Is there a sofa? Please answer yes or no.",
    ]  # fmt: skip
    assert rows[0].value == rows[1].value == pytest.approx((0.8 + 0.25 + 0.8) / 3)
    assert (rows[0].detail["usage"]["requests"], rows[1].detail["usage"]["requests"]) == (4, 3)
    assert json.loads(file.read_text())["questions"] == ["Is there a cat?", "Is it black?", "Is there a sofa?"]
    again = ask(server, "a black cat on a sofa", **derived)
    assert again.detail["usage"]["requests"] == 3
    assert len([told for told in Handler.seen if told["model"] == "asker"]) == 1


def test_too_few_questions_leave_the_picture_unscored(server: str, tmp_path: Path) -> None:
    row = ask(server, "terse", questions="derived", questions_file=str(tmp_path / "q.jsonl"))
    assert row.reason == "judge derived 1 questions from the prompt; 3 are needed"
    assert not (tmp_path / "q.jsonl").exists()


def test_one_question_without_an_answer_leaves_the_picture_unscored_with_the_others_kept(server: str, tmp_path: Path) -> None:
    file = tmp_path / "q.jsonl"
    metric = build(server, questions="derived", questions_file=str(file))
    metric.score([sample("a black cat")])
    held = json.loads(file.read_text())
    file.write_text(json.dumps({**held, "questions": ["Is there a cat?", "Is there a mumble?", "Is it black?"]}))
    row = ask(server, "a black cat", questions="derived", questions_file=str(file))
    assert row.status == "unscored"
    assert [a["score"] for a in row.detail["answers"]] == [0.8]


def test_a_damaged_question_file_is_named(server: str, tmp_path: Path) -> None:
    file = tmp_path / "q.jsonl"
    file.write_text("{nope")
    with pytest.raises(ConfigError, match=r"q\.jsonl is damaged"):
        ask(server, "x", questions="derived", questions_file=str(file))


def test_extra_arguments_replace_ours_and_null_leaves_one_out(server: str) -> None:
    ask(server, "a red square", extra={"max_tokens": None, "max_completion_tokens": 99, "temperature": None})
    (told,) = Handler.seen
    assert told["max_completion_tokens"] == 99
    assert not {"max_tokens", "temperature"} & set(told)


def test_a_large_picture_is_scaled_down_and_a_small_one_left() -> None:
    for size, sent in (((2048, 1024), (1024, 512)), ((300, 200), (300, 200)), ((3000, 1), (1024, 1))):
        data = data_url(Image.new("RGB", size), 1024).split(",")[1]
        assert Image.open(io.BytesIO(base64.b64decode(data))).size == sent
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8))
    same = Image.open(io.BytesIO(base64.b64decode(data_url(noise, 1024).split(",")[1])))
    assert np.array_equal(np.asarray(same), np.asarray(noise))


def test_the_fingerprint_follows_what_changes_the_score_and_nothing_else() -> None:
    plain = build(None).fingerprint()
    for change in ({"model": "other"}, {"base_url": "http://x/v1"}, {"questions": "derived"}, {"long_side": 512}, {"top_logprobs": 5}):
        assert build(None, **change).fingerprint() != plain
    assert build(None, usd_per_million_in=1.0, timeout_s=5, attempts=1).fingerprint() == plain


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"questions": "derive"}, "must be one of: prompt, derived"),
        ({"long_side": 3}, "metric.vqa.long_side=3"),
        ({"attempts": 0}, "at least 1"),
        ({"timeout_s": 0}, "above 0"),
    ],
)
def test_wrong_values_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build(None, **change)
