"""The hub provider: the real SDK, with the real answers of its providers from a server on loopback."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub.hf_api import InferenceProviderMapping
from huggingface_hub.inference._providers import PROVIDERS
from huggingface_hub.inference._providers._common import HARDCODED_MODEL_INFERENCE_MAPPING
from PIL import Image, PngImagePlugin
from support.scripted import made, running

from bench.config import presets
from bench.errors import BenchError, ConfigError, MissingKeyError, ProviderError
from bench.providers.hosted import huggingface
from bench.types import Prompt, Rendered

KEY = "secret-of-this-test"
MODEL = "black-forest-labs/FLUX.1-dev"
preset = cache(presets.provider)


def png(colour: str = "red") -> bytes:
    data, about = io.BytesIO(), PngImagePlugin.PngInfo()
    about.add_text("Software", "a server of ours")
    Image.new("RGB", (16, 16), colour).save(data, "PNG", pnginfo=about)
    return data.getvalue()


def encoded(kind: str) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(data, kind)
    return data.getvalue()


class Server(ThreadingHTTPServer):
    """Answers each POST by the prompt, and each GET by its path."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, Mapping[str, str], dict[str, Any]]] = []
        self.posts: dict[str, tuple[int, Any]] = {}
        self.gets: dict[str, tuple[int, Any]] = {"/picture": (200, png())}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.seen.append((self.path, self.headers, told))
        inner = told.get("input", told)
        prompt = inner.get("inputs") or inner["prompt"]
        if prompt.startswith("colour "):
            self.answer(200, png(prompt.removeprefix("colour ")))
        else:
            self.answer(*self.server.posts.get(prompt, (200, png())))

    def do_GET(self) -> None:
        self.answer(*self.server.gets[self.path.split("?")[0]])

    def answer(self, code: int, body: Any) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "image/png" if isinstance(body, bytes) else "application/json")
        self.send_header("Content-Length", str(len(data) + (100 if body == b"half" else 0)))
        if code in {429, 503}:
            self.send_header("Retry-After", "7")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("HF_TOKEN", KEY)
    http = Server()
    with running(http):
        yield http
    huggingface_hub.close_session()


