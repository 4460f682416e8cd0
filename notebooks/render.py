"""Run a notebook and write it as a page of the documentation: ``python notebooks/render.py [explore]``.

Pictures become files in docs/images/NAME/, tables stay HTML; docs/NAME.md is committed, the notebook stays without outputs.
"""

from __future__ import annotations

import base64
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
from nbclient import NotebookClient

if TYPE_CHECKING:
    from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
_INLINE = re.compile(r"data:image/(\w+);base64,([A-Za-z0-9+/=]+)")
_STYLE = re.compile(r"<style scoped>.*?</style>\s*", re.DOTALL)
_GAP = re.compile(r"\n\s*")


def main(names: list[str]) -> None:
    """Render the notebooks named, explore by default."""
    for name in names or ["explore"]:
        notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
        NotebookClient(notebook, timeout=1800, resources={"metadata": {"path": str(ROOT / "notebooks")}}).execute()
        pictures = ROOT / "docs" / "images" / name
        shutil.rmtree(pictures, ignore_errors=True)
        pictures.mkdir(parents=True)
        text = page(notebook, pictures)
        note = f"\n*Rendered from `notebooks/{name}.ipynb` by `notebooks/render.py`.*\n"
        (ROOT / "docs" / f"{name}.md").write_text(text + note, encoding="utf-8")


def page(notebook: NotebookNode, pictures: Path) -> str:
    """The notebook as Markdown; its pictures are written to ``pictures``, which lies below the page."""
    parts, heading = [], ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
            heading = next((line.lstrip("# ") for line in cell.source.splitlines() if line.startswith("#")), heading)
            continue
        parts.append(f"```python\n{cell.source}\n```")
        parts += [_output(output, pictures, cell.id, heading) for output in cell.outputs if "data" in output]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def _output(output: NotebookNode, pictures: Path, name: str, heading: str) -> str:
    data = output.data
    if "image/png" in data:
        return f"![{heading}: the figure]({_saved(base64.b64decode(data['image/png']), 'png', pictures, name)})"
    if "text/html" in data:
        plain = data["text/html"].replace(' border="1" class="dataframe"', "")
        text = _INLINE.sub(lambda found: _saved(base64.b64decode(found[2]), found[1], pictures, name), plain)
        return f"<div>{_GAP.sub('', _STYLE.sub('', text))}</div>"
    return f"```text\n{data['text/plain']}\n```"


def _saved(data: bytes, kind: str, pictures: Path, name: str) -> str:
    """Write a picture; its address from the page."""
    file = pictures / f"{name}-{len(list(pictures.iterdir())) + 1:02}.{kind}"
    file.write_bytes(data)
    return f"{pictures.parent.name}/{pictures.name}/{file.name}"


if __name__ == "__main__":
    main(sys.argv[1:])
