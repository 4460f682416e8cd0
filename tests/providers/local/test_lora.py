"""LoRA: known by its content, refused where it is none or another model's, and applied as strongly as asked."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import pytest
import torch
from safetensors.torch import save_file
from support.command import bench

from bench.config import presets
from bench.errors import BenchError, ConfigError, MissingPackageError, MissingWeightsError
from bench.types import Prompt

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PROMPT = Prompt("p", "a red circle on the left, on white")
PLACES = tuple(f"{kind}.0.attn.to_q" for kind in ("transformer_blocks", "single_transformer_blocks"))
WIDTH = 128
"""Of tiny-schnell's transformer."""


def schnell(lora: Path | str | None, **changes: Any) -> Any:
    return presets.provider("tiny-schnell", device="cpu", lora=None if lora is None else str(lora), **changes)


def lora_file(path: Path, seed: int = 0, places: Sequence[str] = PLACES, prefix: str = "transformer", **sides: int) -> Path:
    """``sides``: ``inputs`` and ``outputs`` of its layers, where they are not the model's."""
    draw = torch.Generator().manual_seed(seed)
    of = (("A", (4, sides.get("inputs", WIDTH))), ("B", (sides.get("outputs", WIDTH), 4)))
    shapes = {f"{prefix}.{place}.lora_{k}.weight": shape for place in places for k, shape in of}
    save_file({name: torch.randn(shape, generator=draw) / 2 for name, shape in shapes.items()}, path)
    return path


def picture(provider: Any) -> bytes:
    provider.check()
    session = provider.open(lambda _: None)
    (made,) = session.render([provider.request(PROMPT, 0)])
    session.close()
    assert made.status == "ok"
    return bytes(made.image)


def identity(*arguments: Any, **changes: Any) -> str:
    return str(schnell(*arguments, **changes).request(PROMPT, 0).id)


def test_a_lora_is_its_content_wherever_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = lora_file(tmp_path / "v1.safetensors", 1), lora_file(tmp_path / "v2.safetensors", 2)
    style = tmp_path / "style.safetensors"
    shutil.copy(first, style)
    of_first = identity(style)
    assert of_first == identity(first) != identity(None)
    monkeypatch.chdir(tmp_path)
    assert identity("style.safetensors") == of_first
    shutil.copy(second, style)
    assert identity(style) == identity(second) != of_first, "trained again under its name"
    assert identity(second, lora_scale=0.5) != identity(second)
    assert schnell(None).request(PROMPT, 0).settings["lora"] is None
    assert "lora_scale" not in schnell(None).request(PROMPT, 0).settings


def test_a_folder_or_a_repository_in_the_cache_stands_for_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    commit = "0123456789abcdef0123456789abcdef01234567"
    snapshot = tmp_path / "hub" / "models--owner--style" / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text(commit)
    file = lora_file(snapshot / "any.safetensors")
    assert identity("owner/style") == identity(snapshot) == identity(file)
    lora_file(snapshot / "other.safetensors", 3)
    with pytest.raises(MissingWeightsError, match=r"holds any\.safetensors, other\.safetensors: name one of them"):
        schnell("owner/style").check()
    lora_file(snapshot / "pytorch_lora_weights.safetensors", 4)
    assert identity("owner/style") == identity(snapshot / "pytorch_lora_weights.safetensors")


def test_what_is_no_lora_is_told_before_anything_is_loaded(tmp_path: Path) -> None:
    lora_file(tmp_path / "style.safetensors")
    with pytest.raises(MissingWeightsError, match=r"no such file; did you mean '.*style\.safetensors'\? give a \.safetensors file"):
        schnell(tmp_path / "stile.safetensors").check()
    with pytest.raises(MissingWeightsError, match=r"there is no such file; give .* on this machine \(hf download"):
        schnell("nobody/nothing").check()
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingWeightsError, match="holds nothing of that kind"):
        schnell(tmp_path / "empty").check()
    wrong = {"text": b"no weights at all", "cut": b"\xff\0\0\0\0\0\0\0{", "list": b"\2\0\0\0\0\0\0\0[]", "empty": b""}
    for name, data in wrong.items():
        (tmp_path / f"{name}.safetensors").write_bytes(data)
        with pytest.raises(MissingWeightsError, match=r"is no \.safetensors file"):
            schnell(tmp_path / f"{name}.safetensors").check()
    save_file({"hello": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(MissingWeightsError, match="holds no weights of a LoRA: none of its 1 names"):
        schnell(tmp_path / "other.safetensors").check()
    save_file({"transformer.a.lora_A.weight": torch.zeros(3), "transformer.a.dora_scale": torch.zeros(3)}, tmp_path / "dora.safetensors")
    with pytest.raises(MissingWeightsError, match="DoRA"):
        schnell(tmp_path / "dora.safetensors").check()


def test_without_peft_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = lora_file(tmp_path / "style.safetensors")
    monkeypatch.setattr("bench.providers.local.lora.find_spec", lambda _: None)
    with pytest.raises(MissingPackageError, match=r"needs the package peft; install it with: pip install .*peft"):
        schnell(file).check()


@pytest.mark.parametrize(
    ("lora", "scale", "message"),
    [(None, 0.5, "changes nothing without model.lora"), ("a", True, "must be a number"), ("a", float("nan"), "must be a number")],
)
def test_a_scale_that_is_none_or_scales_nothing_is_refused(lora: str | None, scale: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        schnell(lora, lora_scale=scale)


@pytest.mark.slow
def test_a_lora_changes_the_picture_as_much_as_its_scale_says(tmp_path: Path) -> None:
    file = lora_file(tmp_path / "style.safetensors")
    whole, half, none = (picture(schnell(file, lora_scale=scale)) for scale in (1, 0.5, 0))
    assert none == picture(schnell(None))
    assert len({whole, half, none}) == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"places": ("down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q",), "prefix": "unet"}, "no key fits"),
        ({"places": (*PLACES, "transformer_blocks.99.attn.to_q")}, "4 of 6 tensors fit"),
        ({"places": ("transformer_blocks.99.attn.to_q",)}, "trained for another model"),
        ({"inputs": 64, "outputs": 64}, "trained for another model, its tensors have other shapes"),
        ({"inputs": 4 * WIDTH}, r"it would change the size of transformer\.transformer_blocks\.0\.attn\.to_q\.weight"),
    ],
)
def test_a_lora_of_another_model_is_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    file = lora_file(tmp_path / "other.safetensors", **changes)
    with pytest.raises(BenchError, match=message) as caught:
        picture(schnell(file))
    assert str(file) in str(caught.value)


@pytest.mark.slow
def test_in_a_sweep_the_models_after_a_wrong_lora_are_rendered(tmp_path: Path) -> None:
    lora_file(tmp_path / "a-wrong.safetensors", prefix="unet")
    lora_file(tmp_path / "style.safetensors")
    done = bench(
        ["run", "-m", "model=tiny-schnell", "model.lora=a-wrong.safetensors,style.safetensors", "limit=1", "seeds=[0]", "metric=[]"],
        tmp_path,
    )
    assert done.returncode == 2
    assert "a-wrong.safetensors was trained for another model than FluxPipeline: no key fits" in done.stderr
    assert "1 rendered, 0 kept" in done.stderr
    assert "Traceback" not in done.stderr
