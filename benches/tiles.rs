//! Measures the size of a tile, the time to build a tile, and the number of requests for tiles per
//! second. The request rate is compared with the rate of a bare axum handler that returns the same
//! bytes.
//!
//! `CATCHMENT_NATIONAL` is the folder of the national dataset (docs/users/national-data.md). If the
//! variable is not set, the benchmark skips the measurements of the whole country. An argument
//! (`bytes`, `build` or `rate`) selects one measurement. The measurement of the request rate needs
//! wrk.

mod common;

use std::collections::HashMap;
use std::f64::consts::TAU;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Bytes;
use axum::http::{StatusCode, Uri, header};
use axum::response::IntoResponse;

use catchment::dataset::{DatasetSource, read};
use catchment::domain::Boundary;
use catchment::http::{App, ServerLimits, router, serve};
use catchment::index::Index;
use catchment::ops::dataset_store::DatasetStore;
use catchment::tiles::{TileArea, TileCoord, TiledLayer};
use common::borders::SIXTY_AREAS;
use common::rounds::median;
use fast_mvt::{MvtCoord, MvtGeomType, MvtLayerBuilder};
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

fn main() {
    let selected = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let is_selected = |name: &str| selected.as_ref().is_none_or(|word| word == name);
    if is_selected("bytes") {
        print_tile_size();
    }
    if is_selected("build") {
        measure_builds();
    }
    if is_selected("rate") {
        measure_request_rate();
    }
}

fn tiled_layer(boundaries: &[Boundary], is_partition: bool) -> TiledLayer {
    let areas = (1..)
        .zip(boundaries)
        .map(|(feature_id, boundary)| TileArea {
            feature_id,
            boundary,
            name: &boundary.id,
            provenance: "indicative",
        });
    TiledLayer::new("icc", is_partition, areas)
}

fn gzipped_size(bytes: &[u8]) -> usize {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder
        .write_all(bytes)
        .expect("writing to memory succeeds");
    encoder.finish().expect("writing to memory succeeds").len()
}

/// Prints the size of one tile. The target is at most 6.5 kB after gzip.
fn print_tile_size() {
    let areas = SIXTY_AREAS.areas();
    println!("60 synthetic areas with 77,010 vertices in total, all on one tile of zoom 6");
    let rounded = tile_of_rounded_vertices(&areas);
    println!(
        "vertices only rounded: {} bytes, {} gzipped",
        rounded.len(),
        gzipped_size(&rounded)
    );
    let tile = tile(&tiled_layer(&areas, true), 6, 31, 20).expect("the tile is not empty");
    println!(
        "ours: {} bytes, {} gzipped",
        tile.len(),
        gzipped_size(&tile)
    );
    assert!(gzipped_size(&tile) <= 6_500, "more than 6.5 kB");
}

/// Encodes the same tile with every vertex rounded to whole units of the tile and consecutive
/// duplicates removed, as spatial databases do.
fn tile_of_rounded_vertices(areas: &[Boundary]) -> Vec<u8> {
    let units = f64::from(1 << (6 + 12));
    #[expect(clippy::cast_possible_truncation, reason = "at most 2^18")]
    let to_units = |fraction: f64, tile: i32| (fraction * units).round() as i32 - tile * 4_096;
    let project = |lonlat: &geo::Coord| MvtCoord {
        x: to_units(lonlat.x / 360.0 + 0.5, 31),
        y: to_units(0.5 - lonlat.y.to_radians().tan().asinh() / TAU, 20),
    };
    let mut layer = MvtLayerBuilder::new("icc").expect("a name");
    for (feature_id, area) in (1..).zip(areas) {
        let mut feature = layer.feature_of(MvtGeomType::Polygon);
        feature.id(Some(feature_id));
        for (key, value) in [
            ("id", &area.id[..]),
            ("name", &area.id),
            ("provenance", "indicative"),
        ] {
            feature.tag(key, value).expect("few tags");
        }
        feature.tag("mapcolor7", feature_id % 7).expect("few tags");
        let mut ring: Vec<MvtCoord> = area.lonlat.0[0].exterior().coords().map(project).collect();
        ring.dedup();
        feature.ring(ring, true).expect("a ring");
        layer = feature.end();
    }
    layer.encode()
}

