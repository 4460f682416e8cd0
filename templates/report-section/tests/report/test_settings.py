"""The report's section on settings."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from bench.report.sections import settings


def images(*rows: tuple[str, int, dict[str, Any]]) -> Any:
    """The frame ``images`` with what the section reads: run, width and height, settings."""
    records = [{"run": run, "model": "m", "width": side, "height": side, "settings": json.dumps(given)} for run, side, given in rows]
    return {"images": pd.DataFrame(records, columns=["run", "model", "width", "height", "settings"])}


def test_a_row_says_what_all_pictures_of_a_run_share() -> None:
    tables = images(("one", 128, {"steps": 4, "lora": None, "word": "a"}), ("one", 128, {"steps": 4, "lora": None, "word": "b"}))
    assert settings.section(tables, ["one"]) == {"rows": [{"run": "one", "model": "m", "size": "128 × 128", "settings": "steps 4"}]}


def test_a_size_that_the_server_decides_is_said_so() -> None:
    section = settings.section(images(("one", 0, {})), ["one"])
    assert section == {"rows": [{"run": "one", "model": "m", "size": "as the server decides", "settings": "none"}]}


def test_without_pictures_there_is_no_section() -> None:
    assert settings.section(images(), ["one"]) is None
