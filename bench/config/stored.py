"""The metrics of a stored run, built again. A run folder may come from anybody: it decides numbers, and no address, program or file."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from bench.config import presets, targets
from bench.config.instantiate import build
from bench.core.advice import command
from bench.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_KEY = "api_key_env"
"""A metric with this field sends pictures to a server, and pays for it."""

_ONCE = {"bench.metrics.alignment.clip.ClipSimilarity": "bench.metrics.extractors.contrastive.ContrastiveModel"}
"""Classes that earlier presets named as extractors, and what the presets name now; both compute the same."""


def metrics(stored: Mapping[str, Any], folder: str) -> list[Any]:
    """The metrics that a run was made with: their presets, with the numbers that the run changed.

    Args:
        stored: ``metric`` of the run's configuration.
        folder: of the run, for the command in the message.

    Raises:
        ConfigError: the run names another class, a text (an address, a program, a file), or a server; the message has the command
            that says the same for whoever wants it.
    """
    configurations, words, asks = [], list[str](), False
    for name, config in stored.items():
        shipped = presets.read("metric", name) if name in presets.names("metric") else None
        theirs = targets.current(config if isinstance(config, dict) else {})
        asks |= _KEY in (shipped or {})
        words += _words(f"metric.{name}", theirs, shipped)
        configurations.append(_merged(shipped or {}, theirs))
    if words or asks:
        named = [name for name in stored if name in presets.names("metric")]
        again = command("score", folder, f"metric=[{','.join(named)}]", *words)
        what = "asks a server" if not words else "names a file, an address, a class or a program"
        raise ConfigError(f"a metric of this run {what}, and a run folder does not decide that; if you want it, give it yourself: {again}")
    return [build(config) for config in configurations]


def _harmless(value: object, shipped: object) -> bool:
    """Whether a value may come from a run folder: that of the preset, or another number in place of one."""
    if value == shipped or (isinstance(value, str) and value in _ONCE and _ONCE[value] == shipped):
        return True
    if isinstance(value, bool) or isinstance(shipped, bool):
        return isinstance(value, bool) and isinstance(shipped, bool)
    return isinstance(value, int | float) and math.isfinite(value) and (shipped is None or isinstance(shipped, int | float))


def _words(path: str, theirs: Mapping[str, Any], shipped: Mapping[str, Any] | None) -> Iterator[str]:
    """What of a configuration is more than numbers, as words of the command line."""
    plus = "+" if shipped is None else ""
    for name, value in theirs.items():
        if isinstance(value, dict):
            below = (shipped or {}).get(name)
            yield from _words(f"{path}.{name}", value, below if isinstance(below, dict) else None)
        elif shipped is None or name not in shipped or not _harmless(value, shipped[name]):
            yield f"{plus}{path}.{name}={value if isinstance(value, str) else json.dumps(value)}"


def _merged(shipped: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """The preset with the other's values where it has the field."""
    return {
        name: _merged(value, theirs[name]) if isinstance(value, dict) and isinstance(theirs.get(name), dict) else theirs.get(name, value)
        for name, value in shipped.items()
    }
