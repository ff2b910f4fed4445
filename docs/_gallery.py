"""The gallery: its sections, their order, and the alternative texts of its pictures."""

import re
from importlib.util import find_spec
from pathlib import Path

#: Folder of each section, and its examples in the order of a first reading.
SECTIONS = {
    "": ("quickstart", "photos"),
    "preparing_data": ("data", "label_noise", "augmentation", "class_imbalance"),
    "training": ("training", "finetune", "freeze", "resume", "distillation"),
    "tuning": ("tuning", "grid_search", "learning_curve"),
    "evaluation": ("evaluation", "confusion_matrix", "calibration", "comparison", "views"),
    "using": ("explain", "embedding", "onnx"),
}
_ORDER = [name for names in SECTIONS.values() for name in names]
#: Examples that need a package which the extra [docs] does not bring.
_NEEDS = {"label_noise": "cleanlab", "onnx": "onnxruntime"}


def section_order(folder):
    """Sort key of a section's folder; others behind them."""
    return _position([*SECTIONS], Path(folder).name)


def reading_order(name):
    """Sort key of an example's file; others behind them."""
    return _position(_ORDER, name.removeprefix("plot_").removesuffix(".py"))


def _position(order, name):
    return order.index(name) if name in order else len(order)


def to_run():
    """Return the pattern of the files to run: where a package is missing, the code is shown."""
    left_out = [name for name, package in _NEEDS.items() if find_spec(package) is None]
    without = "".join(rf"(?!{name}\.py$)" for name in left_out)
    return rf"[\\/]plot_{without}"


def scrape(block, block_vars, gallery_conf):
    """Return the rst of a block's figures, with the text of ``# sphinx_gallery_alt = "..."``.

    Else sphinx-gallery joins the titles of all axes.
    """
    # Here, since the tests read the sections where there is no Sphinx.
    from sphinx_gallery.py_source_parser import extract_file_config
    from sphinx_gallery.scrapers import matplotlib_scraper

    rst = matplotlib_scraper(block, block_vars, gallery_conf)
    alt = extract_file_config(block.content).get("alt")
    if alt is None:
        return rst
    return re.sub(r"^( +:alt:).*$", lambda line: f"{line[1]} {alt}", rst, flags=re.MULTILINE)


def _get_sg_image_scraper():  # where sphinx-gallery looks for it
    return scrape
