//! Tests of polygon files as they occur in practice. The table
//! `tests/cases/field/polygon_files.csv` contains the cases and describes its columns. Also
//! compares the repair of polygons with GEOS, which requires a Python interpreter with Shapely.
//! `CATCHMENT_PYTHON` specifies the interpreter.

use std::fs;
use std::path::{Path, PathBuf};

use catchment::builder::build;
use catchment::dataset::{DatasetSource, file_boundaries, read};
use catchment::domain::{Boundary, BritishGrid};
use catchment::index::{Index, LocateQuery, Locator, areas_of_layer};
use catchment_data::import::polygons::{self, PolygonImport};
use serde::Deserialize;
use tempfile::TempDir;

use crate::data::embedded_dataset::DAY;
use crate::support::external_tools::{python, stdout_of};

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/field");

#[derive(Deserialize)]
struct FieldCase {
    case: String,
    file: String,
    keys: String,
    reports: String,
    places: String,
    why: String,
}

/// Copies the files of a case, and writes a configuration with one layer.
fn prepare(case: &FieldCase) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    for entry in fs::read_dir(Path::new(CASES).join(&case.case)).expect("the case") {
        let path = entry.expect("a file").path();
        let name = path.file_name().expect("a name");
        fs::copy(&path, folder.path().join(name)).expect("a copy");
    }
    let postcodes = "postcode,easting,northing,code_point_quality,status,introduced,terminated,lsoa11cd,sub_icb\n\
                     LA18 4DB,317303,480077,10,live,198001,,E01019299,01K\n";
    fs::write(folder.path().join("postcodes.csv"), postcodes).expect("a file");
    let keys = match case.keys.as_str() {
        "" => "id = \"id\", name = \"name\"",
        keys => keys,
    };
    let config = format!(
        "name = \"t\"\nversion = \"1\"\ntitle = \"T\"\nas_of = \"2025-11-30\"\nattribution = \"x\"\n\
         licence = \"https://example.org/\"\ntolerance_m = 100\noutput = \"out\"\n\
         sources = [{{ title = \"made up\", vintage = \"2025\" }}]\n\n\
         [postcodes]\n\
         directories = [{{ format = \"postcode-list\", file = \"postcodes.csv\" }}]\n\
         complete = false\n\n\
         [[layers]]\nid = \"icc\"\ntitle = \"L\"\nkind = \"partition\"\n\
         first_data = \"2022-01-05\"\nprovenance = \"official\"\n\n\
         [[layers.methods]]\npolygons = {{ file = \"{}\", {keys} }}\n",
        case.file
    );
    let path = folder.path().join("build.toml");
    fs::write(&path, config).expect("a file");
    (folder, path)
}

/// Returns the ids of the areas at a place, or `none`.
fn areas_at(index: &Index, easting: &str, northing: &str) -> String {
    let metres = |text: &str| text.parse().expect("metres");
    let position = BritishGrid::from_metres(metres(easting), metres(northing));
    let answer = index.locate(&LocateQuery {
        locator: Some(Locator::Grid(position.expect("on the grid"))),
        practice: None,
        as_of: DAY,
    });
    let areas = areas_of_layer(&answer.residence, crate::support::layer("icc"));
    let ids: Vec<&str> = areas.iter().map(|found| &*found.area.id).collect();
    if ids.is_empty() {
        "none".to_string()
    } else {
        ids.join("+")
    }
}

