"""CLIP similarity: the cosine of picture and prompt in the space of a contrastive model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import resources
from bench.errors import MissingWeightsError
from bench.providers import weights
from bench.types import ScoreRow

if TYPE_CHECKING:
    import numpy as np
    import torch
    from PIL import Image

    from bench.metrics import Sample

VERSION = 1


def scales(cosine: float) -> dict[str, float]:
    """The published scales of a cosine in [-1, 1].

    ``score100`` = 100 max(cos, 0), 0 to 100 (torchmetrics); ``clipscore`` = 2.5 max(cos, 0), 0 to 2.5 (Hessel et al.,
    EMNLP 2021, there with the prefix "A photo depicts", which is not added here).
    """
    return {"score100": 100 * max(cosine, 0.0), "clipscore": 2.5 * max(cosine, 0.0)}


@dataclass(frozen=True)
class ClipSimilarity:
    """cos(E_image(picture), E_text(prompt)), in [-1, 1], higher is better (Radford et al., 2021).

    Pictures enter as uint8 through the model's own image processor; prompts are cut to the model's token limit with
    the end token kept, and a row says when that happened. float32 on the CPU, as on any device.

    Attributes:
        name: column name; a model trained here is never called ``clip``.
        repo: hub repository of a CLIP model, or a folder below the project's weights ("weights/clip-tiny").
    """

    name: str
    repo: str
    revision: str | None = None
    batch_size: int = 16

    @property
    def columns(self) -> tuple[str, ...]:
        """The one column it fills."""
        return (self.name,)

    @property
    def source(self) -> Path | str:
        """Folder or repository the weights come from."""
        if self.repo.startswith("weights/"):
            return resources.folder("weights") / self.repo.removeprefix("weights/")
        path = Path(self.repo)
        return path if path.is_dir() else self.repo

    def fingerprint(self) -> str:
        """Metric version, weights, preprocessing and the versions that can change the number."""
        if isinstance(self.source, Path):
            held = weights.folder_hash(self.source)
        else:
            held = weights.cached_commit(self.repo, self.revision, "config.json") or self.revision or "main"
        return f"{self.name}/v{VERSION} {self.repo}@{held} own-processor float32 transformers={version('transformers')}"

    def score(self, samples: Sequence[Sample]) -> list[ScoreRow]:
        """One row a picture: the cosine, with both published scales, token count and truncation in ``detail``.

        Raises:
            MissingWeightsError: the model is not on this machine.
        """
        import torch  # noqa: PLC0415 - slow import

        pictures = self.embed_images([s.image for s in samples])
        rows = []
        for sample, picture in zip(samples, pictures, strict=True):
            text, note = self.embed_text(sample.record.request.prompt)
            cosine = float(torch.nn.functional.cosine_similarity(picture, text, dim=0))
            r = sample.record
            rows.append(
                ScoreRow(self.name, self.fingerprint(), cosine, unit="cosine", request_id=r.request.id, prompt_id=r.prompt_id,
                         seed=r.request.seed, detail={**scales(cosine), **note})
            )  # fmt: skip
        return rows

    def embed_images(self, images: Sequence[Image.Image]) -> torch.Tensor:
        """Projected picture embeddings, float32 (N, D), not normalised."""
        import torch  # noqa: PLC0415 - slow import

        model, processor, _ = self._loaded
        pixels = processor([i.convert("RGB") for i in images], return_tensors="pt").pixel_values
        with torch.inference_mode():
            found: torch.Tensor = model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output)
        return found

    def features(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Normalised picture embeddings as float32 (N, D), for Fréchet distances."""
        embedded = self.embed_images(images)
        found: np.ndarray = (embedded / embedded.norm(dim=1, keepdim=True)).numpy()
        return found

    def embed_text(self, prompt: str) -> tuple[torch.Tensor, Mapping[str, Any]]:
        """Projected embedding, float32 (D,), not normalised, once a prompt; token count and whether it was cut."""
        import torch  # noqa: PLC0415 - slow import

        model, _, tokenizer = self._loaded
        if prompt not in self._texts:
            limit = model.config.text_config.max_position_embeddings
            whole = len(tokenizer(prompt).input_ids)
            cut = tokenizer(prompt, truncation=True, max_length=limit, padding="max_length", return_tensors="pt")
            with torch.inference_mode():
                pooled = model.text_model(input_ids=cut.input_ids, attention_mask=cut.attention_mask).pooler_output
                embedded = model.text_projection(pooled)[0]
            self._texts[prompt] = (embedded, {"tokens": whole, "truncated": whole > limit})
        return self._texts[prompt]

    @cached_property
    def _texts(self) -> dict[str, tuple[torch.Tensor, Mapping[str, Any]]]:
        return {}

    @cached_property
    def _loaded(self) -> tuple[Any, Any, Any]:
        import torch  # noqa: PLC0415 - slow import
        import transformers  # noqa: PLC0415 - slow import

        transformers.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        try:
            here = {"local_files_only": True, "revision": self.revision}
            model = transformers.CLIPModel.from_pretrained(self.source, dtype=torch.float32, **here)
            processor = transformers.AutoImageProcessor.from_pretrained(self.source, **here)
            tokenizer = transformers.AutoTokenizer.from_pretrained(self.source, **here)
        except (OSError, ValueError) as error:
            raise MissingWeightsError(
                f"the weights of {self.name} ({self.repo}) are not on this machine; download them once with: hf download "
                f"{self.repo}, then: python -m bench score RUN metric=[{self.name}]"
            ) from error
        return model.eval(), processor, tokenizer
