"""The OpenAI provider: the real SDK against a real server on loopback that answers in each server's own shape."""

from __future__ import annotations

import base64
import datetime as dt
import gzip
import itertools
import json
import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from support.scripted import Reply, Server, attempt, attempts, coded, png, serving

from bench.cli.availability import missing_for_model
from bench.config import presets
from bench.errors import BenchError, ConfigError, MissingKeyError, ProviderError
from bench.images.decoding import MAX_BYTES
from bench.providers.hosted.shared import retired
from bench.providers.hosted.shared.openai_images import OpenAIClient
from bench.types import Prompt, Rendered

KEY = "sk-proj-secret0of1this2test"
USAGE = {
    "input_tokens": 3,
    "input_tokens_details": {"text_tokens": 3, "image_tokens": 0},
    "output_tokens": 196,
    "output_tokens_details": {"image_tokens": 196, "text_tokens": 0},
    "total_tokens": 199,
}
PICTURE = {
    "created": 1, "background": "opaque", "output_format": "png", "quality": "low", "size": "1024x1024",
    "data": [{"b64_json": coded(png())}], "usage": USAGE,
}  # fmt: skip


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serving(Reply(PICTURE)) as http:
        yield http


def at(server: Server, name: str = "gpt-image", **changes: Any) -> Any:
    return presets.provider(name, base_url=server.url, **changes)


def limits(**changes: Any) -> dict[str, Any]:
    return {"_target_": "bench.providers.hosted.base.Limits", **changes}


def told(server: Server) -> dict[str, Any]:
    """The one request that was made."""
    (post,) = server.posts
    return post


def outcomes(server: Server, replies: Sequence[Reply], **changes: Any) -> list[Rendered | BaseException]:
    """What one attempt at each of these answers gave, and that each was asked for once."""
    texts = [f"prompt {i}" for i in range(len(replies))]
    server.posts.clear()
    server.replies.update(zip(texts, replies, strict=True))
    found = attempts(at(server, **changes), *(Prompt(text, text) for text in texts))
    assert sorted(post["prompt"] for post in server.posts) == sorted(texts)
    assert KEY not in repr(found)
    return found


def failures(server: Server, *replies: Reply, **changes: Any) -> list[ProviderError]:
    """What these answers raise."""
    found = [outcome for outcome in outcomes(server, replies, **changes) if isinstance(outcome, ProviderError)]
    assert len(found) == len(replies)
    return found


def failure(server: Server, reply: Reply, **changes: Any) -> ProviderError:
    (error,) = failures(server, reply, **changes)
    return error


def refusals(server: Server, *replies: Reply) -> list[Rendered]:
    """The refusals that these answers are."""
    found = [outcome for outcome in outcomes(server, replies) if isinstance(outcome, Rendered)]
    assert len(found) == len(replies)
    for rendered in found:
        assert (rendered.status, rendered.image) == ("refused", None)
        assert rendered.timing.latency_s > 0
        assert math.isnan(rendered.cost_usd)
    return found


def refusal(server: Server, reply: Reply) -> Rendered:
    (rendered,) = refusals(server, reply)
    return rendered


# -- pictures ------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_picture_with_its_usage_and_times(server: Server) -> None:
    rendered = attempt(at(server, quality="low", extra={"background": "opaque"}), "a red square")
    assert (rendered.status, rendered.image, rendered.revised_prompt) == ("ok", png(), None)
    assert rendered.detail == {"usage": USAGE}
    assert math.isnan(rendered.cost_usd)
    timing = rendered.timing
    assert timing.latency_s == pytest.approx(timing.generate_s + timing.download_s)
    assert min(timing.generate_s, timing.download_s) > 0
    assert math.isnan(timing.queue_s)
    post = told(server)
    assert post["headers"]["authorization"] == f"Bearer {KEY}"
    assert post["path"] == "/v1/images/generations"
    assert {k: v for k, v in post.items() if k not in {"headers", "path"}} == {
        "model": "gpt-image-2.6-sunburst", "prompt": "a red square", "n": 1, "size": "1024x1024", "quality": "low", "background": "opaque",
    }  # fmt: skip


