//! End-to-end tests of the import. The tests build a dataset from small files in the published
//! formats, and check the responses of a service with this dataset.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use catchment::builder::build;
use catchment::dataset::{self, DatasetSource};
use catchment::http::ServerLimits;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::data::embedded_dataset::{file_names, read_files};
use crate::support::fixture::TestDataset;
use crate::support::server::Server;

/// The columns of the ONS Postcode Directory in 2022 and in 2025.
const ONSPD_2022: &str = "pcd7,pcd8,pcds,dointr,doterm,oscty,ced,oslaua,osward,parish,usertype,oseast1m,osnrth1m,osgrdind,oshlthau,nhser,ctry,rgn,streg,pcon,eer,teclec,ttwa,pct,itl,statsward,oa01,casward,npark,lsoa01,msoa01,ur01ind,oac01,oa11,lsoa11,msoa11,wz11,sicbl,bua11,ru11ind,oac11,lat,long,lep1,lep2,pfa,imd,calncv,icb,oa21,lsoa21,msoa21";
const ONSPD_2025: &str = "pcd7,pcd8,pcds,dointr,doterm,cty25cd,ced25cd,lad25cd,wd25cd,parncp25cd,usrtypind,east1m,north1m,gridind,hlth19cd,nhser24cd,ctry25cd,rgn25cd,ssr95cd,pcon24cd,eer20cd,educ23cd,ttwa15cd,pco19cd,itl25cd,wdstl05cd,oa01cd,wdcas03cd,npark16cd,lsoa01cd,msoa01cd,ruc01ind,oac01ind,oa11cd,lsoa11cd,msoa11cd,wz11cd,sicbl24cd,bua24cd,ruc11ind,oac11ind,lat,long,lep21cd1,lep21cd2,pfa23cd,imd20ind,cal24cd,icb23cd,oa21cd,lsoa21cd,msoa21cd,ruc21ind";

/// Rows of `pcds,dointr,doterm,usertype,oseast1m,osnrth1m,osgrdind,ctry,lat,long`. The rows for
/// PR3, CA8 and AB1 were published. The rows for LA1 are synthetic.
const POSTCODES: [&str; 8] = [
    "PR3 0SG,200705,,0,351012,440302,1,E92000001,53.856635,-2.746251",
    "CA8 7JG,198001,,0,366033,564878,1,E92000001,54.977349,-2.532223",
    "AB1 0AA,198001,199606,0,385386,801193,1,S92000003,57.101474,-2.242851",
    // The next rows are a large user, a postcode with the position of its sector's centre, a
    // postcode without a grid reference, and a postcode on the Irish Grid.
    "LA1 1AB,198001,,1,360000,441000,1,E92000001,,",
    "LA1 1AD,198001,,0,360000,441000,6,E92000001,,",
    "LA1 1AE,198001,,0,,,9,E92000001,99.999999,0.000000",
    "BT1 1AA,198001,,0,333900,374500,1,N92000002,54.602,-5.924",
    "LA1 1AF,198001,,0,360000,441000,2,E92000001,,",
];

const EPRACCUR: [(&str, &str, &str, &str, &str, &str); 6] = [
    // The cells are the code, postcode, opening date, closing date, status and prescribing setting.
    ("A00001", "PR3 0SG", "19000101", "", "A", "4"),
    ("A00002", "LA1 1AF", "19740401", "20200331", "C", "4"),
    ("A00003", "LA1 1AF", "19740401", "20991231", "A", "4"),
    ("A00004", "CA8 7JG", "19740401", "", "A", "4"),
    ("Y00001", "LA1 1AF", "19740401", "", "A", "2"),
    ("Y00002", "LA1 1AF", "19740401", "", "A", "1"),
];

const SUCC: &str = "\"A00002\",\"A00001\",\"Merger\",\"20200331\",\"\"\n";

