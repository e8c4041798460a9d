"""The columns of a table by their names, alike for every reader: case and spaces around do not matter.

A query that joins tables gives several columns one name, the question's ``Id`` and the user's: the first is read.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final

_NAME: Final = re.compile(r"(?:[^\W\d][\w ]{0,39})?")


class Columns:
    """Those columns of a table that are read.

    Attributes:
        places: the place of each in the table, from 0, by its name in lower case.
        repeated: names that several columns have.
    """

    places: dict[str, int]
    repeated: list[str]

    def __init__(self, header: Iterable[str], wanted: Collection[str]) -> None:
        """Look for the wanted columns, whose names are in lower case and have _ for spaces."""
        self.places = {}
        repeated: dict[str, None] = {}
        for place, title in enumerate(header):
            name = "_".join(title.strip("\ufeff\"' \t\r\n").lower().split())
            if name in self.places:
                repeated[name] = None
            elif name in wanted:
                self.places[name] = place
        self.repeated = list(repeated)

    @staticmethod
    def listed(header: Iterable[str]) -> str:
        """Return the names of a table's columns for a message, unless they look like the values of a row."""
        names = [title.strip() for title in header]
        return ", ".join(names)[:200] if all(map(_NAME.fullmatch, names)) else "no names of columns"

    def missing(self, *names: str) -> list[str]:
        """Return those of the names that no column has."""
        return [name for name in names if name not in self.places]

    def lacks(self, values: Sequence[Any], *names: str) -> bool:
        """Return whether a row is too short for one of the columns."""
        return any(self.places[name] >= len(values) for name in names)

    def row(self, values: Sequence[Any]) -> dict[str, Any]:
        """Return the values of a row by the names of their columns; spreadsheets leave out empty ones at its end."""
        return {name: values[place] for name, place in self.places.items() if place < len(values)}

    def notices(self, name: str) -> tuple[str, ...]:
        """Return what there is to say about the columns of a source of that name."""
        return tuple(f"{name} has several columns {column}: the first is read." for column in self.repeated)
