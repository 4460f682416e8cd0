"""The xAI provider: the real SDK against a real server on loopback that answers in xAI's shapes."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
from support.scripted import Reply, Server, attempt, attempts, coded, png, serving

from bench.config import presets
from bench.errors import BenchError, ConfigError, MissingKeyError, ProviderError
from bench.types import Prompt, Rendered

KEY = "xai-secret0of1this2test3abcdefgh"
PICTURE = {"data": [{"b64_json": coded(png()), "mime_type": "image/png"}], "usage": {"cost_in_usd_ticks": 200_000_000}}
SPENT = "Your team has either used all available credits or reached its monthly spending limit."
BAD = "Client specified an invalid argument"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("XAI_API_KEY", KEY)
    with serving(Reply(PICTURE)) as http:
        yield http


def at(server: Server, name: str = "grok-imagine", **changes: Any) -> Any:
    return presets.provider(name, base_url=server.url, **changes)


def body(post: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in post.items() if k not in {"headers", "path"}}


def test_a_picture_with_what_it_cost(server: Server) -> None:
    rendered = attempt(at(server), "a red square")
    assert (rendered.status, rendered.image) == ("ok", png())
    assert rendered.cost_usd == pytest.approx(0.02)
    assert rendered.detail == {"usage": {"cost_in_usd_ticks": 200_000_000}}
    (post,) = server.posts
    assert post["headers"]["authorization"] == f"Bearer {KEY}"
    assert body(post) == {
        "model": "grok-imagine-image", "prompt": "a red square", "n": 1, "response_format": "b64_json", "aspect_ratio": "1:1",
        "resolution": "1k",
    }  # fmt: skip


def test_the_second_model_has_tiers(server: Server) -> None:
    attempt(at(server, "grok-imagine-2", resolution="2k", quality="low"), "x")
    attempt(at(server, "grok-imagine-2"), "x")
    first, second = (body(post) for post in server.posts)
    assert (first["model"], first["quality"], first["resolution"]) == ("grok-imagine-image-2.0", "low", "2k")
    assert (second["quality"], second["resolution"]) == ("medium", "1k")


def test_money_that_is_not_reported_is_unknown(server: Server) -> None:
    odd: list[Any] = [
        None,
        {},
        {"cost_in_usd_ticks": None},
        {"cost_in_usd_ticks": "2"},
        {"cost_in_usd_ticks": -1},
        {"cost_in_usd_ticks": True},
    ]
    server.replies |= {f"{i}": Reply({**PICTURE, "usage": usage}) for i, usage in enumerate(odd)}
    for rendered in attempts(at(server), *(Prompt(text, text) for text in server.replies)):
        assert isinstance(rendered, Rendered)
        assert math.isnan(rendered.cost_usd)


def test_a_rewritten_prompt_is_kept(server: Server) -> None:
    server.replies["a cat"] = Reply({"data": [{"b64_json": coded(png()), "revised_prompt": "a fluffy cat"}]})
    assert attempt(at(server), "a cat").revised_prompt == "a fluffy cat"


def test_aspects_are_offered_or_nearly(server: Server) -> None:
    provider = at(server)
    cases = {"1:1": None, "16:9": None, "2:3": None, "9:19.5": None, "21:9": "20:9", "5:4": "4:3", "3:1": "20:9"}
    prompts = [Prompt(aspect, f"at {aspect}", aspect=aspect) for aspect in cases]
    for prompt, sent in zip(prompts, cases.values(), strict=True):
        request = provider.request(prompt, 3)
        assert (request.width, request.height, request.seed) == (0, 0, None)
        assert (request.settings["aspect_ratio"], request.settings.get("aspect")) == (sent or prompt.aspect, sent and prompt.aspect)
    attempts(provider, *prompts)
    assert {post["prompt"]: post["aspect_ratio"] for post in server.posts} == {f"at {a}": sent or a for a, sent in cases.items()}


def test_an_impossible_aspect_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(ConfigError, match="aspect 4:1 is not supported; closest:"):
        presets.provider("grok-imagine").request(Prompt("p", "x", aspect="4:1"), 0)


def test_what_decides_a_picture_is_in_its_id() -> None:
    changes: list[dict[str, Any]] = [{}, {"resolution": "2k"}, {"quality": "low"}, {"extra": {"user": "me"}}, {"model": "other"}]
    ids = {presets.provider("grok-imagine", **c).request(Prompt("p", "x"), 0).id for c in changes}
    assert len(ids) == len(changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"resolution": "1024"}, "resolution"),
        ({"aspects": "1:1"}, "must be a list"),
        ({"aspects": [61]}, "no aspect"),
        ({"aspects": []}, "must be a list"),
        ({"extra": {"aspect_ratio": "auto"}}, "model.extra.aspect_ratio"),
        ({"extra": {"n": 2}}, "model.extra.n"),
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        presets.provider("grok-imagine", **changes)


# -- refusals ------------------------------------------------------------------------------------------------------------


def refusal(server: Server, reply: Reply) -> Rendered:
    server.replies["x"] = reply
    rendered = attempt(at(server), "x")
    assert (rendered.status, rendered.image, len(server.posts)) == ("refused", None, 1)
    return rendered


def test_the_silent_success_is_no_refusal(server: Server) -> None:
    server.replies["x"] = Reply({"data": [], "usage": {"cost_in_usd_ticks": 0}})
    with pytest.raises(ProviderError, match="no sign of a refusal; its fields are data, usage") as caught:
        attempt(at(server), "x")
    assert (caught.value.status, caught.value.transient, caught.value.usd) == ("provider_error", False, 0.0)


def test_a_success_with_the_reason_for_no_picture(server: Server) -> None:
    rendered = refusal(server, Reply({"data": [], "block_reason": "violence"}))
    assert rendered.detail == {"refusal": "refused", "code": "violence", "categories": []}
    assert str(rendered.error).endswith("violence")


@pytest.mark.parametrize("item", [{"respect_moderation": False}, {"respect_moderation": False, "b64_json": coded(png("black"))}])
def test_a_picture_that_was_withheld(server: Server, item: dict[str, Any]) -> None:
    rendered = refusal(server, Reply({**PICTURE, "data": [item]}))
    assert (rendered.detail["refusal"], rendered.cost_usd) == ("filtered", pytest.approx(0.02))


def test_a_picture_that_was_rejected_is_paid(server: Server) -> None:
    told = {"code": BAD, "error": "Generated image rejected by content moderation.", "usage": {"cost_in_usd_ticks": 200_000_000}}
    rendered = refusal(server, Reply(told, 400))
    assert (rendered.detail["refusal"], rendered.detail["code"], rendered.cost_usd) == ("filtered", BAD, pytest.approx(0.02))
    assert rendered.error == told["error"]


@pytest.mark.parametrize("status", [400, 403])
def test_a_prompt_against_the_guidelines_is_no_wrong_key(server: Server, status: int) -> None:
    ids = "c0437d84-c844-442c-b8e6-5be97a65a160"
    words = f"Content violates usage guidelines. Team: {ids}, API key ID: {ids}, Model: grok, Failed check: SAFETY_CHECK_TYPE_CSAM"
    rendered = refusal(server, Reply({"code": "permission-denied", "error": words}, status))
    assert rendered.detail == {"refusal": "refused", "code": "permission-denied", "categories": ["SAFETY_CHECK_TYPE_CSAM"]}
    assert ids not in repr(rendered)


# -- failures ------------------------------------------------------------------------------------------------------------


def test_what_no_other_prompt_would_change_ends_the_run(server: Server) -> None:
    masked = "Incorrect API key provided: xa***gh. You can obtain an API key from https://console.x.ai."
    gone = "The model grok-imagine-image does not exist or your team does not have access to it."
    cases = [
        (400, {"code": BAD, "error": masked}, "key in XAI_API_KEY"),
        (400, {"code": BAD, "error": "Incorrect%20API%20key%20provided:%20xa***gh."}, "key in XAI_API_KEY"),
        (401, {"error": "Unauthorized"}, "key in XAI_API_KEY"),
        (403, {"code": "permission-denied", "error": SPENT}, "no credits are left"),
        (429, {"code": "Some resource has been exhausted", "error": SPENT}, "no credits are left"),
        (404, {"code": "not-found", "error": gone}, "'grok-imagine-image'"),
    ]
    server.replies |= {f"{i}": Reply(told, status) for i, (status, told, _) in enumerate(cases)}
    found = attempts(at(server), *(Prompt(text, text) for text in server.replies))
    for (_, _, words), error in zip(cases, found, strict=True):
        assert isinstance(error, BenchError)
        assert not isinstance(error, ProviderError)
        assert words in str(error)
        assert "xa***gh" not in str(error)
    assert len(server.posts) == len(cases)


def test_other_answers(server: Server) -> None:
    cases: list[tuple[int, Any, tuple[str, bool]]] = [
        (429, {"code": "Some resource has been exhausted", "error": "Too many requests for team"}, ("rate_limited", True)),
        (503, {"error": "unavailable"}, ("provider_error", True)),
        (422, b"Failed to deserialize the JSON body: Argument not supported: size", ("provider_error", False)),
        (400, {"code": BAD, "error": "Invalid aspect_ratio"}, ("provider_error", False)),
    ]
    server.replies |= {f"{i}": Reply(told, status) for i, (status, told, _) in enumerate(cases)}
    found = attempts(at(server), *(Prompt(text, text) for text in server.replies))
    for (_, _, expected), error in zip(cases, found, strict=True):
        assert isinstance(error, ProviderError)
        assert ((error.status, error.transient), error.usd) == (expected, 0.0)
    assert len(server.posts) == len(cases)


def test_broken_base64_was_paid_for(server: Server) -> None:
    server.replies["x"] = Reply({**PICTURE, "data": [{"b64_json": "=broken="}]})
    with pytest.raises(ProviderError) as caught:
        attempt(at(server), "x")
    assert (caught.value.status, caught.value.usd) == ("invalid_image", pytest.approx(0.02))


def test_a_key_that_the_server_repeats_goes_nowhere(server: Server) -> None:
    for status in (200, 400, 401, 403, 404, 429, 500):
        for told in ({"code": KEY, "error": f"you sent Bearer {KEY}"}, {"data": [], "block_reason": KEY}, {"error": KEY[:14]}):
            server.replies[f"{len(server.replies)}"] = Reply(told, status)
    for outcome in attempts(at(server), *(Prompt(text, text) for text in server.replies)):
        assert KEY[:14] not in repr(outcome) + str(getattr(outcome, "code", ""))


def test_many_at_once_get_their_own_pictures(server: Server) -> None:
    colours = ["red", "lime", "blue", "gold"] * 4
    for colour in colours:
        server.replies[colour] = Reply({**PICTURE, "data": [{"b64_json": coded(png(colour))}]})
    found = attempts(at(server), *(Prompt(colour, colour) for colour in colours))
    assert [f.image for f in found if isinstance(f, Rendered)] == [png(colour) for colour in colours]
    assert len(server.posts) == len(colours)


def test_a_missing_key_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XAI_API_KEY", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody-else")
    for name in ("grok-imagine", "grok-imagine-2"):
        with pytest.raises(MissingKeyError, match="export XAI_API_KEY"):
            presets.provider(name).check()


def test_a_retired_model_names_the_live_ones() -> None:
    with pytest.raises(ConfigError, match="2026-11-02; use model=grok-imagine or model=grok-imagine-2"):
        presets.provider("grok-imagine", model="grok-imagine-image-quality").check()
