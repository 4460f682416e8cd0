"""Every preset composes, instantiates and keeps the contract."""

from __future__ import annotations

import pytest
from hydra import compose, initialize_config_dir

from bench.config import presets
from bench.config.instantiate import build
from bench.config.presets import names, usual_metrics
from bench.core import resources
from bench.errors import ConfigError
from bench.metrics import ImageMetric, RunMetric, SetMetric
from bench.types import Prompt

PRESETS = {
    "flux-dev", "flux-schnell", "flux-pro-like", "flux2-klein-4b", "sd3-medium", "sd35-large", "sdxl", "qwen-image",
    "tiny-pro", "tiny-dev", "tiny-schnell", "tiny-oracle", "gpt-image", "gpt-image-2", "dalle3", "grok-imagine", "grok-imagine-2",
    "flux-pro", "flux-pro-ultra", "flux2-pro", "flux2-max", "flux2-klein-4b-api", "sd35-large-api", "stable-image-ultra", "hub-flux-dev",
}  # fmt: skip


def test_the_promised_models_are_there() -> None:
    assert set(names("model")) >= PRESETS


@pytest.mark.parametrize("name", names("model"))
def test_a_model_composes_and_keeps_the_provider_contract(name: str) -> None:
    with initialize_config_dir(str(resources.folder("conf")), version_base="1.3"):
        config = compose("config", overrides=[f"model={name}"])
    provider = build(config.model)
    assert provider.name == name
    if provider.hosted:
        assert provider.limits.in_flight >= 1
        assert provider.api_key_env.isupper()
    else:
        assert provider.batch_size >= 1
    prompt = Prompt("p", "a red circle on the left, on white")
    first, same, other = (provider.request(p, 0) for p in (prompt, Prompt("q", prompt.text, "x"), Prompt("p", "another")))
    assert first.id == same.id != other.id
    assert provider.hosted or provider.request(prompt, 1).id != first.id
    assert {"description", "licence", "gated", "parameters_b", "memory_gb", "prompts", "metrics"} <= set(provider.card)
    assert set(provider.card["metrics"]) <= set(names("metric"))
    assert type(provider.card) is dict


@pytest.mark.parametrize("name", names("metric"))
def test_a_metric_composes_and_keeps_its_contract(name: str) -> None:
    with initialize_config_dir(str(resources.folder("conf")), version_base="1.3"):
        config = compose("config", overrides=[f"metric=[{name}]"])
    metric = build(config.metric[name])
    assert metric.name == name
    assert isinstance(metric, ImageMetric | SetMetric | RunMetric)
    assert metric.fingerprint() == build(config.metric[name]).fingerprint()
    assert name in metric.fingerprint()


def test_several_metrics_compose_under_their_own_keys() -> None:
    with initialize_config_dir(str(resources.folder("conf")), version_base="1.3"):
        config = compose("config", overrides=["metric=[clip,ocr,fid]", "metric.fid.reference=photos"])
    assert list(config.metric) == ["clip", "ocr", "fid"]
    assert config.metric.fid.reference == "photos"


def test_pictures_from_elsewhere_are_scored_with_what_all_models_of_their_prompts_are() -> None:
    assert usual_metrics("core") == ["clip", "ocr", "latency"]
    assert usual_metrics("a set of one's own") == ["clip", "ocr", "latency"]
    assert {"clip_tiny", "ocr", "scene", "kid_clip_tiny", "latency"} <= set(usual_metrics("tiny"))


def test_a_field_that_a_preset_does_not_have_is_named_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="unknown field of tiny-oracle 'batch_siz'; did you mean 'batch_size'"):
        presets.provider("tiny-oracle", batch_siz=1)
    with pytest.raises(ConfigError, match="name metrics in a list"):
        presets.metrics("scene")
