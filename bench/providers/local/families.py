"""What a pipeline takes: which settings change its pictures, how many tokens it reads, how large it draws. Imports no torch."""

from __future__ import annotations

import inspect
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from bench.errors import ConfigError
from bench.weights.hub import local_file

if TYPE_CHECKING:
    from bench.providers.local.settings import PipelineSettings

Guidance = Literal["embedded", "classifier-free", "none"]
"""How ``model.guidance`` works: an input of the network; a second pass for the negative prompt, above 1; not at all."""


@dataclass(frozen=True)
class Family:
    """What pipelines of one kind take.

    Attributes:
        guidance: how ``model.guidance`` works.
        off: the one value of ``model.guidance`` where it does not work; its authors write it so.
        true_cfg: ``model.true_cfg`` is classifier-free guidance with a negative prompt.
        max_tokens: the largest ``model.max_sequence_length``; 0 where the length is fixed, None where any will do.
        largest_side: in pixels; None where any will do.
        negative_prompt: it takes one, where guidance is classifier-free and on.
        rendering: 2 where pictures of before this number differ, which makes other requests of them.
    """

    guidance: Guidance
    off: float = 0.0
    true_cfg: bool = False
    max_tokens: int | None = None
    largest_side: int | None = None
    negative_prompt: bool = True
    rendering: int = 1


_REPOSITORIES: dict[str, tuple[str, dict[str, Any]]] = {
    "black-forest-labs/FLUX.1-dev": ("FluxPipeline", {"guidance_embeds": True}),
    "black-forest-labs/FLUX.1-schnell": ("FluxPipeline", {"guidance_embeds": False}),
    "black-forest-labs/FLUX.2-klein-4B": ("Flux2KleinPipeline", {"is_distilled": True}),
    "stabilityai/stable-diffusion-3-medium-diffusers": ("StableDiffusion3Pipeline", {"pos_embed_max_size": 192, "patch_size": 2}),
    "stabilityai/stable-diffusion-3.5-large": ("StableDiffusion3Pipeline", {"pos_embed_max_size": 192, "patch_size": 2}),
    "stabilityai/stable-diffusion-xl-base-1.0": ("StableDiffusionXLPipeline", {}),
    "Qwen/Qwen-Image": ("QwenImagePipeline", {}),
}
"""Class and configuration of the presets' repositories, for what can be said before their weights are on this machine."""
_T5 = {"FluxPipeline", "StableDiffusion3Pipeline"}
_LATENT_PIXELS = 8


def find_family(settings: PipelineSettings) -> Family | None:
    """The family of the configured pipeline, by its model_index.json; None where that is not on this machine or its class is unknown."""
    name, config = _description(settings)
    if name == "FluxPipeline":
        family = Family("embedded" if config.get("guidance_embeds") else "none", true_cfg=True, max_tokens=512)
    elif name == "Flux2KleinPipeline":
        family = Family("none", off=1.0, negative_prompt=False) if config.get("is_distilled") else Family("classifier-free")
    elif name == "QwenImagePipeline":
        family = Family("embedded" if config.get("guidance_embeds") else "none", off=1.0, true_cfg=True, max_tokens=1024)
    elif name == "StableDiffusion3Pipeline":
        side = config.get("pos_embed_max_size", 0) * config.get("patch_size", 2) * _LATENT_PIXELS
        family = Family("classifier-free", max_tokens=512, largest_side=side or None)
    elif name == "StableDiffusionXLPipeline":
        guidance: Guidance = "embedded" if config.get("time_cond_proj_dim") else "classifier-free"
        family = Family(guidance, max_tokens=0, rendering=2)
    else:
        return _by_signature(name)
    return family


