//! Tests of `catchment build --init`: a made-up folder of published files becomes a configuration that
//! builds, and each unusable input is reported.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// The columns of the ONS Postcode Directory of August 2026.
const ONSPD: &str = "pcd7,pcd8,pcds,dointr,doterm,cty25cd,ced25cd,lad26cd,wd25cd,parncp25cd,usrtypind,east1m,north1m,gridind,hlth19cd,nhser24cd,ctry25cd,rgn25cd,ssr95cd,pcon24cd,eer20cd,educ23cd,ttwa15cd,pco19cd,itl25cd,wdstl05cd,oa01cd,wdcas03cd,npark16cd,lsoa01cd,msoa01cd,ruc01ind,oac01ind,oa11cd,lsoa11cd,msoa11cd,wz11cd,sicbl26cd,bua24cd,ruc11ind,oac11ind,lat,long,lep21cd1,lep21cd2,pfa23cd,imd20ind,cal24cd,icb26cd,oa21cd,lsoa21cd,msoa21cd,ruc21ind,oac21ind,imd25ind";
const LOOKUP: &str = "LSOA21CD,LSOA21NM,SICBL26CD,SICBL26CDH,SICBL26NM,ICB26CD,ICB26CDH,ICB26NM,NHSER26CD,NHSER26CDH,NHSER26NM,LAD26CD,LAD26NM";
const NSUL: &str = "UPRN,GRIDGB1E,GRIDGB1N,PCDS,OA21CD,CTY25CD,LAD25CD,LSOA21CD,MSOA21CD,IMD19IND";
const REGISTRATIONS: &str =
    "PUBLICATION,EXTRACT_DATE,PRACTICE_CODE,PRACTICE_NAME,LSOA_CODE,SEX,NUMBER_OF_PATIENTS";

/// The made-up area is a row of eight squares of 1 km: LSOA `n` is from easting 480,000 + 1,000 n.
/// Each has three postcodes. The first four LSOAs are in the north, the others in the south.
const LSOA_COUNT: u32 = 8;

fn lsoa(index: u32) -> String {
    format!("E0103900{index}")
}

/// A made-up practice: its code, postcode and network. Its patients live around it.
const PRACTICES: [(&str, &str, &str, u32); 4] = [
    ("A99001", "LE88 0AA", "U99001", 0),
    ("A99002", "LE88 3AA", "U99001", 3),
    ("A99003", "LE88 5AA", "U99002", 5),
    ("A99004", "LE88 7AA", "U99002", 7),
];

/// A folder of made-up published files.
struct PublishedFolder(TempDir);

impl PublishedFolder {
    fn empty() -> PublishedFolder {
        PublishedFolder(TempDir::new().expect("a folder"))
    }

    /// Creates a folder with every kind of published file, except lists of neighbourhoods.
    fn published() -> PublishedFolder {
        PublishedFolder::empty()
            .file("ONSPD_AUG_2026_UK.csv", &onspd(ONSPD))
            .file("a.csv", &epraccur())
            .file("epcn.csv", &networks().0)
            .file("epcncorepartnerdetails.csv", &networks().1)
            .file("b.csv", &branches())
            .file(
                "c.csv",
                "\"A99009\",\"A99001\",\"Merger\",\"20250401\",\"\"\n",
            )
            .file("lsoa.geojson", &lsoas("LSOA21CD", "LSOA21NM"))
            .file("lookup.csv", &lookup())
            .file("registrations.csv", &registrations())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn file(self, name: &str, text: &str) -> PublishedFolder {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("in the folder")).expect("a folder");
        fs::write(path, text).expect("a file");
        self
    }

    fn remove(self, name: &str) -> PublishedFolder {
        fs::remove_file(self.path().join(name)).expect("a file");
        self
    }

    /// Adds the LSOAs of each neighbourhood.
    fn with_areas(self) -> PublishedFolder {
        let mut text = "LSOA,Neighbourhood ID,Neighbourhood\n".to_string();
        for index in 0..LSOA_COUNT {
            let (id, name) = neighbourhood(index);
            writeln!(text, "{},{id},{name}", lsoa(index)).expect("a String");
        }
        self.file("areas of neighbourhoods.csv", &text)
    }

