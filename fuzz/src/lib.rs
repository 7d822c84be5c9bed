//! The bodies of the fuzz targets: a function for every parser of external text or bytes.
//!
//! The fuzz targets in `fuzz_targets/` call these functions, and so do the project's tests, which
//! run the seeds. Each function panics if an invariant is violated, and returns whether the bytes
//! were accepted. A seed that once revealed a bug is named `found-…`.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Cursor, Write as _};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::BodyExt;
use jiff::civil::{Date, date};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tower::Service;

use catchment::cli;
use catchment::domain::{
    BritishGrid, LonLat, OdsCode, Period, Postcode, PostcodePrefix, Uprn, YearMonth, date_from_iso,
    is_outcode,
};
use catchment::geodesy;
use catchment::http::{self, AccessConfig, App, ServerLimits};
use catchment::index::{Index, UprnList as _};
use catchment::ops::dataset_store::DatasetStore;
use catchment::ops::keys::{KeyRing, KeyStore, Scope};
use catchment_batch::{
    BatchInput, BatchProgress, BatchRequest, ColumnOverrides, Compression, DecodeLimits,
    HeaderOptions, OutputColumn, WorkbookOptions, parse_records,
};
use catchment_data::builder;
use catchment_data::dataset::validation::validated;
use catchment_data::dataset::{
    self, DatasetSource, MANIFEST, file_entry, manifest_from_toml, manifest_to_toml,
};
use catchment_data::formats::{ShapefileParts, read_geojson, read_shapefile};
use catchment_data::import::polygons::PolygonImport;
use catchment_data::import::{
    ImportError, SourceFiles, area_changes, area_history, catchments, code_point_open, ebranchs,
    epcn, epraccur, hierarchy, lookup, nhspd, ons_lookup, onspd, polygons, postcode_list,
    practice_list, registrations, resilience_groups, source_list, succ, uprns as uprn_lists,
};
use catchment_data::uprns::UprnTable;

/// A parser under test, which returns whether it accepted the bytes.
pub type FuzzTarget = fn(&[u8]) -> bool;

/// All targets, each with the name of its fuzz binary, which is also the name of the folder of its
/// seeds.
pub const TARGETS: [(&str, FuzzTarget); 28] = [
    ("as_of", as_of),
    ("batch_file", batch_file),
    ("bbox", bbox),
    ("catchments", catchments),
    ("code_point_open", code_point_open),
    ("columns", columns),
    ("configuration", configuration),
    ("coordinates", coordinates),
    ("dataset", dataset),
    ("epcn", epcn),
    ("epraccur", epraccur),
    ("geojson", geojson),
    ("geopackage", geopackage),
    ("geoparquet", geoparquet),
    ("json_body", json_body),
    ("key_header", key_header),
    ("manifest", manifest),
    ("ods_code", ods_code),
    ("onspd", onspd),
    ("postcode", postcode),
    ("query_string", query_string),
    ("registrations", registrations),
    ("repair", repair),
    ("shapefile", shapefile),
    ("tables", tables),
    ("tile_path", tile_path),
    ("uprn", uprn),
    ("uprns", uprns),
];

/// Parses a postcode, or the prefix of a postcode.
pub fn postcode(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(prefix) = text.parse::<PostcodePrefix>() {
        let mut readings = prefix.readings().iter();
        assert!(
            readings
                .all(|reading| is_outcode(reading.outcode()) && reading.incode_prefix().len() <= 3)
        );
    }
    let Ok(postcode) = text.parse::<Postcode>() else {
        return false;
    };
    let written = postcode.to_string();
    assert_eq!(written.parse(), Ok(postcode), "round trip");
    assert_eq!(
        written,
        format!("{} {}", postcode.outcode(), postcode.incode())
    );
    assert!(!format!("{postcode:?}").contains(postcode.incode()));
    assert!(text.contains(|c: char| c.is_alphanumeric()));
    true
}

