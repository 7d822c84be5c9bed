"""Checks the columns, the summary and the comparison of `catchment batch` with pandas, numpy and DuckDB. The expected
values are computed from the tables of the embedded dataset and from the cells of the output, never by our code.

    batches.py places ANSWERED             checks distances, nearest practices and areas of practices
    batches.py summary ANSWERED SUMMARY    checks every count of the summary, using the cells of the output
    batches.py change ANSWERED OLD NEXT    writes answers of a previous run that differ, some with repeated or empty keys,
                                           and the patients of the next month: some have moved, changed practice,
                                           joined or left
    batches.py previous OLD NEW SUMMARY KEY  checks the columns and the counts of a comparison with a previous run

Each command prints what it compared, as JSON.
"""

import json
import random
import sys
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

DATA = Path(__file__).parents[2] / "data" / "lancashire-and-cumbria"
PREFIX = "catchment_"
LINES_MAX = 10


def read(path):
    """Reads all cells of a file as text. An empty cell becomes an empty text."""
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def table(name):
    return read(DATA / f"{name}.csv")


def numbers(cells):
    return pd.to_numeric(cells, errors="coerce")


def status_on(practices, day):
    """Returns the status of each practice on a day, by the rules in docs/users/own-data.md."""
    closed = practices.closed.where(practices.closed != "", "9999-12-31")
    status = practices.status.where(practices.status != "closed", "active")
    status = status.mask(practices.opened > day, "proposed")
    status = status.mask(closed < day, "closed")
    return status.mask((practices.status == "closed") & (practices.closed == ""), "closed")


def places(answered_path, day="2025-12-01"):
    rows = read(answered_path)
    rows = rows[rows[PREFIX + "status"] != "bad_row"]
    postcodes = table("postcodes").set_index("postcode")
    practices, sites = table("practices"), table("practice_sites")
    neighbouring = table("practices_neighbouring")
    for frame in (postcodes, sites, neighbouring):
        frame["easting"], frame["northing"] = numbers(frame.easting), numbers(frame.northing)
    active = set(practices.ods_code[status_on(practices, day) == "active"])
    premises = {code: group[["easting", "northing"]].to_numpy() for code, group in sites.groupby("ods_code")}
    for row in neighbouring.itertuples():
        premises.setdefault(row.ods_code, np.array([[row.easting, row.northing]]))
    own = practices.set_index("ods_code").postcode
    open_sites = sites[sites.ods_code.isin(active)].sort_values("ods_code")
    everywhere = open_sites[["easting", "northing"]].to_numpy()
    assigned = table("assignments")
    assigned = assigned[(assigned.layer == "gp-practice") & assigned.area.isin(active)]
    shares = {(row.statistical_area, row.area): row.share for row in assigned.itertuples()}
    with_area = set(assigned.area)

    compared = dict.fromkeys(["distances", "nearest", "in_area", "out_of_area", "shares", "unknown"], 0)
    for _, row in rows.iterrows():
        cell = lambda name: row[PREFIX + name]
        postcode, practice = cell("postcode"), cell("practice")
        place = postcodes.loc[postcode] if postcode in postcodes.index else None
        home = None if place is None or np.isnan(place.easting) else place[["easting", "northing"]].to_numpy(dtype=float)

        at = premises.get(practice)
        if at is None and own.get(practice, "") in postcodes.index:
            at = postcodes.loc[[own[practice]], ["easting", "northing"]].to_numpy(dtype=float)
        if home is None or at is None:
            assert cell("practice_distance_m") == "", dict(row)
        else:
            distance = np.hypot(*(at - home).T).min()
            assert abs(float(cell("practice_distance_m")) - distance) <= 0.51, (distance, dict(row))
            compared["distances"] += 1

        if home is None:
            assert cell("nearest_practice") == "" and cell("nearest_practice_distance_m") == "", dict(row)
        else:
            distances = np.hypot(*(everywhere - home).T)
            nearest = distances.min()
            codes = set(open_sites.ods_code[distances <= nearest + 1e-9])
            assert cell("nearest_practice") in codes, (codes, dict(row))
            assert abs(float(cell("nearest_practice_distance_m")) - nearest) <= 0.51, (nearest, dict(row))
            compared["nearest"] += 1

        if cell("status") in ("malformed", "missing", "partial_postcode", "unknown_postcode", "no_fixed_abode") or not practice:
            assert cell("in_area") == "unknown" == cell("out_of_area") and cell("in_area_share") == "", dict(row)
            compared["unknown"] += 1
        elif place is not None and place.statistical_area and place.statistical_area == cell("lsoa11"):
            key = (place.statistical_area, practice)
            expected = "yes" if key in shares else "no" if practice in with_area else "unknown"
            assert cell("in_area") == expected, (expected, dict(row))
            assert cell("out_of_area") == {"yes": "no", "no": "yes"}.get(expected, "unknown"), dict(row)
            share = shares.get(key, "")
            if share == "":
                assert cell("in_area_share") == "", dict(row)
            else:
                assert abs(float(cell("in_area_share")) - float(share)) <= 0.00005001, dict(row)
                compared["shares"] += 1
            compared["in_area"] += 1
            compared["out_of_area"] += expected == "no"
    return compared


