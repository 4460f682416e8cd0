"""Messages of the command line."""

from __future__ import annotations


def print_error(message: str) -> None:
    """One message on standard error."""
    from bench.core.terminal import console  # noqa: PLC0415 - slow import

    shown = console(stderr=True)
    shown.print("[bold red]error:[/] ", end="")
    shown.print(message, markup=False, highlight=False, soft_wrap=True)
