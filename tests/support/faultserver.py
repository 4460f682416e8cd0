"""A server of our own that draws pictures and fails on purpose, in the words of each image API.

``python tests/faultserver.py [--port 0] [--faults 0.3] [--seed 1] [--delay 0.2]`` prints its port and serves until it is
ended; ``with FaultServer(...) as server`` does the same in a thread. It speaks OpenAI, xAI, Black Forest Labs and
Stability (see faultscript.py for the faults and the shapes of their answers), remembers every request, and tells what it
saw at ``GET /log``. Every prompt has a picture of its own, ``faultscript.picture(prompt)``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from email import message_from_bytes
from itertools import count
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qs, urlsplit

from support.faultscript import LINKED, Answer, Script, broken, json_answer, made, number, picture, problem, said, withheld

if TYPE_CHECKING:
    from collections.abc import Mapping

_HEAD = 64 * 1024
_TASKS_AT_ONCE = 24
_FIELDS = {
    "openai": "background model moderation n output_compression output_format partial_images prompt quality size stream user",
    "dalle": "model n prompt quality response_format size style user",
    "xai": "aspect_ratio model n prompt quality resolution response_format user",
}


@dataclass
class Seen:
    """A request as the server saw it; times are ``time.monotonic``, ``ended`` None while it is under way."""

    at: float
    kind: str
    prompt: str
    turn: int
    outcome: str
    told: dict[str, Any] = field(default_factory=dict)
    ended: float | None = None
    delivered: bool = False


@dataclass
class Request:
    """What came over the wire. ``key`` is never written anywhere but into answers, when ``echo`` asks for it."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def key(self) -> str:
        return self.headers.get("x-key") or self.headers.get("authorization", "").removeprefix("Bearer ").strip()


@dataclass
class Work:
    """A task or link: ``asked`` counts polls of a task."""

    prompt: str
    outcome: str
    ready: float
    asked: int = 0
    links: int = 0
    done: bool = False


