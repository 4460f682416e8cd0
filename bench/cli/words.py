"""A word OPTION=VALUE of the command line, as Hydra's own grammar reads it or as the text that it is."""

from __future__ import annotations

import csv
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Quote, QuotedString
from hydra.errors import HydraException

from bench.config import presets
from bench.errors import ConfigError, unknown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hydra.core.override_parser.types import Override

TEXTS = ("label", "prompts", "results")
"""Options that are text."""
_PARSER = OverridesParser.create()


@dataclass(frozen=True)
class Word:
    """A word of the command line whose option is known.

    Attributes:
        typed: the whole word.
        key: Hydra's reading of the part before "=", without a value.
        text: the part behind it.
        beside: all words of the command line, this one among them.
    """

    typed: str
    key: Override
    text: str
    beside: Sequence[str] = ()

    @property
    def path(self) -> list[str]:
        """``model.limits.attempts`` as a list."""
        return str(self.key.key_or_group).split(".")

    @property
    def adds(self) -> bool:
        """Whether the option is new to the configuration (``+option=`` or ``++option=``)."""
        return bool(self.key.is_add() or self.key.is_force_add())

    def texts(self, *, sweep: bool = False) -> list[str | None]:
        """The text, without quotes around all of it; in a sweep several, with commas between. "null" is None, "~/" of results home."""
        texts = split(self.text) if sweep else [self.text]
        bare = [text[1:-1] if text[1:] and text[0] == text[-1] in "'\"" and text.count(text[0]) == 2 else text for text in texts]
        if self.path == ["results"]:
            bare = [os.path.expanduser(text) for text in bare]  # noqa: PTH111 - "~name" of nobody stays as it is
        if "null" in texts and (default := presets.options().get(".".join(self.path))) is not None:
            raise ConfigError(f"{self.typed}: {self.path[0]} cannot be nothing; leave it out for {default!r}")
        return [None if text == "null" else bare[i] for i, text in enumerate(texts)]

    def line(self, value: str) -> str:
        """The word with another value, as Hydra takes it."""
        return f"{self.key.get_key_element()}={value}"


def read_words(words: Iterable[str], options: Sequence[str]) -> list[Word]:
    """Words with the option that each is about.

    Raises:
        ConfigError: no OPTION=VALUE, or an option that is not one of ``options``.
    """
    beside = tuple(words)
    return [_word(typed, options, beside) for typed in beside]


def _word(typed: str, options: Sequence[str], beside: Sequence[str]) -> Word:
    key, equals, text = typed.partition("=")  # the grammar has no "=" in a key
    try:
        parsed = _PARSER.parse_override(f"{key}=")
    except HydraException:
        raise unknown("option", key, options) if equals else _no_option(typed) from None
    word = Word(typed, parsed, text, beside)
    if not equals and not parsed.is_delete():
        raise _no_option(typed)
    if word.path[0] not in options and not parsed.is_hydra_override() and "/" not in word.path[0]:
        raise unknown("option", word.path[0], options)
    return word


def _no_option(typed: str) -> ConfigError:
    return ConfigError(f"{typed!r} is no OPTION=VALUE; see: python -m bench run --help")


def parse(word: Word) -> Override:
    """Hydra's reading of a word. What it cannot read is a text, or in brackets a list of texts."""
    text = word.text
    try:
        return _PARSER.parse_override(word.typed)
    except HydraException:
        if text[:1] == "[" and text[-1:] == "]":
            return _PARSER.parse_override(word.line(f"[{','.join(map(quoted, split(text[1:-1])))}]"))
        if text[:1] in {"[", "{"} or text[-1:] in {"]", "}"}:
            raise ConfigError(f"{word.typed}: a list stands in brackets, like {word.line('[a,b]')}; one is missing here") from None
        return _PARSER.parse_override(word.line(quoted(text)))


def split(text: str) -> list[str]:
    """The parts of a text between commas; a part with commas stands in double quotes.

    >>> split('a,"b, c"')
    ['a', 'b, c']
    """
    return next(csv.reader([text.replace("\n", " ")]), [""])


def quoted(text: str) -> str:
    """``text`` as a value that Hydra and OmegaConf leave alone."""
    literal = re.sub(r"(\\*)\$\{", lambda match: f"{2 * match[1]}\\${{", text)
    return str(QuotedString(literal, Quote.single).with_quotes())
