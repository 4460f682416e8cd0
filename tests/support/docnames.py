"""Names in the documentation that must be right: paths of the repository, modules and their names, options, presets, columns."""

from __future__ import annotations

import ast
import json
import pkgutil
import re
from dataclasses import fields, is_dataclass
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any

from bench import prompts
from bench.config import presets
from bench.core import resources
from support.docpages import PAGES, blocks, prose
from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_PATH = re.compile(r"(?<![\w./<>-])(?:bench|benchmarks|conf|docs|notebooks|prompts|templates|tests|weights)/[\w./-]*")
_DOTTED = re.compile(r"(?<![\w./-])bench(?:\.[A-Za-z_]\w*)+")
_CODE = re.compile(r"`([^`\n]+)`")
_OPTION = re.compile(r"[a-z_]+(?:\.\w+)*=(?!=)\S*|(?:budget|metric|model)\.[\w.]+")
_COLUMN = re.compile(r"[a-z_0-9]*\.?[a-z_0-9]+")
_PLACEHOLDER = re.compile(r"[A-Z…<*]")


def text(page: Path) -> str:
    """All that a reader sees of a page or a notebook, code and prose."""
    content = page.read_text(encoding="utf-8")
    if page.suffix == ".ipynb":
        return "\n".join("".join(cell["source"]) for cell in json.loads(content)["cells"])
    return content


def python(page: Path) -> list[str]:
    """The Python examples of a page or the code of a notebook."""
    if page.suffix == ".ipynb":
        cells = json.loads(page.read_text(encoding="utf-8"))["cells"]
        return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return [block.text for block in blocks(page) if block.language == "python"]


@cache
def written() -> frozenset[str]:
    """Files that pages or templates add to a checkout."""
    titles = {block.title for page in PAGES for block in blocks(page) if block.title}
    folders = [folder for folder in (ROOT / "templates").glob("*") if folder.is_dir()]
    return frozenset(titles | {str(file.relative_to(folder)) for folder in folders for file in folder.rglob("*") if file.is_file()})


def wrong_paths(page: Path) -> list[str]:
    """Paths from the repository's top that are not there, nor added by a page or a template."""
    named = {path.rstrip("./") for path in _PATH.findall(text(page))}
    return sorted(path for path in named if not ((ROOT / path).exists() or any(f"{file}/".startswith(f"{path}/") for file in written())))


def wrong_modules(page: Path) -> list[str]:
    """Dotted names of ``bench`` that do not import, in text and in the imports of Python examples."""
    named = set(_DOTTED.findall(text(page)))
    for source in python(page):
        imports = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
        named |= {
            f"{node.module}.{alias.name}" for node in imports if str(node.module).partition(".")[0] == "bench" for alias in node.names
        }
    return sorted(name for name in named if not (_imports(name) or _is_written(name)))


def _imports(name: str) -> bool:
    module = ROOT / name.replace(".", "/")
    if module.with_suffix(".py").is_file() or (module / "__init__.py").is_file():
        return True  # that every module imports, others show
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


def _is_written(name: str) -> bool:
    """Whether ``name`` is a module that a page or a template adds, or a name in one."""
    parts = name.split(".")
    return any("/".join(parts[:n]) + ".py" in written() for n in (len(parts), len(parts) - 1))


def wrong_options(page: Path) -> list[str]:
    """Options in backticks (``model.steps=4``, ``budget.max``) whose key or preset nobody knows; capitals are placeholders."""
    words = chain.from_iterable(code.split() for code in _CODE.findall(prose(page)))
    return sorted({word for word in words if _OPTION.fullmatch(word) and not _is_option(*word.partition("=")[::2])})


def _is_option(key: str, value: str) -> bool:
    head, _, field = key.partition(".")
    if _PLACEHOLDER.search(key) or set("()") & set(value):  # a keyword of a call is no option
        return True
    if head in {"model", "metric"} and not field:
        wanted = [name for name in value.strip("[]").split(",") if name and not _PLACEHOLDER.search(name)]
        return set(wanted) <= set(presets.names(head))
    if key == "prompts":
        return not value or bool(_PLACEHOLDER.search(value)) or "." in value or ":" in value or value in prompts.shipped()
    if head == "metric":
        name, _, field = field.partition(".")
        return name in presets.names("metric") and field in _fields("metric", name)
    known = {"model": _fields("model"), "budget": {f"budget.{f}" for f in _settings()["budget"]}}.get(head)
    if known is not None:
        return key in known or field in known
    return key in _settings() or any(key in _fields(group) for group in ("model", "metric")) or _is_limit(key)


def _is_limit(key: str) -> bool:
    """Whether ``key`` can stand before a margin of ``gate``."""
    return key in columns() or key in {"p50", "p90", "p95", "p99", "mean"}


@cache
def _settings() -> dict[str, Any]:
    import yaml

    data: dict[str, Any] = yaml.safe_load((resources.folder("conf") / "config.yaml").read_text(encoding="utf-8"))
    return data


@cache
def _fields(group: str, name: str | None = None) -> frozenset[str]:
    """Dotted names of what can be set in a preset, or in any of its group."""
    chosen = [name] if name else presets.names(group)
    return frozenset(chain.from_iterable(_keys(presets.read(group, one)) for one in chosen))


def _keys(data: Mapping[str, Any]) -> Iterator[str]:
    yield from data
    if "_target_" in data:
        target = pkgutil.resolve_name(data["_target_"])
        yield from (field.name for field in fields(target) if is_dataclass(target))
    for key, value in data.items():
        if isinstance(value, dict):
            yield from (f"{key}.{inner}" for inner in _keys(value))


@cache
def columns() -> frozenset[str]:
    """The columns of all metrics that say which they fill."""
    filled = chain.from_iterable(getattr(metric, "columns", ()) for metric in presets.metrics(presets.names("metric")))
    return frozenset(column.name for column in filled)


def wrong_presets(page: Path) -> list[str]:
    """Names in the first cells of tables of presets or metrics that are neither a preset nor a column."""
    known = {*presets.names("model"), *presets.names("metric"), *columns(), "human_preference"}
    named: list[str] = []
    inside = False
    for line in prose(page).splitlines():
        first = line.split("|")[1].strip() if line.startswith("|") else None
        inside = first is not None and (inside or first in {"preset", "metric"})
        if inside and first:
            named += [name for name in _CODE.findall(first) if re.fullmatch(r"[\w-]+", name)]
    return sorted(set(named) - known)


def wrong_columns(page: Path) -> list[str]:
    """Names in backticks like ``ocr.exact`` that begin with a metric's name and are no column of it.

    In a table's first cell ``.recall`` continues the name before it.
    """
    known, heads = columns(), {name.partition(".")[0] for name in columns() if "." in name}
    wrong = set()
    for line in prose(page).splitlines():
        cell = line.split("|")[1] if line.startswith("|") else ""
        head = ""
        for name in _CODE.findall(cell or line):
            if not _COLUMN.fullmatch(name):
                continue
            head = name.partition(".")[0] or head
            if "." in name and head in heads and f"{head}.{name.partition('.')[2]}" not in known:
                wrong.add(name)
    return sorted(wrong)


def wrong_targets(page: Path) -> list[str]:
    """Words after ``make`` in backticks and blocks of commands that are no target of the Makefile."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    lines = [line for block in blocks(page) if block.language == "bash" for line in block.text.splitlines()] + _CODE.findall(prose(page))
    calls = [line.partition("#")[0].split() for line in lines if line.startswith("make ")]
    return sorted({word for call in calls for word in call[1:] if "=" not in word and not _PLACEHOLDER.search(word)} - targets)
