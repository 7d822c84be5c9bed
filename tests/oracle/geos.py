"""Locates points in areas with GEOS. Usage: geos.py FOLDER

Reads FOLDER/areas.json (areas as lists of polygons, each of which is an exterior ring and its holes, in whole
millimetres) and FOLDER/points.csv (x,y). Writes FOLDER/verdicts.tsv with one line for each point: the areas
whose interior contains the point, the areas whose boundary contains the point, and 1 if the interior of the
union of all areas contains the point, or otherwise 0. Floats represent whole millimetres below 2^53 exactly.

Needs shapely 2.1 or newer. tests/it/data/point_in_polygon.rs runs this script with the Python that
CATCHMENT_PYTHON specifies.
"""

import json
import pathlib
import sys

import numpy
import shapely


def main(folder: pathlib.Path) -> None:
    areas = json.loads((folder / "areas.json").read_text())
    ids = [area["id"] for area in areas]
    grounds = numpy.array([multipolygon(area["polygons"]) for area in areas])
    invalid = [name for name, is_valid in zip(ids, shapely.is_valid(grounds)) if not is_valid]
    if invalid:
        sys.exit(f"the geometry of these areas is not valid: {invalid}")
    if not shapely.coverage_is_valid(grounds):
        sys.exit("the areas are not a valid coverage: they overlap, or their edges do not match")
    points = shapely.points(numpy.loadtxt(folder / "points.csv", delimiter=","))

    shapely.prepare(grounds)
    at, of = shapely.STRtree(grounds).query(points, predicate="intersects")
    is_touching = shapely.touches(grounds[of], points[at])
    together = shapely.coverage_union_all(grounds)
    shapely.prepare(together)
    is_surrounded = shapely.contains_properly(together, points)

    inside = [[] for _ in points]
    touching = [[] for _ in points]
    for point, area, is_on_border in zip(at, of, is_touching):
        (touching if is_on_border else inside)[point].append(ids[area])
    lines = (
        f"{' '.join(sorted(a))}\t{' '.join(sorted(b))}\t{int(c)}"
        for a, b, c in zip(inside, touching, is_surrounded)
    )
    (folder / "verdicts.tsv").write_text("\n".join(lines) + "\n")


def multipolygon(polygons: list) -> shapely.MultiPolygon:
    return shapely.MultiPolygon([(rings[0], rings[1:]) for rings in polygons])


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