def test_waiting_is_told_from_downloading(server: Server) -> None:
    server.replies["/late.png"] = Reply(png())
    server.replies["x"] = Reply({"created": 1, "data": [{"url": f"{server.root}/late.png"}]})
    rendered = attempt(at(server), "x")
    assert rendered.timing.download_s > 0
    assert rendered.timing.latency_s == pytest.approx(rendered.timing.generate_s + rendered.timing.download_s)


def test_a_picture_behind_a_signed_link(server: Server) -> None:
    server.replies["/p.png"] = Reply(png("lime"))
    server.replies["x"] = Reply({"created": 1, "data": [{"url": f"{server.root}/p.png?sig=signed"}]})
    assert attempt(at(server), "x").image == png("lime")
    assert server.gets == ["/p.png?sig=signed"]


def test_links_elsewhere_are_not_followed(server: Server) -> None:
    links = ["http://10.0.0.1/p.png?sig=signed", "http://169.254.169.254/latest?sig=signed", "file:///etc/passwd?signed", "signed", 7]
    for error in failures(server, *(Reply({"created": 1, "data": [{"url": link}]}) for link in links)):
        assert error.status == "provider_error"
        assert "signed" not in str(error)
        assert math.isnan(error.usd)


def test_a_link_that_ran_out(server: Server) -> None:
    server.replies["/p.png"] = Reply({}, 403)
    error = failure(server, Reply({"created": 1, "data": [{"url": f"{server.root}/p.png?sig=signed"}]}))
    assert (error.status, error.transient) == ("expired_url", True)
    assert "signed" not in str(error)


def test_what_the_server_used_instead_is_kept(server: Server) -> None:
    rendered = attempt(at(server, size="auto", quality="high"), "x")
    assert rendered.detail["served"] == {"size": "1024x1024", "quality": "low", "background": "opaque"}
    assert told(server)["size"] == "auto"


def test_a_rewritten_prompt_is_kept_and_an_echo_is_none(server: Server) -> None:
    item = {"b64_json": coded(png())}
    server.replies["a cat"] = Reply({"created": 1, "data": [{**item, "revised_prompt": f"a fluffy cat, {KEY}, " * 1000}]})
    server.replies["a dog"] = Reply({"created": 1, "data": [{**item, "revised_prompt": "a dog"}]})
    server.replies["a fox"] = Reply({"created": 1, "data": [{**item, "revised_prompt": ""}]})
    first, second, third = attempts(at(server, "dalle3"), *(Prompt("p", text) for text in ("a cat", "a dog", "a fox")))
    assert isinstance(first, Rendered)
    assert isinstance(second, Rendered)
    assert isinstance(third, Rendered)
    assert str(first.revised_prompt).startswith("a fluffy cat, ***, a fluffy cat")
    assert len(str(first.revised_prompt)) == 4000
    assert second.revised_prompt is None is third.revised_prompt
    assert {post["response_format"] for post in server.posts} == {"b64_json"}
    assert {post["quality"] for post in server.posts} == {"standard"}


def test_usage_is_numbers_and_nothing_else(server: Server) -> None:
    usage = {
        "total_tokens": 5,
        "note": KEY,
        "deep": {"deeper": {"deepest": 1}, "n": 2},
        "wrong": float("nan"),
        "huge": 10**400,
        "yes": True,
    }
    server.replies["x"] = Reply(json.dumps({**PICTURE, "usage": usage}).encode())
    assert attempt(at(server, quality="low", extra={"background": "opaque"}), "x").detail == {
        "usage": {"total_tokens": 5, "deep": {"n": 2}}
    }


def test_odd_usage_is_none(server: Server) -> None:
    data = [{"b64_json": coded(png())}]
    odd = [None, [], "text", 7, {"total_tokens": None}]
    for rendered in outcomes(server, [Reply({"created": 1, "data": data, "usage": usage}) for usage in odd]):
        assert isinstance(rendered, Rendered)
        assert (rendered.status, rendered.detail) == ("ok", {})


def test_a_picture_as_text_in_whatever_form(server: Server) -> None:
    lines = base64.encodebytes(png()).decode()
    url_safe = base64.urlsafe_b64encode(png()).decode()
    address = f"data:image/png;base64,{coded(png())}"
    texts = [lines, lines.replace("\n", "\r\n"), url_safe, coded(png()).rstrip("="), address, address.replace("+", "%2B")]
    items = [*({"b64_json": text} for text in texts), {"url": address}, {"url": f"data:image/png;base64,{url_safe}"}]
    for rendered in outcomes(server, [Reply({"data": [item]}) for item in items]):
        assert isinstance(rendered, Rendered)
        assert rendered.image == png()
    for error in failures(server, *(Reply({"data": [item]}) for item in ({"b64_json": "no base64!"}, {"url": "data:;base64,=x"}))):
        assert (error.status, error.transient) == ("invalid_image", True)


