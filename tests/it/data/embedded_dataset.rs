//! Tests that `build` reproduces the committed dataset, and that the content of the dataset matches
//! the published tables in `data/source`. The tests read these tables with their own code.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use catchment::builder::build;
use catchment::dataset::{self, Dataset, DatasetSource};
use catchment::domain::{
    Basis, BritishGrid, GroupMember, GssCode, Layer, LookupStatus, OdsCode, Postcode, PremisesKind,
    YearMonth, date_from_iso,
};
use catchment::geometry::planar::to_planar;
use catchment::index::{Index, LayerResult, LocateAnswer, LocateQuery, Locator};
use geo::{Distance, Euclidean, MultiPolygon, Point};
use jiff::civil::Date;
use jiff::civil::date;
use tempfile::TempDir;

/// The as-of date of the embedded dataset.
pub(crate) const DAY: Date = date(2026, 4, 30);

pub(crate) const COMMITTED_DATASET: &str = "data/lancashire-and-cumbria";
/// The two sub-ICB locations that have ICCs.
const SUB_ICBS_WITH_ICCS: [&str; 2] = ["01K", "01H"];
/// The two sub-ICB locations that have neighbourhood teams. No registrations are modelled between
/// these sub-ICB locations and those with ICCs.
const SUB_ICBS_WITH_TEAMS: [&str; 2] = ["01A", "00Q"];

fn is_in_dataset(sub_icb: &str) -> bool {
    SUB_ICBS_WITH_ICCS.contains(&sub_icb) || SUB_ICBS_WITH_TEAMS.contains(&sub_icb)
}

/// Reads the embedded dataset.
pub(crate) fn embedded() -> Dataset {
    dataset::read(&DatasetSource::Embedded).expect("the embedded dataset is valid")
}

/// Returns the index of the embedded dataset. The index is built once for all tests.
pub(crate) fn index() -> &'static Index {
    static INDEX: OnceLock<Index> = OnceLock::new();
    INDEX.get_or_init(|| Index::build(embedded()).expect("the embedded dataset is consistent"))
}

// ---- source tables -----------------------------------------------------------------------------

pub(crate) type Row = HashMap<String, String>;

pub(crate) fn table(path: &Path) -> Vec<Row> {
    let mut reader = csv::Reader::from_path(path).expect("the table is in the repository");
    reader
        .deserialize()
        .map(|row| row.expect("a well-formed row"))
        .collect()
}

fn source_table(file: &str) -> Vec<Row> {
    table(&Path::new("data/source").join(file))
}

fn committed_table(file: &str) -> Vec<Row> {
    table(&Path::new(COMMITTED_DATASET).join(file))
}

/// Returns the rows of all postcode districts that have at least one postcode in the four sub-ICB
/// locations.
fn expected_postcodes() -> Vec<Row> {
    let outcode = |row: &Row| row["postcode"].split(' ').next().map(str::to_string);
    let mut rows = source_table("postcodes.csv");
    let touching: BTreeSet<_> = rows
        .iter()
        .filter(|row| is_in_dataset(&row["sub_icb"]))
        .map(outcode)
        .collect();
    rows.retain(|row| touching.contains(&outcode(row)));
    rows
}

fn expected_practices() -> Vec<Row> {
    let mut rows = source_table("practices.csv");
    rows.retain(|row| is_in_dataset(&row["sub_icb"]));
    rows
}

/// Returns the LSOAs that have an ICC in the look-up table, by code.
fn lsoas_with_icc() -> BTreeMap<String, Row> {
    let rows = source_table("lsoa11_icc.csv").into_iter();
    rows.filter(|row| !row["icc_id"].is_empty())
        .map(|row| (row["lsoa11cd"].clone(), row))
        .collect()
}

/// Returns the name and sub-ICB location of every LSOA in the boundary file.
fn statistical_areas() -> BTreeMap<String, Row> {
    let text = fs::read_to_string("data/source/lsoa11_bsc.geojson")
        .expect("the file is in the repository");
    let file: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let features = file["features"].as_array().expect("features").iter();
    features
        .map(|feature| {
            let property = |key: &str| {
                feature["properties"][key]
                    .as_str()
                    .expect("text")
                    .to_string()
            };
            let row = [("lsoa11nm", "LSOA11NM"), ("sub_icb", "SICBL")]
                .map(|(name, key)| (name.to_string(), property(key)));
            (property("LSOA11CD"), Row::from(row))
        })
        .collect()
}

fn grid_position(row: &Row) -> Option<(f64, f64)> {
    Some((row["easting"].parse().ok()?, row["northing"].parse().ok()?))
}

/// Returns the mean position of the live postcodes of each LSOA.
fn lsoa_centres() -> HashMap<String, (f64, f64)> {
    let mut sums: HashMap<String, (f64, f64, f64)> = HashMap::new();
    for row in source_table("postcodes.csv") {
        if row["status"] != "live" {
            continue;
        }
        if let Some((easting, northing)) = grid_position(&row) {
            let sum = sums.entry(row["lsoa11cd"].clone()).or_default();
            *sum = (sum.0 + easting, sum.1 + northing, sum.2 + 1.0);
        }
    }
    let mean = |(easting, northing, count): (f64, f64, f64)| (easting / count, northing / count);
    sums.into_iter()
        .map(|(code, sum)| (code, mean(sum)))
        .collect()
}

fn district(lsoa: &Row) -> &str {
    let name = &lsoa["lsoa11nm"];
    name.rsplit_once(' ').expect("a district and a number").0
}

/// Returns whether Morecambe Bay separates a position in a district from an ICC. If it does, no
/// registrations of people who live there are modelled at the ICC's practices.
fn is_blocked_by_the_bay(district: &str, easting: f64, icc: &str) -> bool {
    let far: &[&str] = match district {
        "Barrow-in-Furness" | "Copeland" => &[
            "mb-bay",
            "mb-lancaster",
            "mb-carnforth",
            "mb-kendal",
            "mb-east",
        ],
        "South Lakeland" if easting < 335_000.0 => &["mb-bay", "mb-lancaster", "mb-carnforth"],
        "South Lakeland" => &["mb-bay", "mb-lancaster", "mb-barrow-and-millom"],
        "Lancaster" | "Craven" => &[
            "mb-barrow-and-millom",
            "mb-mid-furness",
            "mb-grange-and-lakes",
        ],
        _ => &[],
    };
    far.contains(&icc)
}

// ---- reproducible builds -----------------------------------------------------------------------

