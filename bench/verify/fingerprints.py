"""Fingerprints: every metric names what its numbers depend on, the same each time, and shows a change of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from bench.config.instantiate import build
from bench.config.presets import metrics, names, read
from bench.core.fingerprint import difference, parse_fingerprint
from bench.verify.checks import Check, WrongAnswerError

if TYPE_CHECKING:
    from collections.abc import Mapping

_CHANGES: Mapping[str, tuple[Mapping[str, Any], str]] = {
    "clip": ({"repo": "openai/clip-vit-base-patch16"}, "weights"),
    "clip_tiny": ({"windows": True}, "long_prompts"),
    "ocr": ({"engine": {"_target_": "bench.metrics.text.engines.rapidocr.RapidEngine", "least": 256}}, "preprocess"),
    "fid": ({"reference": "renderer"}, "reference"),
    "fd_clip_tiny": ({"samples": 2}, "reference"),
}
"""Preset, what is changed, and the field of the fingerprint that must show it."""


def checks() -> list[Check]:
    """One check a metric, and one for each change above."""
    same = [Check(name, "fingerprint", "named, versioned and the same twice", partial(_same, name)) for name in names("metric")]
    return [*same, *(Check(name, "fingerprint", f"shows a change of {', '.join(change)}", partial(_changed, name, change, field_))
                     for name, (change, field_) in _CHANGES.items())]  # fmt: skip


def _same(name: str) -> str:
    first, second = (metrics([name])[0].fingerprint() for _ in range(2))
    fields = parse_fingerprint(first)
    if first != second:
        raise WrongAnswerError(f"differs from one time to the next in {', '.join(difference([first, second]))}")
    if fields.get("metric") != name or not fields.get("version", "").isdigit():
        raise WrongAnswerError(f"does not name metric and version: {first}")
    return f"{len(fields)} fields"


def _changed(name: str, change: Mapping[str, Any], where: str) -> str:
    before = metrics([name])[0].fingerprint()
    after = build({**read("metric", name), **change}).fingerprint()
    seen = difference([before, after])
    if where not in seen:
        raise WrongAnswerError(f"should differ in {where}, differs in {', '.join(seen) or 'nothing'}")
    return f"differs in {', '.join(seen)}"
