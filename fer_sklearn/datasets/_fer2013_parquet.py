"""FER-2013 as a parquet file, which pandas reads with pyarrow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ._columns import EXPECTED, N_PIXELS, WAY_OUT, check_split, find_columns
from ._emotions import EmotionCodes
from ._paths import check_file
from ._pixel_text import parse_pixels
from ._splits import SPLIT_ORDER, split_in_column


def read_parquet(
    path: Path, wanted: set[str], emotions: EmotionCodes, usage: str = ""
) -> tuple[np.ndarray, list[int] | None, np.ndarray]:
    """Do what `read_csv` does, for a parquet file.

    Raises
    ------
    ImportError
        Without pyarrow.
    ValueError
        If the file is damaged or is not FER-2013.
    """
    check_file(path)
    frame = _read_frame(path)
    columns = find_columns([str(name) for name in frame.columns])
    if columns is None:
        raise ValueError(
            f"{path} is not FER-2013: {EXPECTED}. Got {list(map(str, frame.columns[:5]))}. "
            f"{WAY_OUT}"
        )
    if columns.usage is None:
        check_split(path, usage, wanted)
        usages = np.full(len(frame), usage, dtype=object)
    else:
        usages = _read_usages(path, frame.iloc[:, columns.usage])
    chosen = np.isin(usages, list(wanted))
    frame = frame[chosen]
    pixels = _read_pixels(path, frame.iloc[:, columns.pixels])
    codes = None
    if columns.emotion is not None:
        codes = [_find(path, emotions, value) for value in frame.iloc[:, columns.emotion].tolist()]
    return pixels, codes, usages[chosen].astype(str)


def _read_frame(path: Path) -> pd.DataFrame:
    try:
        frame = pd.read_parquet(path)
    except ImportError as error:
        raise ImportError(
            f'To read {path} pandas needs pyarrow: pip install "fer-sklearn[parquet]".'
        ) from error
    except Exception as error:  # pyarrow raises its own kinds of errors
        raise ValueError(f"{path} is damaged or cut off: {error}. Get the file again.") from error
    named = any(name is not None for name in frame.index.names)  # columns that pandas set apart
    return frame.reset_index() if named else frame


def _read_usages(path: Path, column: pd.Series) -> np.ndarray:
    named = column.astype(str)
    splits = {name: split_in_column(name) for name in named.unique()}
    unknown = [name for name, split in splits.items() if split is None]
    if unknown:
        raise ValueError(
            f"{path}, column Usage: {unknown[:5]} are not among {', '.join(SPLIT_ORDER)}."
        )
    return named.map(splits).to_numpy(dtype=object)


def _read_pixels(path: Path, table: pd.DataFrame) -> np.ndarray:
    rows = table.iloc[:, 0] if table.shape[1] == 1 else table.to_numpy()
    try:
        faces = parse_pixels(rows)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if len(faces) and faces[0].size != N_PIXELS:
        raise ValueError(f"{path} has {faces[0].size} pixels a face instead of {N_PIXELS}.")
    return faces.reshape(-1, N_PIXELS)


def _find(path: Path, emotions: EmotionCodes, value: Any) -> int:
    code = emotions.find(str(value))
    if code is None:
        raise ValueError(
            f"{path}, column emotion: unknown emotion code {value!r}; known are {emotions}. If it "
            "is an emotion of yours, say which: emotions=[*FER2013_NAMES, 'contempt']."
        )
    return code