/// Reads all files in a folder and its subfolders, by their relative paths.
pub(crate) fn read_files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(current) = folders.pop() {
        for entry in fs::read_dir(&current).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path
                .strip_prefix(folder)
                .expect("the file is in the folder");
            files.insert(name.to_path_buf(), fs::read(&path).expect("a file"));
        }
    }
    files
}

#[test]
fn build_reproduces_the_committed_dataset_byte_for_byte() {
    let temporary = TempDir::new().expect("a folder");
    let output = temporary.path().join("again");
    let committed = read_files(Path::new(COMMITTED_DATASET));
    for run in ["into a new folder", "over an existing dataset"] {
        build(Path::new("data/build.toml"), Some(&output)).expect("the build succeeds");
        let files = read_files(&output);
        assert!(files.keys().eq(committed.keys()), "{run}: the files differ");
        for (path, bytes) in &files {
            assert!(
                *bytes == committed[path],
                "{run}: {} differs",
                path.display()
            );
        }
    }
    assert_eq!(file_names(temporary.path()), ["again"]);
}

pub(crate) fn file_names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name().display().to_string())
        .collect();
    names.sort();
    names
}

// ---- content -----------------------------------------------------------------------------------

#[test]
fn postcodes_are_those_of_every_overlapping_district() {
    let rows = expected_postcodes();
    let ours: Vec<&Row> = rows.iter().filter(|row| row["sub_icb"] == "01K").collect();
    let with_lsoa = ours
        .iter()
        .filter(|row| !row["lsoa11cd"].is_empty())
        .count();
    assert_eq!((ours.len(), with_lsoa), (14_764, 14_584));
    assert_eq!(rows.len(), 68_062);

    let index = index();
    assert_eq!(index.postcodes().len(), rows.len());
    let written = committed_table("postcodes.csv");
    assert_eq!(written.len(), rows.len());
    for (row, written) in rows.iter().zip(&written) {
        // The source does not state which postcodes are large users, so the column is empty.
        assert_eq!(
            ["postcode", "user"].map(|column| written[column].as_str()),
            [&row["postcode"], ""]
        );
        let postcode: Postcode = row["postcode"].parse().expect("a postcode");
        let catchment::index::PostcodeLookup::Entry(entry) = index.lookup_postcode(postcode) else {
            panic!("{} is not in the directory", row["postcode"]);
        };
        let month = |month: Option<YearMonth>| month.map(YearMonth::to_yyyymm).unwrap_or_default();
        let position = entry
            .position
            .map(|position| (position.easting_m(), position.northing_m()));
        let quality = entry
            .positional_quality
            .map(|quality| quality.value().to_string());
        assert_eq!(position, grid_position(row), "{}", row["postcode"]);
        assert_eq!(
            [
                quality.as_deref().unwrap_or_default(),
                entry.status.as_str(),
                month(entry.introduced).as_str(),
                month(entry.terminated()).as_str(),
                index.statistical_area_code(&entry).unwrap_or_default(),
            ],
            [
                &*row["code_point_quality"],
                &*row["status"],
                &*row["introduced"],
                &*row["terminated"],
                &*row["lsoa11cd"],
            ],
            "{}",
            row["postcode"]
        );
        let codes = index.postcode_codes(&entry);
        let text = |code: Option<GssCode>| code.map(|code| code.to_string()).unwrap_or_default();
        let by = |is_by_polygon| if is_by_polygon { "polygon" } else { "" }.to_string();
        let (after, by_month) = entry.ended_between().unzip();
        assert_eq!(
            [
                text(codes.council),
                text(codes.lsoa21),
                month(after),
                month(by_month),
                by(codes.is_statistical_area_by_polygon),
                by(codes.is_lsoa21_by_polygon),
            ],
            [
                "laua",
                "lsoa21cd",
                "ended_after",
                "ended_by",
                "lsoa11_by",
                "lsoa21_by",
            ]
            .map(|column| row[column].clone()),
            "{}",
            row["postcode"]
        );
    }
    let count = |column: &str, value: &str| rows.iter().filter(|row| row[column] == value).count();
    assert_eq!(
        ["live", "terminated", "not_confirmed"].map(|status| count("status", status)),
        [50_855, 16_948, 259]
    );
    assert_eq!(68_062 - count("ended_by", ""), 432);
    assert_eq!(count("lsoa11_by", "polygon"), 56);
    assert_eq!(count("lsoa21_by", "polygon"), 1_138);
    let outcodes: BTreeSet<&str> = rows
        .iter()
        .map(|row| row["postcode"].split(' ').next().unwrap_or_default())
        .collect();
    assert_eq!(outcodes.len(), 81);
    assert!(outcodes.iter().eq(&index.manifest().complete_outcodes));
}

