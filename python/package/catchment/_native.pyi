from os import PathLike
from typing import Any

class CatchmentError(ValueError):
    """A look-up has no answer, or the input cannot be used."""

    code: str | None
    suggestion: str | None

class AnsweredTable:
    """The answers of a batch, for any library that reads the Arrow C stream interface."""

    column_names: list[str]
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> Any: ...
    def __arrow_c_schema__(self) -> Any: ...
    def __len__(self) -> int: ...

class Dataset:
    """A dataset in memory."""

    name: str
    version: str
    attribution: str
    layers: list[tuple[str, str]]
    def __init__(self, folder: str | PathLike[str] | None = None) -> None: ...
    def locate(self, params: list[tuple[str, str]]) -> str: ...
    def find_columns(self, names: list[str], options: dict[str, Any]) -> list[tuple[str, str]]: ...
    def batch(self, rows: Any, options: dict[str, Any], threads: int | None) -> AnsweredTable: ...
    def flows(
        self,
        rows: Any,
        options: dict[str, Any],
        layers: tuple[str | None, str | None],
        suppress: str,
        threads: int | None,
    ) -> str: ...
    def areas(self, layer: str, as_of: str | None, as_geojson: bool) -> bytes: ...
