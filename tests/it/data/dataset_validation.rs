//! Tests of the validation of datasets and builds. Errors state the file and position, and a failed
//! build leaves the old dataset unchanged.

use std::fs;
use std::path::{Path, PathBuf};

use catchment::builder::build;
use catchment::dataset::{self, DatasetSource};
use catchment::domain::{Basis, BritishGrid, Certainty, LonLat};
use catchment::geodesy;
use catchment::index::{Index, LayerResult, LocateQuery, Locator};
use jiff::civil::date;
use tempfile::TempDir;

use crate::data::embedded_dataset::{COMMITTED_DATASET, DAY, file_names, read_files};
use crate::support::fixture::TestDataset;

const BRITISH_GRID: &str = r#"PROJCS["British_National_Grid",GEOGCS["GCS_OSGB_1936",DATUM["D_OSGB_1936",SPHEROID["Airy_1830",6377563.396,299.3249646]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],PARAMETER["False_Easting",400000.0],PARAMETER["False_Northing",-100000.0],PARAMETER["Central_Meridian",-2.0],PARAMETER["Scale_Factor",0.9996012717],PARAMETER["Latitude_Of_Origin",49.0],UNIT["Meter",1.0],AUTHORITY["EPSG","27700"]]"#;

/// Returns a fixture whose boundaries are in a Shapefile. K is a square of 10 km by 10 km, with a
/// hole for a lake, a hole for a village that belongs to L, and an islet to the south. L is the
/// village and the square to the east.
fn shapefile_fixture() -> TestDataset {
    let mut fixture = TestDataset::new().replace(
        "postcodes.csv",
        "LA1 1AB,316000,405000,10,live,198001,,,",
        "LA1 1AB,306000,405000,10,live,198001,,,large",
    );
    fixture.manifest = fixture.manifest.replace("icc.geojson", "icc.shp");
    fixture.boundaries.clear();
    let square = |x: f64, y: f64, side: f64| {
        let corners = [
            (0.0, 0.0),
            (0.0, side),
            (side, side),
            (side, 0.0),
            (0.0, 0.0),
        ];
        corners
            .iter()
            .map(|(dx, dy)| shapefile::Point::new(x + dx, y + dy))
            .collect::<Vec<_>>()
    };
    use shapefile::PolygonRing::{Inner, Outer};
    let (lake, village) = ((302_000.0, 402_000.0), (305_000.0, 404_000.0));
    let k = shapefile::Polygon::with_rings(vec![
        Outer(square(300_000.0, 400_000.0, 10_000.0)),
        Outer(square(304_000.0, 395_000.0, 1_000.0)),
        // The holes are in reverse order and follow another part.
        Inner(square(village.0, village.1, 2_000.0)),
        Inner(square(lake.0, lake.1, 1_000.0)),
    ]);
    let l = shapefile::Polygon::with_rings(vec![
        Outer(square(village.0, village.1, 2_000.0)),
        Outer(square(310_000.0, 400_000.0, 10_000.0)),
    ]);
    for (extension, bytes) in shapefile_of(&[("k", k), ("l", l)]) {
        fixture
            .files
            .insert(format!("areas/icc.{extension}"), bytes);
    }
    fixture
}

fn shapefile_of(shapes: &[(&str, shapefile::Polygon)]) -> Vec<(&'static str, Vec<u8>)> {
    use shapefile::dbase::{FieldValue, Record, TableWriterBuilder};
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("areas.shp");
    let fields =
        TableWriterBuilder::new().add_character_field("ID".try_into().expect("a field name"), 20);
    let mut writer = shapefile::Writer::from_path(&path, fields).expect("a shapefile");
    for (id, shape) in shapes {
        let mut record = Record::default();
        record.insert("ID".into(), FieldValue::Character(Some((*id).to_string())));
        writer
            .write_shape_and_record(shape, &record)
            .expect("a shape");
    }
    drop(writer);
    fs::write(path.with_extension("prj"), BRITISH_GRID).expect("a file");
    ["shp", "shx", "dbf", "prj"]
        .map(|extension| {
            let bytes = fs::read(path.with_extension(extension)).expect("a file");
            (extension, bytes)
        })
        .into()
}

