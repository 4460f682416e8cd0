"""Full architectures with random weights: the true size and speed of a gated model without a download; pictures are noise.

The configurations are the published ones of FLUX.1-dev, FLUX.1-schnell and Stable Diffusion 3 medium.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from bench.errors import unknown

if TYPE_CHECKING:
    import torch

_CLIP_L = {
    "vocab_size": 49408, "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
    "num_attention_heads": 12, "max_position_embeddings": 77, "hidden_act": "quick_gelu", "projection_dim": 768,
}  # fmt: skip
_CLIP_G = {
    "vocab_size": 49408, "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32,
    "num_attention_heads": 20, "max_position_embeddings": 77, "hidden_act": "gelu", "projection_dim": 1280,
}  # fmt: skip
_T5_XXL = {
    "vocab_size": 32128, "d_model": 4096, "d_ff": 10240, "d_kv": 64, "num_layers": 24, "num_heads": 64,
    "feed_forward_proj": "gated-gelu", "is_encoder_decoder": False,
}  # fmt: skip
_VAE = {
    "in_channels": 3, "out_channels": 3, "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4, "block_out_channels": (128, 256, 512, 512), "layers_per_block": 2,
    "latent_channels": 16, "norm_num_groups": 32, "sample_size": 1024, "use_quant_conv": False,
    "use_post_quant_conv": False,
}  # fmt: skip
_FLUX = {
    "patch_size": 1, "in_channels": 64, "num_layers": 19, "num_single_layers": 38, "attention_head_dim": 128,
    "num_attention_heads": 24, "joint_attention_dim": 4096, "pooled_projection_dim": 768, "axes_dims_rope": (16, 56, 56),
}  # fmt: skip
_SD3 = {
    "sample_size": 128, "patch_size": 2, "in_channels": 16, "out_channels": 16, "num_layers": 24,
    "attention_head_dim": 64, "num_attention_heads": 24, "joint_attention_dim": 4096, "caption_projection_dim": 1536,
    "pooled_projection_dim": 2048, "pos_embed_max_size": 192,
}  # fmt: skip
_FLUX_VAE = {**_VAE, "scaling_factor": 0.3611, "shift_factor": 0.1159}
_SHIFTING = {
    "use_dynamic_shifting": True,
    "shift": 3.0,
    "base_shift": 0.5,
    "max_shift": 1.15,
    "base_image_seq_len": 256,
    "max_image_seq_len": 4096,
}

ARCHITECTURES: dict[str, dict[str, Any]] = {
    "black-forest-labs/FLUX.1-dev": {
        "family": "flux", "transformer": {**_FLUX, "guidance_embeds": True}, "vae": _FLUX_VAE, "scheduler": _SHIFTING, "tokens": 512,
    },
    "black-forest-labs/FLUX.1-schnell": {
        "family": "flux", "transformer": {**_FLUX, "guidance_embeds": False}, "vae": _FLUX_VAE, "scheduler": {"shift": 1.0}, "tokens": 256,
    },
    "stabilityai/stable-diffusion-3-medium-diffusers": {
        "family": "sd3", "transformer": _SD3, "vae": {**_VAE, "scaling_factor": 1.5305, "shift_factor": 0.0609},
        "scheduler": {"shift": 3.0}, "tokens": 256,
    },
}  # fmt: skip


def find_architecture(repo: str) -> dict[str, Any]:
    """The configuration of a repository's networks. Raises ConfigError for a repository that is not in ``ARCHITECTURES``."""
    if repo not in ARCHITECTURES:
        raise unknown("architecture for model.weights=random", repo, ARCHITECTURES)
    return ARCHITECTURES[repo]


