//! Measures the time and memory for loading a dataset that is as large as England and has 40
//! layers.

use std::fmt::Write as _;
use std::fs;
use std::time::Instant;

use catchment::dataset::{self, DatasetSource};
use catchment::index::{Index, LocateQuery, Locator};
use jiff::civil::date;
use tempfile::TempDir;

use crate::support::layer;
use crate::support::process::memory_kb;

/// The number of LSOAs of England and Wales in 2011.
const AREA_COUNT: usize = 34_753;
/// The number of LSOAs in a row of the grid.
const ROW_LENGTH: usize = 187;
const LAYER_COUNT: usize = 40;
/// The number of postcodes in each LSOA.
const POSTCODES_PER_AREA: usize = 5;
const SIDE_M: usize = 1_000;
/// The number of vertices along each side of an LSOA.
const SIDE_VERTICES: usize = 4;
/// The number of LSOAs along each side of an area of each layer. The numbers of areas are similar
/// to those in England: two layers with as many areas as there are LSOAs (35,000), wards (9,000) on
/// six dates, MSOAs (4,000), neighbourhoods and Primary Care Networks (1,400), councils (250), and
/// larger areas.
#[rustfmt::skip]
const BLOCK_SIDES: [usize; LAYER_COUNT] = [
    5, 8, 12, // communities
    5, 5, 8, // networks
    8, 8, 12, 12, 12, 12, 12, 20, 20, 20, 20, 40, 40, 40, 40, // administrative areas
    1, 1, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 5, 5, 5, 8, 8, 12, 20, // statistical areas
];

const BUDGET_S: f64 = 4.0;
const BUDGET_MB: u64 = 600;

/// Returns the column and row of an LSOA.
fn cell(index: usize) -> (usize, usize) {
    (index % ROW_LENGTH, index / ROW_LENGTH)
}

fn code(index: usize) -> String {
    format!("E01{:06}", 900_000 + index)
}

/// Returns the code of the area of a layer that contains an LSOA.
fn area_of(layer: usize, index: usize) -> String {
    let side = BLOCK_SIDES[layer];
    let (column, row) = cell(index);
    format!("l{layer}-{}-{}", column / side, row / side)
}

/// Returns the postcode for a number. Different numbers have different postcodes.
fn postcode(number: usize) -> String {
    const LETTERS: &[u8] = b"ABDEFGHJLNPQRSTUWXYZ";
    let (unit, rest) = (number % 400, number / 400);
    let (sector, district) = (rest % 10, rest / 10);
    let area = ["LE", "LN", "NG"][district / 90];
    let (first, second) = (LETTERS[unit / 20] as char, LETTERS[unit % 20] as char);
    format!("{area}{} {sector}{first}{second}", 10 + district % 90)
}

fn lsoa_boundaries() -> String {
    let mut text = String::from(
        r#"{"type":"FeatureCollection","crs":{"type":"name","properties":{"name":"urn:ogc:def:crs:EPSG::27700"}},"features":["#,
    );
    let step = SIDE_M / SIDE_VERTICES;
    for index in 0..AREA_COUNT {
        let (column, row) = cell(index);
        let (west, south) = (400_000 + column * SIDE_M, 200_000 + row * SIDE_M);
        let along = (0..SIDE_M).step_by(step);
        let mut ring: Vec<(usize, usize)> = Vec::new();
        ring.extend(along.clone().map(|offset| (west + offset, south)));
        ring.extend(along.clone().map(|offset| (west + SIDE_M, south + offset)));
        ring.extend(
            along
                .clone()
                .map(|offset| (west + SIDE_M - offset, south + SIDE_M)),
        );
        ring.extend(along.map(|offset| (west, south + SIDE_M - offset)));
        ring.push(ring[0]);
        let ring: Vec<String> = ring.iter().map(|(x, y)| format!("[{x},{y}]")).collect();
        let separator = if index == 0 { "" } else { "," };
        let code = code(index);
        write!(
            text,
            r#"{separator}{{"type":"Feature","properties":{{"code":"{code}","name":"{code}"}},"geometry":{{"type":"Polygon","coordinates":[[{}]]}}}}"#,
            ring.join(",")
        )
        .expect("writing to a string");
    }
    text + "]}"
}

