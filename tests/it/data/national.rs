//! Builds the configurations of national datasets, `data/national.toml` and
//! `data/england-and-wales.toml`, from small made-up files with the headers of the published ones, and
//! a dataset with changes that are decided for later years.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use catchment::dataset::{self, DatasetSource};
use catchment::domain::LonLat;
use catchment::geodesy::to_grid;
use catchment::http::ServerLimits;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::server::Server;

/// The header rows of August 2026 and of April 2026.
const ONSPD: &str = "pcd7,pcd8,pcds,dointr,doterm,cty26cd,ced26cd,lad26cd,wd26cd,parncp26cd,usrtypind,east1m,north1m,gridind,hlth19cd,nhser24cd,ctry26cd,rgn26cd,ssr95cd,pcon24cd,eer20cd,educ23cd,ttwa15cd,pco19cd,itl25cd,wdstl05cd,oa01cd,wdcas03cd,npark16cd,lsoa01cd,msoa01cd,ruc01ind,oac01ind,oa11cd,lsoa11cd,msoa11cd,wz11cd,sicbl26cd,bua24cd,ruc11ind,oac11ind,lat,long,lep21cd1,lep21cd2,pfa23cd,imd20ind,cal24cd,icb26cd,oa21cd,lsoa21cd,msoa21cd,ruc21ind,oac21ind,imd25ind";
const LOOKUP: &str = "LSOA21CD,LSOA21NM,SICBL26CD,SICBL26CDH,SICBL26NM,ICB26CD,ICB26CDH,ICB26NM,NHSER26CD,NHSER26CDH,NHSER26NM,LAD26CD,LAD26NM,ObjectId";
const REGISTRATIONS: &str =
    "PUBLICATION,EXTRACT_DATE,PRACTICE_CODE,PRACTICE_NAME,LSOA_CODE,SEX,NUMBER_OF_PATIENTS";

/// A small area of a made-up county, with a postcode in its middle.
struct SmallArea {
    code: &'static str,
    name: &'static str,
    postcode: &'static str,
    country: &'static str,
    sub_icb: &'static str,
    icb: &'static str,
    council: &'static str,
}

/// The small areas, from west to east. The last one is in Wales, and has no NHS areas of England.
const AREAS: [SmallArea; 5] = [
    SmallArea {
        code: "E01034001",
        name: "Northmere 001A",
        postcode: "LA88 1AA",
        country: "E92000001",
        sub_icb: "90A,NHS Mereshire ICB - 90A",
        icb: "Z0A1B,NHS Mereshire Integrated Care Board",
        council: "E07990001,Northmere",
    },
    SmallArea {
        code: "E01034002",
        name: "Southmere 001A",
        postcode: "LA88 1AB",
        country: "E92000001",
        sub_icb: "90A,NHS Mereshire ICB - 90A",
        icb: "Z0A1B,NHS Mereshire Integrated Care Board",
        council: "E07990002,Southmere",
    },
    SmallArea {
        code: "E01034003",
        name: "Southmere 001B",
        postcode: "LA88 1AD",
        country: "E92000001",
        sub_icb: "90B,NHS Vale ICB - 90B",
        icb: "Z0A2B,NHS Vale Integrated Care Board",
        council: "E07990002,Southmere",
    },
    SmallArea {
        code: "E01034004",
        name: "Eastvale 001A",
        postcode: "LA88 1AE",
        country: "E92000001",
        sub_icb: "90B,NHS Vale ICB - 90B",
        icb: "Z0A2B,NHS Vale Integrated Care Board",
        council: "E07990003,Eastvale",
    },
    SmallArea {
        code: "W01002001",
        name: "Dyffryn 001A",
        postcode: "LA88 1AF",
        country: "W92000004",
        sub_icb: "",
        icb: "",
        council: "",
    },
];

const WEST: f64 = -2.9;
const SOUTH: f64 = 53.8;
/// The width of a small area in degrees.
const WIDTH: f64 = 0.1;

fn west_of(index: usize) -> f64 {
    WEST + WIDTH * f64::from(u8::try_from(index).expect("few areas"))
}

