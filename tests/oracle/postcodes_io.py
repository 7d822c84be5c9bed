"""Compares results of the routes of postcodes.io with the file of the postcode directory.

Usage: postcodes_io.py ORIGIN DATASET_FOLDER
"""

import datetime
import json
import sys
import urllib.parse
import urllib.request
import zoneinfo

import numpy
import pandas

origin, folder = sys.argv[1:]


def result(path):
    with urllib.request.urlopen(origin + path) as response:
        return json.load(response)["result"]


today = datetime.datetime.now(zoneinfo.ZoneInfo("Europe/London")).strftime("%Y%m")
directory = pandas.read_csv(f"{folder}/postcodes.csv", dtype=str, keep_default_na=False)
live = directory[(directory.status == "live") & (directory.introduced <= today)].copy()
live["outcode"] = live.postcode.str.split(" ").str[0]
for column in ["easting", "northing"]:
    live[column] = pandas.to_numeric(live[column], errors="coerce")

# The centre of every outward code is the mean position of its postcodes in use.
centres = live.groupby("outcode")[["easting", "northing"]].mean()
count = 0
for outcode, (easting, northing) in centres.iterrows():
    found = result(f"/outcodes/{outcode}")
    assert found["outcode"] == outcode, found
    assert abs(found["eastings"] - easting) < 0.502, (found, easting)
    assert abs(found["northings"] - northing) < 0.502, (found, northing)
    count += 1

# The nearest outward codes to some of them.
for outcode, (easting, northing) in centres.iloc[::17].iterrows():
    distances = numpy.hypot(centres.easting - easting, centres.northing - northing)
    expected = distances[distances <= 15_000].sort_values(kind="stable")[:20]
    found = result(f"/outcodes/{outcode}/nearest?radius=15000&limit=20")
    assert [one["outcode"] for one in found] == list(expected.index), (outcode, found, expected)
    for one, metres in zip(found, expected):
        assert abs(one["distance"] - metres) < 0.06, (one["distance"], metres)
    count += 1

# The nearest postcodes to some postcodes; those at equal distances are in order of postcode.
located = live.dropna(subset=["easting"]).sort_values("postcode", kind="stable")
for postcode, easting, northing in located[["postcode", "easting", "northing"]].iloc[::997].values:
    distances = numpy.hypot(located.easting - easting, located.northing - northing)
    near = pandas.DataFrame({"postcode": located.postcode, "metres": distances})
    near = near[near.metres <= 800].sort_values(["metres", "postcode"], kind="stable")[:100]
    found = result(f"/postcodes/{urllib.parse.quote(postcode)}/nearest?radius=800&limit=100&strict")
    assert [one["postcode"] for one in found] == list(near.postcode), postcode
    for one, metres in zip(found, near.metres):
        assert abs(one["distance"] - metres) < 0.06, (one["distance"], metres)
    count += 1

# The postcodes that begin with a string; postcodes of unknown status come last.
unknown = directory[directory.status == "not_confirmed"].postcode
for text in ["LA1", "LA1 1", "BB1 1B", "CA28 7"]:
    prefix = text if " " in text else text + " "
    expected = [sorted(one[one.str.startswith(prefix)]) for one in [live.postcode, unknown]]
    found = result(f"/postcodes/{urllib.parse.quote(text)}/autocomplete?limit=100")
    assert found == sum(expected, [])[:100], text
    count += 1

# Postcodes that are in use exist, and others do not.
for postcode in directory.postcode.iloc[::1499]:
    status = directory.status[directory.postcode == postcode].iloc[0]
    expected = status == "not_confirmed" or postcode in set(live.postcode)
    # The month in which some postcodes end is known only as a range; it has passed.
    assert result(f"/postcodes/{urllib.parse.quote(postcode)}/validate") == expected, postcode
    count += 1

print(f"{count} results agree")
