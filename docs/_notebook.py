"""A notebook as a page: its text, its code and the output that is stored in it."""

import base64
import json
from pathlib import Path

NOTEBOOK = "fer2013_report"


def write_notebook_page(app):
    """Write ``auto_examples/fer2013_report.md`` and its pictures from the notebook."""
    source = Path(app.srcdir, "..", "examples", f"{NOTEBOOK}.ipynb")
    folder = Path(app.srcdir, "auto_examples")
    (folder / "images").mkdir(parents=True, exist_ok=True)
    parts, heading = [], ""
    for cell in json.loads(source.read_text(encoding="utf-8"))["cells"]:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            heading = text.partition("\n")[0].lstrip("# ")
            parts.append(text.replace("(../docs/", "(../"))
            continue
        parts.append(fenced("python", text))
        for output in cell["outputs"]:
            picture = output.get("data", {}).get("image/png")
            if picture:
                file = f"images/{NOTEBOOK}_{len(parts)}.png"
                (folder / file).write_bytes(base64.b64decode(picture))
                parts.append(f"![Figure of the section: {heading}]({file})")
            elif "text" in output:
                parts.append(fenced("none", "".join(output["text"]).rstrip()))
    page = folder / f"{NOTEBOOK}.md"
    text = "\n\n".join(parts) + "\n"
    if not page.exists() or page.read_text(encoding="utf-8") != text:
        page.write_text(text, encoding="utf-8")


def fenced(language, text):
    """Return a block of code."""
    return f"````{language}\n{text}\n````"