def counts(database, expression, where="true"):
    """Counts the values of a column, or the parts of its cells, that are not empty."""
    query = f"""
        SELECT value, count(*) FROM (SELECT unnest(string_split({expression}, ';')) AS value FROM answers WHERE {where})
        WHERE value <> '' GROUP BY value
    """
    return dict(database.sql(query).fetchall())


# The columns with the areas of each layer: by residence and, if practices belong to its areas, by registration.
LAYERS = {
    "icc": ("icc_residence_id", "icc_registration_id"),
    "neighbourhood-team": ("neighbourhood_team", "neighbourhood_team_registration"),
    "sub-icb": ("sub_icb", "sub_icb_registration"),
    "place": ("place", None),
    "icb": ("icb", "icb_registration"),
    "council": ("council", None),
}


def first_lines(lines):
    return sorted(lines)[:LINES_MAX]


def summary(answered_path, summary_path):
    body = json.loads(Path(summary_path).read_text())
    database = duckdb.connect()
    database.execute(f"CREATE TABLE answers AS SELECT * FROM read_csv('{answered_path}', all_varchar = true, header = true)")
    for (name,) in database.sql("SELECT column_name FROM (DESCRIBE answers)").fetchall():
        database.execute(f"""UPDATE answers SET "{name}" = '' WHERE "{name}" IS NULL""")
    column = lambda name: f"{PREFIX}{name}"

    total = database.sql("SELECT count(*) FROM answers").fetchall()[0][0]
    assert body["rows"] == total
    status = counts(database, column("status"))
    assert {word: rows for word, rows in body["status"].items() if rows} == status
    assert body["bad_rows"] == status.get("bad_row", 0)
    assert {word: rows for word, rows in body["agreement"].items() if rows} == counts(database, column("agreement"))

    assert set(body["areas"]) == set(LAYERS)
    compared = {}
    for layer, (residence, registration) in LAYERS.items():
        areas = body["areas"][layer]["areas"]
        assert [area["id"] for area in areas] == sorted(area["id"] for area in areas)
        known = f"{column(residence)} <> 'unknown'"
        found = {area["id"]: area["residence"] for area in areas if area["residence"]}
        assert found == counts(database, column(residence), known), layer
        if registration is None:
            assert all(area["registration"] is None for area in areas)
        else:
            known = f"{column(registration)} <> 'unknown'"
            found = {area["id"]: area["registration"] for area in areas if area["registration"]}
            assert found == counts(database, column(registration), known), layer
        assert all(area["residence"] or area["registration"] for area in areas)
        compared[layer] = len(areas)
    assert body["communities"] == body["areas"]["icc"]["areas"]

    practices = body["practices"]
    for half, name in (("residence", "practices_covering"), ("registration", "practice")):
        found = {practice["id"]: practice[half] for practice in practices if practice[half]}
        assert found == counts(database, column(name)), name
    compared["practices"] = len(practices)

    for half in ("residence", "registration"):
        reasons = body["reasons"][half]
        assert reasons == counts(database, column(f"reason_{half}")), half
        compared[f"{half} reasons"] = len(reasons)
        # There is a reason code if and only if there is no community.
        community = column(LAYERS["icc"][half == "registration"])
        wrong = f"({community} = '') <> ({column(f'reason_{half}')} <> '')"
        assert database.sql(f"SELECT count(*) FROM answers WHERE {wrong}").fetchall()[0][0] == 0, half
    rows = read(answered_path)
    malformed = rows.index[rows[column("status")] == "malformed"] + 2
    assert body["malformed_lines"]["residence"] == first_lines(malformed), body["malformed_lines"]
    malformed = rows.index[rows[column("reason_registration")] == "not_an_ods_code"] + 2
    assert body["malformed_lines"]["registration"] == first_lines(malformed), body["malformed_lines"]
    return compared


