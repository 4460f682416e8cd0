"""Lists fit the terminal, and what is cut says so."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console
from support.paths import ROOT

from bench.cli import availability
from bench.cli.commands import list as listing
from bench.cli.tables import table
from bench.config import presets
from bench.store import Store

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Sequence

    from rich.table import Table

    Here = Callable[[Sequence[str]], subprocess.CompletedProcess[str]]


def text(shown: Table, width: int) -> str:
    console = Console(width=width, no_color=True)
    with console.capture() as captured:
        console.print(shown)
    return captured.get()


@pytest.mark.parametrize("width", [20, 60, 80])
@pytest.mark.parametrize("what", ["models", "prompts", "metrics", "runs"])
def test_no_table_is_wider_than_the_terminal_and_what_is_cut_says_so(what: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    store = Store(Path("tests/golden/results"))
    makers = {"models": listing.models, "prompts": listing.prompt_sets, "metrics": listing.metrics}
    short, whole = (makers[what](width, long=long) if what in makers else listing.runs(store, width, long=long) for long in (False, True))
    everything = text(makers[what](2000) if what in makers else listing.runs(store, 2000), 2000).replace("─", "")
    assert max(map(len, text(short, width).splitlines() + text(whole, width).splitlines())) <= width
    words = set(everything.split())
    for word in set(text(short, width).replace("─", "").split()) - words - {"…"}:
        assert word.endswith("…")
        assert any(each.startswith(word[:-1]) for each in words)
    assert Counter("".join(text(whole, width).replace("─", "").split())) == Counter("".join(everything.split()))


def test_a_list_that_no_terminal_shows_has_a_line_a_run_with_its_whole_name(tmp_path: Path, here: Here) -> None:
    names = ["a-run-with-a-name-" + "x" * 120, "提示.tiny.128x128"]
    for name in names:
        Store(tmp_path / "results").run(name, create=True).update_info(name=name, model="m " * 60)
    lines = here(["list", "runs"]).stdout.splitlines()
    assert len(lines) == 3 + len(names)
    assert [line.split()[0] for line in lines[3:]] == names


def test_models_at_80_columns_have_a_description() -> None:
    shown = text(listing.models(80), 80)
    assert max(map(len, shown.splitlines())) == 80
    assert "description" in shown.splitlines()[1]
    assert "FLUX.1 [dev]," in shown
    assert "…" in shown
    assert presets.read("model", "gpt-image")["card"]["description"] in " ".join(text(listing.models(1000, long=True), 1000).split())


def test_a_column_gives_way_where_words_fill_the_terminal() -> None:
    rows = [("a-name-that-is-long", "model", "one two three four five six seven eight nine ten")]
    narrow, wide = (table("", ("run", "model", "scored"), rows, width, cut="scored", optional="model") for width in (34, 80))
    assert [str(column.header) for column in narrow.columns] == ["run", "scored"]
    assert "…" in text(narrow, 34)
    assert [str(column.header) for column in wide.columns] == ["run", "model", "scored"]


def test_what_is_missing_is_read_from_the_preset_and_the_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(availability, "find_spec", lambda _name: None)
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    def missing(metric: str) -> list[str]:
        return [reason for part in availability.parts(presets.read("metric", metric)) for reason in availability.missing_for_part(part)]

    assert missing("ocr") == ["pip install rapidocr onnxruntime"]
    assert missing("ocr_tesseract") == ["the program tesseract"]
    assert missing("nudenet") == ["pip install --no-deps nudenet==3.4.2"]
    assert missing("fid") == ["Inception weights: make fid"]
    assert missing("vqa") == ["OPENAI_API_KEY is not set"]
    assert missing("clip") == ["weights (hf download)"]
    assert not missing("clip_tiny")
    assert {"OPENAI_API_KEY", "XAI_API_KEY", "BFL_API_KEY", "STABILITY_API_KEY", "HF_TOKEN"} <= set(availability.key_names())


def test_a_damaged_run_is_listed(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("{")
    assert "unreadable:" in text(listing.runs(Store(tmp_path), 200), 200)
