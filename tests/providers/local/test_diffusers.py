"""The diffusers provider on the embedded weights: batching, validation, settings, what is missing."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from bench.config import presets
from bench.errors import BenchError, ConfigError, MissingWeightsError
from bench.types import Prompt

if TYPE_CHECKING:
    from pathlib import Path

PROMPTS = [Prompt(f"p{i}", f"a red circle on the left, on {ground}") for i, ground in enumerate(("white", "sky", "mint", "grey"))]


def pixels(batch: int, prompts: list[Prompt], name: str = "tiny-schnell", **changes: Any) -> dict[str, np.ndarray]:
    provider = presets.provider(name, batch_size=batch, device="cpu", **changes)
    session = provider.open(lambda _: None)
    requests = [provider.request(p, 7) for p in prompts]
    made: dict[str, np.ndarray] = {}
    for start in range(0, len(requests), batch):
        for request, rendered in zip(requests[start : start + batch], session.render(requests[start : start + batch]), strict=True):
            assert rendered.status == "ok"
            assert rendered.timing.steps == provider.steps
            assert rendered.timing.latency_s > 0
            made[request.id] = np.asarray(Image.open(io.BytesIO(rendered.image or b"")), dtype=int)
    session.close()
    return made


@pytest.mark.slow
@pytest.mark.parametrize("name", ["tiny-schnell", "tiny-pro"])
def test_a_picture_depends_on_neither_batch_nor_order(name: str) -> None:
    changes = {"steps": 4}
    one, four = pixels(1, PROMPTS, name, **changes), pixels(4, PROMPTS[::-1], name, **changes)
    assert one.keys() == four.keys()
    assert max(np.abs(one[k] - four[k]).max() for k in one) <= 1


def test_seeds_differ_and_share_one_encoding() -> None:
    provider = presets.provider("tiny-schnell", device="cpu")
    session = provider.open(lambda _: None)
    _cold, first, second = (session.render([provider.request(PROMPTS[0], seed)])[0] for seed in (2, 0, 1))
    assert first.image != second.image
    assert first.timing.encode_s == second.timing.encode_s > 0


@pytest.mark.slow
def test_webp_by_option_is_the_same_picture_and_the_same_request() -> None:
    prompt = PROMPTS[0]
    assert np.array_equal(*(next(iter(pixels(1, [prompt], image_format=kind).values())) for kind in ("png", "webp")))
    kinds = [presets.provider("tiny-schnell", image_format=kind, device="cpu") for kind in ("png", "webp")]
    assert len({k.request(prompt, 0).id for k in kinds}) == 1
    session = kinds[1].open(lambda _: None)
    (made,) = session.render([kinds[1].request(prompt, 0)])
    assert (made.image or b"").startswith(b"RIFF")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("steps", 0, "from 1 to 1000"),
        ("steps", 2.5, "whole number"),
        ("steps", True, "whole number"),
        ("size", "1000x7", "multiples of 16"),
        ("size", "big", "WIDTHxHEIGHT"),
        ("batch_size", 0, "from 1"),
        ("guidance", -1, "at least 0"),
        ("true_cfg", 0.5, "at least 1"),
        ("dtype", "float8", "did you mean 'float32'"),
        ("device", "gpu", "Available: auto"),
        ("offload", "yes", "Available: group"),
        ("weights", "rnd", "did you mean 'random'"),
        ("compile", "maybe", "true or false"),
        ("vae_tiling", 1, "true or false"),
    ],
)
def test_wrong_values_are_refused_before_anything_loads(field: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        presets.provider("tiny-dev", **{field: value})


def test_what_decides_the_picture_changes_the_id_and_nothing_else_does(tmp_path: Path) -> None:
    def identity(**changes: Any) -> str:
        return presets.provider("tiny-dev", **changes).request(PROMPTS[0], 0).id

    lora = tmp_path / "any.safetensors"
    lora.touch()
    base = identity()
    assert all(
        identity(**c) == base for c in ({"batch_size": 4}, {"device": "cpu"}, {"offload": "model"}, {"name": "x"}, {"compile": True})
    )
    changed = [
        identity(**c)
        for c in (
            {"steps": 3},
            {"guidance": 1.0},
            {"true_cfg": 2.0},
            {"dtype": "bfloat16"},
            {"size": "256x256"},
            {"lora": str(lora)},
            {"vae_tiling": True},
        )
    ]
    assert len({base, *changed}) == 8


def test_an_aspect_changes_the_size_unless_it_is_fixed() -> None:
    assert presets.provider("flux-dev").request(Prompt("a", "b", aspect="2:3"), 0).height > 1200
    assert presets.provider("tiny-dev").request(Prompt("a", "b", aspect="2:3"), 0).height == 128


def test_missing_weights_say_how_to_get_them_and_what_runs_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(MissingWeightsError) as caught:
        presets.provider("flux-dev").check()
    for part in ("black-forest-labs/FLUX.1-dev", "hf auth login", "hf download", "model=tiny-dev"):
        assert part in str(caught.value)


def test_a_folder_that_is_no_pipeline_is_refused(tmp_path: Any) -> None:
    with pytest.raises(MissingWeightsError, match="model_index"):
        presets.provider("tiny-dev", repo=str(tmp_path)).check()
    with pytest.raises(BenchError, match="neither a folder nor"):
        presets.provider("tiny-dev", repo="no/such/place").check()


def test_the_time_that_loading_took_is_kept() -> None:
    began = time.monotonic()
    session = presets.provider("tiny-schnell", device="cpu").open(lambda _: None)
    assert 0 < session.facts["load_s"] <= time.monotonic() - began
    session.close()