    /// Adds the practices of each neighbourhood, by name.
    fn with_practices(self) -> PublishedFolder {
        let mut text = "Practice code,Surgery,Neighbourhood\n".to_string();
        for (code, _, _, index) in PRACTICES {
            let name = neighbourhood(index).1;
            writeln!(text, "{code},Surgery {code},{name}").expect("a String");
        }
        self.file("practices of neighbourhoods.csv", &text)
    }

    /// Adds the addresses: two homes of each postcode. The second home of `LE88 3AB` is across the
    /// boundary between the neighbourhoods.
    fn with_addresses(self) -> PublishedFolder {
        let text = table(NSUL, LSOA_COUNT * 6, |row, column| {
            let (postcode, home) = (row / 2, row % 2);
            let (index, part) = (postcode / 3, postcode % 3);
            let is_across = (index, part, home) == (3, 1, 1);
            let index = if is_across { index + 1 } else { index };
            match column {
                "UPRN" => (10_000 + row).to_string(),
                "GRIDGB1E" => (480_250 + 1_000 * index + 200 * part + home).to_string(),
                "GRIDGB1N" => (330_250 + 200 * part).to_string(),
                "PCDS" => {
                    let letter = ["A", "B", "D"][part as usize];
                    format!("LE88 {}A{letter}", postcode / 3)
                }
                "LSOA21CD" => lsoa(index),
                _ => String::new(),
            }
        });
        self.file("NSUL_JUN_2026_EM.csv", &text)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut program = Command::new(env!("CARGO_BIN_EXE_catchment"));
        program.current_dir(self.path()).args(arguments);
        program.output().expect("the program runs")
    }

    /// Proposes a configuration and returns the report.
    #[track_caller]
    fn propose(&self) -> String {
        self.succeed(&["build", "--init", "."])
    }

    #[track_caller]
    fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// Runs a command that fails with the exit status 2, and returns the error.
    #[track_caller]
    fn fail(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        String::from_utf8(output.stderr).expect("text")
    }

    fn config(&self) -> String {
        fs::read_to_string(self.path().join("build.toml")).expect("a configuration")
    }

    /// Builds the dataset, checks it and looks up a place.
    #[track_caller]
    fn build_and_locate(&self, question: &[&str]) -> Value {
        self.succeed(&["build", "build.toml", "--output", "dataset"]);
        let output = self.run(&["check", "dataset"]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(0), "{text}");
        let arguments = [&["locate", "--data", "dataset", "--json"], question].concat();
        serde_json::from_str(&self.succeed(&arguments)).expect("JSON")
    }
}

/// Returns the id and name of the neighbourhood of an LSOA.
fn neighbourhood(index: u32) -> (&'static str, &'static str) {
    match index < LSOA_COUNT / 2 {
        true => ("north-bank", "North Bank"),
        false => ("south-bank", "South Bank"),
    }
}

/// Returns a table with these columns, and `cell` for each row and column.
fn table(header: &str, rows: u32, cell: impl Fn(u32, &str) -> String) -> String {
    let mut text = format!("\u{feff}{header}\r\n");
    for row in 0..rows {
        let cells: Vec<String> = header.split(',').map(|column| cell(row, column)).collect();
        write!(text, "{}\r\n", cells.join(",")).expect("a String");
    }
    text
}

fn onspd(header: &str) -> String {
    table(header, LSOA_COUNT * 3, |row, column| {
        let (index, part) = (row / 3, row % 3);
        match column {
            "pcd7" | "pcd8" | "pcds" => format!("LE88 {index}A{}", ["A", "B", "D"][part as usize]),
            "dointr" => "198001".into(),
            "lad26cd" => "E07990001".into(),
            "usrtypind" => "0".into(),
            "east1m" => (480_250 + 1_000 * index + 200 * part).to_string(),
            "north1m" => (330_250 + 200 * part).to_string(),
            "gridind" => "1".into(),
            "ctry25cd" => "E92000001".into(),
            "sicbl26cd" => "E38000999".into(),
            "lsoa11cd" | "lsoa21cd" => lsoa(index),
            _ => String::new(),
        }
    })
}

fn report_row(cells: &[(usize, &str)], count: usize) -> String {
    let mut row = vec![String::new(); count];
    for (index, cell) in cells {
        row[*index] = format!("\"{cell}\"");
    }
    row.join(",") + "\r\n"
}