const MEMBERSHIPS: &str = "member_layer,member,layer,group,from,to,provenance\n\
    gp-practice,A00001,icc,k,,,official\n\
    gp-practice,A00002,icc,k,,,official\n\
    gp-practice,A00003,icc,l,,,official\n";

const CONFIG: &str = r#"
name = "published"
version = "1"
title = "From published files"
as_of = "2025-01-01"
attribution = "nobody"
licence = "https://example.org/licence"
tolerance_m = 100.0
output = "out"
sources = []
memberships = "memberships.csv"

[postcodes]
complete = false
directories = [{ format = "onspd-lsoa21", file = "onspd.csv" }]

[practices]
directories = [{ format = "epraccur", file = "epraccur.csv" }]
successions = [{ format = "succ", file = "succ.csv" }]

[[layers]]
id = "icc"
title = "ICCs"
kind = "partition"
first_data = "1990-01-01"
provenance = "official"
[[layers.methods]]
polygons = { file = "iccs.geojson", id = "id", name = "name" }

[[layers]]
id = "gp-practice"
title = "Practices"
kind = "overlapping"
first_data = "1990-01-01"
provenance = "official"
[[layers.methods]]
catchments = { file = "catchments" }
"#;

/// Returns a postcode directory with the columns of `header`.
fn onspd_csv(header: &str, rows: &[&str]) -> String {
    const COLUMNS: [&str; 10] = [
        "pcds", "dointr", "doterm", "usertype", "oseast1m", "osnrth1m", "osgrdind", "ctry", "lat",
        "long",
    ];
    let canonical = |column: &str| match column {
        "usrtypind" => "usertype".to_string(),
        "east1m" => "oseast1m".into(),
        "north1m" => "osnrth1m".into(),
        "gridind" => "osgrdind".into(),
        "ctry25cd" => "ctry".into(),
        other => other.to_string(),
    };
    let mut text = format!("{header}\n");
    for row in rows {
        let cells: Vec<&str> = row.split(',').collect();
        let cell = |column: &str| {
            let index = COLUMNS.iter().position(|text| *text == canonical(column));
            match index {
                Some(index) => cells[index],
                None if column.starts_with("pcd") => cells[0],
                None => "",
            }
        };
        let line: Vec<&str> = header.split(',').map(cell).collect();
        writeln!(text, "{}", line.join(",")).expect("writing to a String");
    }
    text
}

fn epraccur_csv() -> String {
    let mut text = String::new();
    for (code, postcode, opened, closed, status, setting) in EPRACCUR {
        let mut cells = vec![""; 27];
        for (index, cell) in [
            (0, code),
            (1, "A SURGERY"),
            (4, "THE STREET"),
            (9, postcode),
            (10, opened),
            (11, closed),
            (12, status),
            (13, "B"),
            (25, setting),
        ] {
            cells[index] = cell;
        }
        let cells: Vec<String> = cells.iter().map(|cell| format!("\"{cell}\"")).collect();
        writeln!(text, "{}", cells.join(",")).expect("writing to a String");
    }
    text
}

/// Returns a rectangular feature with these south-west and north-east corners, in degrees.
fn rectangle(properties: &Value, (west, south): (f64, f64), (east, north): (f64, f64)) -> Value {
    let ring = [
        [west, south],
        [east, south],
        [east, north],
        [west, north],
        [west, south],
    ];
    json!({ "type": "Feature", "properties": properties,
            "geometry": { "type": "Polygon", "coordinates": [ring] } })
}

fn feature_collection(features: &[Value]) -> String {
    json!({ "type": "FeatureCollection", "features": features }).to_string()
}

fn iccs_geojson() -> String {
    let icc =
        |id: &str, name: &str, from, to| rectangle(&json!({ "id": id, "name": name }), from, to);
    feature_collection(&[
        icc("k", "Kay", (-2.9, 53.8), (-2.7, 53.95)),
        icc("l", "Ell", (-2.7, 53.8), (-2.5, 53.95)),
        icc("m", "Em", (-2.4, 57.0), (-2.1, 57.2)),
    ])
}