#[test]
fn practices_match_their_source_tables() {
    let index = index();
    let rows = expected_practices();
    let count = |status: &str| {
        rows.iter()
            .filter(|row| row["status_2026"] == status)
            .count()
    };
    assert_eq!((count("closed"), count("dormant")), (50, 1));
    assert_eq!((rows.len(), count("active")), (183, 132));
    assert_eq!(index.practices().len(), rows.len());

    let mut sites: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in source_table("practice_sites.csv") {
        let place = format!("{} {}", row["easting"], row["northing"]);
        sites
            .entry(row["ods_code"].clone())
            .or_default()
            .insert(place);
    }
    let mut at_their_address = 0;
    for row in &rows {
        let code: OdsCode = row["ods_code"].parse().expect("an ODS code");
        let practice = index
            .practice(code)
            .expect("the practice is in the dataset");
        let iso = |text: &str| match text {
            "" => String::new(),
            text => format!("{}-{}-{}", &text[..4], &text[4..6], &text[6..]),
        };
        let day = |day: Option<Date>| day.map(|day| day.to_string()).unwrap_or_default();
        assert_eq!(
            (practice.name.as_str(), practice.status.as_str()),
            (row["name"].as_str(), row["status_2026"].as_str())
        );
        assert_eq!(
            (day(practice.opened), day(practice.closed)),
            (iso(&row["opened"]), iso(&row["closed"])),
            "{code}"
        );
        let member = GroupMember::Practice(code);
        for (layer, expected) in [
            (crate::support::layer("icc"), row["icc_id"].clone()),
            (
                crate::support::layer("neighbourhood-team"),
                team_of(row).unwrap_or_default(),
            ),
            (crate::support::layer("pcn"), row["pcn_code"].clone()),
            (crate::support::layer("sub-icb"), row["sub_icb"].clone()),
            (
                crate::support::layer("icb"),
                icb_of(&row["sub_icb"]).to_string(),
            ),
        ] {
            let groups: Vec<&str> = index
                .memberships_of(&member, layer, DAY)
                .filter_map(|membership| membership.group.as_deref())
                .collect();
            assert_eq!(groups.join(" "), expected, "{code} {layer}");
        }
        let size = practice.list_size.map(|size| size.to_string());
        let size_date = practice.list_size_as_of.map(|date| date.to_string());
        let expected = match (&*row["list_size_2026_04"], &*row["list_size_2021"]) {
            ("", "") => None,
            ("", older) => Some((older, "2021")),
            (newest, _) => Some((newest, "2026-04-01")),
        };
        assert_eq!(
            size.as_deref().zip(size_date.as_deref()),
            expected,
            "{code}"
        );
        assert_eq!(
            practice.as_of.map(|date| date.to_string()),
            Some(row["ods_as_of"].clone())
        );
        assert_eq!(practice.note.as_deref().unwrap_or_default(), row["note"]);
        assert_eq!(
            (
                practice.sub_icb.as_deref(),
                practice.pcn.as_deref().unwrap_or_default()
            ),
            (Some(row["sub_icb"].as_str()), row["pcn_code"].as_str()),
            "{code}"
        );
        let places: BTreeSet<String> = index
            .premises(code)
            .iter()
            .map(|site| {
                format!(
                    "{} {}",
                    site.position.easting_m(),
                    site.position.northing_m()
                )
            })
            .collect();
        // The only premises of a practice without listed premises are its own address.
        let address = || BTreeSet::from([format!("{} {}", row["easting"], row["northing"])]);
        let listed = sites.get(&row["ods_code"]).cloned();
        at_their_address += u32::from(listed.is_none());
        if listed.is_none() {
            let [site] = index.premises(code) else {
                panic!("{code} does not have exactly one address");
            };
            assert_eq!(site.kind, PremisesKind::Main, "{code}");
            assert_eq!(
                site.postcode.map(|postcode| postcode.to_string()),
                Some(row["postcode"].clone())
            );
        }
        assert_eq!(places, listed.unwrap_or_else(address), "{code}");
    }
    assert_eq!(at_their_address, 119);

    let successions = source_table("practice_successions.csv");
    assert_eq!(successions.len(), 41);
    for row in successions {
        let [step] = index.successors(row["predecessor"].parse().expect("an ODS code")) else {
            panic!("{} does not have exactly one successor", row["predecessor"]);
        };
        let closed = date_from_iso(&step.from.yesterday().expect("not the first").to_string());
        assert_eq!(step.successor.as_str(), row["successor"]);
        assert_eq!(
            closed.map(|day| day.to_string().replace('-', "")),
            Ok(row["predecessor_closed"].clone())
        );
        let left = step.pcn_left.map(|day| day.to_string().replace('-', ""));
        assert_eq!(left.unwrap_or_default(), row["pcn_left"]);
        assert_eq!(step.basis.len(), row["basis"].split(';').count());
        assert_eq!(step.is_by_place_alone(), row["basis"] == "place");
    }
    let neighbouring = source_table("practices_neighbouring.csv");
    assert_eq!(index.neighbouring_practices().len(), neighbouring.len());
    let former = source_table("practice_sites_former.csv").into_iter();
    for row in former {
        let code = row["ods_code"].parse().expect("an ODS code");
        let mut sites = index.former_premises(code).iter();
        assert!(
            sites.any(|site| site.name == row["name"]),
            "{}",
            row["name"]
        );
        // No distance is measured to a former surgery, unless it is at the address of premises.
        let is_at_premises = |row: &Row| {
            let premises = index.premises(code).iter();
            let mut postcodes = premises.filter_map(|site| site.postcode);
            postcodes.any(|postcode| postcode.to_string() == row["postcode"])
        };
        let is_same_building = row["reason"].contains("same");
        assert!(
            !is_at_premises(&row) || is_same_building || row["reason"].contains("is the main"),
            "{}",
            row["name"]
        );
    }
}

#[test]
fn a_practice_is_in_its_network_and_icc_of_the_day() {
    let index = index();
    let groups = |code: &str, layer, day| -> Vec<String> {
        let answer = index.locate(&LocateQuery {
            locator: None,
            practice: Some(Ok(code.parse().expect("an ODS code"))),
            as_of: day,
        });
        let registration = answer.registration.expect("the query has a practice");
        let areas = catchment::index::areas_of_layer(&registration.areas, layer);
        areas.iter().map(|found| found.area.id.clone()).collect()
    };
    for (code, day, pcn, icc) in [
        ("A82018", "2024-03-31", "U66688", "nc-carlisle-network"),
        ("A82018", "2024-04-01", "U92223", "nc-carlisle-healthcare"),
        ("A82033", "2023-06-01", "U17992", "mb-barrow-and-millom"),
        ("A82033", "2026-04-01", "U16644", "mb-barrow-and-millom"),
        // The practice was still open, but its list had already moved to another practice.
        ("A82049", "2022-03-01", "", "nc-workington"),
    ] {
        let day = date_from_iso(day).expect("a date");
        assert_eq!(
            groups(code, crate::support::layer("pcn"), day).join(" "),
            pcn,
            "{code} {day}"
        );
        assert_eq!(
            groups(code, crate::support::layer("icc"), day),
            [icc],
            "{code} {day}"
        );
    }
}

/// Returns the neighbourhood team of a practice, as determined by the practice's PCN.
fn team_of(practice: &Row) -> Option<String> {
    if !SUB_ICBS_WITH_TEAMS.contains(&practice["sub_icb"].as_str()) {
        return None;
    }
    let name = practice["pcn_name"].strip_suffix(" PCN")?;
    Some(format!("pl-{}", name.to_lowercase().replace(' ', "-")))
}

/// Returns the ICB of a sub-ICB location. Only the sub-ICB location North Cumbria (01H) is in a
/// different ICB.
fn icb_of(sub_icb: &str) -> &'static str {
    match sub_icb {
        "01H" => "QHM",
        _ => "QE1",
    }
}

/// Returns the place of an LSOA, from its district. In a district that two ICBs share, such as
/// Copeland, only the LSOAs in the ICB of the place belong to the place.
fn place_of<'h>(lsoa: &Row, hierarchy: &'h [Row]) -> Option<&'h str> {
    let place = hierarchy.iter().find(|row| {
        let districts = row["lsoa_selector"].strip_prefix("lsoa11nm=");
        districts.is_some_and(|list| list.split(',').any(|name| name == district(lsoa)))
            && row["parent"] == icb_of(&lsoa["sub_icb"])
    });
    place.map(|row| row["id"].as_str())
}

