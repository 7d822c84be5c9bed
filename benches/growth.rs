//! Measures how the start-up time and the memory of the service grow with its data, from one 64th
//! of the country to the whole country. The data include practice catchments.
//!
//! For each size, the benchmark starts `catchment serve` with a dataset in a folder. The benchmark
//! measures the time from the start of the process to the first response over HTTP, and the peak
//! memory of the process (`VmHWM` on Linux). As in the other benchmarks, the country is real or
//! synthetic.

mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use catchment::dataset::{LayerEntry, LayerKind, Manifest, StatisticalAreasEntry, write};
use catchment::domain::{Boundary, Layer, LayerRole, Provenance};
use catchment::geodesy::to_lonlat;
use common::rounds::median;
use common::{Country, Point, count_vertices, grid_from_mm, synthetic};
use jiff::civil::date;
use tempfile::TempDir;

const ROUNDS: usize = 3;
/// The targets for loading the whole country on two cores, in seconds and in megabytes.
const SECONDS_MAX: f64 = 3.0;
const MEMORY_MB_MAX: f64 = 400.0;

fn main() {
    let country = Country::new();
    let catchments = synthetic::catchments(&country.people);
    let folder = TempDir::new().expect("a folder");
    println!("Time from start to first response, {}\n", country.title());
    println!("| part | postcodes | LSOAs | practices | vertices | seconds | peak MB |");
    println!("|---:|---:|---:|---:|---:|---:|---:|");
    for part in [64, 32, 16, 8, 4, 2, 1] {
        let path = folder.path().join(format!("part-{part}"));
        let sizes = write_dataset(&path, &country, &catchments, part);
        let starts: Vec<(f64, f64)> = (0..ROUNDS).map(|_| measure_start(&path)).collect();
        let seconds = median(starts.iter().map(|value| value.0).collect());
        let memory_mb = median(starts.iter().map(|value| value.1).collect());
        println!("| 1/{part} | {sizes} | {seconds:.2} | {memory_mb:.0} |");
        if part == 1 && (seconds > SECONDS_MAX || memory_mb > MEMORY_MB_MAX) {
            println!("\ntarget missed: at most {SECONDS_MAX} s and {MEMORY_MB_MAX} MB");
        }
        fs::remove_dir_all(path).expect("the folder exists");
    }
}

/// Writes a dataset with every `part`-th postcode, LSOA and practice. Returns the cells of the
/// printed table: the numbers of postcodes, LSOAs, practices and vertices.
fn write_dataset(folder: &Path, country: &Country, catchments: &[Boundary], part: usize) -> String {
    let some = |all: &[Boundary]| all.iter().step_by(part).cloned().collect::<Vec<_>>();
    let (lsoas, practices) = (some(&country.lsoas), some(catchments));
    let people: Vec<Point> = country.people.iter().step_by(part).copied().collect();
    let files = vec![
        (
            "areas/lsoa11.geojson".to_string(),
            geojson(&lsoas, |index| lsoas[index].id.clone()),
        ),
        (
            "areas/gp-practice.geojson".to_string(),
            geojson(&practices, practice_code),
        ),
        ("postcodes.csv".to_string(), postcode_table(&people)),
        ("practices.csv".to_string(), practice_table(practices.len())),
    ];
    write(folder, manifest(), &files).expect("a dataset");
    let vertices = count_vertices(&lsoas) + count_vertices(&practices);
    format!(
        "{} | {} | {} | {vertices}",
        people.len(),
        lsoas.len(),
        practices.len()
    )
}

/// Returns the ODS code of a practice: `A00000` for index 0, and so on.
fn practice_code(index: usize) -> String {
    format!("A{index:05}")
}

fn practice_table(count: usize) -> Vec<u8> {
    let mut text = String::from(
        "ods_code,name,address,postcode,telephone,status,opened,closed,sub_icb,pcn,list_size\n",
    );
    for index in 0..count {
        let code = practice_code(index);
        writeln!(
            text,
            "{code},Surgery {index},1 High Street,,,active,,,,,8000"
        )
        .expect("a String");
    }
    text.into_bytes()
}

/// Returns a table with a postcode for each point, in ascending order from `AB0 0AA`.
fn postcode_table(people: &[Point]) -> Vec<u8> {
    // 60 postcode areas of two letters, in order, and the twenty letters that are valid in inward
    // codes. Together they give 2.4 million postcodes.
    const AREAS: [&str; 60] = [
        "AB", "AL", "BA", "BB", "BD", "BH", "BL", "BN", "BR", "BS", "CA", "CB", "CF", "CH", "CM",
        "CO", "CR", "CT", "CV", "CW", "DA", "DD", "DE", "DG", "DH", "DL", "DN", "DT", "DY", "EH",
        "EN", "EX", "FK", "FY", "GL", "GU", "HA", "HD", "HG", "HP", "HR", "HS", "HU", "HX", "IG",
        "IP", "IV", "KA", "KT", "KW", "KY", "LA", "LD", "LE", "LL", "LN", "LS", "LU", "ME", "MK",
    ];
    const INWARD: &[u8] = b"ABDEFGHJLNPQRSTUWXYZ";
    let mut text = String::from(
        "postcode,easting,northing,positional_quality,status,introduced,terminated,statistical_area,user\n",
    );
    for (index, (x, y)) in people.iter().enumerate() {
        let digit = |unit: usize| index / unit % 10;
        let letter = |of: &[u8], unit: usize| char::from(of[index / unit % of.len()]);
        // The last letter changes fastest, so that the postcodes are sorted.
        let inward = (digit(400), letter(INWARD, 20), letter(INWARD, 1));
        let outward = (AREAS[index / 40_000], digit(4_000));
        let (easting, northing) = (f64::from(*x) / 1e3, f64::from(*y) / 1e3);
        writeln!(
            text,
            "{}{} {}{}{},{easting},{northing},10,live,,,,",
            outward.0, outward.1, inward.0, inward.1, inward.2
        )
        .expect("a String");
    }
    text.into_bytes()
}

