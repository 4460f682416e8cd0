"""Architectures without weights: counted on the meta device, built whole on a small one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bench.config import presets
from bench.errors import ConfigError
from bench.providers.local import architectures
from bench.types import Prompt

if TYPE_CHECKING:
    from bench.providers.local.diffusers import DiffusersProvider
    from bench.providers.local.pipeline import PipelineSession

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


FLUX, SD3 = "black-forest-labs/FLUX.1-dev", "stabilityai/stable-diffusion-3-medium-diffusers"


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same architectures, of one layer and a few numbers wide."""
    flux = {
        "num_single_layers": 1,
        "attention_head_dim": 16,
        "axes_dims_rope": (4, 6, 6),
        "joint_attention_dim": 64,
        "pooled_projection_dim": 32,
    }
    sd3 = {"attention_head_dim": 16, "joint_attention_dim": 64, "caption_projection_dim": 32, "pooled_projection_dim": 64}
    vae = {"block_out_channels": (8, 8, 8, 8), "norm_num_groups": 4, "layers_per_block": 1}
    for repo, narrower in ((FLUX, flux), (SD3, sd3)):
        known = architectures.ARCHITECTURES[repo]
        transformer = {**known["transformer"], "num_layers": 1, "num_attention_heads": 2, **narrower}
        changed = {**known, "transformer": transformer, "vae": {**known["vae"], **vae}, "tokens": 8}
        monkeypatch.setitem(architectures.ARCHITECTURES, repo, changed)
    clip = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "projection_dim": 32}
    for name in ("_CLIP_L", "_CLIP_G"):
        monkeypatch.setattr(architectures, name, {**getattr(architectures, name), **clip})
    t5 = {"d_model": 64, "d_ff": 32, "d_kv": 16, "num_layers": 1, "num_heads": 2}
    monkeypatch.setattr(architectures, "_T5_XXL", {**architectures._T5_XXL, **t5})


def opened(repo: str, **changes: Any) -> tuple[DiffusersProvider, PipelineSession]:
    fields = {"weights": "random", "dtype": "float32", "device": "cpu", "size": 128, "steps": 2, "card": {}, **changes}
    provider: Any = presets.provider("flux-dev", repo=repo, **fields)
    provider.check()
    return provider, provider.open(lambda _: None)


@pytest.mark.parametrize("repo", [FLUX, SD3])
@pytest.mark.usefixtures("narrow")
def test_a_random_pipeline_renders_and_is_marked(repo: str) -> None:
    provider, session = opened(repo)
    (rendered,) = session.render([provider.request(Prompt("a", "anything"), 0)])
    assert rendered.status == "ok"
    assert rendered.detail == {"random_weights": True}
    assert rendered.timing.steps == 2
    assert session.facts["parameters"] > 0


@pytest.mark.parametrize(("true_cfg", "passes"), [(1.0, 2), (3.0, 4)])
@pytest.mark.usefixtures("narrow")
def test_guidance_by_two_passes_takes_two_passes_with_random_weights_too(true_cfg: float, passes: int) -> None:
    provider, session = opened(FLUX, true_cfg=true_cfg)
    seen: list[int] = []
    session._pipe.transformer.register_forward_hook(lambda *_: seen.append(1))
    assert session.render([provider.request(Prompt("a", "anything"), 0)])[0].status == "ok"
    assert len(seen) == passes


@pytest.mark.parametrize(("repo", "around"), [(FLUX, 0), (SD3, 77)])
@pytest.mark.usefixtures("narrow")
def test_random_encoders_read_as_many_tokens_as_were_asked_for(repo: str, around: int) -> None:
    lengths = {
        limit: opened(repo, max_sequence_length=limit)[1]._pipe.embed_random("anything", "cpu")["prompt_embeds"].shape[1]
        for limit in (None, 16)
    }
    assert lengths == {None: around + 8, 16: around + 16}


@pytest.mark.parametrize(("offload", "built"), [("none", "cuda"), ("model", "cpu"), ("group", "cpu"), ("sequential", "cpu")])
def test_random_weights_that_are_offloaded_are_built_in_the_machines_memory(
    offload: str, built: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.providers.local import loading

    class Built(Exception):  # noqa: N818 - no error
        """Where."""

    def build(_repo: str, device: str, *_: object, **__: object) -> None:
        raise Built(device)

    monkeypatch.setattr(architectures, "build_random_pipeline", build)
    with pytest.raises(Built, match=built):
        loading.load_pipeline(presets.provider("flux-dev", weights="random"), "cuda", offload)
