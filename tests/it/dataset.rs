//! The committed dataset against the published tables in `data/source`, which are read here with
//! code of their own: what `build` makes, what it holds, what it refuses, what it leaves behind.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use catchment::build::build;
use catchment::dataset::{self, Dataset, Files, Manifest};
use catchment::domain::{
    Basis, BritishGrid, Layer, LonLat, Member, OdsCode, Postcode, YearMonth, date_from_iso,
};
use catchment::geodesy;
use catchment::index::{Answer, Found, Index, Place, Query};
use jiff::civil::Date;
use jiff::civil::date;
use tempfile::TempDir;

/// The day that the embedded dataset stands for.
pub(crate) const DAY: Date = date(2025, 11, 30);

const COMMITTED: &str = "data/lancashire-and-cumbria";
/// The sub-ICB locations whose people the ICCs are for.
const SUB_ICBS: [&str; 2] = ["01K", "01H"];

/// The embedded dataset, as its files say it.
pub(crate) fn embedded() -> Dataset {
    dataset::read(&Files::Embedded).expect("the embedded dataset is right")
}

/// The embedded dataset, ready to be asked; built once for all tests.
pub(crate) fn index() -> &'static Index {
    static INDEX: OnceLock<Index> = OnceLock::new();
    INDEX.get_or_init(|| Index::build(embedded()).expect("its parts agree"))
}

// ---- the published tables ----------------------------------------------------------------------

type Row = HashMap<String, String>;

fn table(path: &Path) -> Vec<Row> {
    let mut reader = csv::Reader::from_path(path).expect("the table is in the repository");
    reader
        .deserialize()
        .map(|row| row.expect("a well-formed row"))
        .collect()
}

fn source(file: &str) -> Vec<Row> {
    table(&Path::new("data/source").join(file))
}

fn built(file: &str) -> Vec<Row> {
    table(&Path::new(COMMITTED).join(file))
}

/// The rows of the list whose outward code has at least one postcode in 01K or 01H.
fn held_postcodes() -> Vec<Row> {
    let outcode = |row: &Row| row["postcode"].split(' ').next().map(str::to_string);
    let mut rows = source("postcodes.csv");
    let touching: BTreeSet<_> = rows
        .iter()
        .filter(|row| SUB_ICBS.contains(&row["sub_icb"].as_str()))
        .map(outcode)
        .collect();
    rows.retain(|row| touching.contains(&outcode(row)));
    rows
}

fn held_practices() -> Vec<Row> {
    let mut rows = source("practices.csv");
    rows.retain(|row| SUB_ICBS.contains(&row["sub_icb"].as_str()));
    rows
}

/// The rows of the look-up from LSOAs to ICCs that have one, by LSOA.
fn lsoas() -> BTreeMap<String, Row> {
    let rows = source("lsoa11_icc.csv").into_iter();
    rows.filter(|row| !row["icc_id"].is_empty())
        .map(|row| (row["lsoa11cd"].clone(), row))
        .collect()
}

fn metres(row: &Row) -> Option<(f64, f64)> {
    Some((row["easting"].parse().ok()?, row["northing"].parse().ok()?))
}

