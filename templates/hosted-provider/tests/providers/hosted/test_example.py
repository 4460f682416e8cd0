"""The provider of the example server, against a server in this process."""

from __future__ import annotations

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from bench.errors import BenchError, ProviderError
from bench.providers import Prompt, Rendered
from bench.providers.hosted.example import ExampleProvider

if TYPE_CHECKING:
    from collections.abc import Iterator


class Turn:
    """An attempt that may begin at once."""

    async def turn(self) -> None:
        pass


class Answers(BaseHTTPRequestHandler):
    """200 with bytes, or the status that the prompt is."""

    def do_POST(self) -> None:
        sent = json.loads(self.rfile.read(int(self.headers["content-length"])))
        status = int(sent["prompt"]) if sent["prompt"].isdigit() else 200
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(sent).encode() if status == 200 else b'{"message": "the key is secret-key-1234567890"}')

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[ExampleProvider]:
    monkeypatch.setenv("EXAMPLE_API_KEY", "secret-key-1234567890")
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield ExampleProvider(name="example-api", model="example-1", base_url=f"http://127.0.0.1:{server.server_port}")
        server.shutdown()


def ask(provider: ExampleProvider, text: str) -> Rendered:
    async def session() -> Rendered:
        client = await provider.connect(lambda _: None)
        try:
            turn: Any = Turn()
            return await client.make(provider.request(Prompt("p", text), 7), turn)
        finally:
            await client.close()

    return asyncio.run(session())


def test_a_request_is_sent_and_a_picture_comes_back(provider: ExampleProvider) -> None:
    rendered = ask(provider, "a red circle")
    assert rendered.status == "ok"
    assert json.loads(rendered.image or b"") == {"model": "example-1", "prompt": "a red circle", "seed": 7, "style": "photo"}
    assert rendered.timing.latency_s > 0


def test_a_refusal_is_a_result_and_its_words_hold_no_key(provider: ExampleProvider) -> None:
    rendered = ask(provider, "422")
    assert (rendered.status, rendered.error) == ("refused", "the key is ***")


def test_a_busy_server_is_asked_again_and_a_refused_key_ends_the_run(provider: ExampleProvider) -> None:
    with pytest.raises(ProviderError) as busy:
        ask(provider, "429")
    assert busy.value.transient
    with pytest.raises(BenchError, match="EXAMPLE_API_KEY"):
        ask(provider, "401")
