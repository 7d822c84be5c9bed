"""The examples of the documentation, as they are printed."""

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import catchment

REPOSITORY = Path(__file__).parents[2]


def test_docstrings():
    tested = doctest.testmod(catchment)
    assert tested.attempted > 4 and tested.failed == 0


def test_the_single_look_up_of_the_page_prints_what_it_says(capsys):
    page = (REPOSITORY / "docs/users/python.md").read_text(encoding="utf-8")
    example = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)[1]
    exec(example, {"catchment": catchment.Catchment()})
    assert f"prints `{capsys.readouterr().out.strip()}`" in page


@pytest.mark.skipif("CATCHMENT_PROGRAM" not in os.environ, reason="CATCHMENT_PROGRAM names the program")
def test_analysts_with_excel_python_and_sql_agree(tmp_path):
    rows = ["nhs_number,postcode,gp_practice_code"]
    places = ["LA18 4DB", "la105dl", "LA1 1PN", "LA14 2LQ", "LA9 4DL", "CA10 2LT", "LA1O 5DL", "ZZ99 3VZ", "M1 1AE", ""]
    practices = ["A82033", "P81002", "A82608", "A82025", "P81064", "a82035", "", "V81997", "X99999"]
    for number in range(1_000):
        postcode, practice = places[number % len(places)], practices[number % len(practices)]
        rows.append(f"900{number:07},{postcode},{practice}")
    (tmp_path / "patients.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    script = REPOSITORY / "tests/oracle/analysts.py"
    program = [os.environ["CATCHMENT_PROGRAM"], str(REPOSITORY / "docs/users")]
    run = subprocess.run([sys.executable, script, *program], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "with Python: the package catchment" in run.stdout