/// A temporary folder with the published files and a build configuration.
pub(crate) struct PublishedFiles(TempDir);

impl PublishedFiles {
    pub(crate) fn new() -> PublishedFiles {
        let published = PublishedFiles(TempDir::new().expect("a folder"));
        fs::create_dir(published.path("catchments")).expect("a folder");
        let inner = |from, to| rectangle(&json!({ "type": "inner" }), from, to);
        let outer = |from, to| rectangle(&json!({ "type": "outer" }), from, to);
        let (wide, narrow) = ((-2.9, 53.8), (-2.8, 53.85));
        published
            .with_file("build.toml", CONFIG)
            .with_file("onspd.csv", onspd_csv(ONSPD_2022, &POSTCODES))
            .with_file("epraccur.csv", epraccur_csv())
            .with_file("succ.csv", SUCC)
            .with_file("memberships.csv", MEMBERSHIPS)
            .with_file("iccs.geojson", iccs_geojson())
            // PR3 0SG is in the inner catchments of the first two practices, and in the outer
            // catchment of the third practice.
            .with_file(
                "catchments/A00003.geojson",
                feature_collection(&[inner(wide, (-2.6, 53.9))]),
            )
            .with_file(
                "catchments/A00001.geojson",
                feature_collection(&[inner(wide, (-2.7, 53.9))]),
            )
            .with_file(
                "catchments/A00004.geojson",
                feature_collection(&[inner(wide, narrow), outer(wide, (-2.5, 53.9))]),
            )
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn with_file(self, name: &str, content: impl AsRef<[u8]>) -> PublishedFiles {
        fs::write(self.path(name), content).expect("a file");
        self
    }

    #[track_caller]
    pub(crate) fn replace(self, name: &str, from: &str, to: &str) -> PublishedFiles {
        let text = fs::read_to_string(self.path(name)).expect("a file");
        assert!(text.contains(from), "`{from}` is not in {name}");
        self.with_file(name, text.replacen(from, to, 1))
    }

    /// Runs the build, and returns the lines of its report or the error.
    fn build(&self) -> Result<Vec<String>, String> {
        let built = build(&self.path("build.toml"), None);
        built
            .map(|report| report.lines)
            .map_err(|error| format!("{error:#}"))
    }

    fn output(&self) -> PathBuf {
        self.path("out")
    }

    fn serve(&self) -> Server {
        self.build().expect("the build succeeds");
        let dataset = dataset::read(&DatasetSource::Folder(self.output())).expect("a dataset");
        Server::with(dataset, ServerLimits::default())
    }
}

const AS_OF: (&str, &str) = ("as_of", "2025-01-01");

fn locate(server: &Server, fields: &[(&str, &str)]) -> Value {
    let mut fields = fields.to_vec();
    if fields.iter().all(|(name, _)| *name != "as_of") {
        fields.push(AS_OF);
    }
    server.locate(&fields).expect(200).json()
}

/// Returns the ids of an array of objects, in order.
fn ids(array: &Value) -> Vec<&str> {
    let items = array.as_array().expect("a list").iter();
    items
        .map(|item| item["id"].as_str().expect("an id"))
        .collect()
}

#[test]
fn onspd_postcodes_have_their_positions_and_dates() {
    let server = PublishedFiles::new().serve();
    let locate_postcode = |postcode: &str| locate(&server, &[("postcode", postcode)]);

    for (postcode, longitude, latitude, introduced, status) in [
        ("PR3 0SG", -2.746251, 53.856635, "2007-05", "located"),
        (
            "CA8 7JG",
            -2.532223,
            54.977349,
            "1980-01",
            "outside_coverage",
        ),
    ] {
        let body = locate_postcode(postcode);
        let location = &body["location"];
        let is_near = |field: &str, degrees: f64| {
            let found = location[field].as_f64().expect("degrees");
            assert!(
                (found - degrees).abs() <= 2e-6,
                "{postcode} {field}: {found}"
            );
        };
        is_near("longitude", longitude);
        is_near("latitude", latitude);
        assert_eq!(body["status"], status);
        assert_eq!(location["introduced"], introduced);
        assert_eq!(
            location["positional_quality"],
            json!({ "scale": "ons", "value": 1 })
        );
    }
    assert_eq!(
        locate_postcode("PR3 0SG")["residence"]["icc"][0]["certainty"],
        "inside"
    );

    // A terminated postcode is located at its last position. The response contains the month of
    // termination.
    let ended = locate_postcode("AB1 0AA");
    assert_eq!(ended["status"], "terminated");
    assert_eq!(ended["location"]["postcode_status"], "terminated");
    assert_eq!(ended["location"]["terminated"], "1996-06");
    assert_eq!(ids(&ended["residence"]["icc"]), ["m"]);

    // The response for a postcode without a position has no location.
    let without_position = locate_postcode("LA1 1AE");
    assert_eq!(without_position["status"], "no_location");
    assert_eq!(without_position["location"]["longitude"], Value::Null);
    assert_eq!(without_position["residence"]["icc"], json!([]));

    // These three postcodes are far inside L, but the positions of the last two are uncertain.
    assert_eq!(
        locate_postcode("LA1 1AF")["residence"]["icc"][0]["certainty"],
        "inside"
    );
    for coarse in ["LA1 1AB", "LA1 1AD"] {
        let icc = &locate_postcode(coarse)["residence"]["icc"][0];
        assert_eq!(icc["id"], "l", "{coarse}");
        assert_eq!(icc["certainty"], "near_boundary", "{coarse}");
    }
    assert_eq!(locate_postcode("BT1 1AA")["status"], "outside_coverage");
}

#[test]
fn terminated_postcodes_are_live_until_the_end_of_the_month() {
    let server = PublishedFiles::new().serve();
    for (day, status) in [
        ("1995-01-01", "located"),
        ("1996-06-30", "located"),
        ("1996-07-01", "terminated"),
        ("2020-01-01", "terminated"),
    ] {
        let body = locate(&server, &[("postcode", "AB1 0AA"), ("as_of", day)]);
        assert_eq!(body["status"], status, "{day}");
        assert_eq!(ids(&body["residence"]["icc"]), ["m"], "{day}");
    }
}

#[test]
fn epraccur_practices_have_the_registrations_of_their_rows() {
    let server = PublishedFiles::new().serve();
    let home = ("postcode", "PR3 0SG");
    let registration_of = |practice: &str| {
        let body = locate(&server, &[home, ("practice", practice)]);
        let iccs = &body["registration"]["icc"];
        let icc = iccs
            .as_array()
            .and_then(|icc| icc.first())
            .map(|value| value["id"].clone());
        (
            icc,
            body["registration"]["reason"].clone(),
            body["agreement"].clone(),
            body["notes"].clone(),
        )
    };
    let (k, l) = (Some(json!("k")), Some(json!("l")));
    let null = || Value::Null;
    assert_eq!(
        registration_of("A00001"),
        (
            k.clone(),
            null(),
            json!("agree"),
            json!(["practice_address"])
        )
    );
    // A closed practice is resolved to its successor.
    assert_eq!(
        registration_of("A00002"),
        (k, null(), json!("agree"), json!(["practice_address"]))
    );
    // The closing date of an open practice is in the future. The response has a note about this
    // date.
    assert_eq!(
        registration_of("A00003"),
        (l, null(), json!("differ"), json!(["closes_on"]))
    );
    // This practice is not in an ICC.
    let (icc, reason, agreement, _) = registration_of("A00004");
    assert_eq!(
        (icc, reason, agreement),
        (None, json!("outside_coverage"), json!("differ"))
    );
    // These are the codes of an out-of-hours service and a walk-in centre.
    for code in ["Y00001", "Y00002"] {
        let (icc, reason, agreement, _) = registration_of(code);
        assert_eq!(
            (icc, reason, agreement),
            (None, json!("not_a_gp_practice"), json!("residence_only")),
            "{code}"
        );
    }
    // An opening date of 1900-01-01 means that the date is not known.
    let practice = |code: &str| {
        server
            .get(&format!("/api/v1/practices/{code}"))
            .expect(200)
            .json()
    };
    assert_eq!(practice("A00001")["opened"], Value::Null);
    assert_eq!(practice("A00003")["opened"], "1974-04-01");
}

#[test]
fn overlapping_catchments_are_all_returned_inner_before_outer() {
    let server = PublishedFiles::new().serve();
    let catchments_at = |fields: &[(&str, &str)]| -> Vec<String> {
        let body = locate(&server, fields);
        let practices = body["residence"]["gp-practice"]
            .as_array()
            .expect("a list")
            .clone();
        let texts = practices
            .iter()
            .map(|practice| format!("{} {}", practice["id"], practice["area"]));
        texts.map(|text| text.replace('"', "")).collect()
    };
    let home = [("postcode", "PR3 0SG")];
    assert_eq!(
        catchments_at(&home),
        ["A00001 inner", "A00003 inner", "A00004 outer"]
    );
    // At the first point, the inner and outer catchments of A00004 overlap, and the inner catchment
    // is returned. At the second point, further east, there is only the outer catchment.
    let southwest = [("lon", "-2.85"), ("lat", "53.82")];
    assert_eq!(
        catchments_at(&southwest),
        ["A00001 inner", "A00003 inner", "A00004 inner"]
    );
    assert_eq!(
        catchments_at(&[("lon", "-2.55"), ("lat", "53.82")]),
        ["A00004 outer"]
    );
    assert!(catchments_at(&[("lon", "-2.55"), ("lat", "53.94")]).is_empty());
}

#[test]
fn locate_command_shows_inner_and_outer_catchments() {
    let published = PublishedFiles::new();
    published.build().expect("the build succeeds");
    let output = Command::new(env!("CARGO_BIN_EXE_catchment"))
        .args(["locate", "PR3 0SG", "--as-of", "2025-01-01", "--data"])
        .arg(published.output())
        .output()
        .expect("the program starts");
    let stdout = String::from_utf8_lossy(&output.stdout);
    for line in [
        "A00001  A SURGERY  (official, inner area",
        "A00004  A SURGERY  (official, outer area",
    ] {
        assert!(stdout.contains(line), "{stdout}");
    }
}

#[test]
fn postcodes_near_a_boundary_have_the_alternative_and_its_distance() {
    let fixture = TestDataset::new()
        .add_row("postcodes.csv", "LA1 1AE,309970,405000,10,live,198001,,,")
        .add_row("postcodes.csv", "LA1 1AF,310030,405000,10,live,198001,,,")
        .add_row("postcodes.csv", "LA1 1AG,309899,405000,10,live,198001,,,");
    let server = Server::with(fixture.dataset(), ServerLimits::default());
    let icc = |postcode: &str| {
        let body = locate(&server, &[("postcode", postcode)]);
        body["residence"]["icc"][0].clone()
    };
    for (postcode, own, other) in [("LA1 1AE", "k", "l"), ("LA1 1AF", "l", "k")] {
        let found = icc(postcode);
        assert_eq!(found["id"], own);
        assert_eq!(found["certainty"], "near_boundary");
        let near = |distance: &Value| (distance.as_f64().expect("metres") - 30.0).abs() <= 1.0;
        assert!(near(&found["boundary_distance_m"]), "{found}");
        assert_eq!(ids(&found["alternatives"]), [other]);
        assert!(near(&found["alternatives"][0]["distance_m"]), "{found}");
    }
    // The tolerance is 100 m, and this postcode is 101 m from the boundary.
    let far = icc("LA1 1AG");
    assert_eq!(
        (&far["certainty"], &far["alternatives"]),
        (&json!("inside"), &json!([]))
    );
}

#[test]
fn build_reports_skipped_rows() {
    let lines = PublishedFiles::new()
        .build()
        .expect("the build succeeds")
        .join("\n");
    for words in ["Northern Ireland", "prescribing setting 2: out of hours"] {
        assert!(lines.contains(words), "`{words}` is not in:\n{lines}");
    }
}

#[test]
fn directories_of_only_live_postcodes_give_a_warning() {
    const ROW: &str = "\"PR3 0SG\",10,351012,440302,\"E92000001\",\"\",\"\",\"\",\"\",\"\"\r\n";
    let warns_for = |directories: &str, complete: &str| {
        let ons = "{ format = \"onspd-lsoa21\", file = \"onspd.csv\" }";
        let published = PublishedFiles::new()
            .with_file("pr.csv", ROW)
            .replace("build.toml", ons, directories)
            .replace("build.toml", "complete = false\n", complete);
        let lines = published.build().expect("the build succeeds").join("\n");
        lines.contains("only live postcodes")
    };
    let os = "{ format = \"code-point-open\", file = \"pr.csv\" }";
    let both = format!("{os}, {{ format = \"onspd-lsoa21\", file = \"onspd.csv\" }}");
    assert!(warns_for(os, ""));
    assert!(!warns_for(os, "complete = false\n"));
    assert!(!warns_for(&both, ""));
}

#[test]
fn column_names_bom_and_crlf_do_not_change_the_dataset() {
    let old = PublishedFiles::new();
    old.build().expect("the build succeeds");
    let new = onspd_csv(ONSPD_2025, &POSTCODES);
    let lad26 = new.replace("lad25cd", "lad26cd");
    let windows = format!("\u{feff}{}", new.replace('\n', "\r\n"));
    for text in [new, lad26, windows] {
        let other = PublishedFiles::new().with_file("onspd.csv", text);
        other.build().expect("the build succeeds");
        // The report states the edition of the directory, which the new column names indicate.
        let files = |published: &PublishedFiles| {
            let mut files = read_files(&published.output());
            files
                .remove(Path::new(dataset::BUILD_REPORT))
                .expect("a report");
            files
        };
        assert!(files(&old) == files(&other));
    }
}

/// Checks that a changed build fails with an error that contains these words, and that the old
/// dataset is unchanged.
#[track_caller]
fn check_rejected(change: impl Fn(PublishedFiles) -> PublishedFiles, words: &[&str]) {
    let published = PublishedFiles::new();
    published.build().expect("the build succeeds");
    let before = read_files(&published.output());
    let published = change(published);
    let names = file_names(published.0.path());
    let error = published.build().expect_err("the build fails");
    for word in words {
        assert!(error.contains(word), "`{word}` is not in: {error}");
    }
    assert!(read_files(&published.output()) == before, "{error}");
    assert_eq!(file_names(published.0.path()), names);
}

#[test]
fn invalid_postcode_directories_are_rejected_and_keep_the_old_dataset() {
    let directory = onspd_csv(ONSPD_2022, &POSTCODES);
    check_rejected(
        |files| files.replace("onspd.csv", ",osgrdind,", ",quality,"),
        &["onspd.csv: no column `osgrdind, gridind`"],
    );
    let row = directory.lines().nth(1).expect("a row").to_string();
    check_rejected(
        |files| files.with_file("onspd.csv", format!("{directory}{row}\n{row}\n")),
        &["onspd.csv, line 10: postcode `PR3 0SG` is already in onspd.csv, line 2"],
    );
    check_rejected(
        |files| files.with_file("onspd.csv", &directory[..directory.len() - 40]),
        &["onspd.csv, line 9", "was the file truncated?"],
    );
    for empty in ["", ONSPD_2022, "\u{feff}", "\n\n"] {
        check_rejected(|files| files.with_file("onspd.csv", empty), &["onspd.csv"]);
    }
}

#[test]
fn rows_with_impossible_dates_are_skipped_and_counted() {
    let odd = [
        "LA1 1AG,AAAAAA,,0,360000,441000,1,E92000001,,",
        "LA1 1AH,200001,199001,0,360000,441000,1,E92000001,,",
    ];
    let published = PublishedFiles::new().with_file(
        "onspd.csv",
        onspd_csv(ONSPD_2022, &[&POSTCODES[..], &odd[..]].concat()),
    );
    let error = published.build().expect_err("more than 0.5 % is lost");
    assert!(error.contains("onspd.csv (postcodes): 22.22 %"), "{error}");
    let limit = "\n[unused_max]\n\"onspd.csv\" = 0.25\n\n[practices]\n";
    let published = published.replace("build.toml", "\n[practices]\n", limit);
    let lines = published.build().expect("the build succeeds").join("\n");
    for words in [
        "`dointr`",
        "onspd.csv line 10",
        "no earlier than `dointr`",
        "onspd.csv line 11",
    ] {
        assert!(lines.contains(words), "`{words}` is not in:\n{lines}");
    }
    let written = fs::read_to_string(published.output().join("postcodes.csv")).expect("a table");
    assert!(
        !written.contains("LA1 1AG") && !written.contains("LA1 1AH"),
        "{written}"
    );
}

#[test]
fn contradictions_between_files_are_rejected() {
    check_rejected(
        |files| {
            files.replace(
                "memberships.csv",
                "A00003,icc,l,,,official\n",
                "A00003,icc,l,,,official\ngp-practice,A00003,icc,k,,,official\n",
            )
        },
        &["practice `A00003` belongs to `l` and to `k` on the same day"],
    );
    let later = "to = \"2025-07-01\"\npolygons = { file = \"iccs.geojson\", id = \"id\", name = \"name\" }\n\
        [[layers.methods]]\nfrom = \"2025-06-01\"\npolygons = ";
    check_rejected(
        |files| files.replace("build.toml", "polygons = ", later),
        &["`k`", "on the same day"],
    );
}

#[test]
fn lookups_that_are_not_utf8_are_rejected_with_their_position() {
    let statistical = "[statistical_areas]\nid = \"lsoa21\"\ntitle = \"LSOAs\"\nboundaries = \"lsoas.geojson\"\n\
        code = \"code\"\nname = \"name\"\nsnap_m = 0\n\n[practices]";
    let lookup = "lookup = { file = \"lookup.csv\", columns = { code = \"LSOA21CD\", area = \"icc_id\", name = \"icc\" } }\n\
        # polygons = ";
    let lsoas = feature_collection(&[rectangle(
        &json!({ "code": "E01000001", "name": "Somewhere 001A" }),
        (-2.9, 53.8),
        (-2.7, 53.95),
    )]);
    let build_with = |table: &[u8]| {
        let files = PublishedFiles::new()
            .with_file("lsoas.geojson", &lsoas)
            .with_file("lookup.csv", table);
        let published_files = files.replace("build.toml", "[practices]", statistical);
        let files = published_files.replace("build.toml", "polygons = ", lookup);
        files
            .replace(
                "memberships.csv",
                "gp-practice,A00003,icc,l,,,official\n",
                "",
            )
            .build()
    };
    let good = b"\xef\xbb\xbfLSOA21CD,icc_id,icc\r\nE01000001,k,Caf\xc3\xa9 Kay\r\n";
    build_with(good).expect("a byte order mark and CRLF are accepted");
    let error = build_with(b"LSOA21CD,icc_id,icc\nE01000001,k,Caf\xe9 Kay\n").expect_err("latin-1");
    for words in ["lookup.csv, line 2, column `icc`", "text in UTF-8"] {
        assert!(error.contains(words), "`{words}` is not in: {error}");
    }
    for empty in [&b""[..], b"LSOA21CD,icc_id,icc\n"] {
        let error = build_with(empty).expect_err("nothing");
        assert!(error.contains("lookup.csv"), "{error}");
    }
}
