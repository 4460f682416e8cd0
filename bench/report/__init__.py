"""Reports: tables as Parquet and CSV, Markdown and LaTeX, one HTML page that needs no network."""

from bench.report.write import write_comparison, write_run

__all__ = [
    "write_comparison",
    "write_run",
]