fn epraccur() -> String {
    let rows = PRACTICES.map(|(code, postcode, ..)| {
        let name = format!("Surgery {code}");
        report_row(
            &[
                (0, code),
                (1, &name),
                (4, "1 High Street"),
                (9, postcode),
                (10, "19740401"),
                (12, "ACTIVE"),
                (14, "99X"),
                (15, "20260601"),
                (25, "RO76|RO268"),
            ],
            27,
        )
    });
    // A practice of another sub-ICB location, and an organisation that is not a practice.
    let other =
        [("A99901", "99Y", "RO76"), ("Y99902", "99X", "RO268")].map(|(code, location, role)| {
            report_row(
                &[
                    (0, code),
                    (1, "Elsewhere"),
                    (9, "LE89 1AA"),
                    (10, "19740401"),
                    (12, "ACTIVE"),
                    (14, location),
                    (25, role),
                ],
                27,
            )
        });
    rows.concat() + &other.concat()
}

fn branches() -> String {
    report_row(
        &[
            (0, "A99001001"),
            (1, "A branch"),
            (9, "LE88 1AA"),
            (10, "20200401"),
            (12, "ACTIVE"),
        ],
        27,
    )
}

/// Returns the two tables of networks, without a header row.
fn networks() -> (String, String) {
    let details = ["U99001", "U99002"].map(|code| {
        report_row(
            &[
                (0, code),
                (1, &format!("Network {code}")),
                (2, "99X"),
                (4, "20190701"),
            ],
            12,
        )
    });
    let partners = PRACTICES.map(|(code, _, network, _)| {
        report_row(&[(0, code), (2, "99X"), (4, network), (8, "20190701")], 11)
    });
    (details.concat(), partners.concat())
}

fn lsoas(code: &str, name: &str) -> String {
    let features: Vec<String> = (0..LSOA_COUNT)
        .map(|index| {
            let (west, east) = (480_000 + 1_000 * index, 481_000 + 1_000 * index);
            format!(
                r#"{{"type":"Feature","properties":{{"FID":{index},"{code}":"{}","{name}":"Square {index:03}A"}},"geometry":{{"type":"Polygon","coordinates":[[[{west},330000],[{east},330000],[{east},331000],[{west},331000],[{west},330000]]]}}}}"#,
                lsoa(index)
            )
        })
        .collect();
    format!(
        r#"{{"type":"FeatureCollection","crs":{{"type":"name","properties":{{"name":"urn:ogc:def:crs:EPSG::27700"}}}},"features":[{}]}}"#,
        features.join(",\n")
    )
}

fn lookup() -> String {
    // The look-up is national: it also has an LSOA without a boundary.
    table(LOOKUP, LSOA_COUNT + 1, |row, column| match column {
        "LSOA21CD" if row < LSOA_COUNT => lsoa(row),
        "LSOA21CD" => "E01038999".into(),
        "SICBL26CD" => "E38000999".into(),
        "SICBL26CDH" => "99X".into(),
        "SICBL26NM" => "County - 99X".into(),
        "ICB26CD" => "E54000999".into(),
        "ICB26CDH" => "QXX".into(),
        "ICB26NM" => "County Integrated Care Board".into(),
        "LAD26CD" => "E07990001".into(),
        "LAD26NM" => "Squares".into(),
        _ => String::new(),
    })
}

fn registrations() -> String {
    let mut text = format!("{REGISTRATIONS}\r\n");
    for (code, _, _, home) in PRACTICES {
        for index in 0..LSOA_COUNT {
            let patients = 900 / (1 + 3 * home.abs_diff(index));
            let area = lsoa(index);
            write!(
                text,
                "GP_PRAC_PAT_LIST,01JUL2026,{code},SURGERY,{area},ALL,{patients}\r\n"
            )
            .expect("a String");
        }
    }
    write!(
        text,
        "GP_PRAC_PAT_LIST,01JUL2026,A99001,SURGERY,EMPTY,ALL,3\r\n"
    )
    .expect("a String");
    text
}

/// Returns the id of the first area of a layer in one half of an answer.
fn area<'a>(answer: &'a Value, half: &str, layer: &str) -> &'a str {
    answer[half][layer][0]["id"].as_str().unwrap_or("none")
}

