"""Which prompt a file is of, where ids or manifests are awkward."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import PromptError
from bench.images.matching import by_manifest, by_name
from bench.types import Prompt


@pytest.mark.parametrize(
    ("file", "prompt", "seed"),
    [
        ("Open.png", "Open", 0), ("open.png", "open", 0), ("Open_s3.png", "Open", 3), ("OPEN.png", None, 0), ("MENU.png", "menu", 0),
        ("Menu-2.png", "menu", 2), ("sale_1.png", "sale_1", 0), ("SALE_1.png", "sale_1", 0), ("sale_2.png", "sale", 2),
    ],
)  # fmt: skip
def test_an_exact_id_goes_before_one_that_differs_in_case(file: str, prompt: str | None, seed: int) -> None:
    prompts = [Prompt(name, f"a picture of {name}") for name in ("open", "Open", "menu", "sale", "sale_1")]
    (match,) = by_name([Path(file)], prompts)
    assert (match and match.prompt.id, match.seed if match else 0) == (prompt, seed)


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        ("m.jsonl", '{"file": "a.png", "prompt": "cut \\ud83d"}\n', r"m\.jsonl:1: 'prompt' holds \\ud83d"),
        ("m.csv", "file,file,prompt_id\na.png,b.png,p\n", r"m\.csv:1: the column 'file' is there 2 times"),
        ("m.csv", 'file,prompt\na.png,"one\n', r"m\.csv:2: a double quote"),
    ],
)
def test_what_a_manifest_cannot_mean_is_told_with_its_line(name: str, rows: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / name).write_text(rows)
    with pytest.raises(PromptError, match=message):
        by_manifest(tmp_path / name, [Prompt("p", "one")])


def test_a_manifest_may_have_other_line_ends_inside_texts_and_blank_rows(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "m.csv").write_text(" file , prompt ,\n,,\na.png,one\u2028two,\n", encoding="utf-8")
    _, (match,) = by_manifest(tmp_path / "m.csv", [Prompt("p", "one\u2028two")])
    assert match
    assert match.prompt.id == "p"
