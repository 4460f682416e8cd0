"""LoRA: small weights that change a model. Which file it is, whether it is one, and whether the model took all of it."""

from __future__ import annotations

import json
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import MissingPackageError, MissingWeightsError
from bench.weights import devices, hub

if TYPE_CHECKING:
    from collections.abc import Mapping

_SUFFIX = ".safetensors"
_USUAL = "pytorch_lora_weights.safetensors"
_ADAPTER = "lora"
_WAYS = "give a .safetensors file, a folder with one, or a hub repository that is on this machine (hf download OWNER/NAME)"


def weights_file(lora: str) -> Path:
    """The file behind ``model.lora``: a file, the one in a folder, or the one of a hub repository in the local cache. Never downloads.

    Raises:
        MissingWeightsError: there is none, or there are several.
    """
    path = Path(lora).expanduser()
    if path.is_file():
        return path
    folder = path if path.is_dir() else hub.cached_snapshot(lora)
    if folder is None:
        beside = sorted(str(file) for file in path.parent.glob(f"*{_SUFFIX}"))
        near = get_close_matches(str(path), beside, n=1, cutoff=0.6)
        hint = f"; did you mean {near[0]!r}?" if near else ";"
        raise MissingWeightsError(f"model.lora={lora}: there is no such file{hint} {_WAYS}")
    files = sorted(folder.glob(f"*{_SUFFIX}"))
    usual = [file for file in files if file.name == _USUAL]
    if not usual and len(files) != 1:
        several = f"{', '.join(file.name for file in files)}: name one of them" if files else "nothing of that kind"
        raise MissingWeightsError(f"model.lora={lora} must hold one {_SUFFIX} file, and holds {several}")
    return (usual or files)[0]


def request_settings(lora: str | None, scale: float) -> dict[str, Any]:
    """What of a LoRA decides a picture: the hash of its content and its scale; without one ``{"lora": None}``.

    One that is not on this machine stands by its name, so that a run can be planned; ``check`` refuses it before anything is rendered.
    """
    if lora is None:
        return {"lora": None}
    try:
        identity = hub.file_hash(weights_file(lora))
    except MissingWeightsError:
        identity = lora
    return {"lora": identity, "lora_scale": float(scale)}


def check(lora: str) -> None:
    """Look at the names of a LoRA's tensors.

    Raises:
        MissingWeightsError: the file is none of LoRA weights, or of a kind that diffusers applies in part.
        MissingPackageError: peft is not installed.
    """
    file = weights_file(lora)
    names = _names(file, lora)
    if not any("lora" in name or ".lokr_" in name for name in names):
        raise MissingWeightsError(f"model.lora={lora} holds no weights of a LoRA: none of its {len(names)} names says lora")
    if any("dora_scale" in name for name in names):
        raise MissingWeightsError(f"model.lora={lora} is of the kind DoRA, of which diffusers would apply a part only")
    if find_spec("peft") is None:
        raise MissingPackageError("model.lora needs the package peft; install it with: pip install -c constraints.txt peft")


def apply(pipe: Any, lora: str, scale: float) -> None:  # noqa: ANN401 - any pipeline
    """Load a LoRA into a pipeline's networks, at ``scale``.

    Raises:
        MissingWeightsError: the pipeline takes no LoRA, or not every tensor of this one fits its networks.
    """
    file, name = weights_file(lora), type(pipe).__name__
    if not hasattr(pipe, "load_lora_weights"):
        raise MissingWeightsError(f"model.lora={lora}: diffusers loads no LoRA into {name}; leave model.lora out")
    where = {"weight_name": file.name, "local_files_only": True, "use_safetensors": True}
    sizes = _sizes(pipe)  # diffusers widens a layer for a LoRA that is larger
    for_unet = {"unet_config": pipe.unet.config} if hasattr(pipe, "unet") else {}
    try:
        converted = pipe.lora_state_dict(str(file.parent), **where, **for_unet)
        pipe.load_lora_weights(str(file.parent), adapter_name=_ADAPTER, **where)
    except ImportError:
        raise
    except Exception as error:
        if devices.out_of_memory(error):
            raise
        raise MissingWeightsError(f"model.lora={lora} does not go into {name}: {_cause(error)}") from error
    given = _tensors(converted[0] if isinstance(converted, tuple) else converted)
    taken = sum(_tensors(dict(part.named_parameters())) for part in pipe.components.values() if hasattr(part, "named_parameters"))
    if taken != given or not given:
        fit = "no key fits" if not taken else f"{taken} of {given} tensors fit"
        raise MissingWeightsError(f"model.lora={lora} was trained for another model than {name}: {fit}")
    widened = next((weight for weight, size in _sizes(pipe).items() if sizes.get(weight, size) != size), None)
    if widened is not None:
        raise MissingWeightsError(f"model.lora={lora} was trained for another model than {name}: it would change the size of {widened}")
    pipe.set_adapters([_ADAPTER], [float(scale)])


def _cause(error: Exception) -> str:
    """Why diffusers could not load it: of the two usual causes in our words."""
    words = " ".join(str(error).split())
    if "size mismatch" in words:
        return "it was trained for another model, its tensors have other shapes"
    if "not found in the base model" in words:
        return "it was trained for another model, no key fits"
    return words[:200] or type(error).__name__


def _sizes(pipe: Any) -> dict[str, tuple[int, ...]]:  # noqa: ANN401 - any pipeline
    """The sizes of all weights of a pipeline's networks, by name, without those of LoRA."""
    return {
        f"{network}.{name.replace('.base_layer', '')}": tuple(weight.shape)
        for network, part in pipe.components.items() if hasattr(part, "named_parameters")
        for name, weight in part.named_parameters() if "lora" not in name
    }  # fmt: skip


def _tensors(named: Mapping[str, Any]) -> int:
    """How many tensors a LoRA's layers have among named ones; scales (alpha) are none."""
    return sum(("lora" in name or ".lokr_" in name) and not name.endswith("alpha") for name in named)


def _names(file: Path, lora: str) -> list[str]:
    """Names of a safetensors file's tensors, out of its header (8 bytes of length, then JSON)."""
    try:
        with file.open("rb") as handle:
            length = int.from_bytes(handle.read(8), "little")
            header = json.loads(handle.read(length)) if length <= file.stat().st_size else None
    except OSError as error:
        raise MissingWeightsError(f"model.lora={lora} cannot be read: {error.strerror}") from error
    except ValueError:
        header = None
    if not isinstance(header, dict):
        raise MissingWeightsError(f"model.lora={lora} is no {_SUFFIX} file; {_WAYS}")
    return [name for name in header if name != "__metadata__"]