/// The cells of an assignment: LSOA, layer, area, `from` and `to`.
type Assignment = (String, &'static str, String, &'static str, &'static str);

/// Returns the area of every LSOA in every layer except GP practices.
fn expected_assignments() -> BTreeSet<Assignment> {
    let mut assignments = BTreeSet::new();
    for (code, row) in lsoas_with_icc() {
        assignments.insert((code.clone(), "icc", row["icc_id"].clone(), "", ""));
        if !row["sub_community_id"].is_empty() {
            let sub_community = row["sub_community_id"].clone();
            assignments.insert((code, "sub-community", sub_community, "", ""));
        }
    }
    let networks = plurality_groups(|row| Some(row["pcn_code"].clone()));
    let teams = plurality_groups(team_of);
    let hierarchy = source_table("hierarchy.csv");
    for (code, lsoa) in statistical_areas() {
        let mut add = |layer, area: &str, from| {
            assignments.insert((code.clone(), layer, area.to_string(), from, ""));
        };
        add("pcn", &networks[&code], "");
        if let Some(team) = teams.get(&code) {
            add("neighbourhood-team", team, "");
        }
        let sub_icb = lsoa["sub_icb"].as_str();
        // The date on which the clinical commissioning group was created is known only for the
        // sub-ICB locations with ICCs.
        let known_from = SUB_ICBS_WITH_ICCS
            .contains(&sub_icb)
            .then_some("2017-04-01");
        add("sub-icb", sub_icb, known_from.unwrap_or_default());
        add("icb", icb_of(sub_icb), "2022-07-01");
        if let Some(place) = place_of(&lsoa, &hierarchy) {
            add("place", place, "2022-07-01");
        }
        add("lsoa11", &code, "");
    }
    add_councils(&mut assignments);
    // An LSOA that was split is assigned to none of its parts.
    let changes = source_table("lsoa11_to_lsoa21.csv").into_iter();
    for row in changes.filter(|row| row["change"] != "S") {
        let (code, area) = (row["lsoa11cd"].clone(), row["lsoa21cd"].clone());
        assignments.insert((code, "lsoa21", area, "", ""));
    }
    assignments
}

/// Adds the district of each LSOA, and the council that replaced the district on 1 April 2023.
fn add_councils(assignments: &mut BTreeSet<Assignment>) {
    let councils = source_table("councils.csv");
    for (code, lsoa) in statistical_areas() {
        let mut rows = councils.iter();
        let row = rows.find(|row| row["name"] == district(&lsoa));
        let row = row.expect("the district is in the table");
        let (district, successor) = (row["code"].clone(), row["successor"].clone());
        let to = match successor.as_str() {
            "" => "",
            _ => "2023-04-01",
        };
        assignments.insert((code.clone(), "council", district, "", to));
        if !successor.is_empty() {
            assignments.insert((code, "council", successor, to, ""));
        }
    }
}

#[test]
fn assignments_and_memberships_match_their_source_tables() {
    let assigned: Vec<[String; 5]> = committed_table("assignments.csv")
        .into_iter()
        .filter(|row| row["layer"] != "gp-practice")
        .map(|row| {
            assert_eq!(row["share"], "", "only GP practices must have shares");
            ["statistical_area", "layer", "area", "from", "to"].map(|column| row[column].clone())
        })
        .collect();
    let distinct: BTreeSet<[String; 5]> = assigned.iter().cloned().collect();
    assert_eq!(assigned.len(), distinct.len());
    let expected: BTreeSet<[String; 5]> = expected_assignments()
        .into_iter()
        .map(|(code, layer, area, from, to)| [code, layer.into(), area, from.into(), to.into()])
        .collect();
    assert_eq!(distinct, expected);
    let count = |layer: &str| {
        assigned
            .iter()
            .filter(|assignment| assignment[1] == layer)
            .count()
    };
    assert_eq!(
        [
            "icc",
            "neighbourhood-team",
            "pcn",
            "sub-icb",
            "place",
            "icb"
        ]
        .map(count),
        // Craven is in the ICB but in none of its places. Copeland is in another ICB, except for
        // Millom.
        [413, 335, 748, 748, 538, 748]
    );

    let iccs = polygons_by_id(
        &Path::new(COMMITTED_DATASET).join("areas/icc.geojson"),
        "id",
    );
    let count_of = |system: &str| iccs.keys().filter(|id| id.starts_with(system)).count();
    assert_eq!((count_of("mb-"), count_of("nc-"), iccs.len()), (8, 8, 16));
    let parts = polygons_by_id(
        &Path::new(COMMITTED_DATASET).join("areas/sub-community.geojson"),
        "id",
    );
    assert!(parts.keys().eq(["mb-barrow", "mb-millom"]));

    let published: Vec<(String, String)> = source_table("resilience_groups.csv")
        .into_iter()
        .map(|row| (row["member"].clone(), row["group_id"].clone()))
        .collect();
    let actual: Vec<(String, String)> = committed_table("memberships.csv")
        .into_iter()
        .filter(|row| row["layer"] == "resilience-group")
        .map(|row| (row["member"].clone(), row["group"].clone()))
        .collect();
    assert_eq!(actual, published);
}

// ---- boundaries --------------------------------------------------------------------------------

type Vertex = (i64, i64);
type Ring = Vec<Vertex>;

/// Reads the polygons of each feature, as rings in integer units of 1e-7 degrees.
fn polygons_by_id(path: &Path, key: &str) -> BTreeMap<String, Vec<Vec<Ring>>> {
    let text = fs::read_to_string(path).expect("the file is in the repository");
    let file: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let features = file["features"].as_array().expect("features");
    let shape = |feature: &serde_json::Value| {
        let id = feature["properties"][key].as_str().expect("an id");
        let geometry = &feature["geometry"];
        let coordinates = &geometry["coordinates"];
        let polygons = match geometry["type"].as_str() {
            Some("Polygon") => vec![polygon(coordinates)],
            _ => coordinates
                .as_array()
                .expect("polygons")
                .iter()
                .map(polygon)
                .collect(),
        };
        (id.to_string(), polygons)
    };
    features.iter().map(shape).collect()
}

fn polygon(rings: &serde_json::Value) -> Vec<Ring> {
    rings.as_array().expect("rings").iter().map(ring).collect()
}

fn ring(positions: &serde_json::Value) -> Ring {
    #[expect(clippy::cast_possible_truncation, reason = "at most 1.8e9")]
    let units = |value: &serde_json::Value| {
        let scaled = value.as_f64().expect("a number") * 1e7;
        assert!(
            (scaled - scaled.round()).abs() < 1e-3,
            "a coordinate has more than 7 decimal places"
        );
        scaled.round() as i64
    };
    let positions = positions.as_array().expect("positions").iter();
    let mut ring: Ring = positions
        .map(|position| (units(&position[0]), units(&position[1])))
        .collect();
    assert_eq!(ring.first(), ring.last(), "the ring is not closed");
    ring.pop();
    ring
}

/// Returns the directed edges of polygons. The interior is to the left of each edge.
fn edges(polygons: &[Vec<Ring>]) -> impl Iterator<Item = (Vertex, Vertex)> + '_ {
    polygons.iter().flatten().flat_map(|ring| {
        let next = |index: usize| ring[(index + 1) % ring.len()];
        (0..ring.len()).map(move |index| (ring[index], next(index)))
    })
}

