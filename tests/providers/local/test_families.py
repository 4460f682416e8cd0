"""Settings that would change nothing are refused before anything loads, and are no part of a request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.command import bench

from bench.config import presets
from bench.errors import ConfigError
from bench.types import Prompt

if TYPE_CHECKING:
    from pathlib import Path

PROMPT = Prompt("a", "a red circle on the left, on white", negative_prompt="blue")


def request(name: str, prompt: Prompt = PROMPT, **changes: Any) -> Any:
    return presets.provider(name, **changes).request(prompt, 0)


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("tiny-schnell", {"guidance": 3.5}, r"guidance=3\.5 changes nothing: tiny-schnell takes no guidance.*model\.guidance=0$"),
        ("flux-schnell", {"guidance": 1}, r"takes no guidance.*model\.guidance=0$"),
        ("flux2-klein-4b", {"guidance": 4.0}, r"takes no guidance.*model\.guidance=1$"),
        ("qwen-image", {"guidance": 4.0}, r"model\.true_cfg is its guidance.*model\.guidance=1$"),
        ("sdxl", {"guidance": 1}, r"is no guidance, as 0 is.*model\.guidance=0"),
        ("sd3-medium", {"true_cfg": 4}, r"true_cfg=4 changes nothing.*set model\.guidance instead"),
        ("flux2-klein-4b", {"true_cfg": 4}, r"takes no guidance at all, model\.true_cfg=1"),
        ("sdxl", {"max_sequence_length": 77}, r"reads a fixed number of tokens; set model\.max_sequence_length=null"),
        ("flux-dev", {"max_sequence_length": 513}, "reads 512 tokens at most"),
        ("qwen-image", {"max_sequence_length": 1025}, "reads 1024 tokens at most"),
        ("sd35-large", {"size": "4096x1024"}, "too large for sd35-large: its sides are 3072 pixels at most"),
    ],
)
def test_what_would_change_nothing_or_cannot_be_is_refused(name: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        request(name, **changes)


def test_an_aspect_can_make_a_size_too_large() -> None:
    request("sd3-medium", size="2048x2048")
    with pytest.raises(ConfigError, match="3072 pixels at most"):
        request("sd3-medium", Prompt("a", "b", aspect="3:1"), size="2048x2048")


@pytest.mark.parametrize(
    ("name", "changes", "kept"),
    [
        ("flux-dev", {}, False),
        ("flux-dev", {"true_cfg": 3.0}, True),
        ("flux-schnell", {}, False),
        ("flux2-klein-4b", {}, False),
        ("sdxl", {}, True),
        ("sdxl", {"guidance": 0}, False),
        ("sd35-large", {}, True),
        ("qwen-image", {}, True),
        ("tiny-pro", {}, True),
        ("tiny-dev", {}, False),
    ],
)
def test_a_negative_prompt_is_in_the_request_where_it_changes_the_picture(name: str, changes: dict[str, Any], *, kept: bool) -> None:
    assert (request(name, **changes).negative_prompt == "blue") is kept
    empty = request(name, Prompt("a", PROMPT.text, negative_prompt=""), **changes)
    assert empty.id == request(name, Prompt("a", PROMPT.text), **changes).id


def test_a_pipeline_that_is_not_listed_is_asked_through_its_call(tmp_path: Path) -> None:
    def pipeline(name: str) -> dict[str, Any]:
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "model_index.json").write_text(json.dumps({"_class_name": name}), encoding="utf-8")
        return {"repo": str(tmp_path / name), "guidance": 4.5, "max_sequence_length": None}

    assert request("tiny-dev", **pipeline("PixArtSigmaPipeline")).negative_prompt == "blue"
    assert request("tiny-dev", **{**pipeline("PixArtSigmaPipeline"), "guidance": 0.0}).negative_prompt is None
    assert request("tiny-dev", **pipeline("OfTheFuturePipeline")).negative_prompt == "blue"
    with pytest.raises(ConfigError, match="true_cfg=2 changes nothing"):
        request("tiny-dev", **pipeline("PixArtSigmaPipeline"), true_cfg=2)
    with pytest.raises(ConfigError, match=r"DiTPipeline is no text-to-image pipeline.*takes no prompt"):
        request("tiny-dev", **pipeline("DiTPipeline"))


@pytest.mark.slow
def test_a_command_says_which_negative_prompts_are_left_out(tmp_path: Path) -> None:
    header = {"name": "own", "version": "1", "language": "en", "licence": "CC0-1.0", "source": "here"}
    row = {"id": "a", "text": PROMPT.text, "category": "shape", "negative_prompt": "blue"}
    file = tmp_path / "own.jsonl"
    file.write_text(f"{json.dumps(header)}\n{json.dumps(row)}\n", encoding="utf-8")
    told = bench(["run", "model=tiny-dev", f"prompts={file}", "dry_run=true"], tmp_path)
    assert "draws nothing differently for a negative prompt; 1 prompt has one, left out" in " ".join((told.stdout + told.stderr).split())
    told = bench(["run", "model=tiny-pro", f"prompts={file}", "dry_run=true"], tmp_path)
    assert "negative" not in told.stdout + told.stderr


@pytest.mark.slow
def test_guidance_of_a_model_without_it_makes_no_run(tmp_path: Path) -> None:
    told = bench(["run", "model=tiny-schnell", "model.guidance=3.5", "limit=1"], tmp_path)
    assert told.returncode == 2
    assert "takes no guidance" in told.stderr
    assert not (tmp_path / "results").exists()
