"""Published architectures made tiny: seeded random weights, saved in diffusers' layout for the provider and the pipeline to load."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_VOCABULARY = 259
_WIDTH = 32
_VAE = {
    "block_out_channels": (8, 8), "down_block_types": ("DownEncoderBlock2D",) * 2, "up_block_types": ("UpDecoderBlock2D",) * 2,
    "layers_per_block": 1, "norm_num_groups": 4, "sample_size": 32,
}  # fmt: skip


def save(kind: str, folder: Path) -> Path:
    """Build the pipeline ``kind`` of ``PIPELINES`` with weights of seed 0 and save it; returns ``folder``."""
    import torch

    torch.manual_seed(0)
    PIPELINES[kind]().save_pretrained(folder)
    return folder


def _sdxl() -> Any:
    import diffusers

    unet = diffusers.UNet2DConditionModel(
        sample_size=32, block_out_channels=(32, 64), layers_per_block=1, norm_num_groups=8, cross_attention_dim=2 * _WIDTH,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(2, 4), use_linear_projection=True, addition_embed_type="text_time", addition_time_embed_dim=8,
        transformer_layers_per_block=(1, 1), projection_class_embeddings_input_dim=6 * 8 + _WIDTH,
    )  # fmt: skip
    return diffusers.StableDiffusionXLPipeline(
        vae=diffusers.AutoencoderKL(latent_channels=4, scaling_factor=0.13025, force_upcast=False, **_VAE),
        text_encoder=_clip(), text_encoder_2=_clip(projected=True), tokenizer=_tokenizer(77), tokenizer_2=_tokenizer(77), unet=unet,
        scheduler=diffusers.EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1),
    )  # fmt: skip


def _sd3() -> Any:
    import diffusers

    transformer = diffusers.SD3Transformer2DModel(
        sample_size=32, patch_size=2, in_channels=16, out_channels=16, num_layers=2, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=2 * _WIDTH, caption_projection_dim=32, pooled_projection_dim=2 * _WIDTH, pos_embed_max_size=32,
    )  # fmt: skip
    return diffusers.StableDiffusion3Pipeline(
        transformer=transformer, vae=_flow_vae(1.5305, 0.0609), scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
        text_encoder=_clip(projected=True), text_encoder_2=_clip(projected=True), text_encoder_3=_t5(2 * _WIDTH),
        tokenizer=_tokenizer(77), tokenizer_2=_tokenizer(77), tokenizer_3=_tokenizer(256),
    )  # fmt: skip


def _flux(*, guidance: bool) -> Any:
    import diffusers

    transformer = diffusers.FluxTransformer2DModel(
        patch_size=1, in_channels=64, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=_WIDTH, pooled_projection_dim=_WIDTH, axes_dims_rope=(4, 6, 6), guidance_embeds=guidance,
    )  # fmt: skip
    return diffusers.FluxPipeline(
        transformer=transformer, vae=_flow_vae(0.3611, 0.1159), scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
        text_encoder=_clip(), text_encoder_2=_t5(_WIDTH), tokenizer=_tokenizer(77), tokenizer_2=_tokenizer(512),
    )  # fmt: skip


def _klein() -> Any:
    import diffusers
    import transformers

    layers = 28  # the pipeline reads the layers 9, 18 and 27
    encoder = transformers.Qwen3ForCausalLM(
        transformers.Qwen3Config(
            vocab_size=_VOCABULARY, hidden_size=16, intermediate_size=16, num_hidden_layers=layers, num_attention_heads=2,
            num_key_value_heads=2, head_dim=8, max_position_embeddings=512,
        )
    )  # fmt: skip
    transformer = diffusers.Flux2Transformer2DModel(
        patch_size=1, in_channels=32, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=3 * 16, axes_dims_rope=(4, 4, 4, 4), guidance_embeds=False,
    )  # fmt: skip
    return diffusers.Flux2KleinPipeline(
        transformer=transformer, vae=diffusers.AutoencoderKLFlux2(latent_channels=8, **_VAE), text_encoder=encoder,
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0), tokenizer=_tokenizer(512), is_distilled=True,
    )  # fmt: skip


def _qwen() -> Any:
    import diffusers
    import transformers

    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_attention_heads": 2, "num_key_value_heads": 2}
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "type": "default"}
    config = transformers.Qwen2_5_VLConfig(
        text_config={**sizes, "vocab_size": _VOCABULARY, "num_hidden_layers": 2, "rope_parameters": rope, "max_position_embeddings": 2048},
        vision_config={"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 16},
    )
    transformer = diffusers.QwenImageTransformer2DModel(
        patch_size=2, in_channels=64, out_channels=16, num_layers=1, attention_head_dim=16, num_attention_heads=2, joint_attention_dim=16,
        axes_dims_rope=(4, 6, 6),
    )  # fmt: skip
    vae = diffusers.AutoencoderKLQwenImage(
        base_dim=8, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1, temperal_downsample=[False, True, True]
    )
    return diffusers.QwenImagePipeline(
        transformer=transformer, vae=vae, scheduler=diffusers.FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
        text_encoder=transformers.Qwen2_5_VLForConditionalGeneration(config), tokenizer=_tokenizer(1024),
    )  # fmt: skip


def _flow_vae(scaling: float, shift: float) -> Any:
    import diffusers

    return diffusers.AutoencoderKL(
        latent_channels=16, scaling_factor=scaling, shift_factor=shift, use_quant_conv=False, use_post_quant_conv=False, **_VAE
    )


def _clip(*, projected: bool = False) -> Any:
    import transformers

    config = transformers.CLIPTextConfig(
        vocab_size=_VOCABULARY, hidden_size=_WIDTH, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=77, projection_dim=_WIDTH, bos_token_id=256, eos_token_id=257, pad_token_id=258,
    )  # fmt: skip
    return transformers.CLIPTextModelWithProjection(config) if projected else transformers.CLIPTextModel(config)


def _t5(width: int) -> Any:
    import transformers

    return transformers.T5EncoderModel(
        transformers.T5Config(
            vocab_size=_VOCABULARY, d_model=width, d_ff=32, d_kv=16, num_layers=1, num_heads=2, feed_forward_proj="gated-gelu",
            is_encoder_decoder=False,
        )
    )  # fmt: skip


def _tokenizer(length: int) -> Any:
    """One token a byte, an end after the last one."""
    import tokenizers
    import transformers

    letters = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    special = ["<start>", "<end>", "<pad>"]
    vocabulary = {token: i for i, token in enumerate([*letters, *special])}
    fast = tokenizers.Tokenizer(tokenizers.models.BPE(vocabulary, []))
    fast.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    fast.post_processor = tokenizers.processors.TemplateProcessing(single="$A <end>", special_tokens=[("<end>", vocabulary["<end>"])])
    made = transformers.PreTrainedTokenizerFast(
        tokenizer_object=fast, bos_token="<start>", eos_token="<end>", pad_token="<pad>", model_max_length=length
    )
    made.chat_template = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
    return made


PIPELINES: dict[str, Callable[[], Any]] = {
    "sdxl": _sdxl,
    "sd3-medium": _sd3,
    "flux-dev": lambda: _flux(guidance=True),
    "flux-schnell": lambda: _flux(guidance=False),
    "flux2-klein-4b": _klein,
    "qwen-image": _qwen,
}
"""Builders by the preset that they stand for."""
