"""CLIP's architectures with seeded random weights, its true vocabulary and photographs, from what packages carry."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from PIL import Image

from bench.metrics.extractors.contrastive import ContrastiveModel
from support.requirements import in_package

PROMPTS = [
    "A portrait of Grace Hopper in uniform, won't you look!",
    "An astronaut riding a horse on Mars, 35mm photograph, f/1.8",
    "ein Café — naïve, 日本語 und 🎉",
]
MEAN, DEVIATION = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
OPENAI_PROCESSOR = {"crop_size": 224, "do_center_crop": True, "do_normalize": True, "do_resize": True, "resample": 3, "size": 224,
                    "feature_extractor_type": "CLIPFeatureExtractor", "image_mean": MEAN, "image_std": DEVIATION}  # fmt: skip
L14 = {
    "text_config": {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 2, "num_attention_heads": 12},
    "vision_config": {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 2, "num_attention_heads": 16, "patch_size": 14},
    "projection_dim": 768,
}
"""ViT-L/14's widths, pixels, patches, vocabulary and positions, with 2 of its 12 and 24 layers."""


def photo(name: str) -> Image.Image:
    if name == "grace_hopper":
        return Image.open(in_package("matplotlib", "matplotlib/mpl-data/sample_data/grace_hopper.jpg")).convert("RGB")
    return Image.open(in_package("scikit-image", f"skimage/data/{name}.{'jpg' if name == 'rocket' else 'png'}")).convert("RGB")


def photos() -> list[Image.Image]:
    whole = photo("grace_hopper")
    return [whole, whole.crop((100, 20, 420, 340)), whole.crop((0, 250, 500, 600))]


def save_vocabulary(folder: Path) -> None:
    """CLIP's own byte pairs as the two files that transformers' tokenizer reads."""
    packed = in_package("open_clip_torch", "open_clip/bpe_simple_vocab_16e6.txt.gz")
    merges = gzip.decompress(packed.read_bytes()).decode().split("\n")[1 : 49152 - 256 - 2 + 1]
    plain = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or b >= 174]
    letters = [chr(b) for b in plain] + [chr(256 + i) for i in range(256 - len(plain))]
    words = [*letters, *(c + "</w>" for c in letters), *(m.replace(" ", "") for m in merges), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({w: i for i, w in enumerate(words)}), encoding="utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": 77}))


def build(folder: Path, **config: Any) -> Path:
    """A seeded CLIP of this configuration with the true vocabulary and OpenAI's image processor.

    Random embeddings of pictures and of texts lie in two narrow cones; the cones are reflected onto each other, since
    torchmetrics answers 0 to every negative cosine.
    """
    import torch
    from transformers import CLIPConfig, CLIPModel

    folder.mkdir(exist_ok=True)
    save_vocabulary(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(OPENAI_PROCESSOR))
    torch.manual_seed(0)
    CLIPModel(CLIPConfig(**config)).half().save_pretrained(folder)
    model = ContrastiveModel("seeded", str(folder))
    across = torch.from_numpy(model.features(photos()[:1])[0] - model.text(PROMPTS[0]).vector)
    across /= across.norm()
    weight = model.loaded.network.visual_projection.weight.data
    weight -= 2 * torch.outer(across, across @ weight)
    model.loaded.network.half().save_pretrained(folder)
    return folder