/// Parses the ODS code of a practice or another organisation.
pub fn ods_code(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Ok(code) = text.parse::<OdsCode>() else {
        return false;
    };
    assert_eq!(code.to_string().parse(), Ok(code));
    if let Some(parent) = code.parent() {
        assert!(code.as_str().starts_with(parent.as_str()));
    }
    true
}

/// Parses two numbers separated by a space, as longitude and latitude, and as easting and northing.
pub fn coordinates(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some((x, y)) = text.split_once(' ') else {
        return false;
    };
    let (Ok(x), Ok(y)) = (x.parse::<f64>(), y.parse::<f64>()) else {
        return false;
    };
    let on_earth = LonLat::new(x, y);
    if let Ok(position) = on_earth {
        assert!(position.lon().abs() <= 180.0 && position.lat().abs() <= 90.0);
        if let Some(grid) = geodesy::to_grid(position) {
            assert_round_trip(grid);
        }
    }
    let on_grid = BritishGrid::from_metres(x, y);
    if let Ok(grid) = on_grid {
        assert!((grid.easting_m() - x).abs() <= 0.000_501);
        assert!((grid.northing_m() - y).abs() <= 0.000_501);
        assert_round_trip(grid);
    }
    on_earth.is_ok() || on_grid.is_ok()
}

/// Asserts that a conversion to degrees and back moves a point by little more than the rounding to
/// whole millimetres. In the far west, the formulae are not exact inverses. See `geodesy`.
#[track_caller]
fn assert_round_trip(grid: BritishGrid) {
    let tolerance_m = if grid.easting_m() < 120_000.0 {
        0.02
    } else {
        0.002
    };
    let round_trip = geodesy::to_lonlat(grid).and_then(geodesy::to_grid);
    if let Some(round_trip) = round_trip {
        let metres = round_trip.distance_m(grid);
        assert!(metres < tolerance_m, "{metres} m");
    }
}

/// Parses a date or a month.
pub fn as_of(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(month) = text.parse::<YearMonth>() {
        assert!(month.first_day() < month.first_day_after());
    }
    let Ok(day) = date_from_iso(&text) else {
        return false;
    };
    assert_eq!(date_from_iso(&day.to_string()), Ok(day));
    true
}

/// Runs a batch in a text format: CSV, TSV or NDJSON, plain or compressed. The first byte encodes
/// the options.
pub fn batch_file(bytes: &[u8]) -> bool {
    let Some((flags, bytes)) = bytes.split_first() else {
        return false;
    };
    let request = BatchRequest {
        format: None,
        delimiter: None,
        column_overrides: ColumnOverrides::default(),
        header: HeaderOptions::default(),
        as_of: AS_OF,
        output_columns: OutputColumn::defaults(INDEX.manifest()),
        excel_safe: flags & 1 != 0,
        compression: match flags & 2 {
            0 => Compression::None,
            _ => Compression::Gzip,
        },
        limits: DecodeLimits::HTTP,
        workbook: WorkbookOptions::default(),
        previous: None,
    };
    let Ok(input) = BatchInput::open(Cursor::new(bytes), &request) else {
        return false;
    };
    let delimiter = input.detected().delimiter;
    let mut output = Vec::new();
    let progress = BatchProgress::default();
    let result = catchment_batch::run(
        &INDEX,
        input,
        &request,
        &mut output,
        NonZeroUsize::MIN,
        &progress,
    );
    if result.is_err() {
        return false;
    }
    if let (Some(delimiter), Compression::None) = (delimiter, request.compression) {
        // The output contains a header row and one row for every input row.
        let written = parse_records(&output, delimiter);
        assert_eq!(written.len() as u64, progress.rows() + 1, "rows");
    }
    true
}

