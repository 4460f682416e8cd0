"""What the bench adds to a bare diffusers loop: the same pictures both ways, alternating in one process.

``python benchmarks/overhead.py [--model tiny-dev] [--size 128x128] [--random] [--prompts 8] [--rounds 3]``

The bare loop calls the pipeline with the prompt's text and saves a PNG. The bench renders through engine, provider and
store: records on disk after every picture, embeddings once a prompt instead of once a picture. Loading is left out.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from bench import engine, prompts
from bench.config import presets
from bench.core.progress import Progress
from bench.engine.render import render
from bench.providers.local import conditioning

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bench.providers import Session
    from bench.types import Job


@dataclass
class Loaded:
    """A provider whose session is open already, so that rounds share it."""

    provider: Any
    session: Session

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the provider has
        return getattr(self.provider, name)

    def check(self) -> None:
        """Nothing to check: it is loaded."""

    def open(self, _: Callable[[str], None]) -> Loaded:
        """Itself."""
        return self

    @property
    def facts(self) -> Any:  # noqa: ANN401 - as the session's
        """The session's facts."""
        return self.session.facts

    def render(self, requests: Sequence[Any]) -> Any:  # noqa: ANN401 - as the session's
        """The session's pictures."""
        return self.session.render(requests)

    def close(self) -> None:
        """Stay open; forget embeddings, so that every round encodes again."""
        self.session._embedded.clear()  # type: ignore[attr-defined]  # noqa: SLF001 - every round must do the same work


def bare(pipe: Any, provider: Any, jobs: Sequence[Job], folder: Path) -> float:  # noqa: ANN401 - any pipeline
    """Seconds of a plain loop over ``jobs``."""
    began = time.perf_counter()
    with torch.inference_mode():
        for i, job in enumerate(jobs):
            r = job.request
            generator = torch.Generator("cpu").manual_seed(r.seed or 0)
            arguments = {**conditioning.arguments(pipe, provider), "num_inference_steps": provider.steps}
            if provider.max_sequence_length:
                arguments["max_sequence_length"] = provider.max_sequence_length
            if "true_cfg_scale" in arguments:
                arguments["negative_prompt"] = ""
            image = pipe(r.prompt, width=r.width, height=r.height, generator=generator, **arguments).images[0]
            image.save(folder / f"{i}.png")
    return time.perf_counter() - began


def main() -> None:
    """Print seconds a picture both ways and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tiny-dev")
    parser.add_argument("--size")
    parser.add_argument("--random", action="store_true", help="random weights: time an architecture without any download")
    parser.add_argument("--prompts", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    changes = {k: v for k, v in (("size", args.size), ("weights", "random" if args.random else None)) if v}
    provider = presets.provider(args.model, **changes)
    wanted = prompts.load(presets.read("model", args.model)["card"]["prompts"])
    jobs = engine.plan(provider, wanted, limit=args.prompts).jobs
    progress = Progress()
    session = provider.open(progress.say)
    print(f"{args.model}: loaded in {session.facts['load_s']:.1f} s, {session.facts['device']}")
    loaded = Loaded(provider, session)
    times: dict[str, list[float]] = {"bare": [], "bench": []}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        bare(session._pipe, provider, jobs[:1], folder)  # type: ignore[attr-defined]  # noqa: SLF001 - the very same pipeline
        for turn in range(args.rounds):
            times["bare"].append(bare(session._pipe, provider, jobs, folder))  # type: ignore[attr-defined]  # noqa: SLF001 - as above
            plan = engine.plan(loaded, wanted, limit=args.prompts, results=folder / str(turn))
            began = time.perf_counter()
            render(plan, progress, warmup=False)
            times["bench"].append(time.perf_counter() - began)
    for way, seconds in times.items():
        print(f"{way:6} {statistics.median(seconds) / len(jobs):8.4f} s a picture (median of {args.rounds} rounds of {len(jobs)})")
    ratios = sorted(b / a for a, b in zip(times["bare"], times["bench"], strict=True))
    print(f"bench / bare {statistics.median(ratios):.3f} (rounds: {', '.join(f'{r:.3f}' for r in ratios)})")


if __name__ == "__main__":
    main()
