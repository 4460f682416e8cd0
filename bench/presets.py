"""The YAML files under conf/: which models and metrics there are, and building one of them outside a Hydra run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from bench import resources
from bench.errors import ConfigError, unknown

if TYPE_CHECKING:
    from collections.abc import Sequence

_LABEL = {"model": "model", "metric": "metric"}


def names(group: str) -> list[str]:
    """Preset names of "model" or "metric", sorted."""
    return sorted(p.stem for p in (resources.folder("conf") / group).glob("*.yaml"))


def read(group: str, name: str) -> dict[str, Any]:
    """A preset's content as plain data. Raises ConfigError for an unknown name."""
    if name not in names(group):
        raise unknown(_LABEL[group], name, names(group))
    data: dict[str, Any] = yaml.safe_load((resources.folder("conf") / group / f"{name}.yaml").read_text(encoding="utf-8"))
    return data[name] if group == "metric" else data


def build(config: Any) -> Any:  # noqa: ANN401 - whatever ``_target_`` names
    """Instantiate a configuration (plain data or OmegaConf).

    Raises:
        ConfigError: a value the target does not take; BenchErrors of the target pass through.
    """
    from hydra.errors import InstantiationException  # noqa: PLC0415 - slow import
    from hydra.utils import instantiate  # noqa: PLC0415 - slow import

    from bench.errors import BenchError  # noqa: PLC0415 - beside its use

    try:
        return instantiate(config, _convert_="all")
    except InstantiationException as error:
        cause: BaseException | None = error.__cause__
        while cause is not None:
            if isinstance(cause, BenchError):
                raise cause from None
            cause = cause.__cause__
        raise ConfigError(" ".join(str(error).split())) from error


def provider(name: str, /, **changes: Any) -> Any:  # noqa: ANN401 - a Provider
    """The provider of a model preset, with some fields changed."""
    return build({**read("model", name), **changes})


def metrics(chosen: Sequence[str]) -> list[Any]:
    """The metrics of these presets."""
    return [build(read("metric", name)) for name in chosen]
