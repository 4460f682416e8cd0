"""Pictures and texts as points of one space: any contrastive model (CLIP, SigLIP) that transformers can load."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.core.fingerprint import libraries
from bench.errors import ConfigError, MissingWeightsError
from bench.metrics.extractors.preprocessing import preprocessing, windows
from bench.weights import hub

if TYPE_CHECKING:
    from PIL import Image

    from bench.core.fingerprint import Trait

_SIGLIP = {"siglip", "siglip2"}


def cosine(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """cos(a, b) = a·b / (|a| |b|) along the last axis, in [-1, 1], float64; shapes (…, D), broadcast together."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    return np.asarray((a * b).sum(-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1)))


@dataclass(frozen=True)
class TextEmbedding:
    """A text in the model's space.

    Attributes:
        vector: float32 (D,), length 1; of several windows, their normalised embeddings' mean, normalised again.
        tokens: of the whole text, start and end token included.
        truncated: the model saw only its beginning (and the end token).
        windows: how many pieces were averaged.
    """

    vector: np.ndarray
    tokens: int
    truncated: bool
    windows: int = 1

    @property
    def detail(self) -> dict[str, int | bool]:
        """What a score's row says of its text."""
        detail: dict[str, int | bool] = {"tokens": self.tokens, "truncated": self.truncated}
        return detail if self.windows == 1 else {**detail, "windows": self.windows}


@dataclass(frozen=True)
class Loaded:
    """A model in memory.

    Attributes:
        network: transformers' CLIP or SigLIP, float32 on the CPU.
        image_processor: pictures to pixels.
        tokenizer: texts to token ids.
        texts: embeddings so far, by text and whether it was cut into windows.
    """

    network: Any
    image_processor: Any
    tokenizer: Any
    texts: dict[tuple[str, bool], TextEmbedding] = field(default_factory=dict)

    @property
    def token_limit(self) -> int:
        """The longest text in tokens, start and end token included."""
        return int(self.network.config.text_config.max_position_embeddings)

    @property
    def is_siglip(self) -> bool:
        """Whether it was trained on lower-cased text without a mask over the padding."""
        return self.network.config.model_type in _SIGLIP

    def prepare_text(self, text: str) -> str:
        """``text`` as the model was trained on it."""
        return text.lower() if self.is_siglip else text

    def count_tokens(self, text: str) -> int:
        """Tokens of the whole text, start and end token included."""
        return len(self.tokenizer(self.prepare_text(text)).input_ids)


