"""Makes a small dataset with homes, and counts the homes with pandas and shapely.

Usage: homes.py make FOLDER | homes.py compare FOLDER DATASET TABLE

`make` writes a configuration and its sources: areas whose boundaries change on a day, statistical areas on
which another layer is defined, postcodes, and a National Statistics UPRN Lookup with rows of every kind.
`compare` reads the sources again, counts the homes of each postcode in each area, and compares the counts with
DATASET/postcode_homes.csv, DATASET/build-report.json and TABLE, the table of UPRNs.

Needs numpy, pandas and shapely. tests/it/data/homes.rs runs this script with the Python named by CATCHMENT_PYTHON.
"""

import io
import json
import pathlib
import sys
import zipfile

import numpy as np
import pandas as pd
import shapely

# The area of the data is a square of 20 km. Positions are whole metres, and no vertex or edge of the areas is
# within 5 cm of a position, because boundaries in the dataset are rounded to about a centimetre.
WEST, SOUTH, SIDE = 340_000, 440_000, 20_000
CHANGE = "2026-04-01"
HEADER = "UPRN,GRIDGB1E,GRIDGB1N,PCDS,OA21CD,LAD25CD,LSOA21CD,IMD19IND"

CONFIG = f"""
name = "homes"
version = "1"
title = "Made-up homes"
as_of = "2026-06-01"
attribution = "no one"
licence = "https://example.org/licence"
tolerance_m = 100.0
output = "dataset"
sources = []

[postcodes]
directories = [{{ format = "postcode-list", file = "postcodes.csv" }}]

[statistical_areas]
id = "lsoa21"
title = "LSOAs"
boundaries = "lsoas.geojson"
code = "code"
name = "name"
snap_m = 150.0

[uprn]
file = "NSUL.zip"
table = "uprn.csv"
data_as_of = "2026-06"

[unused_max]
"NSUL.zip" = 0.1

[[layers]]
id = "zone"
title = "Zones"
singular = "Zone"
kind = "partition"
role = "community"
first_data = "2020-01-01"
provenance = "official"
[[layers.methods]]
polygons = {{ file = "zones_before.geojson", id = "id", name = "name" }}
to = "{CHANGE}"
[[layers.methods]]
polygons = {{ file = "zones.geojson", id = "id", name = "name" }}
from = "{CHANGE}"

[[layers]]
id = "district"
title = "Districts"
singular = "District"
kind = "partition"
role = "administrative"
first_data = "2020-01-01"
provenance = "official"
[[layers.methods]]
lookup = {{ file = "districts.csv", columns = {{ code = "lsoa21cd", area = "district", name = "name" }} }}
"""


def polygon(points):
    return shapely.Polygon([(WEST + x + 0.4, SOUTH + y + 0.3) for x, y in points])


def zones(middle):
    """Two areas with a slanted border, which is at `middle` in the south."""
    west = polygon([(0, 0), (middle, 0), (middle + 1_777, SIDE), (0, SIDE)])
    east = polygon([(middle, 0), (SIDE - 3_000, 0), (SIDE - 3_000, SIDE), (middle + 1_777, SIDE)])
    return {"west": west, "east": east}


def lsoas():
    """Four rows of five rectangles."""
    width, height = SIDE // 5, SIDE // 4
    corners = lambda x, y: [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
    numbers = ((column, row) for row in range(4) for column in range(5))
    return {f"E01{number:06}": polygon(corners(column * width, row * height)) for number, (column, row) in enumerate(numbers, 1)}


def district_of(code):
    """The first three rows are in districts; the last row is in none."""
    number = int(code[3:]) - 1
    return None if number >= 15 else f"D{number % 5 // 2}"


def write_geojson(path, areas, key):
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::27700"}}
    features = [
        {"type": "Feature", "properties": {key: name, "name": f"Area {name}"}, "geometry": shapely.geometry.mapping(area)}
        for name, area in areas.items()
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "crs": crs, "features": features}))


