"""Build the notebook of a script whose cells begin with ``# %%``, and run it.

    python examples/build_notebook.py examples/reproduce_report.py examples/fer2013_report.ipynb

It runs on drawn faces: pictures of FER-2013 must not be published. Needs ``fer-sklearn[notebook]``.
"""

import argparse
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from fer_sklearn import FERClassifier

MARKDOWN = " [markdown]\n"


def main():
    args = parse_arguments()
    notebook = new_notebook(cells=[*cells(args.script.read_text())])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    # A test compares them with those of the day: after a change the notebook has to be rebuilt.
    notebook.metadata.defaults = repr(FERClassifier().get_params())
    NotebookClient(notebook, timeout=1800).execute()
    nbformat.write(without_noise(notebook), args.notebook)
    print(f"{args.notebook}: {args.notebook.stat().st_size / 1e3:.0f} kB")


def cells(script):
    """Yield a cell for each part of the script."""
    for number, part in enumerate(script.split("# %%")[1:]):
        if part.startswith(MARKDOWN):
            lines = part.removeprefix(MARKDOWN).strip().splitlines()
            cell = new_markdown_cell("\n".join(line.removeprefix("#").strip() for line in lines))
        else:
            cell = new_code_cell(part.strip())
        cell.id = f"cell-{number}"
        yield cell


def without_noise(notebook):
    """Drop times, which differ from run to run, and progress bars."""
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if "outputs" in cell:
            cell.outputs = [part for part in cell.outputs if part.get("name") != "stderr"]
    return notebook


def parse_arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("script", type=Path, help="with cells that begin with # %%%%")
    parser.add_argument("notebook", type=Path, help="file to write")
    return parser.parse_args()


if __name__ == "__main__":
    main()