def test_many_at_once_get_their_own_pictures(server: Server) -> None:
    colours = ["red", "lime", "blue", "gold", "navy", "teal"] * 3
    for colour in colours:
        server.replies[colour] = Reply({"data": [{"b64_json": coded(png(colour))}], "usage": USAGE})
    server.replies["blocked"] = Reply({"error": {"message": "no", "code": "moderation_blocked"}}, 400)
    server.replies["busy"] = Reply({"error": {"message": "slow down"}}, 429)
    found = attempts(at(server), *(Prompt(text, text) for text in [*colours, "blocked", "busy"]))
    assert [f.image for f in found[:-2] if isinstance(f, Rendered)] == [png(colour) for colour in colours]
    assert isinstance(found[-2], Rendered)
    assert found[-2].status == "refused"
    assert isinstance(found[-1], ProviderError)
    assert sorted(post["prompt"] for post in server.posts) == sorted([*colours, "blocked", "busy"])


# -- refusals ------------------------------------------------------------------------------------------------------------


def test_openai_declines_the_prompt(server: Server) -> None:
    message = (
        "Your request was rejected by the safety system. If you believe this is an error, contact us at help.openai.com and include "
        "the request ID b68e1d8f-31a3-4a04-aa41-bf442d857ccd. safety_violations=[sexual, violence]."
    )
    error = {"message": message, "type": "image_generation_user_error", "param": None, "code": "moderation_blocked"}
    rendered = refusal(server, Reply({"error": error}, 400))
    assert rendered.detail == {"refusal": "refused", "code": "moderation_blocked", "categories": ["sexual", "violence"]}
    assert rendered.error == message


def test_openai_withholds_a_picture(server: Server) -> None:
    error = {
        "message": "Your request was rejected by the safety system. safety_violations=[sexual].",
        "type": "image_generation_user_error", "param": None, "code": "moderation_blocked",
        "moderation_details": {"moderation_stage": "output", "categories": ["sexual", "self-harm"]},
    }  # fmt: skip
    rendered = refusal(server, Reply({"error": error}, 400))
    assert rendered.detail == {"refusal": "filtered", "code": "moderation_blocked", "categories": ["sexual", "self-harm"]}


def test_azure_declines_with_its_filters(server: Server) -> None:
    error = {
        "code": "content_policy_violation",
        "message": "Your request was rejected as a result of our safety system.",
        "type": "invalid_request_error",
        "inner_error": {
            "code": "ResponsibleAIPolicyViolation",
            "content_filter_results": {
                "hate": {"filtered": False, "severity": "safe"}, "sexual": {"filtered": True, "severity": "high"},
                "violence": {"filtered": True, "severity": "medium"}, "jailbreak": {"detected": True, "filtered": False},
            },
        },
    }  # fmt: skip
    rendered = refusal(server, Reply({"error": error}, 400))
    assert rendered.detail == {"refusal": "refused", "code": "content_policy_violation", "categories": ["sexual", "violence"]}


def test_azure_has_several_ways_to_say_it(server: Server) -> None:
    cases = [
        ("content_filter", "The response was filtered", ("innererror", "content_filter_result"), "refused"),
        ("contentFilter", "Your task failed as a result of our safety system.", ("inner_error", "content_filter_results"), "refused"),
        ("contentFilter", "Generated image was filtered as a result.", ("inner_error", "content_filter_results"), "filtered"),
        ("BadRequest", "blocked", ("innererror", "content_filter_result"), "refused"),
    ]
    replies = []
    for code, message, (inner, results), _ in cases:
        filters = {"code": "ResponsibleAIPolicyViolation", results: {"hate": {"filtered": True}}}
        replies.append(Reply({"error": {"code": code, "message": message, inner: filters}}, 400))
    for (code, *_, kind), rendered in zip(cases, refusals(server, *replies), strict=True):
        assert rendered.detail == {"refusal": kind, "code": code, "categories": ["hate"]}


