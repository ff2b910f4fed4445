"""Draw the diagrams of the guide into ``_static/diagrams``: ``python docs/_diagrams.py``.

A diagram is rows of boxes. A box is a text: its first line is bold, "|" begins the next one. A
place without text belongs to the box on its left. Arrows lead from box to box, each named by its
row and its place there, such as "0.1"; a frame surrounds the boxes from one to another.
"""

from dataclasses import dataclass
from html import escape
from pathlib import Path

FOLDER = Path(__file__).parent / "_static" / "diagrams"
#: All in pixels. A phone shows the width in two thirds: then letters are 11 pixels high.
WIDTH, MARGIN, GAP, BETWEEN_ROWS, TITLE = 520, 16, 12, 34, 38
LINE, LETTERS = 20, 15
BLUE, PALE, GRAY, INK = "#1f5fa8", "#e9f0f8", "#5f6368", "#1c1c1c"


@dataclass
class Diagram:
    """What is drawn: rows of boxes, arrows ("0.0 1.0"), frames ("title", "0.0 1.2")."""

    rows: list
    arrows: str = ""
    frames: tuple = ()


DIAGRAMS = {
    "guide": Diagram(
        [
            ["photos, videos", "folders, CSV", "arrays, tables"],
            ["faces|gray, all of one size"],
            ["FERClassifier|normalise, augment, network"],
            [
                "predict|labels,|probabilities",
                "explain|heat maps,|embeddings",
                "store|joblib, .npz,|ONNX",
            ],
        ],
        "0.0 1.0, 0.1 1.0, 0.2 1.0, 1.0 2.0, 2.0 3.0, 2.0 3.1, 2.0 3.2",
    ),
    "loading": Diagram(
        [
            [
                "FER-2013|load_fer2013",
                "other datasets|load_expressions",
                "class folders|load_image_folder",
            ],
            [
                "Bunch|data: bytes, (n, height, width)|target: names",
                "",
                "your own|arrays, tables",
            ],
            ["FERClassifier().fit(X, y)"],
        ],
        "0.0 1.0, 0.1 1.0, 0.2 1.0, 1.0 2.0, 1.2 2.0",
    ),
    "networks": Diagram(
        [
            ["a face of 48 x 48 pixels"],
            [
                "cnn|3 blocks of|convolutions|and pooling",
                "resnet|half the size,|3 stages of|residual units",
                "hybrid|half the size,|3 stages of|convolutions",
                "vit|patches of|6 x 6 pixels,|each a token",
            ],
            [
                "128 maps|of 6 x 6",
                "256 maps|of 6 x 6",
                "36 tokens|of 256 values",
                "64 tokens|of 256 values",
            ],
            [
                "dense|256 units",
                "average|of each map",
                "attention|4 transformer|layers",
                "attention|6 transformer|layers",
            ],
            ["a logit for each class"],
        ],
        ", ".join(f"0.0 1.{i}, 1.{i} 2.{i}, 2.{i} 3.{i}, 3.{i} 4.0" for i in range(4)),
    ),
    "serving": Diagram(
        [
            ["client", "client", "client"],
            ["proxy, such as nginx|encrypts, authenticates, limits"],
            ["thread", "thread", "thread", "thread"],
            ["one classifier|loaded once, at the start"],
        ],
        "0.0 1.0, 0.1 1.0, 0.2 1.0, 1.0 2.0, 1.0 2.1, 1.0 2.2, 1.0 2.3, "
        "2.0 3.0, 2.1 3.0, 2.2 3.0, 2.3 3.0",
        (("server.py in gunicorn: one process", "2.0 3.0"),),
    ),
    "files": Diagram(
        [
            ["a fitted FERClassifier"],
            [
                "joblib.dump|all of it;|loading runs code",
                "save_pretrained|weights, labels;|no code",
                "to_onnx|network, views;|needs no torch",
            ],
            ["your own files", "anybody's files", "files of known|origin"],
        ],
        "0.0 1.0, 0.0 1.1, 0.0 1.2, 1.0 2.0, 1.1 2.1, 1.2 2.2",
        (("what is safe to load", "2.0 2.2"),),
    ),
    "device": Diagram(
        [
            ["faces|a byte for each pixel"],
            ["batch", "normalise", "augment|in training"],
            ["network|training: bfloat16 where that is fast|prediction: float32"],
            ["labels and probabilities|NumPy arrays"],
        ],
        "0.0 1.0, 1.0 1.1, 1.1 1.2, 1.2 2.0, 2.0 3.0",
        (("on the device: CPU or GPU", "0.0 2.0"),),
    ),
    "command": Diagram(
        [
            ["faces/ or my_photos/|a sub-folder for each class"],
            ["fer-sklearn train"],
            ["mine.npz|or the pretrained fer2013"],
            [
                "photos|labels: table.csv,|sheet.html",
                "evaluate|report: text,|HTML",
                "export|mine.onnx",
            ],
        ],
        "0.0 1.0, 1.0 2.0, 2.0 3.0, 2.0 3.1, 2.0 3.2",
    ),
    "scale": Diagram(
        [
            ["your search|sends the fits", "database or journal|keeps the trials"],
            ["worker|one fit", "worker|one fit", "process|FERSearchCV", "process|FERSearchCV"],
        ],
        "0.0 1.0, 0.0 1.1, 1.2 0.1, 1.3 0.1",
        (("Dask: many short fits", "0.0 1.1"), ("A storage: long trials", "0.1 1.3")),
    ),
    "skorch": Diagram(
        [
            ["names to codes", "weights, checks", "device, seeds"],
            ["normalise", "augment", "your network"],
            ["loss, optimiser", "schedule", "callbacks"],
        ],
        "1.0 1.1, 1.1 1.2",
        (("FERClassifier", "0.0 2.2"), ("skorch's NeuralNetClassifier", "1.0 2.2")),
    ),
}


