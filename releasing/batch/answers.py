"""The file of a batch's predictions. It grows beside its place, and takes its place once it is whole."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cyclone.errors import ConfigurationError, DataError
from cyclone.spec import ModelSpec

PART = ".part"
"""The ending of a file that is not whole yet."""
FIRST_COLUMNS = ("row", "id", "version", "prediction")
"""`row` is the line of the file that was scored, or its row in a Parquet file."""


class AnswersFile:
    """A CSV file with a line for each scored row, in the order of the rows.

    `done` has the numbers and ids of the rows that an interrupted command wrote.
    Errors: `ConfigurationError` when the file exists or its folder does not. `DataError` when the part that an earlier
    command left has other columns.
    """

    def __init__(self, spec: ModelSpec, path: Path) -> None:
        if path.exists():
            raise ConfigurationError(f"{path} exists, and nothing is overwritten. Name another file, or remove it")
        if not path.absolute().parent.is_dir():
            raise ConfigurationError(f"{path}: the folder {path.absolute().parent} does not exist. Make it first")
        self.path, self.part = path, path.with_name(path.name + PART)
        self._classes = [str(value) for value in spec.label.values or []] if spec.task == "multiclass" else []
        self._header = [*FIRST_COLUMNS, *(f"probability_{name}" for name in self._classes)]
        self.done = self._read_part()

    def write(self, lines: Sequence[tuple[int, str, int, Any]]) -> None:
        """Add lines of row, id, version and prediction. They are on the disk when this returns."""
        with self.part.open("a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            if file.tell() == 0:
                writer.writerow(self._header)
            for row, name, version, prediction in lines:
                writer.writerow([row, name, version, *self._spell(prediction)])
            file.flush()
            os.fsync(file.fileno())

    def finish(self) -> None:
        """Give the file its name."""
        self.write([])
        os.rename(self.part, self.path)

    def _spell(self, prediction: Any) -> list[Any]:
        """The cells of a prediction: a number, or the likeliest class with the probability of each."""
        if not self._classes:
            return [prediction]
        likeliest = max(prediction, key=lambda name: prediction[name])
        return [likeliest, *(prediction.get(name, "") for name in self._classes)]

    def _read_part(self) -> dict[int, str]:
        """What an interrupted command wrote. A line that it did not end is cut off."""
        if not self.part.exists():
            return {}
        content = self.part.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            os.truncate(self.part, len(whole))
        header, *lines = list(csv.reader(whole.decode("utf-8").splitlines())) or [self._header]
        if header != self._header:
            raise DataError(f"{self.part}: its columns are {', '.join(header)}. Remove it, or name another file")
        return {int(line[0]): line[1] for line in lines}
