"""Checks flows without our code: counts with pandas, and hidden numbers with the solver of scipy.

    flows.py make ANSWERED.csv FOLDER     writes the user's columns as NDJSON, Parquet and a workbook
    flows.py count ANSWERED.csv FLOWS.json REGISTERED RESIDENT
                                          compares exact flows with a cross-tabulation of an answered file that
                                          contains the columns `catchment_REGISTERED` and `catchment_RESIDENT`
    flows.py sheets FLOWS.xlsx FLOWS.json compares the sheets of a workbook, and CSV files next to it, with JSON
    flows.py solve TABLES.ndjson          computes the bounds of every hidden number in many tables
"""

import csv
import json
import sys
from pathlib import Path

SPECIAL = {"several_areas", "elsewhere", "not_known"}


def make(answered, folder):
    import pandas

    frame = pandas.read_csv(answered, dtype=str, keep_default_na=False)
    own = frame[[name for name in frame.columns if not name.startswith("catchment_")]]
    own.to_json(Path(folder) / "patients.ndjson", orient="records", lines=True)
    own.to_parquet(Path(folder) / "patients.parquet")
    own.to_excel(Path(folder) / "patients.xlsx", index=False)


def place(ids, is_elsewhere):
    """Returns the place of each row: its area, or the reason why there is no area."""
    ids = ids.fillna("")
    several = ids.str.contains(";")
    known = ids.where(ids != "", is_elsewhere.map({True: "elsewhere", False: "not_known"}))
    return known.where(~several, "several_areas")


def count(answered, flows, registered, resident):
    import pandas

    rows = pandas.read_csv(answered, dtype=str, keep_default_na=False)
    flows = json.loads(Path(flows).read_text())
    bad = rows["catchment_status"] == "bad_row"
    rows = rows[~bad]
    reasons = rows["catchment_reason"].str.split(";")
    outside = {"registration:outside_coverage", "registration:no_icc"}
    is_outside = reasons.map(lambda words: bool(outside & set(words)))
    has_place = rows["catchment_status"].isin(["located", "terminated", "outside_coverage"])
    table = pandas.crosstab(
        place(rows[f"catchment_{registered}"], is_outside), place(rows[f"catchment_{resident}"], has_place)
    )
    assert flows["suppression"] == "none" and flows["total"] == len(rows), (flows["total"], len(rows))
    assert flows["bad_rows"] == int(bad.sum()), (flows["bad_rows"], int(bad.sum()))
    names = [[entry["id"] for entry in flows[side]] for side in ("registered", "resident")]
    ours = pandas.DataFrame(flows["matrix"], index=names[0], columns=names[1])
    theirs = table.reindex(index=names[0], columns=names[1], fill_value=0)
    assert theirs.to_numpy().sum() == len(rows), "a place is not among ours"
    assert (ours.to_numpy() == theirs.to_numpy()).all(), f"{ours}\n{theirs}"
    totals = [entry["total"] for entry in flows["registered"]]
    assert totals == theirs.sum(axis=1).tolist()
    assert [entry["total"] for entry in flows["resident"]] == theirs.sum(axis=0).tolist()
    long = {(row["registered"], row["resident"]): row["patients"] for row in flows["flows"]}
    expected = {(a, b): int(n) for a, line in theirs.iterrows() for b, n in line.items() if n}
    assert long == expected
    for area in flows["areas"] or []:
        assert area["registered"] == theirs.loc[area["id"]].sum()
        assert area["resident"] == theirs[area["id"]].sum()
        assert area["both"] == theirs.loc[area["id"], area["id"]]
        if area["resident"]:
            assert abs(area["ratio"] - area["registered"] / area["resident"]) <= 0.0005
    print(json.dumps({"rows": len(rows), "areas": len(set(names[0]) - SPECIAL)}))


def cell(value):
    """Returns the value in a table that corresponds to a number in JSON."""
    return "*" if value is None else str(value)


