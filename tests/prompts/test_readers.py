"""Public formats, read from small files written here after the published schemas."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from bench import prompts
from bench.errors import ConfigError, PromptError

if TYPE_CHECKING:
    from pathlib import Path


def test_partiprompts(tmp_path: Path) -> None:
    path = tmp_path / "P2.tsv"
    path.write_text('Prompt\tCategory\tChallenge\tNote\na "quoted" cat\tAnimals\tFine-grained Detail\t\n', encoding="utf-8")
    (prompt,) = prompts.load(f"partiprompts:{path}").prompts
    assert (prompt.text, prompt.category, prompt.tags) == ('a "quoted" cat', "animals", ("fine-grained-detail",))


def test_geneval(tmp_path: Path) -> None:
    path = tmp_path / "evaluation_metadata.jsonl"
    path.write_text(json.dumps({"tag": "two_object", "include": [], "prompt": "a fork and a boat"}) + "\n")
    held = prompts.load(f"geneval:{path}")
    assert held.prompts[0].category == "two-object"
    assert held.licence == "MIT"


def test_longtext(tmp_path: Path) -> None:
    path = tmp_path / "text_prompts.jsonl"
    path.write_text(
        json.dumps({"prompt_id": 3, "prompt": 'a sign: "go home"', "text": ["go home"], "category": "signs", "length": "short"}) + "\n"
    )
    (prompt,) = prompts.load(f"longtext:{path}").prompts
    assert (prompt.id, prompt.expected_text, prompt.tags) == ("longtext-3", ("go home",), ("short",))


def test_coco_takes_one_caption_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "captions.json"
    rows = [
        {"image_id": 7, "id": 1, "caption": "first "},
        {"image_id": 7, "id": 2, "caption": "second"},
        {"image_id": 8, "id": 3, "caption": "other"},
    ]
    path.write_text(json.dumps({"annotations": rows}))
    assert [(p.id, p.text) for p in prompts.load(f"coco:{path}").prompts] == [("coco-7", "first"), ("coco-8", "other")]


@pytest.mark.parametrize("name", ["partiprompts", "geneval", "longtext", "coco"])
def test_a_file_of_another_kind_is_named(name: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text('{"something": "else"}')
    with pytest.raises(PromptError, match="this is not"):
        prompts.load(f"{name}:{path}")


def test_unknown_formats_and_missing_files() -> None:
    with pytest.raises(ConfigError, match="did you mean 'geneval'"):
        prompts.load("genval:x.jsonl")
    with pytest.raises(ConfigError, match="no prompt file"):
        prompts.load("coco:x.json")
