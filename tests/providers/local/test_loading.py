"""Loading, closing and what is left after an error: one message, and the memory is given back."""

from __future__ import annotations

import gc
import json
import shutil
import weakref
from typing import TYPE_CHECKING, Any

import pytest
import torch

from bench.config import presets
from bench.core import resources
from bench.errors import MissingPackageError, MissingWeightsError, ProviderError
from bench.providers.local import loading, pipeline
from bench.types import Prompt

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.providers.local.pipeline import PipelineSession

TINY = resources.folder("weights") / "tiny-schnell"
PROMPT = Prompt("p", "a red circle on the left, on white")


def schnell(**changes: Any) -> Any:
    return presets.provider("tiny-schnell", device="cpu", **changes)


def opened(provider: Any) -> PipelineSession:
    session: PipelineSession = provider.open(lambda _: None)
    return session


@pytest.fixture
def _uncollected() -> Iterator[None]:
    """No garbage is collected but by the code under test."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.slow
@pytest.mark.usefixtures("_uncollected")
def test_a_closed_model_is_gone_though_its_networks_refer_to_themselves() -> None:
    provider = schnell()
    session = opened(provider)
    session.render([provider.request(PROMPT, 0)])
    networks = [weakref.ref(getattr(session._pipe, part)) for part in ("transformer", "text_encoder", "text_encoder_2", "vae")]
    assert all(network() is not None for network in networks)
    session.close()
    assert not any(network() for network in networks)


@pytest.mark.slow
@pytest.mark.usefixtures("_uncollected")
@pytest.mark.parametrize(
    ("failure", "message"),
    [
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 8 GiB"),
            "does not fit the memory of the processor; end",
        ),
        (AttributeError("no\nsuch thing"), "tiny-schnell: diffusers cannot load weights/tiny-schnell: no such thing$"),
        (ModuleNotFoundError("No module named 'quanto.x'", name="quanto.x"), "needs the package quanto; install it with: pip install"),
        (KeyError(), "cannot load weights/tiny-schnell: KeyError"),
    ],
)
def test_a_model_that_fails_to_load_is_explained_and_nothing_of_it_stays(
    failure: Exception, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks: list[weakref.ref[Any]] = []

    def to(pipe: Any, *_: object) -> None:
        networks.append(weakref.ref(pipe.transformer))
        pipe.transformer.itself = [pipe.transformer]
        raise failure

    monkeypatch.setattr("diffusers.DiffusionPipeline.to", to)
    with pytest.raises((MissingWeightsError, MissingPackageError), match=message) as caught:
        opened(schnell())
    assert networks[0]() is None
    assert caught.value.__context__ is None, "a stored error must not hold the library's"


def copy_of_schnell(folder: Path) -> Path:
    return shutil.copytree(TINY, folder / "copy")


@pytest.mark.slow
def test_weights_that_are_cut_short_and_pipelines_of_tomorrow_are_told(tmp_path: Path) -> None:
    cut = copy_of_schnell(tmp_path)
    (file,) = (cut / "transformer").glob("*.safetensors")
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(MissingWeightsError, match=r"tiny-schnell: diffusers cannot load .*copy"):
        opened(schnell(repo=str(cut)))
    index = json.loads((cut / "model_index.json").read_text())
    (cut / "model_index.json").write_text(json.dumps({**index, "_class_name": "FluxTomorrowPipeline"}))
    with pytest.raises(MissingWeightsError, match=r"is a FluxTomorrowPipeline, which diffusers .* does not have; a newer one may"):
        opened(schnell(repo=str(cut)))
    (cut / "model_index.json").write_text("[1]")
    with pytest.raises(MissingWeightsError, match="cannot load"):
        opened(schnell(repo=str(cut)))


def test_layers_that_overflow_in_float16_stay_in_float32(tmp_path: Path) -> None:
    from diffusers import AutoencoderKL, FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline
    from transformers import AutoTokenizer, CLIPTextConfig, CLIPTextModelWithProjection, T5Config, T5EncoderModel

    transformer = SD3Transformer2DModel(
        sample_size=8, patch_size=2, in_channels=4, num_layers=1, attention_head_dim=8, num_attention_heads=2, joint_attention_dim=32,
        caption_projection_dim=16, pooled_projection_dim=16, out_channels=4, pos_embed_max_size=8,
    )  # fmt: skip
    t5 = T5EncoderModel(T5Config(vocab_size=64, d_model=32, d_ff=32, d_kv=8, num_layers=1, num_heads=2, feed_forward_proj="gated-gelu"))
    vae = AutoencoderKL(block_out_channels=(8,), norm_num_groups=4, latent_channels=4)
    clip = CLIPTextModelWithProjection(CLIPTextConfig(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2))
    words, pieces = (AutoTokenizer.from_pretrained(TINY / folder) for folder in ("tokenizer", "tokenizer_2"))
    StableDiffusion3Pipeline(transformer, FlowMatchEulerDiscreteScheduler(), vae, clip, words, clip, words, t5, pieces).save_pretrained(
        tmp_path
    )
    loading.prepare(schnell(), "cpu", print)
    pipe = loading.load_pipeline(presets.provider("sd3-medium", repo=str(tmp_path)), "cpu", "none")
    layer = pipe.text_encoder_3.encoder.block[0].layer
    assert layer[1].DenseReluDense.wo.weight.dtype == torch.float32
    assert layer[0].SelfAttention.q.weight.dtype == pipe.transformer.dtype == pipe.vae.dtype == torch.float16


@pytest.mark.slow
def test_after_memory_ran_out_the_next_picture_is_as_it_would_have_been(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = schnell()
    session = opened(provider)
    requests = [provider.request(PROMPT, seed) for seed in (0, 1)]
    before = [session.render([request])[0].image for request in requests]
    freed: list[int] = []

    def fail(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(session._pipe.vae, "decode", fail)
        patch.setattr(session._pipe, "maybe_free_model_hooks", lambda: freed.append(len(session._embedded)))
        with pytest.raises(ProviderError, match=r"out of memory on the processor; set model\.batch_size=1") as caught:
            session.render(requests)
        assert caught.value.__cause__ is None
        with pytest.raises(ProviderError, match=r"out of memory on the processor; end other programs, lower model\.size"):
            session.render(requests[:1])
    assert freed == [0, 0], "networks go back where offloading keeps them, after the embeddings are forgotten"
    assert [session.render([request])[0].image for request in requests] == before


@pytest.mark.slow
def test_any_error_while_a_picture_is_made_frees_what_it_used(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = schnell()
    session = opened(provider)
    session.render([provider.request(PROMPT, 0)])
    session.render([provider.request(PROMPT, 0)])
    assert session._embedded
    monkeypatch.setattr(session._pipe.transformer, "forward", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        session.render([provider.request(PROMPT, 0)])
    assert not session._embedded


@pytest.mark.slow
def test_a_mode_without_effect_is_said() -> None:
    said: list[str] = []
    schnell(offload="model").open(said.append).close()
    assert any("model.offload=model saves nothing on the processor" in line for line in said)


def test_group_locks_memory_ahead_only_where_it_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    flux = presets.provider("flux-dev", offload="group")
    for free, place in ((64.0, "group"), (40.0, "group, unpinned")):
        monkeypatch.setattr("bench.weights.memory.host_free", lambda free=free: free)
        assert loading.placement(flux, "cuda") == place
    assert loading.placement(presets.provider("flux-dev", offload="model"), "cuda") == "model"
    assert loading.placement(flux, "cpu") == "none"


def test_the_peak_on_a_mac_is_the_largest_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter([5, 9, 7])
    monkeypatch.setattr(torch.mps, "driver_allocated_memory", lambda: next(readings))
    pipeline.meters.reset_peaks("mps")
    for _ in range(3):
        pipeline.meters.sample_peak("mps")
    assert pipeline.meters.device_peak("mps") == 9
    pipeline.meters.reset_peaks("cpu")
    assert pipeline.meters.device_peak("cpu") == 0
