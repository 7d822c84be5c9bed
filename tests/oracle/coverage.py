"""Checks with GEOS whether tiles are valid coverages. Usage: coverage.py FILE

FILE contains one tile per line, as JSON: {"tile": its name, "is_partition": whether its areas must not overlap,
"areas": for each area, its polygons in whole units, each of which is an exterior ring and its holes}. Writes a
line for each error, followed by the number of tiles and polygons.

Needs shapely 2.1 or newer. tests/it/mapping/tile_coverage.rs runs this script with the Python that
CATCHMENT_PYTHON specifies.
"""

import json
import sys

import numpy
import shapely


def main(path: str) -> None:
    tiles = polygons = 0
    with open(path) as lines:
        for line in lines:
            tile = json.loads(line)
            areas = numpy.array([multipolygon(area) for area in tile["areas"]])
            tiles += 1
            polygons += sum(len(area) for area in tile["areas"])
            for fault in faults(areas, tile["is_partition"]):
                print(f"{tile['tile']}: {fault}")
    print(f"{tiles} tiles, {polygons} polygons")


def faults(areas: numpy.ndarray, is_partition: bool) -> list:
    found = [
        f"invalid: {shapely.is_valid_reason(area)}"
        for area in areas[~shapely.is_valid(areas)]
    ]
    if is_partition and not found and not shapely.coverage_is_valid(areas):
        edges = shapely.coverage_invalid_edges(areas)
        where = [edge.wkt[:120] for edge in edges if not edge.is_empty]
        found.append(f"not a valid coverage: {where[:3]}")
    return found


def multipolygon(polygons: list) -> shapely.MultiPolygon:
    return shapely.MultiPolygon([(rings[0], rings[1:]) for rings in polygons])


if __name__ == "__main__":
    main(sys.argv[1])