/// Returns the error from loading a dataset, or an empty string if the dataset is valid.
fn load_error(folder: &Path) -> String {
    load(folder).err().unwrap_or_default()
}

fn load(folder: &Path) -> Result<Index, String> {
    let dataset =
        dataset::read(&DatasetSource::Folder(folder.into())).map_err(|error| error.to_string())?;
    Index::build(dataset).map_err(|error| error.to_string())
}

/// Checks that a dataset is rejected with an error that contains these words.
#[track_caller]
fn check_rejected(fixture: &TestDataset, words: &[&str]) {
    let folder = fixture.write_to_temp_dir();
    let error = load_error(&folder.path().join("toy"));
    for word in words {
        assert!(error.contains(word), "`{word}` is not in: {error}");
    }
}

#[test]
fn shapefile_holes_after_another_part_are_read_correctly() {
    let folder = shapefile_fixture().write_to_temp_dir();
    let index = load(&folder.path().join("toy")).expect("a valid dataset");
    let found = |easting: f64, northing: f64| -> Vec<String> {
        let grid = BritishGrid::from_metres(easting, northing).expect("on the grid");
        let areas = index.areas_covering(crate::support::layer("icc"), grid, DAY);
        areas.iter().map(|area| area.id.clone()).collect()
    };
    for (place, easting, northing, expected) in [
        ("the open country", 301_000.0, 401_000.0, &["k"][..]),
        ("the lake", 302_500.0, 402_500.0, &[]),
        ("a millimetre inside the lake", 302_000.001, 402_500.0, &[]),
        (
            "a millimetre outside the lake",
            301_999.999,
            402_500.0,
            &["k"],
        ),
        ("the village", 306_000.0, 405_000.0, &["l"]),
        ("the islet", 304_500.0, 395_500.0, &["k"]),
        ("the sea between", 304_500.0, 398_000.0, &[]),
        ("the east", 315_000.0, 405_000.0, &["l"]),
        ("the shared border", 310_000.0, 405_000.0, &["l"]),
        (
            "a millimetre west of the border",
            309_999.999,
            405_000.0,
            &["k"],
        ),
    ] {
        assert_eq!(found(easting, northing), expected, "{place}");
    }
    let place = Some(Locator::Postcode("LA1 1AB".parse().expect("a postcode")));
    let query = LocateQuery {
        locator: place,
        practice: None,
        as_of: DAY,
    };
    let answer = index.locate(&query);
    let Some((layer, LayerResult::Areas(areas))) = answer.residence.first() else {
        panic!("the first layer must have areas");
    };
    assert_eq!(layer.as_str(), "icc");
    assert_eq!(
        (areas[0].area.id.as_str(), areas[0].basis),
        ("l", Basis::Boundary)
    );
    // The postcode is in the middle of the village, but the position of a large user is uncertain.
    let edge = areas[0].proximity.as_ref();
    let edge = edge.map(|edge| (edge.distance_m, edge.certainty));
    assert_eq!(edge, Some((Some(1_000.0), Certainty::NearBoundary)));

    let parts = |id: &str| {
        let boundary = index
            .boundary(crate::support::layer("icc"), id, DAY)
            .expect("a boundary");
        boundary
            .grid
            .iter()
            .map(|polygon| polygon.rings.len())
            .collect::<Vec<_>>()
    };
    assert_eq!((parts("k"), parts("l")), (vec![3, 1], vec![1, 1]));

    // The position of a corner in degrees is its transformed grid position.
    let boundary = index
        .boundary(crate::support::layer("icc"), "k", DAY)
        .expect("a boundary");
    let lonlats: Vec<(f64, f64)> = boundary.lonlat.0[0]
        .exterior()
        .coords()
        .map(|point| (point.x, point.y))
        .collect();
    let corner = BritishGrid::from_metres(300_000.0, 400_000.0).expect("on the grid");
    let corner: LonLat = geodesy::to_lonlat(corner).expect("on the grid");
    assert!(lonlats.contains(&(corner.lon(), corner.lat())));
}

