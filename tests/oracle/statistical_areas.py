"""Answers the code of every LSOA of the embedded dataset from its source files. Usage: statistical_areas.py FOLDER

FOLDER is data/source. Prints JSON. For each census and each LSOA, the JSON contains the number of live
postcodes, and the shares of these postcodes in each Integrated Care Community (according to the communities'
list of LSOAs of 2011) and in each LSOA of the other census. The share under null is in no community. The script
assigns postcodes by the following rules, which docs/users/api.md describes:

- The LSOA of 2011 in the directory is used if the position is within 500 m of its boundary, or if the LSOA has
  no boundary and most of its postcodes are outside all boundaries. Otherwise, the LSOA whose boundary contains
  the position is used, or the nearest LSOA within 150 m.
  Without the OSTN15 grid, PROJ's positions are wrong by some metres, so `doubtful` lists the LSOAs with such a
  position within 5 m of their boundary.
- The LSOA of 2021 in the directory is used if the LSOA of 2011 has a boundary and is the one in the directory.
  Otherwise, the LSOA of 2021 that contains the whole LSOA of 2011 is used, if there is one.

Needs shapely and pyproj. tests/it/data/statistical_areas.rs runs this script.
"""

import collections
import csv
import json
import pathlib
import sys

import pyproj
import shapely


def rows(folder: pathlib.Path, name: str) -> list[dict[str, str]]:
    with open(folder / name, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def boundaries(folder: pathlib.Path) -> dict[str, shapely.Geometry]:
    to_grid = pyproj.Transformer.from_crs(4326, 27700, always_xy=True)
    features = json.loads((folder / "lsoa11_bsc.geojson").read_text())["features"]
    found = {}
    for feature in features:
        geometry = shapely.geometry.shape(feature["geometry"])
        found[feature["properties"]["LSOA11CD"]] = shapely.transform(
            geometry, to_grid.transform, interleaved=False
        )
    return found


def main(folder: pathlib.Path) -> None:
    areas = boundaries(folder)
    codes, shapes = list(areas), list(areas.values())
    tree = shapely.STRtree(shapes)

    def by_position(point: shapely.Point) -> str | None:
        covering = tree.query(point, predicate="intersects")
        if len(covering) > 0:
            return codes[covering[0]]
        nearest = tree.query_nearest(point, max_distance=150)
        return codes[nearest[0]] if len(nearest) > 0 else None

    postcodes = []
    without_boundary = collections.defaultdict(lambda: [0, 0])
    for row in rows(folder, "postcodes.csv"):
        if not row["easting"] or row["postcode"].startswith("ZZ99"):
            continue
        point = shapely.Point(float(row["easting"]), float(row["northing"]))
        postcodes.append((row, point))
        code = row["lsoa11cd"]
        if code and code not in areas:
            is_inside = len(tree.query(point, predicate="intersects")) > 0
            without_boundary[code][is_inside] += 1

    same = {row["lsoa11cd"]: row["lsoa21cd"] for row in rows(folder, "lsoa11_to_lsoa21.csv") if row["change"] in "UM"}
    community = {row["lsoa11cd"]: row["icc_id"] or None for row in rows(folder, "lsoa11_icc.csv")}
    counts = {"lsoa11": collections.defaultdict(collections.Counter), "lsoa21": collections.defaultdict(collections.Counter)}
    doubtful = set()
    for row, point in postcodes:
        if row["status"] != "live":
            continue
        code = row["lsoa11cd"]
        if code in areas:
            decides = shapely.distance(areas[code], point) <= 500
        else:
            decides = bool(code) and without_boundary[code][0] > without_boundary[code][1]
        lsoa11 = code if decides else by_position(point)
        if not decides:
            edges = tree.query(point, predicate="dwithin", distance=5)
            is_near_edge = len(edges) > 1 or any(shapely.distance(shapes[at].boundary, point) < 5 for at in edges)
            doubtful.update(codes[at] for at in edges if is_near_edge)
            doubtful.update(same.get(codes[at]) for at in edges if is_near_edge)
        lsoa11 = lsoa11 if lsoa11 in areas else None
        is_rejected = bool(code) and not decides
        lsoa21 = row["lsoa21cd"] if lsoa11 and row["lsoa21cd"] and not is_rejected else same.get(lsoa11)
        icc = community.get(lsoa11)
        if lsoa11:
            counts["lsoa11"][lsoa11][(icc, lsoa21)] += 1
        if lsoa21:
            counts["lsoa21"][lsoa21][(icc, lsoa11)] += 1

    answers = {"doubtful": sorted(code for code in doubtful if code)}
    for census, by_code in counts.items():
        answers[census] = {}
        for code, pairs in by_code.items():
            # An LSOA of 2021 is in the dataset if one of its postcodes is in an LSOA of 2011 that is in the dataset.
            if all(other is None for _, other in pairs) and census == "lsoa21":
                continue
            total = sum(pairs.values())
            shares = [collections.Counter(), collections.Counter()]
            for pair, count in pairs.items():
                for share, value in zip(shares, pair):
                    share[value] += count
            icc, other = ([[value, count / total] for value, count in share.items()] for share in shares)
            answers[census][code] = {"postcodes": total, "icc": icc, "other": other}
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