#[test]
fn a_folder_of_every_kind_of_file_becomes_a_dataset() {
    let folder = PublishedFolder::published();
    let folder = folder.with_areas().with_practices().with_addresses();
    let report = folder.propose();
    for (file, words) in [
        (
            "NSUL_JUN_2026_EM.csv",
            "National Statistics UPRN Lookup, or OS Open UPRN with a column of postcodes",
        ),
        (
            "ONSPD_AUG_2026_UK.csv",
            "ONS Postcode Directory or National Statistics Postcode Lookup, LSOAs of 2011 and 2021",
        ),
        ("a.csv", "NHS ODS epraccur"),
        ("b.csv", "NHS ODS ebranchs"),
        ("c.csv", "NHS ODS succ"),
        (".", "NHS ODS ePCN: networks and their practices"),
        (
            "registrations.csv",
            "NHS England, Patients Registered at a GP Practice, by LSOA of 2021",
        ),
        ("lsoa.geojson", "boundaries of LSOAs of 2021 (8 polygons)"),
        (
            "lookup.csv",
            "ONS look-up from LSOAs to sub-ICB locations and ICBs",
        ),
        (
            "areas of neighbourhoods.csv",
            "LSOAs of 2 areas (8 in column `LSOA`), of 2021",
        ),
        (
            "practices of neighbourhoods.csv",
            "practices of 2 areas (4 in column `Practice code`)",
        ),
    ] {
        let line = report.lines().find(|line| {
            line.strip_prefix("  ")
                .and_then(|line| line.strip_prefix(file))
                .is_some_and(|rest| rest.starts_with("  "))
        });
        let line = line.unwrap_or_else(|| panic!("{file} is not in {report}"));
        assert!(line.contains(" used "), "{line}");
        assert!(line.ends_with(words), "{line}");
    }
    assert!(!report.contains("Missing:"), "{report}");
    assert!(!report.contains("To fill in"), "{report}");
    let config = folder.config();
    for line in [
        "as_of = \"2026-08-31\"",
        "directories = [{ format = \"onspd-lsoa21\", file = \"ONSPD_AUG_2026_UK.csv\" }]",
        "outcodes_touching_sub_icb = [\"E38000999\"]",
        "sub_icb = [\"99X\"]",
        "networks = \".\"",
        "file = \"NSUL_JUN_2026_EM.csv\"",
        "    { publisher = \"Office for National Statistics\", title = \"National Statistics UPRN Lookup\", as_of = \"2026-06\" },",
        "data_as_of = \"2026-08\"",
        "practices = { file = \"practices of neighbourhoods.csv\", columns = { code = \"Practice code\", name = \"Neighbourhood\" } }",
        "    { publisher = \"NHS England\", title = \"Patients Registered at a GP Practice, by LSOA\", as_of = \"2026-07-01\" },",
    ] {
        assert!(
            config.lines().any(|found| found == line),
            "{line}\n{config}"
        );
    }
    // The home is in the north, the practice in the south.
    let answer = folder.build_and_locate(&["LE88 1AB", "--practice", "A99004"]);
    for (half, layer, id) in [
        ("residence", "neighbourhood", "north-bank"),
        ("residence", "pcn", "U99001"),
        ("residence", "sub-icb", "99X"),
        ("residence", "icb", "QXX"),
        ("residence", "council", "E07990001"),
        ("residence", "lsoa21", "E01039001"),
        ("registration", "neighbourhood", "south-bank"),
        ("registration", "pcn", "U99002"),
        ("registration", "sub-icb", "99X"),
    ] {
        assert_eq!(area(&answer, half, layer), id, "{half} {layer}: {answer}");
    }
    // A boundary divides the homes of this postcode.
    let answer = folder.succeed(&["locate", "--data", "dataset", "--json", "LE88 3AB"]);
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    let residence = &answer["residence"]["neighbourhood"][0];
    assert_eq!(residence["certainty"], "split", "{answer}");
}

#[test]
fn a_list_of_practices_and_registrations_make_neighbourhoods() {
    let folder = PublishedFolder::published().with_practices();
    folder.propose();
    let config = folder.config();
    let method = "plurality = { shares = \"patients\", by = \"list\", list = { file = \"practices of neighbourhoods.csv\", columns = { code = \"Practice code\", name = \"Neighbourhood\" } } }";
    assert!(config.contains(method), "{config}");
    let answer = folder.build_and_locate(&["LE88 6AB", "--practice", "A99001"]);
    assert_eq!(area(&answer, "residence", "neighbourhood"), "south-bank");
    assert_eq!(area(&answer, "registration", "neighbourhood"), "north-bank");
}