def main():
    """Write a file for each diagram."""
    FOLDER.mkdir(exist_ok=True)
    for name, diagram in DIAGRAMS.items():
        (FOLDER / f"{name}.svg").write_text(draw(diagram), encoding="utf-8")


def draw(diagram):
    """Return the diagram as SVG."""
    frames = [(title, *map(place, corners.split())) for title, corners in diagram.frames]
    boxes, height = arrange(diagram.rows, frames)
    dashes = [
        draw_frame(
            boxes[first], boxes[last], 5 * sum(last == frame[2] for frame in frames[number:])
        )
        for number, (_, first, last) in enumerate(frames)
    ]
    arrows = [arrow.split() for arrow in diagram.arrows.split(", ") if arrow]
    lines = [draw_arrow(boxes[place(a)], boxes[place(b)]) for a, b in arrows]
    titles = [draw_title(title, boxes[first], boxes[last]) for title, first, last in frames]
    parts = [*dashes, *lines, *titles]
    for (row, column), box in boxes.items():
        parts += draw_box(diagram.rows[row][column].split("|"), *box)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'viewBox="0 0 {WIDTH} {height}" font-family="DejaVu Sans, Verdana, Arial, sans-serif" '
        f'font-size="{LETTERS}" text-anchor="middle" fill="{INK}">'
    )
    tip = (
        '<marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
        f'orient="auto"><path d="M0 0L8 4L0 8z" fill="{GRAY}"/></marker>'
    )
    ground = f'<rect width="{WIDTH}" height="{height}" rx="6" fill="white"/>'
    return "\n".join([head, tip, ground, *parts, "</svg>\n"])


def place(name):
    """Return (row, number in the row) of "1.2"."""
    row, column = name.split(".")
    return int(row), int(column)


def arrange(rows, frames):
    """Return where each box lies, as (x, y, width, height), and the height of it all."""
    boxes, y = {}, MARGIN
    for number, row in enumerate(rows):
        starts = [first[1] for _, first, _ in frames if first[0] == number]
        y += TITLE * max((starts.count(column) for column in starts), default=0)
        width = (WIDTH - 2 * MARGIN - GAP * (len(row) - 1)) / len(row)
        height = LINE * max(text.count("|") + 1 for text in row) + 14
        for column, text in enumerate(row):
            if text:
                left, x = column, round(MARGIN + column * (width + GAP))
            boxes[number, left] = (x, y, round((column - left) * (width + GAP) + width), height)
        y += height + BETWEEN_ROWS
    return boxes, y - BETWEEN_ROWS + MARGIN


def draw_box(lines, x, y, width, height):
    """Draw a box with its lines in the middle."""
    yield (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="5" '
        f'fill="{PALE}" stroke="{BLUE}"/>'
    )
    top = y + (height - LINE * len(lines)) / 2 + LETTERS
    for number, line in enumerate(lines):
        bold = "" if number else ' font-weight="bold"'
        at = f'x="{x + width / 2:g}" y="{top + LINE * number:g}"'
        yield f"<text {at}{bold}>{escape(line)}</text>"


def draw_frame(first, last, pad):
    """Draw a dashed frame around two boxes and what is between them, with room for a title."""
    x, y = min(first[0], last[0]) - pad, first[1] - TITLE + 5 - pad
    width = max(first[0] + first[2], last[0] + last[2]) + pad - x
    height = last[1] + last[3] + pad - y
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="7" fill="none" '
        f'stroke="{GRAY}" stroke-dasharray="5 4"/>'
    )


def draw_title(title, first, last):
    """Write the title of a frame, with a white border against the arrows behind it."""
    middle = (min(first[0], last[0]) + max(first[0] + first[2], last[0] + last[2])) / 2
    return (
        f'<text x="{middle:g}" y="{first[1] - 17}" fill="{GRAY}" stroke="white" '
        f'stroke-width="6" paint-order="stroke">{escape(title)}</text>'
    )


def draw_arrow(start, end):
    """Draw an arrow: sideways in a row, else upright if the boxes overlap."""
    if start[1] == end[1]:
        ends = (start[0] + start[2], start[1] + start[3] / 2, end[0], end[1] + end[3] / 2)
    else:
        down = start[1] < end[1]
        narrow, wide = sorted([start, end], key=lambda box: box[2])
        middle = narrow[0] + narrow[2] / 2
        nearest = min(max(middle, wide[0] + GAP), wide[0] + wide[2] - GAP)
        x1, x2 = (middle, nearest) if narrow is start else (nearest, middle)
        ends = (x1, start[1] + start[3] * down, x2, end[1] + end[3] * (not down))
    x1, y1, x2, y2 = (f"{number:g}" for number in ends)
    line = f'x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}"'
    return f'<line {line} stroke="{GRAY}" stroke-width="1.5" marker-end="url(#tip)"/>'


if __name__ == "__main__":
    main()
