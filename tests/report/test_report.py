"""The report: frames, Markdown and page of real runs; nothing a prompt says can change the page."""

from __future__ import annotations

import io
import json
import re
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from rich.console import Console
from support.command import bench
from support.runs import render_oracle

from bench import prompts, report
from bench.analysis.frames import frames
from bench.config import presets
from bench.core.progress import Progress
from bench.engine import score
from bench.engine.importing import write
from bench.engine.plan import jobs_for
from bench.errors import ConfigError, StoreError
from bench.images.importing import plan_import
from bench.report import wording
from bench.report.terminal import print_table
from bench.store import Run, Store, schema
from bench.store.results import labelled
from bench.types import Rendered, Timing

if TYPE_CHECKING:
    from pathlib import Path

NASTY = '</script><img src=x onerror="document.title=1"> a “sign” & | `x` <b>bold</b>'


def scored(run: Run, *metrics: str) -> Run:
    with run.lock():
        score.score(run, presets.metrics(metrics or ["ocr", "latency"]), Progress())
    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """The oracle twice under two labels, and pictures brought in for a set with a hostile prompt."""
    results = tmp_path_factory.mktemp("results")
    first = scored(render_oracle(results, limit=4, label="first"))
    second = scored(render_oracle(results, limit=3, label="second <i>"))
    return [first, second]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory, runs: list[Run]) -> Run:
    folder = tmp_path_factory.mktemp("hostile")
    header = {"name": "nasty", "version": "1", "language": "en", "licence": "CC0", "source": "test"}
    row = {"id": "nasty-1", "text": NASTY, "category": '<i>"quoted"</i>', "expected_text": [NASTY[:9]]}
    (folder / "nasty.jsonl").write_text(json.dumps(header) + "\n" + json.dumps(row) + "\n")
    (folder / "pictures").mkdir()
    (folder / "pictures" / "nasty-1.png").write_bytes(runs[0].image_path(runs[0].current()[0]).read_bytes())
    wanted = prompts.load(str(folder / "nasty.jsonl"))
    run = Store(folder / "results").run("outside", create=True)
    write(plan_import(folder / "pictures", wanted), wanted, run, name="<script>", provenance={})
    return scored(run)


def gallery_of(page: Path) -> dict[str, Any]:
    """The data of the pictures beside a page."""
    text = (page.parent / "gallery-data.js").read_text()
    return dict(json.loads(text.removeprefix("window.GALLERY = ").removesuffix(";\n")))


def test_frames_have_a_row_a_picture_and_a_mean_with_its_interval(runs: list[Run]) -> None:
    tables = frames(runs)
    assert list(tables) == ["images", "scores", "summary", "pairwise", "ranking", "latency", "cost", "environment"]
    assert tables["images"].groupby("run").size().to_dict() == {"first": 8, "second <i>": 6}
    row = tables["summary"].set_index(["run", "metric"]).loc[("first", "ocr.exact")]
    values = tables["scores"].query("run == 'first' and metric == 'ocr.exact' and status == 'ok'")
    assert row["mean"] == pytest.approx(values.groupby("prompt_id")["value"].mean().mean())
    assert row["low"] <= row["mean"] <= row["high"]
    assert row["n"] == len(values)


