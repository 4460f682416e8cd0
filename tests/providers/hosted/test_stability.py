"""The Stability provider against a real server on loopback that takes multipart forms and answers bytes or JSON."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from email import message_from_bytes
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from PIL import Image
from support.scripted import made, running

from bench.config import presets
from bench.errors import BenchError, ConfigError, MissingKeyError, ProviderError
from bench.providers.hosted import stability
from bench.types import Prompt, Rendered

KEY = "sk-secret-of-this-test"
ERROR = "7c98e5a0f2b14d3c"
preset = cache(presets.provider)


def png(colour: str = "red") -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (16, 16), colour).save(data, "PNG")
    return data.getvalue()


def problem(name: str, *errors: str) -> bytes:
    return json.dumps({"id": ERROR, "name": name, "errors": list(errors)}).encode()


JSON, PNG = {"Content-Type": "application/json"}, {"Content-Type": "image/png"}
ANSWERS: dict[str, tuple[int, bytes, Mapping[str, str]]] = {
    "plain": (200, png(), {**PNG, "finish-reason": "SUCCESS", "seed": "8"}),
    "json": (200, json.dumps({"image": base64.b64encode(png()).decode(), "finish_reason": "SUCCESS", "seed": 8}).encode(), JSON),
    "blurred": (200, png(), {**PNG, "finish-reason": "CONTENT_FILTERED", "seed": "8"}),
    "blurred-json": (200, json.dumps({"image": "", "finish_reason": "CONTENT_FILTERED", "seed": 8}).encode(), JSON),
    "silent": (200, b"", PNG),
    "silent-json": (200, b"{}", JSON),
    "task": (202, b'{"id": "7", "state": "queued"}', JSON),
    "lines": (200, json.dumps({"image": base64.encodebytes(png()).decode()}).encode(), {}),
    "garbled": (200, b'{"image": "no base64!", "finish_reason": "SUCCESS"}', JSON),
    "blocked": (403, problem("content_moderation", f"Your request was flagged {KEY}"), JSON),
    "unknown-key": (401, problem("unauthorized", f"authorization: {KEY} is invalid"), JSON),
    "bad-key": (403, problem("forbidden", f"missing permission {KEY}"), JSON),
    "poor": (402, problem("payment_required", "You lack sufficient credits"), JSON),
    "nowhere": (404, problem("not_found", "no such model"), JSON),
    "elsewhere": (308, b"", {"Location": "http://127.0.0.1:9/"}),
    "bad": (400, problem("bad_request", "negative_prompt: too long", f"key {KEY}"), JSON),
    "foreign": (422, problem("invalid_language", "English is the only supported language"), JSON),
    "busy": (429, problem("rate_limit_exceeded", "150 requests in 10 s"), {**JSON, "Retry-After": "60"}),
    "broken": (500, b"<html>", {"Content-Type": "text/html"}),
    "half": (200, png(), {**PNG, "Content-Length": "100000"}),
}


class Server(ThreadingHTTPServer):
    """Answers by the prompt's first word."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, Mapping[str, str], dict[str, str]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        form = message_from_bytes(b"Content-Type: " + self.headers["Content-Type"].encode() + b"\r\n\r\n" + raw)
        told = {part.get_param("name", header="content-disposition"): part.get_payload(decode=True).decode() for part in form.get_payload()}
        assert all(part.get_filename() is None for part in form.get_payload())
        self.server.seen.append((self.path, self.headers, told))
        word, _, rest = told["prompt"].partition(" ")
        code, body, headers = (200, png(rest), PNG) if word == "colour" else ANSWERS[word]
        self.send_response(code)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("STABILITY_API_KEY", KEY)
    http = Server()
    with running(http):
        yield http


def ask(url: str, *prompts: Prompt | str, name: str = "sd35-large-api", seed: int | None = 7, **changes: Any) -> list[Rendered]:
    provider = replace(preset(name), base_url=url, **changes)
    return made(provider, *prompts, seed=seed)


