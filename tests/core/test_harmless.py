"""What users and servers write does nothing in a spreadsheet and nothing in a terminal."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from rich.table import Table
from support.command import bench
from support.runs import render_oracle

from bench.core.harmless import Console, csv_text, of_spreadsheet, of_terminal
from bench.core.progress import Progress

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\n", "＝"])
def test_a_text_that_a_spreadsheet_would_run_is_quoted(begin: str) -> None:
    assert str(of_spreadsheet(f"{begin}cmd|' /C calc'!A0")).startswith("'")
    assert of_spreadsheet(f"a{begin}b") in {f"a{begin}b", "a\\x0db"}


@pytest.mark.parametrize("value", ["-0.5", "+3", "1e-5", "-.5", "-12%", -0.5, 7, None, "a – b", "x=1"])
def test_numbers_and_plain_texts_stay(value: object) -> None:
    assert of_spreadsheet(value) == value


def test_a_table_keeps_its_numbers_and_loses_its_control_characters() -> None:
    table = pd.DataFrame({"prompt": ["=1+1", "\x1b]0;x\x07", None], "value": [-0.5, 1.0, 2.0]})
    assert csv_text(table) == "prompt,value\n'=1+1,-0.5\n\\x1b]0;x\\x07,1.0\n,2.0\n"
    assert table["prompt"][0] == "=1+1"


@pytest.mark.parametrize("terminal", [True, False])
def test_no_escape_code_of_a_text_reaches_the_terminal(*, terminal: bool) -> None:
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=terminal, width=80, color_system=None)
    table = Table("a\x1b[2J")
    table.add_row("\x1b]52;c;x\x07")
    console.print(table)
    Progress(console).say("\x1b[31mred\x9b0m")
    assert not {*"\x1b\x07\x9b"} & {*shown.getvalue()}
    assert "␛[31mred" in shown.getvalue()
    assert of_terminal("a\nb\tc ü 提") == "a\nb\tc ü 提"


def test_reports_and_messages_of_a_run_are_harmless(tmp_path: Path) -> None:
    run = render_oracle(tmp_path / "results", limit=1, seeds=(0,), label="=\x1b[31mrun")
    done = bench(["report", run.name], tmp_path)
    assert done.returncode == 0, done.stderr
    written = (run.path / "report" / "images.csv").read_text(encoding="utf-8")
    assert "'=\\x1b[31mrun," in written
    assert pd.read_parquet(run.path / "report" / "images.parquet")["run"][0] == "=\x1b[31mrun"
    assert "\x1b" not in done.stderr + done.stdout + (run.path / "report" / "summary.md").read_text(encoding="utf-8")
