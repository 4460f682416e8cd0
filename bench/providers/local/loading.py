"""Loading a diffusers pipeline onto its device; what goes wrong is explained in one message and leaves nothing behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import diffusers
import torch
import transformers
from diffusers import DiffusionPipeline

from bench.errors import BenchError, MissingPackageError, MissingWeightsError
from bench.providers.local import architectures, lora, meters
from bench.weights import devices, hub, memory

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.providers.local.settings import PipelineSettings

T = TypeVar("T")


def guarded(settings: PipelineSettings, device: str, load: Callable[[], T]) -> T:
    """What ``load`` returns. Whatever it raises becomes one message, after all that it had loaded is let go of.

    Raises:
        BenchError: it does not fit, or cannot be loaded.
    """
    try:
        return load()
    except BenchError as error:
        devices.release(error)
        raise
    except Exception as error:  # noqa: BLE001 - libraries raise all kinds, and each may hold the model by its traceback
        devices.release(error)
        failure = _explained(settings, device, error)
    raise failure


def prepare(settings: PipelineSettings, device: str, say: Callable[[str], None]) -> None:
    """Quieten the libraries, see that the device computes, say what will be slow, and begin new peaks of memory.

    Raises:
        MissingWeightsError: the device cannot compute in ``model.dtype``.
    """
    for library in (diffusers, transformers):
        library.logging.set_verbosity_error()
        library.utils.logging.disable_progress_bar()
    devices.check_computes(device, settings.dtype)
    if devices.emulates(device, settings.dtype):
        say(f"{devices.called(device)} has no bfloat16 of its own and is many times slower with it; model.dtype=float16 is another run")
    if settings.offload != "none" and device != "cuda":
        say(f"model.offload={settings.offload} saves nothing on {devices.called(device)}, which shares the machine's memory")
    if device != "cpu":
        devices.release()
    meters.reset_peaks(device)


def placement(settings: PipelineSettings, device: str) -> str:
    """How weights are kept: "none", "model", "sequential", "group", or "group, unpinned" where memory is short of locking them all."""
    if device == "cpu":
        return "none"
    if settings.offload == "group" and not footprint(settings).pins(memory.host_free()):
        return "group, unpinned"
    return settings.offload


def footprint(settings: PipelineSettings) -> memory.Footprint:
    """What the configured model takes, by its card."""
    return memory.Footprint.of(settings.card, settings.dtype)


def load_pipeline(settings: PipelineSettings, device: str, place: str) -> Any:  # noqa: ANN401 - any pipeline
    """The pipeline with its weights (or random ones) and its LoRA, on its device or where ``place`` keeps it.

    Without offloading weights go straight to the GPU, not by way of the machine's memory.

    Raises:
        Exception: of a library; ``guarded`` explains it.
    """
    straight = device if place == "none" else "cpu"
    dtype = getattr(torch, settings.dtype)
    if settings.weights == "random":
        pipe = architectures.build_random_pipeline(
            settings.repo, straight, dtype, tokens=settings.max_sequence_length, negative=settings.true_cfg > 1
        )
    else:
        pipe = _pretrained(settings, dtype, straight)
    if settings.lora is not None:
        lora.apply(pipe, settings.lora, settings.lora_scale)
    if place == "none":
        pipe.to(device)
    elif place == "model":
        pipe.enable_model_cpu_offload(device=device)
    elif place == "sequential":
        pipe.enable_sequential_cpu_offload(device=device)
    else:
        streams, unpinned = device == "cuda", device == "cuda" and place != "group"
        pipe.enable_group_offload(
            onload_device=torch.device(device), offload_type="leaf_level", use_stream=streams, low_cpu_mem_usage=unpinned
        )
    return pipe


def _pretrained(settings: PipelineSettings, dtype: torch.dtype, device: str) -> Any:  # noqa: ANN401 - any pipeline
    """The networks in ``dtype``, but for layers that their authors keep in float32 (T5's ``wo``, which overflows in float16)."""
    kind = _pipeline_class(settings)
    if kind and not hasattr(diffusers, kind):
        raise MissingWeightsError(
            f"{settings.name}: {settings.repo} is a {kind}, which diffusers {diffusers.__version__} does not have; "
            "a newer one may: pip install --upgrade diffusers"
        )
    straight = {"device_map": device} if device == "cuda" else {}
    return DiffusionPipeline.from_pretrained(
        str(settings.folder or settings.repo), revision=settings.revision, dtype=dtype, local_files_only=True, **straight
    )


def _pipeline_class(settings: PipelineSettings) -> str:
    """The name of the pipeline's class by its own index; "" where that cannot be read."""
    index = hub.local_file(settings.repo, settings.revision, "model_index.json")
    try:
        name = json.loads(Path(index or "").read_text(encoding="utf-8")).get("_class_name")
    except (OSError, ValueError, AttributeError):
        return ""
    return name if isinstance(name, str) else ""


def _explained(settings: PipelineSettings, device: str, error: Exception) -> BenchError:
    if devices.out_of_memory(error):
        advice = memory.less_memory(footprint(settings), device, settings.offload)
        return MissingWeightsError(f"{settings.name} does not fit the memory of {devices.called(device)}; {advice}")
    if isinstance(error, ImportError) and error.name and not error.name.startswith(("diffusers", "transformers")):
        package = error.name.partition(".")[0]
        install = f"install it with: pip install -c constraints.txt {package}"
        return MissingPackageError(f"{settings.name} needs the package {package}; {install}")
    why = " ".join(str(error).split())[:300] or type(error).__name__
    return MissingWeightsError(f"{settings.name}: diffusers cannot load {settings.repo}: {why}")