/// Returns the longitude, latitude, easting and northing of the middle of a small area.
fn middle(index: usize) -> (f64, f64, f64, f64) {
    let (lon, lat) = (west_of(index) + WIDTH / 2.0, SOUTH + WIDTH / 2.0);
    let position = LonLat::new(lon, lat).expect("a position");
    let grid = to_grid(position).expect("in Great Britain");
    (
        lon,
        lat,
        grid.easting_m().round(),
        grid.northing_m().round(),
    )
}

/// Returns a feature from a western to an eastern edge, in longitude and latitude. There is a vertex
/// where each small area begins, so that neighbours have the same edges.
fn feature(properties: &Value, areas: std::ops::Range<usize>) -> Value {
    let edges: Vec<f64> = (areas.start..=areas.end).map(west_of).collect();
    let south = edges.iter().map(|lon| json!([lon, SOUTH]));
    let north = edges.iter().rev().map(|lon| json!([lon, SOUTH + WIDTH]));
    let mut ring: Vec<Value> = south.chain(north).collect();
    ring.push(ring[0].clone());
    json!({
        "type": "Feature", "properties": properties,
        "geometry": { "type": "Polygon", "coordinates": [ring] },
    })
}

fn write_features(path: &Path, features: &[Value]) {
    let text = json!({
        "type": "FeatureCollection",
        "crs": { "type": "name", "properties": { "name": "urn:ogc:def:crs:OGC:1.3:CRS84" } },
        "features": features,
    });
    fs::write(path, text.to_string()).expect("a file");
}

/// Copies a configuration of the project to a new folder.
fn folder_with(config: &str) -> (TempDir, PathBuf) {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join(config);
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::copy(project.join("data").join(config), &path).expect("the configuration");
    (folder, path)
}

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_catchment"))
        .args(arguments)
        .output()
        .expect("the program starts")
}

/// Builds the dataset, and returns its folder and the report.
#[track_caller]
fn build(config: &Path, folder: &str) -> (PathBuf, String) {
    let output = run(&["build", config.to_str().expect("text")]);
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{report}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    (config.with_file_name(folder), report)
}

fn server(folder: &Path) -> Server {
    let source = DatasetSource::Folder(folder.into());
    let dataset = dataset::read(&source).expect("a dataset");
    Server::with(dataset, ServerLimits::default())
}

/// Returns the ids of the areas of a layer in the answer for a postcode.
fn ids(server: &Server, postcode: &str, layer: &str, date: &str) -> Value {
    let postcode = postcode.replace(' ', "+");
    let reply = server.get(&format!("/api/v1/locate?postcode={postcode}&as_of={date}"));
    let body: Value = reply.json();
    match &body["residence"][layer] {
        Value::Array(areas) => areas.iter().map(|area| area["id"].clone()).collect(),
        other => other.clone(),
    }
}

#[test]
fn the_national_configuration_builds_from_files_of_its_packages() {
    let (folder, config) = folder_with("national.toml");
    // A folder is read as the archive with the same content.
    let csv = folder.path().join("codepo_gb.zip/Data/CSV");
    fs::create_dir_all(&csv).expect("a folder");
    let mut rows = String::new();
    for (index, area) in AREAS.iter().enumerate() {
        let (_, _, easting, northing) = middle(index);
        let SmallArea {
            postcode, country, ..
        } = area;
        let postcode = postcode.replace(' ', "");
        let row = format!(
            "\"{postcode}\",10,{easting},{northing},\"{country}\",\"\",\"\",\"\",\"\",\"\""
        );
        writeln!(rows, "{row}\r").expect("writing to a String");
    }
    fs::write(csv.join("la.csv"), rows).expect("a file");
    let lsoas: Vec<Value> = AREAS
        .iter()
        .enumerate()
        .map(|(index, area)| {
            let properties = json!({
                "OBJECTID": index, "LSOA11CD": area.code, "LSOA11NM": area.name, "LSOA11NMW": area.name,
            });
            feature(&properties, index..index + 1)
        })
        .collect();
    write_features(&folder.path().join("LSOA.geojson"), &lsoas);
    let locations = [
        (
            json!({ "SICBL22CD": "E38990001", "SICBL22NM": "NHS Mereshire ICB - 90A" }),
            0..2,
        ),
        (
            json!({ "SICBL22CD": "E38990002", "SICBL22NM": "NHS Vale ICB - 90B" }),
            2..4,
        ),
    ];
    let locations = locations.map(|(properties, areas)| feature(&properties, areas));
    write_features(&folder.path().join("SICBL.geojson"), &locations);

    let (dataset, report) = build(&config, "great-britain");
    assert!(report.contains("5 postcodes"), "{report}");
    assert!(
        report.contains("sub-icb: 2 areas with a boundary"),
        "{report}"
    );
    let server = server(&dataset);
    let at = |postcode| ids(&server, postcode, "sub-icb", "2025-05-02");
    assert_eq!(at("LA88 1AA"), json!(["E38990001"]));
    assert_eq!(at("LA88 1AE"), json!(["E38990002"]));
    // The layer covers England only.
    let wales: Value = server.get("/api/v1/locate?postcode=LA88+1AF").json();
    assert_eq!(wales["status"], "outside_coverage");
}

