"""A local, a hosted and an imported run side by side: coverage, refusals, cost and prompt pairing, in frames and in HTML."""

from __future__ import annotations

import io
import json
import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from support.runs import render_oracle

from bench import prompts
from bench.analysis.frames import Frames, frames
from bench.config import presets
from bench.core.progress import Progress
from bench.engine import score
from bench.engine.importing import write
from bench.images.importing import plan_import
from bench.report import write_comparison, write_run
from bench.report.answer import verdict
from bench.report.terminal import print_table
from bench.store import Run, Store
from bench.types import Job, Rendered, Request, Timing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

CHOSEN = prompts.load("tiny")
EIGHT = CHOSEN.prompts[:8]
BASIS = "price list of 2026-11-23, https://example.org/prices"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The oracle's picture of each of eight prompts."""
    run = render_oracle(tmp_path_factory.mktemp("drawn"), limit=8, seeds=(0,))
    return {r.prompt_id: run.image_path(r).read_bytes() for r in run.current()}


def scored(run: Run) -> Run:
    with run.lock():
        score.score(run, presets.metrics(["clip_tiny", "refusals", "latency"]), Progress())
    return run


def local(results: Path, drawn: Mapping[str, bytes], **info: Any) -> Run:
    """Eight prompts with two seeds, two pictures a batch of 3 s and 5 s."""
    run = Store(results).run("flux-dev.tiny", create=True)
    run.update_info(name=run.name, label="flux-dev", model="flux-dev", hosted=False, **info)
    for prompt in EIGHT:
        for seed in (0, 1):
            request = Request("flux-dev", "r", prompt.text, None, seed, 128, 128, {"steps": 4})
            timing = Timing(latency_s=3.0 + 2 * seed, batch_size=2)
            made = Rendered("ok", drawn[prompt.id], timing, cost_usd=0.0)
            run.save(Job(prompt, request), made, prompt_set=CHOSEN, environment="here")
    return run


def hosted(results: Path, outcomes: Sequence[Rendered], **info: Any) -> Run:
    """One outcome a prompt of a server that takes no seed; the first prompt's aspect was mapped."""
    run = Store(results).run("gpt-image.tiny", create=True)
    run.update_info(name=run.name, label="gpt-image", model="gpt-image-2", hosted=True, **info)
    for number, (prompt, outcome) in enumerate(zip(EIGHT, outcomes, strict=False)):
        settings = {"quality": "low", **({"aspect": "16:9"} if number == 0 else {})}
        request = Request("gpt-image-2", "", prompt.text, None, None, 1536, 1024, settings)
        run.save(Job(prompt, request), outcome, prompt_set=CHOSEN, environment="there")
    return run


def ok(picture: bytes, usd: float = math.nan, **detail: Any) -> Rendered:
    return Rendered("ok", picture, Timing(latency_s=2.0, generate_s=1.5, download_s=0.5, retry_s=0.0), cost_usd=usd, detail=detail)


def imported(results: Path, folder: Path, drawn: Mapping[str, bytes], price: float) -> Run:
    """Pictures of the last three of the eight prompts."""
    folder.mkdir()
    for prompt in EIGHT[5:]:
        (folder / f"{prompt.id}.png").write_bytes(drawn[prompt.id])
    run = Store(results).run("midjourney.tiny.imported", create=True)
    write(plan_import(folder, CHOSEN), CHOSEN, run, name="midjourney", provenance={"source": "web"}, price=price)
    return run


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory, drawn: dict[str, bytes]) -> list[Run]:
    root = tmp_path_factory.mktemp("three")
    ids = [p.id for p in EIGHT]
    outcomes = [
        ok(drawn[ids[1]], 0.010, size=[1536, 1024]),
        ok(drawn[ids[0]], 0.020, size=[1024, 1024]),
        ok(drawn[ids[3]], 0.030),
        ok(drawn[ids[2]], 0.040),
        Rendered("refused", error="blocked", detail={"refusal": "refused", "categories": ["violence", "weapons"]}, cost_usd=0.0),
        Rendered("refused", error="withheld", detail={"refusal": "filtered", "categories": ["violence"]}),
        Rendered("rate_limited", error="too many requests", cost_usd=0.0),
        Rendered("timeout", error="no answer within 180 s"),
    ]
    spending = {"usd": 0.11, "presumed_usd": 0.09, "unknown": 2, "attempts": 13, "basis": BASIS, "as_of": "2026-11-23", "price": None}
    return [
        scored(local(root, drawn, per_hour=1.8)),
        scored(hosted(root, outcomes, spending=spending)),
        scored(imported(root, root / "pictures", drawn, 0.05)),
    ]


