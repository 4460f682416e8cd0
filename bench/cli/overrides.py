"""The words OPTION=VALUE of ``run`` and ``score``: read by Hydra's own grammar, checked against the presets, composed by Hydra.

What is a text, by its option or by what its preset and class say of it, stays as typed: Hydra's grammar would make numbers
of some texts and refuse others.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from typing import TYPE_CHECKING, Any

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, Glob, QuotedString
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from bench.cli.words import TEXTS, parse, quoted, read_words
from bench.config import presets
from bench.config.instantiate import build, text_fields
from bench.config.stored import metrics as stored_metrics
from bench.core import resources
from bench.engine import Turn
from bench.errors import BenchError, ConfigError, unknown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from hydra.core.override_parser.types import Override

    from bench.cli.words import Word

_GROUPS = ("model", "metric")


def launch(job: Callable[[Any, Turn], Any], argv: Sequence[str]) -> None:
    """Call ``job`` with the configuration that ``argv`` describes, in a sweep (``-m``) with each of them, and again in every round.

    Half of the rounds go through the sweep backwards (``Turn.backwards``).

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
    rounds = 1 if arguments.cfg or arguments.info else _rounds(words)
    for turn in (Turn(index, rounds) for index in range(rounds)):
        order = map(_backwards, lines) if sweep and turn.backwards else lines
        with _hydra_errors():
            _hydra_main(_in_turn(job, turn), [*flags, *defaults, *order])


def _in_turn(job: Callable[[Any, Turn], Any], turn: Turn) -> Callable[[Any], Any]:
    """The job of one round, as a function: Hydra takes no other callable."""

    def in_turn(config: Any) -> Any:  # noqa: ANN401 - Hydra's
        return job(config, turn)

    return in_turn


def _rounds(words: Sequence[Word]) -> int:
    """The value of ``rounds``."""
    given = [word for word in words if word.path == ["rounds"]]
    value = parse(given[-1]).value() if given else presets.options()["rounds"]
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigError(f"{given[-1].typed}: rounds is one whole number from 1 on, like rounds=5")
    return value


def _backwards(line: str) -> str:
    """The line with its choices of a sweep in reverse."""
    override = OverridesParser.create().parse_override(line)
    if not override.is_choice_sweep() or isinstance(override.value(), Glob):
        return line
    return f"{override.get_key_element()}={','.join(reversed(list(override.sweep_string_iterator())))}"


def compose_metrics(words: Sequence[Word], stored: Mapping[str, Any] | None, folder: str = "RUN") -> list[Any]:
    """The metrics that ``score`` is to use.

    Args:
        words: ``metric=…`` and ``metric.NAME.FIELD=…``.
        stored: the metrics of the run's configuration, used where no word names one; None for a run that has no configuration.
        folder: of the run.

    Raises:
        ConfigError: an unknown metric or field, a value that it does not take, or no metric at all.
    """
    words = [word for word in words if word.path[0] == "metric"]
    changes = [word for word in words if len(word.path) > 1]
    if not words:
        if stored == {}:
            raise ConfigError("this run was rendered without metrics; name some, like metric=[clip,ocr]: python -m bench list metrics")
        return stored_metrics(stored, folder) if stored else presets.metrics(["latency"])
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


def _chosen(words: Iterable[Word], group: str, *, sweep: bool) -> list[str] | None:
    """The presets that the last word of a group names, checked; None without one."""
    given = [word for word in words if word.path == [group] and not word.key.is_delete()]
    if not given:
        return None
    override = parse(given[-1])
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
        chosen = options["prompts"].texts()[0] if "prompts" in options else sets[0]
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
    if word.key.is_delete() and len(word.path) == 1 and word.path[0] not in _GROUPS:
        raise ConfigError(f"{word.typed}: an option is not taken away; leave the word out for its default, or set {word.path[0]}=…")
    if word.key.is_delete() or word.key.is_hydra_override() or word.key.package or "/" in word.path[0]:
        return word.typed
    present = [] if word.adds else [_field(word.path, tree) for tree in data]
    if any(_is_text(word.path, tree) for tree in data):
        line = word.line(",".join("null" if text is None else quoted(text) for text in word.texts(sweep=sweep)))
    else:
        line = _value(word, present, sweep=sweep)
    # Before a sweep chooses its models Hydra looks for their fields in the default model: they are checked here instead.
    over_models = sweep and word.path[0] == "model" and len(word.path) > 1 and not word.adds
    return f"++{line}" if over_models else line


def _is_text(path: Sequence[str], data: Mapping[str, Any]) -> bool:
    """Whether the option or field at ``path`` is a text."""
    node: Any = data
    for name in path[:-1]:
        node = node.get(name) if isinstance(node, dict) else None
    return path[0] in TEXTS if len(path) == 1 else isinstance(node, dict) and path[-1] in text_fields(node)


def _value(word: Word, present: Sequence[Any], *, sweep: bool) -> str:
    """The word with its value as Hydra takes it where the presets have values like ``present``."""
    override = parse(word)
    if override.is_sweep_override() and not sweep:
        raise _several(word, override)
    if word.path == ["metric"] and override.value() is None:
        return word.line("[]")
    parts = next((value for value in present if isinstance(value, dict) and "_target_" in value), None)
    whole = isinstance(override.value(), dict) or (override.value() is None and word.path[0] == "model")
    if parts and len(word.path) + (word.path[0] not in _GROUPS) > 1 and not whole:
        fields = ", ".join(f"{'.'.join(word.path)}.{name}" for name in parts if name[0] != "_")
        raise ConfigError(f"{word.typed}: this has fields of its own; set one of {fields}")
    if any(isinstance(value, list) for value in present) and not isinstance(override.value(), list | ChoiceSweep | None):
        return word.line(f"[{override.get_value_element_as_str()}]")
    return str(override.input_line)


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
