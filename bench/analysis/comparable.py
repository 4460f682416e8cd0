"""What may stand beside what: one text a prompt, timings of like machines, conditions and batch sizes, hosted ones with hosted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bench.analysis import slowdown
from bench.core import environment
from bench.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

    from bench.types import Column


def not_comparable_reason(
    column: Column, a: str, b: str, infos: Mapping[str, Mapping[str, Any]], timed: Mapping[str, pd.DataFrame]
) -> str | None:
    """Why a column of two runs cannot be compared; None where it can.

    Args:
        column: its card.
        a: label of a run.
        b: label of the second.
        infos: run.json of each run, by label.
        timed: the pictures whose times are pooled (``bench.analysis.slowdown.timed``) of each run that has any, by label.
    """
    if not column.timed:
        return None
    if bool(infos[a].get("hosted")) != bool(infos[b].get("hosted")):
        return "a hosted model's timing against a local one's"
    pictures_a, pictures_b = timed.get(a), timed.get(b)
    if pictures_a is None or pictures_b is None:
        return "not both were timed" if (pictures_a is None) != (pictures_b is None) else None
    keys = slowdown.environment(pictures_a), slowdown.environment(pictures_b)
    facts_a, facts_b = _environment(infos[a], keys[0]), _environment(infos[b], keys[1])
    if not (facts_a and facts_b) and keys[0] != keys[1]:
        return "timed on different machines"
    if unlike := environment.difference(facts_a, facts_b):
        return unlike
    sizes = slowdown.batch(pictures_a), slowdown.batch(pictures_b)
    return f"pictures made {sizes[0]} at a time against {sizes[1]} at a time" if sizes[0] != sizes[1] else None


def _environment(info: Mapping[str, Any], key: str) -> dict[str, Any]:
    """What run.json says of an environment. Earlier versions noted conditions with each session only: those count in which all agree."""
    facts = info.get("environments", {}).get(key, {})
    sessions = [environment.conditions(session) for session in info.get("sessions", {}).get(key, [])]
    agreed = {name: value for name, value in (sessions[0] if sessions else {}).items() if all(s.get(name) == value for s in sessions)}
    return {**agreed, **facts}


def refuse_other_prompts(tables: Iterable[pd.DataFrame]) -> None:
    """Refuse runs that mean different prompts by one name.

    Args:
        tables: the frame ``images`` of each run.

    Raises:
        ConfigError: a ``prompt_id`` has two texts.
    """
    earlier: dict[str, str] = {}
    for images in tables:
        texts = {str(name): str(text) for name, text in images.groupby("prompt_id")["prompt"].first().items()}
        both = earlier.keys() & texts.keys()
        unlike = sorted(name for name in both if earlier[name] != texts[name])
        if unlike:
            raise ConfigError(
                f"prompt {unlike[0]!r} has different texts in the two runs ({len(unlike)} of {len(both)} prompts do); "
                "render both with the same prompt file"
            )
        earlier |= texts