/// Returns twice the area of polygons, in square units. Holes run clockwise, so their area is
/// subtracted.
fn doubled_area(polygons: &[Vec<Ring>]) -> i128 {
    edges(polygons)
        .map(|(a, b)| i128::from(a.0) * i128::from(b.1) - i128::from(b.0) * i128::from(a.1))
        .sum()
}

fn area_file(layer: &str) -> PathBuf {
    Path::new(COMMITTED_DATASET).join(format!("areas/{layer}.geojson"))
}

/// Returns the LSOAs of each area of each layer, from the published tables. The LSOAs of practices
/// are from the dataset's table of shares, which a separate test checks.
fn expected_lsoas() -> Vec<(&'static str, BTreeMap<String, BTreeSet<String>>)> {
    let mut layers: BTreeMap<&str, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for (code, layer, area, ..) in expected_assignments() {
        let areas = layers.entry(layer).or_default();
        areas.entry(area).or_default().insert(code);
    }
    let mut groups: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in source_table("resilience_groups.csv") {
        if row["group_id"].is_empty() {
            continue;
        }
        let member = &row["member"];
        let codes = layers["icc"].get(member);
        let codes = codes.or_else(|| layers["sub-community"].get(member));
        let codes = codes.expect("an ICC or a sub-community").iter().cloned();
        groups
            .entry(row["group_id"].clone())
            .or_default()
            .extend(codes);
    }
    let mut practices: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in committed_table("assignments.csv") {
        if row["layer"] == "gp-practice" {
            let codes = practices.entry(row["area"].clone()).or_default();
            codes.insert(row["statistical_area"].clone());
        }
    }
    layers.insert("resilience-group", groups);
    layers.insert("gp-practice", practices);
    layers.into_iter().collect()
}

#[test]
fn lsoa_boundaries_are_as_published_and_do_not_overlap() {
    let published = polygons_by_id(Path::new("data/source/lsoa11_bsc.geojson"), "LSOA11CD");
    let actual = polygons_by_id(&area_file("lsoa11"), "id");
    assert_eq!(actual.len(), 748);
    assert_eq!(actual, published);
    let mut seen = BTreeSet::new();
    for (code, polygons) in &actual {
        for edge in edges(polygons) {
            // Two areas to the left of the same edge would overlap.
            assert!(seen.insert(edge), "{code} overlaps a neighbour");
        }
    }
}

#[test]
fn areas_are_exactly_the_union_of_their_lsoas() {
    let lsoas = polygons_by_id(&area_file("lsoa11"), "id");
    let layers = expected_lsoas();
    assert_eq!(layers.len(), 12);
    for (layer, areas) in layers {
        let actual = polygons_by_id(&area_file(layer), "id");
        assert!(actual.keys().eq(areas.keys()), "{layer}");
        for (id, codes) in &areas {
            let parts: i128 = codes.iter().map(|code| doubled_area(&lsoas[code])).sum();
            assert_eq!(doubled_area(&actual[id]), parts, "{layer} {id}");
            // Edges between two LSOAs of the area occur in both directions. Edges that occur in
            // only one direction are the border of the area.
            let all: BTreeSet<_> = codes.iter().flat_map(|code| edges(&lsoas[code])).collect();
            let outline: BTreeSet<_> = all
                .iter()
                .filter(|(from, to)| !all.contains(&(*to, *from)))
                .copied()
                .collect();
            let drawn: Vec<_> = edges(&actual[id]).collect();
            assert_eq!(drawn.len(), outline.len(), "{layer} {id}");
            assert_eq!(
                drawn.into_iter().collect::<BTreeSet<_>>(),
                outline,
                "{layer} {id}"
            );
        }
    }
}

#[test]
fn boundaries_are_valid_and_no_ring_touches_itself() {
    use geo::Validation;
    for (layer, boundaries) in embedded().boundaries {
        for boundary in boundaries {
            assert!(boundary.lonlat.is_valid(), "{layer} {}", boundary.id);
            for ring in boundary.grid.iter().flat_map(|polygon| &polygon.rings) {
                let distinct: BTreeSet<_> = ring.iter().collect();
                assert_eq!(distinct.len(), ring.len(), "{layer} {}", boundary.id);
            }
        }
    }
}

// ---- modelled registrations --------------------------------------------------------------------

/// Returns the size of the list of each active practice in April 2026, by ODS code.
fn list_sizes() -> BTreeMap<String, f64> {
    let open = expected_practices().into_iter();
    let open =
        open.filter(|row| row["status_2026"] == "active" && !row["list_size_2026_04"].is_empty());
    open.map(|row| {
        let size = row["list_size_2026_04"].parse().expect("a number");
        (row["ods_code"].clone(), size)
    })
    .collect()
}

fn written_shares() -> BTreeMap<(String, String), f64> {
    let rows = committed_table("assignments.csv").into_iter();
    rows.filter(|row| row["layer"] == "gp-practice")
        .map(|row| {
            let share = row["share"].parse().expect("a number");
            (
                (row["statistical_area"].clone(), row["area"].clone()),
                share,
            )
        })
        .collect()
}

/// Returns the modelled share of every practice in every LSOA, before small shares are dropped.
fn all_shares() -> BTreeMap<String, BTreeMap<String, f64>> {
    let mut shares: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
    for row in source_table("practice_catchments.csv") {
        let share = row["share"].parse().expect("a number");
        let of_lsoa = shares.entry(row["lsoa11cd"].clone()).or_default();
        of_lsoa.insert(row["ods_code"].clone(), share);
    }
    shares
}

