"""Which lines of bench are broken by ``make mutants``, and how.

A mutant is one line changed by one operator: a condition negated; < and <=, > and >=, == and != swapped; + and -; ``and`` and
``or``; True and False; a ``not`` dropped; a number plus one; a returned value replaced by None. A fixed seed draws them: a room
of n lines gets 1 + n // 600, those with the smallest hash of seed, file, operator and text of the line, so that a change in one
file leaves the choice in all others as it was.

Left out, because no test should see them: docstrings, annotations, imports, decorators; what is raised, printed, logged or
reported as progress; texts and lists joined by "+"; tables in capitals; numbers that are waits, sizes of blocks or layout
(``_TUNING``). So is training (``TRAINING``) where slow tests do not run: no other test runs it.
"""

from __future__ import annotations

import ast
import copy
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SEED = 13
TRAINING = ("bench/tiny/train.py", "bench/tiny/training/")

_SWAPS: dict[type, type] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip
_TUNING = re.compile(
    r"timeout|wait|delay|pause|poll|chunk|block|buffer|width|height|dpi|indent|order|digits|worker|size$|_s$|_seconds$", re.IGNORECASE
)
_OUTPUT = re.compile(r"(^|[._])(print|warn|warning|info|debug|log|note|progress|console|advance|say|add_argument)$")


@dataclass(frozen=True)
class Mutant:
    """One change: the bytes from ``start`` to ``end`` of a file become ``text``."""

    file: str
    line: int
    source: str
    operator: str
    start: int
    end: int
    text: str

    @property
    def room(self) -> str:
        return self.file.split("/")[1].removesuffix(".py")

    @property
    def key(self) -> tuple[str, int]:
        return hashlib.sha256(f"{SEED}|{self.file}|{self.operator}|{self.source}".encode()).hexdigest(), self.start

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.operator}: {self.source}"

    def applied(self, data: bytes) -> bytes:
        return data[: self.start] + self.text.encode() + data[self.end :]


def _changes(node: ast.AST) -> Iterator[tuple[str, ast.expr, ast.expr]]:
    """Operator, the expression to replace, and what stands there instead."""
    for test in [node.test] if isinstance(node, ast.If | ast.While | ast.IfExp) else getattr(node, "ifs", ()):
        yield "negate", test, ast.UnaryOp(ast.Not(), test)
    if isinstance(node, ast.Return) and node.value and ast.unparse(node.value) != "None":
        yield "return None", node.value, ast.Constant(None)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield "drop not", node, node.operand
    if isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield "true/false", node, ast.Constant(not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield "plus one", node, ast.Constant(node.value + 1)
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in _SWAPS:
        yield "compare", node, ast.Compare(node.left, [_SWAPS[type(node.ops[0])]()], node.comparators)
    if isinstance(node, ast.BinOp | ast.BoolOp) and type(node.op) in _SWAPS and not any(map(_joins, ast.iter_child_nodes(node))):
        changed = copy.copy(node)
        changed.op = _SWAPS[type(node.op)]()
        yield "and/or" if isinstance(node, ast.BoolOp) else "plus/minus", node, changed


def _joins(operand: ast.AST) -> bool:
    return isinstance(operand, ast.JoinedStr | ast.List | ast.Tuple) or isinstance(getattr(operand, "value", None), str | bytes)


def _left_out(node: ast.AST) -> Iterator[ast.AST | None]:
    """This node itself or parts of it that no test should see."""
    if isinstance(node, ast.Raise | ast.Assert | ast.JoinedStr) or (isinstance(node, ast.Call) and _OUTPUT.search(ast.unparse(node.func))):
        yield node
    if isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "__name__ == '__main__'"}:
        yield node
    yield from (getattr(node, "annotation", None), getattr(node, "returns", None), *getattr(node, "decorator_list", ()))
    if isinstance(node, ast.keyword):
        named = [(node.arg or "", node.value)]
    elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value:
        named = [(ast.unparse(t), node.value) for t in (node.targets if isinstance(node, ast.Assign) else [node.target])]
    elif isinstance(node, ast.arguments):
        last = [*node.posonlyargs, *node.args][::-1]
        named = [
            (a.arg, d)
            for a, d in [*zip(last, node.defaults[::-1], strict=False), *zip(node.kwonlyargs, node.kw_defaults, strict=True)]
            if d
        ]
    else:
        return
    for name, value in named:
        number = not any(isinstance(part, ast.Name | ast.Call) for part in ast.walk(value))
        if (number and _TUNING.search(name)) or (name.isupper() and isinstance(value, ast.Dict | ast.Tuple | ast.List | ast.Set)):
            yield value


def mutants_of(file: str, data: bytes) -> Iterator[Mutant]:
    """Every mutant of a file, in no order."""
    lines, tree = data.splitlines(keepends=True), ast.parse(data)
    begins = [0]
    for line in lines:
        begins.append(begins[-1] + len(line))
    left_out = {part for node in ast.walk(tree) for part in _left_out(node)}
    nodes: list[ast.AST] = [tree]
    while nodes:
        node = nodes.pop()
        if node in left_out:
            continue
        nodes += ast.iter_child_nodes(node)
        for operator, old, new in _changes(node):
            start, end = begins[old.lineno - 1] + old.col_offset, begins[(old.end_lineno or 0) - 1] + (old.end_col_offset or 0)
            text = f"({ast.unparse(new)})" if operator in {"negate", "drop not"} else ast.unparse(new)
            yield Mutant(file, old.lineno, lines[old.lineno - 1].decode().strip(), operator, start, end, text)


def chosen(root: Path, *, slow: bool = False) -> list[Mutant]:
    """The mutants of a checkout, room by room."""
    rooms: dict[str, list[Path]] = {}
    for path in sorted((root / "bench").rglob("*.py")):
        if slow or not path.relative_to(root).as_posix().startswith(TRAINING):
            rooms.setdefault(path.relative_to(root).parts[1], []).append(path)
    drawn: list[Mutant] = []
    for _, paths in sorted(rooms.items()):
        texts = {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}
        candidates = sorted((m for name, data in texts.items() for m in mutants_of(name, data)), key=lambda m: m.key)
        one_a_line = {(m.file, m.source): m for m in reversed(candidates)}
        drawn += sorted(one_a_line.values(), key=lambda m: m.key)[: 1 + sum(d.count(b"\n") for d in texts.values()) // 600]
    return drawn
