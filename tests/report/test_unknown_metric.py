"""A metric nobody knew when the reports were written is shown like ours, in every form."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from support.runs import render_oracle

import bench
from bench import report
from bench.analysis.drops import GateRun
from bench.analysis.frames import frames
from bench.analysis.gate import judge
from bench.analysis.limits import parse
from bench.config import presets
from bench.core.advice import command
from bench.core.fingerprint import fingerprint
from bench.core.progress import Progress
from bench.engine import score
from bench.errors import ConfigError
from bench.report.terminal import print_table
from bench.types import Column

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.metrics import Sample
    from bench.store import Run
    from bench.types import ImageRecord, ScoreRow


@dataclass(frozen=True)
class Colourfulness:
    """How far apart a picture's channels are; ``lift`` makes one run better than another."""

    lift: float = 0.0
    version: int = 1
    name: str = "colourfulness"

    @property
    def columns(self) -> tuple[Column, ...]:
        return (
            Column(self.name, "0 and up", about="how colourful it is", order=145),
            Column(f"{self.name}.red", "share", about="how red it is"),
            Column("loudness", "decibel", headline=True, weighed=False, order=146),
        )

    def fingerprint(self) -> str:
        return fingerprint(self.name, self.version)

    def not_applicable_reason(self, record: ImageRecord) -> str | None:  # noqa: ARG002 - the same for every picture
        return None

    def score(self, samples: Sequence[Sample]) -> list[ScoreRow]:
        rows = []
        for sample in samples:
            pixels = np.asarray(sample.image, dtype=float)
            values = (self.lift + pixels.std() / 100, pixels[..., 0].mean() / 255, 3.0)
            rows += [column.scored(self.fingerprint(), float(v), sample.record) for column, v in zip(self.columns, values, strict=True)]
        return rows


def scored(results: Path, label: str, metric: Colourfulness, *, seeds: tuple[int, ...] = (0,)) -> Run:
    run = render_oracle(results, limit=8, label=label, seeds=seeds)
    with run.lock():
        score.score(run, [metric, *presets.metrics(["latency"])], Progress())
    return run


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    results = tmp_path_factory.mktemp("results")
    return [scored(results, "bright", Colourfulness(lift=1.0)), scored(results, "pale", Colourfulness())]


def test_the_run_keeps_the_card_of_each_column(runs: list[Run]) -> None:
    columns = runs[0].info()["columns"]
    assert {"colourfulness", "colourfulness.red", "loudness", "latency.p50"} <= columns.keys()
    assert columns["loudness"] == {
        "unit": "decibel", "higher_is_better": True, "worst": None, "about": "", "headline": True, "weighed": False, "timed": False,
        "order": 146, "aggregate": "mean", "of": None, "metric": "colourfulness",
    }  # fmt: skip


@pytest.mark.slow
def test_every_form_of_the_report_shows_it(runs: list[Run], tmp_path: Path) -> None:
    page = report.write_comparison(runs, tmp_path / "both")
    html, folder = page.read_text(), page.parent
    summary = html[html.index('id="summary"') : html.index("</table>")]
    assert "colourfulness" in summary
    assert "how colourful it is" in summary
    assert "loudness" in summary
    assert "how red it is" not in summary, "a part of a metric stands in the full table"
    assert "colourfulness, higher is better" in html, "its trade-off with speed"
    assert "For quality choose bright: with colourfulness " in html
    first = next(line for line in (folder / "summary.tex").read_text().splitlines() if line.startswith("model &"))
    assert first.startswith(r"model & colourfulness (0 and up) $\uparrow$ & loudness (decibel) $\uparrow$ & latency.p50 (s)")
    markdown = (folder / "summary.md").read_text()
    assert "| colourfulness (0 and up) ↑ |" in markdown
    assert "| colourfulness | bright | pale |" in markdown, "its difference"
    data = json.loads((folder / "gallery-data.js").read_text().removeprefix("window.GALLERY = ").removesuffix(";\n"))
    assert [data["metrics"][place]["name"] for place in data["shown"]] == ["colourfulness", "loudness", "latency"]


def test_the_answer_weighs_it_and_the_terminal_shows_it(runs: list[Run]) -> None:
    console = Console(file=io.StringIO(), width=80)
    print_table(frames(runs), console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "colourfulness ↑" in text
    assert "For quality choose bright" in text


def test_a_notebook_shows_it(runs: list[Run]) -> None:
    both = bench.compare([str(run.path) for run in runs])
    assert "colourfulness ↑" in both._repr_html_()
    assert "colourfulness " in both.runs[0].show("shape-01")._repr_html_()


def test_it_stands_where_its_card_says(runs: list[Run]) -> None:
    assert list(pd.unique(frames(runs)["summary"]["metric"]))[:4] == ["colourfulness", "loudness", "colourfulness.red", "latency.p50"]


def test_advice_names_its_metric_and_what_to_do_where_that_is_no_preset(runs: list[Run]) -> None:
    other = scored(runs[0].path.parent, "other", Colourfulness(version=2))
    with pytest.raises(ConfigError, match="loudness differ in version: 1 against 2") as caught:
        frames([runs[0], other])
    leave_out = command("compare", str(runs[0].path), str(other.path), "--without", "colourfulness")
    advice = f"(no preset yet: first write conf/metric/colourfulness.yaml); or leave them out with: {leave_out}"
    assert str(caught.value).endswith(advice)
    left = frames([runs[0], other], without=["colourfulness"])["scores"]["metric"]
    assert {metric.partition(".")[0] for metric in left} & {"colourfulness", "loudness", "latency"} == {"latency"}
    limits = parse(["loudness=0.1"])
    with pytest.raises(ConfigError, match=r"metric=\[colourfulness\]' \(no preset yet"):
        judge(*(GateRun.read(run, limits) for run in (runs[0], other)), limits)