@dataclass(frozen=True)
class ContrastiveModel:
    """An extractor that embeds texts too: normalised embeddings, float32, on the CPU.

    Pictures pass as 8-bit Pillow images through the model's own image processor, on its Pillow code also where
    torchvision is installed (which resizes differently). Texts are padded to the model's limit and cut there with the end
    token kept. SigLIP was trained on lower-cased text without a mask over the padding, so it gets both here.

    Where the scaled side exceeds the crop by an odd number of pixels, transformers crops one pixel left of (or above)
    OpenAI's transform; otherwise the two are equal to the last bit. Its tokenizer does not straighten curly quotation marks,
    ligatures and full-width letters as OpenAI's does; torchmetrics and every user of transformers share both differences.

    Attributes:
        name: a metric or a distance is called after it; a model trained here is never called ``clip``.
        repo: hub repository, a folder, or a folder below the project's weights ("weights/clip-tiny").
        batch_size: pictures embedded at a time.
        processor: repository or folder of image processor and tokenizer, where they are not beside the weights.
    """

    name: str
    repo: str
    revision: str | None = None
    batch_size: int = 16
    processor: str | None = None

    def fingerprint_fields(self) -> Mapping[str, Trait]:
        """What a picture's features depend on; reads no weights beyond hashing a folder's."""
        config = self._config("preprocessor_config.json", of_processor=True)
        steps = preprocessing(config) if config else "the model's own, not on this machine"
        apart = {"processor": hub.identity(self.processor, None)} if self.processor else {}
        versions = libraries("transformers", "pillow")
        return {"weights": hub.identity(self.repo, self.revision), "preprocess": steps, "dtype": "float32", **apart, **versions}

    def text_fingerprint_fields(self) -> Mapping[str, Trait]:
        """What a text's embedding depends on beside ``fingerprint_fields``."""
        config, tokenizer = self._config("config.json"), self._config("tokenizer_config.json", of_processor=True)
        kind = tokenizer.get("tokenizer_class", "the model's own")
        limit = config.get("text_config", {}).get("max_position_embeddings")
        lower = ", lower-cased, padding not masked" if config.get("model_type") in _SIGLIP else ""
        return {"tokenizer": f"{kind}, {limit or 'its own number of'} tokens{lower}", **libraries("tokenizers")}

    def features(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Normalised picture embeddings, float32 (N, D).

        Raises:
            MissingWeightsError: the model is not on this machine.
            TypeError: something else than 8-bit Pillow images.
        """
        import torch  # noqa: PLC0415 - slow import

        batches = []
        for start in range(0, len(images), self.batch_size):
            with torch.inference_mode():
                embedded = _projected(self.loaded.network.get_image_features(**self.pixels(images[start : start + self.batch_size])))
            batches.append(embedded / embedded.norm(dim=1, keepdim=True))
        return torch.cat(batches).numpy() if batches else np.empty((0, 0), np.float32)

    def pixels(self, images: Sequence[Image.Image]) -> Mapping[str, Any]:
        """What the network is fed: the processor's tensors, "pixel_values" float32 (N, 3, H, W) among them.

        A float array in [0, 1] would be scaled by 1/255 a second time and read as black, so none gets in.

        Raises:
            TypeError: something else than 8-bit Pillow images.
        """
        from PIL import Image as Images  # noqa: PLC0415 - slow import

        for image in images:
            if not isinstance(image, Images.Image) or image.mode[0] in "FI":
                kind = getattr(image, "mode", type(image).__name__)
                raise TypeError(f"pictures enter as 8-bit Pillow images, not as {kind}: their processor scales 0..255 to 0..1 itself")
        return dict(self.loaded.image_processor([image.convert("RGB") for image in images], return_tensors="pt"))

    def text(self, text: str, *, windowed: bool = False) -> TextEmbedding:
        """A text's embedding, computed once; ``windowed`` averages over windows of sentences instead of cutting.

        Raises:
            MissingWeightsError: the model is not on this machine.
        """
        texts, key = self.loaded.texts, (text, windowed)
        if key not in texts:
            texts[key] = self._embed(text, windowed=windowed)
        return texts[key]

    def ids(self, texts: Sequence[str]) -> Mapping[str, Any]:
        """Token ids (N, limit), cut with the end token kept and padded, and their mask where the model wants one."""
        loaded = self.loaded
        cut = loaded.tokenizer(
            [loaded.prepare_text(t) for t in texts],
            truncation=True,
            max_length=loaded.token_limit,
            padding="max_length",
            return_tensors="pt",
        )
        return {"input_ids": cut.input_ids, **({} if loaded.is_siglip else {"attention_mask": cut.attention_mask})}

    def _embed(self, text: str, *, windowed: bool) -> TextEmbedding:
        import torch  # noqa: PLC0415 - slow import

        loaded = self.loaded
        tokens, limit = loaded.count_tokens(text), loaded.token_limit
        pieces = windows(text, lambda t: loaded.count_tokens(t) <= limit) if windowed else [text]
        with torch.inference_mode():
            embedded = _projected(loaded.network.get_text_features(**self.ids(pieces)))
        mean = (embedded / embedded.norm(dim=1, keepdim=True)).mean(0)
        vector = (mean / mean.norm()).numpy()
        return TextEmbedding(vector, tokens, truncated=not windowed and tokens > limit, windows=len(pieces))

    def _config(self, file: str, *, of_processor: bool = False) -> dict[str, Any]:
        """A configuration file beside the weights (or beside the processor); {} where it is not on this machine."""
        apart = self.processor if of_processor else None
        path = hub.local_file(apart, None, file) if apart else hub.local_file(self.repo, self.revision, file)
        return json.loads(path.read_text(encoding="utf-8")) if path else {}

    @cached_property
    def loaded(self) -> Loaded:
        """Network, image processor and tokenizer, loaded at first use.

        Raises:
            MissingWeightsError: one of them is not on this machine, or weights are missing in it.
            ConfigError: the model embeds no pictures and texts.
        """
        import torch  # noqa: PLC0415 - slow import
        import transformers  # noqa: PLC0415 - slow import

        transformers.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        repos = [self.repo, self.processor] if self.processor else [self.repo]
        missing = MissingWeightsError(
            f"the weights of {self.name} ({' and '.join(repos)}) are not on this machine; download them once with: "
            f"hf download {' and: hf download '.join(repos)}, then: python -m bench score RUN metric=[{self.name}]"
        )
        folder = hub.files(self.repo, self.revision)
        beside = hub.files(self.processor) if self.processor else folder
        if folder is None or beside is None:
            raise missing
        here = {"local_files_only": True}
        try:
            network, report = transformers.AutoModel.from_pretrained(folder, dtype=torch.float32, output_loading_info=True, **here)
            image_processor = transformers.AutoImageProcessor.from_pretrained(beside, backend="pil", **here)
            tokenizer = transformers.AutoTokenizer.from_pretrained(beside, **here)
        except (OSError, ValueError) as error:
            raise missing from error
        lacking = sorted(report["missing_keys"])
        if lacking:
            raise MissingWeightsError(
                f"{self.repo} lacks {len(lacking)} of the weights of {self.name} ({lacking[0]}, …), and nothing is scored with random "
                f"ones; download it again with: hf download {self.repo} --force-download"
            )
        if not hasattr(network, "get_image_features") or not hasattr(network.config, "text_config"):
            raise ConfigError(f"metric.{self.name}.repo={self.repo} is a {network.config.model_type} model; name a CLIP or SigLIP model")
        return Loaded(network.eval(), image_processor, tokenizer)


def _projected(output: Any) -> Any:  # noqa: ANN401 - transformers is untyped
    """The projected embeddings (N, D), which transformers wraps since 5.0."""
    return getattr(output, "pooler_output", output)
