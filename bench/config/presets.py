"""The YAML files under conf/: which models, metrics and options there are, and the objects they describe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from bench.config.instantiate import build
from bench.core import resources
from bench.errors import ConfigError, unknown

if TYPE_CHECKING:
    from collections.abc import Sequence


def names(group: str) -> list[str]:
    """Preset names of "model" or "metric", sorted."""
    return sorted(p.stem for p in (resources.folder("conf") / group).glob("*.yaml"))


def read(group: str, name: str) -> dict[str, Any]:
    """A preset's content as plain data. Raises ConfigError for an unknown name."""
    if name not in names(group):
        raise unknown(group, name, names(group))
    data: dict[str, Any] = yaml.safe_load((resources.folder("conf") / group / f"{name}.yaml").read_text(encoding="utf-8"))
    return data[name] if group == "metric" else data


def options() -> dict[str, Any]:
    """The options of a run beside its model and metrics, with their defaults."""
    return {name: value for name, value in _run().items() if name not in {"defaults", "metric", "hydra"}}


def default_model() -> str:
    """The model of a run that names none."""
    return next(str(choice["model"]) for choice in _run()["defaults"] if "model" in choice)


def _run() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((resources.folder("conf") / "config.yaml").read_text(encoding="utf-8"))
    return content


def provider(name: str, /, **changes: Any) -> Any:  # noqa: ANN401 - a Provider
    """The provider of a model preset, with some fields changed."""
    return build({**read("model", name), **changes})


def usual_metrics(prompt_set: str) -> list[str]:
    """The metrics that all models made for ``prompt_set`` name on their cards; for other sets those of ``core``."""
    cards = [read("model", name)["card"] for name in names("model")]
    fitting = [card for card in cards if card["prompts"] == prompt_set] or [card for card in cards if card["prompts"] == "core"]
    return [name for name in fitting[0]["metrics"] if all(name in card["metrics"] for card in fitting)]


def metrics(chosen: Sequence[str]) -> list[Any]:
    """The metrics of these presets. Raises ConfigError for an unknown name."""
    if isinstance(chosen, str):
        raise ConfigError(f"name metrics in a list: metrics([{chosen!r}])")
    return [build(read("metric", name)) for name in chosen]