/// Runs a batch in a columnar format: an Arrow stream or a Parquet file.
pub fn columns(bytes: &[u8]) -> bool {
    let request = BatchRequest {
        format: None,
        delimiter: None,
        column_overrides: ColumnOverrides::default(),
        header: HeaderOptions::default(),
        as_of: AS_OF,
        output_columns: OutputColumn::defaults(INDEX.manifest()),
        excel_safe: false,
        compression: Compression::None,
        limits: DecodeLimits::HTTP,
        workbook: WorkbookOptions::default(),
        previous: None,
    };
    let input = if bytes.starts_with(b"PAR1") {
        let mut file = tempfile::tempfile_in(scratch_dir()).expect("a file");
        file.write_all(bytes).expect("a file");
        BatchInput::open_parquet(file, &request)
    } else {
        BatchInput::open(Cursor::new(bytes), &request)
    };
    let Ok(input) = input else {
        return false;
    };
    let progress = BatchProgress::default();
    let result = catchment_batch::run(
        &INDEX,
        input,
        &request,
        io::sink(),
        NonZeroUsize::MIN,
        &progress,
    );
    result.is_ok()
}

/// Replaces a file of a small dataset. The first line of the bytes is the name of the file, and the
/// rest is its content. Then reads and indexes the dataset, and checks it against the golden
/// queries of the dataset.
pub fn dataset(bytes: &[u8]) -> bool {
    let mut files: BTreeMap<String, Vec<u8>> =
        DATASET_SEEDS.iter().map(|file| split_name(file)).collect();
    let (name, content) = split_name(bytes);
    if !files.contains_key(&name) {
        return false;
    }
    files.insert(name, content);
    let mut manifest = manifest_from_toml(DATASET_MANIFEST).expect("a manifest");
    let entries = files.iter();
    manifest.files = entries
        .map(|(path, content)| (path.clone(), file_entry(content)))
        .collect();
    let folder = scratch_dir();
    for (path, content) in &files {
        write(&folder.join(path), content);
    }
    let text = manifest_to_toml(&manifest);
    write(&folder.join(MANIFEST), text.as_bytes());
    let Ok(dataset) = dataset::read(&DatasetSource::Folder(folder)) else {
        return false;
    };
    let golden_queries = dataset.golden_queries.clone();
    let Ok(index) = Index::build(dataset) else {
        return false;
    };
    catchment_data::check::failing_golden_queries(&index, golden_queries).is_empty()
}

/// Reads a dataset's manifest.
pub fn manifest(bytes: &[u8]) -> bool {
    let folder = scratch_dir();
    write(&folder.join(MANIFEST), bytes);
    let read = dataset::read(&DatasetSource::Folder(folder));
    assert!(read.is_err(), "its files are missing");
    let text = String::from_utf8_lossy(bytes);
    let Ok(manifest) = manifest_from_toml(&text) else {
        return false;
    };
    let reparsed = manifest_from_toml(&manifest_to_toml(&manifest));
    assert_eq!(reparsed.expect("a serialized manifest"), manifest);
    true
}

/// Reads a build configuration, the settings of the service, or an API key file.
pub fn configuration(bytes: &[u8]) -> bool {
    let path = scratch_dir().join("configuration.toml");
    write(&path, bytes);
    let is_keys = KeyRing::read(&path).is_ok_and(|ring| !ring.is_empty());
    let is_settings = cli::is_valid_settings_file(&path);
    builder::is_valid_config(&String::from_utf8_lossy(bytes)) || is_settings || is_keys
}

/// Reads polygons as GeoJSON.
pub fn geojson(bytes: &[u8]) -> bool {
    let read = read_geojson("any.geojson", bytes);
    read.and_then(validated).is_ok()
}

/// Reads a Shapefile. The bytes begin with the lengths of the `.shp` file and the `.dbf` file
/// (little-endian `u32`), followed by these two files and the `.prj` file.
pub fn shapefile(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    let mut length = || -> Option<usize> {
        let (four, after) = rest.split_first_chunk()?;
        rest = after;
        usize::try_from(u32::from_le_bytes(*four)).ok()
    };
    let (Some(shp), Some(dbf)) = (length(), length()) else {
        return false;
    };
    let (shp, rest) = rest.split_at(shp.min(rest.len()));
    let (dbf, prj) = rest.split_at(dbf.min(rest.len()));
    let parts = ShapefileParts {
        shp,
        dbf,
        prj: &String::from_utf8_lossy(prj),
        cpg: None,
    };
    let read = read_shapefile("any.shp", &parts);
    read.and_then(validated).is_ok()
}