def timed(results: Path, sessions: int = 5, **seconds: float) -> list[Run]:
    """For each label a copy of an oracle run's pictures under given timings, in so many sessions; the runs take turns."""
    drawn = render_oracle(results / "drawn", limit=8)
    jobs = {j.key: j for j in jobs_for(presets.provider("tiny-oracle"), prompts.load("tiny").prompts, [0, 1])}
    runs = {label: Store(results).run(label, create=True) for label in seconds}
    for label, run in runs.items():
        run.update_info(**{**drawn.info(), "label": label, "name": label})
    records = list(enumerate(drawn.current()))
    for session in range(sessions):
        for label, run in runs.items():
            for i, record in [(i, r) for i, r in records if i // 2 % sessions == session]:
                timing, image = Timing(latency_s=seconds[label] + i / 1000), drawn.image_path(record).read_bytes()
                made = Rendered("ok", image, timing, detail={"session": session})
                run.save(jobs[record.key], made, prompt_set=prompts.load("tiny"), environment=record.environment)
    return [scored(run, "latency") for run in runs.values()]


@pytest.mark.slow
def test_best_is_marked_only_where_it_is_shown_and_runs_can_be_compared(tmp_path: Path) -> None:
    def best(*runs: Run) -> list[str]:
        marked = frames(runs)["summary"].query("metric == 'latency.p50' and best")
        return [str(run) for run in marked["run"]]

    fast, slow, level = timed(tmp_path, fast=0.1, slow=0.2, level=0.1)
    assert best(fast, slow) == ["fast"]
    assert best(fast, *timed(tmp_path, sessions=1, once=0.2)) == [], "one session shows nothing"
    assert best(fast, *timed(tmp_path, later=0.2)) == [], "nor do sessions that took no turns"
    assert best(fast, level) == [], "no difference, no best"
    slow.update_info(hosted=True)
    assert best(fast, slow) == [], "a hosted and a local timing are not compared"


def test_a_report_writes_every_form(runs: list[Run], tmp_path: Path) -> None:
    page = report.write_comparison(runs, tmp_path / "both")
    assert page.name == "index.html"
    for name, table in frames(runs).items():
        assert len(pd.read_parquet(page.parent / f"{name}.parquet")) == len(table)
        assert len(pd.read_csv(page.parent / f"{name}.csv")) == len(table)
    told = (page.parent / "summary.md").read_text()
    assert "| metric | first | second \\<i\\> |" in told
    html = page.read_text()
    assert not re.findall(r'(?:src|href)="https?:', html)
    data = gallery_of(page)
    assert data["folder"] == "thumbs/"
    assert all((page.parent / "thumbs" / source).is_file() for source in data["files"]["src"])


def test_every_run_has_a_name_of_its_own_as_short_as_can_be(tmp_path: Path) -> None:
    def called(*told: tuple[str, str | None]) -> list[str]:
        runs = [Run(tmp_path / path) for path, _ in told]
        for run, (_, label) in zip(runs, told, strict=True):
            run.update_info(label=label)
        found = labelled(runs)
        assert list(found.values()) == runs
        return list(found)

    assert called(("a/x", "one"), ("a/y", "two"), ("a/z", None)) == ["one", "two", "z"]
    assert called(("a/x", "same"), ("a/y", "same")) == ["x", "y"]
    assert called(("a/x", "same"), ("b/x", "same"), ("b/y", "same")) == ["a/x", "b/x", "y"]
    assert called(("a/r/x", None), ("b/r/x", None)) == ["a/r/x", "b/r/x"]
    assert called(("a/x", "y"), ("a/y", "same"), ("a/z", "same")) == ["x", "a/y", "z"], "a label may be another run's name"


@pytest.mark.slow
def test_runs_of_one_name_are_compared_and_one_run_with_itself_is_not(runs: list[Run], tmp_path: Path) -> None:
    copies = [shutil.copytree(runs[0].path, tmp_path / results / runs[0].name) for results in ("here", "there")]
    assert bench(["compare", *map(str, copies), "--results", str(tmp_path), "--out", "both"], tmp_path).returncode == 0
    assert [run["name"].split("/")[0] for run in gallery_of(tmp_path / "both" / "index.html")["runs"]] == ["here", "there"]
    again = copies[0].parent / ".." / "here" / copies[0].name
    twice = bench(["compare", str(copies[0]), str(again), "--results", str(tmp_path), "--out", "twice"], tmp_path)
    assert twice.returncode == 2
    assert f"run {runs[0].name} is given twice; compare needs different runs" in " ".join(twice.stderr.split())
    assert not (tmp_path / "twice").exists()


@pytest.mark.slow
def test_a_folder_with_other_files_is_no_place_for_a_report_and_other_files_beside_one_stay(runs: list[Run], tmp_path: Path) -> None:
    album = tmp_path / "album" / "thumbs" / "2023"
    album.mkdir(parents=True)
    (album / "family.jpg").write_bytes(b"x")
    with pytest.raises(ConfigError, match=r"album holds files that are no report's"):
        report.write_comparison(runs, tmp_path / "album")
    with pytest.raises(StoreError, match=r"cannot write to .*family\.jpg: File exists; choose another folder"):
        report.write_comparison(runs, album / "family.jpg")
    page = report.write_comparison(runs, tmp_path / "page")
    mine = page.parent / "thumbs" / "2023" / "mine.jpg"
    mine.parent.mkdir()
    mine.write_bytes(b"x")
    report.write_comparison(runs, tmp_path / "page")
    assert mine.is_file()


def test_what_cannot_be_compared_or_left_out_is_said(runs: list[Run], tmp_path: Path) -> None:
    def refused(*words: str) -> str:
        compared = bench(["compare", *words, "--results", str(tmp_path), "--out", "page"], tmp_path)
        assert compared.returncode == 2
        return " ".join(compared.stderr.split())

    one, other = (str(run.path) for run in runs)
    assert "unknown metric 'ocr.exat'; did you mean 'ocr.exact'" in refused(one, other, "--without", "latency,ocr.exat")
    Store(tmp_path).run("bare", create=True).update_info(name="bare")
    assert "bare has no picture and no refusal to compare" in refused(one, "bare")
    broken = Run(shutil.copytree(runs[0].path, tmp_path / "broken"))
    (broken.path / "scores.parquet").write_bytes(b"PAR")
    assert "scores.parquet is damaged" in refused(other, str(broken.path))
    reworded = Run(shutil.copytree(runs[1].path, tmp_path / "reworded"))
    records = [replace(r, request=replace(r.request, prompt="another wish")) for r in reworded.records()]
    pq.write_table(schema.records_table(records), reworded.path / "records.parquet")
    (reworded.path / "journal.jsonl").unlink(missing_ok=True)
    assert "has different texts in the two runs (3 of 3 prompts do); render both with the same prompt file" in refused(
        one, str(reworded.path)
    )


def test_the_terminals_numbers_stay_whole_beside_long_names(runs: list[Run]) -> None:
    tables = frames(runs)
    named = {"first": "first." + 70 * "x"}
    long = tables | {name: table.replace({"run": named}) for name, table in tables.items() if "run" in table}
    console = Console(width=80, file=io.StringIO())
    print_table(long, console)
    told = console.file.getvalue()  # type: ignore[attr-defined]
    means = tables["summary"].query("metric == 'ocr.ned' or metric == 'latency.p50'")
    assert all(wording.number(row.mean, row.unit) in told for row in means.itertuples())


def test_what_prompts_say_is_shown_and_never_run(hostile: Run, tmp_path: Path) -> None:
    html = report.write_comparison([hostile], tmp_path).read_text()
    assert "<img src=x" not in html
    assert html.count("</script>") == 2
    assert "</script>" not in (tmp_path / "gallery-data.js").read_text()
    assert gallery_of(tmp_path / "index.html")["prompts"]["text"] == [NASTY]


@pytest.mark.slow
def test_a_run_folder_moves(runs: list[Run], tmp_path: Path) -> None:
    moved = runs[0].path.rename(tmp_path / "elsewhere")
    try:
        page = report.write_run(Run(moved))
        assert "shape-01" in gallery_of(page)["prompts"]["id"]
        assert str(tmp_path) not in page.read_text() + (page.parent / "gallery-data.js").read_text()
    finally:
        moved.rename(runs[0].path)


def test_numbers_keep_three_digits_and_say_what_is_missing() -> None:
    assert [wording.number(v) for v in (0.0012345, 1.5, 123.4, float("nan"))] == ["0.00123", "1.50", "123", "–"]


def test_the_page_works_in_a_browser(browser: Any, runs: list[Run], hostile: Run, tmp_path: Path) -> None:
    page = report.write_comparison([*runs, hostile], tmp_path / "page")
    browser.get(page.as_uri() + "#gallery")
    assert browser.title != "1"
    rows = browser.find_elements("css selector", "#g-rows h3")
    assert rows[0].text.startswith("a ")
    browser.find_element("id", "g-q").send_keys("nasty-1")
    assert [row.text for row in browser.find_elements("css selector", "#g-rows h3")] == [NASTY]
    assert browser.execute_script("return [...document.images].filter(i => i.complete && !i.naturalWidth).length") == 0
