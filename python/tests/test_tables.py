"""Batches, flows and areas on the tables of pandas, polars and pyarrow."""

import threading
import time

import duckdb
import pandas
import polars
import pyarrow
import pytest

from catchment import AnsweredTable, CatchmentError

DAY = "2025-12-01"
RESIDENCE = ["mb-barrow-and-millom", "mb-east", None, None, None]
REGISTRATION = ["mb-lancaster", "mb-east", "mb-east", None, "mb-barrow-and-millom"]
STATUS = ["located", "located", "malformed", "no_fixed_abode", "missing"]

KINDS = {
    "pandas": (pandas.DataFrame, pandas.DataFrame),
    "polars": (polars.DataFrame, polars.DataFrame),
    "pyarrow": (pyarrow.table, pyarrow.Table),
    "record batch": (pyarrow.RecordBatch.from_pydict, pyarrow.RecordBatch),
}


def columns(table):
    """Returns a table as lists, in which a missing value is None."""
    if isinstance(table, pandas.DataFrame):
        table = pyarrow.Table.from_pandas(table, preserve_index=False)
    if isinstance(table, polars.DataFrame):
        table = table.to_arrow()
    return table.to_pydict()


@pytest.mark.parametrize("kind", KINDS)
def test_tables_come_back_as_what_they_were(catchment, patients, kind):
    make, expected = KINDS[kind]
    table = make(patients)
    answered = catchment.batch(table, columns="council,lsoa11", as_of=DAY)
    assert type(answered) is expected
    found = columns(answered)
    assert list(found)[:5] == [*patients, "catchment_status"]
    assert {name: found[name] for name in patients} == patients
    assert found["catchment_status"] == STATUS
    assert found["catchment_icc_residence_id"] == RESIDENCE
    assert found["catchment_icc_registration_id"] == REGISTRATION
    assert found["catchment_council"][0] == "E06000063"
    assert found["catchment_lsoa11"][0] == "E01019299"


def test_columns_of_the_user_are_not_changed(catchment, patients):
    frame = pandas.DataFrame(patients, index=[9, 7, 5, 3, 1])
    frame["object"] = [object() for _ in range(5)]
    frame["group"] = pandas.Categorical(["a", "b", "a", "b", "a"])
    before = frame.copy()
    answered = catchment.batch(frame, as_of=DAY)
    pandas.testing.assert_frame_equal(answered[list(before)], before)
    pandas.testing.assert_frame_equal(frame, before)
    table = pyarrow.table(patients)
    assert catchment.batch(table, as_of=DAY).column("postcode").chunk(0).buffers()[2].address == (
        table.column("postcode").chunk(0).buffers()[2].address
    )


@pytest.mark.parametrize("text", [pyarrow.string(), pyarrow.large_string(), pyarrow.string_view(), "dictionary"])
def test_texts_of_every_arrow_type(catchment, patients, text):
    table = pyarrow.table(patients)
    for position, name in enumerate(("postcode", "gp_practice_code"), start=1):
        column = table.column(name)
        column = column.dictionary_encode() if text == "dictionary" else column.cast(text)
        table = table.set_column(position, name, column)
    assert columns(catchment.batch(table, as_of=DAY))["catchment_icc_residence_id"] == RESIDENCE


def test_arrow_streams_of_other_libraries(catchment, patients):
    rows = pyarrow.table(patients)
    answered = catchment.batch(duckdb.sql("SELECT * FROM rows"), as_of=DAY)
    assert isinstance(answered, AnsweredTable) and len(answered) == 5
    for _ in range(2):
        read = pyarrow.table(answered)
        assert read.column("catchment_icc_residence_id").to_pylist() == RESIDENCE
    assert duckdb.sql("SELECT count(*) FROM answered").fetchall() == [(5,)]
    reader = catchment.batch(rows.to_reader(max_chunksize=2), as_of=DAY)
    assert isinstance(reader, pyarrow.RecordBatchReader)
    assert reader.read_all().column("catchment_status").to_pylist() == STATUS