fn tile(layer: &TiledLayer, z: u8, x: u32, y: u32) -> Option<Vec<u8>> {
    let coord = TileCoord::new(z, x, y).expect("the tile exists");
    layer.tile(coord).expect("the tile can be encoded")
}

fn measure_builds() {
    let embedded = read(&DatasetSource::Embedded).expect("the embedded dataset is valid");
    for (layer, boundaries) in &embedded.boundaries {
        if ["icc", "gp-practice"].contains(&layer.as_str()) {
            measure_layer(layer.as_str(), boundaries, layer.as_str() == "icc");
        }
    }
    measure_layer("60 synthetic areas", &SIXTY_AREAS.areas(), true);
    match common::national_folder() {
        Some(folder) => {
            let dataset = read(&DatasetSource::Folder(folder))
                .expect("CATCHMENT_NATIONAL is a valid dataset");
            measure_layer(
                "LSOAs of England and Wales",
                &dataset.statistical_boundaries,
                true,
            );
        }
        None => {
            println!("SKIPPED England and Wales: set CATCHMENT_NATIONAL to the national dataset")
        }
    }
}

/// Prints the time to build a layer, to build each zoom of the layer, and to build the tiles of
/// each zoom.
fn measure_layer(name: &str, boundaries: &[Boundary], is_partition: bool) {
    let start = Instant::now();
    let layer = tiled_layer(boundaries, is_partition);
    let vertices: usize = boundaries
        .iter()
        .flat_map(|boundary| &boundary.grid)
        .flat_map(|polygon| &polygon.rings)
        .map(Vec::len)
        .sum();
    println!(
        "\n{name}: {} areas, {vertices} vertices, topology in {:.1} ms\n",
        boundaries.len(),
        elapsed_ms(start)
    );
    println!(
        "| {:>4} | {:>8} | {:>6} | {:>9} | {:>9} | {:>9} | {:>9} |",
        "zoom", "zoom ms", "tiles", "median ms", "max ms", "max bytes", "gzipped"
    );
    let mut coords: Vec<(u32, u32)> = vec![(0, 0)];
    for z in 0..=16 {
        let start = Instant::now();
        tile(&layer, z, 0, 0);
        let zoom_ms = elapsed_ms(start);
        let mut times = Vec::new();
        let mut largest = Vec::new();
        let mut present = Vec::new();
        for &(x, y) in &coords {
            let start = Instant::now();
            let bytes = tile(&layer, z, x, y);
            times.push(elapsed_ms(start));
            let Some(bytes) = bytes else { continue };
            present.push((x, y));
            if bytes.len() > largest.len() {
                largest = bytes;
            }
        }
        let max_ms = times.iter().copied().fold(0.0, f64::max);
        println!(
            "| {z:>4} | {zoom_ms:>8.1} | {:>6} | {:>9.2} | {max_ms:>9.2} | {:>9} | {:>9} |",
            present.len(),
            median(times),
            largest.len(),
            gzipped_size(&largest)
        );
        // Build only the children of at most 200 tiles of each zoom.
        let step = present.len().div_ceil(200).max(1);
        let children = |(x, y): (u32, u32)| {
            [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(e, s)| (2 * x + e, 2 * y + s))
        };
        coords = present
            .into_iter()
            .step_by(step)
            .flat_map(children)
            .collect();
    }
    println!("{:.1} MB with all zooms", layer.size_bytes() as f64 / 1e6);
}

fn elapsed_ms(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1_000.0
}

const ROUNDS: usize = 5;
const SECONDS: &str = "3";
const CONNECTIONS: &str = "32";

