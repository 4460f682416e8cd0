"""SigLIP 2 on its real architectures with small seeded random weights, against transformers' own forward pass."""

from __future__ import annotations

import json
import string
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from matplotlib.cbook import get_sample_data
from PIL import Image

from bench.config import presets
from bench.core.fingerprint import parse_fingerprint
from bench.metrics import Sample
from bench.types import ImageRecord, Request

if TYPE_CHECKING:
    from pathlib import Path


def sample(text: str, image: Image.Image) -> Sample:
    return Sample(ImageRecord("p", "c", "s", "h", Request("m", "r", text, None, 0, 128, 128), "ok", "e", "now"), image)


def siglip(folder: Path, kind: str) -> Path:
    """A small SigLIP 2: its fixed-size architecture (384 pixels, patch 14) or its flexible one, 64 tokens, seeded weights."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, normalizers, processors

    sides = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 2}
    torch.manual_seed(5)
    if kind == "siglip":
        config = transformers.SiglipConfig(
            text_config={**sides, "vocab_size": 32}, vision_config={**sides, "image_size": 384, "patch_size": 14}
        )
        model: Any = transformers.SiglipModel(config)
        size: dict[str, Any] = {"image_processor_type": "SiglipImageProcessor", "size": {"height": 384, "width": 384}, "resample": 2}
    else:
        model = transformers.Siglip2Model(transformers.Siglip2Config(text_config={**sides, "vocab_size": 32}, vision_config=sides))
        size = {"image_processor_type": "Siglip2ImageProcessor", "max_num_patches": 256, "patch_size": 16, "resample": 2}
    for weight in model.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    model.save_pretrained(folder)
    pieces = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "▁", *string.ascii_lowercase]
    fast = Tokenizer(models.BPE({w: i for i, w in enumerate(pieces)}, [], unk_token="<unk>"))
    fast.normalizer = normalizers.Replace(" ", "▁")
    fast.post_processor = processors.TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", 1)])
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=fast, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>", padding_side="right"
    ).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps({**size, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}))
    return folder


@pytest.mark.parametrize("kind", ["siglip", "siglip2"])
def test_siglip_scores_as_transformers_own_forward_does(kind: str, tmp_path: Path) -> None:
    import torch
    from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

    folder = siglip(tmp_path, kind)
    metric = replace(presets.metrics(["siglip2"])[0], repo=str(folder))
    assert [c.name for c in metric.columns] == ["siglip2", "siglip2.revised"]
    picture = Image.open(get_sample_data("grace_hopper.jpg", asfileobj=False)).convert("RGB")
    prompt = "A red circle on white"
    first, _ = metric.score([sample(prompt, picture)])
    words = AutoTokenizer.from_pretrained(folder)("a red circle on white", padding="max_length", max_length=64, return_tensors="pt")
    pixels = AutoImageProcessor.from_pretrained(folder)([picture], return_tensors="pt")
    with torch.inference_mode():
        model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
        logit = model(input_ids=words.input_ids, **pixels).logits_per_image
        masked = model(**words, **pixels).logits_per_image
        theirs, other = ((x - model.logit_bias) / model.logit_scale.exp() for x in (logit, masked))
    assert first.value == pytest.approx(float(theirs), abs=1e-5)
    assert abs(float(theirs - other)) > 1e-4, "a mask over the padding would be seen"
    long, *_ = metric.score([sample("red" * 27, picture)])
    assert long.detail == {"tokens": 82, "truncated": True}
    assert metric.model.ids(["red" * 27])["input_ids"][0, -1] == 1
    assert parse_fingerprint(metric.fingerprint())["tokenizer"].endswith("64 tokens, lower-cased, padding not masked")
