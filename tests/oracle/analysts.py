"""Three analysts answer the same patients, and must get the same: one has Excel, one Python, one SQL.

    analysts.py PROGRAM DOCS     (run in a folder with patients.csv)

PROGRAM is the program, and DOCS the folder of the pages whose examples are run as they are printed. The columns of
patients.csv are `nhs_number`, `postcode` and `gp_practice_code`. The analyst with Python uses the package `catchment` if
it is installed, and reads CSV otherwise. tests/it/batches/three_analysts.rs runs this script with the Python that
CATCHMENT_PYTHON names, and python/tests/test_documentation.py with that of the package.
"""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import duckdb
import openpyxl
import pandas

PROGRAM, DOCS = sys.argv[1], Path(sys.argv[2])
DAY = "2025-12-01"
KEYS = ["nhs_number", "postcode", "gp_practice_code"]
ANSWERS = [
    "catchment_icc_registration_id",
    "catchment_icc_residence_id",
    "catchment_lsoa11",
    "catchment_council",
]
COLUMNS = "council,lsoa11"
# A join cannot tell these two places of `catchment flows` apart.
NO_AREA = {"elsewhere": "none", "not_known": "none"}


def blocks(page, language):
    """Returns the examples of a page in a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def run(*arguments):
    subprocess.run([PROGRAM, *arguments, "--force", "--quiet"], check=True)


def text(cell):
    # A number that is not a number is a missing value of pandas.
    return "" if cell is None or cell != cell else str(cell)


def in_order(rows):
    """Returns rows as tuples of strings, in an order that does not depend on the engine."""
    return sorted(tuple(text(cell) for cell in row) for row in rows)


def merged(flows):
    """Returns flows with one place for all that is in no area, and without pairs that have no patients."""
    counts = Counter()
    for (registered, resident), patients in flows.items():
        counts[NO_AREA.get(registered, registered), NO_AREA.get(resident, resident)] += patients
    return {pair: patients for pair, patients in counts.items() if patients}


def with_excel():
    """The analyst with Excel: workbooks from the command line."""
    run("batch", "patients.csv", "-o", "answered.xlsx", "--as-of", DAY, "--columns", COLUMNS)
    run("flows", "patients.csv", "-o", "flows.xlsx", "--as-of", DAY, "--suppress", "none")
    sheet = openpyxl.load_workbook("answered.xlsx", read_only=True).worksheets[0]
    rows = sheet.iter_rows(values_only=True)
    header = next(rows)
    positions = [header.index(name) for name in KEYS + ANSWERS]
    # openpyxl returns no cells after the last one of a row.
    padded = ((*row, *[None] * (len(header) - len(row))) for row in rows)
    answered = in_order([row[position] for position in positions] for row in padded)
    header, *rows = openpyxl.load_workbook("flows.xlsx", read_only=True)["Matrix"].iter_rows(values_only=True)
    places = header[2:-1]
    assert header[-1] == "total" and rows[-1][0] == "total"
    flows = {(row[0], place): count for row in rows[:-1] for place, count in zip(places, row[2:-1])}
    assert sum(flows.values()) == rows[-1][-1] == len(answered)
    return answered, merged(flows)


def with_python():
    """The analyst with Python: the example of the page if the package is installed, and otherwise CSV."""
    try:
        import catchment
    except ImportError:
        run("batch", "patients.csv", "-o", "answered.csv", "--as-of", DAY, "--columns", COLUMNS)
        run("flows", "patients.csv", "-o", "flows.json", "--as-of", DAY, "--suppress", "none")
        answered = pandas.read_csv("answered.csv", dtype=str, keep_default_na=False)
        pairs = json.loads(Path("flows.json").read_text(encoding="utf-8"))["flows"]
        flows = {(pair["registered"], pair["resident"]): pair["patients"] for pair in pairs}
        how = "CSV"
    else:
        page = {}
        exec(blocks("python.md", "python")[0], page)
        # The page hides small numbers, which is right for a publication but not for a comparison.
        exact = page["catchment"].flows(page["patients"], as_of=DAY, suppress="none")
        published = page["flows"].to_dict()
        assert published["suppression"] == "below:8" and os.path.exists("flows.csv")
        flows = {(flow.registered, flow.resident): flow.patients for flow in exact.pairs}
        answered = page["answered"]
        how = f"the package {catchment.__name__}"
    print("with Python:", how)
    return in_order(answered[KEYS + ANSWERS].itertuples(index=False)), merged(flows)


def with_sql():
    """The analyst with SQL: the examples of the page on the exported tables."""
    run("export", "--lookup", "postcodes.parquet", "--practices", "practices.parquet")
    database = duckdb.connect()
    for example in blocks("analyst-tools.md", "sql"):
        result = database.execute(example)
    # The last statement of the page is the matrix.
    names = [column[0] for column in result.description]
    matrix = {(row[0], name): count for row in result.fetchall() for name, count in zip(names[1:], row[1:])}
    columns = ", ".join(KEYS + ANSWERS)
    answered = database.execute(f"SELECT {columns} FROM answered").fetchall()
    pairs = database.execute("SELECT registered, resident, patients FROM flows").fetchall()
    flows = {(registered, resident): patients for registered, resident, patients in pairs}
    assert merged(matrix) == merged(flows)
    return in_order(answered), merged(flows)


def main():
    excel, excel_flows = with_excel()
    answered = sum(row[-4] != "" and row[-3] != "" for row in excel)
    assert answered > len(excel) / 4, (answered, len(excel))
    assert len(excel_flows) > 30, excel_flows
    for name, (rows, flows) in {"Python": with_python(), "SQL": with_sql()}.items():
        assert len(rows) == len(excel), (name, len(rows), len(excel))
        unlike = [pair for pair in zip(rows, excel) if pair[0] != pair[1]]
        assert not unlike, (name, len(unlike), unlike[:5])
        assert flows == excel_flows, (name, set(flows.items()) ^ set(excel_flows.items()))
    print(f"{len(excel)} rows and {len(excel_flows)} flows agree")


main()
