"""The BFL provider against a real server on loopback that speaks its tasks, polls and expiring links."""

from __future__ import annotations

import asyncio
import base64
import io
import itertools
import json
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image
from support.scripted import running

from bench.config import presets
from bench.errors import BenchError, ConfigError, MissingKeyError, ProviderError
from bench.types import Prompt, Rendered, Timing

KEY = "bfl-secret-of-this-test"
PROMPT = Prompt("p", "a red square")


def png(colour: str = "red") -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (16, 16), colour).save(data, "PNG")
    return data.getvalue()


@dataclass
class Reply:
    """One answer: ``body`` as JSON unless it is bytes; ``cut`` closes the connection instead."""

    body: Any = None
    code: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    cut: bool = False


preset = cache(presets.provider)


def limits(in_flight: int) -> dict[str, Any]:
    return {"_target_": "bench.providers.hosted.base.Limits", "in_flight": in_flight}


def state(status: str, **more: Any) -> Reply:
    return Reply({"id": "task", "status": status, "result": None, "progress": None, "details": None, "preview": None, **more})


class Server(ThreadingHTTPServer):
    """Scripted: ``polls`` are the answers to the polls of each task in turn, the last for good; None is "Ready"."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.posts: list[dict[str, Any]] = []
        self.gets: list[tuple[float, str, str | None]] = []
        self.polls: list[Reply | None] = [None]
        self.links: list[Reply] = [Reply(png())]
        self.submit: Callable[[dict[str, Any]], Reply] = self.accept
        self.asked: dict[str, int] = {}
        self.begun = 0.0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def accept(self, told: dict[str, Any]) -> Reply:
        name = f"task-{len(self.posts)}-{told['prompt'].split()[-1]}"
        where = f"{self.url}/eu/v1/get_result?id={name}"
        return Reply({"id": name, "polling_url": where, "cost": 4.0, "input_mp": 0.0, "output_mp": 1.05})

    def polled(self, name: str) -> Reply:
        with self.lock:
            turn = self.asked[name] = self.asked.get(name, 0) + 1
        reply = self.polls[min(turn, len(self.polls)) - 1]
        return reply or state("Ready", result={"sample": f"{self.url}/delivery/{turn}/{name.rsplit('-', maxsplit=1)[-1]}?se=1&sig=signed"})

    def delivered(self, path: str) -> Reply:
        turn, word = path.split("/")[2:]
        if word in {"red", "lime", "blue", "gold", "navy", "teal"}:
            return Reply(png(word))
        return self.links[min(int(turn), len(self.links)) - 1]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.begun = time.perf_counter()
            self.server.posts.append({"path": self.path, "key": self.headers["x-key"], "told": told})
        self.reply(self.server.submit(told))

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        with self.server.lock:
            self.server.gets.append((time.perf_counter(), parts.path, self.headers["x-key"]))
        if parts.path.startswith("/delivery/"):
            self.reply(self.server.delivered(parts.path))
        else:
            self.reply(self.server.polled(parse_qs(parts.query)["id"][0]))

    def reply(self, reply: Reply) -> None:
        if reply.cut:
            self.close_connection = True
            return
        data = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        self.send_response(reply.code)
        for name, value in {"Content-Length": str(len(data)), **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None: ...


class Slip:
    """The task as the dispatcher keeps it, and how often the server had been polled when it was told."""

    def __init__(self, server: Server, submission: dict[str, Any] | None = None) -> None:
        self.submission: Mapping[str, Any] | None = submission
        self.server, self.polls_before = server, -1

    async def turn(self) -> None:
        """There is always a place."""

    def submitted(self, facts: Mapping[str, str | float | None]) -> None:
        self.submission, self.polls_before = dict(facts), len(self.server.gets)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("BFL_API_KEY", KEY)
    http = Server()
    with running(http):
        yield http


def at(server: Server, name: str = "flux-pro", **changes: Any) -> Any:
    return replace(preset(name), base_url=server.url, **{"poll_s": 0.001, **changes})


def ask(server: Server, *slips: Slip, prompt: Prompt = PROMPT, seed: int | None = 7, **changes: Any) -> Rendered:
    """What comes of the attempt with the last slip; those before it are expected to fail."""
    provider = at(server, **changes)

    async def go() -> Rendered:
        client = await provider.connect(lambda _: None)
        request = provider.request(prompt, seed)
        try:
            for slip in slips[:-1]:
                with pytest.raises(ProviderError):
                    await client.make(request, slip)
            return await client.make(request, slips[-1] if slips else Slip(server))
        finally:
            await client.close()

    return asyncio.run(go())


def failing(server: Server, slip: Slip | None = None, **changes: Any) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        ask(server, slip or Slip(server), **changes)
    return caught.value


def test_a_picture_through_all_states(server: Server) -> None:
    server.polls = [state("Pending"), state("Reasoning"), state("Generating"), None]
    slip = Slip(server)
    rendered = ask(server, slip)
    assert (rendered.status, rendered.image) == ("ok", png())
    assert rendered.cost_usd == pytest.approx(0.04)
    (post,) = server.posts
    assert post == {
        "path": "/v1/flux-pro-1.1",
        "key": KEY,
        "told": {
            "prompt": "a red square", "seed": 7, "width": 1024, "height": 1024,
            "safety_tolerance": 2, "output_format": "png", "prompt_upsampling": False,
        },
    }  # fmt: skip
    assert [(path, key) for _, path, key in server.gets] == [("/eu/v1/get_result", KEY)] * 4 + [("/delivery/4/square", None)]
    where = f"{server.url}/eu/v1/get_result?id=task-1-square"
    assert slip.submission == {"id": "task-1-square", "polling_url": where, "cost_usd": pytest.approx(0.04)}
    assert slip.polls_before == 0
    timing = rendered.timing
    assert timing.queue_s + timing.generate_s + timing.download_s == pytest.approx(timing.latency_s)
    assert min(timing.queue_s, timing.generate_s, timing.download_s) > 0


def test_waiting_is_told_from_work_only_where_the_server_does(server: Server) -> None:
    server.polls = [state("Pending"), None]
    timing = ask(server).timing
    assert math.isnan(timing.queue_s)
    assert timing.generate_s + timing.download_s == pytest.approx(timing.latency_s)


def test_a_task_without_a_price_has_an_unknown_one(server: Server) -> None:
    server.submit = lambda told: Reply({**server.accept(told).body, "cost": None})
    slip = Slip(server)
    assert math.isnan(ask(server, slip).cost_usd)
    assert slip.submission is not None
    assert slip.submission["cost_usd"] is None


@pytest.mark.parametrize(
    ("status", "details", "refusal", "categories"),
    [
        ("Request Moderated", {"Moderation Reasons": ["Violence", "Gore"]}, "refused", ["Violence", "Gore"]),
        ("Content Moderated", {"Moderation Reasons": ["Sexual Content"]}, "filtered", ["Sexual Content"]),
        ("Content Moderated", None, "filtered", []),
        ("Request Moderated", {"Moderation Reasons": "Derivative"}, "refused", ["Derivative"]),
    ],
)
def test_moderation_is_a_result_with_its_reasons(server: Server, status: str, details: Any, refusal: str, categories: list[str]) -> None:
    server.polls = [state("Pending"), state(status, details=details)]
    rendered = ask(server)
    assert (rendered.status, rendered.image) == ("refused", None)
    assert rendered.detail == {"refusal": refusal, "code": status, "categories": categories}
    assert rendered.error is not None
    assert rendered.error.startswith(status)
    assert rendered.timing.latency_s > 0
    assert math.isnan(rendered.cost_usd)


@pytest.mark.parametrize(
    "where",
    [
        "https://api.evil.example/v1/get_result?id=1", "https://bfl.ai.evil.example/x", "https://notbfl.ai/x", "http://api.bfl.ai/x",
        "https://api.bfl.ai@evil.example/x", "https://user:word@api.bfl.ai/x", "ftp://127.0.0.1/x", "//evil.example/x", "", "https://[::1",
    ],
)  # fmt: skip
def test_the_key_is_not_sent_to_a_foreign_host(server: Server, where: str) -> None:
    server.submit = lambda told: Reply({**server.accept(told).body, "polling_url": where})
    slip = Slip(server)
    error = failing(server, slip)
    assert (error.status, error.transient, error.keep_task) == ("provider_error", False, False)
    assert slip.submission is None
    assert server.gets == []
    submission = {"id": "1", "polling_url": where, "cost_usd": 0.04}
    assert "the key does not go there" in str(failing(server, Slip(server, submission)))
    assert len(server.posts) == 1


def test_regional_hosts_of_the_vendor_are_asked(server: Server) -> None:
    provider = presets.provider("flux-pro")

    async def trusted(address: str) -> str:
        client = await provider.connect(lambda _: None)
        try:
            return str(client._trusted(address))
        finally:
            await client.close()

    for good in ("https://api.eu2.bfl.ai/v1/get_result?id=1", "https://api.us1.bfl.ai/v1/get_result?id=1"):
        assert asyncio.run(trusted(good)) == good
    with pytest.raises(ProviderError):
        asyncio.run(trusted(f"{server.url}/v1/get_result?id=1"))


@pytest.mark.parametrize("lost", [Reply({"detail": "Not Found"}, 404), state("Task not found")])
def test_a_lost_task_is_sent_again(server: Server, lost: Reply) -> None:
    server.polls = [state("Pending"), lost]
    error = failing(server)
    assert (error.status, error.transient, error.keep_task, error.code) == ("provider_error", True, False, "Task not found")
    assert math.isnan(error.usd)


def test_a_failed_task_is_sent_again(server: Server) -> None:
    server.polls = [state("Error", details={"error": f"out of memory at https://x.example/a?sig=abc {KEY}"})]
    error = failing(server)
    assert (error.status, error.transient, error.keep_task, error.code) == ("provider_error", True, False, "Error")
    assert "out of memory" in str(error)
    assert "sig" not in str(error)
    assert KEY not in str(error)


TROUBLE = [
    Reply({"detail": "slow down"}, 429), Reply({}, 503), Reply(b"<html>", 502), Reply(cut=True), Reply(b"[" * 10**5), state("Dreaming"),
]  # fmt: skip


def test_trouble_while_polling_submits_nothing_again(server: Server) -> None:
    server.polls = [state("Pending"), *TROUBLE[:4], state("Generating"), *TROUBLE[4:], None]
    assert ask(server).status == "ok"
    assert len(server.posts) == 1


@pytest.mark.parametrize("trouble", TROUBLE)
def test_lasting_trouble_while_polling_keeps_the_task(server: Server, trouble: Reply) -> None:
    server.polls = [state("Pending"), trouble]
    slip = Slip(server)
    error = failing(server, slip)
    assert (error.transient, error.keep_task) == (True, True)
    assert math.isnan(error.usd)
    assert len(server.gets) >= 7
    assert len(server.posts) == 1
    server.polls = [None]
    rendered = ask(server, slip)
    assert (rendered.status, rendered.image) == ("ok", png())
    assert len(server.posts) == 1


def test_a_poll_waits_as_long_as_the_server_asks(server: Server) -> None:
    server.polls = [Reply({}, 429, {"Retry-After": "0.15"}), None]
    assert ask(server).status == "ok"
    first, second = (when for when, path, _ in server.gets if "get_result" in path)
    assert second - first >= 0.14
    server.asked.clear()
    server.polls = [Reply({}, 429, {"Retry-After": "9999"})]
    error = failing(server)
    assert (error.status, error.retry_after, error.keep_task) == ("rate_limited", 9999, True)


@pytest.mark.slow
def test_the_first_poll_waits_and_the_interval_grows_fourfold(server: Server) -> None:
    server.polls = [*[state("Pending")] * 5, None]
    ask(server, poll_s=0.05)
    polls = [server.begun, *(when for when, path, _ in server.gets if "get_result" in path)]
    gaps = [later - earlier for earlier, later in itertools.pairwise(polls)]
    assert gaps[0] >= 0.049
    assert 0.199 <= gaps[-1] < 0.6


def test_what_a_prompt_wanted_is_recorded_and_not_sent(server: Server) -> None:
    ask(server, size="1440x256")
    assert server.posts[0]["told"].keys() == {
        "prompt", "seed", "width", "height", "safety_tolerance", "output_format", "prompt_upsampling",
    }  # fmt: skip


def test_an_expired_link_is_replaced_by_a_fresh_one(server: Server) -> None:
    server.links = [Reply(b"<Error/>", 403), Reply(png())]
    slip = Slip(server)
    rendered = ask(server, slip, slip)
    assert (rendered.status, rendered.image) == ("ok", png())
    assert rendered.timing == Timing() or math.isnan(rendered.timing.latency_s)
    assert rendered.detail["no_latency"]
    assert rendered.cost_usd == pytest.approx(0.04)
    assert len(server.posts) == 1


def test_a_link_that_stays_expired_gives_the_task_up(server: Server) -> None:
    server.links = [Reply(b"<Error/>", 403)]
    slip = Slip(server)
    provider = at(server)

    async def go() -> list[ProviderError]:
        client, found = await provider.connect(lambda _: None), []
        for _ in range(2):
            with pytest.raises(ProviderError) as caught:
                await client.make(provider.request(PROMPT, 0), slip)
            found.append(caught.value)
        await client.close()
        return found

    first, second = asyncio.run(go())
    assert (first.status, first.transient, first.keep_task) == ("expired_url", True, True)
    assert (second.status, second.transient, second.keep_task) == ("expired_url", True, False)
    assert "signed" not in f"{first}{second}"
    assert len(server.posts) == 1


def test_a_ready_task_without_a_link_names_what_came(server: Server) -> None:
    server.polls = [state("Ready", result={"images": ["x"]})]
    error = failing(server)
    assert (error.status, error.transient, error.keep_task) == ("provider_error", False, False)
    assert "result.images" in str(error)


def test_a_picture_inside_its_link(server: Server) -> None:
    server.polls = [state("Ready", result={"sample": f"data:image/png;base64,{base64.b64encode(png()).decode()}"})]
    assert ask(server).image == png()


def test_a_known_task_is_fetched_and_never_submitted(server: Server) -> None:
    server.polls = [state("Generating"), None]
    submission = {"id": "task-9-square", "polling_url": f"{server.url}/eu/v1/get_result?id=task-9-square", "cost_usd": None}
    rendered = ask(server, Slip(server, submission))
    assert (rendered.status, rendered.image) == ("ok", png())
    assert math.isnan(rendered.timing.latency_s)
    assert math.isnan(rendered.timing.queue_s)
    assert math.isnan(rendered.cost_usd)
    assert "no_latency" in rendered.detail
    assert server.posts == []


def test_a_time_out_from_outside_leaves_the_task_known(server: Server) -> None:
    server.polls = [state("Pending")]
    slip, provider = Slip(server), at(server)

    async def go() -> None:
        client = await provider.connect(lambda _: None)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await client.make(provider.request(PROMPT, 0), slip)
        await client.close()

    asyncio.run(go())
    assert slip.submission is not None
    assert slip.submission["id"] == "task-1-square"


@pytest.mark.parametrize(
    ("code", "words"),
    [(401, "BFL_API_KEY"), (402, "no credits"), (403, "BFL_API_KEY"), (404, "no model 'flux-pro-1.1'"), (307, "redirect")],
)
def test_what_no_other_prompt_would_change_ends_the_run(server: Server, code: int, words: str) -> None:
    server.submit = lambda _: Reply({"detail": f"no, {KEY}"}, code, {"Location": f"{server.url}/elsewhere"})
    with pytest.raises(BenchError, match=words) as caught:
        ask(server)
    assert not isinstance(caught.value, ProviderError)
    assert KEY not in str(caught.value)
    assert len(server.posts) == 1


@pytest.mark.parametrize(
    ("code", "status", "transient", "wait"),
    [(400, "provider_error", False, None), (422, "provider_error", False, None), (429, "rate_limited", True, 3.0),
     (500, "provider_error", True, 3.0), (503, "provider_error", True, 3.0)],
)  # fmt: skip
def test_a_declined_submission_costs_nothing(server: Server, code: int, status: str, transient: bool, wait: float | None) -> None:  # noqa: FBT001
    server.submit = lambda _: Reply({"detail": [{"loc": ["body", "width"], "msg": f"too wide {KEY}"}]}, code, {"Retry-After": "3"})
    slip = Slip(server)
    error = failing(server, slip)
    assert (error.status, error.transient, error.retry_after, error.usd) == (status, transient, wait, 0.0)
    assert "too wide" in str(error)
    assert KEY not in str(error)
    assert slip.submission is None


@pytest.mark.parametrize(
    ("reply", "again"), [(Reply(b"<html>"), True), (Reply(cut=True), True), (Reply({"id": 5}), False), (Reply({"id": "x"}), False)]
)
def test_a_submission_without_a_task_may_have_been_paid(server: Server, reply: Reply, again: bool) -> None:  # noqa: FBT001
    server.submit = lambda _: reply
    error = failing(server)
    assert error.transient == again
    assert math.isnan(error.usd)
    assert not error.keep_task


def test_a_key_in_a_tasks_address_is_not_stored(server: Server) -> None:
    server.submit = lambda told: Reply({**server.accept(told).body, "polling_url": f"{server.url}/x?key={KEY}"})
    slip = Slip(server)
    assert KEY not in str(failing(server, slip))
    assert slip.submission is None


def test_an_echoed_key_reaches_no_text(server: Server) -> None:
    server.polls = [state("Request Moderated", details={"Moderation Reasons": [f"Key {KEY}"]})]
    rendered = ask(server)
    assert KEY not in f"{rendered.error}{rendered.detail}"
    server.polls = [state(f"Odd {KEY}")]
    server.asked.clear()
    error = failing(server)
    assert KEY not in f"{error}{error.code}"


def test_nobody_there(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    monkeypatch.setenv("BFL_API_KEY", KEY)
    provider = presets.provider("flux-pro", base_url="http://127.0.0.1:9")

    async def go() -> None:
        client = await provider.connect(lambda _: None)
        try:
            await client.make(provider.request(PROMPT, 0), Slip(server))
        finally:
            await client.close()

    with pytest.raises(ProviderError) as caught:
        asyncio.run(go())
    assert (caught.value.status, caught.value.transient, caught.value.usd) == ("provider_error", True, 0.0)


@pytest.mark.slow
def test_many_at_once_each_get_their_own_picture(server: Server) -> None:
    server.polls = [state("Pending"), state("Generating"), None]
    provider = at(server)
    colours = ["red", "lime", "blue", "gold", "navy", "teal"] * 4

    async def go() -> list[Rendered]:
        client = await provider.connect(lambda _: None)
        requests = [provider.request(Prompt(str(i), f"number {i} in {colour}"), 0) for i, colour in enumerate(colours)]
        try:
            return await asyncio.gather(*(client.make(request, Slip(server)) for request in requests))
        finally:
            await client.close()

    assert [rendered.image for rendered in asyncio.run(go())] == [png(colour) for colour in colours]
    assert len(server.posts) == len(colours)


@pytest.mark.parametrize(
    ("name", "aspect", "size", "more"),
    [
        ("flux-pro", "1:1", (1024, 1024), {"prompt_upsampling": False}),
        ("flux-pro", "16:9", (1376, 768), {"prompt_upsampling": False}),
        ("flux-pro", "21:9", (1440, 608), {"prompt_upsampling": False}),
        ("flux-pro-ultra", "1:1", (0, 0), {"aspect_ratio": "1:1", "prompt_upsampling": False}),
        ("flux-pro-ultra", "9:21", (0, 0), {"aspect_ratio": "9:21", "prompt_upsampling": False}),
        ("flux2-pro", "16:9", (1360, 768), {"disable_pup": True}),
        ("flux2-max", "9:16", (768, 1360), {"disable_pup": True}),
        ("flux2-klein-4b-api", "3:2", (1248, 832), {}),
    ],
)
def test_shapes_and_rewriting(name: str, aspect: str, size: tuple[int, int], more: dict[str, Any]) -> None:
    request = presets.provider(name).request(Prompt("p", "x", aspect=aspect), 3)
    always = {"endpoint": "bfl", "safety_tolerance": 2, "output_format": "png", "prompt_rewriting": "off"}
    settings = dict(request.settings)
    differs = settings.pop("aspect", None)
    assert settings == {**always, **more}
    assert (request.width, request.height, request.seed, request.negative_prompt) == (*size, 3, None)
    assert differs in {None, aspect}


def test_a_shape_that_differs_from_the_wish_says_so() -> None:
    wide = presets.provider("flux-pro", size="1440x256").request(Prompt("p", "x"), 0)
    assert wide.settings["aspect"] == "1:1"
    assert "aspect" not in presets.provider("flux2-pro").request(Prompt("p", "x", aspect="16:9"), 0).settings


@pytest.mark.parametrize("aspect", ["1:1", "16:9", "3:2", "21:9", "9:21", "7:1", "1000:999"])
def test_flux_2_never_passes_four_megapixels(aspect: str) -> None:
    request = presets.provider("flux2-pro", size="2048x2048").request(Prompt("p", "x", aspect=aspect), 0)
    assert 3.8 * 2**20 < request.width * request.height <= 4 * 2**20
    assert request.width % 16 == request.height % 16 == 0


@pytest.mark.parametrize(("name", "aspect"), [("flux-pro", "6:1"), ("flux-pro-ultra", "3:1"), ("flux-pro-ultra", "1:3"), ("flux-pro", "x")])
def test_an_impossible_shape_is_refused_before_anything_is_sent(name: str, aspect: str) -> None:
    with pytest.raises(ConfigError):
        presets.provider(name).request(Prompt("p", "x", aspect=aspect), 0)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("flux-pro", {"size": "1000x1000"}), ("flux-pro", {"size": "1536x1024"}), ("flux-pro", {"size": None}),
        ("flux-pro-ultra", {"size": "1024x1024"}), ("flux2-pro", {"size": "4096x2048"}), ("flux2-pro", {"size": "1000x1000"}),
        ("flux-pro", {"safety_tolerance": 6}), ("flux-pro", {"safety_tolerance": True}), ("flux-pro", {"output_format": "gif"}),
        ("flux-pro", {"poll_s": 0}), ("flux-pro", {"extra": {"seed": 1}}), ("flux2-pro", {"extra": {"disable_pup": False}}),
        ("flux-pro", {"base_url": "http://example.com"}),
    ],
)  # fmt: skip
def test_bad_values_are_refused(name: str, changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        presets.provider(name, **changes)


def test_at_most_24_tasks_at_once_at_bfl_itself() -> None:
    assert presets.provider("flux-pro", limits=limits(24)).limits.in_flight == 24
    with pytest.raises(ConfigError, match="at most 24"):
        presets.provider("flux-pro", limits=limits(25))
    assert presets.provider("flux-pro", limits=limits(100), base_url="https://127.0.0.1:1").limits.in_flight == 100


def test_a_missing_key_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BFL_API_KEY", raising=False)
    with pytest.raises(MissingKeyError, match="export BFL_API_KEY"):
        presets.provider("flux-pro").check()


def test_further_fields_are_sent_and_recorded(server: Server) -> None:
    ask(server, name="flux2-pro", model="flux-2-flex", seed=None, extra={"steps": 20, "guidance": 4.5})
    told = server.posts[0]["told"]
    assert (told["steps"], told["guidance"], told["prompt_upsampling"]) == (20, 4.5, False)
    assert "seed" not in told
    assert "disable_pup" not in told
