"""What may stand beside what: one text a prompt, timings only of one machine and batch size, and hosted ones only with hosted ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.analysis import slowdown
from bench.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

TIMED = ("latency", "images_per_s", "steps_per_s", "load_s", "peak_", "energy_j", "attempts")
"""How columns begin that depend on the machine."""


def not_comparable_reason(
    metric: str, a: str, b: str, infos: Mapping[str, Mapping[str, Any]], timed: Mapping[str, pd.DataFrame]
) -> str | None:
    """Why a metric of two runs cannot be compared; None where it can.

    Args:
        metric: the column.
        a: label of a run.
        b: label of the other.
        infos: run.json of each run, by label.
        timed: the pictures whose times are pooled (``bench.analysis.slowdown.timed``) of each run that has any, by label.
    """
    if not metric.startswith(TIMED):
        return None
    if bool(infos[a].get("hosted")) != bool(infos[b].get("hosted")):
        return "a hosted model's timing against a local one's"
    one, other = timed.get(a), timed.get(b)
    if one is None or other is None:
        return "not both were timed" if (one is None) != (other is None) else None
    if slowdown.machine(one) != slowdown.machine(other):
        return "timed on different machines"
    sizes = slowdown.batch(one), slowdown.batch(other)
    return f"pictures made {sizes[0]} at a time against {sizes[1]} at a time" if sizes[0] != sizes[1] else None


def refuse_other_prompts(tables: Iterable[pd.DataFrame]) -> None:
    """Refuse runs that mean different prompts by one name.

    Args:
        tables: the frame ``images`` of each run.

    Raises:
        ConfigError: a ``prompt_id`` has two texts.
    """
    known: dict[str, str] = {}
    for images in tables:
        texts = {str(name): str(text) for name, text in images.groupby("prompt_id")["prompt"].first().items()}
        both = known.keys() & texts.keys()
        other = sorted(name for name in both if known[name] != texts[name])
        if other:
            raise ConfigError(
                f"prompt {other[0]!r} is another one in each run ({len(other)} of {len(both)} are); render both with the same prompt file"
            )
        known |= texts
