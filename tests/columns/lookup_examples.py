"""Runs the examples of docs/users/lookup.md and compares their results with those of `catchment batch` for the same file.

    lookup_examples.py PROGRAM PAGE     (run in a folder with patients.csv)

tests/it/data/export.rs runs this script with the Python that CATCHMENT_PYTHON specifies.
"""

import csv
import re
import subprocess
import sys

import duckdb

PROGRAM, PAGE = sys.argv[1:]
DAY = "2025-12-01"
# The look-up tables contain the practice of a branch, but not whether the branch is in the directory.
OF_A_BRANCH = "catchment_practice_branch_listed"


def examples():
    """Returns the code examples of the page, by language."""
    with open(PAGE, encoding="utf-8") as page:
        blocks = re.findall(r"```(\w+)\n(.*?)```", page.read(), re.DOTALL)
        # The first block in a language is the example. The page contains other commands below it.
        return dict(reversed(blocks))


def shown(cell):
    return "" if cell is None or cell != cell else str(cell)


def compare(found, expected, columns):
    """Compares rows in order and returns the number of cells compared. Skips cells that are not in the look-up tables."""
    assert len(found) == len(expected)
    compared, unlike = 0, []
    for row, (cells, answer) in enumerate(zip(found, expected)):
        is_home_known = shown(cells["catchment_status"]) != ""
        is_practice_known = answer["catchment_practice_asked"] != "" or "default_code" in answer["catchment_reason"]
        if not is_home_known:
            unheld = {"outside_coverage", "unknown_postcode", "partial_postcode", "malformed", "missing"}
            assert answer["catchment_status"] in unheld, (row, answer["catchment_status"])
        for name in columns:
            if not is_home_known and name in ("catchment_status", "catchment_reason", "catchment_resilience_groups"):
                continue
            if not is_practice_known and name == "catchment_reason":
                continue
            compared += 1
            wanted = answer[name]
            cell = shown(cells[name])
            if isinstance(cells[name], float):
                wanted = shown(float(wanted)) if wanted else ""
            if cell != wanted:
                unlike.append((row, name, cell, wanted))
    assert not unlike, (len(unlike), unlike[:5])
    return compared


def main():
    code = examples()
    command = code["sh"].strip().split()
    assert command[0] == "catchment"
    subprocess.run([PROGRAM, *command[1:], "--quiet"], check=True)
    subprocess.run([PROGRAM, "batch", "patients.csv", "-o", "answered.csv", "--as-of", DAY,
                    "--columns", "all", "--quiet"], check=True)
    with open("answered.csv", newline="", encoding="utf-8") as file:
        expected = list(csv.DictReader(file))

    database = duckdb.connect()
    database.execute("SET preserve_insertion_order = true")
    database.execute(code["sql"])
    result = database.execute("SELECT * FROM answered")
    names = [column[0] for column in result.description]
    found = [dict(zip(names, cells)) for cells in result.fetchall()]
    # A join does not preserve the order of rows.
    by_person = lambda row: (row["nhs_number"], row["postcode"] or "", row["gp_practice_code"] or "")
    ours = [name for name in names if name.startswith("catchment_")]
    assert len(ours) == 9
    compared = compare(sorted(found, key=by_person), sorted(expected, key=by_person), ours)
    print(f"DuckDB: {compared} cells")

    space = {}
    exec(code["python"], space)
    table = space["answered"]
    found = table.astype(object).where(table.notna(), None).to_dict("records")
    columns = [name for name in table.columns if name in expected[0] and name.startswith("catchment_")]
    assert len(columns) > 40, columns
    skipped = {OF_A_BRANCH}
    compared = compare(found, expected, [name for name in columns if name not in skipped])
    print(f"pandas: {compared} cells")


main()
