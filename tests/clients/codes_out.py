"""Compares exported look-ups from area to area, and a GeoParquet file, with the sources of the dataset and with the
GeoPackage of the same areas. Usage: codes_out.py FOLDER SOURCES

tests/it/data/codes_out.rs writes the files in FOLDER and runs this script with the Python that CATCHMENT_PYTHON
specifies.
"""

import collections
import csv
import datetime
import json
import pathlib
import sys

import duckdb
import pyarrow
import pyarrow.parquet
import pyogrio
import pyproj
import shapely

folder, sources = map(pathlib.Path, sys.argv[1:])


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# The table of the statistical areas contains a row for each area, with the same areas and deciles as in the sources.
zones = {row["zone"]: row for row in rows(folder / "zone.csv")}
by_code = {row["lsoa11cd"]: row for row in rows(sources / "lsoa11_icc.csv")}
assert zones.keys() == by_code.keys(), len(zones)
assert list(zones) == sorted(zones)
for code, row in zones.items():
    expected = by_code[code]
    assert row["zone_name"] == expected["lsoa11nm"], row
    assert row["icc"] == expected["icc_id"], row
    assert row["sub_community"] == expected["sub_community_id"], row
    assert row["sub_icb"] == expected["sub_icb"], row
    assert row["made_up_decile"] == str(int(code[5:]) % 10 + 1), row
    assert "status" not in row, "an attribute of postcodes belongs to no area"
    # These layers are defined on the statistical areas, so the answers are exact.
    for layer in ["icc", "sub_community", "gp_practice", "resilience_group", "pcn", "sub_icb", "icb", "lsoa11"]:
        assert row[f"{layer}_share"] == "", (layer, row)
    assert row["lsoa11"] == code, row
    assert row["as_of"] == "2026-04-01", row
assert {row["icb_code"] for row in zones.values()} == {"E54000048", "E54000050"}

# The group in a row must be a group of which the row's community or part is a member.
groups = collections.defaultdict(set)
for row in rows(folder / "data" / "memberships.csv"):
    if row["layer"] == "resilience-group" and row["member_layer"] in ("icc", "sub-community"):
        groups[row["member"]].add(row["group"])
for row in zones.values():
    expected = groups[row["icc"]] | groups[row["sub_community"]] if row["icc"] else set()
    assert set(filter(None, row["resilience_group"].split(";"))) == set(filter(None, expected)), row

# The number of live postcodes must match the directory. The program uses the boundary around a postcode's position if
# the directory states no LSOA or if the directory's LSOA is more than 500 m away, so a few numbers may differ.
postcodes = rows(sources / "postcodes.csv")
features = json.loads((sources / "lsoa11_bsc.geojson").read_text())["features"]
codes = [feature["properties"]["LSOA11CD"] for feature in features]
tree = shapely.STRtree([shapely.geometry.shape(feature["geometry"]) for feature in features])
project = pyproj.Transformer.from_crs(27700, 4326, always_xy=True).transform
for row in postcodes:
    if row["status"] == "live" and row["easting"] and not row["lsoa11cd"]:
        point = shapely.Point(project(float(row["easting"]), float(row["northing"])))
        found = tree.query(point, predicate="intersects")
        row["lsoa11cd"] = codes[found[0]] if len(found) else ""
live = collections.Counter()
for row in postcodes:
    introduced = row["introduced"] or "190001"
    if row["status"] == "live" and row["easting"] and introduced <= "202604" and row["lsoa11cd"] in zones:
        live[row["lsoa11cd"]] += 1
different = {code for code, row in zones.items() if int(row["live_postcodes"]) != live[code]}
assert len(different) <= 24, {code: (zones[code]["live_postcodes"], live[code]) for code in different}

# An LSOA of 2021 belongs to the ICC, and to the council and the LSOA of 2011, of most of its live postcodes.
new = collections.defaultdict(lambda: collections.defaultdict(collections.Counter))
for row in postcodes:
    introduced = row["introduced"] or "190001"
    if row["status"] == "live" and row["easting"] and introduced <= "202604" and row["lsoa11cd"] in zones:
        areas = {"icc": zones[row["lsoa11cd"]]["icc"], "council": row["laua"], "lsoa11": row["lsoa11cd"]}
        for layer, area in areas.items():
            new[row["lsoa21cd"]][layer][area] += 1