class FaultServer:
    """See the module's text.

    Args:
        faults: share of answers that are faults, where the prompt itself says none.
        seed: of those faults; they depend on it, the prompt's text and how often it was asked, and on nothing else.
        delay: seconds until a picture is there.
        slow: seconds that "slow" takes instead.
        key: the only key that is accepted; None accepts any.
        echo: repeat the key wherever a careless server could.
        side: width and height of pictures.
    """

    def __init__(
        self, *, faults: float = 0.0, seed: int = 0, delay: float = 0.0, slow: float = 30.0, key: str | None = None,
        echo: bool = False, side: int = 16, port: int = 0,
    ) -> None:  # fmt: skip
        self.script, self.delay, self.slow, self.side = Script(faults, seed), delay, slow, side
        self._key, self._echo, self.port = key, echo, port
        self.log: list[Seen] = []
        self.most_in_flight = self._in_flight = 0
        self._turns: Counter[str] = Counter()
        self._names = count(1)
        self._tasks: dict[str, Work] = {}
        self._links: dict[str, Work] = {}

    # -- running -----------------------------------------------------------------------------------------------------

    async def serve(self, ready: Any, until: asyncio.Event) -> None:
        """Serve until ``until`` is set; ``ready`` is called once the port is known."""
        server = await asyncio.start_server(self._converse, "127.0.0.1", self.port, limit=_HEAD, backlog=512)
        self.port = server.sockets[0].getsockname()[1]
        ready()
        async with server:
            await until.wait()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()

    def __enter__(self) -> Self:
        started = threading.Event()
        self._until = asyncio.Event()

        async def main() -> None:
            self._loop = asyncio.get_running_loop()
            await self.serve(started.set, self._until)

        self._thread = threading.Thread(target=asyncio.run, args=(main(),), daemon=True)
        self._thread.start()
        assert started.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._until.set)
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def report(self) -> dict[str, Any]:
        """Every request, the pictures made and handed over by prompt, and the most requests at once."""
        asked = [seen for seen in self.log if seen.kind in {"generate", "submit"}]
        return {
            "requests": [asdict(seen) for seen in self.log],
            "asked": Counter(seen.prompt for seen in asked),
            "delivered": Counter(s.prompt for s in self.log if s.kind in {"generate", "download"} and s.delivered and s.outcome == "ok"),
            "most_in_flight": self.most_in_flight,
        }

    # -- HTTP --------------------------------------------------------------------------------------------------------

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while not reader.at_eof():
                request = await _read(reader)
                seen = Seen(time.monotonic(), "", "", 0, "ok")
                answer = await self._answer(request, seen)
                gone = reader.at_eof() or writer.is_closing()
                keep = await answer.send(writer)
                seen.ended, seen.delivered = time.monotonic(), keep and not gone
                if not keep:
                    break
        writer.close()

    async def _answer(self, request: Request, seen: Seen) -> Answer:
        if request.path == "/log":
            return json_answer(200, self.report())
        self.log.append(seen)
        echo = request.key if self._echo else ""
        path = request.path.removeprefix("/v1")
        vendor = "bfl" if "x-key" in request.headers else "stability" if path.startswith("/v2beta/") else "openai"
        if path.startswith("/delivery/"):
            answer = self._delivery(request, seen)
        elif not request.key or self._key not in {None, request.key}:
            seen.kind, seen.outcome = "generate", "401"
            answer = problem("xai" if b'"grok' in request.body else vendor, "401", echo)
        elif path == "/get_result":
            answer = self._poll(request, seen, echo)
        elif path.startswith("/flux-"):
            answer = self._submit(json.loads(request.body), request, seen, echo)
        elif path == "/images/generations" or vendor == "stability":
            told = _form(request) if vendor == "stability" else json.loads(request.body)
            answer = await self._generate("xai" if str(told.get("model")).startswith("grok") else vendor, told, request, seen, echo=echo)
        else:
            seen.outcome = "404"
            answer = problem(vendor, "404", echo)
        return answer

    # -- the vendors -------------------------------------------------------------------------------------------------

    def _turn(self, kind: str, told: dict[str, Any], seen: Seen) -> str:
        """Note a request for a picture; the outcome that the script has for it."""
        prompt = str(told.get("prompt", ""))
        self._turns[prompt] += 1
        seen.kind, seen.prompt, seen.turn, seen.told = kind, prompt, self._turns[prompt], told
        seen.outcome = self.script.outcome(prompt, seen.turn, kind)
        return seen.outcome

    async def _generate(self, vendor: str, told: dict[str, Any], request: Request, seen: Seen, *, echo: str) -> Answer:
        """OpenAI, xAI and Stability: one request, one picture."""
        outcome = self._turn("generate", told, seen)
        if odd := _odd(vendor, told):
            seen.outcome = "400"
            return problem(vendor, "400", echo, f"unknown parameter: {', '.join(odd)}")
        self._in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self._in_flight)
        try:
            await asyncio.sleep(self.slow if outcome == "slow" else self.delay)
        finally:
            self._in_flight -= 1
        answer = broken(vendor, outcome, echo) or withheld(vendor, outcome, echo)
        if answer is not None:
            return answer
        data = said(outcome, picture(seen.prompt, self.side))
        asked = told.get("response_format", "b64_json" if str(told.get("model", "")).startswith("gpt-") else "url")
        link = None
        if vendor != "stability" and (outcome in LINKED or "[url]" in seen.prompt or asked == "url"):
            link = self._link(Work(seen.prompt, outcome if outcome in LINKED else "ok", 0.0), request)
        accept = request.headers.get("accept", "")
        return made(vendor, seen.prompt, told, data=data, link=link, outcome=outcome, accept=accept, echo=echo)

    def _submit(self, told: dict[str, Any], request: Request, seen: Seen, echo: str) -> Answer:
        """Black Forest Labs: a task."""
        outcome = self._turn("submit", told, seen)
        answer = broken("bfl", outcome, echo)
        if answer is not None:
            return answer
        now = time.monotonic()
        open_tasks = sum(not t.done and t.ready > now for t in self._tasks.values())
        self.most_in_flight = max(self.most_in_flight, open_tasks + 1)
        if open_tasks >= _TASKS_AT_ONCE:
            seen.outcome = "429"
            return problem("bfl", "429", echo)
        name = f"task-{next(self._names)}"
        self._tasks[name] = Work(seen.prompt, outcome, now + (self.slow if outcome == "slow" else self.delay))
        seen.told["task"] = name
        return json_answer(200, {
            "id": name, "polling_url": f"http://{request.headers['host']}/v1/get_result?id={name}",
            "cost": number(seen.prompt, "cost"), "input_mp": 0.0, "output_mp": 1.0,
        })  # fmt: skip

    def _poll(self, request: Request, seen: Seen, echo: str) -> Answer:
        name = request.query.get("id", "")
        work = self._tasks.get(name)
        seen.kind, seen.told = "poll", {"task": name}
        body: dict[str, Any] = {"id": name, "status": "Task not found", "result": None, "progress": None, "details": None, "preview": None}
        if work is None or work.outcome == "lost":
            seen.outcome = "lost"
            if work:
                seen.prompt, work.done = work.prompt, True
            return json_answer(200, body)
        seen.prompt = work.prompt
        work.asked += 1
        if work.outcome == "pollfail" and work.asked <= (number(work.prompt, "pollfail", 2) or 0):
            seen.outcome = "500"
            return problem("bfl", "500", echo)
        if time.monotonic() < work.ready:
            seen.outcome = "pending"
            return json_answer(200, {**body, "status": "Generating" if work.asked > 1 else "Pending", "progress": 0.5})
        work.done = True
        if work.outcome in {"moderated", "filtered", "error"}:
            seen.outcome = work.outcome
            status = {"moderated": "Request Moderated", "filtered": "Content Moderated", "error": "Error"}[work.outcome]
            details = {"Moderation Reasons": ["Made-up Reason"]} if work.outcome != "error" else {"error": f"a GPU fell over {echo}"}
            return json_answer(200, {**body, "status": status, "details": details})
        work.links += 1
        expired = work.outcome == "expired" and work.links <= (number(work.prompt, "expired", 1) or 0)
        faulty = expired or work.outcome in {"half", "notimage", "huge", "large", "redirect"}
        link = self._link(Work(work.prompt, work.outcome if faulty else "ok", 0.0), request)
        result = {"sample": link, "prompt": work.prompt + echo, "seed": 1, "duration": self.delay}
        return json_answer(200, {**body, "status": "Ready", "result": result})

    def _link(self, work: Work, request: Request) -> str:
        name = f"{next(self._names)}.png"
        self._links[name] = work
        key = f"&key={request.key}" if self._echo else ""
        return f"http://{request.headers['host']}/delivery/{name}?se=2026-11-23T00%3A00%3A00Z&sig=not-for-logs{key}"

    def _delivery(self, request: Request, seen: Seen) -> Answer:
        work = self._links.get(request.path.removeprefix("/delivery/"))
        seen.kind = "download"
        if work is None or "sig" not in request.query:
            seen.outcome = "404"
            return Answer(404, b"no such file", "text/plain")
        seen.prompt, seen.outcome = work.prompt, work.outcome
        key = request.query.get("key", "")
        match work.outcome:
            case "expired":
                return Answer(403, f"<Error><Code>AuthenticationFailed</Code>{key}</Error>".encode(), "application/xml")
            case "redirect":
                return Answer(302, b"", "text/plain", {"Location": f"http://10.0.0.1/secret.png?sig=not-for-logs&key={key}"})
            case "large":
                return Answer(200, b"", "image/png", endless=True)
        return Answer(200, said(work.outcome, picture(work.prompt, self.side)), "image/png", half=work.outcome == "half")


