"""Names are words that say what a thing is; these do not, and are no parameter, attribute, field, function, class or module."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest
from support.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

BANNED = {
    "told", "held", "made", "said", "mine", "least", "most", "found", "known", "one", "other", "wanted", "asked", "mark",
}  # fmt: skip
ON_DISK = {("RapidEngine", "least"), ("TesseractEngine", "least"), ("Duplicates", "most")}
"""Fields that presets and stored configurations name."""


def names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of what ``tree`` defines for others: functions, classes, parameters, attributes and fields."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.lineno, node.name
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
            yield from ((node.lineno, argument.arg) for argument in arguments if argument)
        elif isinstance(node, ast.ClassDef):
            yield node.lineno, node.name
            fields = [line.target.id for line in node.body if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)]
            yield from ((node.lineno, field) for field in fields if (node.name, field) not in ON_DISK)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper():
            yield node.lineno, node.targets[0].id


def banned(text: str) -> list[str]:
    """The banned names that a module's ``text`` defines, each with its line."""
    return [f"line {line}: {name}" for line, name in names(ast.parse(text)) if name.strip("_").lower() in BANNED]


def test_no_name_is_a_word_that_says_nothing() -> None:
    files = sorted((ROOT / "bench").rglob("*.py"))
    wrong = {str(file.relative_to(ROOT)): lines for file in files if (lines := banned(file.read_text(encoding="utf-8")))}
    assert not wrong
    assert not [file for file in files if file.stem.strip("_") in BANNED]


@pytest.mark.parametrize(
    "text",
    [
        "def told(): ...",
        "def f(found): ...",
        "class C:\n    made: int = 0",
        "class Held: ...",
        "self.known = 1",
        "_MOST = 3",
        "def f(*, one=1): ...",
    ],
)
def test_a_banned_name_added_by_hand_is_seen(text: str) -> None:
    assert banned(text)


def test_a_word_inside_a_name_is_no_banned_name() -> None:
    assert not banned("def most_frequent(known_names): ...\nMOST_PIXELS = 3")
