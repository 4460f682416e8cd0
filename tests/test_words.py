"""Names are words that say what a thing is; these do not, and are no parameter, attribute, constant, function, class, module or room."""

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
    """Line and name of what ``tree`` defines for others: functions, classes, parameters, attributes, fields and constants."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            arguments = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
            yield from ((node.lineno, argument.arg) for argument in arguments if argument)
        elif isinstance(node, ast.ClassDef):
            yield from ((line, name) for line, name in assigned(node) if (node.name, name) not in ON_DISK)
        elif isinstance(node, ast.Module):
            yield from assigned(node)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.attr


def assigned(node: ast.Module | ast.ClassDef) -> Iterator[tuple[int, str]]:
    """Line and name of what a module or a class assigns in its body."""
    for line in node.body:
        targets = line.targets if isinstance(line, ast.Assign) else [line.target] if isinstance(line, ast.AnnAssign) else []
        for part in (part for target in targets for part in ast.walk(target)):
            if isinstance(part, ast.Name):
                yield line.lineno, part.id


def banned(text: str) -> list[str]:
    """The banned names that a module's ``text`` defines, each with its line."""
    return [f"line {line}: {name}" for line, name in names(ast.parse(text)) if name.strip("_").lower() in BANNED]


@pytest.mark.slow
def test_no_name_is_a_word_that_says_nothing() -> None:
    files = sorted((ROOT / "bench").rglob("*.py"))
    wrong = {str(file.relative_to(ROOT)): lines for file in files if (lines := banned(file.read_text(encoding="utf-8")))}
    assert not wrong
    assert not [file for file in files if {part.strip("_") for part in file.relative_to(ROOT).with_suffix("").parts} & BANNED]


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
        "LEAST, MOST = 3, 8",
        "_MOST: int = 3",
        "f = lambda found: found",
        "class C:\n    made = 0",
    ],
)
def test_a_banned_name_added_by_hand_is_seen(text: str) -> None:
    assert banned(text)


def test_a_word_inside_a_name_is_no_banned_name() -> None:
    assert not banned("def most_frequent(known_names): ...\nMOST_PIXELS = 3")
