"""What is known of the photos that are done, in a file from which a stopped run continues."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .._files import replace_file
from ._reading import Source

_FORMAT = 1


class Journal:
    """Lines of JSON beside a table that is not finished: settings, then a photo a line.

    Parameters
    ----------
    table : Path
        The file that the run is to write. The journal has ``.part`` behind its name.
    settings : dict
        What the rows depend on.

    Raises
    ------
    ValueError
        If the journal was written with other settings, or is not a journal.
    """

    def __init__(self, table: Path, settings: dict) -> None:
        self.path = table.with_name(table.name + ".part")
        self._settings = json.loads(json.dumps({"format": _FORMAT, **settings}))
        self._known = self._read() if self.path.exists() or self.path.is_symlink() else {}

    def _read(self) -> dict[str, list]:
        again = "Delete it to look at all photos again, or choose another out."
        if self.path.is_symlink() or not self.path.is_file():
            raise ValueError(f"{self.path} is a link, or no file. Move it away.")
        text = self.path.read_text("utf-8", "replace")
        whole = text[: text.rfind("\n") + 1].splitlines()  # a kill may have cut the last line off
        try:
            settings, *photos = [json.loads(line) for line in whole]
            known = {name: [stamp, rows] for name, stamp, rows in photos}
        except (ValueError, TypeError) as error:
            raise ValueError(f"{self.path} is damaged, or no file of ours. {again}") from error
        if settings != self._settings:
            raise ValueError(
                f"{self.path} is of a run with another classifier, another finder or another "
                f"version. {again}"
            )
        return known

    def done(self, sources: list[Source]) -> dict[str, list[dict]]:
        """Return the rows of the photos that are done and have not changed since.

        Afterwards the journal holds these alone.
        """
        kept = {
            source.name: self._known[source.name]
            for source in sources
            if source.name in self._known and self._known[source.name][0] == _stamp(source)
        }
        lines = [self._settings, *([name, *rest] for name, rest in kept.items())]
        replace_file(self.path, "".join(map(_line, lines)).encode())
        return {name: rows for name, (_, rows) in kept.items()}

    def stamps(self, sources: list[Source]) -> list[list[int]]:
        """Return what tells another file of the same name: take it before the file is read."""
        return [_stamp(source) for source in sources]

    def add(self, names: list[str], stamps: list, photos: list[list[dict]]) -> None:
        """Keep the rows of some more photos."""
        lines = map(_line, zip(names, stamps, photos, strict=True))
        with self.path.open("a", encoding="utf-8") as file:
            file.write("".join(lines))

    def remove(self) -> None:
        """Delete the file: the table is written."""
        self.path.unlink(missing_ok=True)


def _line(value: Any) -> str:
    return json.dumps(value) + "\n"


def _stamp(source: Source) -> list[int]:
    if isinstance(source.content, Exception):
        return []
    try:
        status = source.content.stat()
    except OSError:  # gone since the folder was listed: reading says so
        return []
    return [status.st_size, status.st_mtime_ns]
