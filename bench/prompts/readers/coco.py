"""COCO captions: captions_*.json."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.core.lines import json_value
from bench.prompts.readers.common import need

if TYPE_CHECKING:
    from pathlib import Path

    from bench.prompts.files import Rows


LICENCE = "CC-BY-4.0"


def read(text: str, path: Path) -> Rows:
    """One object with "annotations": image_id, id, caption; the first caption of each picture."""
    data = json_value(text, path)
    need("annotations", data if isinstance(data, dict) else {}, path, "a COCO captions file")
    seen: set[object] = set()
    for number, row in enumerate(data["annotations"], 1):
        need("caption", row, path, "a COCO captions file", number)
        if row.get("image_id", number) not in seen:
            seen.add(row.get("image_id", number))
            yield number, {"id": f"coco-{row.get('image_id', number)}", "text": row["caption"].strip(), "category": "coco"}