fn geojson(boundaries: &[Boundary], id: impl Fn(usize) -> String) -> Vec<u8> {
    let mut text = String::from("{\"type\":\"FeatureCollection\",\"features\":[");
    for (index, boundary) in boundaries.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let id = id(index);
        write!(
            text,
            "{comma}\n{{\"type\":\"Feature\",\"properties\":{{\"id\":\"{id}\"}},\
             \"geometry\":{{\"type\":\"MultiPolygon\",\"coordinates\":["
        )
        .expect("a String");
        for (index, polygon) in boundary.grid.iter().enumerate() {
            let rings: Vec<String> = polygon
                .rings
                .iter()
                .map(|ring| ring_coordinates(ring))
                .collect();
            let comma = if index == 0 { "" } else { "," };
            write!(text, "{comma}[{}]", rings.join(",")).expect("a String");
        }
        text.push_str("]}}");
    }
    text.push_str("\n]}\n");
    text.into_bytes()
}

fn ring_coordinates(ring: &[catchment::domain::BritishGrid]) -> String {
    let closed = ring.iter().chain(ring.first());
    let positions = closed.map(|vertex| {
        let lonlat = to_lonlat(clamp_to_grid(*vertex)).expect("on the grid");
        format!("[{:.7},{:.7}]", lonlat.lon(), lonlat.lat())
    });
    format!("[{}]", positions.collect::<Vec<_>>().join(","))
}

/// Moves a vertex of a synthetic catchment onto the grid, because OSTN15 has no shifts outside the
/// grid.
fn clamp_to_grid(vertex: catchment::domain::BritishGrid) -> catchment::domain::BritishGrid {
    grid_from_mm((
        vertex.easting_mm().clamp(1_000_000, 699_000_000),
        vertex.northing_mm().clamp(1_000_000, 1_249_000_000),
    ))
}

fn manifest() -> Manifest {
    Manifest {
        name: "growth".into(),
        version: "1".into(),
        title: "A part of the country".into(),
        as_of: date(2026, 4, 30),
        released: None,
        publisher: None,
        attribution: "Contains OS and ONS data, or is synthetic".into(),
        licence: "https://example.org/licence".into(),
        tolerance_m: 100.0,
        undated_terminations_after: None,
        attributes: Vec::new(),
        complete_outcodes: Vec::new(),
        postcodes_date: None,
        practices_date: None,
        homes_date: None,
        statistical_areas: Some(StatisticalAreasEntry {
            id: "lsoa11".into(),
            title: "LSOAs".into(),
            boundaries: "areas/lsoa11.geojson".into(),
            snap_m: 150.0,
            data_date: None,
        }),
        layers: vec![LayerEntry {
            id: Layer::declare("gp-practice").expect("an id"),
            title: "GP practices".into(),
            singular: "GP practice".into(),
            abbreviation: None,
            noun: None,
            kind: LayerKind::Overlapping,
            role: LayerRole::PracticeCatchment,
            parent: None,
            organisation: None,
            first_data: date(2022, 4, 1),
            provenance: Provenance::Modelled,
            boundaries: Some("areas/gp-practice.geojson".into()),
            postcode_column: None,
            on_statistical_areas: false,
            snap_m: 0.0,
            first_memberships: None,
            members_from: None,
            data_date: None,
            accuracy: None,
        }],
        sources: Vec::new(),
        files: BTreeMap::new(),
    }
}

/// Starts the service with the dataset in a folder. Returns the time until its first response in
/// seconds, and its peak memory in MB.
fn measure_start(folder: &Path) -> (f64, f64) {
    let start = Instant::now();
    let mut service = Command::new(env!("CARGO_BIN_EXE_catchment"))
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--log-level",
            "error",
            "--data",
        ])
        .arg(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let address = read_address(&mut service);
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(Duration::from_secs(60)))
        .build()
        .new_agent();
    let url = format!("{address}api/v1/locate?easting=400000&northing=400000");
    let answer = agent.get(&url).call().expect("a response");
    assert_eq!(answer.status().as_u16(), 200);
    let seconds = start.elapsed().as_secs_f64();
    let memory_mb = peak_memory_mb(service.id());
    service.kill().expect("the program runs");
    service.wait().expect("the program ends");
    (seconds, memory_mb)
}

/// Reads the address on which the service listens.
fn read_address(service: &mut Child) -> String {
    let stderr = BufReader::new(service.stderr.take().expect("standard error is piped"));
    let mut lines = stderr.lines().map(|line| line.expect("text"));
    let line = lines
        .find(|line| line.contains("listening on "))
        .expect("the service prints its address");
    let (_, url) = line
        .split_once("listening on ")
        .expect("the line names the address");
    url.split_whitespace().next().expect("a URL").to_string()
}

fn peak_memory_mb(process: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kilobytes.map_or(f64::NAN, |text| {
        text.parse::<f64>().expect("a number") / 1_000.0
    })
}