def sheets(workbook, flows):
    import openpyxl

    book = openpyxl.load_workbook(workbook)
    flows = json.loads(Path(flows).read_text())
    tables = {sheet.title: [[c.value for c in row] for row in sheet.iter_rows()] for sheet in book}
    assert list(tables) == ["Matrix", "Flows", "Areas", "Notes"], list(tables)
    for kind, sheet in [("matrix", "Matrix"), ("long", "Flows"), ("areas", "Areas")]:
        with open(Path(workbook).with_name(f"{kind}.csv"), newline="") as file:
            rows = list(csv.reader(file))
        assert len(rows) == len(tables[sheet])
        for ours, theirs in zip(rows, tables[sheet]):
            for a, b in zip(ours, theirs):
                assert a == ("" if b is None else str(b)) or float(a) == b, (a, b)
        tables[sheet] = rows
    matrix = [row[2:-1] for row in tables["Matrix"][1:-1]]
    assert matrix == [[cell(n) for n in row] for row in flows["matrix"]]
    assert [row[-1] for row in tables["Matrix"][1:-1]] == [cell(p["total"]) for p in flows["registered"]]
    assert tables["Matrix"][-1][2:] == [cell(p["total"]) for p in flows["resident"]] + [cell(flows["total"])]
    long = [[r["registered"], r["resident"], cell(r["patients"])] for r in flows["flows"]]
    assert [[row[0], row[2], row[4]] for row in tables["Flows"][1 : len(long) + 1]] == long
    areas = [[cell(a[n]) for n in ("registered", "resident", "both")] for a in flows["areas"]]
    assert [row[2:5] for row in tables["Areas"][1:]] == areas
    notes = {row[0]: row[1] for row in tables["Notes"]}
    assert notes["Small numbers"] == flows["suppression"]
    print(json.dumps({"hidden": sum(n == "*" for row in matrix for n in row)}))


def shown_range(published, multiple):
    """Returns the possible exact values of a published number."""
    if not multiple or published == 0:
        return published, published
    return max(0, published - multiple // 2), published + multiple - multiple // 2 - 1


def bounds(table, knows_small):
    """Returns the minimum and maximum of each hidden number, by its two positions. Totals have the position after the
    last. If `knows_small`, the reader knows which counts are hidden because they are small."""
    import numpy
    from scipy.optimize import linprog

    matrix, multiple, most = table["matrix"], table["multiple"], table["most"]
    rows, columns = len(matrix), len(matrix[0])
    position = lambda i, j: i * columns + j
    limits, sums = [], []
    for i in range(rows):
        for j in range(columns):
            if matrix[i][j] is not None:
                limits.append(shown_range(matrix[i][j], multiple))
            elif knows_small and 1 <= table["truth"][i][j] <= most:
                limits.append((1, max(most, 2)))
            else:
                limits.append((0, None))
    cells_of = lambda i, j: [
        position(a, b) for a in range(rows) for b in range(columns) if i in (a, rows) and j in (b, columns)
    ]
    totals = [(i, columns, table["registered"][i]) for i in range(rows)]
    totals += [(rows, j, table["resident"][j]) for j in range(columns)] + [(rows, columns, table["total"])]
    for i, j, published in totals:
        if published is not None:
            line = numpy.zeros(rows * columns)
            line[cells_of(i, j)] = 1
            low, high = shown_range(published, multiple)
            sums += [(line, high), (-line, -low)]
    matrix_of_sums = numpy.array([line for line, _ in sums]) if sums else None
    limits_of_sums = [limit for _, limit in sums] if sums else None
    hidden = [(i, j) for i in range(rows) for j in range(columns) if matrix[i][j] is None]
    hidden += [(i, j) for i, j, published in totals if published is None]
    for i, j in hidden:
        objective = numpy.zeros(rows * columns)
        objective[cells_of(i, j)] = 1
        ends = []
        for sign in (1, -1):
            found = linprog(sign * objective, A_ub=matrix_of_sums, b_ub=limits_of_sums, bounds=limits, method="highs")
            # Status 3 means that there is no bound.
            assert found.status in (0, 3), (found.message, table)
            ends.append(sign * found.fun if found.status == 0 else sign * -float("inf"))
        yield (i, j), ends


def solve(path):
    tables, numbers, narrowest = 0, 0, float("inf")
    for line in Path(path).read_text().splitlines():
        table = json.loads(line)
        tables += 1
        for knows_small in (False, True):
            for where, (low, high) in bounds(table, knows_small):
                numbers += 1
                # The bounds are whole numbers, so two values differ by at least 1.
                assert high - low > 0.99, f"{where} is {low} in {json.dumps(table)}"
                narrowest = min(narrowest, high - low)
        truth, most = table["truth"], table["most"]
        for i, row in enumerate(truth):
            for j, value in enumerate(row):
                assert not 1 <= value <= most or table["matrix"][i][j] is None, table
    print(json.dumps({"tables": tables, "numbers": numbers, "narrowest": narrowest}))


if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    {"make": make, "count": count, "sheets": sheets, "solve": solve}[command](*arguments)
