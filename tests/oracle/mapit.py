"""Compares relations between areas, and their measures, with GEOS.

Usage: mapit.py ORIGIN
"""

import json
import sys
import urllib.error
import urllib.parse
import urllib.request

import numpy
import shapely

origin = sys.argv[1]
LAYERS = ["icc", "sub-community", "neighbourhood-team", "council", "icb", "place", "sub-icb"]
PREDICATES = {
    "covers": shapely.covers,
    "covered": shapely.covered_by,
    "overlaps": shapely.overlaps,
    "touches": shapely.touches,
    "intersects": shapely.intersects,
    "coverlaps": lambda a, b: shapely.covers(a, b) | shapely.overlaps(a, b),
}


def fetch(path):
    with urllib.request.urlopen(origin + "/mapit/" + urllib.parse.quote(path, safe="/?=,:.")) as response:
        return response.read().decode()


def in_millimetres(wkt):
    return shapely.transform(shapely.from_wkt(wkt), lambda metres: numpy.rint(metres * 1000))


boundaries = {}
for area in json.loads(fetch("areas/" + ",".join(LAYERS))):
    try:
        boundaries[area] = in_millimetres(fetch(f"area/{area}.wkt"))
    except urllib.error.HTTPError as error:
        assert error.code == 404, error

ids = list(boundaries)
geometries = numpy.array([boundaries[area] for area in ids])
assert shapely.is_valid(geometries).all()
count = 0
for area, own in boundaries.items():
    shapely.prepare(own)
    for relation, predicate in PREDICATES.items():
        found = set(json.loads(fetch(f"area/{area}/{relation}?type={','.join(LAYERS)}")))
        expected = {other for other, is_related in zip(ids, predicate(own, geometries)) if is_related}
        assert found == expected - {area}, (area, relation, found ^ (expected - {area}))
        count += len(found)
    measures = json.loads(fetch(f"area/{area}/geometry"))
    centre = shapely.centroid(own)
    expected = [*shapely.bounds(own), centre.x, centre.y]
    names = ["min_e", "min_n", "max_e", "max_n", "centre_e", "centre_n"]
    for name, millimetres in zip(names, expected):
        assert abs(measures[name] * 1000 - millimetres) < 2, (area, name, measures, millimetres)
    assert abs(measures["area"] - shapely.area(own) / 1e6) < 1, (area, measures)
    assert measures["parts"] == shapely.get_num_geometries(own), (area, measures)
print(f"{count} relations agree")
