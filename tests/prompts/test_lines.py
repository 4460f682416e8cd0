"""Prompt files as people have them: where lines end, what spreadsheets add, and what is told with its line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from support.command import bench

from bench import prompts
from bench.errors import PromptError

if TYPE_CHECKING:
    from pathlib import Path

HEADER = json.dumps({"name": "s", "version": "1", "language": "en", "licence": "CC0", "source": "drawn"})


def texts(path: Path, content: str | bytes) -> list[str]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return [prompt.text for prompt in prompts.load(str(path)).prompts]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_where_lines_end_and_nowhere_else(end: str, tmp_path: Path) -> None:
    wanted = ["a red circle,\u2028on white", "a blue cross,\x85on\x0b white\x0c\u2029!"]
    assert texts(tmp_path / "a.txt", end.join(wanted)) == wanted
    rows = [json.dumps({"id": f"p{i}", "text": text}, ensure_ascii=False) for i, text in enumerate(wanted)]
    assert texts(tmp_path / "a.jsonl", end.join([HEADER, *rows])) == wanted
    assert texts(tmp_path / "a.csv", end.join(["text", *(f'"{text}"' for text in wanted)])) == wanted


@pytest.mark.parametrize(
    "table",
    [
        "id,text,category,,\na,a red circle,sign,,\n",
        "\n,,\nid,text,category\n\n,,\na,a red circle,sign\n,,\n , ,\n",
        " id, text , category\na , a red circle , sign \n",
        "id;text;category\na;a red circle;sign\n",
        "id\ttext\tcategory\na\ta red circle\tsign\n",
        "id\ttext\tcategory\na\ta red circle\tsign\n".encode("utf-16"),
    ],
)
def test_what_spreadsheets_add_changes_nothing(table: str | bytes, tmp_path: Path) -> None:
    assert texts(tmp_path / "a.csv", table) == ["a red circle"]
    (prompt,) = prompts.load(str(tmp_path / "a.csv")).prompts
    assert (prompt.id, prompt.category) == ("a", "sign")


def test_a_long_cell_and_a_cell_of_several_lines_are_read_whole(tmp_path: Path) -> None:
    long = "x" * 140_000
    assert texts(tmp_path / "a.csv", f'text\n"{long}"\n"one\ntwo ""three"""\n') == [long, 'one\ntwo "three"']


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "text,text\na,b\n", r"a\.csv:1: the column 'text' is there 2 times"),
        ("a.csv", 'id,text\na,one\nb,"two\nc,three\n', r"a\.csv:3: a double quote opens a cell of this row and is not closed"),
        ("a.csv", 'id,text\n\na,"one\ntwo"\nb,"OPEN" sign\n', r"a\.csv:5: a double quote"),
        ("a.csv", "id,text\n\na,one, two\n", r"a\.csv:3: more cells than columns"),
        ("a.csv", "id,text\n\n\na b,one\n", r"a\.csv:4: id 'a b' must be"),
        ("a.jsonl", HEADER + '\n{"id": "a", "text": "cut \\ud83d"}', r"a\.jsonl:2: 'text' holds \\ud83d, half an emoji"),
        ("a.jsonl", HEADER + '\n{"text": "one", "text": "two"}', r"a\.jsonl:2: the field 'text' is there twice"),
        ("a.jsonl", HEADER + '\n\n{"text": }', r"a\.jsonl:3: not JSON"),
        ("a.txt", b"one\n\xff\xff", r"a\.txt: not UTF-8 text \(byte 4\)"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(name: str, content: str | bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(PromptError, match=message):
        texts(tmp_path / name, content)


def test_a_whole_emoji_written_as_two_halves_is_one(tmp_path: Path) -> None:
    assert texts(tmp_path / "a.jsonl", HEADER + '\n{"id": "a", "text": "\\ud83d\\ude00"}') == ["😀"]


def test_a_public_format_says_it_too(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text('{"annotations": [\n{"caption": "cut \\ud83d"}]}')
    with pytest.raises(PromptError, match="half an emoji"):
        prompts.load(f"coco:{tmp_path / 'c.json'}")
    (tmp_path / "提示.tsv").write_text('Prompt\tCategory\n\na "q\u2028 cat\tЖивотные\n', encoding="utf-8")
    held = prompts.load(f"partiprompts:{tmp_path / '提示.tsv'}")
    assert (held.name, held.prompts[0].text, held.prompts[0].category) == ("partiprompts-提示", 'a "q\u2028 cat', "животные")


def test_the_command_tells_the_line_and_writes_nothing(tmp_path: Path) -> None:
    (tmp_path / "half.jsonl").write_text(HEADER + '\n{"id": "a", "text": "cut \\ud83d"}')
    told = bench(["run", "model=tiny-oracle", "prompts=half.jsonl"], tmp_path)
    assert (told.returncode, "half.jsonl:2: 'text' holds" in told.stderr, (tmp_path / "results").exists()) == (2, True, False)
