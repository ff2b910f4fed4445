"""An evaluation report as an HTML page, without scripts and without external files."""

from __future__ import annotations

import math
import re
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from .metrics import EvaluationReport

_PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --page: #fafaf8; --card: #fff; --text: #1c1c1a; --quiet: #5c5c56;
  --line: #d9d8d2; --bar: #9db8d6; --hit: #1f6bb5; --miss: #b4541a; --note: #fff6dc; }}
@media (prefers-color-scheme: dark) {{
  :root {{ --page: #161615; --card: #21211f; --text: #ecebe6; --quiet: #a9a8a1; --line: #3c3b38;
    --bar: #45607d; --hit: #4a90d9; --miss: #d97a3a; --note: #332c17; }}
}}
body {{ margin: 0 auto; max-width: 900px; padding: 0 16px 30px; background: var(--page);
  color: var(--text); font: 15px/1.45 system-ui, sans-serif; }}
h1 {{ font-size: 1.4rem; margin: 20px 0 8px; overflow-wrap: anywhere; }}
h2 {{ font-size: 1.05rem; margin: 24px 0 6px; }}
.note {{ background: var(--note); border-left: 4px solid var(--hit); padding: 8px 12px; }}
.quiet {{ color: var(--quiet); font-size: .88rem; }}
.wide {{ overflow-x: auto; }}
table {{ border-collapse: collapse; background: var(--card); font-variant-numeric: tabular-nums; }}
th, td {{ border: 1px solid var(--line); padding: 4px 10px; text-align: right; }}
tbody th {{ text-align: left; font-weight: 600; }}
thead th {{ font-weight: 600; color: var(--quiet); vertical-align: bottom; }}
.share {{ background: linear-gradient(to right, var(--bar) var(--part), transparent var(--part)); }}
.hit {{ background: color-mix(in srgb, var(--hit) var(--part), var(--card)); }}
.miss {{ background: color-mix(in srgb, var(--miss) var(--part), var(--card)); }}
.confusion td {{ text-align: center; min-width: 2.6em; padding: 4px; }}
.confusion td small {{ display: block; color: var(--quiet); font-size: .72rem; }}
.confusion td.hit small {{ color: inherit; }}
.confusion thead th {{ font-size: .82rem; padding: 4px; }}
@media (max-width: 600px) {{
  th, td {{ padding: 3px 5px; font-size: .82rem; }}
  .confusion td {{ padding: 2px; min-width: 0; }}
  .confusion thead th {{ font-size: .68rem; padding: 2px; }}
}}
</style>
</head>
<body>
<h1>{title}</h1>
<p><strong>{accuracy}</strong> of {n} faces get the right label. For other faces like these it is
between {low} and {high} (95&nbsp;% interval).</p>
{warning}
<p class="note">A label is a guess at what people who see the face would say, not at what the person
feels. The scores hold for faces like these; with other cameras or other people they differ.</p>
<h2>Scores</h2>
<div class="wide">{scores}</div>
<h2>Each class</h2>
<div class="wide">{by_class}</div>
<p class="quiet">Precision: of the faces that get this label, the share for which it is right.
Recall: of the faces of this class, the share that gets its label. F1: both in one number.</p>
<h2>Which classes are mistaken for which</h2>
<div class="wide">{confusion}</div>
<p class="quiet">A row for each right label, a column for each predicted one: the number of faces,
and its share of the row. Faces on the diagonal get the right label.</p>
<p class="quiet">Made by fer_sklearn.</p>
</body>
</html>
"""


def report_page(report: EvaluationReport, title: str) -> str:
    """Return the page."""
    low, high = report.accuracy_interval
    warning = ""
    if report.n_leak_free is not None and report.n_leak_free < report.n_samples:
        n_copies = report.n_samples - report.n_leak_free
        warning = f"<p>{n_copies} of the faces have an exact copy in the training data.</p>"
    return _PAGE.format(
        title=escape(title),
        accuracy=_percent(report.accuracy),
        n=report.n_samples,
        low=_percent(low),
        high=_percent(high),
        warning=warning,
        scores=_scores(report.to_frame()),
        by_class=_by_class(report.by_class),
        confusion=_confusion(report.confusion),
    )


def _percent(share: float) -> str:
    return f"{100 * share:.1f}\N{NO-BREAK SPACE}%"


def _table(head: list[str], rows: list[str], kind: str = "") -> str:
    names = "".join(f'<th scope="col">{_name(name)}</th>' for name in head)
    return (
        f'<table class="{kind}"><thead><tr>{names}</tr></thead>'
        f"<tbody>{''.join(f'<tr>{row}</tr>' for row in rows)}</tbody></table>"
    )


def _heading(name: object) -> str:
    return f'<th scope="row">{_name(name)}</th>'


def _name(name: object) -> str:
    """Return a name of a class, which may be broken into lines if it has no blanks."""
    return escape(re.sub(r"\S{16}(?=\S)", "\\g<0>\0", str(name))).replace("\0", "<wbr>")


def _scores(frame: pd.DataFrame) -> str:
    rows = []
    for name, row in zip(frame.index, frame.to_numpy(), strict=True):
        form = ".0f" if name == "faces" else ".4f"
        shown = ("–" if math.isnan(cell) else f"{cell:{form}}" for cell in row)  # noqa: RUF001
        rows.append(_heading(name) + "".join(f"<td>{text}</td>" for text in shown))
    return _table(["", *map(str, frame.columns)], rows)


def _by_class(frame: pd.DataFrame) -> str:
    rows = []
    for name, row in frame.iterrows():
        shares = "".join(
            f'<td class="share" style="--part: {100 * row[score]:.0f}%">{row[score]:.3f}</td>'
            for score in ("precision", "recall", "f1")
        )
        rows.append(f"{_heading(name)}{shares}<td>{row['faces']:.0f}</td>")
    return _table(["", "precision", "recall", "F1", "faces"], rows)


def _confusion(counts: pd.DataFrame) -> str:
    rows = []
    for at, (name, row) in enumerate(zip(counts.index, counts.to_numpy(), strict=True)):
        n_faces = max(1, row.sum())
        cells = "".join(
            f'<td class="{"hit" if at == column else "miss"}" style="--part: '
            f'{75 * n / n_faces:.0f}%">{n}<small>{100 * n / n_faces:.0f} %</small></td>'
            for column, n in enumerate(row)
        )
        rows.append(_heading(name) + cells)
    return _table(["", *map(str, counts.columns)], rows, "confusion")
