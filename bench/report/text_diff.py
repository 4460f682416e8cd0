"""Where a text that was read differs from the one asked for."""

from __future__ import annotations

from difflib import SequenceMatcher


def diff_marks(expected: str, read: str) -> list[list[str]]:
    """Pieces of the expected text: "=" read, "-" missing, "+" read instead or besides; by word, or by letter for one word.

    >>> diff_marks("I was here", "I here")
    [['=', 'I'], ['-', 'was'], ['=', 'here']]
    """
    words = len(expected.split()) > 1
    split, got = (expected.split(), read.split()) if words else (list(expected), list(read))
    glue = " " if words else ""
    pieces: list[list[str]] = []
    matcher = SequenceMatcher(None, [s.casefold() for s in split], [g.casefold() for g in got], autojunk=False)
    for kind, i1, i2, j1, j2 in matcher.get_opcodes():
        if kind == "equal":
            pieces.append(["=", glue.join(got[j1:j2])])
            continue
        if i2 > i1:
            pieces.append(["-", glue.join(split[i1:i2])])
        if j2 > j1:
            pieces.append(["+", glue.join(got[j1:j2])])
    return pieces
