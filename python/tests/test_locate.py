"""Single look-ups. The expected areas are those of the published pages, as in the tests of the program."""

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pyarrow
import pytest

from catchment import Area, Catchment, CatchmentError, Group, Practice

DAY = "2025-12-01"


def test_residence_and_registration_are_separate(catchment):
    answer = catchment.locate("LA18 4DB", practice="P81064", as_of=DAY)
    assert answer.status == "located"
    assert answer.residence["icc"].names == ("Barrow and Millom ICC",)
    assert answer.registration.areas["icc"].ids == ("mb-lancaster",)
    assert answer.agreement == "differ"
    assert answer.as_of == date(2025, 12, 1)
    # P81064 closed; its patients are with the Lancaster practice.
    practice = answer.registration.practice
    assert (practice.id, practice.asked["id"], practice.asked["status"]) == ("P81002", "P81064", "closed")
    assert practice.successors[0].from_date == date(2018, 7, 1)
    assert answer.location.postcode == "LA18 4DB"
    assert abs(answer.location.longitude - -3.269471) < 1e-6


def test_results_have_types(catchment):
    answer = catchment.locate("LA18 4DB", practice="P81064", as_of=date(2025, 12, 1))
    (community,) = answer.residence["icc"]
    assert isinstance(community, Area) and community.certainty == "inside" and community.alternatives == ()
    (practice,) = answer.residence["gp-practice"]
    assert isinstance(practice, Practice) and practice.premises.postcode == "LA18 4BY"
    groups = answer.residence["resilience-group"]
    assert len(groups) == 3 and all(isinstance(group, Group) for group in groups)
    unknown = answer.registration.areas["resilience-group"]
    assert not unknown and unknown.unknown == "none named by the source"
    assert catchment.locate(practice="P81064").residence["icc"].places == ()


def test_places_near_a_boundary_have_alternatives(catchment):
    grid = [(easting, northing) for easting in range(330_000, 370_000, 500) for northing in range(470_000, 500_000, 500)]
    points = pyarrow.table({"easting": [point[0] for point in grid], "northing": [point[1] for point in grid]})
    answered = catchment.batch(points, as_of=DAY, columns="alternatives").to_pylist()
    near = [row for row in answered if row["catchment_certainty"] == "near_boundary" and row["catchment_alternatives"]]
    assert near
    for row in near[:5]:
        answer = catchment.locate(easting=row["easting"], northing=row["northing"], as_of=DAY)
        (found,) = answer.residence["icc"]
        assert found.certainty == "near_boundary"
        assert {other.id for other in found.alternatives} >= set(row["catchment_alternatives"].split(";"))
        assert all(other.distance_m < 1_000 for other in found.alternatives)


def test_coordinates_and_statistical_areas(catchment):
    by_lonlat = catchment.locate(lon=-3.269471, lat=54.209742, as_of=DAY)
    assert by_lonlat.residence["icc"].ids == ("mb-barrow-and-millom",)
    by_area = catchment.locate(lsoa21="E01019311", as_of=DAY)
    assert by_area.residence["icc"].ids == ("nc-eden",)
    assert by_area.location.statistical_area["id"] == "E01019311"
    some = catchment.locate("LA18 4DB", layers=["icc", "council"], as_of=DAY)
    assert list(some.residence) == ["icc", "council"]


def test_problems_are_exceptions_with_a_code(catchment):
    with pytest.raises(CatchmentError, match="expected an outward code") as error:
        catchment.locate("LA1O 5DL")
    assert (error.value.code, error.value.suggestion) == ("malformed", "LA10 5DL")
    assert isinstance(error.value, ValueError)
    # The text never repeats the input.
    assert "LA1O" not in str(error.value)
    for given, code in [
        ({}, "missing_location"),
        ({"postcode": "LA18 4DB", "as_of": "2025-02-30"}, "invalid_date"),
        ({"postcode": "LA18 4DB", "layers": "no-such-layer"}, "unknown_layer"),
        ({"lon": -3.2}, "incomplete_coordinates"),
        ({"postcode": "LA1 0AA"}, "unknown_postcode"),
        ({"town": "Millom"}, "unknown_parameter"),
    ]:
        with pytest.raises(CatchmentError) as error:
            catchment.locate(**given)
        assert error.value.code == code, given


def test_dataset_and_layers(catchment):
    assert catchment.dataset.name == "lancashire-and-cumbria"
    assert "Crown copyright" in catchment.dataset.attribution
    assert catchment.layers["icc"] == "Integrated Care Communities"
    assert repr(catchment).startswith("<Catchment: lancashire-and-cumbria 20")


def test_folders_that_are_no_dataset_are_refused(tmp_path):
    with pytest.raises(CatchmentError, match="loading .*`dataset.toml` cannot be read"):
        Catchment(tmp_path)


def test_threads_share_a_dataset(catchment):
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: catchment.locate("LA18 4DB", as_of=DAY), range(200)))
    assert len({answer.residence["icc"].ids for answer in answers}) == 1


@pytest.mark.skipif("CATCHMENT_PROGRAM" not in os.environ, reason="CATCHMENT_PROGRAM names the program")
def test_dictionaries_are_the_json_of_the_program(catchment):
    places = ["LA18 4DB,P81064", "BB1 1AA,A82033", "ZZ99 3VZ,P81064", "SW1A 1AA", "E01019311", "LA1 1PN,Y00000"]
    program = [os.environ["CATCHMENT_PROGRAM"], "locate", "--json", "-", "--as-of", DAY]
    lines = subprocess.run(program, input="\n".join(places), capture_output=True, text=True).stdout.splitlines()
    for place, line in zip(places, lines, strict=True):
        postcode, _, practice = place.partition(",")
        given = {"statistical_area": postcode} if postcode.startswith("E0") else {"postcode": postcode}
        answer = catchment.locate(**given, practice=practice or None, as_of=DAY)
        assert answer.to_dict() == json.loads(line), place
