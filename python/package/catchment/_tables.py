"""Tables of other libraries: which columns are read, and how the output columns are added. The user's own columns
are reused unchanged."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from ._native import AnsweredTable


class Table(ABC):
    """A table that provides the columns that a look-up reads, as an Arrow stream."""

    def __init__(self, table: Any) -> None:
        self.table = table

    @property
    @abstractmethod
    def column_names(self) -> list[str]:
        """The names of all columns."""

    @abstractmethod
    def select(self, names: Sequence[str]) -> Any:
        """Returns these columns as an object with `__arrow_c_stream__`."""

    @abstractmethod
    def with_columns(self, answered: AnsweredTable, names: Sequence[str]) -> Any:
        """Returns a table of the same kind, with these columns of the answers added."""


class PandasTable(Table):
    """A data frame of pandas."""

    @property
    def column_names(self) -> list[str]:
        names = list(self.table.columns)
        if not all(isinstance(name, str) for name in names):
            raise TypeError("the names of the columns must be texts: rename those that are not")
        return names

    def select(self, names: Sequence[str]) -> Any:
        import pyarrow

        table = pyarrow.Table.from_pandas(self.table[list(names)], preserve_index=False)
        for position, column in enumerate(table.schema):
            # pandas has no type for dates without a time.
            if pyarrow.types.is_timestamp(column.type):
                days = table.column(position).cast(pyarrow.date32(), safe=False)
                table = table.set_column(position, column.name, days)
        return table

    def with_columns(self, answered: AnsweredTable, names: Sequence[str]) -> Any:
        import pandas
        import pyarrow

        added = pyarrow.table(answered).select(list(names)).to_pandas()
        added.index = self.table.index
        return pandas.concat([self.table, added], axis=1)


class PolarsTable(Table):
    """A data frame of polars."""

    @property
    def column_names(self) -> list[str]:
        return list(self.table.columns)

    def select(self, names: Sequence[str]) -> Any:
        return self.table.select(list(names))

    def with_columns(self, answered: AnsweredTable, names: Sequence[str]) -> Any:
        import polars

        return self.table.hstack(polars.DataFrame(answered).select(list(names)))


class ArrowTable(Table):
    """A table of pyarrow."""

    @property
    def column_names(self) -> list[str]:
        return list(self.table.column_names)

    def select(self, names: Sequence[str]) -> Any:
        return self.table.select(list(names))

    def with_columns(self, answered: AnsweredTable, names: Sequence[str]) -> Any:
        import pyarrow

        table, added = self.table, pyarrow.table(answered)
        for name in names:
            table = table.append_column(added.schema.field(name), added.column(name))
        return table


class ArrowBatch(ArrowTable):
    """A record batch of pyarrow."""

    def __init__(self, table: Any) -> None:
        import pyarrow

        super().__init__(pyarrow.Table.from_batches([table]))

    def with_columns(self, answered: AnsweredTable, names: Sequence[str]) -> Any:
        table = super().with_columns(answered, names).combine_chunks()
        return (table.to_batches() or [self._empty(table)])[0]

    @staticmethod
    def _empty(table: Any) -> Any:
        import pyarrow

        return pyarrow.RecordBatch.from_pylist([], schema=table.schema)


def known_table(table: Any) -> Table | None:
    """Returns the table if its library is known. None means an Arrow stream of another library.

    Raises TypeError if it is not a table.
    """
    if _is_instance(table, "pandas", "DataFrame"):
        return PandasTable(table)
    if _is_instance(table, "polars", "DataFrame"):
        return PolarsTable(table)
    if _is_instance(table, "pyarrow", "Table"):
        return ArrowTable(table)
    if _is_instance(table, "pyarrow", "RecordBatch"):
        return ArrowBatch(table)
    if _is_instance(table, "polars", "LazyFrame"):
        raise TypeError("a lazy frame has no rows yet: call collect() first")
    if hasattr(table, "__arrow_c_stream__"):
        return None
    raise TypeError(
        "expected a data frame of pandas or polars, a table of pyarrow, or another object with "
        f"__arrow_c_stream__, not {type(table).__name__}"
    )


def from_stream(table: Any, answered: AnsweredTable) -> Any:
    """Returns the answers to an Arrow stream: a reader of record batches if the stream is from pyarrow, and
    otherwise an object that any Arrow library can read."""
    if _is_instance(table, "pyarrow", "RecordBatchReader"):
        import pyarrow

        return pyarrow.RecordBatchReader.from_stream(answered)
    return answered


def _is_instance(value: Any, library: str, name: str) -> bool:
    """Returns whether a value is an instance of a class of a library, without importing the library."""
    module = sys.modules.get(library)
    return module is not None and isinstance(value, getattr(module, name, ()))