def make(folder):
    random = np.random.default_rng(7)
    write_geojson(folder / "zones_before.geojson", zones(6_000), "id")
    write_geojson(folder / "zones.geojson", zones(6_150), "id")
    write_geojson(folder / "lsoas.geojson", lsoas(), "code")
    (folder / "build.toml").write_text(CONFIG)
    districts = [(code, district_of(code), f"District {district_of(code)}") for code in lsoas() if district_of(code)]
    pd.DataFrame(districts, columns=["lsoa21cd", "district", "name"]).to_csv(folder / "districts.csv", index=False)

    letters = "ABDEFGHJLN"
    names = [f"LA{outcode} {digit}{a}{b}" for outcode in (1, 2) for digit in "123" for a in letters for b in letters]
    places = pd.DataFrame({"postcode": names})
    places["easting"] = WEST + random.integers(60, SIDE - 60, len(names))
    places["northing"] = SOUTH + random.integers(60, SIDE - 60, len(names))
    codes, areas = zip(*lsoas().items())
    owner = locate(places.easting, places.northing, areas, codes)
    directory = pd.DataFrame({"postcode": places.postcode, "easting": places.easting, "northing": places.northing})
    directory["code_point_quality"] = "10"
    directory["status"] = "live"
    directory["introduced"] = "198001"
    directory["terminated"] = ""
    # In this format, the column of the statistical area has this name, whatever its census.
    directory["lsoa11cd"] = owner
    directory["sub_icb"] = ""
    # Some postcodes have no homes, and a home has a postcode that is not in the directory.
    directory.to_csv(folder / "postcodes.csv", index=False)

    rows = 30_000
    home = random.integers(0, len(names) - 7, rows)
    nsul = pd.DataFrame({"UPRN": 10_000_000 + random.permutation(rows) * 3})
    nsul["GRIDGB1E"] = places.easting.to_numpy()[home] + np.rint(random.normal(0, 90, rows)).astype(int)
    nsul["GRIDGB1N"] = places.northing.to_numpy()[home] + np.rint(random.normal(0, 90, rows)).astype(int)
    nsul["PCDS"] = places.postcode.to_numpy()[home]
    nsul["OA21CD"] = "E00000001"
    nsul["LAD25CD"] = "E07000001"
    # The list says in which LSOA a home is. Near borders, it is not always the one of the polygon.
    shift = np.rint(random.normal(0, 20, rows)).astype(int)
    nsul["LSOA21CD"] = locate(nsul.GRIDGB1E + shift, nsul.GRIDGB1N, areas, codes)
    nsul.loc[random.random(rows) < 0.05, "LSOA21CD"] = ""
    nsul.loc[random.random(rows) < 0.01, "LSOA21CD"] = "E01999999"
    nsul["IMD19IND"] = 1
    nsul = nsul.astype(str)
    nsul.loc[random.random(rows) < 0.01, ["GRIDGB1E", "GRIDGB1N"]] = ""
    nsul.loc[random.random(rows) < 0.01, "PCDS"] = ""
    nsul.loc[random.random(rows) < 0.01, "PCDS"] = "LA1 9ZZ"
    nsul.loc[random.random(rows) < 0.01, "PCDS"] = "ZE1 0AA"
    nsul.loc[random.random(rows) < 0.001, "UPRN"] = "none"
    # A row twice, and a row whose UPRN has two positions.
    again = nsul.iloc[[5]].copy()
    other = nsul.iloc[[6]].copy()
    other["GRIDGB1E"] = str(WEST + 1)
    nsul = pd.concat([nsul, again, other])
    with zipfile.ZipFile(folder / "NSUL.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number, part in enumerate(np.array_split(np.arange(len(nsul)), 3)):
            text = nsul.iloc[part].to_csv(index=False, lineterminator="\r\n")
            # The 2023 edition has other capitals and trailing spaces.
            if number == 1:
                text = text.replace(HEADER, "uprn,gridgb1e,gridgb1n,pcds,oa21cd,lad25cd,lsoa21cd,imd19ind")
                text = text.replace(",E00000001", "  ,E00000001")
            archive.writestr(f"Data/NSUL_JUN_2026_{'EE NW YH'.split()[number]}.csv", text)
        archive.writestr("Documents/names.csv", "LSOA21CD,LSOA21NM\r\nE01000001,A name\r\n")


def locate(easting, northing, areas, names):
    """Returns the name of the area that contains each position; blank for none."""
    points = shapely.points(easting.astype(float), northing.astype(float))
    found = np.full(len(points), "", dtype=object)
    for area, name in zip(areas, names):
        shapely.prepare(area)
        near = shapely.distance(area.exterior, points)
        assert near.min() > 0.05, "a position is too near a border for this comparison"
        found[shapely.contains_properly(area, points)] = name
    return found


def read_nsul(folder):
    tables = []
    with zipfile.ZipFile(folder / "NSUL.zip") as archive:
        for name in archive.namelist():
            if name.startswith("Data/"):
                table = pd.read_csv(io.BytesIO(archive.read(name)), dtype=str, keep_default_na=False)
                table.columns = [column.upper() for column in table.columns]
                tables.append(table)
    table = pd.concat(tables, ignore_index=True)
    table["PCDS"] = table.PCDS.str.strip()
    return table


def compare(folder, dataset, table_path):
    directory = pd.read_csv(folder / "postcodes.csv", dtype=str, keep_default_na=False)
    nsul = read_nsul(folder)
    report = json.loads((dataset / "build-report.json").read_text())
    report = next(source for source in report["sources"] if source["purpose"] == "homes")
    counts = {unused["reason"]: unused["rows"] for unused in report["not_used"]}

    def expect(reason, rows):
        found = [count for known, count in counts.items() if reason in known]
        assert found == ([rows] if rows else []), f"{reason}: {found} rows in the report, {rows} by pandas"

    assert report["rows_read"] == len(nsul), (report["rows_read"], len(nsul))
    is_number = nsul.UPRN.str.fullmatch(r"[0-9]{1,12}")
    expect("column of UPRNs", int((~is_number).sum()))
    valid = nsul[is_number]
    is_placed = valid.GRIDGB1E != ""
    expect("no position", int((~is_placed).sum()))
    homes = valid[is_placed].copy()
    homes["number"] = homes.UPRN.astype(int)
    homes[["east", "north"]] = homes[["GRIDGB1E", "GRIDGB1N"]].astype(int)
    # Of rows with the same UPRN, the one with the lowest easting counts.
    homes = homes.sort_values(["number", "east", "north"])
    same = homes.duplicated(["number", "GRIDGB1E", "GRIDGB1N", "PCDS", "LSOA21CD"])
    expect("same values", int(same.sum()))
    expect("different values", int(homes[~same].duplicated("number").sum()))
    homes = homes.drop_duplicates("number")

    uprns = pd.read_csv(table_path, dtype=str, keep_default_na=False)
    assert uprns.uprn.astype(int).tolist() == homes.number.tolist()
    assert uprns.easting.astype(float).tolist() == homes.east.tolist()
    assert uprns.northing.astype(float).tolist() == homes.north.tolist()
    assert uprns.postcode.str.strip().tolist() == homes.PCDS.tolist()
    assert uprns.statistical_area.str.strip().tolist() == homes.LSOA21CD.tolist()

    expect("no postcode", int((homes.PCDS == "").sum()))
    homes = homes[homes.PCDS != ""]
    is_known = homes.PCDS.isin(directory.postcode)
    outcode = homes.PCDS.str.split(" ").str[0]
    is_other = ~is_known & ~outcode.isin(directory.postcode.str.split(" ").str[0])
    expect("other districts", int(is_other.sum()))
    expect("does not have the postcode", int((~is_known & ~is_other).sum()))
    homes = homes[is_known].copy()

    codes, areas = zip(*lsoas().items())
    by_polygon = locate(homes.east, homes.north, areas, codes)
    code = np.where(homes.LSOA21CD.isin(codes), homes.LSOA21CD, by_polygon)
    # Up to 150 m outside all LSOAs, the nearest one counts.
    points = shapely.points(homes.east.astype(float), homes.north.astype(float))
    for row in np.flatnonzero(code == ""):
        distances = [area.distance(points[row]) for area in areas]
        if min(distances) <= 150:
            code[row] = codes[int(np.argmin(distances))]
    homes["district"] = [district_of(found) or "" if found else "" for found in code]
    for column, middle in [("zone_before", 6_000), ("zone_after", 6_150)]:
        names, polygons = zip(*zones(middle).items())
        homes[column] = locate(homes.east, homes.north, polygons, names)
    is_outside = (code == "") & (homes.zone_before == "") & (homes.zone_after == "")
    expect("in no area", int(is_outside.sum()))

    def divided(column):
        table = homes.groupby(["PCDS", column]).size().reset_index(name="homes")
        table.columns = ["postcode", "area", "homes"]
        return table[table.groupby("postcode").postcode.transform("size") > 1]

    before, after = divided("zone_before"), divided("zone_after")
    counted = lambda column: homes.groupby("PCDS")[column].apply(lambda areas: sorted(areas)).to_dict()
    one, other = counted("zone_before"), counted("zone_after")
    expected = {("district", row.postcode, row.area, row.homes, "", "") for row in divided("district").itertuples()}
    for table, dates in [(before, ("", CHANGE)), (after, (CHANGE, ""))]:
        for row in table.itertuples():
            # Without a change, there is one period.
            period = ("", "") if one[row.postcode] == other[row.postcode] else dates
            expected.add(("zone", row.postcode, row.area, row.homes, *period))
    written = pd.read_csv(dataset / "postcode_homes.csv", dtype=str, keep_default_na=False)
    found = {(row.layer, row.postcode, row.area, int(row.homes), row[5], row[6]) for row in written.itertuples()}
    assert len(found) == len(written), "a row is in the table twice"
    assert found == expected, f"only in the dataset: {sorted(found - expected)[:5]}; only by shapely: {sorted(expected - found)[:5]}"
    changed = sum(1 for row in expected if row[4] or row[5])
    without = len(directory) - homes.PCDS.nunique()
    assert any(f"; {without} postcodes in use have none" in note for note in report["notes"]), report["notes"]
    print(f"{len(expected)} rows are equal, {changed} of them limited to a period")


if __name__ == "__main__":
    command, *paths = sys.argv[1:]
    {"make": make, "compare": compare}[command](*map(pathlib.Path, paths))