#[test]
fn a_list_of_msoas_is_read_through_a_look_up() {
    let list = "MSOA code,Neighbourhood\nE02007001,North Bank\nE02007002,South Bank\n";
    let folder = PublishedFolder::published().file("list.csv", list);
    let report = folder.propose();
    assert!(report.contains("MSOAs of 2 areas"), "{report}");
    assert!(
        report.contains("a look-up from LSOAs of 2021 to MSOAs"),
        "{report}"
    );
    let error = folder.fail(&["build", "build.toml"]);
    assert!(
        error.contains("these lines are still to be filled in:\n  line "),
        "{error}"
    );
    let mut lookup = "LSOA21CD,LSOA21NM,MSOA21CD,MSOA21NM\n".to_string();
    for index in 0..LSOA_COUNT {
        let msoa = 1 + index / 4;
        writeln!(lookup, "{},Square,E0200700{msoa},Squares", lsoa(index)).expect("a String");
    }
    let folder = folder.file("msoa.csv", &lookup).remove("build.toml");
    let report = folder.propose();
    assert!(report.contains("look-up from LSOAs to MSOAs"), "{report}");
    let answer = folder.build_and_locate(&["LE88 6AB"]);
    assert_eq!(area(&answer, "residence", "neighbourhood"), "south-bank");
}