/// Measures the requests per second for the tiles of a map of four by four tiles. The target is 0.7
/// times the rate of the bare handler.
fn measure_request_rate() {
    if Command::new("wrk").arg("-v").output().is_err() {
        println!("SKIPPED: wrk is not installed");
        return;
    }
    let runtime = Runtime::new().expect("the runtime starts");
    let dataset = read(&DatasetSource::Embedded).expect("the embedded dataset is valid");
    let index = Index::build(dataset).expect("the dataset is consistent");
    let ours = start(
        &runtime,
        router(App::new(Arc::new(DatasetStore::fixed(index)))),
    );
    println!("\nrequests per second, sixteen tiles in turn, gzip\n");
    for layers in ["icc", "icc,gp-practice"] {
        let tiles = (250..254).flat_map(|x| (161..165).map(move |y| (x, y)));
        let paths: Vec<String> = tiles
            .map(|(x, y)| format!("/tiles/{layers}/9/{x}/{y}.mvt"))
            .collect();
        let bodies: HashMap<String, Bytes> = paths
            .iter()
            .map(|path| (path.clone(), get(ours, path)))
            .collect();
        let sizes: Vec<usize> = bodies.values().map(Bytes::len).collect();
        assert!(
            sizes.iter().filter(|&&size| size > 0).count() >= 8,
            "too few tiles"
        );
        let bare = start(&runtime, bare_router(bodies));
        let mut rounds: Vec<[f64; 2]> = (0..ROUNDS)
            .map(|_| [ours, bare].map(|address| requests_per_second(address, &paths)))
            .collect();
        rounds.sort_by(|a, b| (a[0] / a[1]).total_cmp(&(b[0] / b[1])));
        let [ours, bare] = rounds[ROUNDS / 2];
        println!(
            "{layers}, {} bytes each: ours {ours:.0}, bare {bare:.0}, ratio {:.2}, target 0.70",
            sizes.iter().sum::<usize>() / sizes.len(),
            ours / bare
        );
    }
}

fn start(runtime: &Runtime, router: axum::Router) -> SocketAddr {
    let listener = runtime
        .block_on(TcpListener::bind("127.0.0.1:0"))
        .expect("a port is free");
    let address = listener.local_addr().expect("the listener has an address");
    runtime.spawn(serve(
        listener,
        router,
        ServerLimits::default(),
        std::future::pending(),
    ));
    address
}

/// Returns a router that responds to the path of a tile with its body from a hash map.
fn bare_router(bodies: HashMap<String, Bytes>) -> axum::Router {
    let bodies = Arc::new(bodies);
    let handler = async move |uri: Uri| match bodies.get(uri.path()) {
        Some(body) if body.is_empty() => StatusCode::NO_CONTENT.into_response(),
        Some(body) => {
            let headers = [
                (header::CONTENT_TYPE, "application/vnd.mapbox-vector-tile"),
                (header::CONTENT_ENCODING, "gzip"),
            ];
            (headers, body.clone()).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    };
    axum::Router::new().route("/tiles/{layers}/{z}/{x}/{y}", axum::routing::get(handler))
}

/// Requests a path and returns the body of the response.
fn get(address: SocketAddr, path: &str) -> Bytes {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
    );
    stream
        .write_all(request.as_bytes())
        .expect("the server reads");
    let mut response = Vec::new();
    stream
        .read_to_end(&mut response)
        .expect("the server responds");
    assert!(response.starts_with(b"HTTP/1.1 20"), "{path}: not found");
    let head = response
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .expect("the response has headers");
    response.split_off(head + 4).into()
}

/// Runs wrk and returns the number of requests per second.
fn requests_per_second(address: SocketAddr, paths: &[String]) -> f64 {
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("tiles.lua");
    let mut lua = "local paths = {\n".to_string();
    for path in paths {
        writeln!(lua, "  '{path}',").expect("writing to a String");
    }
    lua += "}\nlocal index = 0\nrequest = function()\n  index = index % #paths + 1\n  \
            return wrk.format('GET', paths[index], { ['Accept-Encoding'] = 'gzip' })\nend\n";
    std::fs::write(&script, lua).expect("a file");
    let output = Command::new("wrk")
        .args(["-t1", "-c", CONNECTIONS, "-d", SECONDS, "-s"])
        .arg(&script)
        .arg(format!("http://{address}"))
        .output()
        .expect("wrk runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains("Non-2xx"), "{text}");
    let rest = text
        .split("Requests/sec:")
        .nth(1)
        .expect("wrk reports the value");
    let rate = rest.split_whitespace().next().expect("a rate");
    rate.parse().expect("a number")
}
