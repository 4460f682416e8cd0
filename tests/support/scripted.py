"""A server on loopback that answers each prompt of an ``images/generations`` call as a test says."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from typing import Any

from PIL import Image

from bench.types import Prompt, Rendered


@dataclass
class Reply:
    """One answer: ``body`` as JSON unless it is bytes. Only ``sent`` bytes of it are sent before the connection ends.

    ``hang`` answers when the test is over; ``endless`` goes on for 64 MiB if nobody hangs up.
    """

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    sent: int | None = None
    hang: bool = False
    endless: bool = False


def png(colour: str = "red") -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (16, 16), colour).save(data, "PNG")
    return data.getvalue()


def coded(data: bytes) -> str:
    return base64.b64encode(data).decode()


class Server(ThreadingHTTPServer):
    """``replies`` by prompt, of files by path; ``posts`` are the requests' bodies with their headers under "headers"."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, usual: Reply) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.usual, self.replies, self.posts, self.gets = usual, dict[str, Reply](), list[dict[str, Any]](), list[str]()
        self.ended, self.endless = threading.Event(), 0

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def url(self) -> str:
        return f"{self.root}/v1"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.posts.append({**told, "path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()}})
        self.reply(self.server.replies.get(told["prompt"], self.server.usual))

    def do_GET(self) -> None:
        self.server.gets.append(self.path)
        self.reply(self.server.replies[self.path.partition("?")[0]])

    def reply(self, reply: Reply) -> None:
        if reply.hang:
            self.server.ended.wait(10)
        data = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        if reply.sent is None or reply.sent:
            self.send_response(reply.status)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": str(2**40 if reply.endless else len(data)),
                **reply.headers,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data[: reply.sent])
        with suppress(ConnectionError):
            while reply.endless and self.server.endless < 2**26:
                self.wfile.write(bytes(2**16))
                self.server.endless += 2**16
        self.close_connection = reply.sent is not None or reply.hang or reply.endless

    def log_message(self, *_: Any) -> None: ...


@contextmanager
def running(http: HTTPServer) -> Iterator[None]:
    """``http`` answers until the block ends."""
    with http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield
        http.shutdown()
        thread.join()


@contextmanager
def serving(usual: Reply) -> Iterator[Server]:
    http = Server(usual)
    with running(http):
        yield http
        http.ended.set()


class Untold:
    """A task that must never be told of: these servers have none."""

    submission: Mapping[str, Any] | None = None
    turns = 0

    async def turn(self) -> None:
        self.turns += 1
        assert self.turns == 1

    def submitted(self, facts: Mapping[str, str | float | None]) -> None:
        raise AssertionError(facts)


def attempts(provider: Any, *prompts: Prompt, seed: int | None = 7) -> list[Rendered | BaseException]:
    """What one attempt at each prompt gave, all at once."""

    async def go() -> list[Rendered | BaseException]:
        client = await provider.connect(lambda _: None)
        try:
            requests = [provider.request(prompt, seed) for prompt in prompts]
            return await asyncio.gather(*(client.make(request, Untold()) for request in requests), return_exceptions=True)
        finally:
            await client.close()

    return asyncio.run(go())


def made(provider: Any, *prompts: Prompt | str, seed: int | None = 7) -> list[Rendered]:
    """The same; raises the first exception."""
    outcomes = attempts(provider, *(Prompt(str(i), p) if isinstance(p, str) else p for i, p in enumerate(prompts)), seed=seed)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return [outcome for outcome in outcomes if isinstance(outcome, Rendered)]


def attempt(provider: Any, text: str, **fields: Any) -> Rendered:
    """What one attempt gave; raises what it raised."""
    (outcome,) = attempts(provider, Prompt("p", text, **fields))
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome
