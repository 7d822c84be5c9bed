"""Compares the time of the package with that of the command line for the same rows.

    time_batch.py PROGRAM PATIENTS.csv [REPEATS]

PATIENTS.csv has the columns `postcode` and `gp_practice_code`. Both read these rows as an Arrow stream, and write
an Arrow stream. The goal is a ratio of at most 1.2.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow
import pyarrow.csv

from catchment import Catchment

PROGRAM, PATIENTS = sys.argv[1:3]
REPEATS = int(sys.argv[3]) if len(sys.argv) > 3 else 5


def seconds(run):
    """Returns the shortest time of several runs."""
    times = []
    for _ in range(REPEATS):
        begun = time.perf_counter()
        run()
        times.append(time.perf_counter() - begun)
    return min(times)


def write(table, path):
    with pyarrow.OSFile(str(path), "wb") as file, pyarrow.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table, max_chunksize=65_536)


def main():
    as_text = pyarrow.csv.ConvertOptions(column_types={name: pyarrow.string() for name in ("postcode", "gp_practice_code")})
    table = pyarrow.csv.read_csv(PATIENTS, convert_options=as_text)
    with tempfile.TemporaryDirectory() as folder:
        rows, answered = Path(folder, "patients.arrows"), Path(folder, "answered.arrows")
        write(table, rows)

        def with_the_program():
            subprocess.run([PROGRAM, "batch", rows, "-o", answered, "--force", "--quiet"], check=True)

        def with_the_package():
            # The program reads the dataset at each start, so the package does so here as well.
            read = pyarrow.ipc.open_stream(pyarrow.memory_map(str(rows))).read_all()
            write(Catchment().batch(read), answered)

        program, package = seconds(with_the_program), seconds(with_the_package)
        loaded = Catchment()
        batch = seconds(lambda: loaded.batch(table))
    print(f"{table.num_rows:,} rows: program {program:.2f} s, package {package:.2f} s, ratio {package / program:.2f}")
    print(f"the call of batch with a dataset that is read already: {batch:.2f} s")


main()
