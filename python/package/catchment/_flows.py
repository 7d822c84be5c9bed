"""Flows between registered and resident patients as objects. Their fields are those of
`catchment flows --json`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any


@dataclass(frozen=True)
class FlowPlace:
    """An area, or a place that is not an area: `elsewhere`, `not_known` or `several_areas`. A hidden total
    is None."""

    id: str
    name: str
    kind: str
    total: int | None


@dataclass(frozen=True)
class Flow:
    """The number of patients who are registered in one place and live in another. A hidden number is
    None."""

    registered: str
    resident: str
    patients: int | None


@dataclass(frozen=True)
class AreaFlows:
    """The patients of an area. A hidden number is None."""

    id: str
    name: str
    registered: int | None
    resident: int | None
    both: int | None
    ratio: float | None


@dataclass(frozen=True)
class Flows:
    """Patients by where they are registered and where they live.

    `registered` and `resident` are the places with at least one patient. `pairs` has the pairs of places
    whose number is hidden or above 0. `areas` is None if the two layers are different.
    """

    registered_layer: str
    resident_layer: str
    suppression: str
    total: int | None
    registered: tuple[FlowPlace, ...]
    resident: tuple[FlowPlace, ...]
    pairs: tuple[Flow, ...]
    areas: tuple[AreaFlows, ...] | None
    bad_rows: int | None
    as_of: date
    _json: str = field(default="", repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Returns the flows as the JSON of `catchment flows --json`."""
        body: dict[str, Any] = json.loads(self._json)
        return body

    def to_pandas(self) -> Any:
        """Returns the long table as a pandas data frame: `registered`, `registered_name`, `resident`,
        `resident_name` and `patients`. A hidden number is <NA>. A pair that is not listed has no
        patients."""
        import pandas

        registered = {place.id: place.name for place in self.registered}
        resident = {place.id: place.name for place in self.resident}
        rows = [
            (
                flow.registered,
                registered[flow.registered],
                flow.resident,
                resident[flow.resident],
                flow.patients,
            )
            for flow in self.pairs
        ]
        columns = ["registered", "registered_name", "resident", "resident_name", "patients"]
        return pandas.DataFrame(rows, columns=columns).astype({"patients": "Int64"})

    def matrix(self) -> Any:
        """Returns the matrix as a pandas data frame: a row for each place of registration, and a column
        for each place of residence. A hidden number is <NA>."""
        import pandas

        counts = {(flow.registered, flow.resident): flow.patients for flow in self.pairs}
        columns = [place.id for place in self.resident]
        rows = [
            [counts.get((place.id, column), 0) for column in columns] for place in self.registered
        ]
        index = pandas.Index([place.id for place in self.registered], name="registered")
        names = pandas.Index(columns, name="resident")
        return pandas.DataFrame(rows, index=index, columns=names).astype("Int64")


def flows_from_json(text: str) -> Flows:
    """Reads the JSON of `catchment flows --json`."""
    body: Mapping[str, Any] = json.loads(text)
    areas = body["areas"]
    return Flows(
        registered_layer=body["registered_layer"],
        resident_layer=body["resident_layer"],
        suppression=body["suppression"],
        total=body["total"],
        registered=tuple(FlowPlace(**place) for place in body["registered"]),
        resident=tuple(FlowPlace(**place) for place in body["resident"]),
        pairs=tuple(Flow(**flow) for flow in body["flows"]),
        areas=None if areas is None else tuple(AreaFlows(**area) for area in areas),
        bad_rows=body["bad_rows"],
        as_of=date.fromisoformat(body["as_of"]),
        _json=text,
    )