def test_an_answer_that_is_not_understood_is_no_refusal_and_names_its_fields(server: Server) -> None:
    replies = {
        "created, data[].status, data[].task_id": Reply({"created": 1, "data": [{"status": "submitted", "task_id": KEY}]}),
        "task_id, status": Reply({"task_id": "task-1", "status": "submitted"}),
        "(202)": Reply({"id": "job-1", "status": "queued"}, 202),
        "images[]": Reply({"images": [coded(png())]}),
        "images[].url": Reply({"images": [{"url": f"{server.root}/p.png"}]}),
        "finish_reason, data": Reply({"finish_reason": "stop", "data": []}),
        "it is empty": Reply({}),
    }
    for told, error in zip(replies, failures(server, *replies.values()), strict=True):
        assert (error.status, error.transient) == ("provider_error", False)
        assert told in str(error)
    data: list[Any] = [[], None, [{}], [None], [{"b64_json": ""}], {}, "text"]
    for error in failures(server, *(Reply({"created": 1, "data": items}) for items in data)):
        assert "no sign of a refusal" in str(error)


def test_a_reason_is_a_sign_of_a_refusal(server: Server) -> None:
    bodies = [{"data": [{"finish_reason": "content_filter"}]}, {"data": [], "raiFilteredReason": "people"}, {"block_reason": "violence"}]
    codes = [rendered.detail["code"] for rendered in refusals(server, *map(Reply, bodies))]
    assert codes == ["content_filter", "people", "violence"]


def test_odd_details_do_not_break_a_refusal(server: Server) -> None:
    odd: list[Any] = [{"categories": "sexual"}, {"categories": [1, None, {"a": 1}] * 50}, [], "text", {"moderation_stage": []}]
    replies = []
    for value in odd:
        inner = {"moderation_details": value, "inner_error": value, "innererror": {"content_filter_results": value}}
        replies.append(Reply({"error": {"message": ["no"], "code": "moderation_blocked", **inner}}, 400))
    for rendered in refusals(server, *replies):
        assert rendered.detail["refusal"] == "refused"
        assert len(json.dumps(rendered.detail)) < 2000


# -- failures ------------------------------------------------------------------------------------------------------------


def test_too_many_requests(server: Server) -> None:
    error = failure(server, Reply({"error": {"message": "Rate limit reached", "code": "rate_limit_exceeded"}}, 429, {"Retry-After": "7"}))
    assert (error.status, error.transient, error.retry_after, error.usd) == ("rate_limited", True, 7.0, 0.0)
    assert error.code == "rate_limit_exceeded"


def test_a_server_that_is_unwell(server: Server) -> None:
    statuses = [408, 409, 500, 502, 503, 529]
    for status, error in zip(statuses, failures(server, *(Reply(b"<html>Bad gateway</html>", s) for s in statuses)), strict=True):
        assert (error.status, error.transient, error.usd) == ("provider_error", True, 0.0)
        assert str(status) in str(error)


def test_a_request_that_no_repetition_mends(server: Server) -> None:
    told = {"message": "Unknown parameter: 'foo'.", "param": "foo", "code": "unknown_parameter"}
    for error in failures(server, *(Reply({"error": told}, status) for status in (400, 405, 413, 422))):
        assert (error.status, error.transient, error.usd) == ("provider_error", False, 0.0)
        assert (error.code, "Unknown parameter" in str(error)) == ("unknown_parameter", True)


def test_fastapi_and_plain_text_are_heard(server: Server) -> None:
    detail = Reply({"detail": [{"loc": ["body", "size"], "msg": "field required"}]}, 422)
    first, second = failures(server, detail, Reply(b"upstream went away", 503))
    assert "field required" in str(first)
    assert "upstream went away" in str(second)