/// Reads a GeoPackage.
pub fn geopackage(bytes: &[u8]) -> bool {
    let path = scratch_dir().join("any.gpkg");
    write(&path, bytes);
    polygons::read(&path, None).is_ok()
}

/// Reads GeoParquet.
pub fn geoparquet(bytes: &[u8]) -> bool {
    let path = scratch_dir().join("any.parquet");
    write(&path, bytes);
    polygons::read(&path, None).is_ok()
}

/// Reads polygons as GeoJSON, and repairs those that are invalid. Checks that the result is valid.
pub fn repair(bytes: &[u8]) -> bool {
    let path = scratch_dir().join("any.geojson");
    write(&path, bytes);
    let import = PolygonImport {
        repair: true,
        ..PolygonImport::default()
    };
    polygons::read_with(&path, &import).is_ok_and(|file| {
        assert!(validated(file).is_ok());
        true
    })
}

/// Reads OS Code-Point Open: one file, or the archive.
pub fn code_point_open(bytes: &[u8]) -> bool {
    import_succeeds(bytes, code_point_open::read)
}

/// Reads the ONS Postcode Directory, the National Statistics Postcode Lookup, or the NHS Postcode
/// Directory.
pub fn onspd(bytes: &[u8]) -> bool {
    let accepts_nhspd = [onspd::LsoaYear::Lsoa11, onspd::LsoaYear::Lsoa21].map(|lsoa| {
        let positions = nhspd::ColumnPositions::default();
        import_succeeds(bytes, |files| nhspd::read(files, lsoa, positions))
    });
    let accepts_lsoa11 =
        import_succeeds(bytes, |files| onspd::read(files, onspd::LsoaYear::Lsoa11));
    import_succeeds(bytes, |files| onspd::read(files, onspd::LsoaYear::Lsoa21))
        || accepts_lsoa11
        || accepts_nhspd.contains(&true)
}

/// Reads practices, branches or successions, as published by NHS ODS.
pub fn epraccur(bytes: &[u8]) -> bool {
    let accepts_successions = import_succeeds(bytes, |publication| succ::read(&mut [publication]));
    let accepts_branches = import_succeeds(bytes, ebranchs::read);
    import_succeeds(bytes, epraccur::read) || accepts_successions || accepts_branches
}

/// Reads Primary Care Networks: a workbook, or an archive of tables.
pub fn epcn(bytes: &[u8]) -> bool {
    let path = scratch_dir().join("epcn.zip");
    write(&path, bytes);
    epcn::read(&path).is_ok()
}

/// Reads the number of registered patients for each practice and LSOA.
pub fn registrations(bytes: &[u8]) -> bool {
    import_succeeds(bytes, registrations::read)
}

/// Reads a list of addresses with their UPRNs, and opens the bytes as a table of UPRNs.
pub fn uprns(bytes: &[u8]) -> bool {
    let columns = uprn_lists::UprnColumns::default();
    let is_list = import_succeeds(bytes, |files| {
        uprn_lists::read(files, &columns, Some("lsoa21"), |_| Ok(()))
    });
    let path = scratch_dir().join("uprn.csv");
    write(&path, bytes);
    let table = UprnTable::open(&path);
    let is_table = table.is_ok_and(|table| {
        // A look-up must end with an answer or an error, whatever the rows contain.
        let numbers = [1, 10_002_345, 999_999_999_999].into_iter();
        let uprns = numbers.filter_map(Uprn::from_number);
        uprns
            .map(|uprn| table.find(uprn))
            .all(|found| found.is_ok())
    });
    is_list || is_table
}

