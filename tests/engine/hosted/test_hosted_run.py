"""Whole hosted runs against the fault server: every prompt ends in a final status, nothing is lost, paid for or asked twice."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from support.faultscript import picture
from support.faultserver import FaultServer
from support.paths import ROOT

from bench import engine
from bench.analysis.comparable import not_comparable_reason
from bench.analysis.frames import frames
from bench.analysis.slowdown import timed
from bench.cli.app import main
from bench.config import presets
from bench.core.progress import Progress
from bench.engine.render import Counts, render
from bench.pricing.budget import Budget
from bench.store import Store
from bench.types import FINAL, Column, Prompt, PromptSet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.store import Run

KEY = "sk-never-to-be-written-5d2f7c1a9e"
HOSTED = ("gpt-image", "grok-imagine", "flux-pro", "sd35-large-api", "dalle3")
VARIABLES = ("OPENAI_API_KEY", "XAI_API_KEY", "BFL_API_KEY", "STABILITY_API_KEY")
PRICE = 0.01
IN_FLIGHT = 8
WIDE = 24
"""In flight where most prompts fail: so many failures in a row are no reason yet to stop and wait half a minute."""
SLACK = 1e-6


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for variable in VARIABLES:
        monkeypatch.setenv(variable, KEY)


def ask(server: FaultServer, texts: Sequence[str], *more: str, model: str = "gpt-image", results: str = "results") -> list[str]:
    """The words of a run of these prompts at the fault server; ``more`` come last and win."""
    file = Path("asked.txt")
    file.write_text("\n".join(texts), encoding="utf-8")
    quick = ["model.poll_s=0.02"] if model.startswith("flux") else []
    return [
        "run", f"model={model}", f"model.base_url={server.url}", f"prompts={file.resolve()}", "metric=[latency]", f"results={results}",
        f"budget.price={PRICE}", "budget.yes=true", f"++model.limits.in_flight={IN_FLIGHT}", *quick, *more,
    ]  # fmt: skip


def rendered(server: FaultServer, texts: Sequence[str], *, model: str = "gpt-image", **limits: float) -> tuple[Counts, Run]:
    """The same without a command line, scores and report; ``limits`` are those of the preset but for these."""
    told = {"in_flight": WIDE, **limits}
    quick = {"poll_s": 0.02} if model.startswith("flux") else {}
    provider = presets.provider(model, base_url=server.url, limits={**presets.read("model", model)["limits"], **told}, **quick)
    wanted = PromptSet("asked", "1", "en", "none", "here", tuple(Prompt(f"p{i}", text) for i, text in enumerate(texts)))
    plan = engine.plan(provider, wanted, seeds=[0], budget=Budget(price=PRICE))
    return render(plan, Progress()), plan.run


def child(words: Sequence[str], **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "bench", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", **environment},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - a background job is born deaf to it
    )  # fmt: skip


def only_run(results: str = "results") -> Run:
    store = Store(Path(results))
    (name,) = store.runs()
    return store.run(name)


def statuses(run: Run) -> dict[str, str]:
    return {record.prompt_id: record.status for record in run.records()}


def by_text(run: Run) -> dict[str, str]:
    return {record.request.prompt: record.status for record in run.records()}


def check_pictures(run: Run) -> None:
    """Every picture belongs to its prompt and is stored once; nothing else lies there."""
    made = [record for record in run.records() if record.status == "ok"]
    for record in made:
        assert run.image_path(record).read_bytes() == picture(record.request.prompt)
        assert record.sha256 == hashlib.sha256(picture(record.request.prompt)).hexdigest()
    folder = run.path / "images"
    assert sorted(f.name for f in folder.glob("*")) == sorted(Path(str(record.image)).name for record in made)
    assert all(record.error for record in run.records() if record.status != "ok"), "what is no picture says why"


def check_money(run: Run, server: FaultServer, *, killed: int = 0) -> dict[str, Any]:
    """Every request that the server saw is counted; ``killed``: how many more may have been written down and not sent."""
    asked = sum(server.report()["asked"].values())
    spending: dict[str, Any] = run.info()["spending"]
    assert asked <= spending["attempts"] <= asked + killed
    return spending


def lines(run: Run) -> list[dict[str, Any]]:
    whole, _, _ = (run.path / "attempts.jsonl").read_text().rpartition("\n")
    return [json.loads(line) for line in whole.splitlines()]


@pytest.mark.slow
def test_requests_in_flight_are_noted_and_unlike_ones_are_not_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    infos, pictures = {}, {}
    with FaultServer() as server:
        for in_flight in (1, 4):
            name = str(in_flight)
            (tmp_path / name).mkdir()
            monkeypatch.chdir(tmp_path / name)
            _, run = rendered(server, ["a fox", "a cat", "a dog", "a hen"], in_flight=in_flight)
            infos[name] = run.info()
            pictures[name] = timed(frames([run])["images"])
    assert [facts["in_flight"] for info in infos.values() for facts in info["environments"].values()] == [1, 4]
    why = not_comparable_reason(Column("latency", "s", timed=True), "1", "4", infos, pictures)
    assert why == "1 request in flight against 4 requests in flight"


# -- every prompt ends in a final status -----------------------------------------------------------------------------------


SCRIPT = {
    "a plain fox": "ok",
    "[429:1] a fox": "ok",
    "[503:1] a fox": "ok",
    "[half:1] a fox": "ok",
    "[close:1] a fox": "ok",
    "[notimage:1] a fox": "ok",
    "[url] a fox": "ok",
    "[expired:1] a fox": "ok",
    "[429] a fox": "rate_limited",
    "[500] a fox": "provider_error",
    "[503] a fox": "provider_error",
    "[408] a fox": "provider_error",
    "[422] a fox": "provider_error",
    "[half] a fox": "provider_error",
    "[close] a fox": "provider_error",
    "[headers] a fox": "provider_error",
    "[slow] a fox": "timeout",
    "[notimage] a fox": "invalid_image",
    "[garbled] a fox": "invalid_image",
    "[huge] a fox": "invalid_image",
    "[large] a fox": "invalid_image",
    "[expired] a fox": "expired_url",
    "[moderated] a fox": "refused",
    "[filtered] a fox": "refused",
    "[empty] a fox": "provider_error",
    "[task] a fox": "provider_error",
}


@pytest.mark.slow
def test_every_kind_of_fault_ends_in_its_status_and_only_failures_are_asked_for_again() -> None:
    with FaultServer() as server:
        texts = [*SCRIPT, "[html] a fox", "[redirect] a fox"]
        counts, run = rendered(server, texts, attempts=2, timeout_s=1.0)
        told = by_text(run)
        assert {text: told[text] for text in SCRIPT} == SCRIPT
        assert told["[html] a fox"] in {"invalid_image", "provider_error"}
        assert told["[redirect] a fox"] not in FINAL
        expected = Counter(told.values())
        assert (counts.rendered, counts.refused) == (expected["ok"], expected["refused"])
        assert counts.rendered + counts.refused + counts.failed == len(texts)
        check_pictures(run)
        check_money(run, server)
        assert server.most_in_flight <= WIDE
        asked = server.report()["asked"]
        assert all(asked[text] == 2 for text in ("[429] a fox", "[500] a fox", "[notimage] a fox"))
        assert asked["[422] a fox"] == 1, "a bad parameter stays one"
        refusals = {r.request.prompt: r.detail["refusal"] for r in run.records() if r.status == "refused"}
        assert refusals == {"[moderated] a fox": "refused", "[filtered] a fox": "filtered"}
        errors = {r.request.prompt: (r.error, r.timing.attempts) for r in run.records()}
        assert errors["[task] a fox"] == ("the answer (202) holds no picture and no sign of a refusal; its fields are task.id, state", 1)
        more, run = rendered(server, texts, attempts=1, timeout_s=1.0)
        assert (more.kept, more.failed) == (counts.rendered + counts.refused, counts.failed)
        assert set(server.report()["asked"] - asked) == {text for text, status in told.items() if status not in FINAL}
        assert by_text(run) == told


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "variants"),
    [
        ("gpt-image", {"[empty] a cat": "provider_error", "[garbled:1] a cat": "ok", "[url] [expired:1] a cat": "ok"}),
        ("grok-imagine", {"[empty] a cat": "provider_error", "[expired:1] a cat": "ok"}),
        ("sd35-large-api", {"[filtered] a cat": "refused", "[empty] a cat": "provider_error", "[half:1] a cat": "ok"}),
        ("flux-pro", {
            "[filtered] a cat": "refused", "[expired:1] a cat": "ok", "[pollfail:2] a cat": "ok", "[error:1] a cat": "ok",
            "[lost:1] a cat": "ok", "[half:1] a cat": "ok", "[lost] a cat": "provider_error", "[huge] a cat": "invalid_image",
        }),
    ],
)  # fmt: skip
def test_each_vendor_in_its_own_words(model: str, variants: dict[str, str]) -> None:
    wanted = {"a cat": "ok", "[429:1] a cat": "ok", "[500:1] a cat": "ok", "[moderated] a cat": "refused", "[500] a cat": "provider_error"}
    wanted["[task] a cat"] = "provider_error"
    wanted |= variants
    with FaultServer(delay=0.03) as server:
        _, run = rendered(server, list(wanted), model=model, attempts=3)
        assert by_text(run) == wanted
        check_pictures(run)
        check_money(run, server)


@pytest.mark.slow
def test_transient_faults_that_outlast_a_run_are_tried_again_by_the_next_until_nothing_is_left() -> None:
    texts = [f"picture {i} of a lighthouse" for i in range(40)]
    with FaultServer(faults=0.3, seed=3) as server:
        counts, run = rendered(server, texts, attempts=1)
        assert 4 <= counts.failed <= 20
        assert len(run.records()) == 40, "nothing is dropped"
        again = 0
        while counts.failed:
            counts, run = rendered(server, texts, attempts=1)
            again += 1
            assert again < 8
        assert set(statuses(run).values()) <= FINAL
        check_pictures(run)
        check_money(run, server)
        assert max(server.report()["delivered"].values()) == 1


# -- killed and continued --------------------------------------------------------------------------------------------------

PROMPTS = [f"scene {i}: a {('red', 'green', 'blue', 'white')[i % 4]} boat number {i}" for i in range(200)]


def undisturbed(model: str, tmp_path: Path, **server: Any) -> tuple[dict[str, str], Counter[str], float]:
    with FaultServer(**server) as calm:
        assert main(ask(calm, PROMPTS, "++model.limits.attempts=8", model=model, results=str(tmp_path / "calm"))) == 0
        run = only_run(str(tmp_path / "calm"))
        check_pictures(run)
        spending = check_money(run, calm)
        delivered = calm.report()["delivered"]
        assert max(delivered.values()) == 1
        made = [r for r in run.records() if r.status == "ok"]
        assert len(delivered) == len(made)
        assert spending["usd"] + spending["presumed_usd"] >= PRICE * len(made) - SLACK
        assert calm.most_in_flight <= IN_FLIGHT
        return statuses(run), calm.report()["asked"], sum(r.cost_usd for r in made)


def killed_midway(server: FaultServer, words: Sequence[str], after: int, how: signal.Signals = signal.SIGKILL) -> tuple[int, str]:
    """Start a run and end it once the server has been asked ``after`` times; the exit code and what it said."""
    process = child(words)
    while process.poll() is None and sum(s.kind in {"generate", "submit"} for s in server.log) < after:
        time.sleep(0.002)
    process.send_signal(how)
    _, told = process.communicate()
    return process.returncode, told


@pytest.mark.slow(seconds=10)
@pytest.mark.parametrize(("seed", "after"), [(2, 130), (5, 60)])
def test_200_prompts_with_faults_killed_in_the_middle_and_continued_end_as_if_undisturbed(seed: int, after: int, tmp_path: Path) -> None:
    faults = {"faults": 0.3, "seed": seed, "delay": 0.05}
    calm, calmly_asked, calm_usd = undisturbed("gpt-image", tmp_path, **faults)
    assert len(calm) == 200
    assert set(calm.values()) == FINAL
    with FaultServer(**faults) as server:
        words = ask(server, PROMPTS, "++model.limits.attempts=8")
        assert killed_midway(server, words, after)[0] == -signal.SIGKILL
        half = statuses(only_run())
        assert 0 < len(half) < 200
        assert main(words) == 0
        run = only_run()
        assert statuses(run) == calm
        check_pictures(run)
        report = server.report()
        assert sum(n - 1 for n in report["delivered"].values()) <= IN_FLIGHT, "a picture was handed over again"
        sent_again = [text for text in PROMPTS if report["asked"][text] > calmly_asked[text]]
        assert len(sent_again) <= IN_FLIGHT
        spending = check_money(run, server, killed=IN_FLIGHT)
        settled = {row["settled"] for row in lines(run) if "settled" in row}
        opened = [row for row in lines(run) if "sent" in row and row["sent"] not in settled]
        assert 0 < len(opened) <= IN_FLIGHT, "what the kill left open stays in the books"
        assert spending["presumed_usd"] >= PRICE * len(opened) - SLACK
        assert sum(r.cost_usd for r in run.records() if r.status == "ok") == pytest.approx(calm_usd)
        assert main(words) == 0
        assert sum(server.report()["asked"].values()) == sum(report["asked"].values()), "a finished run asks nothing"


@pytest.mark.slow(seconds=10)
def test_tasks_submitted_before_a_kill_are_polled_and_not_submitted_again(tmp_path: Path) -> None:
    faults = {"faults": 0.3, "seed": 4, "delay": 0.3}
    calm, calmly_asked, _ = undisturbed("flux-pro", tmp_path, **faults)
    assert set(calm.values()) == FINAL
    with FaultServer(**faults) as server:
        words = ask(server, PROMPTS, "++model.limits.attempts=8", model="flux-pro")
        assert killed_midway(server, words, 100)[0] == -signal.SIGKILL
        run = only_run()
        done, rows = {record.key for record in run.records() if not record.failed}, lines(run)
        sent = {row["sent"]: row for row in rows if "sent" in row}
        settled = {row["settled"] for row in rows if "settled" in row and not row["keep"]}
        answered = {row["answered"] for row in rows if "answered" in row} - settled
        tasks = {row["id"]: row["task"] in answered for row in rows if "task" in row and row["task"] not in settled
                 and (sent[row["task"]]["prompt_id"], sent[row["task"]]["request_id"]) not in done}  # fmt: skip
        on_disk = {task for task, is_answered in tasks.items() if is_answered}
        assert tasks.keys() - on_disk
        seen = len(server.log)
        outcomes = {s.told["task"]: (s.prompt, s.outcome) for s in server.log if s.kind == "submit" and "task" in s.told}
        assert main(words) == 0
        later = server.log[seen:]
        polled = {s.told["task"] for s in later if s.kind == "poll"}
        assert tasks.keys() - on_disk <= polled
        assert not on_disk & polled, "an answer that only had to be stored is not asked for again"
        submitted = {s.prompt for s in later if s.kind == "submit"}
        fruitful = {outcomes[t][0] for t in tasks if outcomes[t][1] in {"ok", "moderated", "filtered", "pollfail", "expired"}}
        assert fruitful
        assert not fruitful & submitted
        assert statuses(run) == calm
        check_pictures(run)
        report = server.report()
        assert sum(n - 1 for n in report["delivered"].values()) <= IN_FLIGHT
        assert len([text for text in PROMPTS if report["asked"][text] > calmly_asked[text]]) <= IN_FLIGHT
        check_money(run, server, killed=IN_FLIGHT)


@pytest.mark.slow(seconds=10)
def test_ctrl_c_ends_with_130_and_the_same_command_continues() -> None:
    with FaultServer(delay=0.2) as server:
        words = ask(server, PROMPTS[:60])
        code, told = killed_midway(server, words, 30, signal.SIGINT)
        assert code == 130, told
        assert "Traceback" not in told
        assert "the same command continues" in told
        half = only_run()
        kept = len(half.records())
        assert 0 < kept < 60
        check_pictures(half)
        assert main(words) == 0
        run = only_run()
        assert set(statuses(run).values()) == {"ok"}
        assert len(run.records()) == 60
        check_pictures(run)
        assert sum(n - 1 for n in server.report()["delivered"].values()) <= IN_FLIGHT
        check_money(run, server, killed=IN_FLIGHT)


# -- money -----------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "word"),
    [
        (["budget.max=0.05"], "budget.max"),
        (["budget.confirm=0.05", "budget.yes=false"], "budget.yes=true"),
    ],
)
def test_an_estimate_above_the_budget_stops_before_the_first_request(
    more: list[str], word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with FaultServer() as server:
        assert main(ask(server, PROMPTS[:10], *more)) == 4
        assert not server.log
    told = capsys.readouterr().err
    assert word in told
    assert "Traceback" not in told


@pytest.mark.slow
def test_a_process_without_any_input_cannot_be_asked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", None)
    with FaultServer() as server:
        assert main(ask(server, PROMPTS[:10], "budget.confirm=0.05", "budget.yes=false")) == 4
        assert not server.log
    assert "budget.yes=true" in capsys.readouterr().err


@pytest.mark.slow
def test_with_a_budget_an_unknown_price_is_not_taken_for_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with FaultServer() as server:
        assert main(ask(server, PROMPTS[:10], "budget.price=null", "budget.max=5")) in {2, 4}
        assert not server.log
    assert "budget.price=" in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_that_passes_the_budget_midway_stops_with_everything_stored_and_continues_with_more(
    capsys: pytest.CaptureFixture[str],
) -> None:
    texts = [f"[cost:8] {text}" for text in PROMPTS[:20]]
    with FaultServer(delay=0.05) as server:
        words = ask(server, texts, "++model.limits.in_flight=3", model="flux-pro")
        assert main([*words, "budget.max=0.5"]) == 4
        told = capsys.readouterr().err
        assert "budget.max" in told
        assert "Traceback" not in told
        run = only_run()
        report = server.report()
        first = sum(report["asked"].values())
        assert 0 < first < 20
        assert first * 0.08 < 0.5 + 3 * 0.08, "only what was in flight comes on top"
        assert len(run.records()) == first == len(report["delivered"]), "what was in flight is stored as well"
        check_pictures(run)
        assert check_money(run, server)["usd"] == pytest.approx(0.08 * first)
        assert main([*words, "budget.max=0.5"]) == 4
        assert sum(server.report()["asked"].values()) == first, "nothing is asked while there is no money"
        assert main([*words, "budget.max=5"]) == 0
        report = server.report()
        assert set(report["asked"].values()) == {1}
        assert len(report["asked"]) == 20
        assert check_money(only_run(), server)["usd"] == pytest.approx(0.08 * 20)
        assert set(statuses(only_run()).values()) == {"ok"}


# -- keys ------------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "variable"), [("flux-pro", "BFL_API_KEY"), ("grok-imagine", "XAI_API_KEY"), ("gpt-image", "OPENAI_API_KEY")]
)
def test_without_a_key_the_variable_is_named(
    model: str, variable: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name)
    assert main(["run", f"model={model}"]) == 2
    told = capsys.readouterr().err
    assert f"export {variable}" in told
    assert "Traceback" not in told
    assert not Path("results").exists()


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["OPENAI_API_KEY", "XAI_API_KEY"])
def test_dalle3_names_the_shutdown_and_the_alternatives_with_a_key_and_without(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(missing)
    assert main(["run", "model=dalle3"]) == 2
    told = capsys.readouterr().err
    assert all(word in told for word in ("2026-05-12", "model=gpt-image", "base_url", "import"))
    assert "Traceback" not in told


@pytest.mark.slow
def test_dalle3_at_a_server_that_still_has_it() -> None:
    with FaultServer() as server:
        assert main(ask(server, ["a fox", "[moderated] a fox"], model="dalle3")) == 0
        run = only_run()
        assert by_text(run) == {"a fox": "ok", "[moderated] a fox": "refused"}
        check_pictures(run)
        (made,) = [r for r in run.records() if r.status == "ok"]
        assert made.revised_prompt == "rewritten: a fox"


@pytest.mark.slow
@pytest.mark.parametrize("model", ["gpt-image", "grok-imagine", "flux-pro", "sd35-large-api"])
def test_a_wrong_key_ends_the_run_after_the_first_answer(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    with FaultServer(key="another", delay=0.05, echo=True) as server:
        assert main(ask(server, PROMPTS[:60], model=model)) == 2
        assert 1 <= len(server.log) <= IN_FLIGHT
    told = capsys.readouterr()
    assert "_API_KEY" in told.err
    assert "Traceback" not in told.err
    check_secret(told.out + told.err)


@pytest.mark.slow
@pytest.mark.parametrize("word", ["402", "quota", "404"])
def test_what_no_other_prompt_would_survive_ends_the_run(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with FaultServer(delay=0.02) as server:
        assert main(ask(server, [f"[{word}] {text}" for text in PROMPTS[:40]])) == 2
        assert len(server.log) <= 2 * IN_FLIGHT
    assert "Traceback" not in capsys.readouterr().err


# -- secrets ---------------------------------------------------------------------------------------------------------------


def check_secret(text: str | bytes, where: object = "", key: str = KEY) -> None:
    data = text.encode() if isinstance(text, str) else text
    coded = base64.b64encode(f"Bearer {key}".encode())
    for form in (key.encode(), quote(key, safe="").encode(), base64.b64encode(key.encode()), coded, key.encode("utf-16-le")):
        assert form not in data, where


def check_nothing_written_holds_the_key(folder: Path, key: str = KEY) -> int:
    """Read every file below ``folder``, those in columns row by row; how many there were."""
    import pyarrow.parquet as pq

    files = [f for f in folder.rglob("*") if f.is_file()]
    for file in files:
        check_secret(file.read_bytes(), file, key)
        check_secret(str(file), file, key)
        if file.suffix == ".parquet":
            table = pq.read_table(file)
            check_secret(json.dumps(table.to_pylist(), default=str, ensure_ascii=False), file, key)
            check_secret(str(table.schema.metadata), file, key)
    return len(files)


LEAKS = [*SCRIPT, "[html] a fox", "[redirect] a fox", "[revised] a fox", "[error] a fox", "[lost] a fox", "[url] [revised] a fox"]


@pytest.mark.slow
@pytest.mark.parametrize("model", ["gpt-image", *(pytest.param(m, marks=pytest.mark.slow) for m in HOSTED if m != "gpt-image")])
def test_no_file_and_no_output_of_a_failing_run_holds_the_key(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    with FaultServer(echo=True) as server:
        code = main(
            ask(server, LEAKS, "++model.limits.attempts=2", "++model.limits.timeout_s=1", f"++model.limits.in_flight={WIDE}", model=model)
        )
        assert code == 1
        seen = json.dumps(server.report(), default=str)
    assert check_nothing_written_holds_the_key(Path()) > 5
    told = capsys.readouterr()
    check_secret(told.out + told.err)
    assert "sig=not-for-logs" not in told.out + told.err
    for file in Path("results").rglob("*"):
        assert not file.is_file() or b"sig=not-for-logs" not in file.read_bytes(), f"{file} holds a signed address"
    assert KEY not in seen, "the fault server itself keeps no key"


@pytest.mark.slow(seconds=10)
def test_no_process_listing_comparison_or_debug_output_of_the_sdk_holds_the_key(tmp_path: Path) -> None:
    with FaultServer(echo=True, delay=0.2) as server:
        more = ("++model.limits.attempts=2", "++model.limits.timeout_s=1", f"++model.limits.in_flight={WIDE}")
        words = [word.replace("model.base_url", "++model.base_url") for word in ask(server, LEAKS, *more, model="gpt-image,grok-imagine")]
        process = child([*words, "-m"], OPENAI_LOG="debug")
        listings = []
        while process.poll() is None and len(server.log) < len(LEAKS):
            listings.append(Path(f"/proc/{process.pid}/cmdline").read_bytes())
            time.sleep(0.05)
        out, err = process.communicate()
        assert process.returncode == 1, err
    assert listings
    for text in (*listings, out, err):
        check_secret(text)
    assert list(Path("results/comparisons").rglob("*.html"))
    check_nothing_written_holds_the_key(tmp_path)


def test_the_search_for_secrets_finds_planted_ones(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"error": [f"row {i} {KEY}" for i in range(2000)]})
    pq.write_table(table, tmp_path / "planted.parquet", compression="zstd")
    with pytest.raises(AssertionError):
        check_nothing_written_holds_the_key(tmp_path)
    (tmp_path / "planted.parquet").unlink()
    (tmp_path / "a.log").write_text(f"Authorization: Bearer {KEY}")
    with pytest.raises(AssertionError):
        check_nothing_written_holds_the_key(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "override",
    [
        f"model.base_url=http://user:{KEY}@127.0.0.1:9/v1",
        f"model.base_url=http://127.0.0.1:9/v1?key={KEY}",
        f"model.api_key_env={KEY}",
    ],
)
def test_a_secret_where_none_belongs_is_refused_and_not_repeated(override: str, capsys: pytest.CaptureFixture[str]) -> None:
    with FaultServer() as server:
        assert main(ask(server, ["a fox"], f"'{override}'" if "?" in override else override)) == 2
        assert not server.log
    told = capsys.readouterr()
    check_secret(told.out + told.err)
    assert check_nothing_written_holds_the_key(Path()) == 1, "only the prompt file is here"