def change(answered_path, old_path, next_path):
    random.seed(23)
    answered = read(answered_path)
    pick = lambda rows, share: random.sample(list(rows.index), len(rows) // share)
    inputs = answered[[name for name in answered.columns if not name.startswith(PREFIX)]]

    # The answers of the previous run, with different boundaries, memberships and successions, and an older directory.
    old = answered.copy()
    readable = old[old[PREFIX + "status"] != "bad_row"]
    old.loc[pick(readable, 9), PREFIX + "icc_residence_id"] = "mb-east"
    old.loc[pick(readable, 9), PREFIX + "icc_registration_id"] = "mb-east"
    if PREFIX + "practice" in old.columns:
        succeeded = pick(readable, 20)
        old.loc[succeeded, PREFIX + "icc_registration_id"] = "mb-grange-and-lakes"
        old.loc[succeeded, PREFIX + "practice"] = "A82001"
    unknown = pick(readable, 20)
    old.loc[unknown, PREFIX + "status"] = "unknown_postcode"
    old.loc[unknown, PREFIX + "icc_residence_id"] = ""
    repeated, without = readable.sample(4, random_state=5), readable.sample(2, random_state=6).assign(ref=["", "  "])
    old = pd.concat([old, repeated, without]).sample(frac=1, random_state=7)
    old.to_csv(old_path, index=False)

    # The patients of the next month.
    rows = inputs.copy()
    homes, codes = list(rows.postcode), list(rows.gp_practice_code)
    for index in pick(rows, 5):
        rows.loc[index, "postcode"] = random.choice(homes)
    for index in pick(rows, 5):
        rows.loc[index, "gp_practice_code"] = random.choice(codes)
    # A different case or different white space does not change the postcode.
    for index in pick(rows, 5):
        rows.loc[index, "postcode"] = rows.loc[index, "postcode"].lower().replace(" ", "")
    rows = rows.drop(random.sample(list(rows.index), 7))
    new = rows.sample(5, random_state=1).assign(ref=[f"new-{number}" for number in range(5)])
    repeated, without = rows.sample(3, random_state=2), rows.sample(2, random_state=3).assign(ref=["", " "])
    rows = pd.concat([rows, new, repeated, without]).sample(frac=1, random_state=4)
    rows.to_csv(next_path, index=False)
    return {"old": len(old), "next": len(rows)}


def canonical(postcode):
    return postcode.replace(" ", "").upper()


def previous(old_path, new_path, summary_path, key):
    old, new = read(old_path), read(new_path)
    body = json.loads(Path(summary_path).read_text())["previous"]
    column = lambda name: PREFIX + name
    for frame in (old, new):
        frame["line"] = frame.index + 2
        frame["key"] = frame[key].str.strip()
    bad = old[column("status")] == "bad_row"
    read_rows = old[~bad]
    keyed = read_rows[read_rows.key != ""]
    repeated = keyed[keyed.duplicated("key", keep=False)]
    unique = keyed[~keyed.key.isin(repeated.key)]
    answered = new[new[column("status")] != "bad_row"]
    merged = answered.merge(unique, on="key", how="left", suffixes=("", "_old"), indicator=True)

    def expected(row, half):
        if row.key == "":
            return "no_key"
        if row._merge != "both":
            return "repeated_key" if row.key in set(repeated.key) else "new_row"
        name = column(f"icc_{half}_id")
        if row[name] == row[name + "_old"]:
            return "unchanged"
        if half == "residence":
            if canonical(row.postcode) != canonical(row.postcode_old):
                return "postcode"
            missing = lambda status: status in ("unknown_postcode", "no_location")
            status = column("status")
            return "directory" if missing(row[status]) != missing(row[status + "_old"]) else "boundary"
        if canonical(row.gp_practice_code) != canonical(row.gp_practice_code_old):
            return "practice"
        practice = column("practice")
        if practice in old.columns:
            return "membership" if row[practice] == row[practice + "_old"] else "succession"
        return "membership_or_succession" if row[column("practice_successors")] else "membership"

    compared = {}
    for half in ("residence", "registration"):
        causes = merged.apply(expected, axis=1, half=half)
        wrong = merged[causes != merged[column(f"{half}_change")]]
        assert wrong.empty, wrong.assign(expected=causes).iloc[0].to_dict()
        was = merged[column(f"icc_{half}_id") + "_old"].fillna("")
        assert (merged[column(f"previous_icc_{half}_id")] == was).all(), half
        others = ("unchanged", "new_row", "no_key", "repeated_key")
        counted = causes[~causes.isin(others)].value_counts().to_dict()
        assert body[half]["causes"] == counted, (half, body[half], counted)
        assert body[half]["changed"] == sum(counted.values())
        compared[half] = counted

    def check(name, lines):
        lines = list(lines)
        assert body[name] == {"rows": len(lines), "first_lines": first_lines(lines)}, (name, body[name], lines[:12])
        compared[name] = len(lines)

    with_key = answered[answered.key != ""]
    assert body["key"] == key and body["rows"] == len(old)
    assert body["compared"] == (merged._merge == "both").sum()
    check("new", answered.line[(answered.key != "") & ~answered.key.isin(keyed.key)])
    check("without_key", answered.line[answered.key == ""])
    check("repeated_key", with_key.line[with_key.duplicated("key")])
    check("gone", unique.line[~unique.key.isin(answered.key)])
    check("previous_without_key", read_rows.line[read_rows.key == ""])
    check("previous_repeated_key", repeated.line)
    check("previous_bad", old.line[bad])
    return compared


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    found = {"places": places, "summary": summary, "change": change, "previous": previous}[command](*arguments)
    print(json.dumps(found, default=int))