/// The mean position of an LSOA's live postcodes.
fn centres() -> HashMap<String, (f64, f64)> {
    let mut sums: HashMap<String, (f64, f64, f64)> = HashMap::new();
    for row in source("postcodes.csv") {
        if row["status"] != "live" {
            continue;
        }
        if let Some((easting, northing)) = metres(&row) {
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

/// Whom the bay keeps from the practices of which ICCs, word for word from the rule.
fn is_across_the_bay(district: &str, easting: f64, icc: &str) -> bool {
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

// ---- the same bytes ----------------------------------------------------------------------------

/// Every file under the folder, by its path in it.
fn files_of(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(here) = folders.pop() {
        for entry in fs::read_dir(&here).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(folder).expect("it is in the folder");
            files.insert(name.to_path_buf(), fs::read(&path).expect("a file"));
        }
    }
    files
}

#[test]
fn building_twice_gives_the_committed_dataset_byte_for_byte() {
    let temporary = TempDir::new().expect("a folder");
    let output = temporary.path().join("again");
    let committed = files_of(Path::new(COMMITTED));
    for run in ["into nothing", "over the last"] {
        build(Path::new("data/build.toml"), Some(&output)).expect("it builds");
        let made = files_of(&output);
        assert!(made.keys().eq(committed.keys()), "{run}: other files");
        for (path, bytes) in &made {
            assert!(
                *bytes == committed[path],
                "{run}: {} differs",
                path.display()
            );
        }
    }
    assert_eq!(names_in(temporary.path()), ["again"]);
}

fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name().display().to_string())
        .collect();
    names.sort();
    names
}

// ---- what it holds -----------------------------------------------------------------------------

#[test]
fn the_directory_is_every_code_of_every_outcode_that_touches_it() {
    let rows = held_postcodes();
    let ours: Vec<&Row> = rows.iter().filter(|row| row["sub_icb"] == "01K").collect();
    let with_lsoa = ours
        .iter()
        .filter(|row| !row["lsoa11cd"].is_empty())
        .count();
    assert_eq!((ours.len(), with_lsoa), (14_764, 14_584));

    let index = index();
    assert_eq!(index.postcodes().len(), rows.len());
    for row in &rows {
        let postcode: Postcode = row["postcode"].parse().expect("a postcode");
        let catchment::index::Listing::Entry(entry) = index.postcode(postcode) else {
            panic!("{} is not in the directory", row["postcode"]);
        };
        let month = |month: Option<YearMonth>| month.map(YearMonth::compact).unwrap_or_default();
        let position = entry.position.map(|at| (at.easting_m(), at.northing_m()));
        let quality = entry.positional_quality.map(|quality| quality.to_string());
        assert_eq!(position, metres(row), "{}", row["postcode"]);
        assert_eq!(
            [
                quality.as_deref().unwrap_or_default(),
                if entry.live { "live" } else { "terminated" },
                month(entry.introduced).as_str(),
                month(entry.terminated).as_str(),
                index.statistical_area(entry).unwrap_or_default(),
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
    }
    let outcodes: BTreeSet<&str> = rows
        .iter()
        .map(|row| row["postcode"].split(' ').next().unwrap_or_default())
        .collect();
    assert!(outcodes.iter().eq(&index.manifest().complete_outcodes));
}

#[test]
fn each_practice_has_its_premises_status_icc_and_successor() {
    let index = index();
    let rows = held_practices();
    let count = |status: &str| {
        rows.iter()
            .filter(|row| row["status_dec2023"] == status)
            .count()
    };
    assert_eq!((count("closed"), count("dormant")), (14, 1));
    assert_eq!(index.practices().len(), rows.len());

    let mut sites: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in source("practice_sites.csv") {
        let place = format!("{} {}", row["easting"], row["northing"]);
        sites
            .entry(row["ods_code"].clone())
            .or_default()
            .insert(place);
    }
    for row in &rows {
        let code: OdsCode = row["ods_code"].parse().expect("an ODS code");
        let practice = index.practice(code).expect("it is there");
        let iso = |text: &str| match text {
            "" => String::new(),
            text => format!("{}-{}-{}", &text[..4], &text[4..6], &text[6..]),
        };
        let day = |day: Option<Date>| day.map(|day| day.to_string()).unwrap_or_default();
        assert_eq!(
            (practice.name.as_str(), practice.status.as_str()),
            (row["name"].as_str(), row["status_dec2023"].as_str())
        );
        assert_eq!(
            (day(practice.opened), day(practice.closed)),
            (iso(&row["opened"]), iso(&row["closed"])),
            "{code}"
        );
        let member = Member::Practice(code);
        let iccs: Vec<&str> = index
            .memberships_of(&member, Layer::Icc, DAY)
            .filter_map(|membership| membership.group.as_deref())
            .collect();
        assert_eq!(iccs, [row["icc_id"].as_str()], "{code}");
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
        let expected = sites.get(&row["ods_code"]).cloned().unwrap_or_default();
        assert_eq!(places, expected, "{code}");
    }

    let successions = source("practice_successions.csv");
    assert_eq!(successions.len(), 14);
    for row in successions {
        let [step] = index.successors(row["predecessor"].parse().expect("an ODS code")) else {
            panic!("{} has one successor", row["predecessor"]);
        };
        let closed = date_from_iso(&step.from.yesterday().expect("not the first").to_string());
        assert_eq!(step.successor.as_str(), row["successor"]);
        assert_eq!(
            closed.map(|day| day.to_string().replace('-', "")),
            Ok(row["predecessor_closed"].clone())
        );
    }
}

#[test]
fn each_icc_is_the_lsoas_that_the_table_gives_it_and_each_group_its_members() {
    let mut expected: BTreeSet<(String, &str, String)> = BTreeSet::new();
    for (code, row) in lsoas() {
        expected.insert((code.clone(), "icc", row["icc_id"].clone()));
        if !row["sub_community_id"].is_empty() {
            expected.insert((code, "sub-community", row["sub_community_id"].clone()));
        }
    }
    let assigned: BTreeSet<(String, &str, String)> = built("assignments.csv")
        .into_iter()
        .filter(|row| row["layer"] != "gp-practice")
        .map(|row| {
            let layer = match row["layer"].as_str() {
                "icc" => "icc",
                "sub-community" => "sub-community",
                other => panic!("{other} is not made of LSOAs"),
            };
            (row["statistical_area"].clone(), layer, row["area"].clone())
        })
        .collect();
    assert_eq!(assigned, expected);

    let grounds = shapes(&Path::new(COMMITTED).join("areas/icc.geojson"), "id");
    let of = |system: &str| grounds.keys().filter(|id| id.starts_with(system)).count();
    assert_eq!((of("mb-"), of("nc-"), grounds.len()), (8, 8, 16));
    let parts = shapes(
        &Path::new(COMMITTED).join("areas/sub-community.geojson"),
        "id",
    );
    assert!(parts.keys().eq(["mb-barrow", "mb-millom"]));

    let published: Vec<(String, String)> = source("resilience_groups.csv")
        .into_iter()
        .map(|row| (row["member"].clone(), row["group_id"].clone()))
        .collect();
    let held: Vec<(String, String)> = built("memberships.csv")
        .into_iter()
        .filter(|row| row["layer"] == "resilience-group")
        .map(|row| (row["member"].clone(), row["group"].clone()))
        .collect();
    assert_eq!(held, published);
}

// ---- the ground --------------------------------------------------------------------------------

type Vertex = (i64, i64);
type Ring = Vec<Vertex>;

/// The polygons of each feature, as rings in whole 1e-7 degrees.
fn shapes(path: &Path, key: &str) -> BTreeMap<String, Vec<Vec<Ring>>> {
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
            "more than 7 decimals"
        );
        scaled.round() as i64
    };
    let positions = positions.as_array().expect("positions").iter();
    let mut ring: Ring = positions.map(|at| (units(&at[0]), units(&at[1]))).collect();
    assert_eq!(ring.first(), ring.last(), "a ring is closed");
    ring.pop();
    ring
}

/// Directed edges; the ground lies to the left of each.
fn edges(polygons: &[Vec<Ring>]) -> impl Iterator<Item = (Vertex, Vertex)> + '_ {
    polygons.iter().flatten().flat_map(|ring| {
        let next = |at: usize| ring[(at + 1) % ring.len()];
        (0..ring.len()).map(move |at| (ring[at], next(at)))
    })
}