/// Returns, for each LSOA, the group with the largest share of its people. If several groups have
/// the largest share, returns the group with the first id.
fn plurality_groups(group_of: impl Fn(&Row) -> Option<String>) -> BTreeMap<String, String> {
    let groups: HashMap<String, String> = expected_practices()
        .into_iter()
        .filter_map(|row| Some((row["ods_code"].clone(), group_of(&row)?)))
        .filter(|(_, group)| !group.is_empty())
        .collect();
    let mut plurality = BTreeMap::new();
    for (code, shares) in all_shares() {
        let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
        for (practice, share) in &shares {
            if let Some(group) = groups.get(practice) {
                *sums.entry(group).or_default() += share;
            }
        }
        let mut largest: Option<(&str, f64)> = None;
        for (group, sum) in sums {
            if largest.is_none_or(|(_, most)| most < sum) {
                largest = Some((group, sum));
            }
        }
        plurality.extend(largest.map(|(group, _)| (code, group.to_string())));
    }
    plurality
}

#[test]
fn modelled_shares_are_those_of_the_table_from_five_per_cent() {
    let (written, sizes) = (written_shares(), list_sizes());
    let mut expected = 0;
    let mut just_below = 0;
    for (code, shares) in all_shares() {
        let mut total = 0.0;
        for (practice, share) in shares {
            let found = written.get(&(code.clone(), practice.clone()));
            // The table also contains practices outside the four sub-ICB locations. The limit of 5%
            // applies before shares are rounded to three decimal places.
            if share >= 0.05 && sizes.contains_key(&practice) {
                let found = found.unwrap_or_else(|| panic!("no share of {practice} in {code}"));
                assert!(
                    (found - share).abs() <= 0.000_5 + 1e-9,
                    "{code} {practice}: {share}"
                );
                total += found;
                expected += 1;
            } else {
                assert_eq!(found, None, "{code} {practice}: {share}");
                just_below += u32::from(share >= 0.049_5);
            }
        }
        assert!(total < 1.005, "{code}: {total}");
    }
    assert_eq!(written.len(), expected);
    assert!(just_below > 0, "no share is just below the limit");
    // Every active practice with a known list size has a share in at least one LSOA.
    let covered: BTreeSet<&String> = written.keys().map(|(_, practice)| practice).collect();
    assert!(covered.into_iter().eq(sizes.keys()));
}

#[test]
fn modelled_shares_come_to_each_list_within_ten_per_cent() {
    let (lsoas, sizes) = (statistical_areas(), list_sizes());
    let mut people: HashMap<String, f64> = HashMap::new();
    let mut residents_of: HashMap<&str, f64> = HashMap::new();
    for row in source_table("residents_lsoa11.csv") {
        let residents = row["residents_mid_2020"].parse().expect("a number");
        if let Some(lsoa) = lsoas.get(&row["lsoa11cd"]) {
            *residents_of.entry(&lsoa["sub_icb"]).or_default() += residents;
            people.insert(row["lsoa11cd"].clone(), residents);
        }
    }
    let mut registered_in: HashMap<String, f64> = HashMap::new();
    for practice in expected_practices() {
        let size = sizes.get(&practice["ods_code"]);
        *registered_in
            .entry(practice["sub_icb"].clone())
            .or_default() += size.unwrap_or(&0.0);
    }
    let mut modelled: BTreeMap<String, f64> = BTreeMap::new();
    for (code, shares) in all_shares() {
        let sub_icb = &lsoas[&code]["sub_icb"];
        // Residents are scaled so that the total of each sub-ICB location equals its lists.
        let scale = registered_in[sub_icb] / residents_of[sub_icb.as_str()];
        for (practice, share) in shares {
            *modelled.entry(practice).or_default() += share * people[&code] * scale;
        }
    }
    for (practice, size) in sizes {
        let ratio = modelled[&practice] / size;
        assert!((0.9..=1.1).contains(&ratio), "{practice}: {ratio:.3}");
    }
}

#[test]
fn no_registrations_are_modelled_across_the_bay_or_the_hills() {
    let (lsoas, centres) = (statistical_areas(), lsoa_centres());
    let practices: HashMap<String, Row> = expected_practices()
        .into_iter()
        .map(|row| (row["ods_code"].clone(), row))
        .collect();
    let mut districts = BTreeSet::new();
    for (code, practice) in written_shares().into_keys() {
        let (lsoa, registered) = (&lsoas[&code], &practices[&practice]);
        let district = district(lsoa);
        let crosses = is_blocked_by_the_bay(district, centres[&code].0, &registered["icc_id"]);
        assert!(!crosses, "{code} ({district}) with {practice}");
        let is_in_the_east = |row: &Row| SUB_ICBS_WITH_TEAMS.contains(&row["sub_icb"].as_str());
        assert_eq!(
            is_in_the_east(lsoa),
            is_in_the_east(registered),
            "{code} ({district}) with {practice}"
        );
        districts.insert(district);
    }
    for district in [
        "Barrow-in-Furness",
        "Copeland",
        "South Lakeland",
        "Lancaster",
        "Craven",
        "Ribble Valley",
        "Pendle",
        "Burnley",
        "Hyndburn",
        "Rossendale",
        "Blackburn with Darwen",
    ] {
        assert!(
            districts.contains(district),
            "{district} has no modelled registrations"
        );
    }
}

#[test]
fn neighbourhood_teams_have_the_areas_of_their_pcns() {
    let (teams, networks) = (
        plurality_groups(team_of),
        plurality_groups(|row| Some(row["pcn_code"].clone())),
    );
    let pairs: BTreeSet<(String, String)> = expected_practices()
        .iter()
        .filter_map(|row| Some((team_of(row)?, row["pcn_code"].clone())))
        .collect();
    assert_eq!(pairs.len(), 13);
    assert_eq!(teams.len(), 335);
    for (code, team) in teams {
        let pair = (team, networks[&code].clone());
        assert!(pairs.contains(&pair), "{code}: {pair:?}");
    }
}

