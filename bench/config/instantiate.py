"""Configurations to objects."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from bench.config import targets
from bench.errors import BenchError, ConfigError, unknown

if TYPE_CHECKING:
    from collections.abc import Mapping


def target(config: Mapping[str, Any]) -> type:
    """The class that a configuration names. Raises ConfigError where there is none."""
    from hydra.utils import get_class  # noqa: PLC0415 - slow import

    address = str(targets.current(dict(config))["_target_"])
    try:
        named: type = get_class(address)
    except (ImportError, ValueError, AttributeError) as error:
        raise ConfigError(f"{address} cannot be imported: {error}") from error
    return named


def build(config: Any) -> Any:  # noqa: ANN401 - whatever ``_target_`` names
    """The object that a configuration describes: plain data or OmegaConf, of this version or an earlier one (``bench.config.targets``).

    Raises:
        ConfigError: the class does not take a value; a BenchError that the class raises passes through.
    """
    from hydra.errors import InstantiationException  # noqa: PLC0415 - slow import
    from hydra.utils import instantiate  # noqa: PLC0415 - slow import
    from omegaconf import OmegaConf  # noqa: PLC0415 - slow import

    plain = targets.current(OmegaConf.to_container(config, resolve=True) if OmegaConf.is_config(config) else config)
    _check_fields(plain)
    try:
        return instantiate(plain, _convert_="all")
    except InstantiationException as error:
        cause: BaseException | None = error.__cause__
        while cause is not None:
            if isinstance(cause, BenchError):
                raise cause from None
            cause = cause.__cause__
        raise ConfigError(" ".join(str(error).split())) from error


def text_fields(config: Mapping[str, Any]) -> set[str]:
    """The fields that are texts: those with a text in this configuration, and those that its class declares as ``str`` or ``Path``."""
    texts = {name for name, value in config.items() if isinstance(value, str)}
    if "_target_" in config and is_dataclass(named := target(config)):
        texts |= {field.name for field in fields(named) if {*str(field.type).replace(" ", "").split("|")} <= {"str", "Path", "None"}}
    return texts


def _check_fields(config: Any) -> None:  # noqa: ANN401 - any part of a configuration
    """Refuse a field that the class it is for does not have, at any depth."""
    if isinstance(config, list):
        for part in config:
            _check_fields(part)
    if not isinstance(config, dict):
        return
    if "_target_" in config and is_dataclass(named := target(config)):
        available = [field.name for field in fields(named) if field.init]
        for name in config:
            if not str(name).startswith("_") and name not in available:
                raise unknown(f"field of {config.get('name') or named.__name__}", str(name), available)
    for part in config.values():
        _check_fields(part)