fn rewrite(change: impl Fn(&mut Vec<u8>)) -> impl Fn(&Path) {
    move |file| {
        let mut bytes = fs::read(file).expect("a file");
        change(&mut bytes);
        fs::write(file, bytes).expect("a file");
    }
}

#[test]
fn files_that_differ_from_the_manifest_are_rejected_by_name() {
    let fixture = shapefile_fixture();
    for path in fixture.files.keys() {
        let check = |description: &str, damage: &dyn Fn(&Path)| {
            let folder = fixture.write_to_temp_dir();
            damage(&folder.path().join("toy").join(path));
            let error = load_error(&folder.path().join("toy"));
            assert!(
                error.contains(path.as_str()),
                "{description}: `{path}` is not in: {error}"
            );
        };
        check("tampered", &rewrite(|bytes| bytes[1] ^= 4));
        check(
            "cut short",
            &rewrite(|bytes| bytes.truncate(bytes.len() / 2)),
        );
        check("emptied", &rewrite(|bytes| bytes.clear()));
        check("longer", &rewrite(|bytes| bytes.push(b'\n')));
        check("missing", &|file| fs::remove_file(file).expect("a file"));
        check("renamed", &|file| {
            fs::rename(file, file.with_extension("old")).expect("a file");
        });
    }
}

#[test]
fn flipped_bits_in_the_committed_dataset_are_rejected_by_file_name() {
    let temporary = TempDir::new().expect("a folder");
    let folder = temporary.path();
    let files = read_files(Path::new(COMMITTED_DATASET));
    fs::create_dir(folder.join("areas")).expect("a folder");
    for (path, bytes) in &files {
        fs::write(folder.join(path), bytes).expect("a file");
    }
    for (index, (path, bytes)) in files.iter().enumerate() {
        // The report is not a part of the dataset.
        if path.as_os_str() == "dataset.toml" || path.as_os_str() == dataset::BUILD_REPORT {
            continue;
        }
        let mut flipped = bytes.clone();
        let position = bytes.len() * (index + 1) / (files.len() + 1);
        flipped[position] ^= 1 << (index % 8);
        fs::write(folder.join(path), flipped).expect("a file");
        let error =
            dataset::read(&DatasetSource::Folder(folder.into())).expect_err("a bit is flipped");
        let expected = format!(
            "`{}` does not have the SHA-256 in the manifest, so it was changed; build the dataset again from its sources (`catchment build`)",
            path.display()
        );
        assert_eq!(error.to_string(), expected);
        fs::write(folder.join(path), bytes).expect("a file");
    }
    assert!(dataset::read(&DatasetSource::Folder(folder.into())).is_ok());
}

#[test]
fn changed_manifests_are_rejected_or_have_another_digest() {
    let folder = shapefile_fixture().write_to_temp_dir();
    let folder = folder.path().join("toy");
    let manifest = fs::read(folder.join(dataset::MANIFEST)).expect("a manifest");
    let digest = dataset::read(&DatasetSource::Folder(folder.clone()))
        .expect("a valid dataset")
        .digest;
    for index in (0..manifest.len()).step_by(5) {
        let mut flipped = manifest.clone();
        flipped[index] ^= 1 << (index % 7);
        fs::write(folder.join(dataset::MANIFEST), flipped).expect("a file");
        if let Ok(other) = dataset::read(&DatasetSource::Folder(folder.clone())) {
            assert_ne!(other.digest, digest, "byte {index}");
        }
    }
    fs::remove_file(folder.join(dataset::MANIFEST)).expect("a file");
    assert!(load_error(&folder).contains(dataset::MANIFEST));
}

