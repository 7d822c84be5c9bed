"""Measures a join that produces the same columns as `catchment batch`. Usage: joins.py ENGINE FOLDER

Reads FOLDER/input.csv and the files FOLDER/postcodes.parquet and FOLDER/practices.parquet
of `catchment export`. Pandas also needs FOLDER/icc.geojson. The script writes FOLDER/ENGINE.csv. The script prints the
seconds from opening the input to closing the output (without the time to start Python) and the number of located rows.

The input contains rows that these engines cannot read. That the engines skip these rows is part of
the comparison.

benches/batch.rs runs this script with the Python interpreter at the path in CATCHMENT_PYTHON.
"""

import pathlib
import sys
import time

DAY = "2025-12-01"
BRANCH = r"^([A-Z]\d{5})\d{3}$"
# The columns of each table that are needed for the ten default columns.
HOME = ["catchment_status", "catchment_icc_residence_id", "catchment_practices_covering",
        "catchment_certainty", "catchment_provenance", "catchment_resilience_groups_residence",
        "catchment_residence_reason"]
PRACTICE = ["catchment_icc_registration_id", "catchment_resilience_groups_registration",
            "catchment_registration_reason"]


def duckdb(folder):
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET threads = 2")
    yield
    connection.execute(f"""
        COPY (
            SELECT patients.*, {", ".join("home." + column for column in HOME)}, {", ".join("practice." + column for column in PRACTICE)},
                CASE
                    WHEN catchment_icc_residence_id IS NULL AND catchment_icc_registration_id IS NULL THEN 'neither'
                    WHEN catchment_icc_residence_id IS NULL THEN 'registration_only'
                    WHEN catchment_icc_registration_id IS NULL THEN 'residence_only'
                    WHEN catchment_icc_residence_id = catchment_icc_registration_id THEN 'agree'
                    ELSE 'differ'
                END AS catchment_agreement
            FROM read_csv('{folder}/input.csv', all_varchar = true, header = true, delim = ',', quote = '"', strict_mode = false, ignore_errors = true) AS patients
            LEFT JOIN (SELECT * EXCLUDE (postcode), replace(postcode, ' ', '') AS home_of FROM '{folder}/postcodes.parquet'
                WHERE coalesce(valid_from <= DATE '{DAY}', true) AND coalesce(valid_to > DATE '{DAY}', true)) AS home
                ON home_of = upper(replace(patients.postcode, ' ', ''))
            LEFT JOIN (SELECT * FROM '{folder}/practices.parquet'
                WHERE coalesce(valid_from <= DATE '{DAY}', true) AND coalesce(valid_to > DATE '{DAY}', true)) AS practice
                ON practice_code = regexp_replace(upper(trim(gp_practice_code)), '{BRANCH}', '\\1')
        ) TO '{folder}/duckdb.csv' (HEADER)""")
    yield
    counted = connection.execute(f"""SELECT count(*) FROM read_csv('{folder}/duckdb.csv', all_varchar = true,
        quote = '"', escape = '"') WHERE catchment_status = 'located'""")
    yield counted.fetchone()[0]


def polars(folder):
    import datetime

    import polars as pl

    day = datetime.date.fromisoformat(DAY)
    yield

    def valid_on_day(name, columns):
        is_valid = (pl.col("valid_from").is_null() | (pl.col("valid_from") <= day)) & (
            pl.col("valid_to").is_null() | (pl.col("valid_to") > day))
        return pl.scan_parquet(folder / name).filter(is_valid).select(columns)

    home = valid_on_day("postcodes.parquet", [pl.col("postcode").str.replace_all(" ", "", literal=True).alias("home_key"), *HOME])
    practice = valid_on_day("practices.parquet", [pl.col("practice_code").alias("practice_key"), *PRACTICE])
    patients = pl.scan_csv(folder / "input.csv", infer_schema=False, truncate_ragged_lines=True, ignore_errors=True)
    answered = (
        patients.with_columns(
            pl.col("postcode").str.replace_all(" ", "", literal=True).str.to_uppercase().alias("home_key"),
            pl.col("gp_practice_code").str.strip_chars().str.to_uppercase().str.replace(BRANCH, "${1}").alias("practice_key"),
        )
        .join(home, on="home_key", how="left")
        .join(practice, on="practice_key", how="left")
        .drop("home_key", "practice_key")
        .with_columns(
            pl.when(pl.col("catchment_icc_residence_id") == pl.col("catchment_icc_registration_id"))
            .then(pl.lit("agree")).otherwise(pl.lit("differ")).alias("catchment_agreement"))
    )
    answered.sink_csv(folder / "polars.csv")
    yield
    counted = pl.scan_csv(folder / "polars.csv", infer_schema=False)
    yield counted.filter(pl.col("catchment_status") == "located").select(pl.len()).collect().item()


def pandas(folder):
    """Merges on the postcode to get the position, then uses a spatial join to get the area."""
    import geopandas
    import pandas as pd

    day = pd.Timestamp(DAY).date()
    yield

    def valid_on_day(name, columns):
        table = pd.read_parquet(folder / name, columns=["valid_from", "valid_to", *columns], dtype_backend="pyarrow")
        begun = table["valid_from"].isna() | (table["valid_from"] <= day).fillna(False)
        ended = (table["valid_to"] <= day).fillna(False)
        return table[begun & ~ended].drop(columns=["valid_from", "valid_to"])

    patients = pd.read_csv(folder / "input.csv", dtype=str, keep_default_na=False, on_bad_lines="skip")
    home = valid_on_day("postcodes.parquet", ["postcode", "catchment_status", "catchment_easting", "catchment_northing",
                                         "catchment_practices_covering"])
    home["home_key"] = home.pop("postcode").str.replace(" ", "").astype(str)
    practice = valid_on_day("practices.parquet", ["practice_code", *PRACTICE]).rename(columns={"practice_code": "practice_key"})
    practice["practice_key"] = practice["practice_key"].astype(str)
    patients["home_key"] = patients["postcode"].str.replace(" ", "").str.upper()
    patients["practice_key"] = patients["gp_practice_code"].str.strip().str.upper().str.replace(BRANCH, r"\1", regex=True)
    answered = patients.merge(home, on="home_key", how="left").merge(practice, on="practice_key", how="left")
    areas = geopandas.read_file(folder / "icc.geojson").to_crs(27700)[["id", "geometry"]]
    places = geopandas.points_from_xy(
        answered["catchment_easting"].astype("float64"), answered["catchment_northing"].astype("float64"), crs=27700)
    joined = geopandas.GeoDataFrame(answered, geometry=places).sjoin(areas, how="left", predicate="within")
    joined = joined.drop(columns=["geometry", "index_right", "home_key", "practice_key"])
    joined = joined.rename(columns={"id": "catchment_icc_residence_id"})
    joined["catchment_agreement"] = (joined["catchment_icc_residence_id"] == joined["catchment_icc_registration_id"]).map(
        {True: "agree", False: "differ"})
    joined.to_csv(folder / "pandas.csv", index=False)
    yield
    yield int((joined["catchment_status"] == "located").sum())


def main(engine, folder):
    work = {"duckdb": duckdb, "polars": polars, "pandas": pandas}[engine](folder)
    next(work)
    start = time.perf_counter()
    next(work)
    seconds = time.perf_counter() - start
    print(seconds, next(work))


if __name__ == "__main__":
    main(sys.argv[1], pathlib.Path(sys.argv[2]))