def failing(url: str, text: str, **changes: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        ask(url, text, **changes)
    return caught.value


def test_a_picture_of_stable_diffusion(server: Server) -> None:
    (rendered,) = ask(server.url, Prompt("p", "plain square", negative_prompt="circles", aspect="16:9"), seed=7)
    assert (rendered.status, rendered.image, rendered.detail) == ("ok", png(), {"seed_used": "8"})
    assert math.isnan(rendered.cost_usd)
    timing = rendered.timing
    assert timing.generate_s + timing.download_s == pytest.approx(timing.latency_s)
    ((path, headers, told),) = server.seen
    assert path == "/v2beta/stable-image/generate/sd3"
    assert (headers["Authorization"], headers["Accept"]) == (f"Bearer {KEY}", "image/*")
    assert told == {
        "prompt": "plain square", "negative_prompt": "circles", "model": "sd3.5-large", "mode": "text-to-image",
        "aspect_ratio": "16:9", "output_format": "png", "seed": "8",
    }  # fmt: skip


@pytest.mark.parametrize(("model", "service"), [("stable-image-ultra", "ultra"), ("stable-image-core", "core")])
def test_the_other_services_take_no_model(server: Server, model: str, service: str) -> None:
    ask(server.url, "plain", name="stable-image-ultra", model=model, seed=None, extra={"style_preset": "anime"})
    ((path, _, told),) = server.seen
    assert path.endswith(f"/generate/{service}")
    assert told == {"prompt": "plain", "aspect_ratio": "1:1", "output_format": "png", "style_preset": "anime"}


def test_base64_in_json_is_a_picture_too(server: Server) -> None:
    (rendered,) = ask(server.url, "json")
    assert (rendered.status, rendered.image, rendered.detail) == ("ok", png(), {"seed_used": "8"})


def test_base64_in_lines_is_a_picture_whatever_the_header_says(server: Server) -> None:
    (rendered,) = ask(server.url, "lines")
    assert (rendered.status, rendered.image) == ("ok", png())


@pytest.mark.parametrize(
    ("word", "kind", "code"),
    [
        ("blocked", "refused", "content_moderation"), ("blurred", "filtered", "CONTENT_FILTERED"),
        ("blurred-json", "filtered", "CONTENT_FILTERED"),
    ],
)  # fmt: skip
def test_refusals_are_told_apart(server: Server, word: str, kind: str, code: str | None) -> None:
    (rendered,) = ask(server.url, word)
    assert (rendered.status, rendered.image) == ("refused", None)
    assert rendered.detail == {"refusal": kind, "code": code, "categories": []}
    assert rendered.error
    assert KEY not in rendered.error
    assert rendered.timing.latency_s > 0


@pytest.mark.parametrize(
    ("word", "told"), [("silent", "it is empty"), ("silent-json", "it is empty"), ("task", "(202) holds"), ("task", "are id, state")]
)
def test_an_answer_that_is_not_understood_is_no_refusal(server: Server, word: str, told: str) -> None:
    error = failing(server.url, word)
    assert (error.status, error.transient) == ("provider_error", False)
    assert told in str(error)


@pytest.mark.parametrize(
    ("word", "status", "transient", "wait_and_usd"),
    [
        ("garbled", "invalid_image", True, (None, math.nan)), ("bad", "provider_error", False, (None, 0.0)),
        ("foreign", "provider_error", False, (None, 0.0)), ("busy", "rate_limited", True, (60.0, 0.0)),
        ("broken", "provider_error", True, (None, 0.0)), ("half", "provider_error", True, (None, math.nan)),
    ],
)  # fmt: skip
def test_faults(server: Server, word: str, status: str, transient: bool, wait_and_usd: tuple[float | None, float]) -> None:  # noqa: FBT001
    error = failing(server.url, word)
    assert (error.status, error.transient) == (status, transient)
    assert (error.retry_after, error.usd) == pytest.approx(wait_and_usd, nan_ok=True)
    assert KEY not in str(error)
    assert not error.keep_task
    assert len(server.seen) == 1


def test_the_servers_words_and_name_for_an_error_are_kept(server: Server) -> None:
    error = failing(server.url, "bad")
    assert "negative_prompt: too long; key ***" in str(error)
    assert error.code == "bad_request"


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("unknown-key", "key in STABILITY_API_KEY"), ("bad-key", "key in STABILITY_API_KEY"), ("poor", "no credits"),
        ("nowhere", "no model 'sd3.5-large'"), ("elsewhere", "redirects"),
    ],
)  # fmt: skip
def test_what_no_other_prompt_would_change_ends_the_run(server: Server, word: str, told: str) -> None:
    with pytest.raises(BenchError, match=told) as caught:
        ask(server.url, word)
    assert not isinstance(caught.value, ProviderError)
    assert KEY not in str(caught.value)
    assert len(server.seen) == 1