#[test]
fn paths_outside_the_dataset_folder_are_rejected() {
    for outside in [
        "../x.geojson",
        "/x.geojson",
        "areas/../../x.geojson",
        "./x.geojson",
    ] {
        let fixture = shapefile_fixture();
        let folder = fixture.write_to_temp_dir();
        let toy = folder.path().join("toy");
        fs::write(folder.path().join("x.geojson"), "{}").expect("a file");
        let text = fs::read_to_string(toy.join(dataset::MANIFEST)).expect("a manifest");
        let text = text.split("# SHA-256").next().expect("text");
        // The first text uses the path for the file of a layer, and the second for a file that no
        // layer uses.
        for text in [
            text.replace("areas/icc.shp", outside),
            format!(
                "{text}\n[files.\"{outside}\"]\nsha256 = \"{}\"\nsize_bytes = 2\n",
                "0".repeat(64)
            ),
        ] {
            fs::write(toy.join(dataset::MANIFEST), text).expect("a file");
            let error = load_error(&toy);
            let expected =
                format!("dataset.toml: `{outside}` is not a path inside the dataset's folder");
            assert_eq!(error, expected);
        }
    }
}

#[test]
fn contradictory_tables_are_rejected_with_their_position() {
    check_rejected(
        &shapefile_fixture().replace("areas.csv", "icc,k,Kay,,toy,indicative,,\n", "icc,k,Kay,,toy,indicative,,2024-01-01\nicc,k,Kay and Jay,,toy,indicative,2023-12-31,\n"),
        &["icc `k` has two versions valid on the same day"],
    );
    check_rejected(
        &shapefile_fixture().replace(
            "memberships.csv",
            "A00001,icc,k,,,derived\n",
            "A00001,icc,k,,,derived\ngp-practice,A00001,icc,l,,,derived\n",
        ),
        &["practice `A00001` belongs to `k` and to `l` on the same day"],
    );
    check_rejected(
        &shapefile_fixture().replace(
            "memberships.csv",
            "resilience-group,g",
            "resilience-group,h",
        ),
        &[
            "the membership whose member is icc `k` refers to `h`",
            "not in the dataset",
        ],
    );
    check_rejected(
        &shapefile_fixture().replace("memberships.csv", "A00001", "A00009"),
        &["a membership whose member is a practice refers to `A00009`"],
    );
    check_rejected(
        &shapefile_fixture().replace("postcodes.csv", "LA1 1AB", "LA1 1AA"),
        &[
            "postcodes.csv, line 3, column `postcode`: `LA1 1AA`",
            "without duplicates",
        ],
    );
    check_rejected(
        &shapefile_fixture().replace("postcodes.csv", ",user\n", ",users\n"),
        &["postcodes.csv", "no column `user` in the header row"],
    );
    check_rejected(
        &shapefile_fixture().replace("postcodes.csv", ",large\n", ",small\n"),
        &["postcodes.csv, line 3, column `user`: `small`"],
    );
    check_rejected(
        &shapefile_fixture().replace("practices.csv", ",closed,", ",shut,"),
        &["practices.csv", "no column `closed` in the header row"],
    );
    check_rejected(
        &shapefile_fixture().replace("practices.csv", ",closed,1974", ",shut,1974"),
        &[
            "practices.csv, line 4, column `status`: `shut`",
            "active, dormant, closed or proposed",
        ],
    );
    check_rejected(
        &shapefile_fixture().replace(
            "areas.csv",
            "icc,l,Ell,,toy,indicative,,",
            "icc,l,Ell,,toy,indicative,2024-01-01,2023-01-01",
        ),
        &["areas.csv, line 3, column `to`: `2023-01-01`"],
    );
    check_rejected(
        &shapefile_fixture().replace("areas.csv", "icc,l,Ell", "icc,m,Em"),
        &["a boundary of icc refers to `l`"],
    );
    check_rejected(
        &shapefile_fixture().replace("practice_sites.csv", "301000", "east"),
        &["practice_sites.csv, line 2, column `easting`: `east`"],
    );
    let mut mercator = shapefile_fixture();
    let wkt = r#"PROJCS["WGS_1984_Web_Mercator",GEOGCS["GCS_WGS_1984"],UNIT["Meter",1.0]]"#;
    mercator.files.insert("areas/icc.prj".into(), wkt.into());
    check_rejected(
        &mercator,
        &[
            "areas/icc.shp: its .prj: it is in `WGS_1984_Web_Mercator`",
            "convert it to EPSG:27700",
        ],
    );
}