#[test]
fn area_names_are_as_published() {
    let names_of = |layer: &str| -> BTreeSet<[String; 4]> {
        let rows = committed_table("areas.csv").into_iter();
        rows.filter(|row| row["layer"] == layer)
            .map(|row| ["id", "name", "from", "to"].map(|column| row[column].clone()))
            .collect()
    };
    for layer in ["sub-icb", "place", "icb"] {
        let published = source_table("hierarchy.csv").into_iter();
        let published: BTreeSet<[String; 4]> = published
            .filter(|row| row["layer"] == layer)
            .map(|row| ["id", "name", "from", "to"].map(|column| row[column].clone()))
            .collect();
        assert!(published.len() >= 2);
        assert_eq!(names_of(layer), published, "{layer}");
    }
    let practices = expected_practices();
    let networks: BTreeSet<[String; 4]> = practices
        .iter()
        .filter(|row| !row["pcn_code"].is_empty())
        .map(|row| {
            let [id, name] = ["pcn_code", "pcn_name"].map(|column| row[column].clone());
            [id, name, String::new(), String::new()]
        })
        .collect();
    assert_eq!(names_of("pcn"), networks);
    let teams: BTreeSet<[String; 4]> = practices
        .iter()
        .filter_map(|row| {
            let name = row["pcn_name"].replace(" PCN", "");
            Some([team_of(row)?, name, String::new(), String::new()])
        })
        .collect();
    assert_eq!(names_of("neighbourhood-team"), teams);
}

// ---- look-ups against the source tables --------------------------------------------------------

fn icc_of<'i>(answer: &LocateAnswer<'i>) -> Option<(&'i str, Basis)> {
    area_of(answer, crate::support::layer("icc"))
}

/// Returns the area of a partition layer in a result.
fn area_of<'i>(answer: &LocateAnswer<'i>, layer: Layer) -> Option<(&'i str, Basis)> {
    let found = answer.residence.iter().find(|(id, _)| *id == layer);
    match found {
        Some((_, LayerResult::Areas(areas))) => match areas.as_slice() {
            [] => None,
            [area] => Some((&area.area.id, area.basis)),
            _ => panic!("the result has several areas of {layer}"),
        },
        _ => None,
    }
}

fn locate(place: Locator) -> LocateAnswer<'static> {
    let (practice, as_of) = (None, DAY);
    index().locate(&LocateQuery {
        locator: Some(place),
        practice,
        as_of,
    })
}

/// The postcodes that are more than 500 m from the LSOA in the directory. Most of them were moved
/// or reused after the look-up was published. For these postcodes, the boundaries are used instead
/// of the directory.
fn displaced_postcodes() -> &'static BTreeSet<String> {
    static DISPLACED: OnceLock<BTreeSet<String>> = OnceLock::new();
    DISPLACED.get_or_init(|| {
        let boundaries = embedded().statistical_boundaries.into_iter();
        let lsoas: HashMap<String, MultiPolygon<f64>> = boundaries
            .map(|boundary| (boundary.id.clone(), to_planar(&boundary)))
            .collect();
        let is_displaced = |row: &Row| {
            let (Some(lsoa), Some(position)) = (lsoas.get(&row["lsoa11cd"]), grid_position(row))
            else {
                return false;
            };
            Euclidean.distance(&Point::from(position), lsoa) > 500.0
        };
        let displaced = expected_postcodes().into_iter().filter(is_displaced);
        displaced.map(|row| row["postcode"].clone()).collect()
    })
}

#[test]
fn boundaries_decide_for_postcodes_far_from_their_lsoa() {
    let (mut by_boundary, mut same_areas) = (0, 0);
    let (lsoas, teams) = (lsoas_with_icc(), plurality_groups(team_of));
    for row in expected_postcodes() {
        if !displaced_postcodes().contains(&row["postcode"]) {
            continue;
        }
        let postcode = row["postcode"].parse().expect("a postcode");
        let answer = locate(Locator::Postcode(postcode));
        let sub_icb = area_of(&answer, crate::support::layer("sub-icb"));
        by_boundary += u32::from(sub_icb.is_some_and(|(_, basis)| basis == Basis::Boundary));
        let icc = lsoas
            .get(&row["lsoa11cd"])
            .map(|lsoa| lsoa["icc_id"].as_str());
        let team = teams.get(&row["lsoa11cd"]).map(String::as_str);
        let found = [
            crate::support::layer("icc"),
            crate::support::layer("neighbourhood-team"),
        ];
        let found = found.map(|layer| area_of(&answer, layer).map(|(id, _)| id));
        same_areas += u32::from(found == [icc, team]);
    }
    // BD23 3TG is outside all boundaries.
    assert_eq!(
        (displaced_postcodes().len(), by_boundary, same_areas),
        (9, 8, 5)
    );
}

#[test]
fn postcodes_and_most_coordinates_are_in_the_icc_of_their_lsoa() {
    let lsoas = lsoas_with_icc();
    let (mut total, mut by_boundary, mut by_grid) = (0_u32, 0_u32, 0_u32);
    let (mut displaced, mut displaced_elsewhere) = (0, 0);
    for row in source_table("postcodes.csv") {
        if row["sub_icb"] != "01K" || row["lsoa11cd"].is_empty() {
            continue;
        }
        let expected = lsoas[&row["lsoa11cd"]]["icc_id"].as_str();
        let postcode = row["postcode"].parse().expect("a postcode");
        let found = icc_of(&locate(Locator::Postcode(postcode)));
        if displaced_postcodes().contains(&row["postcode"]) {
            displaced += 1;
            displaced_elsewhere += u32::from(found != Some((expected, Basis::Boundary)));
        } else {
            assert_eq!(
                found,
                Some((expected, Basis::Directory)),
                "{}",
                row["postcode"]
            );
        }

        let (easting, northing) = grid_position(&row).expect("a position");
        let grid = BritishGrid::from_metres(easting, northing).expect("on the grid");
        total += 1;
        let around = index().areas_covering(crate::support::layer("icc"), grid, DAY);
        by_boundary += u32::from(around.first().is_some_and(|area| area.id == expected));
        let found = icc_of(&locate(Locator::Grid(grid)));
        by_grid += u32::from(found.is_some_and(|(icc, _)| icc == expected));
    }
    assert_eq!((total, displaced, displaced_elsewhere), (14_584, 2, 1));
    // With boundaries generalised to 200 m, 99.33% of the postcodes are in the right area. The
    // percentage is 99.83% if the nearest area within 150 m is used for postcodes outside all
    // areas.
    let per_mille = |count: u32| f64::from(count) / f64::from(total) * 1_000.0;
    assert!(
        (per_mille(by_boundary) - 993.3).abs() < 0.05,
        "{by_boundary}"
    );
    assert!((per_mille(by_grid) - 998.3).abs() < 0.05, "{by_grid}");
}