different = 0
lsoa21 = {row["lsoa21"]: row for row in rows(folder / "lsoa21.csv")}
assert len(lsoa21) > 740, len(lsoa21)
for code, row in lsoa21.items():
    for layer, counts in new[code].items():
        expected, most = max(counts.items(), key=lambda item: (bool(item[0]), item[1]))
        share = most / sum(counts.values())
        is_same = row[layer] == expected and (not expected or abs(float(row[f"{layer}_share"]) - share) < 0.02)
        is_tie = list(counts.values()).count(most) > 1
        different += not is_same and not is_tie
assert different <= 12, different
assert any(0.5 < float(row["lsoa11_share"] or 0) < 1 for row in lsoa21.values())

# From one layer to another, the share is the proportion of live postcodes, unless all statistical areas agree.
for table, layer, other in [("icc", "icc", "pcn"), ("pcn", "pcn", "icc")]:
    counts, parts = collections.defaultdict(collections.Counter), collections.defaultdict(set)
    for code, row in zones.items():
        if row[layer]:
            counts[row[layer]][row[other]] += int(row["live_postcodes"])
            parts[row[layer]].add(row[other])
    looked_up = {row[layer]: row for row in rows(folder / f"{table}.csv")}
    assert looked_up.keys() >= counts.keys()
    for area, row in looked_up.items():
        if len(parts[area]) == 1:
            assert row[f"{other}_share"] == "" and {row[other]} == parts[area], row
        elif parts[area]:
            total = sum(counts[area].values())
            most = max((count for other_area, count in counts[area].items() if other_area), default=0)
            # The counts of the zones above include, at the edge of the data, postcodes that are in no area.
            assert abs(float(row[f"{other}_share"]) - most / total) < 0.01, (row, counts[area])
            assert counts[area][row[other]] >= most - 2, (row, counts[area])

# The Parquet file contains the same cells.
parquet = pyarrow.parquet.read_table(folder / "zone.parquet")
types = {field.name: field.type for field in parquet.schema}
assert types["live_postcodes"] == pyarrow.int32() and types["icc_share"] == pyarrow.float64(), types
assert types["icc_valid_from"] == pyarrow.date32() and types["zone"] == pyarrow.string(), types
assert parquet.schema.metadata[b"catchment.dataset"] == b"lancashire-and-cumbria"
for row, expected in zip(parquet.to_pylist(), zones.values(), strict=True):
    texts = {name: "" if value is None else str(value).removesuffix(".0") for name, value in row.items()}
    assert texts == expected, (texts, expected)

# The GeoParquet file has metadata of version 1.1 and the same geometries as the GeoPackage.
path = folder / "areas.parquet"
geo = json.loads(pyarrow.parquet.read_metadata(path).metadata[b"geo"])
assert geo["version"] == "1.1.0" and geo["primary_column"] == "geometry", geo
column = geo["columns"]["geometry"]
assert column["encoding"] == "WKB" and column["geometry_types"] == ["MultiPolygon"], column
assert pyproj.CRS.from_json_dict(column["crs"]).equals(pyproj.CRS("EPSG:27700")), column["crs"]
assert pyproj.CRS.from_json_dict(column["crs"]).to_epsg() == 27700
assert column["covering"]["bbox"] == {side: ["bbox", side] for side in ("xmin", "ymin", "xmax", "ymax")}, column
areas = pyarrow.parquet.read_table(path).to_pylist()
grounds = shapely.from_wkb([row["geometry"] for row in areas])
assert [shapely.get_type_id(ground) for ground in grounds] == [6] * len(grounds)
assert tuple(column["bbox"]) == tuple(shapely.total_bounds(grounds)), column["bbox"]
count = 0
for table, _ in pyogrio.list_layers(folder / "areas.gpkg"):
    meta, _, geometry, values = pyogrio.raw.read(folder / "areas.gpkg", layer=table)
    fields = dict(zip(meta["fields"], values))
    expected = {(identifier, extent): ground for identifier, extent, ground in zip(
        fields["id"], fields.get("extent", [None] * len(geometry)), shapely.from_wkb(geometry))}
    for row, ground in zip(areas, grounds):
        if row["layer"].replace("-", "_") == table:
            assert shapely.equals_exact(ground, expected[(row["id"], row["extent"])], 0), row["id"]
            assert tuple(row["bbox"].values()) == tuple(shapely.bounds(ground)), row["id"]
            assert row["valid_from"] is None or isinstance(row["valid_from"], datetime.date)
            count += 1
assert count == len(areas) > 200, (count, len(areas))

# DuckDB reads the file, and uses the columns of the bounding box to skip row groups.
inside = duckdb.sql(f"SELECT count(*) FROM '{path}' WHERE bbox.xmax > 340000 AND bbox.xmin < 350000").fetchall()[0][0]
assert 0 < inside < len(areas), inside