/// Returns the rows of a report of NHS ODS: 27 columns without a header row.
fn ods_rows(rows: &[&[(usize, &str)]]) -> String {
    let mut text = String::new();
    for row in rows {
        let mut cells = [""; 27];
        for (column, cell) in *row {
            cells[column - 1] = cell;
        }
        let quoted = cells.map(|cell| format!("\"{cell}\""));
        writeln!(text, "{}\r", quoted.join(",")).expect("writing to a String");
    }
    text
}

/// Writes the files that `england-and-wales.toml` specifies.
fn write_files_of_2026(folder: &Path) {
    let mut directory = format!("{ONSPD}\r\n");
    let mut lookup = format!("\u{feff}{LOOKUP}\r\n");
    let mut lsoas = Vec::new();
    for (index, area) in AREAS.iter().enumerate() {
        let (lon, lat, easting, northing) = middle(index);
        let cell = |column: &str| match column {
            "pcds" | "pcd7" | "pcd8" => area.postcode.to_string(),
            "dointr" => "198001".into(),
            "usrtypind" => "0".into(),
            "gridind" => "1".into(),
            "east1m" => easting.to_string(),
            "north1m" => northing.to_string(),
            "lat" => format!("{lat:.6}"),
            "long" => format!("{lon:.6}"),
            "ctry26cd" => area.country.into(),
            "lsoa21cd" => area.code.into(),
            "lad26cd" => area.council.split(',').next().unwrap_or_default().into(),
            _ => String::new(),
        };
        let cells: Vec<String> = ONSPD.split(',').map(cell).collect();
        writeln!(directory, "{}\r", cells.join(",")).expect("writing to a String");
        if !area.icb.is_empty() {
            let SmallArea {
                code,
                name,
                sub_icb,
                icb,
                council,
                ..
            } = area;
            writeln!(
                lookup,
                "{code},{name},E3899000{index},{sub_icb},E54990{}01,{icb},E40990001,Y90,Mereland,{council},{index}\r",
                if icb.starts_with("Z0A1B") { "1" } else { "2" },
            )
            .expect("writing to a String");
        }
        let properties = json!({ "LSOA21CD": area.code, "LSOA21NM": area.name, "LSOA21NMW": "" });
        lsoas.push(feature(&properties, index..index + 1));
    }
    // The codes of a sub-ICB location are the same in all its rows.
    for (from, to) in [("E38990001", "E38990000"), ("E38990003", "E38990002")] {
        lookup = lookup.replace(from, to);
    }
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).expect("a file");
    fs::create_dir_all(folder.join("onspd.zip/Data")).expect("a folder");
    fs::create_dir_all(folder.join("ods")).expect("a folder");
    write("onspd.zip/Data/ONSPD_AUG_2026_UK.csv", &directory);
    write("lsoa21_lookup.csv", &lookup);
    write_features(&folder.join("lsoa21.geojson"), &lsoas);
    let practice = |code, postcode, commissioner| {
        [
            (1, code),
            (2, "A SURGERY"),
            (5, "THE STREET"),
            (10, postcode),
            (11, "19740401"),
            (13, "ACTIVE"),
            (15, commissioner),
            (26, "RO76|RO268"),
        ]
    };
    let practices = [
        practice("A99001", "LA88 1AA", "90A"),
        practice("A99002", "LA88 1AE", "90B"),
    ];
    let mut closed = practice("A99009", "LA88 1AB", "90A").to_vec();
    closed.retain(|(column, _)| *column != 13);
    closed.extend([(12, "20200331"), (13, "INACTIVE")]);
    write(
        "ods/epraccur.csv",
        &ods_rows(&[&practices[0], &practices[1], &closed]),
    );
    let branch = [
        (1, "A99001001"),
        (2, "A BRANCH"),
        (10, "LA88 1AB"),
        (11, "20100401"),
        (13, "ACTIVE"),
    ];
    write("ods/ebranchs.csv", &ods_rows(&[&branch]));
    write(
        "ods/succ.csv",
        "\"A99009\",\"A99001\",\"R\",\"20200401\",\"\"\r\n",
    );
    write(
        "ods/epcn.csv",
        "\"U99001\",\"MERE PCN\",\"90A\",\"X\",\"20190701\",\"\",\"\",\"\",\"\",\"\",\"\",\"\"\r\n\
         \"U99002\",\"VALE PCN\",\"90B\",\"X\",\"20190701\",\"\",\"\",\"\",\"\",\"\",\"\",\"\"\r\n",
    );
    write(
        "ods/epcncorepartnerdetails.csv",
        "\"A99001\",\"A SURGERY\",\"90A\",\"X\",\"U99001\",\"MERE PCN\",\"90A\",\"X\",\"20190701\",\"\",\"TRUE\"\r\n\
         \"A99002\",\"A SURGERY\",\"90B\",\"X\",\"U99002\",\"VALE PCN\",\"90B\",\"X\",\"20190701\",\"\",\"TRUE\"\r\n",
    );
    let mut registrations = format!("{REGISTRATIONS}\r\n");
    for (practice, code, patients) in [
        ("A99001", "E01034001", 900),
        ("A99001", "E01034002", 800),
        ("A99002", "E01034002", 100),
        ("A99002", "E01034003", 700),
        ("A99002", "E01034004", 600),
        ("A99001", "EMPTY", 3),
        ("A99001", "CLOSED", 2),
        ("A99001", "W01002001", 4),
        ("A99001", "S01006514", 1),
        ("A99001", "N21000004", 1),
    ] {
        let row = format!("GP_PRAC_PAT_LIST,01JUL2026,{practice},A SURGERY,{code},ALL,{patients}");
        writeln!(registrations, "{row}\r").expect("writing to a String");
    }
    write("gp-reg-pat-prac-lsoa-all.csv", &registrations);
}

