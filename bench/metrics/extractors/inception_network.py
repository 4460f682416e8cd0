"""The Inception-v3 graph that FID is defined on; imports torch, so it is imported where it is used.

It differs from the ImageNet classifier: average pools leave the padding out of the mean, the last block pools by maximum, and
the network ends after the global mean (Heusel et al., 2017). Normalisation is folded into the convolutions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from torch import Tensor

EPSILON = 1e-3
"""Added to the variance in every normalisation."""
CONVOLUTIONS = 94
ImageSize = int | tuple[int, int]


class Unit(nn.Module):
    """Convolution with a bias, then ReLU."""

    def __init__(self, channels: int, outputs: int, kernel: ImageSize, stride: int = 1, padding: ImageSize = 0) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(channels, outputs, kernel, stride, padding)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to (N, outputs, H', W')."""
        return F.relu(self.convolution(x), inplace=True)


class Fork(nn.Module):
    """Several ways through, their channels side by side."""

    def __init__(self, *ways: nn.Module) -> None:
        super().__init__()
        self.ways = nn.ModuleList(ways)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, H, W) to (N, sum of channels, H', W')."""
        return torch.cat([way(x) for way in self.ways], 1)


def _mean() -> nn.Module:
    return nn.AvgPool2d(3, 1, 1, count_include_pad=False)


def _fine(channels: int, pooled: int) -> Fork:
    return Fork(
        Unit(channels, 64, 1),
        nn.Sequential(Unit(channels, 48, 1), Unit(48, 64, 5, padding=2)),
        nn.Sequential(Unit(channels, 64, 1), Unit(64, 96, 3, padding=1), Unit(96, 96, 3, padding=1)),
        nn.Sequential(_mean(), Unit(channels, pooled, 1)),
    )


def _to_middle() -> Fork:
    return Fork(
        Unit(288, 384, 3, 2),
        nn.Sequential(Unit(288, 64, 1), Unit(64, 96, 3, padding=1), Unit(96, 96, 3, 2)),
        nn.MaxPool2d(3, 2),
    )


def _across(channels: int, outputs: int) -> Unit:
    return Unit(channels, outputs, (1, 7), padding=(0, 3))


def _down(channels: int, outputs: int) -> Unit:
    return Unit(channels, outputs, (7, 1), padding=(3, 0))


def _middle(width: int) -> Fork:
    return Fork(
        Unit(768, 192, 1),
        nn.Sequential(Unit(768, width, 1), _across(width, width), _down(width, 192)),
        nn.Sequential(Unit(768, width, 1), _down(width, width), _across(width, width), _down(width, width), _across(width, 192)),
        nn.Sequential(_mean(), Unit(768, 192, 1)),
    )


def _to_coarse() -> Fork:
    return Fork(
        nn.Sequential(Unit(768, 192, 1), Unit(192, 320, 3, 2)),
        nn.Sequential(Unit(768, 192, 1), _across(192, 192), _down(192, 192), Unit(192, 192, 3, 2)),
        nn.MaxPool2d(3, 2),
    )


def _coarse(channels: int, pool: nn.Module) -> Fork:
    def cross() -> Fork:
        return Fork(Unit(384, 384, (1, 3), padding=(0, 1)), Unit(384, 384, (3, 1), padding=(1, 0)))

    return Fork(
        Unit(channels, 320, 1),
        nn.Sequential(Unit(channels, 384, 1), cross()),
        nn.Sequential(Unit(channels, 448, 1), Unit(448, 384, 3, padding=1), cross()),
        nn.Sequential(pool, Unit(channels, 192, 1)),
    )


class Network(nn.Module):
    """(N, 3, 299, 299) in [-1, 1] to (N, 2048), both float32."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            Unit(3, 32, 3, 2),
            Unit(32, 32, 3),
            Unit(32, 64, 3, padding=1),
            nn.MaxPool2d(3, 2),
            Unit(64, 80, 1),
            Unit(80, 192, 3),
            nn.MaxPool2d(3, 2),
            _fine(192, 32),
            _fine(256, 64),
            _fine(288, 64),
            _to_middle(),
            *(_middle(width) for width in (128, 160, 160, 192)),
            _to_coarse(),
            _coarse(1280, _mean()),
            _coarse(2048, nn.MaxPool2d(3, 1, 1)),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Features of a batch."""
        features: Tensor = self.layers(x).mean((2, 3))
        return features


def convolutions(network: nn.Module) -> Iterator[nn.Conv2d]:
    """The 94 convolutions in the order in which the weights are numbered."""
    return (part for part in network.modules() if isinstance(part, nn.Conv2d))


def build(weights: Mapping[str, Tensor]) -> Network:
    """The network with ``weights`` ("00.weight", "00.beta", "00.mean", "00.var", optionally "00.gamma", …, "93.var").

    Normalisation y = gamma (conv(x) - mean) / sqrt(var + 0.001) + beta becomes part of the convolution, computed in float64.

    Raises:
        KeyError, ValueError: not the weights of this graph.
    """
    with torch.device("meta"):
        network = Network()
    network.to_empty(device="cpu")
    for number, convolution in enumerate(convolutions(network)):
        kernel, beta, mean, var = (weights[f"{number:02d}.{part}"].double() for part in ("weight", "beta", "mean", "var"))
        if kernel.shape != convolution.weight.shape:
            raise ValueError(f"convolution {number} is {tuple(kernel.shape)}, not {tuple(convolution.weight.shape)}")
        scale = weights.get(f"{number:02d}.gamma", torch.ones(len(var))).double() / torch.sqrt(var + EPSILON)
        assert convolution.bias is not None
        convolution.weight.data = (kernel * scale[:, None, None, None]).float()
        convolution.bias.data = (beta - mean * scale).float()
    return network.eval().requires_grad_(False)


def names() -> list[str]:
    """What torch-fidelity and pytorch-fid call the 94 convolutions, in the order of ``convolutions``."""
    double, cross = [f"branch3x3dbl_{i}" for i in (1, 2, 3)], ["branch3x3_1", "branch3x3_2a", "branch3x3_2b"]
    fine = ["branch1x1", "branch5x5_1", "branch5x5_2", *double, "branch_pool"]
    long = [f"branch7x7_{i}" for i in (1, 2, 3)] + [f"branch7x7dbl_{i}" for i in (1, 2, 3, 4, 5)]
    to_coarse = ["branch3x3_1", "branch3x3_2", *(f"branch7x7x3_{i}" for i in (1, 2, 3, 4))]
    coarse = ["branch1x1", *cross, *double[:2], "branch3x3dbl_3a", "branch3x3dbl_3b", "branch_pool"]
    blocks: list[tuple[str, Sequence[str]]] = [
        *((f"Mixed_5{letter}", fine) for letter in "bcd"),
        ("Mixed_6a", ["branch3x3", *double]),
        *((f"Mixed_6{letter}", ["branch1x1", *long, "branch_pool"]) for letter in "bcde"),
        ("Mixed_7a", to_coarse),
        *((f"Mixed_7{letter}", coarse) for letter in "bc"),
    ]
    stem = ["Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3"]
    return stem + [f"{block}.{part}" for block, parts in blocks for part in parts]
