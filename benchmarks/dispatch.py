"""How near a hosted run comes to what its server allows: seconds against prompts · answer time / places in flight.

``python benchmarks/dispatch.py [--prompts 400] [--delay 0.2] [--in-flight 16] [--rounds 3] [--side 64]``

The tests' fault server answers in a process of its own, as a vendor's would. Rounds alternate between bare sockets (what
server and machine allow), a bare loop over the SDK (what it costs), the dispatcher that stores nothing, and a whole run
with ledger, pictures and records on disk. Start-up is what a run of one wave (a prompt a place in flight) costs beyond its
one answer time: imports, connections, the first burst, the files of a run. It is printed beside the ratios and is no part
of them; a fresh process, which imports everything as well, is timed first.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import engine
from bench.config import presets
from bench.core.progress import Progress
from bench.engine.hosted.dispatch import Dispatch
from bench.engine.plan import jobs_for
from bench.engine.render import render
from bench.pricing import tariff
from bench.pricing.budget import Budget
from bench.store.attempts import Ledger
from bench.types import Prompt, PromptSet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bench.types import Job

BAR = 1.05
TESTS = Path(__file__).resolve().parent.parent / "tests"


class Forgetful:
    """A run that keeps no attempts."""

    def attempts(self) -> list[dict[str, Any]]:
        """None."""
        return []

    def save_pending_image(self, number: int, data: bytes) -> None:
        """Nothing."""

    def delete_pending_image(self, number: int) -> None:
        """Nothing."""

    def add_attempt(self, line: Mapping[str, Any], *, flush: bool = False) -> None:
        """Nothing."""


def plan(port: int, prompts: int, in_flight: int) -> tuple[Any, PromptSet, list[Job]]:
    """The provider, its prompts and the jobs."""
    os.environ["OPENAI_API_KEY"] = "of-the-fault-server"
    limits = {"_target_": "bench.providers.hosted.base.Limits", "in_flight": in_flight}
    provider = presets.provider("gpt-image", base_url=f"http://127.0.0.1:{port}/v1", limits=limits)
    asked = PromptSet("many", "1", "en", "none", "here", tuple(Prompt(f"p{i}", f"picture {i}") for i in range(prompts)))
    return provider, asked, jobs_for(provider, asked.prompts, [None])


async def sockets(port: int, jobs: Sequence[Job], workers: int) -> None:
    """Requests as bytes, on connections that stay open."""
    waiting = iter(jobs)

    async def work() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for job in waiting:
            body = json.dumps({"model": job.request.model, "prompt": job.request.prompt})
            head = f"POST /v1/images/generations HTTP/1.1\r\nAuthorization: Bearer key\r\nHost: here\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write((head + body).encode())
            answer = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(answer.lower().partition(b"content-length:")[2].split()[0]))
        writer.close()

    await asyncio.gather(*(work() for _ in range(workers)))


async def bare(provider: Any, jobs: Sequence[Job]) -> None:  # noqa: ANN401 - a HostedProvider
    """The SDK and nothing else."""
    import openai  # noqa: PLC0415 - as in the bench

    waiting = iter(jobs)

    async with openai.AsyncOpenAI(api_key=provider.key, base_url=provider.address, max_retries=0) as sdk:

        async def work() -> None:
            for job in waiting:
                answer = await sdk.images.generate(**provider.arguments(job.request))
                assert answer.data

        await asyncio.gather(*(work() for _ in range(provider.limits.in_flight)))


async def unsaved(provider: Any, jobs: Sequence[Job]) -> None:  # noqa: ANN401 - a HostedProvider
    """The dispatcher without a disk."""
    client = await provider.connect(lambda _: None)
    made = []
    try:
        prices = tariff.tariff_for(None, provider.model, 0.01)
        ledger = Ledger(Forgetful())  # type: ignore[arg-type]
        await Dispatch(provider, client, ledger, prices, max_usd=None, save=lambda job, _: made.append(job)).run(jobs)
    finally:
        await client.close()
    assert len(made) == len(jobs)


def stored(provider: Any, asked: PromptSet, jobs: Sequence[Job], folder: Path) -> None:  # noqa: ANN401 - a HostedProvider
    """All of it."""
    counts = render(engine.plan(provider, asked, limit=len(jobs), budget=Budget(price=0.01), results=folder), Progress())
    assert counts.rendered == len(jobs)


def measure(port: int, args: argparse.Namespace, folder: Path) -> None:
    """Print the seconds of every way, their ratio to the ideal and the bar."""
    provider, asked, jobs = plan(port, args.prompts, args.in_flight)
    wave = jobs[: args.in_flight]
    ideal = (args.prompts / args.in_flight - 1) * args.delay
    ways = {
        "sockets": lambda some, _: asyncio.run(sockets(port, some, args.in_flight)),
        "bare SDK": lambda some, _: asyncio.run(bare(provider, some)),
        "unsaved": lambda some, _: asyncio.run(unsaved(provider, some)),
        "stored": lambda some, turn: stored(provider, asked, some, folder / f"{turn} {len(some)}"),
    }
    ratios: dict[str, list[float]] = {way: [] for way in ways}
    starts: dict[str, list[float]] = {way: [] for way in ways}
    for turn in range(args.rounds):
        for way, call in ways.items():
            if not turn:
                call(wave, -1)  # what a process loads once is in the fresh one's start-up
            first, whole = seconds(call, wave, turn), seconds(call, jobs, turn)
            ratios[way].append((whole - first) / ideal)
            starts[way].append(first - args.delay)
    print(
        f"{args.prompts} prompts, {args.delay * 1000:.0f} ms answers, {args.in_flight} in flight: ideal {ideal + args.delay:.2f} s, "
        f"{ideal:.2f} s after the first wave"
    )
    for way, found in ratios.items():
        median = statistics.median(found)
        verdict = f", bar {BAR}: {'kept' if median <= BAR else 'MISSED'}" if way == "stored" else ""
        start = statistics.median(starts[way])
        print(f"{way:8} {median:.3f} × ideal ({min(found):.3f} to {max(found):.3f}), start-up {start:.2f} s{verdict}")


def seconds(call: Callable[[Sequence[Job], int], object], jobs: Sequence[Job], turn: int) -> float:
    """How long a way takes for these jobs."""
    began = time.perf_counter()
    call(jobs, turn)
    return time.perf_counter() - began


def main() -> None:
    """Start the server, time a fresh process that makes one picture, then the ways in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=400)
    parser.add_argument("--delay", type=float, default=0.2)
    parser.add_argument("--in-flight", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--side", type=int, default=64, help="pixels of the pictures, a multiple of 16")
    parser.add_argument("--first", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if args.first:
            stored(*plan(args.first, 1, args.in_flight), Path(folder))
            return
        serve = [sys.executable, "-m", "support.faultserver", "--delay", str(args.delay), "--side", str(args.side)]
        with subprocess.Popen(serve, cwd=TESTS, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout
            port = int(server.stdout.readline())
            try:
                began = time.perf_counter()
                first = [sys.executable, __file__, "--first", str(port), "--delay", str(args.delay)]
                subprocess.run(first, check=True, stderr=subprocess.DEVNULL)
                print(
                    f"start-up: {time.perf_counter() - began - args.delay:.2f} s in a fresh process, one picture's {args.delay} s left out"
                )
                measure(port, args, Path(folder))
            finally:
                server.terminate()


if __name__ == "__main__":
    main()