def check_settings(settings: PipelineSettings, family: Family) -> None:
    """Refuse settings that would change nothing, for they would make another run of the same pictures, and those that cannot work.

    Raises:
        ConfigError: with the value to give instead.
    """
    name, guidance = settings.name, float(settings.guidance)
    if family.guidance == "none" and guidance != family.off:
        other = "; model.true_cfg is its guidance" if family.true_cfg else ""
        raise ConfigError(
            f"model.guidance={guidance:g} changes nothing: {name} takes no guidance{other}. Leave it at model.guidance={family.off:g}"
        )
    if family.guidance == "classifier-free" and 0 < guidance <= 1:
        raise ConfigError(
            f"model.guidance={guidance:g} is no guidance, as 0 is: for {name} it works above 1. Write model.guidance=0 to turn it off"
        )
    if settings.true_cfg != 1 and not family.true_cfg:
        where = "set model.guidance instead" if family.guidance != "none" else "it takes no guidance at all"
        raise ConfigError(f"model.true_cfg={settings.true_cfg:g} changes nothing: {name} has no such guidance; {where}, model.true_cfg=1")
    tokens = settings.max_sequence_length
    if tokens is not None and family.max_tokens == 0:
        raise ConfigError(
            f"model.max_sequence_length={tokens} changes nothing: {name} reads a fixed number of tokens; set model.max_sequence_length=null"
        )
    if tokens is not None and family.max_tokens is not None and tokens > family.max_tokens:
        raise ConfigError(f"model.max_sequence_length={tokens}: {name} reads {family.max_tokens} tokens at most")


def check_size(settings: PipelineSettings, family: Family, width: int, height: int) -> None:
    """Refuse a size that the pipeline would refuse for each picture. Raises ConfigError with the largest side."""
    limit = family.largest_side
    if limit is not None and max(width, height) > limit:
        raise ConfigError(
            f"{width}x{height} is too large for {settings.name}: its sides are {limit} pixels at most; set a smaller model.size"
        )


def uses_negative_prompt(settings: PipelineSettings, family: Family) -> bool:
    """Whether a negative prompt changes the pictures: guidance with a second pass is on."""
    guided = settings.true_cfg > 1 if family.true_cfg else family.guidance == "classifier-free" and settings.guidance > 1
    return family.negative_prompt and guided


def rendering(settings: PipelineSettings, family: Family) -> int:
    """2 where the pictures are not those of before: SDXL's, and those of models with T5 in float16."""
    return 2 if settings.dtype == "float16" and _description(settings)[0] in _T5 else family.rendering


def _description(settings: PipelineSettings) -> tuple[str, dict[str, Any]]:
    """The class's name, and what the pipeline and its denoiser are configured as."""
    index = {} if settings.weights == "random" else _json(settings, "model_index.json")
    if index:
        config = _json(settings, "transformer/config.json") or _json(settings, "unet/config.json")
        return str(index.get("_class_name", "")), {**config, **index}
    return _REPOSITORIES.get(settings.repo, ("", {}))


def _json(settings: PipelineSettings, file: str) -> dict[str, Any]:
    path = local_file(settings.repo, settings.revision, file)
    try:
        content = json.loads(path.read_bytes()) if path else {}
    except (OSError, ValueError):  # loading says what is wrong with it
        content = {}
    return content if isinstance(content, dict) else {}


def _by_signature(name: str) -> Family | None:
    """What the call of any other class takes."""
    if not name:
        return None
    import diffusers  # noqa: PLC0415 - slow import, for rarer pipelines only

    pipeline = getattr(diffusers, name, None)
    if pipeline is None:
        return None
    parameters = inspect.signature(pipeline.__call__).parameters
    lacking = [p for p in ("prompt", "width", "height", "num_inference_steps", "generator") if p not in parameters]
    if lacking:
        raise ConfigError(f"{name} is no text-to-image pipeline that can be compared: its call takes no {', no '.join(lacking)}")
    true_cfg, negative = "true_cfg_scale" in parameters, "negative_prompt" in parameters
    scaled: Guidance = "classifier-free" if negative and not true_cfg else "embedded"
    return Family(
        scaled if "guidance_scale" in parameters else "none",
        true_cfg=true_cfg,
        max_tokens=None if "max_sequence_length" in parameters else 0,
        negative_prompt=negative,
    )