#[test]
fn the_configuration_of_england_and_wales_builds_from_files_of_2026() {
    let (folder, config) = folder_with("england-and-wales.toml");
    write_files_of_2026(folder.path());
    let (dataset, report) = build(&config, "england-and-wales");
    for line in [
        "5 postcodes",
        "icb: 2 areas with a boundary",
        "sub-icb: 2 areas with a boundary",
        "nhs-region: 1 area with a boundary",
        "council: 3 areas with a boundary",
        "pcn: 2 areas with a boundary",
        "gp-practice: 2 areas with a boundary",
        "LSOA_CODE `EMPTY`",
        "LSOA_CODE `CLOSED`",
        "Super Data Zones in Northern Ireland",
        "lsoa21_lookup.csv: 1 statistical area with a boundary not in the look-up (the first is `W01002001`)",
    ] {
        assert!(report.contains(line), "`{line}` is not in: {report}");
    }
    let server = server(&dataset);
    for (postcode, layer, expected) in [
        ("LA88 1AA", "icb", json!(["Z0A1B"])),
        ("LA88 1AA", "sub-icb", json!(["90A"])),
        ("LA88 1AA", "nhs-region", json!(["Y90"])),
        ("LA88 1AD", "council", json!(["E07990002"])),
        ("LA88 1AD", "icb", json!(["Z0A2B"])),
        ("LA88 1AB", "pcn", json!(["U99001"])),
        ("LA88 1AB", "gp-practice", json!(["A99001", "A99002"])),
        ("LA88 1AF", "lsoa21", json!(["W01002001"])),
        ("LA88 1AF", "icb", json!([])),
        ("LA88 1AF", "council", json!([])),
    ] {
        let found = ids(&server, postcode, layer, "2026-08-31");
        assert_eq!(found, expected, "{postcode} {layer}");
    }
    // An ICB is a member of its region, and a practice of its network and ICB.
    let icb: Value = server
        .get("/api/v1/areas/icb/Z0A1B?as_of=2026-08-31")
        .json();
    assert_eq!(
        icb["member_of"],
        json!([{ "layer": "nhs-region", "id": "Y90" }])
    );
    let practice: Value = server
        .get("/api/v1/practices/A99001?as_of=2026-08-31")
        .json();
    assert_eq!(practice["pcn"], "U99001");
    let succeeded: Value = server
        .get("/api/v1/locate?practice=A99009&as_of=2026-08-31")
        .json();
    assert_eq!(succeeded["registration"]["practice"]["id"], "A99001");
    // The sources of the configuration have a known frequency.
    let folder = dataset.to_str().expect("text");
    let sources = run(&["check", folder, "--sources", "--json"]);
    let sources: Value = serde_json::from_slice(&sources.stdout).expect("JSON");
    for source in sources["sources"].as_array().expect("a list") {
        assert_ne!(source["status"], "unknown_frequency", "{source}");
        assert_ne!(source["status"], "undated", "{source}");
    }
}

