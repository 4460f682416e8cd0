"""``doctor``: what this machine has for the job; exit code 1 with the fix if the default job cannot run."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bench.cli.availability import missing
from bench.config import presets
from bench.core import environment
from bench.errors import BenchError

if TYPE_CHECKING:
    from collections.abc import Sequence

_KEYS = ("OPENAI_API_KEY", "XAI_API_KEY", "BFL_API_KEY", "STABILITY_API_KEY", "HF_TOKEN")
_OLDEST = (3, 11)


@dataclass(frozen=True)
class DoctorFinding:
    """One line: what was looked at, what was found, and the fix if the default job cannot run without it."""

    what: str
    found: str
    fix: str = ""


def main(argv: Sequence[str]) -> int:
    """Print the findings; 1 if any has a fix."""
    argparse.ArgumentParser(prog="python -m bench doctor", description="Check what this machine has for the job.").parse_args(argv)
    console = Console()
    findings = examine()
    table = Table(title="doctor", title_justify="left")
    for column in ("what", "found", "to do"):
        table.add_column(column, overflow="fold")
    for finding in findings:
        table.add_row(finding.what, escape(finding.found), escape(finding.fix), style="red" if finding.fix else "")
    console.print(table)
    not_ready = any(f.fix for f in findings)
    console.print("the default job cannot run: see 'to do'" if not_ready else "the default job can run: python -m bench run")
    return 1 if not_ready else 0


def examine() -> list[DoctorFinding]:
    """Look at everything, cheapest first."""
    facts = environment.facts()
    old = sys.version_info < _OLDEST
    free = shutil.disk_usage(".").free / 2**30
    found = [
        DoctorFinding("Python", facts["python"], "use Python 3.11 or newer" if old else ""),
        DoctorFinding("processor", f"{facts['cpu']}, {facts['cores']} cores, {facts['memory_gib']} GiB"),
        DoctorFinding("GPU", "; ".join(facts["gpu"]) or "none"),
        DoctorFinding("disk", f"{free:.1f} GiB free here", "free some space" if free < 0.5 else ""),
        _torch(),
        *(_package(name) for name in ("diffusers", "transformers", "rapidocr", "pandas", "pyarrow")),
        DoctorFinding("keys", ", ".join(k for k in _KEYS if os.environ.get(k)) or "none set (hosted models need one)"),
    ]
    found.append(_default_model())
    there = [n for n in presets.names("model") if not missing(presets.read("model", n))]
    found.append(DoctorFinding("models ready", ", ".join(there)))
    found.append(_ocr())
    found.append(_inception())
    found.append(DoctorFinding("tesseract", (shutil.which("tesseract") and "installed") or "not installed (optional second OCR engine)"))
    return found


def _torch() -> DoctorFinding:
    try:
        import torch  # noqa: PLC0415 - slow import
    except (ImportError, OSError) as error:
        return DoctorFinding("torch", f"cannot be imported: {error}", "install it again: pip install -c constraints.txt -e .")
    device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    return DoctorFinding("torch", f"{torch.__version__}, device {device}, {torch.get_num_threads()} threads")


def _package(name: str) -> DoctorFinding:
    try:
        return DoctorFinding(name, version(name))
    except PackageNotFoundError:
        return DoctorFinding(name, "not installed", f"pip install -c constraints.txt {name}")


def _default_model() -> DoctorFinding:
    try:
        presets.provider("tiny-dev").check()
    except BenchError as error:
        return DoctorFinding("tiny-dev", "not usable", str(error))
    return DoctorFinding("tiny-dev", "weights found")


def _ocr() -> DoctorFinding:
    from bench.metrics.text.engines.base import self_test  # noqa: PLC0415 - only here
    from bench.metrics.text.engines.rapidocr import RapidEngine  # noqa: PLC0415 - only here

    try:
        why = self_test(RapidEngine())
    except BenchError as error:
        return DoctorFinding("OCR", "not usable", str(error))
    return DoctorFinding(
        "OCR", "self-test read back" if why is None else why, "" if why is None else "pip install --force-reinstall rapidocr"
    )


def _inception() -> DoctorFinding:
    from bench.metrics.extractors.inception import weights_file  # noqa: PLC0415 - only here

    return DoctorFinding(
        "FID", "Inception weights found" if weights_file() else "weights not installed (optional): make fid, or FLUXBENCH_INCEPTION=FILE"
    )
