//! Tests of exported codes: any layer and attribute as a column, the look-up from area to area, and
//! GeoParquet.
//!
//! The dataset is the embedded dataset with an additional layer `zone`, which consists of the
//! statistical areas themselves, and two made-up attributes. The script
//! `tests/clients/codes_out.py` compares the exported files with the sources.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::external_tools::{python, stdout_of};

const DAY: &str = "2026-04-01";

/// The folder with the sources, the configuration and the dataset.
static FOLDER: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let (config, output) = (folder.path().join("build.toml"), folder.path().join("data"));
    write_sources(folder.path());
    fs::write(&config, configuration()).expect("written");
    let mut build = command(folder.path(), &["build"]);
    let build = build.arg(&config).arg("--output").arg(&output).output();
    let build = build.expect("the program starts");
    let stderr = String::from_utf8_lossy(&build.stderr);
    assert!(build.status.success(), "{stderr}");
    folder
});

fn source_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/source")
}

/// Returns the rows of a source table, with the cells of two columns.
fn two_columns(file: &str, names: [&str; 2]) -> Vec<[String; 2]> {
    let mut reader = csv::Reader::from_path(source_folder().join(file)).expect("a table");
    let header = reader.headers().expect("a header row").clone();
    let columns = names.map(|name| header.iter().position(|known| known == name).expect(name));
    let records = reader.records().map(|record| record.expect("a record"));
    let cells = records.map(|record| columns.map(|column| record[column].to_string()));
    cells.collect()
}

/// Writes the table of the layer `zone` and the tables of the attributes.
fn write_sources(folder: &Path) {
    let mut zones = "code,area,name\n".to_string();
    let mut deciles = "lsoa,decile\nE01000001,9\n".to_string();
    for [code, name] in two_columns("lsoa11_icc.csv", ["lsoa11cd", "lsoa11nm"]) {
        writeln!(zones, "{code},{code},{name}").expect("a String");
        let decile = code[5..].parse::<u32>().expect("digits") % 10 + 1;
        writeln!(deciles, "{code},{decile}").expect("a String");
    }
    let mut classes = "pcds,class\nSW1A 1AA,A1\n".to_string();
    for [postcode, code] in two_columns("postcodes.csv", ["postcode", "lsoa11cd"]) {
        if !code.is_empty() && !postcode.ends_with('A') {
            // Directories differ in the spacing and case of postcodes.
            let postcode = postcode.replace(' ', "").to_lowercase();
            writeln!(classes, "{postcode},{}1", &code[..1]).expect("a String");
        }
    }
    for (name, text) in [("zones", zones), ("deciles", deciles), ("classes", classes)] {
        fs::write(folder.join(format!("{name}.csv")), text).expect("written");
    }
}

/// Returns the configuration of the embedded dataset, with the additional layer and attributes.
fn configuration() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/build.toml");
    let text = fs::read_to_string(path).expect("the configuration");
    let sources = format!("\"{}/", source_folder().display());
    let text = text.replace("\"source/", &sources);
    text + r#"
[[layers]]
id = "zone"
title = "Zones"
singular = "Zone"
noun = "zone"
kind = "partition"
role = "statistical"
first_data = "2011-03-27"
provenance = "official"

[[layers.methods]]
lookup = { file = "zones.csv", columns = { code = "code", area = "area", name = "name" } }

[[attributes]]
id = "made-up-decile"
title = "Decile that a test made up"
by = "lsoa11"
file = "deciles.csv"
columns = { code = "lsoa", value = "decile" }
data_as_of = "2025-11"

[[attributes]]
id = "status"
title = "Class that a test made up"
by = "postcode"
file = "classes.csv"
columns = { code = "pcds", value = "class" }
"#
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_catchment"));
    command
        .current_dir(folder)
        .args(arguments)
        .stdin(Stdio::null());
    command
}

/// Runs a command with the dataset. Returns its standard output or, if it fails, its standard
/// error.
fn run(arguments: &[&str]) -> Result<String, String> {
    let folder = FOLDER.path();
    let output = command(folder, arguments).args(["--data", "data"]).output();
    let output = output.expect("the program starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    match output.status.success() {
        true => Ok(text(output.stdout)),
        false => Err(text(output.stderr)),
    }
}

