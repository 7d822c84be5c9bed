"""Runs the recipe of docs/users/spark.md on Spark in local mode with several workers, and compares the output with the output of
the program for the same rows.

    check.py PROGRAM DATASET_FOLDER [ROWS]

tests/check --all runs this script. It needs pyspark, pyarrow and Java 17.
"""

import csv
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pyspark
import pyspark.sql

ROOT = Path(__file__).resolve().parents[2]
PROGRAM, DATASET = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
ROWS = int(sys.argv[3]) if len(sys.argv) > 3 else 20_000
WORKERS, FILES = 3, 7


def main():
    folder = tempfile.mkdtemp(prefix="catchment-spark-")
    os.chdir(folder)
    try:
        check()
    finally:
        os.chdir(ROOT)
        shutil.rmtree(folder)


def check():
    recipe = re.search(r"```python\n(.*?)```", (ROOT / "docs/users/spark.md").read_text("utf-8"), re.DOTALL).group(1)
    shutil.copy(PROGRAM, "catchment")
    shutil.copy(ROOT / "docs/users/spark/catchment_worker.py", ".")
    shutil.make_archive("dataset", "zip", DATASET)
    patients = made_up_patients()
    os.mkdir("patients.parquet")
    for at in range(FILES):
        share = patients.slice(at * ROWS // FILES, (at + 1) * ROWS // FILES - at * ROWS // FILES)
        pq.write_table(share, f"patients.parquet/part-{at}.parquet")

    spark = session()
    space = {"spark": spark}
    exec(recipe, space)
    partitions = space["patients"].rdd.getNumPartitions()
    assert partitions >= WORKERS, partitions
    compare(patients, space["OPTIONS"])

    worker, answer = space["catchment_worker"], space["answered"]
    few = answer.limit(3).collect()
    assert len(few) == 3, "limit(3) must return three rows, although Spark stops reading the output before its last row"
    none = space["patients"].where("row_number < 0")
    function = worker.answering("catchment", "dataset.zip", space["OPTIONS"])
    assert none.mapInArrow(function, space["schema"]).count() == 0
    failing = worker.answering("catchment", "dataset.zip", ["--as-of", "yesterday"])
    try:
        space["patients"].mapInArrow(failing, space["schema"]).count()
    except Exception as fault:
        assert "failed with exit status 2" in str(fault), fault
    else:
        raise AssertionError("when a worker fails, its task must fail")
    spark.stop()
    print(f"Spark {pyspark.__version__}, {WORKERS} workers, {partitions} partitions, {ROWS} rows: the output is identical to that of the program")


def session():
    os.environ["PYSPARK_PYTHON"] = sys.executable
    # Use the Spark of the pyspark package, even if another Spark is installed.
    os.environ["SPARK_HOME"] = os.path.dirname(pyspark.__file__)
    sys.path.insert(0, ".")
    options = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.local.dir": os.getcwd(),
        # Force several partitions, each with several batches.
        "spark.sql.files.maxPartitionBytes": "65536",
        "spark.sql.files.openCostInBytes": "1",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "700",
    }
    builder = pyspark.sql.SparkSession.builder.master(f"local[{WORKERS}]").appName("catchment")
    for name, value in options.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    return spark


def made_up_patients():
    """Returns synthetic patients, with postcodes and practices of the dataset and with common invalid values."""
    dice = random.Random(5)
    postcodes = column_of("postcodes.csv", "postcode")
    practices = column_of("practices.csv", "ods_code")
    dirt = ["", None, "LA1", "LA1O 5DL", "ZZ99 3VZ", "SW1A 1AA", "N/K"]
    homes = [dice.choice(dirt) if dice.random() < 0.1 else dice.choice(postcodes) for _ in range(ROWS)]
    codes = [dice.choice(["", None, "V81999", "X99999", "P81002001"]) if dice.random() < 0.1 else dice.choice(practices)
             for _ in range(ROWS)]
    notes = ["", None, "says \"no\"", "line\nfeed", "Zoë, Żak"]
    return pa.table({
        "row_number": pa.array(range(ROWS), pa.int64()),
        "note": [dice.choice(notes) for _ in range(ROWS)],
        "postcode": [home.lower() if home and dice.random() < 0.2 else home for home in homes],
        "gp_practice_code": codes,
        "amount": pa.array([dice.random() for _ in range(ROWS)], pa.float64()),
    })


def column_of(name, column):
    with open(DATASET / name, newline="", encoding="utf-8") as file:
        return [row[column] for row in csv.DictReader(file)]


def compare(patients, options):
    pq.write_table(patients, "list.parquet")
    subprocess.run([PROGRAM, "batch", "list.parquet", "-o", "expected.parquet", "--data", DATASET, "--quiet", *options],
                   check=True)
    expected = bytes_of(pq.read_table("expected.parquet"))
    # Spark writes the parts of its output in any order.
    answered = bytes_of(pq.read_table("answered.parquet").sort_by("row_number"))
    assert answered == expected, "the output of Spark differs from the output of the program"


def bytes_of(table):
    """Returns the table as an Arrow stream of one record batch, without the metadata of the file."""
    plain = pa.schema([pa.field(field.name, field.type) for field in table.schema])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, plain) as stream:
        arrays = [pa.array(column.to_pylist(), field.type) for column, field in zip(table.columns, plain)]
        stream.write_batch(pa.record_batch(arrays, schema=plain))
    return sink.getvalue().to_pybytes()


main()