#[test]
fn polygons_declared_catchments_and_tables_of_the_project_are_recognised() {
    let square = |properties: &str, west: u32, east: u32| {
        format!(
            r#"{{"type":"Feature","properties":{{{properties}}},"geometry":{{"type":"Polygon","coordinates":[[[{west},330000],[{east},330000],[{east},331000],[{west},331000],[{west},330000]]]}}}}"#
        )
    };
    let collection = |crs: &str, features: &[String]| {
        format!(
            r#"{{"type":"FeatureCollection",{crs}"features":[{}]}}"#,
            features.join(",")
        )
    };
    let grid = r#""crs":{"type":"name","properties":{"name":"urn:ogc:def:crs:EPSG::27700"}},"#;
    let neighbourhoods = collection(
        grid,
        &[
            square(r#""id":"north","name":"North Bank""#, 480_000, 484_000),
            square(r#""id":"south","name":"South Bank""#, 484_000, 488_000),
        ],
    );
    let board = collection(
        grid,
        &[square(
            r#""ICB23CD":"E54000999","ICB23NM":"County""#,
            480_000,
            488_000,
        )],
    );
    let declared = collection(
        "",
        &[r#"{"type":"Feature","properties":{},"geometry":{"type":"Polygon","coordinates":[[[-0.81,52.85],[-0.75,52.85],[-0.75,52.87],[-0.81,52.87],[-0.81,52.85]]]}}"#.to_string()],
    );
    let folder = PublishedFolder::empty()
        .file("postcodes/ONSPD_AUG_2026_UK.csv", &onspd(ONSPD))
        .file("practices/a.csv", &epraccur())
        .file("neighbourhoods.geojson", &neighbourhoods)
        .file("board.json", &board)
        .file("declared/A99001.geojson", &declared)
        .file("declared/A99002_outer.geojson", &declared)
        .file(
            "sites.csv",
            "ods_code,kind,postcode,easting,northing\nA99001,main,LE88 0AB,480450,330450\n",
        )
        .file("notes.txt", "ignored")
        .file(".hidden.csv", "ignored");
    let report = folder.propose();
    for words in [
        "2 polygons with ids of their own",
        "boundaries of ICBs (1 polygon)",
        "catchments that practices declare",
        "premises of practices",
    ] {
        assert!(report.contains(words), "{words}: {report}");
    }
    assert!(!report.contains("notes.txt") && !report.contains("hidden"));
    let config = folder.config();
    for line in [
        "polygons = { file = \"neighbourhoods.geojson\", id = \"id\", name = \"name\" }",
        "polygons = { file = \"board.json\", id = \"ICB23CD\", name = \"ICB23NM\" }",
        "catchments = { file = \"declared\" }",
        "sites = \"sites.csv\"",
    ] {
        assert!(
            config.lines().any(|found| found == line),
            "{line}\n{config}"
        );
    }
    let answer = folder.build_and_locate(&["LE88 6AB"]);
    assert_eq!(area(&answer, "residence", "neighbourhood"), "south");
    assert_eq!(area(&answer, "residence", "icb"), "E54000999");
}

#[test]
fn another_place_for_the_configuration_has_other_paths() {
    let folder = PublishedFolder::empty();
    let source = folder.path().join("my files");
    fs::create_dir(&source).expect("a folder");
    fs::write(source.join("p.csv"), onspd(ONSPD)).expect("a file");
    let report = folder.succeed(&["build", "--init", "my files", "--output", "county.toml"]);
    assert!(report.contains("catchment build county.toml"), "{report}");
    let config = fs::read_to_string(folder.path().join("county.toml")).expect("a file");
    assert!(config.contains("file = \"my files/p.csv\""), "{config}");
    let other: PathBuf = folder.path().join("elsewhere");
    fs::create_dir(&other).expect("a folder");
    folder.succeed(&["build", "--init", "my files", "-o", "elsewhere/county.toml"]);
    let config = fs::read_to_string(other.join("county.toml")).expect("a file");
    let absolute = source.canonicalize().expect("a path").join("p.csv");
    assert!(config.contains(&absolute.display().to_string()), "{config}");
}

#[test]
fn what_is_missing_is_named_and_the_line_to_fill_in() {
    let folder = PublishedFolder::empty()
        .file("registrations.csv", &registrations())
        .with_areas();
    let report = folder.propose();
    for words in [
        "ONS Postcode Directory (ONS Open Geography Portal, geoportal.statistics.gov.uk): the position and the LSOA of each postcode; needed",
        "Lower layer Super Output Areas (December 2021) Boundaries EW BSC",
        "epraccur (NHS England, ODS Data Search and Export",
        "a list of the practices of each neighbourhood",
    ] {
        assert!(report.contains(words), "{words}: {report}");
    }
    let error = folder.fail(&["build", "build.toml"]);
    let lines: Vec<&str> = error
        .lines()
        .filter(|line| line.starts_with("  line "))
        .collect();
    assert_eq!(lines.len(), 2, "{error}");
    let config = folder.config();
    for line in lines {
        let (number, text) = line[7..].split_once(": ").expect("a number");
        let number: usize = number.parse().expect("a number");
        assert_eq!(config.lines().nth(number - 1), Some(text));
        assert!(text.contains("FILL IN"), "{text}");
    }
}

#[test]
fn folders_without_a_known_file_are_refused() {
    let folder = PublishedFolder::empty();
    let error = folder.fail(&["build", "--init", "."]);
    assert!(
        error.contains("has no files to build a dataset from"),
        "{error}"
    );
    assert!(error.contains("ONS Postcode Directory"), "{error}");
    let error = folder.fail(&["build", "--init", "nowhere"]);
    assert!(error.contains("nowhere is not a folder"), "{error}");
    let folder = folder
        .file("numbers.csv", "a,b\n1,2\n")
        .file("page.csv", "<!DOCTYPE html><html></html>")
        .file("empty.csv", "");
    let error = folder.fail(&["build", "--init", "."]);
    for words in [
        "has no known file:",
        "numbers.csv: not known: it is not close to any known format: its first row is `a`, `b`",
        "page.csv: not known: it is an HTML page",
        "empty.csv: not known: the file is empty",
    ] {
        assert!(error.contains(words), "{words}: {error}");
    }
    assert!(!folder.path().join("build.toml").exists());
}

#[test]
fn files_that_are_not_known_are_named_with_the_closest_format() {
    let folder = PublishedFolder::published()
        .file("other.csv", "colour,size\nred,3\n")
        .file("semicolons.csv", "ods_code;name\nA99001;Surgery\n")
        .file("epraccur_changes_20260301_to_20260424.csv", &epraccur())
        .file("damaged.zip", "PK\u{3}\u{4} damaged")
        .file("truncated.csv", "PRACTICE_CODE,LSOA_CODE\nA99001\n");
    let changed = onspd(&ONSPD.replace("usrtypind", "usertypeind"));
    let folder = folder.file("older.csv", &changed);
    let report = folder.propose();
    for words in [
        "not known: it is not close to any known format: its first row is `colour`, `size`",
        "not known: the columns seem to be separated by `;`",
        "not known: its name shows that it contains only the changes between two days",
        "not known: the closest known format is ONS Postcode Directory or National Statistics Postcode Lookup: the file lacks `usertype` (or `usrtypind`) and has columns that the format does not know: `usertypeind`",
        "cannot be read: truncated.csv, line 2: expected 2 cells",
    ] {
        assert!(report.contains(words), "{words}: {report}");
    }
    let line = report.lines().find(|line| line.contains("damaged.zip"));
    assert!(
        line.is_some_and(|line| line.contains("cannot be read")),
        "{report}"
    );
    folder.build_and_locate(&["LE88 1AB"]);
}

#[cfg(unix)]
#[test]
fn pipes_are_not_opened() {
    let folder = PublishedFolder::published();
    let made = Command::new("mkfifo")
        .arg(folder.path().join("pipe.csv"))
        .status();
    assert!(made.expect("mkfifo is installed").success());
    let report = folder.propose();
    let line = report.lines().find(|line| line.contains("pipe.csv"));
    assert!(
        line.is_some_and(|line| line.contains("it is a pipe")),
        "{report}"
    );
}

#[test]
fn two_censuses_and_two_directories_are_alternatives() {
    let folder = PublishedFolder::published()
        .file(
            "lsoa11.geojson",
            &lsoas("LSOA11CD", "LSOA11NM").replace("E0103900", "E0100000"),
        )
        .file("old/ONSPD_FEB_2025_UK.csv", &onspd(ONSPD));
    let report = folder.propose();
    for words in [
        "there are boundaries of LSOAs of 2011 and of 2021: those of 2021 are used, which is the census of the registrations",
        "several files have postcodes: `ONSPD_AUG_2026_UK.csv` is used; `old/ONSPD_FEB_2025_UK.csv` is in a comment",
    ] {
        assert!(report.contains(words), "{words}: {report}");
    }
    let config = folder.config();
    assert!(config.contains("boundaries = \"lsoa.geojson\""), "{config}");
    for comment in ["lsoa11.geojson", "old/ONSPD_FEB_2025_UK.csv"] {
        let lines = config.lines();
        let named: Vec<&str> = lines.filter(|line| line.contains(comment)).collect();
        assert_eq!(named.len(), 1, "{comment}");
        assert!(named[0].starts_with('#'), "{comment}");
    }
    folder.build_and_locate(&["LE88 1AB"]);
}

#[test]
fn an_existing_configuration_is_replaced_only_with_force() {
    let folder = PublishedFolder::published().file("build.toml", "mine");
    let error = folder.fail(&["build", "--init", "."]);
    assert!(error.contains("build.toml already exists"), "{error}");
    assert!(error.contains("--force"), "{error}");
    assert_eq!(folder.config(), "mine");
    folder.succeed(&["build", "--init", ".", "--force"]);
    assert!(folder.config().starts_with("# A configuration"));
    let error = folder.fail(&["build", "--init", ".", "build.toml"]);
    assert!(error.contains("cannot be used with"), "{error}");
}

#[test]
fn build_names_the_closest_format_of_a_wrong_file() {
    let folder = PublishedFolder::published().with_areas();
    folder.propose();
    let config = folder.config();
    for (from, to, expected) in [
        (
            "file = \"a.csv\"",
            "file = \"lookup.csv\"",
            "the closest known format is ONS look-up from LSOAs to sub-ICB locations and ICBs: the \
             file has all of its columns",
        ),
        (
            "file = \"ONSPD_AUG_2026_UK.csv\"",
            "file = \"lookup.csv\"",
            "no column `pcds, pcd7, pcd, pcd8, pcd2` in the header row\n  the closest known format is ONS look-up",
        ),
        (
            "code = \"LSOA\"",
            "code = \"LSOA code\"",
            "no column `LSOA code` in the header row",
        ),
    ] {
        assert!(config.contains(from), "{config}");
        let folder = folder.path().join("build.toml");
        fs::write(&folder, config.replace(from, to)).expect("a file");
        let mut program = Command::new(env!("CARGO_BIN_EXE_catchment"));
        let output = program.arg("build").arg(&folder).output().expect("a run");
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{error}");
        assert!(error.contains(expected), "{error}");
    }
}