def test_what_no_other_prompt_would_change_ends_the_run(server: Server) -> None:
    masked = f"Incorrect API key provided: {KEY[:8]}****{KEY[-4:]}. You can find it at https://x.example/keys"
    cases: list[tuple[int, dict[str, Any], str]] = [
        (401, {"message": masked, "code": "invalid_api_key"}, "key in OPENAI_API_KEY"),
        (403, {"message": "Your organization must be verified to use the model", "code": None}, "organization must be verified"),
        (402, {"message": "Payment required"}, "key in OPENAI_API_KEY"),
        (429, {"message": "You exceeded your current quota", "code": "insufficient_quota"}, "no credits are left"),
        (400, {"message": "Billing hard limit has been reached", "code": "billing_hard_limit_reached"}, "no credits are left"),
        (404, {"message": "The model does not exist", "code": "model_not_found"}, "'gpt-image-2.6-sunburst'"),
        (400, {"message": "Invalid value: 'gpt-image-9'", "param": "model", "code": "invalid_value"}, "'gpt-image-2.6-sunburst'"),
        (307, {}, "model.base_url"),
    ]
    elsewhere = {"Location": f"{server.root}/elsewhere?sig=signed"}
    found = outcomes(server, [Reply({"error": error}, status, elsewhere) for status, error, _ in cases])
    for (_, _, words), error in zip(cases, found, strict=True):
        assert isinstance(error, BenchError)
        assert not isinstance(error, ProviderError)
        assert error.exit_code == 2
        assert words in str(error)
        assert KEY[-4:] not in str(error)
        assert "signed" not in str(error)


def test_bytes_that_are_no_base64(server: Server) -> None:
    for error in failures(server, *(Reply({"data": [{"b64_json": odd}]}) for odd in ("=broken=", "é", 7, ["a"]))):
        assert (error.status, error.transient) == ("invalid_image", True)
        assert math.isnan(error.usd)


def test_an_answer_that_is_no_object(server: Server) -> None:
    bodies = [b"<html>welcome</html>", b"[]", b"", b'{"data": [', b"[" * 100_000, b"1" * 5000]
    for error in failures(server, *map(Reply, bodies)):
        assert (error.status, error.transient) == ("provider_error", True)
        assert math.isnan(error.usd)


def test_an_error_dressed_as_success_is_no_refusal(server: Server) -> None:
    error = failure(server, Reply({"error": {"message": "upstream is overloaded", "code": 502}}))
    assert (error.status, error.transient) == ("provider_error", True)
    assert "overloaded" in str(error)


def test_a_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(ProviderError) as caught:
        attempt(presets.provider("gpt-image", base_url="http://127.0.0.1:9/v1"), "x")
    assert (caught.value.status, caught.value.transient, caught.value.usd) == ("provider_error", True, 0.0)


def test_an_answer_that_breaks_off_may_have_been_paid(server: Server) -> None:
    for error in failures(server, *(Reply(PICTURE, sent=sent) for sent in (0, 1, 100))):
        assert (error.status, error.transient) == ("provider_error", True)
        assert math.isnan(error.usd)


def test_an_error_whose_body_breaks_off_keeps_its_status(server: Server) -> None:
    error = failure(server, Reply({"error": {"message": "slow down"}}, 429, {"Retry-After": "3"}, sent=5))
    assert (error.status, error.retry_after) == ("rate_limited", 3.0)


def test_a_server_that_never_answers(server: Server) -> None:
    error = failure(server, Reply(PICTURE, hang=True), limits=limits(timeout_s=0.2))
    assert (error.status, error.transient) == ("timeout", True)
    assert math.isnan(error.usd)


