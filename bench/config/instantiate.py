"""Build the object that a configuration describes."""

from __future__ import annotations

from typing import Any

from bench.config import targets
from bench.errors import BenchError, ConfigError


def build(config: Any) -> Any:  # noqa: ANN401 - whatever ``_target_`` names
    """Instantiate a configuration (plain data or OmegaConf), one of an earlier version too (``bench.config.targets``).

    Raises:
        ConfigError: a value the target does not take; BenchErrors of the target pass through.
    """
    from hydra.errors import InstantiationException  # noqa: PLC0415 - slow import
    from hydra.utils import instantiate  # noqa: PLC0415 - slow import
    from omegaconf import OmegaConf  # noqa: PLC0415 - slow import

    plain = OmegaConf.to_container(config, resolve=True) if OmegaConf.is_config(config) else config
    try:
        return instantiate(targets.current(plain), _convert_="all")
    except InstantiationException as error:
        cause: BaseException | None = error.__cause__
        while cause is not None:
            if isinstance(cause, BenchError):
                raise cause from None
            cause = cause.__cause__
        raise ConfigError(" ".join(str(error).split())) from error
