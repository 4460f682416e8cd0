"""The words OPTION=VALUE of ``run`` and ``score``: read by Hydra's own grammar, checked against the presets, composed by Hydra.

Options that are text (``label``, ``prompts``, ``results``) stay exactly as typed: Hydra's grammar would make numbers of some
and refuse others.
"""

from __future__ import annotations

import contextlib
import csv
import os
import re
import shlex
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, Quote, QuotedString
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from bench.config import presets
from bench.config.instantiate import build
from bench.core import resources
from bench.errors import BenchError, ConfigError, unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from hydra.core.override_parser.types import Override

TEXTS = ("label", "prompts", "results")
"""Options that are text."""
_GROUPS = ("model", "metric")
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

    def line(self, value: str) -> str:
        """The word with another value, as Hydra takes it."""
        return f"{self.key.get_key_element()}={value}"


def launch(job: Callable[[Any], Any], argv: Sequence[str]) -> None:
    """Call ``job`` with the configuration that ``argv`` describes, in a sweep (``-m``) with each of them.

    Raises:
        ConfigError: a word that is no OPTION=VALUE, an unknown name, or a value that Hydra cannot read.
    """
    parser = get_args_parser()
    parser.prog = "python -m bench run"
    arguments = parser.parse_intermixed_args(argv)
    flags = [word for word in argv if word not in arguments.overrides]
    words = read_words(arguments.overrides, [*_GROUPS, *presets.options()])
    sweep = arguments.multirun
    models = _chosen(words, "model", sweep=sweep) or [presets.default_model()]
    defaults = _defaults(words, models)
    metrics = _chosen([*words, *read_words(defaults, _GROUPS + TEXTS)], "metric", sweep=sweep) or []
    data = [{**presets.options(), "model": presets.read("model", model), "metric": _metrics(metrics)} for model in models]
    lines = [_line(word, data, sweep=sweep) for word in words]
    with _hydra_errors():
        _hydra_main(job, [*flags, *defaults, *lines])


def compose_metrics(words: Sequence[Word], stored: Mapping[str, Any] | None) -> list[Any]:
    """The metrics that ``score`` is to use.

    Args:
        words: ``metric=…`` and ``metric.NAME.FIELD=…``.
        stored: the metrics of the run's configuration, used where no word names one; None for a run that has no configuration.

    Raises:
        ConfigError: an unknown metric or field, a value that it does not take, or no metric at all.
    """
    words = [word for word in words if word.path[0] == "metric"]
    changes = [word for word in words if len(word.path) > 1]
    if not words:
        if stored == {}:
            raise ConfigError("this run was rendered without metrics; name some, like metric=[clip,ocr]: python -m bench list metrics")
        return [build(config) for config in stored.values()] if stored else presets.metrics(["latency"])
    chosen = _chosen(words, "metric", sweep=False)
    if chosen is None:
        available = presets.names("metric")
        chosen = list(dict.fromkeys(word.path[1] for word in changes if word.path[1] in available or not word.key.is_add()))
    fields = [_line(word, [{"metric": _metrics(chosen)}], sweep=False) for word in changes]
    if not chosen and not fields:
        raise ConfigError("metric=[] names nothing to score; name metrics, like metric=[clip,ocr], or leave it out for the run's own")
    with _hydra_errors(), hydra.initialize_config_dir(str(resources.folder("conf")), version_base="1.3"):
        config = hydra.compose("config", overrides=[f"metric=[{','.join(chosen)}]", *fields])
    return [build(metric) for metric in config.metric.values()]


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


def _chosen(words: Iterable[Word], group: str, *, sweep: bool) -> list[str] | None:
    """The presets that the last word of a group names, checked; None without one."""
    given = [word for word in words if word.path == [group] and not word.key.is_delete()]
    if not given:
        return None
    override = _parse(given[-1])
    if override.is_sweep_override() and not sweep:
        raise _several(given[-1], override)
    chosen = _names(override.value(), group)
    for name in chosen:
        presets.read(group, name)
    return chosen


def _names(value: Any, group: str) -> list[str]:  # noqa: ANN401 - whatever the grammar knows
    if isinstance(value, Glob):
        return list(value.filter(presets.names(group)))
    if isinstance(value, ChoiceSweep):
        value = value.list
    if isinstance(value, list):
        return [name for part in value for name in _names(part, group)]
    if group == "metric" and (value is None or value == ""):
        return []
    return [value.text if isinstance(value, QuotedString) else str(value)]


def _defaults(words: Iterable[Word], models: Sequence[str]) -> list[str]:
    """The prompts and metrics that go with the models, where the words name none."""
    options = {word.path[0]: word for word in words if len(word.path) == 1}
    cards = [presets.read("model", name)["card"] for name in models]
    sets = sorted({card["prompts"] for card in cards})
    lines = []
    if "prompts" not in options:
        if len(sets) > 1:
            raise ConfigError(f"these models have different prompt sets of their own ({', '.join(sets)}); choose one with prompts=")
        lines.append(f"prompts={sets[0]}")
    if "metric" not in options:
        chosen = options["prompts"].text if "prompts" in options else sets[0]
        card = next((card for card in cards if card["prompts"] == chosen), cards[0])
        lines.append(f"metric=[{','.join(card['metrics'])}]")
    return lines


