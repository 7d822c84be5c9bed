"""Measures a spatial join of points to areas in geopandas. Usage: sjoin.py FOLDER

Reads two files. FOLDER/areas.json is a list of areas. An area is a list of polygons, and a polygon
is an exterior ring followed by its holes. Coordinates are in whole millimetres. FOLDER/points.f64
has alternating eastings and northings (little-endian). Prints the median time per point in
nanoseconds, and the sum of the ordinals (counted from 1) of the areas found for all points.

benches/areas.rs runs this script with the Python interpreter at the path in CATCHMENT_PYTHON.
"""

import json
import pathlib
import statistics
import sys
import time

import geopandas
import numpy
import shapely

ROUNDS = 3


def main(folder: pathlib.Path) -> None:
    areas = [
        shapely.MultiPolygon([(rings[0], rings[1:]) for rings in polygons])
        for polygons in json.loads((folder / "areas.json").read_text())
    ]
    coordinates = numpy.fromfile(folder / "points.f64", dtype="<f8").reshape(-1, 2)
    areas = geopandas.GeoDataFrame(geometry=areas)
    points = geopandas.GeoDataFrame(geometry=shapely.points(coordinates))
    times = []
    # The first round warms up: it builds the tree and prepares the polygons.
    for _ in range(ROUNDS + 1):
        start = time.perf_counter()
        joined = geopandas.sjoin(points, areas, predicate="within")
        times.append(time.perf_counter() - start)
    checksum = int((joined["index_right"] + 1).sum())
    print(statistics.median(times[1:]) * 1e9 / len(points), checksum)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