@pytest.fixture(scope="module")
def tables(three: list[Run]) -> Frames:
    return frames(three)


@pytest.fixture(scope="module")
def page(three: list[Run], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_comparison(three, tmp_path_factory.mktemp("page"))


def gallery(page: Path) -> dict[str, Any]:
    text = (page.parent / "gallery-data.js").read_text()
    return dict(json.loads(text.removeprefix("window.GALLERY = ").removesuffix(";\n")))


def row(page: Path, name: str) -> list[str]:
    """The cells of a row of the first table, without markup."""
    html = page.read_text()
    unit = '(?: <span class="unit">[^<]*</span></span>)?'
    found = re.search(rf'<th scope="row">(?:<span class="name">)?{name}{unit}</th>(.*?)</tr>', html, re.DOTALL)
    assert found, name
    return [" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in re.findall(r"<td[^>]*>(.*?)</td>", found[1], re.DOTALL)]


def test_the_cost_frame_tells_known_presumed_and_unknown_money_apart(tables: Frames) -> None:
    cost = tables["cost"].set_index("run")
    here, there, elsewhere = (cost.loc[run] for run in ("flux-dev", "gpt-image", "midjourney"))
    counts = ["pictures", "ok", "refused", "failed"]
    assert [list(r[counts]) for r in (here, there, elsewhere)] == [[16, 16, 0, 0], [8, 4, 2, 2], [3, 3, 0, 0]]

    assert here["per_picture"] == pytest.approx(4.0 / 2 * 1.8 / 3600)
    assert (here["usd"], here["per_success"]) == (pytest.approx(8 * 4.0 * 1.8 / 3600), pytest.approx(here["per_picture"]))
    assert here["basis"] == "1.8 USD an hour of the machine, loading and warm-up left out"

    assert list(there[["usd", "presumed_usd", "unknown"]]) == [0.11, 0.09, 2]
    assert there["per_picture"] == pytest.approx(0.025)
    assert 0 <= there["low"] < 0.01
    assert 0.04 < there["high"] < 0.05
    assert there["per_success"] == pytest.approx(0.20 / 4)
    assert (there["basis"], there["as_of"]) == (BASIS, "2026-11-23")
    assert there["reason"] == "2 requests of unknown cost left out"

    assert list(elsewhere[["usd", "presumed_usd", "unknown", "per_picture", "per_success"]]) == pytest.approx([0.15, 0, 0, 0.05, 0.05])
    assert math.isnan(elsewhere["low"]), "one price does not vary"
    assert (elsewhere["basis"], elsewhere["reason"]) == ("declared at import", "what else was asked for is not known")


def test_every_picture_has_its_cost_in_the_images_frame(tables: Frames) -> None:
    cost = tables["images"].groupby("run")["cost_usd"]
    assert cost.sum().to_dict() == pytest.approx({"flux-dev": 0.016, "gpt-image": 0.10, "midjourney": 0.15})
    assert cost.count().to_dict() == {"flux-dev": 16, "gpt-image": 6, "midjourney": 3}, "a filtered and a lost one are unknown"


def test_coverage_and_refusals_are_counted_run_by_run(tables: Frames) -> None:
    summary = tables["summary"].set_index(["run", "metric"])
    quality = [summary.loc[(run, "clip_tiny")] for run in ("flux-dev", "gpt-image", "midjourney")]
    assert [r["n"] for r in quality] == [16, 4, 3]
    assert [r["coverage"] for r in quality] == [1.0, pytest.approx(4 / 6), 1.0], "refused ones are no gap, failed ones are"
    assert [r["refused"] for r in quality] == [0, 2, 0]
    declined = summary.loc[("gpt-image", "refusals")]
    assert (declined["mean"], declined["n"]) == (pytest.approx(2 / 6), 6)
    assert summary.loc[("flux-dev", "refusals")]["mean"] == 0
    assert summary.loc[("midjourney", "refusals")]["reason"] == "imported pictures do not tell which prompts were declined"
    detail = tables["scores"].query("run == 'gpt-image' and metric == 'refusals'")["detail"].iloc[0]
    assert json.loads(detail)["by_server_category"] == {"violence": 2, "weapons": 1}
    told = verdict(tables)
    assert told.answer.startswith("Too few prompts to compare quality: 4 cannot show surely enough"), "in common"
    assert told.points[:2] == (
        "3 models, 8 prompts, 23 pictures, 2 refused, 1 rate limited, 1 timed out.",
        "Not every model has every prompt: midjourney 3 of 8 prompts. Differences count shared prompts only.",
    )


def test_runs_are_paired_by_prompt_with_seeds_and_without(tables: Frames) -> None:
    """The server drew each prompt's neighbour: it is behind in the four prompts that both drew, and nothing else may count."""
    scores = tables["scores"].query("metric == 'clip_tiny' and status == 'ok'")
    assert scores.groupby("run")["seed"].apply(lambda s: s.isna().all()).to_dict() == {
        "flux-dev": False, "gpt-image": True, "midjourney": False,
    }  # fmt: skip
    means = scores.pivot_table(index="prompt_id", columns="run", values="value")
    assert (means["flux-dev"] - means["gpt-image"]).dropna().gt(0).sum() == 4
    assert (means["flux-dev"] - means["midjourney"]).dropna().tolist() == pytest.approx([0, 0, 0], abs=1e-6)
    pairs = tables["pairwise"].query("metric == 'clip_tiny'").set_index(["a", "b"])
    ahead, level = pairs.loc[("flux-dev", "gpt-image")], pairs.loc[("flux-dev", "midjourney")]
    assert (ahead["n"], ahead["win"], ahead["verdict"]) == (4, 1.0, "too few prompts")
    assert (level["n"], level["difference"]) == (3, pytest.approx(0, abs=1e-6)), "the imported pictures are the local ones"


def test_the_gallery_lines_up_prompts_and_says_what_is_unlike(page: Path) -> None:
    data = gallery(page)
    assert [run["name"] for run in data["runs"]] == ["flux-dev", "gpt-image", "midjourney"]
    assert data["prompts"]["id"] == [p.id for p in EIGHT]
    shown = data["pictures"]
    cells: dict[tuple[int, int], list[int]] = {}
    whose = [p for p, count in enumerate(data["prompts"]["pictures"]) for _ in range(count)]
    for i, (prompt, run) in enumerate(zip(whose, shown["run"], strict=True)):
        cells.setdefault((prompt, run), []).append(i)
    assert [[shown["seed"][i] for i in cells.get((0, run), [])] for run in range(3)] == [[0, 1], [None], []]
    assert [len(cells[7, run]) for run in range(3)] == [2, 1, 1]

    def notes(prompt: int, run: int) -> list[str]:
        return [data["texts"][data["notes"][str(i)]] for i in cells[prompt, run] if str(i) in data["notes"]]

    assert notes(0, 0) == []
    assert notes(0, 1) == ["no seed · wanted 16:9, asked for 1536 × 1024"]
    assert notes(1, 1) == ["no seed · came as 1024 × 1024, asked for 1536 × 1024"]
    assert notes(2, 1) == ["no seed"]
    assert [tuple(data["statuses"][shown["status"][cells[p, 1][0]]]) for p in range(4, 8)] == [
        ("refused", "refused"), ("refused", "refused"), ("rate limited", "failed"), ("timed out", "failed"),
    ]  # fmt: skip


def test_the_page_shows_cost_refusals_and_failures_in_the_first_table(page: Path) -> None:
    assert row(page, "pictures") == ["16 ok", "4 ok 2 refused 1 rate limited 1 timed out", "3 ok 3 of 8 prompts"]
    picture, success = row(page, "cost a picture"), row(page, "cost a successful picture")
    assert (picture[0], picture[2]) == ("0.001", "0.05")
    assert re.fullmatch(r"0\.025 0\.00\d* to 0\.04\d*", picture[1])
    assert success == ["0.001 0.016 in all", "0.05 0.20 in all", "0.05 0.15 in all"]
    html = page.read_text()
    spent = re.search(r'<table class="cost">.*?</table>', html, re.DOTALL)
    assert spent
    hosted_row = " ".join(re.sub(r"<[^>]+>", " ", spent[0].split("<tr>")[3]).split())
    assert hosted_row.endswith(f"0.05 0.11 0.09 2 4 / 2 / 2 {BASIS} 2 requests of unknown cost left out")
    assert html.count('class="status failed"') == 2
    assert not re.findall(r'(?:src|href)="https?:', html)


def test_markdown_files_and_terminal_show_the_same_money(page: Path, tables: Frames) -> None:
    told = (page.parent / "summary.md").read_text()
    assert "| pictures | 16 ok | 4 ok, 2 refused, 1 rate limited, 1 timed out | 3 ok, 3 of 8 prompts |" in told
    assert "| cost a successful picture (USD) ↓ | 0.001 | 0.05 | 0.05 |" in told
    assert re.search(r"\| cost a picture \(USD\) ↓ \| 0\.001 \| 0\.025 \[0\.00\d* to 0\.04\d*\] \| 0\.05 \|", told)
    assert "- midjourney: 0.15 USD spent; declared at import; what else was asked for is not known." in told
    for name in ("parquet", "csv"):
        kept = getattr(pd, f"read_{name}")(page.parent / f"cost.{name}")
        assert kept["per_success"].tolist() == pytest.approx(tables["cost"]["per_success"].tolist())
    console = Console(file=io.StringIO(), width=120)
    print_table(tables, console)
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert re.search(r"gpt-image .* 0\.025 +0\.05\s", printed)


def only(run: Run) -> dict[str, Any]:
    (found,) = frames([run])["cost"].to_dict("records")
    return {str(k): v for k, v in found.items()}


@pytest.mark.slow
def test_no_price_is_no_number_and_says_which_one_is_missing(tmp_path: Path, drawn: dict[str, bytes]) -> None:
    picture = drawn[EIGHT[0].id]
    unpriced = {"usd": 0.0, "presumed_usd": 0.0, "unknown": 2, "attempts": 3, "basis": "unknown", "as_of": None, "price": None}
    cases = {
        "no price given (budget.per_hour=)": local(tmp_path / "a", drawn),
        "no known price (budget.price=)": hosted(tmp_path / "b", [ok(picture), ok(picture)], spending=unpriced),
        "no price declared (import --price)": imported(tmp_path / "c", tmp_path / "pictures", drawn, math.nan),
    }
    for reason, run in cases.items():
        found = only(run)
        assert all(math.isnan(found[k]) for k in ("usd", "presumed_usd", "per_picture", "per_success", "low", "high")), reason
        assert (found["reason"], found["basis"]) == (reason, reason)
        assert frames([run])["images"]["cost_usd"].isna().all()
        shown = write_run(run)
        assert row(shown, "cost") == [f"– {reason}"]
        console = Console(file=io.StringIO(), width=120)
        print_table(frames([run]), console)
        assert "USD" not in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_price_of_0_is_the_users_word(tmp_path: Path, drawn: dict[str, bytes]) -> None:
    found = only(local(tmp_path, drawn, per_hour=0))
    assert (found["usd"], found["per_picture"], found["per_success"], found["reason"]) == (0, 0, 0, None)


def test_a_run_whose_pictures_are_partly_priced_has_no_price_a_success(tmp_path: Path, drawn: dict[str, bytes]) -> None:
    picture = drawn[EIGHT[0].id]
    spending = {"usd": 0.04, "presumed_usd": 0.0, "unknown": 1, "attempts": 2, "basis": "unknown", "as_of": None, "price": None}
    found = only(hosted(tmp_path, [ok(picture, 0.04), ok(picture)], spending=spending))
    assert (found["usd"], found["per_picture"], found["basis"]) == (0.04, 0.04, "as the server reported")
    assert math.isnan(found["per_success"])
    assert found["reason"] == "1 of 2 pictures have no known price; 1 request of unknown cost left out"


def test_a_run_without_a_picture_has_no_price_a_picture(tmp_path: Path) -> None:
    refused = Rendered("refused", error="no", cost_usd=0.05, detail={"refusal": "refused"})
    spending = {"usd": 0.05, "presumed_usd": 0.0, "unknown": 0, "attempts": 1, "basis": BASIS, "as_of": "2026-11-23", "price": None}
    found = only(hosted(tmp_path, [refused], spending=spending))
    assert found["usd"] == 0.05
    assert all(math.isnan(found[k]) for k in ("per_picture", "per_success"))
    assert found["reason"] == "no picture was made"


def test_a_hosted_run_of_before_is_priced_from_its_records(tmp_path: Path, drawn: dict[str, bytes]) -> None:
    picture = drawn[EIGHT[0].id]
    found = only(hosted(tmp_path, [ok(picture, 0.02), ok(picture, 0.04), Rendered("failed", error="down")]))
    assert list(np.round([found["usd"], found["per_picture"], found["per_success"]], 9)) == [0.06, 0.03, 0.03]
    assert (found["basis"], found["unknown"]) == ("as the server reported", 1)
