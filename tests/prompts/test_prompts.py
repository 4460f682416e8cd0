"""Prompt sets: what ships, what is refused, and that no template is hidden in them."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from bench import prompts
from bench.errors import BenchError, ConfigError, PromptError

if TYPE_CHECKING:
    from pathlib import Path

HEADER = {"name": "mine", "version": "1", "language": "en", "licence": "CC0", "source": "me"}
_FUNCTION = frozenset(
    re.findall(
        r"\w+",
        """
    a an the of in on at by with from to into and or but that which who whose is are was were has have had says
    reads reading beside under over above below behind between through one two three his her its their as for only
    still not no
    """,
    )
)


def skeleton(text: str) -> str:
    """The sentence with quotations, numbers and content words masked: what a template leaves constant."""
    text = re.sub(r"[\"“《].*?[\"”》]", " QUOTE ", text)
    text = re.sub(r"\d[\d.,:]*", " NUMBER ", text)
    words = re.findall(r"[A-Za-z]+|[\u4e00-\u9fff]", text)
    masked = [w if w in {"QUOTE", "NUMBER"} else w.lower() if w.lower() in _FUNCTION else "_" for w in words]
    return re.sub(r"(_ )+", "_ ", " ".join(masked) + " ").strip()


def repeated(texts: list[str]) -> list[tuple[str, int]]:
    """Skeletons and openings (first three words) that more than three texts share."""
    long = [s for s in map(skeleton, texts) if sum(w != "_" for w in s.split()) > 2]
    openings = [" ".join(t.lower().split()[:3]) for t in texts]
    return [(s, n) for s, n in (Counter(long) + Counter(openings)).items() if n > 3]


def write(tmp_path: Path, *lines: object, name: str = "mine.jsonl") -> Path:
    path = tmp_path / name
    path.write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "least", "categories"), [("core", 120, 11), ("text", 100, 9), ("article", 15, 5), ("tiny", 32, 4), ("permissive", 60, 12)]
)
def test_shipped_sets_load_and_have_their_size(name: str, least: int, categories: int) -> None:
    held = prompts.load(name)
    assert len(held.prompts) >= least
    assert len({p.category for p in held.prompts}) == categories
    assert len({p.text for p in held.prompts}) == len(held.prompts)


def test_text_has_its_chinese_prompts() -> None:
    chinese = [p for p in prompts.load("text").prompts if any("\u4e00" <= c <= "\u9fff" for e in p.expected_text for c in e)]
    assert len(chinese) >= 25


@pytest.mark.parametrize("name", ["core", "text", "article"])
def test_expected_text_stands_in_the_prompt(name: str) -> None:
    held = prompts.load(name).prompts
    assert [(p.id, e) for p in held for e in p.expected_text if e not in p.text] == []
    assert all(p.expected_text for p in held if p.category == "text" or name == "text")


@pytest.mark.parametrize("name", ["core", "text", "article", "permissive"])
def test_no_template_serves_more_than_three_prompts(name: str) -> None:
    assert repeated([p.text for p in prompts.load(name).prompts]) == []


def test_the_template_test_sees_a_template() -> None:
    nouns = ["dog", "red car", "very old house", "tree", "lamp"]
    assert repeated([f'a {n} with a sign that reads "{n}" in the {m}' for n, m in zip(nouns, reversed(nouns), strict=True)])


def test_tiny_prompts_are_of_the_domain_and_were_never_trained_on() -> None:
    from bench.tiny import scenes

    for prompt in prompts.load("tiny").prompts:
        scene = scenes.parse(prompt.text)
        assert prompt.expected_text == ((scene.word,) if scene.word else ())
        assert scenes.held_out(scene.word or prompt.text)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([{"id": "a", "text": "x"}], "header"),
        ([HEADER], "holds no prompts"),
        ([HEADER, "{nope"], r":2: not JSON"),
        ([HEADER, {"id": "a", "text": " "}], r":2: the prompt has no text"),
        ([HEADER, {"id": "a", "text": "x"}, {"id": "a", "text": "y"}], r":3: id 'a' is taken by line 2"),
        ([HEADER, {"id": "a", "text": "x", "categroy": "y"}], "did you mean 'category'"),
        ([HEADER, {"id": "../a", "text": "x"}], "pictures are named after it"),
        ([HEADER, {"id": "a", "text": "x", "aspect": "wide"}], "like 16:9"),
        ([HEADER, {"id": "a", "text": "x", "expected_text": "y"}], "must be a list of texts"),
        ([{**HEADER, "licence": ""}, {"id": "a", "text": "x"}], "'licence'"),
    ],
)
def test_a_broken_file_names_file_line_and_value(lines: list[object], message: str, tmp_path: Path) -> None:
    with pytest.raises(PromptError, match=message):
        prompts.load(str(write(tmp_path, *lines)))


def test_byte_order_mark_and_windows_line_ends_change_nothing(tmp_path: Path) -> None:
    plain = write(tmp_path, HEADER, {"id": "a", "text": "café"})
    odd = tmp_path / "odd.jsonl"
    odd.write_bytes(b"\xef\xbb\xbf" + plain.read_bytes().replace(b"\n", b"\r\n"))
    assert prompts.load(str(odd)).hash == prompts.load(str(plain)).hash


def test_txt_and_csv(tmp_path: Path) -> None:
    text = prompts.load(str(write(tmp_path, "# comment", "one", "", "two", name="p.txt")))
    assert [(p.id, p.text) for p in text.prompts] == [("p0001", "one"), ("p0002", "two")]
    table = prompts.load(str(write(tmp_path, "id,text,expected_text,tags", 'a,"x, y",SALE|EXIT,b;c', name="p.csv")))
    assert table.prompts[0].expected_text == ("SALE", "EXIT")
    assert table.prompts[0].tags == ("b", "c")


def test_the_hash_follows_the_content() -> None:
    held = prompts.load("tiny")
    assert held.hash == prompts.load("tiny").hash
    assert held.hash != prompts.load("core").hash


def test_selection_and_unknown_names() -> None:
    held = prompts.load("core")
    assert len(prompts.select(held, limit=5)) == 5
    assert {p.category for p in prompts.select(held, categories=["people", "text"])} == {"people", "text"}
    with pytest.raises(ConfigError, match="did you mean 'people'"):
        prompts.select(held, categories=["poeple"])
    with pytest.raises(ConfigError, match="at least 1"):
        prompts.select(held, limit=0)
    with pytest.raises(ConfigError, match="did you mean 'core'"):
        prompts.load("cor")
    with pytest.raises(BenchError, match="no prompt file"):
        prompts.load("nowhere.jsonl")