@pytest.fixture
def served(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """All providers live at ``server``, and have the model; the rest of the SDK is as it is."""
    for name in ("fal-ai", "replicate", "together", "nscale", "wavespeed", "hf-inference"):
        monkeypatch.setattr(PROVIDERS[name]["text-to-image"], "base_url", server.url)
        known = InferenceProviderMapping(provider=name, hf_model_id=MODEL, providerId="flux/dev", status="live", task="text-to-image")
        monkeypatch.setitem(HARDCODED_MODEL_INFERENCE_MAPPING.setdefault(name, {}), MODEL, known)
    return server


def ask(url: str | None, *prompts: Prompt | str, seed: int | None = 7, **changes: Any) -> list[Rendered]:
    provider = replace(preset("hub-flux-dev"), base_url=url, **changes)
    return made(provider, *prompts, seed=seed)


def failing(url: str | None, text: str, **changes: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        ask(url, text, **changes)
    return caught.value


def test_a_picture_from_an_endpoint_of_ones_own_keeps_its_bytes(server: Server) -> None:
    (rendered,) = ask(server.url, Prompt("p", "a square", negative_prompt="circles", aspect="16:9"))
    assert (rendered.status, rendered.image) == ("ok", png())
    assert b"a server of ours" in (rendered.image or b"")
    assert rendered.timing.latency_s > 0
    assert math.isnan(rendered.timing.generate_s)
    assert math.isnan(rendered.cost_usd)
    ((_, headers, told),) = server.seen
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert told == {
        "inputs": "a square",
        "parameters": {
            "negative_prompt": "circles", "width": 1360, "height": 768, "num_inference_steps": 28, "guidance_scale": 3.5, "seed": 7,
        },
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_other_formats_keep_their_bytes(server: Server, kind: str) -> None:
    server.posts["x"] = (200, encoded(kind))
    assert ask(server.url, "x")[0].image == encoded(kind)


def test_a_picture_that_pil_has_let_go_of_is_drawn_anew() -> None:
    picture = Image.open(io.BytesIO(png("teal")))
    picture.load()
    picture.fp = None
    assert Image.open(io.BytesIO(huggingface._encoded(picture))).getpixel((3, 3)) == (0, 128, 128)


def test_unset_settings_are_left_to_the_provider(server: Server) -> None:
    ask(server.url, "x", seed=None, steps=None, guidance=None, extra={"output_format": "png"})
    assert server.seen[0][2]["parameters"] == {"width": 1024, "height": 1024, "output_format": "png"}


PICTURE = base64.b64encode(png()).decode()


@pytest.mark.parametrize(
    ("provider", "path", "sent"),
    [
        ("fal-ai", "/flux/dev", {"image_size": {"width": 1024, "height": 1024}, "seed": 7}),
        ("replicate", "/v1/models/flux/dev/predictions", {"input": {"width": 1024, "seed": 7}}),
        ("together", "/v1/images/generations", {"steps": 28, "seed": 7, "model": "flux/dev"}),
        ("nscale", "/v1/images/generations", {"size": "1024x1024", "seed": 7}),
        ("wavespeed", "/api/v3/flux/dev", {"seed": 7, "num_inference_steps": 28}),
    ],
)
def test_a_picture_through_each_provider(served: Server, provider: str, path: str, sent: dict[str, Any]) -> None:
    link = f"{served.url}/picture?sig=signed"
    answers: dict[str, Any] = {
        "fal-ai": {"images": [{"url": link}], "has_nsfw_concepts": [False]},
        "replicate": {"status": "succeeded", "output": [link]},
        "together": {"data": [{"b64_json": PICTURE}]},
        "nscale": {"data": [{"b64_json": PICTURE}]},
        "wavespeed": {"data": {"urls": {"get": f"{served.url}/result"}}},
    }
    served.posts["a square"] = (200, answers[provider])
    served.gets["/result"] = (200, {"data": {"status": "completed", "outputs": [link]}})
    (rendered,) = ask(None, "a square", inference_provider=provider)
    assert (rendered.status, rendered.image) == ("ok", png())
    ((asked, _, told),) = served.seen
    assert asked == path
    inner = told["input"] if provider == "replicate" else told
    assert sent.get("input", sent).items() <= inner.items()


@pytest.mark.parametrize("code", [400, 403, 422, 451])
@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": f"The prompt may contain NSFW content {KEY}", "type": "invalid_request_error"}},
        {"error": f"Request blocked by content policy {KEY}"},
        {"message": f"flagged by moderation {KEY}"},
    ],
)
def test_a_refusal_in_the_words_of_an_http_error(server: Server, code: int, body: Any) -> None:
    server.posts["x"] = (code, body)
    (rendered,) = ask(server.url, "x")
    assert (rendered.status, rendered.image) == ("refused", None)
    assert rendered.detail == {"refusal": "refused", "code": str(code), "categories": []}
    assert rendered.error
    assert KEY not in rendered.error


@pytest.mark.slow
def test_a_refusal_in_a_failed_task(served: Server) -> None:
    served.posts["x"] = (200, {"data": {"urls": {"get": f"{served.url}/result"}}})
    served.gets["/result"] = (200, {"data": {"status": "failed", "error": "Content flagged as potentially sensitive"}})
    (rendered,) = ask(None, "x", inference_provider="wavespeed")
    assert (rendered.status, rendered.detail["refusal"]) == ("refused", "refused")
    served.gets["/result"] = (200, {"data": {"status": "failed", "error": f"not supported: out of memory {KEY}"}})
    error = failing(None, "x", inference_provider="wavespeed")
    assert (error.status, error.transient) == ("provider_error", True)
    assert "out of memory" in str(error)
    assert KEY not in str(error)


@pytest.mark.parametrize(("provider", "body"), [("fal-ai", {"images": []}), ("together", {"data": []}), ("nscale", {"data": []})])
def test_silence_is_no_refusal(served: Server, provider: str, body: Any) -> None:
    served.posts["x"] = (200, body)
    error = failing(None, "x", inference_provider=provider)
    assert (error.status, error.transient) == ("provider_error", False)
    assert str(error).endswith(f"its fields are {next(iter(body))}")


def test_an_endpoint_that_answers_with_a_task_is_not_understood(server: Server) -> None:
    server.posts["x"] = (202, {"task_id": "7", "state": "queued"})
    error = failing(server.url, "x")
    assert (error.status, error.transient) == ("provider_error", False)
    assert str(error) == "the answer (202) holds no picture and no sign of a refusal; its fields are task_id, state"


@pytest.mark.parametrize("shape", [base64.encodebytes, base64.urlsafe_b64encode, lambda data: base64.b64encode(data).rstrip(b"=")])
def test_base64_in_whatever_form_is_a_picture(served: Server, shape: Any) -> None:
    served.posts["x"] = (200, {"data": [{"b64_json": shape(png()).decode()}]})
    (rendered,) = ask(None, "x", inference_provider="nscale")
    assert (rendered.status, rendered.image) == ("ok", png())


def test_a_data_address_is_a_picture(served: Server) -> None:
    served.posts["x"] = (200, {"images": [{"url": f"data:image/png;base64,{base64.b64encode(png()).decode()}"}]})
    (rendered,) = ask(None, "x", inference_provider="fal-ai")
    assert (rendered.status, rendered.image) == ("ok", png())


@pytest.mark.parametrize(
    ("code", "body", "status_and_transient", "wait_and_usd"),
    [
        (400, {"error": f"bad width {KEY}"}, ("provider_error", False), (None, 0.0)),
        (422, {"error": ["bad steps"]}, ("provider_error", False), (None, 0.0)),
        (429, {"error": f"slow down {KEY}"}, ("rate_limited", True), (7.0, 0.0)),
        (503, {"error": "loading", "estimated_time": 20.0}, ("provider_error", True), (7.0, 0.0)),
        (500, b"<html>", ("provider_error", True), (None, 0.0)),
        (200, b"<html>", ("invalid_image", True), (None, math.nan)),
        (200, b"half", ("provider_error", True), (None, math.nan)),
    ],
)
def test_faults(server: Server, code: int, body: Any, status_and_transient: Any, wait_and_usd: Any) -> None:
    server.posts["x"] = (code, body)
    error = failing(server.url, "x")
    assert (error.status, error.transient) == status_and_transient
    assert (error.retry_after, error.usd) == pytest.approx(wait_and_usd, nan_ok=True)
    assert KEY not in str(error)
    assert "0x" not in str(error)
    assert len(server.seen) == 1


def test_odd_answers_of_providers(served: Server) -> None:
    served.posts["x"] = (200, {"surprise": 1})
    for provider in ("fal-ai", "together", "wavespeed"):
        assert "fields are surprise" in str(failing(None, "x", inference_provider=provider))
    assert failing(None, "x", inference_provider="replicate").status == "timeout"
    served.posts["x"] = (200, {"data": [{"b64_json": "?"}]})
    assert failing(None, "x", inference_provider="nscale").status == "invalid_image"
    served.posts["x"] = (200, {"images": [{"url": f"{served.url}/gone?sig=signed"}]})
    served.gets["/gone"] = (403, b"<Error/>")
    error = failing(None, "x", inference_provider="fal-ai")
    assert (error.status, error.transient) == ("invalid_image", True)
    assert "signed" not in str(error)


def test_a_slow_server_and_nobody_there(server: Server) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as mute:
        slow = replace(preset("hub-flux-dev").limits, timeout_s=0.05)
        error = failing(f"http://127.0.0.1:{mute.server_port}", "x", limits=slow)
    assert (error.status, error.transient) == ("timeout", True)
    assert math.isnan(error.usd)
    error = failing("http://127.0.0.1:9", "x")
    assert (error.status, error.transient, error.usd) == ("provider_error", True, 0.0)
    assert server.seen == []


@pytest.mark.parametrize(
    ("code", "told"), [(401, "key in HF_TOKEN"), (402, "no credits"), (403, "key in HF_TOKEN"), (404, f"no model '{MODEL}'")]
)
def test_what_no_other_prompt_would_change_ends_the_run(server: Server, code: int, told: str) -> None:
    server.posts["x"] = (code, {"error": f"no {KEY}"})
    with pytest.raises(BenchError, match=told) as caught:
        ask(server.url, "x")
    assert not isinstance(caught.value, ProviderError)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"inference_provider": "nobody"}, "nobody"),
        ({"inference_provider": "groq"}, "groq"),
    ],
)
def test_a_provider_that_draws_nothing_ends_the_run(served: Server, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(BenchError, match=told) as caught:
        ask(None, "x", **changes)
    assert not isinstance(caught.value, ProviderError)
    assert "model.inference_provider" in str(caught.value)
    assert served.seen == []


def test_many_at_once_each_get_their_own_picture(server: Server) -> None:
    colours = ["red", "lime", "blue", "gold", "navy", "teal"] * 3
    assert [r.image for r in ask(server.url, *(f"colour {c}" for c in colours))] == [png(c) for c in colours]


def test_requests_name_what_decides_the_picture() -> None:
    request = presets.provider("hub-flux-dev").request(Prompt("p", "x", negative_prompt="y", aspect="9:16"), 3)
    assert (request.model, request.seed, request.negative_prompt) == (MODEL, 3, "y")
    assert (request.width, request.height) == (768, 1360)
    assert request.settings == {"endpoint": "huggingface", "inference_provider": "fal-ai", "steps": 28, "guidance": 3.5}
    own = presets.provider("hub-flux-dev", base_url="https://x.endpoints.huggingface.cloud", extra={"a": 1}).request(Prompt("p", "x"), 3)
    assert own.settings["inference_provider"] == "hf-inference"
    assert (own.settings["endpoint"], own.settings["a"]) == ("https://x.endpoints.huggingface.cloud", 1)
    assert presets.provider("hub-flux-dev", size="1024x512").request(Prompt("p", "x"), 0).settings["aspect"] == "1:1"


@pytest.mark.parametrize(
    "changes",
    [
        {"steps": 0}, {"steps": True}, {"guidance": -1}, {"guidance": math.inf}, {"size": "1000x1000"}, {"extra": {"seed": 1}},
        {"base_url": "http://example.com"},
    ],
)  # fmt: skip
def test_bad_values_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        presets.provider("hub-flux-dev", **changes)


def test_a_missing_key_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with pytest.raises(MissingKeyError, match="export HF_TOKEN"):
        presets.provider("hub-flux-dev").check()
