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
from bench.errors import BenchError, ProviderError, RenderingError
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


def render(provider: Scripted, tmp_path: Path, *, warmup: bool = True, **more: Any) -> tuple[Counts, Run]:
    plan = engine.plan(provider, SET, results=tmp_path, **{"seeds": [0], **more})
    return render_plan(plan, Progress(), warmup=warmup), plan.run


def test_jobs_are_sorted_by_size_before_they_are_cut_into_batches(tmp_path: Path) -> None:
    provider = Scripted()
    counts, run = render(provider, tmp_path)
    assert counts.rendered == 5
    assert provider.calls[:2] == [["text 0"] * 2, ["text 3"]], "each shape that will come is warmed up"
    assert provider.calls[2:] == [["text 0", "text 1"], ["text 2", "text 4"], ["text 3"]]
    assert [record.prompt_id for record in run.records()] == ["p0", "p1", "p2", "p3", "p4"], "records keep the order of the prompts"


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


class AcceleratorError(RuntimeError):
    """Bears the name of torch's error of a lost device."""


@pytest.mark.parametrize("error", [ProviderError("out of memory"), RuntimeError("no C compiler")])
def test_a_warm_up_that_fails_ends_the_run_with_its_reason(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(
        RenderingError, match=rf"scripted: the warm-up \(64 x 64, 2 at a time\) failed: .*{error}.*give the same command again"
    ) as ended:
        render(Scripted({"text 0": error}), tmp_path)
    assert ended.value.exit_code == 1
    counts, run = render(Scripted(), tmp_path)
    assert (counts.rendered, counts.kept) == (5, 0), "nothing was recorded as failed"
    assert not any(record.failed for record in run.records())


@pytest.mark.parametrize(
    "error", [AcceleratorError("CUDA error: an illegal memory access"), RuntimeError("CUDA error: unspecified launch failure")]
)
def test_a_lost_device_ends_the_run_and_what_was_not_tried_stays_pending(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(RenderingError, match=r"the device is lost .*give the same command again"):
        render(Scripted({"text 1": error}, batch_size=1), tmp_path)
    counts, run = render(Scripted(batch_size=1), tmp_path)
    assert (counts.kept, counts.rendered) == (1, 4)
    assert {record.status for record in run.records()} == {"ok"}


def test_a_lost_device_that_cannot_be_tidied_is_still_the_reason(tmp_path: Path) -> None:
    class Broken(Scripted):
        def close(self) -> None:
            raise RuntimeError("CUDA error: context is destroyed")

    with pytest.raises(RenderingError, match="illegal"):
        render(Broken({"text 2": AcceleratorError("CUDA error: illegal access")}, batch_size=1), tmp_path)


def test_out_of_memory_is_no_lost_device(tmp_path: Path) -> None:
    counts, _ = render(Scripted({"text 1": AcceleratorError("CUDA error: out of memory")}, batch_size=1), tmp_path)
    assert (counts.rendered, counts.failed) == (4, 1)


@pytest.mark.parametrize("how", [RuntimeError("boom"), Rendered("failed", error="RuntimeError: boom")])
def test_the_same_error_three_times_in_a_row_ends_the_run(how: Any, tmp_path: Path) -> None:
    broken = {f"text {i}": how for i in (1, 2, 3)}
    with pytest.raises(RenderingError, match=r"3 times in a row the same error: RuntimeError: boom.*not tried.*same command again"):
        render(Scripted(broken, batch_size=1), tmp_path, warmup=False)
    counts, _ = render(Scripted(batch_size=1), tmp_path)
    assert (counts.kept, counts.rendered) == (1, 4), "the first picture is kept, the fifth was never tried"


def test_unlike_errors_and_those_of_one_prompt_end_nothing(tmp_path: Path) -> None:
    unlike = {f"text {i}": RuntimeError(f"boom {i}") for i in (1, 2, 3)}
    assert render(Scripted(unlike, batch_size=1), tmp_path, warmup=False)[0].failed == 3
    between = {f"text {i}": RuntimeError("boom") for i in (0, 1, 3, 4)}
    assert render(Scripted(between, batch_size=1), tmp_path, warmup=False, label="between")[0].failed == 4
    seeds = Scripted({"text 1": RuntimeError("boom")}, batch_size=1)
    assert render(seeds, tmp_path, seeds=[0, 1, 2, 3], label="seeds")[0].failed == 4


def test_a_provider_that_cannot_load_says_so_in_one_message(tmp_path: Path) -> None:
    class Unloadable(Scripted):
        def open(self, say: Callable[[str], None]) -> Scripted:  # noqa: ARG002 - as providers have it
            raise AttributeError("no such pipeline")

    with pytest.raises(RenderingError, match="scripted cannot be loaded: AttributeError: no such pipeline"):
        render(Unloadable(), tmp_path)


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
