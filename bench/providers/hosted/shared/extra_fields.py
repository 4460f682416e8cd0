"""Fields that the user adds to a request (``model.extra``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.errors import ConfigError


def check_extra(extra: Mapping[str, Any], taken: set[str]) -> None:
    """Raise ConfigError for a field of ``extra`` that is one of ``taken`` or holds no text, number, true, false or null."""
    for name, value in extra.items():
        if name in taken:
            raise ConfigError(f"model.extra.{name} is not allowed: it has a field of its own, or would change how pictures come back")
        if not isinstance(value, str | int | float | bool | None):
            raise ConfigError(f"model.extra.{name} must be a text, a number, true, false or null")