def test_rows_of_many_chunks_keep_their_order(catchment):
    postcodes = ["LA18 4DB", "LA10 5DL", "LA1 1PN", "N/K"]
    table = pyarrow.table({"ref": range(100_003), "postcode": [postcodes[row % 4] for row in range(100_003)]})
    table = pyarrow.concat_tables([table.slice(0, 1), table.slice(1, 60_000), table.slice(60_001)])
    for rows in (table, polars.from_arrow(table), table.to_pandas()):
        found = columns(catchment.batch(rows, as_of=DAY))
        assert found["ref"] == list(range(100_003))
        by_postcode = dict(zip(found["postcode"], found["catchment_icc_residence_id"]))
        expected = [by_postcode[postcodes[row % 4]] for row in range(100_003)]
        assert found["catchment_icc_residence_id"] == expected and len(set(by_postcode.values())) == 4


def test_dates_coordinates_and_statistical_areas(catchment):
    days = pandas.to_datetime(["2025-12-01", "1990-01-01", None])
    frame = pandas.DataFrame({"postcode": ["LA18 4DB"] * 3, "seen": days})
    answered = catchment.batch(frame, as_of=DAY, as_of_column="seen")
    assert answered["catchment_icc_residence_id"].isna().tolist() == [False, True, False]
    dates = polars.DataFrame({"postcode": ["LA18 4DB"], "seen": [days[0].date()]})
    assert catchment.batch(dates, as_of_column="seen")["catchment_status"].to_list() == ["located"]
    grid = pandas.DataFrame({"easting": [317_303], "northing": [480_077]})
    assert catchment.batch(grid, as_of=DAY)["catchment_icc_residence_id"].tolist() == [RESIDENCE[0]]
    areas = polars.DataFrame({"lsoa11cd": ["E01019311"]})
    assert catchment.batch(areas, as_of=DAY)["catchment_icc_residence_id"].to_list() == ["nc-eden"]
    codes = pandas.DataFrame({"practice": ["A82608"]})
    answered = catchment.batch(codes, practice_column="practice", registration_only=True, as_of=DAY)
    assert answered["catchment_icc_registration_id"].tolist() == ["mb-east"]


@pytest.mark.parametrize("kind", KINDS)
def test_tables_without_rows(catchment, patients, kind):
    make, expected = KINDS[kind]
    schema = pyarrow.table(patients).schema
    empty = {"pandas": lambda: schema.empty_table().to_pandas(), "polars": lambda: polars.DataFrame(patients).clear()}
    empty = empty.get(kind, lambda: make({name: pyarrow.array([], schema.field(name).type) for name in patients}))()
    answered = catchment.batch(empty, as_of=DAY)
    assert type(answered) is expected
    assert "catchment_icc_residence_id" in columns(answered) and len(columns(answered)["postcode"]) == 0


def test_input_that_cannot_be_used_is_refused_by_name(catchment, patients):
    frame = pandas.DataFrame(patients)
    for table, options, words in [
        (frame.drop(columns="postcode"), {}, "no postcode column found among `nhs_number`, .* postcode_column"),
        (frame, {"postcode_column": "home"}, "postcode_column `home`: no column has that name"),
        (frame.assign(pcd="LA18 4DB"), {}, "`postcode`, `pcd` may each be the postcode column"),
        (frame.assign(postcode=1), {}, "the column `postcode` has type Int64"),
        (frame.assign(catchment_status="x"), {}, "already has a column `catchment_status`"),
        (frame, {"columns": "no_such_column"}, "columns: .*no_such_column"),
        (frame, {"as_of": "yesterday"}, "as_of: "),
        (frame, {"area_layer": "icc"}, "area_layer: "),
    ]:
        with pytest.raises(CatchmentError, match=words) as error:
            catchment.batch(table, **options)
        assert "--" not in str(error.value)
    with pytest.raises(TypeError, match="not list"):
        catchment.batch([patients])
    with pytest.raises(TypeError, match="collect"):
        catchment.batch(polars.LazyFrame(patients))
    with pytest.raises(TypeError, match="must be texts"):
        catchment.batch(pandas.DataFrame([["LA18 4DB"]]))
    with pytest.raises((OverflowError, ValueError)):
        catchment.batch(frame, threads=0)