/// Twice the area, in square units. Holes run clockwise and count against it.
fn doubled_area(polygons: &[Vec<Ring>]) -> i128 {
    edges(polygons)
        .map(|(a, b)| i128::from(a.0) * i128::from(b.1) - i128::from(b.0) * i128::from(a.1))
        .sum()
}

fn area_file(layer: &str) -> PathBuf {
    Path::new(COMMITTED).join(format!("areas/{layer}.geojson"))
}

/// The LSOAs of each area, layer by layer, from the published tables; those of practices from the
/// dataset's own table, which `shares_follow_the_formula` proves.
fn expected_grounds() -> Vec<(&'static str, BTreeMap<String, BTreeSet<String>>)> {
    let mut iccs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut parts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (code, row) in lsoas() {
        iccs.entry(row["icc_id"].clone())
            .or_default()
            .insert(code.clone());
        if !row["sub_community_id"].is_empty() {
            parts
                .entry(row["sub_community_id"].clone())
                .or_default()
                .insert(code);
        }
    }
    let mut groups: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in source("resilience_groups.csv") {
        if row["group_id"].is_empty() {
            continue;
        }
        let member = &row["member"];
        let ground = iccs.get(member).or_else(|| parts.get(member));
        let ground = ground.expect("an ICC or a part of one").iter().cloned();
        groups
            .entry(row["group_id"].clone())
            .or_default()
            .extend(ground);
    }
    let mut practices: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for row in built("assignments.csv") {
        if row["layer"] == "gp-practice" {
            let ground = practices.entry(row["area"].clone()).or_default();
            ground.insert(row["statistical_area"].clone());
        }
    }
    vec![
        ("icc", iccs),
        ("sub-community", parts),
        ("resilience-group", groups),
        ("gp-practice", practices),
    ]
}

#[test]
fn the_lsoas_are_the_published_ones_and_lie_side_by_side() {
    let published = shapes(Path::new("data/source/lsoa11_bsc.geojson"), "LSOA11CD");
    let held = shapes(&area_file("lsoa11"), "id");
    assert_eq!(held.len(), 748);
    assert_eq!(held, published);
    let mut seen = BTreeSet::new();
    for (code, polygons) in &held {
        for edge in edges(polygons) {
            // Two grounds to the left of one edge would overlap.
            assert!(seen.insert(edge), "{code} overlaps a neighbour");
        }
    }
}

