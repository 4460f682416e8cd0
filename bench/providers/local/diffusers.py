"""Any text-to-image pipeline of the diffusers library, from the hub, its cache or a local folder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from bench.errors import MissingWeightsError
from bench.providers.local import families, lora
from bench.providers.local.settings import PipelineSettings
from bench.providers.sizes import at_aspect, parse_size
from bench.types import Request
from bench.weights.hub import cached_commit, folder_hash, how_to_get
from bench.weights.memory import Footprint, check_memory

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.providers.local.pipeline import PipelineSession
    from bench.types import Prompt


@dataclass(frozen=True)
class DiffusersProvider(PipelineSettings):
    """A pipeline of diffusers as a provider."""

    def request(self, prompt: Prompt, seed: int | None) -> Request:
        """The request for a prompt: its aspect at the configured number of pixels, in multiples of 16.

        Its negative prompt is part of it only where it changes the picture.

        Raises:
            ConfigError: a setting that would change nothing, or a size or length that the pipeline does not take.
        """
        width, height = parse_size(self.size)
        if prompt.aspect != "1:1" and not self.fixed_size:
            width, height = at_aspect(width * height, prompt.aspect)
        settings = {
            "steps": self.steps,
            "guidance": float(self.guidance),
            "true_cfg": float(self.true_cfg),
            "max_sequence_length": self.max_sequence_length,
            "dtype": self.dtype,
            **lora.request_settings(self.lora, self.lora_scale),
            "weights": self.weights,
        }
        negative = prompt.negative_prompt or None
        if self.vae_tiling:
            settings["vae_tiling"] = True
        if (family := self._family) is not None:
            families.check_settings(self, family)
            families.check_size(self, family, width, height)
            negative = negative if families.uses_negative_prompt(self, family) else None
            if (rendering := families.rendering(self, family)) != 1:
                settings["rendering"] = rendering
        folder = self.folder
        if self.weights == "random":
            model, revision = self.repo, "random"
        elif folder is not None:
            model, revision = folder.name, folder_hash(folder)
        else:
            model, revision = self.repo, cached_commit(self.repo, self.revision) or self.revision or "main"
        return Request(model, revision, prompt.text, negative, seed, width, height, settings)

    @cached_property
    def _family(self) -> families.Family | None:
        return families.find_family(self)

    def check(self) -> None:
        """See that everything is there to load the pipeline.

        Raises:
            MissingWeightsError: weights, the device or memory are missing.
            MissingPackageError: a LoRA needs peft.
            ConfigError: random weights of an architecture that is not described.
        """
        if self.weights == "random":
            from bench.providers.local import architectures  # noqa: PLC0415 - only for this mode

            architectures.find_architecture(self.repo)
        elif self.folder is None and cached_commit(self.repo, self.revision) is None:
            raise MissingWeightsError(how_to_get(self.name, self.repo, gated=bool(self.card.get("gated"))))
        elif self.folder is not None and not (self.folder / "model_index.json").is_file():
            lacking = "holds no model_index.json: it is no folder that diffusers wrote" if self.folder.is_dir() else "is no folder here"
            raise MissingWeightsError(f"{self.repo} {lacking}")
        if self.lora is not None:
            lora.check(self.lora)
        check_memory(self.name, self.device, Footprint.of(self.card, self.dtype), self.offload)

    def open(self, say: Callable[[str], None]) -> PipelineSession:
        """Load (or build) the pipeline on its device."""
        from bench.providers.local.pipeline import PipelineSession  # noqa: PLC0415 - imports torch

        say(f"{self.name}: loading {self.repo}")
        return PipelineSession.load(self, say)
