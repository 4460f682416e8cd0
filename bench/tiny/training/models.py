"""The networks of the embedded family: sizes, construction, and saving in diffusers' own layout."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from diffusers import AutoencoderTiny, FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

from bench.tiny.scenes import SIZE
from bench.tiny.training import tokenizer as tok

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

TOKENS = tok.MAX_TOKENS
LATENT_CHANNELS = 8
FACTOR = 8
GRID = SIZE // FACTOR // 2
"""Side of the transformer's token grid: 8 x 8 tokens, each 16 x 16 pixels."""


@dataclass(frozen=True)
class Size:
    """Width and depth of the networks; ``heads`` x 32 is the transformer's width."""

    heads: int = 4
    double: int = 2
    single: int = 4
    text: int = 128


def autoencoder() -> AutoencoderTiny:
    """Factor 8, 8 latent channels, convolutions and ReLU only, so that crops train it exactly."""
    return AutoencoderTiny(
        encoder_block_out_channels=(32, 32, 32, 32),
        decoder_block_out_channels=(32, 32, 32, 32),
        num_encoder_blocks=(0, 1, 2, 2),
        num_decoder_blocks=(2, 2, 1, 0),
        latent_channels=LATENT_CHANNELS,
    )


def transformer(size: Size, *, guidance: bool) -> FluxTransformer2DModel:
    """A FLUX transformer over 64 picture tokens of 32 channels."""
    return FluxTransformer2DModel(
        patch_size=1,
        in_channels=LATENT_CHANNELS * 4,
        num_layers=size.double,
        num_single_layers=size.single,
        attention_head_dim=32,
        num_attention_heads=size.heads,
        joint_attention_dim=size.text,
        pooled_projection_dim=size.text,
        guidance_embeds=guidance,
        axes_dims_rope=(8, 12, 12),
    )


def text_encoders(size: Size) -> tuple[CLIPTextModel, T5EncoderModel]:
    """The pooled (CLIP) and the per-token (T5) encoder, both over the family's own tokenizer."""
    words = len(tok.vocabulary())
    clip = CLIPTextConfig(
        vocab_size=words,
        hidden_size=size.text,
        intermediate_size=size.text * 2,
        num_hidden_layers=1,
        num_attention_heads=4,
        max_position_embeddings=TOKENS,
        pad_token_id=tok.PAD,
        bos_token_id=tok.PAD,
        eos_token_id=tok.EOS,
    )
    t5 = T5Config(
        vocab_size=words,
        d_model=size.text,
        d_kv=32,
        d_ff=size.text * 2,
        num_layers=2,
        num_heads=size.text // 32,
        feed_forward_proj="gated-gelu",
        dropout_rate=0.0,
        pad_token_id=tok.PAD,
        eos_token_id=tok.EOS,
    )
    return CLIPTextModel(clip), T5EncoderModel(t5)


def clip_model() -> CLIPModel:
    """The small CLIP that scores this domain (``clip_tiny``)."""
    text = {
        "vocab_size": len(tok.vocabulary()),
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "max_position_embeddings": TOKENS,
        "pad_token_id": tok.PAD,
        "bos_token_id": tok.PAD,
        "eos_token_id": tok.EOS,
    }
    vision = {
        "hidden_size": 128,
        "intermediate_size": 256,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "image_size": SIZE,
        "patch_size": 16,
    }
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=64))


def save_pipeline(folder: Path, parts: dict[str, torch.nn.Module], tokenizer: PreTrainedTokenizerFast) -> None:
    """Write a FluxPipeline as float16 safetensors that plain diffusers loads."""
    pipe = FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=1.0),
        vae=parts["vae"],
        text_encoder=parts["text_encoder"],
        tokenizer=tokenizer,
        text_encoder_2=parts["text_encoder_2"],
        tokenizer_2=tokenizer,
        transformer=parts["transformer"],
    )
    pipe.to(torch.float16)
    pipe.save_pretrained(folder, safe_serialization=True)
    for config in folder.glob("*/config.json"):
        data = json.loads(config.read_text())
        data.pop("_name_or_path", None)
        config.write_text(json.dumps(data, indent=2, sort_keys=True) + "\n")


def load_pipeline(folder: Path) -> FluxPipeline:
    """The pipeline in ``folder``, float32."""
    return FluxPipeline.from_pretrained(folder, dtype=torch.float32, local_files_only=True)


def save_clip(folder: Path, model: CLIPModel, words: PreTrainedTokenizerFast) -> None:
    """Write ``clip_tiny`` with its tokenizer and image processor as a transformers folder, float16."""
    model.half().save_pretrained(folder)
    words.save_pretrained(folder)
    side = {"height": SIZE, "width": SIZE}
    processor = {
        "image_processor_type": "CLIPImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"shortest_edge": SIZE},
        "resample": 3,
        "do_center_crop": True,
        "crop_size": side,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(processor, indent=2) + "\n")
