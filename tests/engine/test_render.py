"""Planning, batching, resuming, and what a broken picture does to a run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from bench import engine, prompts
from bench.config import presets
from bench.core.progress import Progress
from bench.engine.plan import run_name
from bench.engine.render import Counts
from bench.engine.render import render as render_plan
from bench.errors import BenchError, ProviderError
from bench.store import Run, Store
from bench.types import Prompt, PromptSet, Rendered, Request, ScoreRow

if TYPE_CHECKING:
    from pathlib import Path

SET = PromptSet("s", "1", "en", "x", "y", tuple(Prompt(f"p{i}", f"text {i}") for i in range(5)))
PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Scripted:
    """A provider that does what each prompt's text is mapped to, and remembers its calls."""

    script: Mapping[str, Any] = field(default_factory=dict)
    calls: list[list[str]] = field(default_factory=list)
    name: str = "scripted"
    hosted: bool = False
    batch_size: int = 2
    card: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    def request(self, prompt: Prompt, seed: int | None) -> Request:
        return Request("m", "r", prompt.text, None, seed, 64 if prompt.id != "p3" else 128, 64)

    def check(self) -> None: ...

    def open(self, say: Callable[[str], None]) -> Scripted:
        say("open")
        return self

    def render(self, requests: Sequence[Request]) -> list[Rendered]:
        self.calls.append([r.prompt for r in requests])
        for r in requests:
            if isinstance(self.script.get(r.prompt), BaseException):
                raise self.script[r.prompt]
        return [self.script.get(r.prompt, Rendered("ok", PNG)) for r in requests]

    def close(self) -> None: ...


def render(provider: Scripted, tmp_path: Path, **more: Any) -> tuple[Counts, Run]:
    plan = engine.plan(provider, SET, seeds=[0], results=tmp_path, **more)
    return render_plan(plan, Progress()), plan.run


def test_batches_hold_neighbours_of_one_size(tmp_path: Path) -> None:
    provider = Scripted()
    counts, _ = render(provider, tmp_path)
    assert counts.rendered == 5
    assert provider.calls[:2] == [["text 0"] * 2, ["text 3"] * 2], "each size is warmed up"
    assert provider.calls[2:] == [["text 0", "text 1"], ["text 2"], ["text 3"], ["text 4"]]


def test_a_finished_run_opens_nothing(tmp_path: Path) -> None:
    render(Scripted(), tmp_path)
    again = Scripted()
    counts, _ = render(again, tmp_path)
    assert (counts.rendered, counts.kept, again.calls) == (0, 5, [])


def test_fresh_renders_again(tmp_path: Path) -> None:
    render(Scripted(), tmp_path)
    counts, run = render(Scripted(), tmp_path, fresh=True)
    assert counts.rendered == 5
    assert len(run.records()) == 5


@pytest.mark.parametrize("error", [ProviderError("out of memory"), RuntimeError("boom")])
def test_a_broken_batch_is_recorded_and_tried_again_next_time(error: Exception, tmp_path: Path) -> None:
    counts, run = render(Scripted({"text 1": error}), tmp_path)
    assert (counts.rendered, counts.failed) == (3, 2)
    assert all(str(error) in r.error for r in run.records() if r.status == "failed")
    counts, run = render(Scripted(), tmp_path)
    assert (counts.rendered, counts.kept) == (2, 3)


def test_a_refusal_is_final(tmp_path: Path) -> None:
    counts, _ = render(Scripted({"text 4": Rendered("refused", error="moderation")}), tmp_path)
    assert (counts.refused, counts.failed) == (1, 0)
    assert render(Scripted(), tmp_path)[0].kept == 5


def test_an_error_of_the_whole_run_ends_it_and_keeps_what_is_done(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="wrong key"):
        render(Scripted({"text 2": BenchError("wrong key")}), tmp_path)
    assert render(Scripted(), tmp_path)[0].kept == 2


def test_more_seeds_extend_the_same_run(tmp_path: Path) -> None:
    provider, chosen = presets.provider("tiny-oracle"), prompts.load("tiny")
    first, more = (
        render_plan(engine.plan(provider, chosen, seeds=seeds, limit=2, results=tmp_path), Progress()) for seeds in ([0], [0, 1])
    )
    assert (first.rendered, more.rendered, more.kept) == (2, 2, 2)


def test_names_tell_settings_apart_and_labels_replace_models() -> None:
    chosen = prompts.load("tiny")
    four, eight = (presets.provider("tiny-dev", steps=n) for n in (4, 8))
    assert run_name(four, chosen, None) != run_name(eight, chosen, None)
    assert run_name(four, chosen, None).startswith("tiny-dev.tiny.4steps-g2-128x128-float32-")
    assert run_name(four, chosen, "my label").startswith("my-label.tiny.")


def test_two_runs_at_once_share_a_results_folder(tmp_path: Path) -> None:
    from conftest import render_oracle

    threads = [threading.Thread(target=render_oracle, args=(tmp_path,), kwargs={"label": f"r{i}"}) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store = Store(tmp_path)
    assert [len(store.run(name).records()) for name in store.runs()] == [8, 8]


def test_pictures_made_again_lose_their_scores(tmp_path: Path) -> None:
    provider = Scripted()
    _, run = render(provider, tmp_path)
    run.save_scores([ScoreRow("m", "f", 0.5, request_id=r.request.id, prompt_id=r.prompt_id) for r in run.records()])
    render(provider, tmp_path)
    assert len(run.scores()) == 5, "nothing was rendered, nothing is forgotten"
    render(provider, tmp_path, fresh=True)
    assert run.scores() == []