def test_an_answer_beyond_the_limit_is_not_read_to_its_end(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = OpenAIClient(at(server), time.perf_counter())
    assert whole._max_bytes == MAX_BYTES * 4 // 3 + 2**20
    monkeypatch.setattr("bench.images.decoding.MAX_BYTES", 2**16)
    packed = gzip.compress(b'{"data": [{"b64_json": "' + b"A" * 2**22 + b'"}]}')
    for error in failures(server, Reply(PICTURE | {"pad": "A" * 2**22}), Reply(packed, headers={"Content-Encoding": "gzip"})):
        assert error.status == "invalid_image"
        assert "larger than 1 MiB" in str(error)


@pytest.mark.parametrize(("status", "kind"), [(200, "invalid_image"), (500, "provider_error")])
def test_an_endless_answer_is_hung_up_on(server: Server, monkeypatch: pytest.MonkeyPatch, status: int, kind: str) -> None:
    monkeypatch.setattr("bench.images.decoding.MAX_BYTES", 2**16)
    assert failure(server, Reply({}, status, endless=True)).status == kind
    assert server.endless < 2**25


def test_a_packed_error_is_cut(server: Server) -> None:
    packed = gzip.compress(b"A" * 2**24)
    assert failure(server, Reply(packed, 500, {"Content-Encoding": "gzip"})).status == "provider_error"


# -- secrets -------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_key_that_the_server_repeats_goes_nowhere(server: Server) -> None:
    echoes = [f"Authorization: Bearer {KEY}", f"key={KEY[:12]}...", f"you sent '{KEY}'", f"https://x.example/p?key={KEY}&sig=signed"]
    for status, echo in itertools.product([200, 307, 400, 401, 402, 403, 404, 409, 429, 500], echoes):
        for body in (
            {"error": dict.fromkeys(("message", "code", "type", "param"), echo)},
            {"error": echo, "code": echo},
            {"detail": echo, "block_reason": echo},
            {"error": {"message": echo, "code": "moderation_blocked", "moderation_details": {"categories": [echo]}}},
            {**PICTURE, "quality": echo, "usage": {echo: 1}, "data": [{"b64_json": coded(png()), "revised_prompt": f"a {KEY} sig"}]},
            echo,
        ):
            prompt = f"{len(server.replies)}"
            server.replies[prompt] = Reply(body if isinstance(body, dict) else body.encode(), status, {"X-Echo": KEY, "Location": echo})
    for outcome in attempts(at(server), *(Prompt(text, text) for text in server.replies)):
        shown = repr(outcome) + str(getattr(outcome, "code", ""))
        assert KEY[:12] not in shown
        assert "signed" not in shown


@pytest.mark.parametrize("key", ["sk a", "sk-ü", "sk-a\nb", "sk-a\tb"])
def test_a_key_that_cannot_be_one_is_not_sent(server: Server, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(ConfigError, match="OPENAI_API_KEY holds") as caught:
        attempt(at(server), "x")
    assert key not in str(caught.value)
    assert not server.posts


def test_a_missing_key_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(MissingKeyError, match="export OPENAI_API_KEY"):
        presets.provider("gpt-image").check()


def test_the_environment_cannot_send_requests_elsewhere(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    assert attempt(at(server), "x").status == "ok"


# -- sizes ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "changes", "aspect", "size", "noted"),
    [
        ("gpt-image", {}, "1:1", (1024, 1024), None),
        ("gpt-image", {}, "16:9", (1360, 768), None),
        ("gpt-image", {}, "9:16", (768, 1360), None),
        ("gpt-image-2", {}, "3:1", (1776, 592), None),
        ("gpt-image-2", {"size": "2048x2048"}, "1:3", (1184, 3552), None),
        ("gpt-image-2", {"size": "1536x1024"}, "1:1", (1536, 1024), "1:1"),
        ("gpt-image", {"size": 1024}, "1:1", (1024, 1024), None),
        ("gpt-image", {"size": "auto"}, "1:1", (0, 0), None),
        ("gpt-image", {"size": "auto"}, "16:9", (0, 0), "16:9"),
        ("gpt-image", {"sizes": ["1024x1024", "1536x1024", "1024x1536"]}, "16:9", (1536, 1024), "16:9"),
        ("gpt-image", {"sizes": ["1024x1024", "1536x1024", "1024x1536"]}, "3:2", (1536, 1024), None),
        ("gpt-image", {"sizes": ["256x256", "1024x1024", "512x512"], "size": "512x512"}, "4:5", (512, 512), "4:5"),
        ("dalle3", {}, "1:1", (1024, 1024), None),
        ("dalle3", {}, "16:9", (1792, 1024), "16:9"),
        ("dalle3", {}, "2:3", (1024, 1792), "2:3"),
    ],
)
def test_aspects_become_sizes(name: str, changes: dict[str, Any], aspect: str, size: tuple[int, int], noted: str | None) -> None:
    request = presets.provider(name, **changes).request(Prompt("p", "x", aspect=aspect), 3)
    assert (request.width, request.height) == size
    assert request.settings.get("aspect") == noted
    assert (request.seed, request.revision) == (None, "")


def test_every_mapped_size_is_one_that_the_rule_allows() -> None:
    provider = presets.provider("gpt-image-2")
    for wide in range(1, 31):
        for high in range(1, 31):
            if not 1 / 3 <= wide / high <= 3:
                continue
            request = provider.request(Prompt("p", "x", aspect=f"{wide}:{high}"), None)
            long, short = max(request.width, request.height), min(request.width, request.height)
            assert long % 16 == 0 == short % 16
            assert long <= 3 * short
            assert long <= 3840
            assert 655_360 <= long * short <= 8_294_400
            assert long / short == pytest.approx(max(wide, high) / min(wide, high), rel=0.02)


@pytest.mark.parametrize(
    ("name", "changes", "aspect", "words"),
    [
        ("gpt-image", {}, "4:1", "aspect 4:1"),
        ("gpt-image", {}, "1:16", "aspect 1:16"),
        ("dalle3", {}, "3:1", "aspect 3:1"),
        ("gpt-image", {"sizes": ["1024x1024"]}, "16:9", "aspect 16:9"),
    ],
)
def test_an_impossible_aspect_is_refused_before_anything_is_sent(name: str, changes: dict[str, Any], aspect: str, words: str) -> None:
    provider = presets.provider(name, **changes)
    with pytest.raises(ConfigError, match=words):
        provider.request(Prompt("p", "x", aspect=aspect), 0)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"size": "512x512"}, "655,360"),
        ({"size": "1000x1000"}, "multiples of 16"),
        ({"size": "4096x2048"}, "3840"),
        ({"size": "3840x1024"}, "3 times"),
        ({"size": "3840x2176"}, "8,294,400"),
        ({"size": "big"}, "WIDTHxHEIGHT or auto"),
        ({"sizes": ["1024x1024"], "size": "512x512"}, "not offered by gpt-image-2.6-sunburst; say one of 1024x1024 or auto"),
        ({"sizes": "1024x1024"}, "must be a list"),
        ({"sizes": ["auto"]}, "model.sizes"),
        ({"sizes": None, "any_size": None}, "model.sizes"),
        ({"response_format": "png"}, "response_format"),
        ({"extra": {"n": 4}}, "model.extra.n"),
        ({"extra": {"stream": True}}, "model.extra.stream"),
        ({"extra": {"svg": {"model": "x"}}}, "model.extra.svg"),
        ({"base_url": "http://images.example/v1"}, "unencrypted"),
        ({"api_key_env": "sk-not-a-name"}, "not the key itself"),
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        presets.provider("gpt-image", **changes)