#[test]
fn postcodes_and_most_coordinates_are_in_the_team_of_their_lsoa() {
    let teams = plurality_groups(team_of);
    let (mut total, mut by_boundary, mut by_grid) = (0_u32, 0_u32, 0_u32);
    for row in source_table("postcodes.csv") {
        if !SUB_ICBS_WITH_TEAMS.contains(&row["sub_icb"].as_str()) || row["lsoa11cd"].is_empty() {
            continue;
        }
        let expected = teams[&row["lsoa11cd"]].as_str();
        let postcode = row["postcode"].parse().expect("a postcode");
        let answer = locate(Locator::Postcode(postcode));
        if !displaced_postcodes().contains(&row["postcode"]) {
            assert_eq!(
                area_of(&answer, crate::support::layer("neighbourhood-team")),
                Some((expected, Basis::Directory)),
                "{}",
                row["postcode"]
            );
        }
        assert_eq!(icc_of(&answer), None, "{}", row["postcode"]);

        let (easting, northing) = grid_position(&row).expect("a position");
        let grid = BritishGrid::from_metres(easting, northing).expect("on the grid");
        total += 1;
        let around = index().areas_covering(crate::support::layer("neighbourhood-team"), grid, DAY);
        by_boundary += u32::from(around.first().is_some_and(|area| area.id == expected));
        let found = area_of(
            &locate(Locator::Grid(grid)),
            crate::support::layer("neighbourhood-team"),
        );
        by_grid += u32::from(found.is_some_and(|(team, _)| team == expected));
    }
    assert_eq!(total, 20_569);
    // The percentages are lower than for ICCs, because generalised boundaries cut through streets
    // in towns, and because these areas have no coast. Near a coast, the nearest area is usually
    // the right area.
    let per_mille = |count: u32| f64::from(count) / f64::from(total) * 1_000.0;
    assert!(
        (per_mille(by_boundary) - 991.8).abs() < 0.05,
        "{by_boundary}"
    );
    assert!((per_mille(by_grid) - 992.3).abs() < 0.05, "{by_grid}");
}

#[test]
fn postcodes_are_in_the_sub_icb_icb_place_and_pcn_of_their_sources() {
    let (areas, hierarchy) = (statistical_areas(), source_table("hierarchy.csv"));
    let networks = plurality_groups(|row| Some(row["pcn_code"].clone()));
    let mut count = 0;
    for row in expected_postcodes() {
        let Some(lsoa) = areas.get(&row["lsoa11cd"]) else {
            continue;
        };
        count += 1;
        if displaced_postcodes().contains(&row["postcode"]) {
            continue;
        }
        let postcode = row["postcode"].parse().expect("a postcode");
        let answer = locate(Locator::Postcode(postcode));
        for (layer, expected) in [
            // The expected code is from the `sub_icb` column of the postcode table, not from the
            // boundary file.
            (
                crate::support::layer("sub-icb"),
                Some(row["sub_icb"].as_str()),
            ),
            (crate::support::layer("icb"), Some(icb_of(&row["sub_icb"]))),
            (crate::support::layer("place"), place_of(lsoa, &hierarchy)),
            (
                crate::support::layer("pcn"),
                networks.get(&row["lsoa11cd"]).map(String::as_str),
            ),
        ] {
            let expected = expected.map(|id| (id, Basis::Directory));
            assert_eq!(
                area_of(&answer, layer),
                expected,
                "{} {layer}",
                row["postcode"]
            );
        }
    }
    assert_eq!(count, 14_584 + 16_137 + 20_569);
}

#[test]
fn remaining_postcodes_are_in_north_cumbria_east_lancashire_or_outside() {
    let (lsoas, all_areas) = (lsoas_with_icc(), statistical_areas());
    let (mut inside, mut in_the_east, mut outside, mut without_position) = (0, 0, 0, 0);
    for row in expected_postcodes() {
        let has_lsoa = !row["lsoa11cd"].is_empty();
        if row["sub_icb"] == "01K" || (!has_lsoa && grid_position(&row).is_some()) {
            continue;
        }
        let postcode = row["postcode"].parse().expect("a postcode");
        let answer = locate(Locator::Postcode(postcode));
        let expected = match lsoas.get(&row["lsoa11cd"]) {
            _ if grid_position(&row).is_none() => {
                without_position += 1;
                assert_eq!(
                    answer.status,
                    LookupStatus::NoLocation,
                    "{}",
                    row["postcode"]
                );
                None
            }
            Some(lsoa) => {
                inside += 1;
                if displaced_postcodes().contains(&row["postcode"]) {
                    continue;
                }
                Some((lsoa["icc_id"].as_str(), Basis::Directory))
            }
            None if all_areas.contains_key(&row["lsoa11cd"]) => {
                in_the_east += 1;
                if displaced_postcodes().contains(&row["postcode"]) {
                    continue;
                }
                let in_use = row["status"] == "live";
                let expected = if in_use {
                    LookupStatus::Located
                } else {
                    LookupStatus::Terminated
                };
                assert_eq!(answer.status, expected, "{}", row["postcode"]);
                None
            }
            None => {
                outside += 1;
                assert_eq!(
                    answer.status,
                    LookupStatus::OutsideCoverage,
                    "{}",
                    row["postcode"]
                );
                None
            }
        };
        assert_eq!(icc_of(&answer), expected, "{}", row["postcode"]);
    }
    assert_eq!((inside, in_the_east), (16_137, 20_569));
    assert!(
        outside > 2_000 && without_position > 50,
        "{outside} {without_position}"
    );
}

#[test]
fn postcodes_newer_than_the_lookup_are_located_by_boundary() {
    let (mut count, mut count_of_teams) = (0, 0);
    for row in source_table("postcodes.csv") {
        if !row["lsoa11cd"].is_empty() {
            continue;
        }
        let postcode = row["postcode"].parse().expect("a postcode");
        let (layer, prefix) = match row["sub_icb"].as_str() {
            "01K" => (crate::support::layer("icc"), "mb-"),
            "01A" | "00Q" => (crate::support::layer("neighbourhood-team"), "pl-"),
            _ => continue,
        };
        count += u32::from(layer == crate::support::layer("icc"));
        count_of_teams += u32::from(layer == crate::support::layer("neighbourhood-team"));
        let answer = locate(Locator::Postcode(postcode));
        let (area, basis) = area_of(&answer, layer)
            .unwrap_or_else(|| panic!("{} is in no {layer}", row["postcode"]));
        assert!(area.starts_with(prefix), "{}: {area}", row["postcode"]);
        assert!(
            matches!(basis, Basis::Boundary | Basis::Nearest),
            "{}: {}",
            row["postcode"],
            basis.as_str()
        );
    }
    assert_eq!((count, count_of_teams), (180, 338));
}