def test_other_threads_run_during_a_batch(catchment):
    rows = 300_000
    table = pyarrow.table({"postcode": ["LA18 4DB", "LA10 5DL", "N/K"] * (rows // 3)})
    ticks, done = [], threading.Event()

    def tick():
        while not done.wait(0.001):
            ticks.append(time.perf_counter())

    ticker = threading.Thread(target=tick)
    ticker.start()
    begun = time.perf_counter()
    catchment.batch(table, columns="all", as_of=DAY, threads=1)
    took = time.perf_counter() - begun
    done.set()
    ticker.join()
    assert len(ticks) > took / 0.05, (len(ticks), took)


def test_flows_count_and_suppress(catchment):
    rows = [("LA18 4DB", "A82033", 240), ("LA18 4DB", "P81002", 9), ("LA1 1PN", "P81002", 35)]
    rows += [("LA1 1PN", "A82033", 3), ("ZZ99 3VZ", "A82033", 12), ("M1 1AE", "P81002", 11)]
    table = {"postcode": [], "gp_practice_code": []}
    for postcode, practice, count in rows:
        table["postcode"] += [postcode] * count
        table["gp_practice_code"] += [practice] * count
    exact = catchment.flows(pandas.DataFrame(table), suppress="none", as_of=DAY)
    assert exact.total == 310 and exact.registered_layer == "icc" and exact.bad_rows == 0
    matrix = exact.matrix()
    assert matrix.loc["mb-barrow-and-millom", "mb-lancaster"] == 3
    assert matrix.loc["mb-lancaster", "mb-barrow-and-millom"] == 9
    assert matrix.loc["mb-barrow-and-millom", "not_known"] == 12
    assert matrix.to_numpy().sum() == 310
    assert exact.to_pandas()["patients"].sum() == 310
    assert exact.to_dict()["total"] == 310
    barrow = next(area for area in exact.areas if area.id == "mb-barrow-and-millom")
    assert (barrow.registered, barrow.resident, barrow.both) == (255, 249, 240)
    hidden = catchment.flows(polars.DataFrame(table), as_of=DAY)
    assert hidden.suppression == "below:8"
    assert hidden.matrix().isna().to_numpy().sum() >= 4
    assert pandas.isna(hidden.matrix().loc["mb-barrow-and-millom", "mb-lancaster"])
    by_council = catchment.flows(pyarrow.table(table), registered="icc", resident="council", as_of=DAY)
    assert by_council.areas is None and by_council.resident_layer == "council"
    for options, words in [
        ({"layer": "council"}, "registered: no practice belongs to an area of `council`: use "),
        ({"resident": "resilience-group"}, "resident: "),
        ({"suppress": "some"}, "suppress: "),
    ]:
        with pytest.raises(CatchmentError, match=words):
            catchment.flows(pandas.DataFrame(table), **options)
    with pytest.raises(CatchmentError, match="practice"):
        catchment.flows(pandas.DataFrame({"postcode": ["LA18 4DB"]}))
    with pytest.raises(TypeError, match="either"):
        catchment.flows(pandas.DataFrame(table), layer="icc", resident="council")


def test_areas_have_geometries(catchment):
    geopandas = pytest.importorskip("geopandas")
    areas = catchment.areas("icc", as_of=DAY)
    assert isinstance(areas, geopandas.GeoDataFrame) and areas.crs.to_epsg() == 27700
    point = geopandas.points_from_xy([317_303], [480_077])[0]
    assert areas[areas.contains(point)]["id"].tolist() == ["mb-barrow-and-millom"]
    collection = catchment.areas_geojson("icc", as_of=DAY)
    assert collection["type"] == "FeatureCollection" and len(collection["features"]) == len(areas)
    with pytest.raises(CatchmentError, match="not a layer: use icc"):
        catchment.areas("no-such-layer")
    with pytest.raises(CatchmentError, match="no boundaries of layer icc on 1999-01-01"):
        catchment.areas("icc", as_of="1999-01-01")


def test_areas_without_geopandas_are_an_arrow_table(catchment, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "geopandas", None)
    areas = catchment.areas("icc", as_of=DAY)
    assert isinstance(areas, pyarrow.Table) and b"geo" in areas.schema.metadata
