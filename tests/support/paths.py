"""Places in the checkout."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
TEMPLATE = ROOT / "bench" / "report" / "template"