#[test]
fn areas_add_up_exactly_and_their_outlines_are_their_lsoas_own_edges() {
    let lsoas = shapes(&area_file("lsoa11"), "id");
    for (layer, grounds) in expected_grounds() {
        let held = shapes(&area_file(layer), "id");
        assert!(held.keys().eq(grounds.keys()), "{layer}");
        for (id, codes) in &grounds {
            let parts: i128 = codes.iter().map(|code| doubled_area(&lsoas[code])).sum();
            assert_eq!(doubled_area(&held[id]), parts, "{layer} {id}");
            // An edge of two LSOAs of the area runs both ways: what has no opposite is its outline.
            let all: BTreeSet<_> = codes.iter().flat_map(|code| edges(&lsoas[code])).collect();
            let outline: BTreeSet<_> = all
                .iter()
                .filter(|(from, to)| !all.contains(&(*to, *from)))
                .copied()
                .collect();
            let drawn: Vec<_> = edges(&held[id]).collect();
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
fn no_ring_touches_itself_and_every_outline_is_valid() {
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

// ---- the model ---------------------------------------------------------------------------------

/// The formula: each practice's share of an LSOA's people, by code.
fn modelled(
    lsoa: &Row,
    centre: (f64, f64),
    practices: &[(Row, Vec<(f64, f64)>)],
) -> BTreeMap<String, f64> {
    let mut pulls = BTreeMap::new();
    for (practice, premises) in practices {
        if is_across_the_bay(district(lsoa), centre.0, &practice["icc_id"]) {
            continue;
        }
        let km = premises
            .iter()
            .map(|at| ((at.0 - centre.0).powi(2) + (at.1 - centre.1).powi(2)).sqrt() / 1_000.0)
            .fold(f64::MAX, f64::min);
        let size: f64 = practice["list_size_2021"].parse().expect("a number");
        let pull = size * (-2.5 * km.powf(0.6)).exp();
        pulls.insert(practice["ods_code"].clone(), pull);
    }
    let total: f64 = pulls.values().sum();
    pulls
        .into_iter()
        .map(|(code, pull)| (code, pull / total))
        .collect()
}

/// The practices that take patients and say how many, with their buildings.
fn open_practices() -> Vec<(Row, Vec<(f64, f64)>)> {
    let sites = source("practice_sites.csv");
    let premises = |practice: &Row| -> Vec<(f64, f64)> {
        let own = sites
            .iter()
            .filter(|site| site["ods_code"] == practice["ods_code"]);
        let own: Vec<_> = own.filter_map(metres).collect();
        match own.is_empty() {
            true => metres(practice).into_iter().collect(),
            false => own,
        }
    };
    let open = held_practices()
        .into_iter()
        .filter(|row| row["status_dec2023"] == "active" && !row["list_size_2021"].is_empty());
    open.map(|row| {
        let premises = premises(&row);
        (row, premises)
    })
    .collect()
}

fn written_shares() -> BTreeMap<(String, String), f64> {
    let rows = built("assignments.csv").into_iter();
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

#[test]
fn shares_follow_the_formula_from_five_per_cent_and_are_not_scaled_up() {
    let (centres, practices, written) = (centres(), open_practices(), written_shares());
    let mut expected = 0;
    for (code, lsoa) in lsoas() {
        let mut kept = 0.0;
        for (practice, share) in modelled(&lsoa, centres[&code], &practices) {
            let found = written.get(&(code.clone(), practice.clone()));
            // Shares are rounded to three decimals, and then 0.050 is 5 %.
            if share >= 0.049_5 {
                let found = found.unwrap_or_else(|| panic!("{practice} has {share} of {code}"));
                assert!(
                    (found - share).abs() <= 0.000_5 + 1e-9,
                    "{code} {practice}: {share}"
                );
                kept += found;
                expected += 1;
            } else {
                assert_eq!(found, None, "{code} {practice}: {share}");
            }
        }
        assert!(kept < 1.005, "{code}: {kept}");
    }
    assert_eq!(written.len(), expected);
    // Every practice that takes patients and says how many has people somewhere.
    let covered: BTreeSet<&String> = written.keys().map(|(_, practice)| practice).collect();
    assert_eq!(covered.len(), practices.len());
}

#[test]
fn nobody_crosses_the_bay_by_water() {
    let (lsoas, centres) = (lsoas(), centres());
    let iccs: HashMap<String, String> = held_practices()
        .into_iter()
        .map(|row| (row["ods_code"].clone(), row["icc_id"].clone()))
        .collect();
    let mut districts = BTreeSet::new();
    for (code, practice) in written_shares().into_keys() {
        let district = district(&lsoas[&code]);
        let crosses = is_across_the_bay(district, centres[&code].0, &iccs[&practice]);
        assert!(!crosses, "{code} ({district}) with {practice}");
        districts.insert(district);
    }
    for district in [
        "Barrow-in-Furness",
        "Copeland",
        "South Lakeland",
        "Lancaster",
        "Craven",
    ] {
        assert!(districts.contains(district), "{district} is modelled");
    }
}

// ---- how many are right ------------------------------------------------------------------------

fn icc_of<'i>(answer: &Answer<'i>) -> Option<(&'i str, Basis)> {
    let found = answer
        .residence
        .iter()
        .find(|(layer, _)| *layer == Layer::Icc);
    match found {
        Some((_, Found::Areas(areas))) => match areas.as_slice() {
            [] => None,
            [area] => Some((&area.area.id, area.basis)),
            _ => panic!("two ICCs"),
        },
        _ => None,
    }
}

fn ask(place: Place) -> Answer<'static> {
    let (practice, as_of) = (None, DAY);
    index().locate(&Query {
        place: Some(place),
        practice,
        as_of,
    })
}

#[test]
fn postcodes_are_in_the_icc_of_their_lsoa_and_coordinates_nearly_all() {
    let lsoas = lsoas();
    let (mut asked, mut by_boundary, mut by_grid) = (0_u32, 0_u32, 0_u32);
    for row in source("postcodes.csv") {
        if row["sub_icb"] != "01K" || row["lsoa11cd"].is_empty() {
            continue;
        }
        let expected = lsoas[&row["lsoa11cd"]]["icc_id"].as_str();
        let postcode = row["postcode"].parse().expect("a postcode");
        let found = icc_of(&ask(Place::Postcode(postcode)));
        assert_eq!(
            found,
            Some((expected, Basis::Directory)),
            "{}",
            row["postcode"]
        );

        let (easting, northing) = metres(&row).expect("it has a position");
        let grid = BritishGrid::from_metres(easting, northing).expect("on the grid");
        asked += 1;
        let around = index().areas_covering(Layer::Icc, grid, DAY);
        by_boundary += u32::from(around.first().is_some_and(|area| area.id == expected));
        let found = icc_of(&ask(Place::Grid(grid)));
        by_grid += u32::from(found.is_some_and(|(icc, _)| icc == expected));
    }
    assert_eq!(asked, 14_584);
    // 200 m boundaries put 99.33 % right, and 99.83 % with the nearest area up to 150 m off them.
    let per_mille = |count: u32| f64::from(count) / f64::from(asked) * 1_000.0;
    assert!(
        (per_mille(by_boundary) - 993.3).abs() < 0.05,
        "{by_boundary}"
    );
    assert!((per_mille(by_grid) - 998.3).abs() < 0.05, "{by_grid}");
}

#[test]
fn codes_newer_than_the_look_up_go_by_boundary() {
    let mut asked = 0;
    for row in source("postcodes.csv") {
        if row["sub_icb"] != "01K" || !row["lsoa11cd"].is_empty() {
            continue;
        }
        asked += 1;
        let postcode = row["postcode"].parse().expect("a postcode");
        let (icc, basis) = icc_of(&ask(Place::Postcode(postcode))).expect("it is in an ICC");
        assert!(icc.starts_with("mb-"), "{}: {icc}", row["postcode"]);
        assert!(
            matches!(basis, Basis::Boundary | Basis::Nearest),
            "{}: {}",
            row["postcode"],
            basis.as_str()
        );
    }
    assert_eq!(asked, 180);
}

// ---- what is refused ---------------------------------------------------------------------------

/// A dataset of two communities side by side, small enough to be broken in every way.
struct World {
    manifest: String,
    files: BTreeMap<String, Vec<u8>>,
}

const MANIFEST: &str = r#"
name = "toy"
version = "1"
title = "Toy"
as_of = "2025-01-01"
attribution = "nobody"
licence = "none"
tolerance_m = 100.0
complete_outcodes = ["LA1"]
sources = []

[[layers]]
id = "icc"
title = "ICCs"
kind = "partition"
first_data = "2022-01-05"
provenance = "indicative"
boundaries = "areas/icc.shp"

[[layers]]
id = "resilience-group"
title = "Groups"
kind = "membership"
first_data = "2022-01-05"
provenance = "indicative"

[files]
"#;

const TABLES: &[(&str, &str)] = &[
    (
        "areas.csv",
        "layer,id,name,kind,system,provenance,from,to\n\
         icc,k,Kay,,toy,indicative,,\n\
         icc,l,Ell,,toy,indicative,,\n\
         resilience-group,g,Gee,,toy,indicative,,\n",
    ),
    (
        "lineage.csv",
        "layer,predecessor,successor,relation,date,source\nicc,j,k,renamed,,a map\n",
    ),
    (
        "memberships.csv",
        "member_layer,member,layer,group,from,to,provenance\n\
         gp-practice,A00001,icc,k,,,derived\n\
         icc,k,resilience-group,g,,,official\n\
         icc,l,resilience-group,,,,official\n",
    ),
    (
        "practices.csv",
        "ods_code,name,address,postcode,telephone,status,opened,closed,sub_icb,pcn,list_size\n\
         A00001,One,1 The Street,LA1 1AA,,active,1974-04-01,,01K,,1000\n\
         A00002,Two,2 The Street,LA1 1AB,,closed,1974-04-01,2020-03-31,01K,,\n",
    ),
    (
        "practice_sites.csv",
        "ods_code,kind,postcode,easting,northing\nA00001,main,LA1 1AA,301000,401000\n",
    ),
    (
        "practice_successions.csv",
        "predecessor,successor,from\nA00002,A00001,2020-04-01\n",
    ),
    (
        "postcodes.csv",
        "postcode,easting,northing,positional_quality,status,introduced,terminated,statistical_area\n\
         LA1 1AA,301000,401000,10,live,198001,,\n\
         LA1 1AB,306000,405000,10,live,198001,,\n",
    ),
];

const BRITISH_GRID: &str = r#"PROJCS["British_National_Grid",GEOGCS["GCS_OSGB_1936",DATUM["D_OSGB_1936",SPHEROID["Airy_1830",6377563.396,299.3249646]],PRIMEM["Greenwich",0.0],UNIT["Degree",0.0174532925199433]],PROJECTION["Transverse_Mercator"],PARAMETER["False_Easting",400000.0],PARAMETER["False_Northing",-100000.0],PARAMETER["Central_Meridian",-2.0],PARAMETER["Scale_Factor",0.9996012717],PARAMETER["Latitude_Of_Origin",49.0],UNIT["Meter",1.0],AUTHORITY["EPSG","27700"]]"#;

impl World {
    /// K is a square of 10 km with a lake, an islet of its own to the south, and a village of L in
    /// it; L is the square to the east.
    fn new() -> World {
        let mut files: BTreeMap<String, Vec<u8>> = TABLES
            .iter()
            .map(|(path, text)| ((*path).to_string(), text.as_bytes().to_vec()))
            .collect();
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
            // The holes come after another part, and the second first.
            Inner(square(village.0, village.1, 2_000.0)),
            Inner(square(lake.0, lake.1, 1_000.0)),
        ]);
        let l = shapefile::Polygon::with_rings(vec![
            Outer(square(village.0, village.1, 2_000.0)),
            Outer(square(310_000.0, 400_000.0, 10_000.0)),
        ]);
        for (extension, bytes) in shapefile_of(&[("k", k), ("l", l)]) {
            files.insert(format!("areas/icc.{extension}"), bytes);
        }
        World {
            manifest: MANIFEST.into(),
            files,
        }
    }

    /// Writes it, the manifest with the digests of the files as they are.
    fn write(&self) -> TempDir {
        let folder = TempDir::new().expect("a folder");
        let manifest: Manifest = toml::from_str(&self.manifest).expect("a manifest");
        let files: Vec<(String, Vec<u8>)> = self.files.clone().into_iter().collect();
        dataset::write(&folder.path().join("toy"), manifest, &files).expect("it is written");
        folder
    }

    fn replace(mut self, file: &str, from: &str, to: &str) -> World {
        let text = String::from_utf8(self.files[file].clone()).expect("text");
        assert!(text.contains(from), "`{from}` is not in {file}");
        self.files
            .insert(file.into(), text.replacen(from, to, 1).into_bytes());
        self
    }
}

fn shapefile_of(shapes: &[(&str, shapefile::Polygon)]) -> Vec<(&'static str, Vec<u8>)> {
    use shapefile::dbase::{FieldValue, Record, TableWriterBuilder};
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("areas.shp");
    let fields =
        TableWriterBuilder::new().add_character_field("ID".try_into().expect("a field's name"), 20);
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

fn load(folder: &Path) -> Result<Index, String> {
    let dataset =
        dataset::read(&Files::Folder(folder.into())).map_err(|error| error.to_string())?;
    Index::build(dataset).map_err(|error| error.to_string())
}

/// The dataset is refused, in words that name the place.
#[track_caller]
fn check_refused(world: &World, words: &[&str]) {
    let folder = world.write();
    let error = load(&folder.path().join("toy")).expect_err("it should be refused");
    for word in words {
        assert!(error.contains(word), "`{word}` is not in: {error}");
    }
}

#[test]
fn a_shapefile_whose_holes_come_after_another_part_is_read_right() {
    let folder = World::new().write();
    let index = load(&folder.path().join("toy")).expect("it is right");
    let found = |easting: f64, northing: f64| -> Vec<String> {
        let grid = BritishGrid::from_metres(easting, northing).expect("on the grid");
        let areas = index.areas_covering(Layer::Icc, grid, DAY);
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
        ("a millimetre west of it", 309_999.999, 405_000.0, &["k"]),
    ] {
        assert_eq!(found(easting, northing), expected, "{place}");
    }
    let parts = |id: &str| {
        let boundary = index.boundary(Layer::Icc, id, DAY).expect("it has ground");
        boundary
            .grid
            .iter()
            .map(|polygon| polygon.rings.len())
            .collect::<Vec<_>>()
    };
    assert_eq!((parts("k"), parts("l")), (vec![3, 1], vec![1, 1]));

    // As shown, a corner is where the grid's own transformation puts it.
    let boundary = index.boundary(Layer::Icc, "k", DAY).expect("it has ground");
    let shown: Vec<(f64, f64)> = boundary.lonlat.0[0]
        .exterior()
        .coords()
        .map(|at| (at.x, at.y))
        .collect();
    let corner = BritishGrid::from_metres(300_000.0, 400_000.0).expect("on the grid");
    let corner: LonLat = geodesy::to_lonlat(corner).expect("on the grid");
    assert!(shown.contains(&(corner.lon(), corner.lat())));
}

fn rewrite(change: impl Fn(&mut Vec<u8>)) -> impl Fn(&Path) {
    move |file| {
        let mut bytes = fs::read(file).expect("a file");
        change(&mut bytes);
        fs::write(file, bytes).expect("a file");
    }
}

#[test]
fn a_file_that_is_not_what_the_manifest_says_is_refused_by_name() {
    let world = World::new();
    for path in world.files.keys() {
        let check = |fault: &str, break_it: &dyn Fn(&Path)| {
            let folder = world.write();
            break_it(&folder.path().join("toy").join(path));
            let error = load(&folder.path().join("toy")).expect_err(fault);
            assert!(
                error.contains(path.as_str()),
                "{fault}: `{path}` is not in: {error}"
            );
        };
        check("tampered", &rewrite(|bytes| bytes.swap(0, 2)));
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
fn a_flipped_bit_in_any_file_of_the_committed_dataset_is_refused_by_name() {
    let temporary = TempDir::new().expect("a folder");
    let folder = temporary.path();
    let files = files_of(Path::new(COMMITTED));
    fs::create_dir(folder.join("areas")).expect("a folder");
    for (path, bytes) in &files {
        fs::write(folder.join(path), bytes).expect("a file");
    }
    for (at, (path, bytes)) in files.iter().enumerate() {
        if path.as_os_str() == "dataset.toml" {
            continue;
        }
        let mut flipped = bytes.clone();
        let place = bytes.len() * (at + 1) / (files.len() + 1);
        flipped[place] ^= 1 << (at % 8);
        fs::write(folder.join(path), flipped).expect("a file");
        let error = dataset::read(&Files::Folder(folder.into())).expect_err("a bit is flipped");
        let expected = format!(
            "`{}` does not have the SHA-256 that the manifest says: it was changed",
            path.display()
        );
        assert_eq!(error.to_string(), expected);
        fs::write(folder.join(path), bytes).expect("a file");
    }
    assert!(dataset::read(&Files::Folder(folder.into())).is_ok());
}

#[test]
fn a_changed_manifest_is_refused_or_has_another_digest() {
    let folder = World::new().write();
    let folder = folder.path().join("toy");
    let manifest = fs::read(folder.join(dataset::MANIFEST)).expect("a manifest");
    let digest = dataset::read(&Files::Folder(folder.clone()))
        .expect("it is right")
        .digest;
    for at in (0..manifest.len()).step_by(5) {
        let mut flipped = manifest.clone();
        flipped[at] ^= 1 << (at % 7);
        fs::write(folder.join(dataset::MANIFEST), flipped).expect("a file");
        if let Ok(other) = dataset::read(&Files::Folder(folder.clone())) {
            assert_ne!(other.digest, digest, "byte {at}");
        }
    }
    fs::remove_file(folder.join(dataset::MANIFEST)).expect("a file");
    assert!(
        load(&folder)
            .expect_err("no manifest")
            .contains(dataset::MANIFEST)
    );
}

#[test]
fn a_path_that_leads_out_of_the_folder_is_refused() {
    for outside in [
        "../x.geojson",
        "/etc/hostname",
        "areas/../../x.geojson",
        "./x.geojson",
    ] {
        let world = World::new();
        let folder = world.write();
        let toy = folder.path().join("toy");
        fs::write(folder.path().join("x.geojson"), "{}").expect("a file");
        let text = fs::read_to_string(toy.join(dataset::MANIFEST)).expect("a manifest");
        // One that a layer reads, and one that nothing reads.
        for text in [
            text.replace("areas/icc.shp", outside),
            format!(
                "{text}\n[files.\"{outside}\"]\nsha256 = \"{}\"\nsize_bytes = 2\n",
                "0".repeat(64)
            ),
        ] {
            fs::write(toy.join(dataset::MANIFEST), text).expect("a file");
            let error = load(&toy).expect_err(outside);
            let expected =
                format!("dataset.toml: `{outside}` is not a path inside the dataset's folder");
            assert_eq!(error, expected);
        }
    }
}

#[test]
fn a_table_that_contradicts_itself_is_refused_by_its_place() {
    let world = World::new;
    check_refused(
        &world().replace("areas.csv", "icc,k,Kay,,toy,indicative,,\n", "icc,k,Kay,,toy,indicative,,2024-01-01\nicc,k,Kay and Jay,,toy,indicative,2023-12-31,\n"),
        &["icc `k` has two versions that hold on the same day"],
    );
    check_refused(
        &world().replace(
            "memberships.csv",
            "A00001,icc,k,,,derived\n",
            "A00001,icc,k,,,derived\ngp-practice,A00001,icc,l,,,derived\n",
        ),
        &["practice `A00001` belongs to `k` and to `l` on the same day"],
    );
    check_refused(
        &world().replace(
            "memberships.csv",
            "resilience-group,g",
            "resilience-group,h",
        ),
        &["the membership of icc `k` names `h`", "not in the dataset"],
    );
    check_refused(
        &world().replace("memberships.csv", "A00001", "A00009"),
        &["the membership of practice `A00009`"],
    );
    check_refused(
        &world().replace("postcodes.csv", "LA1 1AB", "LA1 1AA"),
        &[
            "postcodes.csv, line 3, column `postcode`: `LA1 1AA`",
            "each once",
        ],
    );
    check_refused(
        &world().replace("practices.csv", ",closed,", ",shut,"),
        &["practices.csv", "no column `closed` in the header"],
    );
    check_refused(
        &world().replace("practices.csv", ",closed,1974", ",shut,1974"),
        &[
            "practices.csv, line 3, column `status`: `shut`",
            "active, dormant, closed or proposed",
        ],
    );
    check_refused(
        &world().replace(
            "areas.csv",
            "icc,l,Ell,,toy,indicative,,",
            "icc,l,Ell,,toy,indicative,2024-01-01,2023-01-01",
        ),
        &["areas.csv, line 3, column `to`: `2023-01-01`"],
    );
    check_refused(
        &world().replace("areas.csv", "icc,l,Ell", "icc,m,Em"),
        &["a boundary of icc names `l`"],
    );
    check_refused(
        &world().replace("practice_sites.csv", "301000", "east"),
        &["practice_sites.csv, line 2, column `easting`: `east`"],
    );
    check_refused(
        &world().replace(
            "areas/icc.prj",
            "PROJCS[\"British_National_Grid\"",
            "PROJCS[\"OSNI_1952\"",
        ),
        &["areas/icc.shp", ".prj should say British National Grid"],
    );
}

#[test]
fn versions_that_follow_each_other_are_no_overlap() {
    let world = World::new().replace(
        "areas.csv",
        "icc,k,Kay,,toy,indicative,,\n",
        "icc,k,Kay,,toy,indicative,,2024-01-01\nicc,k,Kay and Jay,,toy,indicative,2024-01-01,\n",
    );
    let folder = world.write();
    let index = load(&folder.path().join("toy")).expect("they do not overlap");
    let name = |day| {
        index
            .area(Layer::Icc, "k", day)
            .map(|area| area.name.as_str())
    };
    assert_eq!(name(date(2023, 12, 31)), Some("Kay"));
    assert_eq!(name(date(2024, 1, 1)), Some("Kay and Jay"));
}

// ---- what a failed build leaves ----------------------------------------------------------------

/// A copy of the sources, with few postcodes so that a build takes a moment.
struct Copied(TempDir);

impl Copied {
    fn new() -> Copied {
        let folder = TempDir::new().expect("a folder");
        let sources = folder.path().join("source");
        fs::create_dir(&sources).expect("a folder");
        fs::copy("data/build.toml", folder.path().join("build.toml")).expect("a copy");
        for name in names_in(Path::new("data/source")) {
            let from = Path::new("data/source").join(&name);
            if name != "postcodes.csv" {
                fs::copy(from, sources.join(name)).expect("a copy");
                continue;
            }
            let text = fs::read_to_string(from).expect("the list");
            let some = text.lines().filter(|line| {
                line.starts_with("postcode,")
                    || line.starts_with("LA18")
                    || line.starts_with("LA22")
            });
            let some: Vec<&str> = some.collect();
            fs::write(sources.join(name), some.join("\n")).expect("a file");
        }
        Copied(folder)
    }

    fn config(&self) -> PathBuf {
        self.0.path().join("build.toml")
    }

    fn output(&self) -> PathBuf {
        self.0.path().join("lancashire-and-cumbria")
    }

    fn replace(self, file: &str, from: &str, to: &str) -> Copied {
        let path = self.0.path().join(file);
        let text = fs::read_to_string(&path).expect("a file");
        assert!(text.contains(from), "`{from}` is not in {file}");
        fs::write(path, text.replacen(from, to, 1)).expect("a file");
        self
    }
}

/// The build fails in words that name the place, and all is as it was before.
#[track_caller]
fn check_not_built(copied: &Copied, words: &[&str]) {
    fs::create_dir_all(copied.output()).expect("a folder");
    fs::write(copied.output().join("kept.txt"), "as it was").expect("a file");
    let error = build(&copied.config(), None).expect_err("it should not build");
    let error = format!("{error:#}");
    for word in words {
        assert!(error.contains(word), "`{word}` is not in: {error}");
    }
    assert_eq!(names_in(&copied.output()), ["kept.txt"]);
    assert_eq!(
        names_in(copied.0.path()),
        ["build.toml", "lancashire-and-cumbria", "source"]
    );
}

#[test]
fn a_failed_build_names_the_place_and_leaves_the_old_folder_and_no_other() {
    let copied = Copied::new;
    check_not_built(
        &copied().replace("source/practices.csv", "list_size_2021", "list_size"),
        &["source/practices.csv: no column `list_size_2021` in the header"],
    );
    check_not_built(
        &copied().replace(
            "build.toml",
            "source/practice_sites.csv",
            "source/sites.csv",
        ),
        &["reading source/sites.csv"],
    );
    check_not_built(
        &copied().replace("source/resilience_groups.csv", "mb-kendal,", "mb-kendall,"),
        &["source/resilience_groups.csv: member `mb-kendall` is no area of the history"],
    );
    check_not_built(
        &copied().replace(
            "source/lsoa11_icc.csv",
            "E01019139,Barrow-in-Furness 010B,01K,mb-barrow-and-millom",
            "E01019138,Barrow-in-Furness 010B,01K,mb-kendal",
        ),
        &["source/lsoa11_icc.csv: `E01019138` lies in `mb-barrow-and-millom` and in `mb-kendal`"],
    );
    check_not_built(
        &copied().replace("source/lsoa11_icc.csv", "E01019138", "E01099999"),
        &["source/lsoa11_icc.csv: `E01099999` is not one of the statistical areas"],
    );
    check_not_built(
        &copied().replace(
            "source/postcodes.csv",
            "\nLA18 4BY,317396",
            "\nLA18 4BY,east",
        ),
        &["source/postcodes.csv, line ", "column `easting`: `east`"],
    );
}

#[test]
fn a_build_whose_parts_contradict_each_other_leaves_the_old_folder_and_no_other() {
    let again = |line_of: &str, from: &str, to: &str| {
        let text = fs::read_to_string("data/source/practices.csv").expect("the table");
        let line = text
            .lines()
            .find(|line| line.starts_with(line_of))
            .expect("it is listed");
        (
            line.to_string(),
            format!("{line}\n{}", line.replace(from, to)),
        )
    };
    let (line, twice) = again("A82608,", ",mb-east,East,", ",mb-kendal,Kendal,");
    assert_ne!(format!("{line}\n{line}"), twice);
    check_not_built(
        &Copied::new().replace("source/practices.csv", &line, &twice),
        &["A82608"],
    );
    check_not_built(
        &Copied::new().replace("source/postcodes.csv", "\nLA18 4DB,", "\nLA18 4BY,"),
        &["postcodes.csv", "`LA18 4BY`"],
    );
}