def test_what_decides_a_picture_is_in_its_id() -> None:
    prompt = Prompt("p", "x")
    same, *others = (
        presets.provider("gpt-image", **changes).request(prompt, 0).id
        for changes in (
            {},
            {"quality": "high"},
            {"extra": {"background": "opaque"}},
            {"base_url": "https://x.example/v1"},
            {"size": "auto"},
        )
    )
    assert same == presets.provider("gpt-image").request(prompt, 5).id
    assert len({same, *others}) == 5


# -- models that are gone ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes", [{"name": "dalle3"}, {"name": "gpt-image", "model": "dall-e-3"}, {"name": "gpt-image", "model": "dall-e-2"}]
)
def test_dalle_at_openai_names_the_shutdown_and_every_way_on(server: Server, changes: dict[str, str]) -> None:
    provider = presets.provider(changes["name"], **{k: v for k, v in changes.items() if k != "name"})
    with pytest.raises(ConfigError) as caught:
        provider.check()
    for words in ("2026-05-12", "model=gpt-image or model=gpt-image-2", "model.base_url", "python -m bench import"):
        assert words in str(caught.value)
    with pytest.raises(ConfigError, match="2026-05-12"):
        attempt(provider, "x")
    assert attempt(at(server, changes["name"], model=provider.model), "x").status == "ok"


def test_the_shutdown_is_said_before_the_missing_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigError, match="shut down"):
        presets.provider("dalle3").check()


def test_a_model_is_gone_from_its_day_on() -> None:
    before, day = dt.date(2026, 11, 30), dt.date(2026, 12, 1)
    assert retired.find_retirement("gpt-image-1.5", before) is None
    gone = retired.find_retirement("gpt-image-1.5", day)
    assert gone is not None
    assert (gone.day, gone.vendor) == (day, "OpenAI")
    assert retired.find_retirement("gpt-image-2.6-sunburst", dt.date(2999, 1, 1)) is None
    assert set(gone.presets) <= set(presets.names("model"))


def test_the_list_of_models_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    preset = presets.read("model", "dalle3")
    assert missing_for_model(preset) == "shut down 2026-05-12; set model.base_url"
    assert missing_for_model({**preset, "base_url": "https://x.example/v1"}) == ""
    assert missing_for_model(presets.read("model", "gpt-image")) == ""
