"""The class that users call."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from datetime import date
from os import PathLike
from typing import Any

from ._answers import DatasetInfo, LocateAnswer, answer_from_json
from ._flows import Flows, flows_from_json
from ._native import Dataset
from ._tables import from_stream, known_table

Day = str | date
"""A date, or a string such as '2026-04-01'."""


class Catchment:
    """Look-ups in one dataset: the dataset inside the package or, with `folder`, your own.

    The dataset is read once, in about a second, and never changes. One object can be used by many
    threads.

    Raises CatchmentError if the folder is not a dataset.
    """

    def __init__(self, folder: str | PathLike[str] | None = None) -> None:
        self._dataset = Dataset(folder)

    def __repr__(self) -> str:
        return f"<Catchment: {self._dataset.name} {self._dataset.version}>"

    @property
    def dataset(self) -> DatasetInfo:
        """The name, the version and the attribution of the dataset."""
        dataset = self._dataset
        return DatasetInfo(dataset.name, dataset.version, dataset.attribution)

    @property
    def layers(self) -> dict[str, str]:
        """The ids of the layers, with their titles."""
        return dict(self._dataset.layers)

    def locate(
        self,
        postcode: str | None = None,
        *,
        practice: str | None = None,
        as_of: Day | None = None,
        lon: float | None = None,
        lat: float | None = None,
        easting: float | None = None,
        northing: float | None = None,
        layers: str | Iterable[str] | None = None,
        **statistical_area: str,
    ) -> LocateAnswer:
        """Looks up one place: a postcode, a coordinate, or the code of a statistical area.

        `practice` is the ODS code of the practice with which the person is registered. `as_of` is the
        date of the look-up; the default is today. `layers` are the layers to return; the default is all.
        A code of a statistical area is given with its layer: `locate(lsoa21="E01019311")`.

        Raises CatchmentError if the postcode, code or coordinate is malformed or unknown, with the reason in
        `code` and, for a misspelt postcode, a `suggestion`.
        """
        params: dict[str, Any] = {
            "postcode": postcode,
            "lon": lon,
            "lat": lat,
            "easting": easting,
            "northing": northing,
            "practice": practice,
            "as_of": as_of,
            "layers": layers if layers is None or isinstance(layers, str) else ",".join(layers),
        }
        # The ids of layers have hyphens, which names of parameters cannot have.
        known = self.layers
        for name, code in statistical_area.items():
            hyphenated = name.replace("_", "-")
            params[hyphenated if hyphenated in known else name] = code
        given = [(name, str(value)) for name, value in params.items() if value is not None]
        return answer_from_json(self._dataset.locate(given))

    def batch(
        self,
        table: Any,
        *,
        columns: str | Iterable[str] = (),
        as_of: Day | None = None,
        as_of_column: str | None = None,
        postcode_column: str | None = None,
        practice_column: str | None = None,
        lon_column: str | None = None,
        lat_column: str | None = None,
        easting_column: str | None = None,
        northing_column: str | None = None,
        area_column: str | None = None,
        area_layer: str | None = None,
        registration_only: bool = False,
        threads: int | None = None,
    ) -> Any:
        """Looks up every row of a table, and returns the same kind of table with the output columns of
        `catchment batch` added: a data frame of pandas or polars, a table or record batch of pyarrow. Any other
        object with `__arrow_c_stream__` is answered as a whole, and the result is an AnsweredTable.

        The columns of postcodes and practice codes are found by their names, unless you specify them.
        `columns` are output columns in addition to the default columns, such as "council,lsoa11,codes". `as_of` is the
        date of the look-ups; the default is today.

        Other Python threads can run at the same time. Raises CatchmentError if a column is missing, ambiguous or of
        the wrong type.
        """
        options = self._options(
            columns=columns if isinstance(columns, str) else ",".join(columns),
            as_of=as_of,
            as_of_column=as_of_column,
            postcode_column=postcode_column,
            practice_column=practice_column,
            lon_column=lon_column,
            lat_column=lat_column,
            easting_column=easting_column,
            northing_column=northing_column,
            area_column=area_column,
            area_layer=area_layer,
            registration_only=registration_only,
        )
        known = known_table(table)
        if known is None:
            return from_stream(table, self._dataset.batch(table, options, threads))
        found = dict(self._dataset.find_columns(known.column_names, options))
        rows = known.select(list(found.values()))
        answered = self._dataset.batch(rows, {**options, **found}, threads)
        return known.with_columns(answered, answered.column_names[len(found) :])

    def flows(
        self,
        table: Any,
        *,
        layer: str | None = None,
        registered: str | None = None,
        resident: str | None = None,
        suppress: str = "below:8",
        as_of: Day | None = None,
        as_of_column: str | None = None,
        postcode_column: str | None = None,
        practice_column: str | None = None,
        lon_column: str | None = None,
        lat_column: str | None = None,
        easting_column: str | None = None,
        northing_column: str | None = None,
        area_column: str | None = None,
        area_layer: str | None = None,
        threads: int | None = None,
    ) -> Flows:
        """Counts the rows of a table by where patients are registered and where they live.

        `layer` is the layer for both registration and residence; the default is the main layer of communities.
        `registered` and `resident` set the two layers separately. `suppress` is the rule of small number
        suppression; "none" gives exact counts, which must not be published.

        Raises CatchmentError if a column is missing, or patients cannot be counted on a layer.
        """
        if layer is not None and (registered is not None or resident is not None):
            raise TypeError("give either `layer`, or `registered` and `resident`")
        options = self._options(
            columns="",
            as_of=as_of,
            as_of_column=as_of_column,
            postcode_column=postcode_column,
            practice_column=practice_column,
            lon_column=lon_column,
            lat_column=lat_column,
            easting_column=easting_column,
            northing_column=northing_column,
            area_column=area_column,
            area_layer=area_layer,
            registration_only=False,
        )
        layers = (layer or registered, layer or resident)
        known = known_table(table)
        rows = table
        if known is not None:
            found = dict(self._dataset.find_columns(known.column_names, options))
            rows, options = known.select(list(found.values())), {**options, **found}
        return flows_from_json(self._dataset.flows(rows, options, layers, suppress, threads))

    def areas(self, layer: str, *, as_of: Day | None = None) -> Any:
        """Returns the areas of a layer that have a boundary on a date: a GeoDataFrame in British National
        Grid (EPSG:27700) if geopandas is installed, and otherwise a pyarrow table with the boundaries as
        WKB (GeoParquet). Needs pyarrow; `areas_geojson` does not.

        Raises CatchmentError if there is no such layer, or it has no boundaries.
        """
        import pyarrow
        import pyarrow.parquet

        file = self._dataset.areas(layer, _text(as_of), False)
        try:
            import geopandas
        except ImportError:
            return pyarrow.parquet.read_table(pyarrow.BufferReader(file))
        return geopandas.read_parquet(io.BytesIO(file))

    def areas_geojson(self, layer: str, *, as_of: Day | None = None) -> dict[str, Any]:
        """Returns the areas of a layer that have a boundary on a date as GeoJSON: longitude and latitude.

        Raises CatchmentError if there is no such layer, or it has no boundaries.
        """
        collection: dict[str, Any] = json.loads(self._dataset.areas(layer, _text(as_of), True))
        return collection

    @staticmethod
    def _options(**options: Any) -> dict[str, Any]:
        return {**options, "as_of": _text(options["as_of"])}


def _text(day: Day | None) -> str | None:
    return None if day is None else str(day)