#[test]
fn consecutive_versions_do_not_overlap() {
    let fixture = shapefile_fixture().replace(
        "areas.csv",
        "icc,k,Kay,,toy,indicative,,\n",
        "icc,k,Kay,,toy,indicative,,2024-01-01\nicc,k,Kay and Jay,,toy,indicative,2024-01-01,\n",
    );
    let folder = fixture.write_to_temp_dir();
    let index = load(&folder.path().join("toy")).expect("the versions do not overlap");
    let name = |day| {
        index
            .area(crate::support::layer("icc"), "k", day)
            .map(|area| area.name.as_str())
    };
    assert_eq!(name(date(2023, 12, 31)), Some("Kay"));
    assert_eq!(name(date(2024, 1, 1)), Some("Kay and Jay"));
}

// ---- failed builds -----------------------------------------------------------------------------

/// A copy of the sources, with only a few postcodes, so that a build is fast.
pub(crate) struct SourceCopy(TempDir);

impl SourceCopy {
    fn new() -> SourceCopy {
        let folder = TempDir::new().expect("a folder");
        let sources = folder.path().join("source");
        fs::create_dir(&sources).expect("a folder");
        fs::copy("data/build.toml", folder.path().join("build.toml")).expect("a copy");
        for name in file_names(Path::new("data/source")) {
            let from = Path::new("data/source").join(&name);
            if name != "postcodes.csv" {
                fs::copy(from, sources.join(name)).expect("a copy");
                continue;
            }
            let text = fs::read_to_string(from).expect("the postcodes");
            let lines = text.lines().filter(|line| {
                line.starts_with("postcode,")
                    || line.starts_with("LA18")
                    || line.starts_with("LA22")
            });
            let lines: Vec<&str> = lines.collect();
            fs::write(sources.join(name), lines.join("\n")).expect("a file");
        }
        SourceCopy(folder)
    }

    /// Creates a copy without the golden queries, because most of their postcodes are missing.
    pub(crate) fn without_golden_queries() -> SourceCopy {
        let line = "golden_queries = \"source/golden_queries.csv\"\n";
        SourceCopy::new().replace("build.toml", line, "")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.0.path().join("build.toml")
    }

    pub(crate) fn output(&self) -> PathBuf {
        self.0.path().join("lancashire-and-cumbria")
    }

    pub(crate) fn replace(self, file: &str, from: &str, to: &str) -> SourceCopy {
        let path = self.0.path().join(file);
        let text = fs::read_to_string(&path).expect("a file");
        assert!(text.contains(from), "`{from}` is not in {file}");
        fs::write(path, text.replacen(from, to, 1)).expect("a file");
        self
    }
}

/// Checks that the build fails with an error that contains these words, and that no file changes.
#[track_caller]
fn check_build_fails(source_copy: &SourceCopy, words: &[&str]) {
    fs::create_dir_all(source_copy.output()).expect("a folder");
    let old = source_copy.output().join("dataset.toml");
    const OLD: &str = "name = \"old\"\nlayers = []\nfiles = {}\n";
    fs::write(&old, OLD).expect("a file");
    let error = build(&source_copy.config(), None).expect_err("the build fails");
    let error = format!("{error:#}");
    for word in words {
        assert!(error.contains(word), "`{word}` is not in: {error}");
    }
    assert_eq!(file_names(&source_copy.output()), ["dataset.toml"]);
    assert_eq!(fs::read_to_string(old).expect("a file"), OLD);
    assert_eq!(
        file_names(source_copy.0.path()),
        ["build.toml", "lancashire-and-cumbria", "source"]
    );
}

