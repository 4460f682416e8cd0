"""The documentation as tests see it: pages, fenced blocks, commands, links.

A block of bash or Python in a page that is executed (tutorial, how-to, frames) runs where it stands, in a copy of the
checkout, after the blocks before it. A block with ``title="PATH"`` is a file, written there. Comments before a block:

- ``<!-- needs: WORD -->``: cannot run everywhere (weights, key, gpu, person …); its commands are still parsed.
- ``<!-- exit: 1 -->`` or ``<!-- exit: 0 3 -->``: the exit codes it may have.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from support.paths import ROOT

PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md")))
EXECUTED = tuple(p for p in PAGES if p.parent.name == "how-to" or p.name in {"tutorial.md", "frames.md"})

_FENCE = re.compile(r"```(?P<language>\w*)(?P<rest>[^`]*)$")
_COMMENT = re.compile(r"<!-- (?P<key>needs|exit): (?P<value>[\w ]+) -->")
_TITLE = re.compile(r'title="([^"]+)"')
_INLINE = re.compile(r"`python -m bench ([^`]+)`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_ENDS = ("&", "|", ";", ">", "<", "2>")


@dataclass(frozen=True)
class Block:
    """A fenced block; ``line`` is that of its fence, from 1."""

    page: Path
    line: int
    language: str
    title: str
    needs: str
    exits: frozenset[int]
    text: str

    @property
    def runs(self) -> bool:
        return self.language in {"bash", "python"} and not self.title and not self.needs


@dataclass(frozen=True)
class Command:
    """The words after ``python -m bench``."""

    page: Path
    line: int
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}: python -m bench {' '.join(self.words)}"


def blocks(page: Path) -> list[Block]:
    found: list[Block] = []
    told: dict[str, str] = {}
    lines = iter(enumerate(page.read_text(encoding="utf-8").splitlines(), 1))
    for number, line in lines:
        fence, comment = _FENCE.match(line), _COMMENT.fullmatch(line)
        if comment:
            told[comment["key"]] = comment["value"]
        elif fence:
            body = []
            for _, inner in lines:
                if inner == "```":
                    break
                body.append(inner)
            title = _TITLE.search(fence["rest"])
            exits = frozenset(map(int, told.get("exit", "0").split()))
            text = "\n".join(body) + "\n"
            found.append(Block(page, number, fence["language"], title[1] if title else "", told.get("needs", ""), exits, text))
            told = {}
        elif line.strip():
            told = {}
    return found


def prose(page: Path) -> str:
    """The page with its fenced blocks blanked, line for line."""
    text, inside = [], False
    for line in page.read_text(encoding="utf-8").splitlines():
        fenced = line.startswith("```")
        text.append("" if fenced or inside else line)
        inside ^= fenced
    return "\n".join(text)


def commands(page: Path) -> list[Command]:
    found = [
        Command(page, block.line + n, words)
        for block in blocks(page)
        if block.language in {"bash", "sh", "console"}
        for n, line in _joined(block.text)
        for words in _of_bench(line)
    ]
    mentioned = [(n, shlex.split(told)) for n, line in enumerate(prose(page).splitlines(), 1) for told in _INLINE.findall(line)]
    return found + [Command(page, n, (*words, *(() if words[1:] else ("--help",)))) for n, words in mentioned]


def links(page: Path) -> list[str]:
    """Targets inside the repository, without anchor."""
    there = [target.partition("#")[0] for target in _LINK.findall(prose(page))]
    return [target for target in there if target and not target.startswith(("http:", "https:", "mailto:"))]


def _joined(text: str) -> list[tuple[int, str]]:
    """Lines with their continuations, and the number of the first, from 1."""
    found: list[tuple[int, str]] = []
    open_line = False
    for n, line in enumerate(text.splitlines(), 1):
        whole = line.removesuffix("\\")
        if open_line:
            found[-1] = (found[-1][0], found[-1][1] + whole)
        else:
            found.append((n, whole))
        open_line = line.endswith("\\")
    return found


def _of_bench(line: str) -> list[tuple[str, ...]]:
    words = shlex.split(line, comments=True)
    found = []
    for i in range(len(words) - 3):
        if words[i : i + 3] == ["python", "-m", "bench"]:
            after = words[i + 3 :]
            end = next((k for k, word in enumerate(after) if word.startswith(_ENDS)), len(after))
            found.append(tuple(word.rstrip(";") for word in after[:end]))
    return found