#[test]
fn look_ups_have_the_attributes_of_their_place() {
    for (place, decile, class) in [
        (&["LA9 4QL"][..], true, true),
        (&["LA1 4XA"], true, false),
        (
            &["--easting", "351000", "--northing", "492000"],
            true,
            false,
        ),
        (&["ZZ99 3VZ"], false, false),
    ] {
        let arguments = [&["locate", "--json", "--as-of", DAY][..], place].concat();
        let answer: Value =
            serde_json::from_str(&run(&arguments).expect("an answer")).expect("JSON");
        let attributes = &answer["attributes"];
        assert_eq!(attributes["made-up-decile"].is_string(), decile, "{answer}");
        assert_eq!(attributes["status"].is_string(), class, "{answer}");
        assert_eq!(
            answer["data"]["made-up-decile"] == "2025-11",
            decile,
            "{answer}"
        );
    }
    let text = run(&["locate", "LA9 4QL", "--as-of", DAY]).expect("an answer");
    assert!(text.contains("Decile that a test made up: "), "{text}");
}

#[test]
fn batches_have_any_layer_and_attribute_as_a_column() {
    let input = FOLDER.path().join("patients.csv");
    fs::write(&input, "postcode\nLA9 4QL\nLA1 4XA\nnowhere\n").expect("written");
    let columns = "zone,zone.name,zone.code,icb.code,gp-practice.name,icc.name,made-up-decile,status_attribute";
    let arguments = [
        "batch",
        "patients.csv",
        "--quiet",
        "--as-of",
        DAY,
        "--columns",
        columns,
    ];
    let answered = run(&arguments).expect("answers");
    let mut reader = csv::Reader::from_reader(answered.as_bytes());
    let header = reader.headers().expect("a header row").clone();
    let added: Vec<&str> = header.iter().skip(11).collect();
    let expected = "catchment_zone catchment_zone_name catchment_zone_code catchment_icb_code \
        catchment_practices_covering_names catchment_icc_residence_name catchment_made_up_decile \
        catchment_status_attribute";
    assert_eq!(added.join(" "), expected);
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.expect("a row")).collect();
    let cells = |row: usize| -> Vec<&str> { rows[row].iter().skip(11).collect() };
    let zone = cells(0)[0];
    assert!(zone.starts_with("E01"), "{zone}");
    assert_eq!(cells(0)[2], zone);
    assert_eq!(cells(0)[3], "E54000048");
    assert_eq!(cells(0)[7], "E1");
    assert_eq!(cells(1)[7], "");
    assert!(
        cells(2).iter().all(|cell| cell.is_empty()),
        "{:?}",
        cells(2)
    );
    for unknown in ["ward", "ward.name", "zone.title"] {
        let error = run(&["batch", "patients.csv", "--columns", unknown]).expect_err("unknown");
        assert!(error.contains(&format!("`{unknown}`")), "{error}");
        assert!(error.contains("made_up_decile"), "{error}");
        assert!(error.contains("LAYER.code"), "{error}");
        assert!(error.trim_end().ends_with("lsoa21, zone"), "{error}");
    }
}

#[test]
fn exports_from_area_to_area_are_as_the_sources_say() {
    let export = |arguments: &[&str]| {
        run(&[
            &["export", "--quiet", "--force", "--as-of", DAY][..],
            arguments,
        ]
        .concat())
    };
    let areas_of = [
        ["--areas-of", "zone", "zone.csv"],
        ["--areas-of", "zone", "zone.parquet"],
        ["--areas-of", "icc", "icc.csv"],
    ];
    export(&areas_of.concat()).expect("the files are written");
    export(&["--areas-of", "lsoa21", "lsoa21.csv"]).expect("the file is written");
    export(&["--areas-of", "zone", "again.parquet", "--threads", "1"]).expect("written");
    let bytes = |name: &str| fs::read(FOLDER.path().join(name)).expect("a file");
    assert!(
        bytes("zone.parquet") == bytes("again.parquet"),
        "the files differ"
    );
    export(&["--areas", "areas.parquet", "--areas-of", "pcn", "pcn.csv"]).expect("written");
    export(&["--areas", "areas.gpkg"]).expect("written");
    for (layer, expected) in [
        ("wards", "--areas-of: not a layer: use icc, sub-community, "),
        (
            "gp-practice",
            "--areas-of: gp-practice has areas that may overlap",
        ),
        (
            "resilience-group",
            "resilience-group has areas that may overlap",
        ),
    ] {
        let error = export(&["--areas-of", layer, "wrong.csv"]).expect_err("refused");
        assert!(error.contains(expected), "{error}");
        assert!(!FOLDER.path().join("wrong.csv").exists());
    }
    let error = export(&["--areas-of", "zone", "zone.xlsx"]).expect_err("refused");
    assert!(error.contains(".parquet or .csv"), "{error}");
    let error = export(&["--areas-of", "zone"]).expect_err("refused");
    assert!(error.contains("--areas-of"), "{error}");
    let Some(mut python) = python("look-ups from area to area, and GeoParquet") else {
        return;
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/codes_out.py");
    python.arg(script).arg(FOLDER.path()).arg(source_folder());
    stdout_of(&mut python);
}
