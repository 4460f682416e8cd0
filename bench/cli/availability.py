"""What a preset needs that this machine lacks."""

from __future__ import annotations

import math
import os
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.config import instantiate, presets
from bench.pricing.amounts import dollars
from bench.pricing.tariff import tariff_for
from bench.providers.hosted.shared import retired
from bench.types import Prompt
from bench.weights import hub

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def price(name: str) -> str:
    """What a square picture of a hosted preset may cost, "" where the price list has none."""
    provider = presets.provider(name)
    usd = tariff_for(provider.vendor, provider.model, None).estimate(provider.request(Prompt("probe", "probe"), 0))
    return "" if math.isnan(usd) else f"{dollars(usd)} USD"


def missing_for_model(data: Mapping[str, Any]) -> str:
    """What a model preset lacks on this machine; "" if it can run."""
    shut_down = retired.find_retirement(str(data.get("model"))) if data.get("base_url") is None else None
    if shut_down:
        return f"shut down {shut_down.day}; set model.base_url"
    if data.get("api_key_env"):
        return _missing_key(data)
    repo = str(data.get("repo", ""))
    if not repo or repo.startswith("weights/") or Path(repo).is_dir() or hub.cached_commit(repo, None):
        return ""
    return "weights (gated: hf auth login)" if data.get("card", {}).get("gated") else "weights (hf download)"


def parts(data: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """A preset and the objects inside it (extractor, engines)."""
    if "_target_" in data:
        yield data
    for value in data.values():
        if isinstance(value, dict):
            yield from parts(value)


def missing_for_part(part: Mapping[str, Any]) -> Iterator[str]:
    """What an object of a metric needs and this machine lacks: weights, packages, a program, a key.

    The packages are those its class names in ``requires``: pairs of a module to import and how to get it.
    """
    repo, program = str(part.get("repo", "")), part.get("program")
    if repo and not repo.startswith("weights/") and not hub.cached_commit(repo, None, "config.json"):
        yield "weights (hf download)"
    for package, remedy in getattr(instantiate.target(part), "requires", ()):
        if find_spec(package) is None:
            yield str(remedy)
    if program and shutil.which(str(program)) is None:
        yield f"the program {program}"
    if part.get("api_key_env") and _missing_key(part):
        yield _missing_key(part)


def key_names() -> list[str]:
    """The environment variables that presets take keys from, sorted."""
    every = [presets.read(group, name) for group in ("model", "metric") for name in presets.names(group)]
    return sorted({str(part["api_key_env"]) for data in every for part in parts(data) if part.get("api_key_env")})


def _missing_key(part: Mapping[str, Any]) -> str:
    key = str(part["api_key_env"])
    return "" if os.environ.get(key) else f"{key} is not set"