/// The merger of two councils, and of two boards, in made-up laws.
const CHANGES: &str = "layer,date,area,successor,name,source\n\
    council,2098-04-01,E07990001,E06990009,Mereshire,Mereshire Order 2097\n\
    council,2098-04-01,E07990002,E06990009,Mereshire,Mereshire Order 2097\n\
    icb,2097-04-01,Z0A2B,Z0A1B,,Vale Order 2096\n";

/// Builds the dataset with these changes.
fn build_with_changes(changes: &str) -> (TempDir, PathBuf, Output) {
    let (folder, config) = folder_with("england-and-wales.toml");
    write_files_of_2026(folder.path());
    fs::write(folder.path().join("changes.csv"), changes).expect("a file");
    let text = fs::read_to_string(&config).expect("the configuration");
    let with_changes = text.replace("# changes = ", "changes = ");
    assert_ne!(with_changes, text);
    fs::write(&config, with_changes).expect("a file");
    let output = run(&["build", config.to_str().expect("text")]);
    (folder, config.with_file_name("england-and-wales"), output)
}

#[test]
fn answers_for_later_dates_use_the_changes_of_areas() {
    let (_folder, dataset, output) = build_with_changes(CHANGES);
    let report = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{report}{error}");
    let server = server(&dataset);
    let (before, board, council) = ("2026-08-31", "2097-04-01", "2098-04-01");
    for (postcode, layer, date, expected) in [
        ("LA88 1AA", "council", before, "E07990001"),
        ("LA88 1AA", "council", "2098-03-31", "E07990001"),
        ("LA88 1AA", "council", council, "E06990009"),
        ("LA88 1AD", "council", council, "E06990009"),
        ("LA88 1AE", "council", council, "E07990003"),
        ("LA88 1AE", "icb", "2097-03-31", "Z0A2B"),
        ("LA88 1AE", "icb", board, "Z0A1B"),
        ("LA88 1AA", "icb", council, "Z0A1B"),
    ] {
        let found = ids(&server, postcode, layer, date);
        assert_eq!(found, json!([expected]), "{postcode} {layer} {date}");
    }
    // The new council has one boundary: the union of those before.
    let boundary: Value = server
        .get("/api/v1/areas/council/E06990009.geojson?as_of=2098-04-01")
        .json();
    let rings = &boundary["features"][0]["geometry"]["coordinates"];
    let rings = if rings.is_null() {
        &boundary["geometry"]["coordinates"]
    } else {
        rings
    };
    assert_eq!(rings.as_array().map(Vec::len), Some(1), "{boundary}");
    // Practices and sub-ICB locations of the board that ends are in its successor.
    let members: Value = server
        .get("/api/v1/areas/icb/Z0A1B?as_of=2097-04-01")
        .json();
    let members: Vec<&Value> = members["members"]
        .as_array()
        .expect("a list")
        .iter()
        .collect();
    let has = |id: &str| {
        members
            .iter()
            .any(|member| member["id"] == id || member["ods_code"] == id)
    };
    assert!(has("90A") && has("90B"), "{members:?}");

    let changes: Value = server.get("/api/v1/changes?as_of=2026-08-31").json();
    let found: Vec<String> = changes["areas"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|change| {
            let text = |key: &str| change[key].as_str().unwrap_or_default().to_string();
            format!(
                "{} {} {} {}",
                text("date"),
                text("layer"),
                text("id"),
                text("change")
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            "2097-04-01 icb Z0A2B ends",
            "2097-04-01 icb Z0A1B redrawn",
            "2098-04-01 council E06990009 begins",
            "2098-04-01 council E07990001 ends",
            "2098-04-01 council E07990002 ends",
        ]
    );
    let begins = &changes["areas"][2];
    assert_eq!(begins["predecessors"], json!(["E07990001", "E07990002"]));
    assert_eq!(begins["sources"], json!(["Mereshire Order 2097"]));
    assert_eq!(changes["practices"], json!([]));
    let page = server.get("/changes?as_of=2026-08-31").expect(200);
    for words in [
        "What changes next",
        "From 1 April 2097",
        "NHS Vale Integrated Care Board",
        "Mereshire Order 2097",
        "instead of Northmere and Southmere",
    ] {
        assert!(page.text().contains(words), "{words}: {}", page.text());
    }
    let none = server.get("/changes?as_of=2098-04-01").expect(200);
    assert!(
        none.text()
            .contains("Our data have no changes after this date")
    );
}

#[test]
fn a_dataset_is_compared_with_itself_on_a_later_date() {
    let (folder, dataset, output) = build_with_changes(CHANGES);
    assert!(output.status.success());
    let path = dataset.to_str().expect("text");
    let changes = folder.path().join("changes");
    let until = |date: &str| {
        let files = changes.to_str().expect("text");
        let output = run(&["diff", path, "--as-of", date, "--output", files, "--force"]);
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    let (status, text) = until("2098-04-01");
    assert_eq!(status, Some(1), "{text}");
    for line in [
        "added council E06990009  Mereshire",
        "removed council E07990001  Northmere",
        "removed icb Z0A2B  NHS Vale Integrated Care Board",
        "council: 2 from E07990002 to E06990009",
        "icb: 2 from Z0A2B to Z0A1B",
    ] {
        assert!(text.contains(line), "`{line}` is not in: {text}");
    }
    let summary = fs::read_to_string(changes.join("summary.json")).expect("a summary");
    let summary: Value = serde_json::from_str(&summary).expect("JSON");
    assert_eq!(summary["as_of"], "2098-04-01");
    assert_ne!(summary["old_as_of"], summary["as_of"]);
    let postcodes = fs::read_to_string(changes.join("postcodes.csv")).expect("a table");
    assert!(
        postcodes.starts_with("change,postcode,old_status,new_status,old_icb,new_icb,old_council")
    );
    let (status, text) = until("2096-04-01");
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("no differences"), "{text}");
    let past = run(&["diff", path, "--as-of", "2020-01-01"]);
    assert_eq!(past.status.code(), Some(2));
    let error = String::from_utf8_lossy(&past.stderr).into_owned();
    assert!(
        error.contains("--as-of: 2020-01-01 is not after today"),
        "{error}"
    );
    let alone = run(&["diff", path]);
    assert_eq!(alone.status.code(), Some(2));
}

#[test]
fn changes_that_contradict_the_dataset_fail_with_their_line() {
    let header = "layer,date,area,successor,name,source\n";
    for (rows, expected) in [
        (
            "council,2098-04-01,E07990099,E06990009,Mereshire,An Order\n",
            "changes.csv, line 2, column `area`: `E07990099` is not an area of layer `council` on 2098-03-31",
        ),
        (
            "council,2098-04-01,E07990001,E06990009,,An Order\n",
            "changes.csv, line 2, column `name`",
        ),
        (
            "lsoa21,2098-04-01,E01034001,E01034002,,An Order\n",
            "line 2, column `layer`: the areas of `lsoa21` are the statistical areas themselves",
        ),
        (
            "county,2098-04-01,E07990001,E06990009,Mereshire,An Order\n",
            "`county` is not a layer of the configuration",
        ),
        ("", "changes.csv: no rows"),
    ] {
        let (_folder, _, output) = build_with_changes(&format!("{header}{rows}"));
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(expected), "`{expected}` is not in: {error}");
    }
}