/// Parses a UPRN. Its text parses to the same UPRN.
pub fn uprn(bytes: &[u8]) -> bool {
    let parsed = String::from_utf8_lossy(bytes).parse::<Uprn>();
    parsed.is_ok_and(|uprn| {
        assert_eq!(uprn.to_string().parse(), Ok(uprn));
        true
    })
}

/// Reads catchments declared by practices: a GeoJSON file, or an archive of such files.
pub fn catchments(bytes: &[u8]) -> bool {
    let path = scratch_dir().join("A82001.geojson");
    write(&path, bytes);
    SourceFiles::open(&path).is_ok_and(|mut files| catchments::read(&mut files).is_ok())
}

/// Reads an input table of a build, in one of this project's own formats.
pub fn tables(bytes: &[u8]) -> bool {
    let columns = lookup::LookupColumns {
        code: "lsoa11cd".into(),
        area: Some("icc".into()),
        name: None,
        share: None,
        disputed: None,
        only: None,
    };
    let name = "any.csv";
    let results = [
        area_changes::read(name, bytes).is_ok(),
        area_history::read(name, bytes).is_ok(),
        dataset::read_memberships(name, bytes, None).is_ok(),
        hierarchy::read(name, bytes).is_ok(),
        lookup::read(name, bytes, &columns).is_ok(),
        ons_lookup::read(name, bytes, Period::default()).is_ok(),
        postcode_list::read(name, bytes).is_ok(),
        practice_list::read_practices(name, bytes).is_ok(),
        practice_list::read_premises(name, bytes).is_ok(),
        practice_list::read_successions(name, bytes).is_ok(),
        resilience_groups::read(name, bytes).is_ok(),
        source_list::read(name, bytes).is_ok(),
    ];
    results.contains(&true)
}

/// Requests a tile or its TileJSON by path.
pub fn tile_path(bytes: &[u8]) -> bool {
    get(&[b"/tiles/", bytes].concat())
}

/// Requests a path of the API with a query string.
pub fn query_string(bytes: &[u8]) -> bool {
    get(&[b"/api/v1/", bytes].concat())
}

/// Requests features with a `bbox` (OGC API Features).
pub fn bbox(bytes: &[u8]) -> bool {
    get(&[b"/ogc/collections/icc/items?limit=1&bbox=", bytes].concat())
}

/// Requests a look-up with a JSON body.
pub fn json_body(bytes: &[u8]) -> bool {
    let request = Request::builder()
        .method(Method::POST)
        .uri("/api/v1/locate")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(bytes.to_vec()))
        .expect("a request");
    request_succeeds(request, false)
}

/// Sends an `Authorization` header to a route that requires a key.
pub fn key_header(bytes: &[u8]) -> bool {
    let Ok(authorization) = HeaderValue::from_bytes(bytes) else {
        return false;
    };
    let request = Request::builder()
        .uri("/api/v1/postcodes/LA18%204DB")
        .header(header::AUTHORIZATION, authorization)
        .body(Body::empty())
        .expect("a request");
    request_succeeds(request, true)
}

/// A fixed date, so that results do not change.
const AS_OF: Date = date(2025, 12, 1);

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let dataset = dataset::read(&DatasetSource::Embedded).expect("the embedded dataset is valid");
    Index::build(dataset).expect("the embedded dataset is valid")
});

/// The seeds of [`dataset`]. Together, they form a dataset.
const DATASET_SEEDS: [&[u8]; 10] = [
    include_bytes!("../seeds/dataset/areas"),
    include_bytes!("../seeds/dataset/boundaries"),
    include_bytes!("../seeds/dataset/golden_queries"),
    include_bytes!("../seeds/dataset/lineage"),
    include_bytes!("../seeds/dataset/memberships"),
    include_bytes!("../seeds/dataset/postcodes"),
    include_bytes!("../seeds/dataset/practice_sites"),
    include_bytes!("../seeds/dataset/practice_successions"),
    include_bytes!("../seeds/dataset/practices"),
    include_bytes!("../seeds/dataset/systems"),
];
const DATASET_MANIFEST: &str = include_str!("../seeds/manifest/toy");

