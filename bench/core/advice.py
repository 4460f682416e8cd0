"""Commands as messages advise them."""

from __future__ import annotations

import shlex


def command(*words: str) -> str:
    """A command of this program, quoted as a shell wants it. Runs are named by their folders: that works with any results folder.

    >>> command("rm", "my results/one")
    "python -m bench rm 'my results/one'"
    """
    return f"python -m bench {shlex.join(words)}"
