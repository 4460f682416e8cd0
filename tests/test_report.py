"""The report: frames, Markdown and page of real runs; nothing a prompt says can change the page."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from conftest import render_oracle, require

from bench import images, presets, prompts, report, runner, scoring
from bench.progress import Progress
from bench.report import figures, wording
from bench.report.frames import frames
from bench.report.html import _marked
from bench.store import Run, Store
from bench.types import Rendered, Timing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NASTY = '</script><img src=x onerror="document.title=1"> a “sign” & | `x` <b>bold</b>'


def scored(run: Run) -> Run:
    with run.lock():
        scoring.score(run, presets.metrics(["ocr", "latency"]), Progress())
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
    images.write(images.plan(folder / "pictures", wanted), wanted, run, name="<script>", provenance={})
    return scored(run)


def test_frames_have_a_row_a_picture_and_a_mean_with_its_interval(runs: list[Run]) -> None:
    tables = frames(runs)
    assert list(tables) == ["images", "scores", "summary", "latency", "cost", "environment"]
    assert tables["images"].groupby("run").size().to_dict() == {"first": 8, "second <i>": 6}
    row = tables["summary"].set_index(["run", "metric"]).loc[("first", "ocr.exact")]
    values = tables["scores"].query("run == 'first' and metric == 'ocr.exact' and status == 'ok'")
    assert row["mean"] == pytest.approx(values.groupby("prompt_id")["value"].mean().mean())
    assert row["low"] <= row["mean"] <= row["high"]
    assert row["n"] == len(values)


def timed(results: Path, label: str, seconds: float) -> Run:
    """Copies of an oracle run's pictures under given timings."""
    drawn = render_oracle(results / "drawn", limit=4)
    run = Store(results).run(label, create=True)
    run.update_info(**{**drawn.info(), "label": label, "name": label})
    jobs = {j.key: j for j in runner.plan(presets.provider("tiny-oracle"), prompts.load("tiny").prompts, [0, 1])}
    for i, record in enumerate(drawn.current()):
        made = Rendered("ok", drawn.image_path(record).read_bytes(), Timing(latency_s=seconds + i / 1000))
        run.save(jobs[record.key], made, prompt_set=prompts.load("tiny"), environment=record.environment)
    return scored(run)


def test_best_is_marked_only_where_it_is_shown_and_runs_can_be_compared(tmp_path: Path) -> None:
    def best(*runs: Run) -> list[str]:
        marked = frames(runs)["summary"].query("metric == 'latency.p50' and best")
        return [str(run) for run in marked["run"]]

    fast, slow, level = timed(tmp_path, "fast", 0.1), timed(tmp_path, "slow", 0.2), timed(tmp_path, "level", 0.1)
    assert best(fast, slow) == ["fast"]
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
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)[1])  # type: ignore[index]
    assert all((page.parent / p["src"]).is_file() for row in data["prompts"] for cell in row["cells"] for p in cell)


def test_what_prompts_say_is_shown_and_never_run(hostile: Run, tmp_path: Path) -> None:
    html = report.write_comparison([hostile], tmp_path).read_text()
    assert "<img src=x" not in html
    assert html.count("</script>") == 2
    assert json.loads(re.search(r'id="data">(.*?)</script>', html, re.DOTALL)[1])["prompts"][0]["text"] == NASTY  # type: ignore[index]


def test_a_run_folder_moves(runs: list[Run], tmp_path: Path) -> None:
    moved = runs[0].path.rename(tmp_path / "elsewhere")
    try:
        html = report.write_run(Run(moved)).read_text()
        assert "shape-01" in html
        assert str(tmp_path) not in html
    finally:
        moved.rename(runs[0].path)


def test_differences_are_marked_by_word_and_by_letter() -> None:
    assert _marked("KAFE", "CAFE") == [["-", "K"], ["+", "C"], ["=", "AFE"]]
    assert _marked("I was here", "I here") == [["=", "I"], ["-", "was"], ["=", "here"]]
    assert _marked("", "stray") == [["+", "stray"]]


def test_numbers_keep_three_digits_and_say_what_is_missing() -> None:
    assert [wording.number(v) for v in (0.0012345, 1.5, 123.4, float("nan"))] == ["0.0012", "1.50", "123", "–"]


def test_figures_need_two_points_and_one_scale() -> None:
    def table(*rows: tuple[str, str, float, str]) -> pd.DataFrame:
        made = pd.DataFrame(rows, columns=["run", "metric", "mean", "fingerprint"])
        return made.assign(low=np.nan, high=np.nan, higher_is_better=True)

    pace = [("a", "latency.p50", 0.1, "t"), ("b", "latency.p50", 2.0, "t")]
    assert figures.quality_latency(table(("a", "clip", 0.3, "f"), pace[0]), "clip") is None
    drawn = figures.quality_latency(table(("a", "clip", 0.3, "f"), ("b", "clip", 0.2, "f"), *pace), "clip")
    assert drawn is not None
    assert "currentColor" in drawn


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    chromium, driver = require("chromium"), require("chromedriver")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
                 "--disable-sync", "--no-first-run", "--window-size=1280,900", "--disable-dev-shm-usage"):  # fmt: skip
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    opened = webdriver.Chrome(options=options, service=Service(driver))
    yield opened
    opened.quit()


def test_the_page_works_in_a_browser(browser: object, runs: list[Run], hostile: Run, tmp_path: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import Select

    page: object = report.write_comparison([*runs, hostile], tmp_path / "page")
    browser.get(page.as_uri())  # type: ignore[attr-defined]
    find = browser.find_elements  # type: ignore[attr-defined]
    assert len(find(By.CSS_SELECTOR, ".row")) == 5
    assert browser.title != "1"  # type: ignore[attr-defined]
    Select(find(By.ID, "category")[0]).select_by_visible_text('<i>"quoted"</i>')
    assert [r.text for r in find(By.CSS_SELECTOR, ".row h3")] == [" ".join(NASTY.split())]
    Select(find(By.ID, "category")[0]).select_by_visible_text("all")
    find(By.ID, "text")[0].send_keys("shape-02")
    assert find(By.ID, "count")[0].text == "1 of 5 prompts"
    find(By.CSS_SELECTOR, ".picture button")[0].click()
    large = find(By.ID, "large-image")[0]
    assert large.is_displayed()
    assert large.size["width"] > 300
    first = large.get_attribute("src")
    find(By.CSS_SELECTOR, "dialog button")[0].send_keys(Keys.ARROW_RIGHT)
    assert large.get_attribute("src") != first
    find(By.CSS_SELECTOR, "dialog button")[0].send_keys(Keys.ESCAPE)
    assert not find(By.ID, "large")[0].get_attribute("open")
    loaded = browser.execute_script(
        "return [...document.images].filter(i => i.id !== 'large-image' && i.complete && !i.naturalWidth).length"
    )  # type: ignore[attr-defined]
    assert loaded == 0
    assert browser.get_log("browser") == []  # type: ignore[attr-defined]
