"""DINOv2 features, for distances that do not look through ImageNet's classes (Stein et al., NeurIPS 2023)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from bench.core.fingerprint import libraries
from bench.errors import MissingWeightsError
from bench.weights import hub

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    from bench.core.fingerprint import Trait


@dataclass(frozen=True)
class DinoV2:
    """The class token after the last layer norm (Oquab et al., 2023): 1,024 features for the large model, float32 on the CPU.

    Pictures enter as uint8 through the model's own image processor.

    Attributes:
        name: a distance is called after it, ``fd_<name>`` or ``kid_<name>``.
        repo: hub repository or folder of a DINOv2 model.
        revision: of the hub repository; None is the one on this machine.
    """

    name: str = "dinov2"
    repo: str = "facebook/dinov2-large"
    revision: str | None = None

    def fingerprint_fields(self) -> Mapping[str, Trait]:
        """Weights, preprocessing, numeric type, version of transformers."""
        weights = hub.identity(self.repo, self.revision, uncached="missing")
        return {"weights": weights, "preprocess": "the model's own image processor", "dtype": "float32", **libraries("transformers")}

    def features(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Features (N, D), float32.

        Raises:
            MissingWeightsError: the model is not on this machine.
        """
        import torch  # noqa: PLC0415 - slow import

        model, processor = self._loaded
        pixels = processor([i.convert("RGB") for i in images], return_tensors="pt").pixel_values
        with torch.inference_mode():
            class_tokens: np.ndarray = model(pixel_values=pixels).last_hidden_state[:, 0].numpy()
        return class_tokens

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        import torch  # noqa: PLC0415 - slow import
        import transformers  # noqa: PLC0415 - slow import

        transformers.logging.set_verbosity_error()
        transformers.utils.logging.disable_progress_bar()
        missing = MissingWeightsError(
            f"the weights of {self.name} ({self.repo}) are not on this machine; download them once with: hf download {self.repo}"
        )
        folder = hub.files(self.repo, self.revision)
        if folder is None:
            raise missing
        try:
            model = transformers.Dinov2Model.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
            processor = transformers.AutoImageProcessor.from_pretrained(folder, local_files_only=True)
        except (OSError, ValueError) as error:
            raise missing from error
        return model.eval(), processor
