"""The answer of a look-up as objects. Their fields are those of `GET /api/v1/locate`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Union, overload


@dataclass(frozen=True)
class AlternativeArea:
    """An area beyond a nearby boundary. Land in no area of the layer has no id and no name."""

    id: str | None
    name: str | None
    distance_m: float | None = None
    share: float | None = None


@dataclass(frozen=True)
class Area:
    """An area in which a person lives or is registered."""

    id: str
    name: str
    provenance: str
    basis: str
    codes: Mapping[str, str] = field(default_factory=dict)
    system: str | None = None
    certainty: str | None = None
    share: float | None = None
    boundary_distance_m: float | None = None
    alternatives: tuple[AlternativeArea, ...] = ()
    disputed: bool | None = None
    disputed_with: tuple[AlternativeArea, ...] = ()
    model_share: float | None = None


@dataclass(frozen=True)
class Premises:
    """An address from which a practice works."""

    name: str | None
    postcode: str | None
    kind: str
    as_of: str | None


@dataclass(frozen=True)
class Practice:
    """A GP practice whose area covers the location."""

    id: str
    name: str
    provenance: str
    basis: str
    telephone: str | None = None
    area: str | None = None
    share: float | None = None
    distance_m: float | None = None
    premises: Premises | None = None


@dataclass(frozen=True)
class Group:
    """A group, such as a resilience group, to which an area of the answer belongs (`via`)."""

    id: str
    name: str
    via: str
    provenance: str
    basis: str
    kind: str | None = None


Place = Union[Area, Practice, Group]


@dataclass(frozen=True)
class LayerResult(Sequence[Place]):
    """The areas of a layer. Empty if there is no such area. If it is not known whether there is one, `unknown` is
    the reason; otherwise `unknown` is None."""

    places: tuple[Place, ...] = ()
    unknown: str | None = None

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the areas."""
        return tuple(place.id for place in self.places)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the areas."""
        return tuple(place.name for place in self.places)

    @overload
    def __getitem__(self, index: int) -> Place: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Place, ...]: ...
    def __getitem__(self, index: int | slice) -> Place | tuple[Place, ...]:
        return self.places[index]

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[Place]:
        return iter(self.places)


@dataclass(frozen=True)
class Location:
    """The resolved location."""

    source: str
    postcode: str | None
    longitude: float | None
    latitude: float | None
    easting: float | None
    northing: float | None
    postcode_status: str | None
    introduced: str | None
    terminated: str | None
    positional_quality: Mapping[str, Any] | None = None
    ended_between: Mapping[str, str] | None = None
    statistical_area: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Succession:
    """A practice that took over the patients of the practice before it."""

    id: str
    from_date: date
    basis: tuple[str, ...]


@dataclass(frozen=True)
class RegisteredPractice:
    """The practice that is responsible for the patient now. `asked` is the practice in the request, which may be a
    branch or a practice that has closed."""

    id: str
    name: str
    status: str
    asked: Mapping[str, Any]
    successors: tuple[Succession, ...] = ()
    sub_icb: str | None = None
    icb: str | None = None
    closes_on: date | None = None
    note: str | None = None


@dataclass(frozen=True)
class Registration:
    """The practice of registration, and its areas by layer. `reason` states why there is no practice."""

    practice: RegisteredPractice | None
    areas: Mapping[str, LayerResult]
    reason: str | None


@dataclass(frozen=True)
class NearbyArea:
    """The nearest area of a layer that has no area at the location."""

    id: str
    name: str
    distance_m: float


@dataclass(frozen=True)
class DatasetInfo:
    """The dataset of an answer. `attribution` must be stated where the answer is published."""

    name: str
    version: str
    attribution: str


@dataclass(frozen=True)
class LocateAnswer:
    """The answer of a look-up. `residence` has the areas in which the person lives, by layer, and `registration`
    has the areas of the practice, or is None if no practice was given."""

    status: str
    location: Location | None
    residence: Mapping[str, LayerResult]
    registration: Registration | None
    agreement: str
    notes: tuple[str, ...]
    as_of: date
    data: Mapping[str, str]
    dataset: DatasetInfo
    attributes: Mapping[str, str | None] = field(default_factory=dict)
    nearest: Mapping[str, NearbyArea] = field(default_factory=dict)
    _json: str = field(default="", repr=False, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Returns the answer as the JSON of `GET /api/v1/locate`."""
        answer: dict[str, Any] = json.loads(self._json)
        return answer


def answer_from_json(text: str) -> LocateAnswer:
    """Reads the JSON of `GET /api/v1/locate`."""
    body = json.loads(text)
    location, registration = body["location"], body["registration"]
    nearest = body.get("nearest", {})
    return LocateAnswer(
        status=body["status"],
        location=None if location is None else Location(**location),
        residence=_layers(body["residence"]),
        registration=None if registration is None else _registration(registration),
        agreement=body["agreement"],
        notes=tuple(body["notes"]),
        as_of=date.fromisoformat(body["as_of"]),
        data=body["data"],
        dataset=DatasetInfo(**body["dataset"]),
        attributes=body.get("attributes", {}),
        nearest={layer: NearbyArea(**found) for layer, found in nearest.items()},
        _json=text,
    )


def _layers(body: Mapping[str, Any]) -> dict[str, LayerResult]:
    return {layer: _layer(result) for layer, result in body.items()}


def _layer(result: Any) -> LayerResult:
    if isinstance(result, dict):
        return LayerResult(unknown=result["unknown"])
    return LayerResult(tuple(_place(place) for place in result))


def _place(body: Mapping[str, Any]) -> Place:
    if "via" in body:
        return Group(**body)
    if "premises" in body:
        premises = body["premises"]
        return Practice(**{**body, "premises": None if premises is None else Premises(**premises)})
    others = {
        name: tuple(AlternativeArea(**other) for other in body[name])
        for name in ("alternatives", "disputed_with")
        if name in body
    }
    return Area(**{**body, **others})


def _registration(body: Mapping[str, Any]) -> Registration:
    areas = {layer: result for layer, result in body.items() if layer not in ("practice", "reason")}
    practice = body["practice"]
    return Registration(
        practice=None if practice is None else _practice(practice),
        areas=_layers(areas),
        reason=body["reason"],
    )


def _practice(body: Mapping[str, Any]) -> RegisteredPractice:
    successors = tuple(
        Succession(step["id"], date.fromisoformat(step["from"]), tuple(step["basis"]))
        for step in body["successors"]
    )
    closes_on = body.get("closes_on")
    closes_on = None if closes_on is None else date.fromisoformat(closes_on)
    return RegisteredPractice(**{**body, "successors": successors, "closes_on": closes_on})
