"""The words of the command line: OPTION=VALUE, composed by Hydra."""

from __future__ import annotations

import os
import sys
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from bench.config.instantiate import build
from bench.config.presets import metrics, names, read
from bench.core import resources
from bench.errors import BenchError, ConfigError, unknown
from bench.pricing import budget

if TYPE_CHECKING:
    from collections.abc import Sequence


OPTIONS = ("model", "metric", "prompts", "seeds", "limit", "categories", "label", "budget", "dry_run", "fresh", "results")


def _values(argv: Sequence[str], key: str) -> list[str] | None:
    """The value(s) of a group on the command line: ``a``, ``a,b`` and ``[a,b]`` alike."""
    given = [word.partition("=")[2] for word in argv if word.startswith(f"{key}=")]
    if not given:
        return None
    return [part.strip(" []'\"") for part in given[-1].split(",") if part.strip(" []'\"")]


def _defaults(argv: Sequence[str]) -> list[str]:
    """Check the names given, and choose the prompts and metrics that go with the model where none were given."""
    for word in argv:
        key = word.partition("=")[0].lstrip("+~")
        if "=" in word and not word.startswith("-") and key.partition(".")[0] not in (*OPTIONS, "hydra") and "/" not in key:
            raise unknown("option", key, OPTIONS)
        if (
            "=" not in word
            and not word.startswith(("-", "~"))
            and (argv[argv.index(word) - 1 :] or [""])[0] not in {"--cfg", "-c", "--package", "-p"}
        ):
            raise ConfigError(f"{word!r} is no OPTION=VALUE; see: python -m bench run --help")
    models = _values(argv, "model") or ["tiny-dev"]
    cards = [read("model", name)["card"] for name in models]
    for name in _values(argv, "metric") or []:
        read("metric", name)
    added = []
    chosen = _values(argv, "prompts")
    if chosen is None:
        sets = {card["prompts"] for card in cards}
        if len(sets) > 1:
            raise ConfigError(f"these models have different prompt sets of their own ({', '.join(sorted(sets))}); choose one with prompts=")
        chosen = [*sets]
        added.append(f"prompts={chosen[0]}")
    if _values(argv, "metric") is None:
        fitting = [card for card in cards if card["prompts"] == chosen[0]] or cards
        added.append(f"metric=[{','.join(fitting[0]['metrics'])}]")
    return added


def _of_each_model(overrides: Sequence[str]) -> list[str]:
    """The overrides of a sweep over models, whose fields Hydra would look for in the default model, made ones that it takes.

    Raises:
        ConfigError: a field that one of the models does not have.
    """
    models = _values(overrides, "model") or []
    if len(models) < 2:
        return list(overrides)
    made = []
    for word in overrides:
        path, _, value = word.partition("=")
        if path.startswith("model."):
            *above, name = path.split(".")
            for model in models:
                known = _fields(above, [f"model={model}"])
                if name not in known:
                    where = f"field of {model}" if known else "field"
                    raise unknown(where, path, [".".join([*above, k]) for k in known or _fields(["model"], [f"model={model}"])])
        made.append(f"++{path}={value}" if path.startswith("model.") else word)
    return made


def _hydra(job: Any, arguments: list[str]) -> None:  # noqa: ANN401 - a task function
    """Hand over to Hydra; its complaints become ConfigErrors."""
    import hydra  # noqa: PLC0415 - slow import
    from hydra.errors import HydraException  # noqa: PLC0415 - slow import
    from omegaconf.errors import OmegaConfBaseException  # noqa: PLC0415 - slow import

    before = sys.argv
    sys.argv = ["bench run", *arguments]
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        hydra.main(version_base="1.3", config_path=str(resources.folder("conf")), config_name="config")(job)()
    except (HydraException, OmegaConfBaseException) as error:
        if isinstance(error.__cause__, BenchError):
            raise error.__cause__ from None
        raise ConfigError(_plain(error, arguments)) from error
    finally:
        sys.argv = before


def _plain(error: Exception, arguments: Sequence[str]) -> str:
    """Hydra's message, or the nearest field's name where it speaks of an unknown one."""
    text = " ".join(str(error).split())
    if "not in struct" not in f"{text} {error.__cause__ or ''}":
        return text
    words = [word.rstrip(".,") for word in text.replace("'", " ").replace("=", " ").split()]
    wrong = next((word for word in words if word.startswith(("model.", "metric.", "budget."))), None)
    if wrong is None:
        return text
    *above, _field = wrong.split(".")
    known = _fields(above, arguments)
    return str(unknown("field", wrong, [".".join([*above, name]) for name in known])) if known else text


def _fields(above: Sequence[str], arguments: Sequence[str]) -> list[str]:
    """Names of the fields at ``above`` (like model, limits) in the presets chosen; empty where there is no such place."""
    group, *path = above
    if group == "budget":
        node: Any = {field.name: None for field in fields(budget.Budget)}
    elif group == "model":
        node = read("model", (_values(arguments, "model") or ["tiny-dev"])[0])
    else:
        node = {name: read("metric", name) for name in names("metric")}
    for name in path:
        node = node.get(name) if isinstance(node, dict) else None
    return [name for name in node if not name.startswith("_")] if isinstance(node, dict) else []


def _metrics(overrides: Sequence[str], config: dict[str, object]) -> list[Any]:
    from hydra import compose, initialize_config_dir  # noqa: PLC0415 - slow import
    from hydra.errors import HydraException  # noqa: PLC0415 - slow import
    from omegaconf.errors import OmegaConfBaseException  # noqa: PLC0415 - slow import

    chosen = next((w for w in overrides if w.startswith("metric=")), None)
    for name in (chosen or "").partition("=")[2].strip("[] ").split(","):
        if name.strip():
            read("metric", name.strip())
    if chosen is None:
        kept = config.get("metric")
        if not any(w.startswith("metric.") for w in overrides):
            return [build(m) for m in kept.values()] if isinstance(kept, dict) else metrics(["latency"])
        used = {w.split(".")[1].partition("=")[0] for w in overrides if w.startswith("metric.")}
        overrides = [*overrides, f"metric=[{','.join(sorted(used))}]"]
    try:
        with initialize_config_dir(str(resources.folder("conf")), version_base="1.3"):
            made = compose("config", overrides=[w for w in overrides if w.startswith("metric")])
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(" ".join(str(error).split())) from error
    return [build(m) for m in made.metric.values()]