#[test]
fn polygon_files_of_the_field_are_read_or_refused_by_name() {
    let mut table = csv::ReaderBuilder::new()
        .comment(Some(b'#'))
        .from_path(Path::new(CASES).join("polygon_files.csv"))
        .expect("the table");
    let cases = table.deserialize::<FieldCase>();
    let mut wrong = Vec::new();
    let mut count = 0;
    for case in cases {
        let case = case.expect("a row");
        count += 1;
        let (folder, config) = prepare(&case);
        let label = format!("{} ({})", case.case, case.why);
        match build(&config, None) {
            Err(error) => {
                let error = format!("{error:#}");
                if !case.places.is_empty() || !error.contains(&case.reports) {
                    wrong.push(format!("{label}: {error}"));
                }
            }
            Ok(_) if case.places.is_empty() => {
                wrong.push(format!("{label}: the build should fail"));
            }
            Ok(report) => {
                let lines = report.lines.join("\n");
                if !lines.contains(&case.reports) {
                    wrong.push(format!("{label}: it reports {lines}"));
                }
                let source = DatasetSource::Folder(folder.path().join("out"));
                let index = Index::build(read(&source).expect("a dataset")).expect("an index");
                for place in case.places.split(';') {
                    let words: Vec<&str> = place.split(' ').collect();
                    let &[easting, northing, expected] = words.as_slice() else {
                        panic!("{label}: `{place}` should be an easting, a northing and areas");
                    };
                    let found = areas_at(&index, easting, northing);
                    if found != expected {
                        wrong.push(format!("{label}: {place}, found {found}"));
                    }
                }
            }
        }
    }
    assert!(count > 20, "{count} cases");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A script that creates invalid features, and repairs them with Shapely.
const MAKE_FEATURES: &str = r#"
import json, random, sys
import shapely
random.seed(19)
CRS = {"type": "name", "properties": {"name": "EPSG:27700"}}
def ring(count, x, y, size):
    points = [[x + random.randrange(size), y + random.randrange(size)] for _ in range(count)]
    return points + points[:1]
def polygon(x, y):
    holes = [ring(random.randrange(4, 7), x, y, 900) for _ in range(random.randrange(3))]
    return [ring(random.randrange(4, 12), x, y, 1000)] + holes
features = []
while len(features) < 300:
    x, y = 300000 + 2000 * len(features) % 200000, 470000
    parts = [polygon(x + 300 * part, y) for part in range(random.choice([1, 1, 1, 2, 3]))]
    geometry = shapely.geometry.shape({"type": "MultiPolygon", "coordinates": parts})
    fixed = shapely.make_valid(geometry, method="structure", keep_collapsed=False)
    if geometry.is_valid or fixed.area < 1:
        continue
    properties = {"id": str(len(features)), "fixed": fixed.wkt}
    geometry = {"type": "MultiPolygon", "coordinates": parts}
    features.append({"type": "Feature", "properties": properties, "geometry": geometry})
with open(sys.argv[1], "w") as file:
    json.dump({"type": "FeatureCollection", "crs": CRS, "features": features}, file)
"#;

/// A script that compares the repaired features in the second file with the expected features in
/// the first file.
const COMPARE_FEATURES: &str = r#"
import json, sys
import shapely
expected = json.load(open(sys.argv[1]))["features"]
repaired = json.load(open(sys.argv[2]))
assert len(expected) == len(repaired) == 300
for feature in expected:
    properties = feature["properties"]
    ours = shapely.geometry.shape({"type": "MultiPolygon", "coordinates": repaired[properties["id"]]})
    assert ours.is_valid, properties["id"]
    theirs = shapely.from_wkt(properties["fixed"])
    # Crossings are rounded to millimetres.
    difference = ours.symmetric_difference(theirs).area
    if difference > 0.001 * (ours.length + theirs.length) + 0.01:
        print(properties["id"], difference, ours.area, theirs.area)
"#;

#[test]
fn polygons_are_repaired_as_geos_repairs_them() {
    let Some(mut python_make) = python("the comparison of repairs with GEOS") else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("invalid.geojson");
    stdout_of(python_make.args(["-c", MAKE_FEATURES]).arg(&path));
    assert!(polygons::read(&path, None).is_err());
    let import = PolygonImport {
        repair: true,
        ..PolygonImport::default()
    };
    let file = polygons::read_with(&path, &import).expect("repaired polygons");
    let boundaries = file_boundaries(file, "id").expect("boundaries");
    let ring = |ring: &Vec<BritishGrid>| {
        let positions = ring.iter().chain(ring.first());
        positions
            .map(|vertex| [vertex.easting_m(), vertex.northing_m()])
            .collect::<Vec<_>>()
    };
    let coordinates = |boundary: &Boundary| {
        let polygons = boundary.grid.iter();
        let polygons = polygons.map(|polygon| polygon.rings.iter().map(ring).collect::<Vec<_>>());
        (boundary.id.clone(), polygons.collect::<Vec<_>>())
    };
    let repaired: std::collections::BTreeMap<_, _> = boundaries.iter().map(coordinates).collect();
    let output = folder.path().join("repaired.json");
    fs::write(&output, serde_json::to_string(&repaired).expect("JSON")).expect("a file");
    let mut python_compare = python("the comparison of repairs with GEOS").expect("Python");
    let differences = stdout_of(
        python_compare
            .args(["-c", COMPARE_FEATURES])
            .arg(&path)
            .arg(&output),
    );
    assert_eq!(differences, "");
}
