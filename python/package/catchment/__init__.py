"""Look-ups of NHS areas: the Integrated Care Community, GP practices, councils, LSOAs and other areas of
postcodes and practices, by residence and by registration.

>>> from catchment import Catchment
>>> catchment = Catchment()
>>> answer = catchment.locate("LA18 4DB", practice="P81064", as_of="2025-12-01")
>>> answer.residence["icc"].names
('Barrow and Millom ICC',)
>>> answer.registration.areas["icc"].names
('Lancaster ICC',)

Registration is not residence: where a person is registered and where a person lives are separate answers.
Nothing is sent anywhere: the data are inside the package, or in a folder that you specify.
"""

from ._answers import (
    AlternativeArea,
    Area,
    DatasetInfo,
    Group,
    LayerResult,
    LocateAnswer,
    Location,
    NearbyArea,
    Practice,
    Premises,
    RegisteredPractice,
    Registration,
    Succession,
)
from ._catchment import Catchment
from ._flows import AreaFlows, Flow, FlowPlace, Flows
from ._native import AnsweredTable, CatchmentError

__all__ = [
    "AlternativeArea",
    "AnsweredTable",
    "Area",
    "AreaFlows",
    "Catchment",
    "CatchmentError",
    "DatasetInfo",
    "Flow",
    "FlowPlace",
    "Flows",
    "Group",
    "LayerResult",
    "LocateAnswer",
    "Location",
    "NearbyArea",
    "Practice",
    "Premises",
    "RegisteredPractice",
    "Registration",
    "Succession",
]