def _metrics(chosen: Iterable[str]) -> dict[str, Any]:
    return {name: presets.read("metric", name) for name in chosen}


def _line(word: Word, data: Sequence[Mapping[str, Any]], *, sweep: bool) -> str:
    """The word as Hydra takes it.

    Args:
        word: from the command line.
        data: the options and presets, once a model.
        sweep: several values of an option make several runs.

    Raises:
        ConfigError: an unknown field, several values outside a sweep, or a value that Hydra's grammar cannot read.
    """
    option = word.path[0]
    if word.path == [option] and option in TEXTS:
        return word.line(",".join(map(_quoted, next(csv.reader([word.text]), [""]) if sweep else [word.text])))
    if word.key.is_hydra_override() or word.key.package or "/" in option:
        return word.typed
    present = [] if word.adds else [_field(word.path, tree) for tree in data]
    line = _value(word, present, sweep=sweep)
    # Before a sweep chooses its models Hydra looks for their fields in the default model: they are checked here instead.
    over_models = sweep and option == "model" and len(word.path) > 1 and not (word.adds or word.key.is_delete())
    return f"++{line}" if over_models else line


def _value(word: Word, present: Sequence[Any], *, sweep: bool) -> str:
    """The word with its value as Hydra takes it where the presets have values like ``present``."""
    override = _parse(word, text=any(isinstance(value, str) for value in present))
    if override.is_sweep_override() and not sweep:
        raise _several(word, override)
    if any(isinstance(value, list) for value in present) and not isinstance(override.value(), list | ChoiceSweep | None):
        return word.line(f"[{word.text}]")
    return str(override.input_line)


def _parse(word: Word, *, text: bool = False) -> Override:
    """Hydra's reading of a word; with ``text`` a number, true or false or a value that Hydra cannot read is a text."""
    quoted = word.line(_quoted(word.text))
    try:
        override = _PARSER.parse_override(word.typed)
    except HydraException:
        if text:
            return _PARSER.parse_override(quoted)
        if word.text.count("[") != word.text.count("]"):
            raise ConfigError(f"{word.typed}: a list stands in brackets, like {word.line('[a,b]')}; one is missing here") from None
        example = word.line(QuotedString(word.text, Quote.double).with_quotes())
        raise ConfigError(f"{word.typed}: Hydra cannot read this value; a text needs quotes of its own: {shlex.quote(example)}") from None
    return _PARSER.parse_override(quoted) if text and isinstance(override.value(), bool | int | float) else override


def _quoted(text: str) -> str:
    """``text`` as a value that Hydra and OmegaConf leave alone."""
    literal = re.sub(r"(\\*)\$\{", lambda match: f"{2 * match[1]}\\${{", text)
    return str(QuotedString(literal, Quote.single).with_quotes())


def _several(word: Word, override: Override) -> ConfigError:
    """What to type instead of several values outside a sweep."""
    if word.path[0] in {"metric", "seeds", "categories"} and isinstance(override.value(), ChoiceSweep):
        return ConfigError(f"{word.typed}: several values of one run stand in brackets: {word.line(f'[{word.text}]')}")
    again = shlex.join(["python", "-m", "bench", "run", "-m", *word.beside])
    return ConfigError(f"{word.typed} names several values; for one run each and a comparison, add -m: {again}")


def _field(path: Sequence[str], data: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a preset's value
    """The value at ``path`` in the options and presets.

    Raises:
        ConfigError: there is none; the message names the nearest.
    """
    node: Any = data
    for depth, name in enumerate(path):
        above, whole = ".".join(path[:depth]), ".".join(path)
        if above == "metric" and name not in node:
            presets.read("metric", name)
            raise ConfigError(f"{whole}: {name} is not among this run's metrics; choose it too: metric=[{','.join([*node, name])}]")
        fields = [field for field in node if field[0] != "_"] if isinstance(node, dict) else []
        if not isinstance(node, dict) or (name not in node and not fields):
            raise ConfigError(f"{above} has no fields in this preset; add one with +{whole}=VALUE")
        if name not in node:
            model = data.get("model", {}).get("name", "")
            where = f"field of {model}" if path[0] == "model" else "field"
            raise unknown(where, name, fields, prefix=f"{above}.")
        node = node[name]
    return node


@contextlib.contextmanager
def _hydra_errors() -> Iterator[None]:
    """Hydra's complaints become ConfigErrors."""
    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        if isinstance(error.__cause__, BenchError):
            raise error.__cause__ from None
        raise ConfigError(" ".join(str(error).split())) from error


def _hydra_main(job: Callable[[Any], Any], arguments: list[str]) -> None:
    """Hydra's own way into a program, which reads ``sys.argv``."""
    before = sys.argv
    sys.argv = ["bench run", *arguments]
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        hydra.main(version_base="1.3", config_path=str(resources.folder("conf")), config_name="config")(job)()
    finally:
        sys.argv = before