def components(repo: str) -> dict[str, Any]:
    """The networks of ``repo`` by component name, on torch's default device and dtype; on the device "meta" they take no memory."""
    from diffusers import AutoencoderKL, FluxTransformer2DModel, SD3Transformer2DModel  # noqa: PLC0415 - slow import
    from transformers import (  # noqa: PLC0415 - slow import
        CLIPTextConfig,
        CLIPTextModel,
        CLIPTextModelWithProjection,
        T5Config,
        T5EncoderModel,
    )  # fmt: skip

    architecture = find_architecture(repo)
    parts: dict[str, Any] = {"vae": AutoencoderKL(**architecture["vae"])}
    if architecture["family"] == "flux":
        parts["transformer"] = FluxTransformer2DModel(**architecture["transformer"])
        parts["text_encoder"] = CLIPTextModel(CLIPTextConfig(**_CLIP_L))
        parts["text_encoder_2"] = T5EncoderModel(T5Config(**_T5_XXL))
    else:
        parts["transformer"] = SD3Transformer2DModel(**architecture["transformer"])
        parts["text_encoder"] = CLIPTextModelWithProjection(CLIPTextConfig(**_CLIP_L))
        parts["text_encoder_2"] = CLIPTextModelWithProjection(CLIPTextConfig(**_CLIP_G))
        parts["text_encoder_3"] = T5EncoderModel(T5Config(**_T5_XXL))
    return parts


def build_random_pipeline(repo: str, device: str, dtype: torch.dtype, *, tokens: int | None = None, negative: bool = False) -> Any:  # noqa: ANN401 - any pipeline
    """A pipeline with random weights, built directly on ``device`` in ``dtype``.

    Args:
        repo: one of ``ARCHITECTURES``.
        device: where its networks are made; the processor where they are offloaded later.
        dtype: of the weights.
        tokens: length of the long text encoder's input; None takes the model's own.
        negative: FLUX also gets blank negative embeddings, for true classifier-free guidance; SD3 has them always.

    The seed is fixed, so that two builds have the same weights. There is no tokenizer: token ids are drawn from the
    prompt's hash, and the full text encoders run on them (``pipe.embed_random``).
    """
    import torch  # noqa: PLC0415 - slow import
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, StableDiffusion3Pipeline  # noqa: PLC0415

    architecture = find_architecture(repo)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            torch.manual_seed(0)
            parts = components(repo)
    finally:
        torch.set_default_dtype(before)
    for part in parts.values():
        part.to(dtype).eval().requires_grad_(requires_grad=False)
    scheduler = FlowMatchEulerDiscreteScheduler(**architecture["scheduler"])
    if architecture["family"] == "flux":
        pipe = FluxPipeline(scheduler=scheduler, tokenizer=None, tokenizer_2=None, **parts)
    else:
        pipe = StableDiffusion3Pipeline(scheduler=scheduler, tokenizer=None, tokenizer_2=None, tokenizer_3=None, **parts)
    pipe.embed_random = _RandomTokenEncoder(parts, architecture["family"], tokens or architecture["tokens"], negative=negative)
    return pipe


class _RandomTokenEncoder:
    """Runs the text encoders on token ids drawn from a prompt's hash."""

    def __init__(self, parts: dict[str, Any], family: str, tokens: int, *, negative: bool) -> None:
        self._parts, self._family, self._tokens, self._negative = parts, family, tokens, negative

    def __call__(self, prompt: str, device: str) -> dict[str, Any]:
        import torch  # noqa: PLC0415 - slow import
        from torch.nn import functional as F  # noqa: PLC0415 - slow import

        seed = int.from_bytes(hashlib.sha256(prompt.encode()).digest()[:4], "big")
        draw = torch.Generator().manual_seed(seed)
        short = torch.randint(1, 30000, (1, 77), generator=draw).to(device)
        long = torch.randint(1, 30000, (1, self._tokens), generator=draw).to(device)
        if self._family == "flux":
            embeds, pooled = self._parts["text_encoder_2"](long)[0], self._parts["text_encoder"](short).pooler_output
        else:
            clips = [self._parts[k](short, output_hidden_states=True) for k in ("text_encoder", "text_encoder_2")]
            narrow, t5 = torch.cat([c.hidden_states[-2] for c in clips], -1), self._parts["text_encoder_3"](long)[0]
            embeds = torch.cat([F.pad(narrow, (0, t5.shape[-1] - narrow.shape[-1])), t5], 1)
            pooled = torch.cat([c.text_embeds for c in clips], -1)
        encoded = {"prompt_embeds": embeds, "pooled_prompt_embeds": pooled}
        if self._family == "flux" and not self._negative:
            return encoded
        return encoded | {f"negative_{name}": torch.zeros_like(tensor) for name, tensor in encoded.items()}
