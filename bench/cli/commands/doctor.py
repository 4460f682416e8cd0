"""``doctor``: is this machine ready? Exit code 1, and the fix, where the default job cannot run or a GPU lies idle."""

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

from bench.cli import availability
from bench.config import presets
from bench.core import environment
from bench.errors import BenchError
from bench.weights import devices, memory

if TYPE_CHECKING:
    from collections.abc import Sequence

_OLDEST = (3, 11)


@dataclass(frozen=True)
class DoctorFinding:
    """One line: what was looked at, the result, and the fix if the machine is not ready without it."""

    what: str
    result: str
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
        table.add_row(finding.what, escape(finding.result), escape(finding.fix), style="red" if finding.fix else "")
    console.print(table)
    not_ready = any(f.fix for f in findings)
    console.print("this machine is not ready: see 'to do'" if not_ready else "the default job can run: python -m bench run")
    return 1 if not_ready else 0


def examine() -> list[DoctorFinding]:
    """Every finding, the quick ones first."""
    facts = environment.facts()
    old = sys.version_info < _OLDEST
    free = shutil.disk_usage(".").free / 2**30
    findings = [
        DoctorFinding("Python", facts["python"], "use Python 3.11 or newer" if old else ""),
        DoctorFinding("processor", f"{facts['cpu']}, {facts['cores']} cores, {facts['memory_gib']} GiB"),
        DoctorFinding("GPU", "; ".join(facts["gpu"]) or "none"),
        DoctorFinding("disk", f"{free:.1f} GiB free here", "free some space" if free < 0.5 else ""),
        _torch(),
        *(_package(name) for name in ("diffusers", "transformers", "rapidocr", "pandas", "pyarrow")),
        DoctorFinding("keys", ", ".join(filter(os.environ.get, availability.key_names())) or "none set (hosted models need one)"),
    ]
    findings.append(_default_model())
    ready = [n for n in presets.names("model") if not availability.missing_for_model(presets.read("model", n))]
    findings.append(DoctorFinding("models ready", ", ".join(ready)))
    findings.append(_ocr())
    findings.append(_inception())
    findings.append(DoctorFinding("tesseract", (shutil.which("tesseract") and "installed") or "not installed (optional second OCR engine)"))
    return findings


def _torch() -> DoctorFinding:
    try:
        import torch  # noqa: PLC0415 - slow import
    except (ImportError, OSError) as error:
        return DoctorFinding("torch", f"cannot be imported: {error}", "install it again: pip install -c constraints.txt -e .")
    device = devices.device("auto")
    shown = f"{torch.__version__}, device {device}, {torch.get_num_threads()} threads"
    if device == "cuda":
        free, total = memory.card_memory()
        shown += f", {free:.1f} of {total:.1f} GB free on {devices.called(device)}"
    try:
        for dtype in ("float32", "bfloat16", "float16"):
            devices.check_computes(device, dtype)
    except BenchError as error:
        return DoctorFinding("torch", shown, str(error))
    return DoctorFinding("torch", shown, devices.unusable_card())


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
