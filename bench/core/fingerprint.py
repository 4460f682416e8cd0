"""Fingerprints: what a score depends on, as one canonical text, and how two of them differ.

A fingerprint names the metric, its version here, the weights with their hash, the preprocessing, the tokenizer, the
numeric type and the versions of the libraries that can change the value. Scores with different fingerprints are never compared.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

Trait = str | int | float | bool | None


def fingerprint(metric: str, number: int, /, **fields: Trait) -> str:
    """Canonical JSON of the metric's name, its version ``number`` and all else that the score depends on.

    >>> fingerprint("clip", 2, dtype="float32")
    '{"dtype":"float32","metric":"clip","version":2}'
    """
    return json.dumps({"metric": metric, "version": number, **fields}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def parse_fingerprint(text: str) -> dict[str, str]:
    """The fields of a fingerprint, their values as text."""
    return {key: str(value) for key, value in json.loads(text).items()}


def difference(texts: Iterable[str]) -> dict[str, list[str]]:
    """The fields in which fingerprints differ, each with its values in order of appearance ("-" where one lacks it).

    >>> difference(['{"a":1,"b":2}', '{"a":1,"b":3}'])
    {'b': ['2', '3']}
    """
    rows = [parse_fingerprint(text) for text in dict.fromkeys(texts)]
    names = dict.fromkeys(key for row in rows for key in row)
    fields = {name: list(dict.fromkeys(row.get(name, "-") for row in rows)) for name in names}
    return {name: values for name, values in fields.items() if len(values) > 1}


def libraries(*names: str) -> dict[str, Trait]:
    """Installed versions of packages, "none" for one that is missing."""
    return {name: _installed(name) for name in names}


def is_version(field: str) -> bool:
    """Whether a field of a fingerprint is the version of an installed package, as ``libraries`` writes them."""
    return _installed(field) != "none"


@cache
def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
