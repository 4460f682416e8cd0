"""Architectures without weights: counted on the meta device, built whole on a small one."""

from __future__ import annotations

import pytest

from bench.errors import ConfigError
from bench.providers.local import architectures

COUNTS = {
    "black-forest-labs/FLUX.1-dev": {
        "transformer": 11_901_408_320,
        "text_encoder_2": 4_762_310_656,
        "text_encoder": 123_060_480,
        "vae": 83_819_683,
    },
    "black-forest-labs/FLUX.1-schnell": {"transformer": 11_891_178_560},
    "stabilityai/stable-diffusion-3-medium-diffusers": {"transformer": 2_028_328_000, "text_encoder_2": 694_659_840},
}


@pytest.mark.parametrize("repo", COUNTS)
def test_parameters_are_the_published_ones(repo: str) -> None:
    import torch

    with torch.device("meta"):
        parts = architectures.components(repo)
    assert {k: sum(p.numel() for p in parts[k].parameters()) for k in COUNTS[repo]} == COUNTS[repo]


def test_an_undescribed_architecture_names_those_there_are() -> None:
    with pytest.raises(ConfigError, match=r"did you mean 'black-forest-labs/FLUX\.1-dev'"):
        architectures.find_architecture("black-forest-labs/FLUX.2-dev")


@pytest.mark.parametrize("repo", ["black-forest-labs/FLUX.1-dev", "stabilityai/stable-diffusion-3-medium-diffusers"])
def test_a_random_pipeline_renders_and_is_marked(repo: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.config import presets
    from bench.types import Prompt

    known = architectures.ARCHITECTURES[repo]
    narrow = {"num_layers": 1, "num_attention_heads": 2}
    if known["family"] == "flux":
        narrow |= {
            "num_single_layers": 1,
            "attention_head_dim": 16,
            "axes_dims_rope": (4, 6, 6),
            "joint_attention_dim": 32,
            "pooled_projection_dim": 32,
        }
    else:
        narrow |= {"attention_head_dim": 16, "joint_attention_dim": 64, "caption_projection_dim": 32, "pooled_projection_dim": 64}
    small = {"block_out_channels": (8, 8, 8, 8), "norm_num_groups": 4, "layers_per_block": 1}
    changed = {**known, "transformer": {**known["transformer"], **narrow}, "vae": {**known["vae"], **small}, "tokens": 8}
    clip = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "projection_dim": 32}
    wide = 32 if known["family"] == "flux" else 64
    monkeypatch.setitem(architectures.ARCHITECTURES, repo, changed)
    for name in ("_CLIP_L", "_CLIP_G"):
        monkeypatch.setattr(architectures, name, {**getattr(architectures, name), **clip})
    monkeypatch.setattr(
        architectures, "_T5_XXL", {**architectures._T5_XXL, "d_model": wide, "d_ff": 32, "d_kv": 16, "num_layers": 1, "num_heads": 2}
    )
    provider = presets.provider("flux-dev", repo=repo, weights="random", dtype="float32", size=128, steps=2, card={})
    provider.check()
    session = provider.open(lambda _: None)
    (rendered,) = session.render([provider.request(Prompt("a", "anything"), 0)])
    assert rendered.status == "ok"
    assert rendered.detail == {"random_weights": True}
    assert rendered.timing.steps == 2
    assert session.facts["parameters"] > 0
