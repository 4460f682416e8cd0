"""Pictures and texts as points of one space: any contrastive model (CLIP, SigLIP) that transformers can load."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.core import resources
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
    found: np.ndarray = (a * b).sum(-1) / (np.linalg.norm(a, axis=-1) * np.linalg.norm(b, axis=-1))
    return found


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
        told: dict[str, int | bool] = {"tokens": self.tokens, "truncated": self.truncated}
        return told if self.windows == 1 else {**told, "windows": self.windows}


@dataclass(frozen=True)
class ContrastiveModel:
    """Embeds pictures and texts, float32, on the CPU.

    Pictures pass as 8-bit Pillow images through the model's own image processor, on its Pillow code also where
    torchvision is installed (which resizes differently). Texts are padded to the model's limit and cut there with the end
    token kept. SigLIP was trained on lower-cased text without a mask over the padding, so it gets both here.

    Where the scaled side exceeds the crop by an odd number of pixels, transformers crops one pixel left of (or above)
    OpenAI's transform; otherwise the two are equal to the last bit. Its tokenizer does not straighten curly quotation marks,
    ligatures and full-width letters as OpenAI's does; torchmetrics and every user of transformers share both traits.

    Attributes:
        name: column name; a model trained here is never called ``clip``.
        repo: hub repository, a folder, or a folder below the project's weights ("weights/clip-tiny").
        processor: repository or folder of image processor and tokenizer, where they are not beside the weights.
        batch_size: pictures embedded at a time.
    """

    name: str
    repo: str
    revision: str | None = None
    batch_size: int = 16
    processor: str | None = None

    @property
    def source(self) -> Path | str:
        """Folder or repository the weights come from."""
        return locate_weights(self.repo)

    def fingerprint_fields(self) -> Mapping[str, Trait]:
        """What a picture's features depend on; reads no weights beyond hashing a folder's."""
        config = self._read("preprocessor_config.json", self.processor)
        said = preprocessing(config) if config else "the model's own, not on this machine"
        apart = {"processor": weights_identity(self.processor, None)} if self.processor else {}
        versions = libraries("transformers", "pillow")
        return {"weights": weights_identity(self.repo, self.revision), "preprocess": said, "dtype": "float32", **apart, **versions}

    def text_fingerprint_fields(self) -> Mapping[str, Trait]:
        """What a text's embedding depends on beside ``fingerprint_fields``."""
        config, words = self._read("config.json"), self._read("tokenizer_config.json", self.processor)
        kind = words.get("tokenizer_class", "the model's own")
        most = config.get("text_config", {}).get("max_position_embeddings")
        lower = ", lower-cased, padding not masked" if config.get("model_type") in _SIGLIP else ""
        return {"tokenizer": f"{kind}, {most or 'its own number of'} tokens{lower}", **libraries("tokenizers")}

    def features(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Normalised picture embeddings, float32 (N, D).

        Raises:
            MissingWeightsError: the model is not on this machine.
            TypeError: something else than 8-bit Pillow images.
        """
        import torch  # noqa: PLC0415 - slow import

        found = []
        for start in range(0, len(images), self.batch_size):
            with torch.inference_mode():
                embedded = _projected(self.model.get_image_features(**self.pixels(images[start : start + self.batch_size])))
            found.append(embedded / embedded.norm(dim=1, keepdim=True))
        return torch.cat(found).numpy() if found else np.empty((0, 0), np.float32)

    def pixels(self, images: Sequence[Image.Image]) -> Mapping[str, Any]:
        """What the network is fed: the processor's tensors, "pixel_values" float32 (N, 3, H, W) among them.

        A float array in [0, 1] would be scaled by 1/255 a second time and read as black, so none gets in.
        """
        from PIL import Image as Images  # noqa: PLC0415 - slow import

        for image in images:
            if not isinstance(image, Images.Image) or image.mode[0] in "FI":
                kind = getattr(image, "mode", type(image).__name__)
                raise TypeError(f"pictures enter as 8-bit Pillow images, not as {kind}: their processor scales 0..255 to 0..1 itself")
        return dict(self._loaded[1]([image.convert("RGB") for image in images], return_tensors="pt"))

    def text(self, text: str, *, windowed: bool = False) -> TextEmbedding:
        """A text's embedding, made once a text; ``windowed`` averages over windows of sentences instead of cutting."""
        key = (text, windowed)
        if key not in self._texts:
            self._texts[key] = self._embed(text, windowed=windowed)
        return self._texts[key]

    def ids(self, texts: Sequence[str]) -> Mapping[str, Any]:
        """Token ids (N, limit), cut with the end token kept and padded, and their mask where the model wants one."""
        cut = self._loaded[2](
            [self.prepare_text(t) for t in texts], truncation=True, max_length=self._limit, padding="max_length", return_tensors="pt"
        )
        masked = self.model.config.model_type not in _SIGLIP
        return {"input_ids": cut.input_ids, **({"attention_mask": cut.attention_mask} if masked else {})}

    @property
    def model(self) -> Any:  # noqa: ANN401 - transformers is untyped
        """The network, loaded at first use."""
        return self._loaded[0]

    def _embed(self, text: str, *, windowed: bool) -> TextEmbedding:
        import torch  # noqa: PLC0415 - slow import

        whole = self._count(text)
        pieces = windows(text, lambda t: self._count(t) <= self._limit) if windowed else [text]
        with torch.inference_mode():
            embedded = _projected(self.model.get_text_features(**self.ids(pieces)))
        mean = (embedded / embedded.norm(dim=1, keepdim=True)).mean(0)
        vector = (mean / mean.norm()).numpy()
        return TextEmbedding(vector, whole, truncated=not windowed and whole > self._limit, windows=len(pieces))

    def prepare_text(self, text: str) -> str:
        """``text`` as the model was trained on it."""
        return text.lower() if self.model.config.model_type in _SIGLIP else text

    def _count(self, text: str) -> int:
        return len(self._loaded[2](self.prepare_text(text)).input_ids)

    def _read(self, file: str, repo: str | None = None) -> dict[str, Any]:
        path = _file(repo or self.repo, None if repo else self.revision, file)
        return json.loads(path.read_text(encoding="utf-8")) if path else {}

    @cached_property
    def _limit(self) -> int:
        return int(self.model.config.text_config.max_position_embeddings)

    @cached_property
    def _texts(self) -> dict[tuple[str, bool], TextEmbedding]:
        return {}

    @cached_property
    def _loaded(self) -> tuple[Any, Any, Any]:
        import torch  # noqa: PLC0415 - slow import
        import transformers  # noqa: PLC0415 - slow import

        transformers.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        here = {"local_files_only": True, "revision": self.revision}
        beside = {"local_files_only": True} if self.processor else here
        place = locate_weights(self.processor) if self.processor else self.source
        try:
            model, told = transformers.AutoModel.from_pretrained(self.source, dtype=torch.float32, output_loading_info=True, **here)
            processor = transformers.AutoImageProcessor.from_pretrained(place, backend="pil", **beside)
            tokenizer = transformers.AutoTokenizer.from_pretrained(place, **beside)
        except (OSError, ValueError) as error:
            repos = f"{self.repo} and {self.processor}" if self.processor else self.repo
            ways = " and: hf download ".join(repos.split(" and "))
            raise MissingWeightsError(
                f"the weights of {self.name} ({repos}) are not on this machine; download them once with: hf download {ways}, "
                f"then: python -m bench score RUN metric=[{self.name}]"
            ) from error
        lacking = sorted(told["missing_keys"])
        if lacking:
            raise MissingWeightsError(
                f"{self.repo} lacks {len(lacking)} of the weights of {self.name} ({lacking[0]}, …), and nothing is scored with random "
                f"ones; download it again with: hf download {self.repo} --force-download"
            )
        if not hasattr(model, "get_image_features") or not hasattr(model.config, "text_config"):
            raise ConfigError(f"metric.{self.name}.repo={self.repo} is a {model.config.model_type} model; name a CLIP or SigLIP model")
        return model.eval(), processor, tokenizer


def _projected(output: Any) -> Any:  # noqa: ANN401 - transformers is untyped
    """The projected embeddings (N, D), which transformers wraps since 5.0."""
    return getattr(output, "pooler_output", output)


def locate_weights(repo: str) -> Path | str:
    """The folder behind ``repo``, or the name of a hub repository."""
    if repo.startswith("weights/"):
        return resources.folder("weights") / repo.removeprefix("weights/")
    return Path(repo) if Path(repo).is_dir() else repo


def weights_identity(repo: str, revision: str | None) -> str:
    """Source and hash: a folder by its name and content, so that copies of it are one; a repository by its commit."""
    place = locate_weights(repo)
    if isinstance(place, Path):
        return f"{place.name}@{hub.folder_hash(place)}"
    return f"{repo}@{hub.cached_commit(repo, revision, 'config.json') or revision or 'main'}"


def _file(repo: str, revision: str | None, name: str) -> Path | None:
    """A file of a folder or of the hub's local cache; None when it is not there."""
    place = locate_weights(repo)
    if isinstance(place, Path):
        return place / name if (place / name).is_file() else None
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415 - slow import

    found = try_to_load_from_cache(repo, name, revision=revision)
    return Path(found) if isinstance(found, str) else None
