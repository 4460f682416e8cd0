"""Messages of the command line."""

from __future__ import annotations


def print_error(message: str) -> None:
    """One message on standard error."""
    from bench.core.harmless import Console  # noqa: PLC0415 - slow import

    console = Console(stderr=True, soft_wrap=True)
    console.print("[bold red]error:[/] ", end="")
    console.print(message, markup=False, highlight=False)