async def _read(reader: asyncio.StreamReader) -> Request:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    except asyncio.LimitOverrunError as error:
        raise ConnectionError("more headers than any client of ours sends") from error
    method, target, _ = head[0].split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    parts = urlsplit(target)
    return Request(method, parts.path, {k: v[0] for k, v in parse_qs(parts.query).items()}, headers, body)


def _form(request: Request) -> dict[str, Any]:
    """The fields of a multipart form."""
    whole = message_from_bytes(b"Content-Type: " + request.headers.get("content-type", "").encode() + b"\r\n\r\n" + request.body)
    parts = whole.get_payload() if whole.is_multipart() else []
    return {str(p.get_param("name", header="content-disposition")): p.get_payload(decode=True).decode() for p in parts}  # type: ignore[union-attr]


def _odd(vendor: str, told: Mapping[str, Any]) -> list[str]:
    """Parameters that the model does not take."""
    known = _FIELDS.get("dalle" if str(told.get("model", "")).startswith("dall-e") else vendor)
    return sorted(set(told) - set(known.split())) if known else []


def main() -> None:
    """Serve until ended."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, kind, default in (("port", int, 0), ("faults", float, 0.0), ("seed", int, 0), ("delay", float, 0.2), ("slow", float, 30.0)):
        parser.add_argument(f"--{name}", type=kind, default=default)
    parser.add_argument("--side", type=int, default=16)
    parser.add_argument("--key")
    parser.add_argument("--echo", action="store_true")
    server = FaultServer(**vars(parser.parse_args()))

    async def serve() -> None:
        await server.serve(lambda: sys.stdout.write(f"{server.port}\n") and sys.stdout.flush(), asyncio.Event())

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve())


if __name__ == "__main__":
    main()