/// Splits a seed into its first line, which is the file name, and the content of the file.
fn split_name(file: &[u8]) -> (String, Vec<u8>) {
    let end = file.iter().position(|byte| *byte == b'\n');
    let end = end.unwrap_or(file.len());
    let name = String::from_utf8_lossy(&file[..end]).into_owned();
    (name, file.get(end + 1..).unwrap_or_default().to_vec())
}

/// Returns a temporary folder for this thread, in memory if possible.
fn scratch_dir() -> PathBuf {
    thread_local! {
        static SCRATCH: TempDir = {
            let in_memory = Path::new("/dev/shm");
            let folder = if in_memory.is_dir() { tempfile::tempdir_in(in_memory) } else { tempfile::tempdir() };
            folder.expect("a folder")
        };
    }
    SCRATCH.with(|folder| folder.path().to_path_buf())
}

fn write(path: &Path, content: &[u8]) {
    fs::write(path, content).expect("the file can be written");
}

fn import_succeeds<T>(
    bytes: &[u8],
    read: impl FnOnce(&mut SourceFiles) -> Result<T, ImportError>,
) -> bool {
    let path = scratch_dir().join("published.csv");
    write(&path, bytes);
    let publication = SourceFiles::open(&path);
    publication.is_ok_and(|mut publication| read(&mut publication).is_ok())
}

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().expect("a runtime")
});

/// The service without API keys, and the service that requires API keys.
static ROUTERS: LazyLock<[Router; 2]> = LazyLock::new(|| {
    [false, true].map(|requires_key| {
        let dataset =
            dataset::read(&DatasetSource::Embedded).expect("the embedded dataset is valid");
        let index = Index::build(dataset).expect("the embedded dataset is valid");
        let access = if requires_key {
            AccessConfig {
                keys: Some(Arc::new(test_keys())),
                scopes_requiring_key: Scope::ALL.to_vec(),
                ..AccessConfig::default()
            }
        } else {
            AccessConfig::default()
        };
        let app = App::new(Arc::new(DatasetStore::fixed(index)));
        http::router(app.with_access(access, &ServerLimits::default()))
    })
});

/// Returns the keys of the service that requires API keys. A seed of [`key_header`] contains one of
/// these keys.
fn test_keys() -> KeyStore {
    let path = scratch_dir().join("keys.toml");
    write(&path, include_bytes!("../seeds/configuration/keys"));
    KeyStore::open(&path).expect("an API key file")
}

fn get(uri: &[u8]) -> bool {
    let Ok(uri) = Uri::try_from(uri) else {
        return false;
    };
    let request = Request::builder().uri(uri).body(Body::empty());
    request_succeeds(request.expect("a request"), false)
}

/// Sends a request, and returns whether it succeeded or found nothing.
///
/// # Panics
/// If the response is a server error, or a client error whose body is not a problem.
fn request_succeeds(request: Request<Body>, requires_key: bool) -> bool {
    let mut service = ROUTERS[usize::from(requires_key)].clone();
    let (response, body) = RUNTIME.block_on(async {
        let response: Response<Body> = match service.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        let (head, body) = response.into_parts();
        let body: Bytes = body.collect().await.expect("a body in memory").to_bytes();
        (head, body)
    });
    let status = response.status;
    assert!(!status.is_server_error(), "{status}");
    if status.is_client_error() {
        let problem: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(problem["status"], status.as_u16());
        assert!(problem["code"].is_string());
    }
    // These status codes mean that there is no data for the current date, or no such resource.
    let empty_statuses = [StatusCode::NOT_FOUND, StatusCode::NO_CONTENT];
    !status.is_client_error() || empty_statuses.contains(&status)
}