def test_a_huge_body_is_not_read_to_its_end(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stability, "MAX_BYTES", 50)
    error = failing(server.url, "plain")
    assert (error.status, error.transient) == ("invalid_image", False)


def test_nobody_there_and_a_slow_server(server: Server) -> None:
    error = failing("http://127.0.0.1:9", "plain")
    assert (error.status, error.transient, error.usd) == ("provider_error", True, 0.0)
    soon = replace(preset("sd35-large-api").limits, timeout_s=0.05)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as mute:
        error = failing(f"http://127.0.0.1:{mute.server_port}", "plain", limits=soon)
    assert (error.status, error.transient) == ("timeout", True)
    assert math.isnan(error.usd)
    assert server.seen == []


def test_many_at_once_each_get_their_own_picture(server: Server) -> None:
    colours = ["red", "lime", "blue", "gold", "navy", "teal"] * 3
    assert [r.image for r in ask(server.url, *(f"colour {c}" for c in colours))] == [png(c) for c in colours]


def test_a_seed_is_never_sent_as_zero_which_means_random() -> None:
    provider = presets.provider("sd35-large-api")
    first, again, other = (provider.request(Prompt("p", "x"), seed) for seed in (0, 0, 1))
    assert (first.seed, first.settings["seed_sent"]) == (0, 1)
    assert (other.seed, other.settings["seed_sent"]) == (1, 2)
    assert first.id == again.id != other.id
    assert "seed_sent" not in provider.request(Prompt("p", "x"), None).settings
    assert provider.request(Prompt("p", "x"), 4_294_967_293).settings["seed_sent"] == 4_294_967_294
    for bad in (4_294_967_294, -1):
        with pytest.raises(ConfigError, match="out of range"):
            provider.request(Prompt("p", "x"), bad)


@pytest.mark.parametrize(
    ("aspect", "sent", "noted"), [("1:1", "1:1", None), ("21:9", "21:9", None), ("4:3", "5:4", "4:3"), ("2:1", "16:9", "2:1")]
)
def test_an_aspect_is_offered_or_its_deviation_recorded(aspect: str, sent: str, noted: str | None) -> None:
    request = presets.provider("stable-image-ultra").request(Prompt("p", "x", aspect=aspect), 0)
    assert (request.settings["aspect_ratio"], request.settings.get("aspect")) == (sent, noted)
    assert (request.width, request.height) == (0, 0)


def test_an_impossible_aspect_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(ConfigError, match="5:1"):
        presets.provider("stable-image-ultra").request(Prompt("p", "x", aspect="5:1"), 0)


@pytest.mark.parametrize("changes", [{"output_format": "gif"}, {"extra": {"seed": 1}}, {"base_url": "http://example.com"}])
def test_bad_values_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        presets.provider("sd35-large-api", **changes)


def test_a_missing_key_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STABILITY_API_KEY", raising=False)
    with pytest.raises(MissingKeyError, match="export STABILITY_API_KEY"):
        presets.provider("stable-image-ultra").check()
