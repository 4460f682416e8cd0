"""The voting page: a small server on 127.0.0.1 and the files of the page."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import webbrowser
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bench.errors import BenchError, ConfigError
from bench.voting.guard import Guard
from bench.voting.session import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from bench.voting.session import VotingSession

HOST = "127.0.0.1"
_PAGE = {"": ("page.html", "text/html"), "page.css": ("page.css", "text/css"), "page.js": ("page.js", "text/javascript")}
_MAX_BYTES = 8192


def listen(port: int, *, remembered: int | None = None) -> socket.socket:
    """A listening socket on 127.0.0.1: at ``port``; for port 0 at ``remembered`` if that is free, else at any free port.

    Raises:
        ConfigError: ``port`` is taken or not allowed.
    """
    for number in (port,) if port or not remembered else (remembered, 0):
        # asyncio sets TCP_NODELAY only where the protocol is named
        opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            opened.bind((HOST, number))
            opened.listen(128)
        except (OSError, OverflowError) as error:
            opened.close()
            if number == remembered and not port:
                continue
            raise ConfigError(f"--port {port}: {getattr(error, 'strerror', None) or error}; leave it out for a free one") from error
        return opened
    raise AssertionError


def serve(app: ASGIApp, opened: socket.socket) -> None:
    """Serve ``app`` on ``opened`` until Ctrl-C."""
    config = uvicorn.Config(
        app, access_log=False, log_level="warning", lifespan="off", ws="none", proxy_headers=False, server_header=False,
        timeout_graceful_shutdown=1,
    )  # fmt: skip
    try:
        uvicorn.Server(config).run(sockets=[opened])
    except KeyboardInterrupt:
        pass
    finally:
        opened.close()


def browse(address: str) -> None:
    """Open ``address`` in the user's browser, without waiting for it; does nothing on Linux without a display."""
    if sys.platform != "linux" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()


def application(session: VotingSession, port: int) -> Guard:
    """The page of ``session`` behind its guard."""

    async def state(request: Request) -> Response:
        rater = request.query_params.get("rater") or session.rater
        about = {"session": session.name, "fixed": session.rater, "runs": len(session.runs), "total": len(session.ballots)}
        if not rater:
            return JSONResponse({**about, "rater": None})
        return await _respond(lambda: {**about, **session.state(rater)})

    async def vote(request: Request) -> Response:
        answer = await _json_object(request)
        return await _respond(lambda: session.vote(answer))

    async def undo(request: Request) -> Response:
        answer = await _json_object(request)
        return await _respond(lambda: session.undo(answer))

    async def picture(request: Request) -> Response:
        shown = await run_in_threadpool(session.picture, request.path_params["name"])
        if shown is None:
            return _error("this picture is gone or was rendered again", 410)
        return Response(shown.data, media_type=shown.media_type)

    async def tally(request: Request) -> Response:
        rater = request.query_params.get("rater") or session.rater or ""
        return await _respond(lambda: {"rows": session.tally(rater)})

    return Guard(
        Starlette(
            routes=[
                *(Route(f"/{name}", _file(*file), methods=["GET"]) for name, file in _PAGE.items()),
                Route("/state", state, methods=["GET"]),
                Route("/tally", tally, methods=["GET"]),
                Route("/picture/{name}", picture, methods=["GET"]),
                Route("/vote", vote, methods=["POST"]),
                Route("/undo", undo, methods=["POST"]),
            ]
        ),
        session.token,
        port,
    )


def _file(name: str, kind: str) -> Callable[[Request], Response]:
    data = (files("bench.voting") / "page" / name).read_bytes()

    def answer(_: Request) -> Response:
        return Response(data, media_type=kind)

    return answer


async def _json_object(request: Request) -> Mapping[str, Any]:
    """The JSON object in a request's body; {} for anything else, which ``session`` refuses."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BYTES:
            return {}
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


async def _respond(work: Callable[[], dict[str, Any]]) -> Response:
    """200 with what ``work`` returns; 422 for an answer that can never be stored, 503 for one that may be on another try."""
    try:
        return JSONResponse(await run_in_threadpool(work))
    except RefusedError as error:
        return _error(str(error), 422)
    except BenchError as error:
        return _error(str(error), 503)


def _error(message: str, code: int) -> Response:
    return JSONResponse({"error": message}, code)
