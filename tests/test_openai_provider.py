"""The OpenAI provider: the real SDK against a real server on loopback."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from PIL import Image

from bench import presets
from bench.errors import BenchError, ConfigError, MissingKeyError
from bench.types import Prompt, Rendered

KEY = "sk-secret-of-this-test"


def png() -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(data, "PNG")
    return data.getvalue()


class Handler(BaseHTTPRequestHandler):
    """Answers by the prompt's first word."""

    seen: list[dict[str, Any]]

    def do_POST(self) -> None:
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        type(self).seen.append({**told, "auth": self.headers["Authorization"]})
        item: dict[str, Any] = {"b64_json": base64.b64encode(png()).decode()}
        match told["prompt"].split()[0]:
            case "blocked":
                self.answer(400, {"error": {"message": "not allowed", "type": "image_generation_user_error", "code": "moderation_blocked"}})
            case "wrong":
                self.answer(401, {"error": {"message": f"bad key {KEY}", "code": "invalid_api_key"}})
            case "busy":
                self.answer(429, {"error": {"message": "slow down", "code": "rate_limit_exceeded"}})
            case "silent":
                self.answer(200, {"created": 1, "data": []})
            case "text":
                self.answer(200, {"created": 1, "data": [{"b64_json": base64.b64encode(b"<html>").decode()}]})
            case "link":
                host = self.headers["Host"]
                self.answer(200, {"created": 1, "data": [{"url": f"http://{host}/p.png", "revised_prompt": "a better link"}]})
            case _:
                self.answer(200, {"created": 1, "data": [item], "usage": {"input_tokens": 3, "output_tokens": 5, "total_tokens": 8}})

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(png())

    def answer(self, code: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    Handler.seen = []
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}/v1"
        http.shutdown()
        thread.join()


def ask(server: str, text: str, **changes: Any) -> Rendered:
    provider = presets.provider("gpt-image", base_url=server, **changes)
    provider.check()
    session = provider.open(lambda _: None)
    try:
        (rendered,) = session.render([provider.request(Prompt("p", text), 0)])
    finally:
        session.close()
    return rendered


def test_a_picture_with_its_usage(server: str) -> None:
    rendered = ask(server, "a red square", quality="low", extra={"background": "opaque"})
    assert rendered.status == "ok"
    assert rendered.image == png()
    assert rendered.detail["usage"]["output_tokens"] == 5
    assert rendered.timing.latency_s > 0
    (told,) = Handler.seen
    assert told["auth"] == f"Bearer {KEY}"
    assert {k: told[k] for k in ("model", "size", "quality", "background")} == {
        "model": "gpt-image-2.6-sunburst", "size": "1024x1024", "quality": "low", "background": "opaque",
    }  # fmt: skip


def test_a_picture_behind_a_link_and_a_revised_prompt(server: str) -> None:
    rendered = ask(server, "link please")
    assert (rendered.status, rendered.image, rendered.revised_prompt) == ("ok", png(), "a better link")


@pytest.mark.parametrize(("text", "status"), [("blocked", "refused"), ("silent", "refused"), ("busy", "failed"), ("text", "failed")])
def test_what_is_no_picture_is_said_and_asked_for_once(server: str, text: str, status: str) -> None:
    rendered = ask(server, text)
    assert rendered.status == status
    assert rendered.image is None
    assert rendered.error
    assert len(Handler.seen) == 1


def test_a_wrong_key_ends_the_run_and_is_not_repeated(server: str) -> None:
    with pytest.raises(BenchError, match="refuses the key in OPENAI_API_KEY") as caught:
        ask(server, "wrong")
    assert KEY not in str(caught.value)


def test_an_unreachable_server_is_a_failed_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert ask("http://127.0.0.1:9/v1", "x").status == "failed"


def test_a_missing_key_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(MissingKeyError, match="export OPENAI_API_KEY"):
        presets.provider("gpt-image").check()


def test_dalle_at_openai_names_the_shutdown_and_what_to_use(server: str) -> None:
    with pytest.raises(ConfigError, match="2026-05-12"):
        presets.provider("gpt-image", model="dall-e-3")
    assert ask(server, "a square", model="dall-e-3").status == "ok"
