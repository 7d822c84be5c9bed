"""Runs `catchment batch` on files written by pyarrow. The output must contain the input columns unchanged, followed by
the same output columns as for a CSV file.

    pyarrow_lists.py PROGRAM DAY     (run in a folder with list.csv, whose rows all have the same number of cells)

tests/it/batches/columnar.rs runs this script with the Python that CATCHMENT_PYTHON specifies.
"""

import csv
import io
import subprocess
import sys
from datetime import date, datetime, timezone
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq

PROGRAM, DAY = sys.argv[1:]
ANSWER = [PROGRAM, "batch", "--as-of", DAY, "--columns", "all", "--quiet"]


def answered_as_csv():
    done = subprocess.run([*ANSWER, "list.csv"], capture_output=True, check=True)
    return list(csv.DictReader(io.StringIO(done.stdout.decode(), newline="")))


def typed_list():
    """Returns the input file as a table, with additional columns of every common type."""
    with open("list.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    count = len(rows)
    columns = {name: pa.array([row[name] or None for row in rows]) for name in rows[0]}
    columns["postcode"] = columns["postcode"].dictionary_encode()
    columns["gp_practice_code"] = columns["gp_practice_code"].cast(pa.large_string())
    columns["town"] = pa.array(["Carnsea", "Aldmere", None] * count)[:count].dictionary_encode()
    columns["amount"] = pa.array([Decimal(at) / 100 for at in range(count)], pa.decimal128(12, 2))
    columns["seen"] = pa.array([datetime(2024, 1, 1, tzinfo=timezone.utc)] * count, pa.timestamp("us", "UTC"))
    columns["day"] = pa.array([date(2024, 2, 29)] * count)
    columns["codes"] = pa.array([["a", None], [], None, ["b"]] * count)[:count]
    columns["person"] = pa.array([{"age": at, "tags": [("k", at)]} for at in range(count)],
                                 pa.struct([("age", pa.int16()), ("tags", pa.map_(pa.string(), pa.int32()))]))
    columns["raw"] = pa.array([bytes([at % 256, 0, 255]) for at in range(count)], pa.binary(3))
    columns["view"] = pa.array(["short", "longer than twelve bytes", None] * count)[:count].cast(pa.string_view())
    columns["flag"] = pa.array([True, False, None] * count)[:count]
    table = pa.table(columns)
    assert len(set(table.column_names)) == len(table.column_names)
    return table.replace_schema_metadata({"pandas": "{}", "owner": "nobody"})


def check(answered, asked, expected):
    users = answered.select(asked.column_names)
    users.validate(full=True)
    assert users.schema.equals(asked.schema, check_metadata=True), (users.schema, asked.schema)
    for name in asked.column_names:
        # The chunks and dictionaries of the output may differ from those of the input, but the values must be the same.
        assert users[name].to_pylist() == asked[name].to_pylist(), name
    ours = answered.column_names[len(asked.column_names):]
    assert ours and ours == [name for name in expected[0] if name.startswith("catchment_")]
    for name in ours:
        cells = answered[name].to_pylist()
        is_number = answered.schema.field(name).type == pa.float64()
        for row, (cell, record) in enumerate(zip(cells, expected, strict=True)):
            text = record[name]
            wanted = None if text == "" else float(text) if is_number else text
            assert cell == wanted, (row, name, cell, wanted)


def chunks(name):
    """Returns the number of rows of each row group, and the bytes and metadata of each of its column chunks."""
    with open(name, "rb") as file:
        bytes_of_file = file.read()
    metadata = pq.ParquetFile(name).metadata
    groups = []
    for group in (metadata.row_group(at) for at in range(metadata.num_row_groups)):
        columns = []
        for column in (group.column(at) for at in range(group.num_columns)):
            begin = column.dictionary_page_offset or column.data_page_offset
            says = column.to_dict()
            for offset in ("file_offset", "data_page_offset", "dictionary_page_offset"):
                says.pop(offset)
            says["encodings"] = sorted(says["encodings"])
            columns.append((bytes_of_file[begin:begin + column.total_compressed_size], says))
        groups.append((group.num_rows, columns))
    return groups


def check_chunks(answered, asked):
    """Checks that the column chunks of the input are copied byte for byte, and that the output columns are added after them."""
    groups = list(zip(chunks(answered), chunks(asked), strict=True))
    for (answered_rows, ours_too), (asked_rows, theirs) in groups:
        assert answered_rows == asked_rows
        assert len(ours_too) > len(theirs)
        assert ours_too[:len(theirs)] == theirs


def stream_of(table, rows, **options):
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=rows)
    return sink.getvalue()


def main():
    expected = answered_as_csv()
    asked = typed_list()

    for rows, options in [(1_000, {}), (7, {"compression": "zstd"}), (10_000, {"compression": "lz4"}),
                          (500, {"unify_dictionaries": True})]:
        done = subprocess.run([*ANSWER, "-"], input=stream_of(asked, rows, **options), capture_output=True)
        assert done.returncode == 0, done.stderr
        check(pa.ipc.open_stream(done.stdout).read_all(), asked, expected)

    for name, options in [("plain", {}), ("small-groups", {"row_group_size": 100, "compression": "zstd"}),
                          ("v2", {"data_page_version": "2.0", "compression": "gzip"}),
                          ("no-dictionaries", {"use_dictionary": False, "compression": "none"}),
                          ("lz4", {"compression": "lz4"}),
                          # This option writes the deprecated timestamp type.
                          ("int96", {"use_deprecated_int96_timestamps": True}),
                          ("no-schema", {"store_schema": False}),
                          # The program cannot decompress Brotli, but it does not need to read these columns.
                          ("brotli-elsewhere", {"compression": {
                              name: "brotli" for name in asked.column_names
                              if name not in ("postcode", "gp_practice_code") and "person" not in name
                              and name != "codes"}})]:
        pq.write_table(asked, f"{name}.parquet", **options)
        as_read = pq.read_table(f"{name}.parquet")
        subprocess.run([*ANSWER, f"{name}.parquet", "-o", f"{name}.out"], check=True)
        check(pq.read_table(f"{name}.out"), as_read, expected)
        check_chunks(f"{name}.out", f"{name}.parquet")

    pq.write_table(asked.select(["postcode"]), "brotli.parquet", compression="brotli")
    done = subprocess.run([*ANSWER, "brotli.parquet"], capture_output=True)
    assert done.returncode == 2 and b"Brotli" in done.stderr and done.stdout == b"", done

    pq.write_table(asked.slice(0, 0), "empty.parquet")
    subprocess.run([*ANSWER, "empty.parquet", "-o", "empty.out"], check=True)
    assert pq.read_table("empty.out").num_rows == 0
    check_damaged("small-groups.parquet")


def check_damaged(name):
    """Removes bytes after the first four bytes of a file. Checks that the program rejects or processes such a file, and
    never panics."""
    with open(name, "rb") as file:
        whole = file.read()
    for cut in range(50, len(whole) - 8_000, len(whole) // 5):
        with open("damaged.parquet", "wb") as file:
            file.write(whole[:4] + whole[4 + cut:])
        done = subprocess.run([*ANSWER, "damaged.parquet", "-o", "damaged.out", "--force"], capture_output=True)
        assert done.returncode in (0, 2, 3), (cut, done.stderr)
        assert b"panicked" not in done.stderr, (cut, done.stderr)


main()