#[test]
fn failed_builds_report_the_position_and_keep_the_old_dataset() {
    let source_copy = SourceCopy::without_golden_queries;
    check_build_fails(
        &source_copy().replace("source/practices.csv", "list_size_2021", "list_size"),
        &["source/practices.csv: no column `list_size_2021` in the header row"],
    );
    check_build_fails(
        &source_copy().replace(
            "build.toml",
            "source/practice_sites.csv",
            "source/sites.csv",
        ),
        &["reading source/sites.csv"],
    );
    check_build_fails(
        &source_copy().replace("source/resilience_groups.csv", "mb-kendal,", "mb-kendall,"),
        &[
            "source/resilience_groups.csv: member `mb-kendall` is not an area of the history or an earlier layer",
        ],
    );
    check_build_fails(
        &source_copy().replace(
            "source/lsoa11_icc.csv",
            "E01019139,Barrow-in-Furness 010B,01K,mb-barrow-and-millom",
            "E01019138,Barrow-in-Furness 010B,01K,mb-kendal",
        ),
        &[
            "source/lsoa11_icc.csv: `E01019138` is assigned to `mb-barrow-and-millom` and to `mb-kendal`",
        ],
    );
    check_build_fails(
        &source_copy().replace("source/lsoa11_icc.csv", "E01019138", "E01099999"),
        &["source/lsoa11_icc.csv: `E01099999` is not one of the statistical areas"],
    );
    check_build_fails(
        &source_copy().replace(
            "source/postcodes.csv",
            "\nLA18 4BY,317396",
            "\nLA18 4BY,east",
        ),
        &["source/postcodes.csv, line ", "column `easting`: `east`"],
    );
}

#[test]
fn contradictory_builds_keep_the_old_dataset() {
    let duplicate_row = |line_of: &str, from: &str, to: &str| {
        let text = fs::read_to_string("data/source/practices.csv").expect("the table");
        let line = text
            .lines()
            .find(|line| line.starts_with(line_of))
            .expect("the practice is in the table");
        (
            line.to_string(),
            format!("{line}\n{}", line.replace(from, to)),
        )
    };
    let (line, twice) = duplicate_row("A82608,", ",mb-east,East,", ",mb-kendal,Kendal,");
    assert_ne!(format!("{line}\n{line}"), twice);
    check_build_fails(
        &SourceCopy::without_golden_queries().replace("source/practices.csv", &line, &twice),
        &["A82608"],
    );
    check_build_fails(
        &SourceCopy::without_golden_queries().replace(
            "source/postcodes.csv",
            "\nLA18 4DB,",
            "\nLA18 4BY,",
        ),
        &["postcodes.csv", "`LA18 4BY`"],
    );
}

#[test]
fn builds_with_failing_golden_queries_keep_the_old_dataset() {
    let golden_queries = "postcode,easting,northing,practice,as_of,status,icc_residence,icc_registration\n\
        LA18 4DB,,,P81064,2026-01-01,located,mb-barrow-and-millom,mb-lancaster\n\
        LA22 9BP,,,,2026-01-01,located,mb-grange-and-lakes,\n\
        LA1O 5DL,,,,2026-01-01,malformed,,\n";
    let source_copy = || {
        let source_copy = SourceCopy::new();
        fs::write(
            source_copy.0.path().join("source/golden_queries.csv"),
            golden_queries,
        )
        .expect("a file");
        source_copy
    };
    let passing = source_copy();
    build(&passing.config(), None).expect("all golden queries pass");
    assert!(load(&passing.output()).is_ok());
    for (from, to, line) in [
        (",mb-lancaster", ",mb-bay", 2),
        ("mb-grange-and-lakes", "mb-kendal", 3),
        (",malformed", ",located", 4),
    ] {
        check_build_fails(
            &source_copy().replace("source/golden_queries.csv", from, to),
            &[
                "golden queries with an unexpected answer: 1",
                &format!("line {line}"),
            ],
        );
    }
}