fn build(folder: &TempDir) -> std::path::PathBuf {
    let write = |name: &str, text: String| fs::write(folder.path().join(name), text);
    write("lsoa.geojson", lsoa_boundaries()).expect("a file");
    let mut areas = String::from("code");
    for layer in 0..LAYER_COUNT {
        write!(areas, ",l{layer}").expect("writing to a string");
    }
    for index in 0..AREA_COUNT {
        write!(areas, "\n{}", code(index)).expect("writing to a string");
        for layer in 0..LAYER_COUNT {
            write!(areas, ",{}", area_of(layer, index)).expect("writing to a string");
        }
    }
    write("areas.csv", areas).expect("a file");
    let mut postcodes = String::from(
        "postcode,easting,northing,code_point_quality,status,introduced,terminated,lsoa11cd,sub_icb\n",
    );
    for index in 0..AREA_COUNT {
        let (column, row) = cell(index);
        for place in 0..POSTCODES_PER_AREA {
            writeln!(
                postcodes,
                "{},{},{},10,live,198001,,{},",
                postcode(index * POSTCODES_PER_AREA + place),
                400_000 + column * SIDE_M + 100 + place * 150,
                200_000 + row * SIDE_M + 100 + place * 150,
                code(index)
            )
            .expect("writing to a string");
        }
    }
    write("postcodes.csv", postcodes).expect("a file");
    let mut config = String::from(
        r#"name = "forty"
version = "1"
title = "Forty layers"
as_of = "2026-01-31"
attribution = "Invented for tests."
licence = "https://example.org/licence"
tolerance_m = 100
output = "forty"
sources = []

[postcodes]
directories = [{ format = "postcode-list", file = "postcodes.csv" }]

[statistical_areas]
id = "lsoa11"
title = "LSOAs"
boundaries = "lsoa.geojson"
code = "code"
name = "name"
snap_m = 0
"#,
    );
    for layer in 0..LAYER_COUNT {
        let role = match layer {
            0..=2 => "community",
            3..=5 => "network",
            6..=20 => "administrative",
            _ => "statistical",
        };
        write!(
            config,
            r#"
[[layers]]
id = "l{layer}"
title = "Areas {layer}"
singular = "Area {layer}"
kind = "partition"
role = "{role}"
first_data = "2020-01-01"
provenance = "official"
[[layers.methods]]
lookup = {{ file = "areas.csv", columns = {{ code = "code", area = "l{layer}", name = "l{layer}" }} }}
"#
        )
        .expect("writing to a string");
    }
    write("build.toml", config).expect("a file");
    catchment::builder::build(&folder.path().join("build.toml"), None).expect("a dataset");
    folder.path().join("forty")
}

/// Returns the average time of a look-up in nanoseconds.
fn look_up_ns(index: &Index, ids: Option<&[&str]>) -> u128 {
    const COUNT: usize = 20_000;
    let layers = ids.map(|ids| ids.iter().map(|id| layer(id)).collect());
    let queries: Vec<LocateQuery> = (0..COUNT)
        .map(|number| {
            let text = postcode(number * 7 % (AREA_COUNT * POSTCODES_PER_AREA));
            let postcode = text.parse().expect("a postcode");
            LocateQuery {
                locator: Some(Locator::Postcode(postcode)),
                practice: None,
                as_of: date(2026, 1, 31),
            }
        })
        .collect();
    let started = Instant::now();
    for query in &queries {
        let answer = match layers {
            Some(layers) => index.locate_layers(query, layers),
            None => index.locate(query),
        };
        assert!(!answer.residence.is_empty());
    }
    started.elapsed().as_nanos() / COUNT as u128
}

/// Run this test with `--ignored` in an optimised build. `CATCHMENT_FORTY` specifies a folder for
/// the dataset, so that it is built only once and the memory for the build is not measured.
#[test]
#[ignore = "takes minutes, and its limits are those of an optimised build"]
fn forty_layers_load_within_the_budget() {
    let folder = TempDir::new().expect("a folder");
    let kept = std::env::var("CATCHMENT_FORTY").ok();
    let data = match kept {
        Some(kept) => {
            if !std::path::Path::new(&kept).exists() {
                dataset_copy(&build(&folder), &kept);
            }
            kept.into()
        }
        None => build(&folder),
    };
    let memory_mb = |name| memory_kb(std::process::id(), name) / 1024;
    let before_mb = memory_mb("VmRSS:");
    let started = Instant::now();
    let read = dataset::read(&DatasetSource::Folder(data)).expect("a dataset");
    let read_s = started.elapsed().as_secs_f64();
    let index = Index::build(read).expect("the dataset is valid");
    let loaded_s = started.elapsed().as_secs_f64();
    let (now_mb, peak_mb) = (memory_mb("VmRSS:"), memory_mb("VmHWM:"));
    let all_ns = look_up_ns(&index, None);
    let one_ns = look_up_ns(&index, Some(&["l0"]));
    println!(
        "read in {read_s:.2} s, loaded in {loaded_s:.2} s; {before_mb} MB before, {now_mb} MB \
         after, peak {peak_mb} MB; a look-up takes {all_ns} ns in all layers and {one_ns} ns in one"
    );
    assert!(loaded_s < BUDGET_S, "{loaded_s:.2} s");
    assert!(now_mb < BUDGET_MB, "{now_mb} MB");
    assert!(one_ns * 2 < all_ns, "{one_ns} of {all_ns} ns");
}

fn dataset_copy(from: &std::path::Path, to: &str) {
    fs::rename(from, to).expect("a folder on the same disk");
}
