//! How many bytes a tile has, how long making one takes, and how many a second the service hands out
//! beside a bare axum handler that returns the same bytes.
//!
//! `CATCHMENT_NATIONAL` names the dataset that docs/national-data.md makes; without it the country is
//! made up. A word on the command line (`bytes`, `making`, `rate`) chooses a part. The rate needs wrk.

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

use catchment::dataset::{Files, read};
use catchment::domain::Boundary;
use catchment::http::{App, Limits, router, serve};
use catchment::index::Index;
use catchment::releases::Live;
use catchment::tiles::{Shapes, TileAddress, TileArea};
use common::borders::SIXTY;
use common::rounds::median;
use fast_mvt::{MvtCoord, MvtGeomType, MvtLayerBuilder};
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

fn main() {
    let chosen = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let is_chosen = |name: &str| chosen.as_ref().is_none_or(|word| word == name);
    if is_chosen("bytes") {
        bytes();
    }
    if is_chosen("making") {
        making();
    }
    if is_chosen("rate") {
        rate();
    }
}

fn shapes_of(boundaries: &[Boundary], is_partition: bool) -> Shapes {
    let areas = (1..).zip(boundaries).map(|(number, boundary)| TileArea {
        number,
        boundary,
        name: &boundary.id,
        provenance: "indicative",
    });
    Shapes::new("icc", is_partition, areas)
}

fn gzipped(bytes: &[u8]) -> usize {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("to memory");
    encoder.finish().expect("to memory").len()
}

/// The goal is 6.5 kB gzipped.
fn bytes() {
    let areas = SIXTY.areas();
    println!("60 made-up areas of 77,010 vertices, all on one tile of zoom 6");
    let rounded = rounded(&areas);
    println!(
        "vertices rounded: {} bytes, {} gzipped",
        rounded.len(),
        gzipped(&rounded)
    );
    let tile = tile(&shapes_of(&areas, true), 6, 31, 20).expect("they are there");
    println!("ours: {} bytes, {} gzipped", tile.len(), gzipped(&tile));
    assert!(gzipped(&tile) <= 6_500, "more than 6.5 kB");
}

/// The same tile with every vertex rounded to units and repetitions left out, as databases do it.
fn rounded(areas: &[Boundary]) -> Vec<u8> {
    let units = f64::from(1 << (6 + 12));
    #[expect(clippy::cast_possible_truncation, reason = "at most 2^18")]
    let unit = |part: f64, corner: i32| (part * units).round() as i32 - corner * 4_096;
    let project = |at: &geo::Coord| MvtCoord {
        x: unit(at.x / 360.0 + 0.5, 31),
        y: unit(0.5 - at.y.to_radians().tan().asinh() / TAU, 20),
    };
    let mut layer = MvtLayerBuilder::new("icc").expect("a name");
    for (number, area) in (1..).zip(areas) {
        let mut feature = layer.feature_of(MvtGeomType::Polygon);
        feature.id(Some(number));
        for (key, value) in [
            ("id", &area.id[..]),
            ("name", &area.id),
            ("provenance", "indicative"),
        ] {
            feature.tag(key, value).expect("few tags");
        }
        feature.tag("mapcolor7", number % 7).expect("few tags");
        let mut ring: Vec<MvtCoord> = area.lonlat.0[0].exterior().coords().map(project).collect();
        ring.dedup();
        feature.ring(ring, true).expect("a ring");
        layer = feature.end();
    }
    layer.encode()
}

fn tile(shapes: &Shapes, z: u8, x: u32, y: u32) -> Option<Vec<u8>> {
    let address = TileAddress::new(z, x, y).expect("it exists");
    shapes.tile(address).expect("it encodes")
}

fn making() {
    let embedded = read(&Files::Embedded).expect("the embedded dataset is right");
    for (layer, boundaries) in &embedded.boundaries {
        if ["icc", "gp-practice"].contains(&layer.as_str()) {
            layer_by_zoom(layer.as_str(), boundaries, layer.as_str() == "icc");
        }
    }
    layer_by_zoom("60 made-up areas", &SIXTY.areas(), true);
    match common::national_folder() {
        Some(folder) => {
            let dataset = read(&Files::Folder(folder)).expect("CATCHMENT_NATIONAL");
            layer_by_zoom(
                "LSOAs of England and Wales",
                &dataset.statistical_boundaries,
                true,
            );
        }
        None => println!("SKIPPED the whole country: set CATCHMENT_NATIONAL to its dataset"),
    }
}

/// Milliseconds of a layer, its zooms, and the tiles of those.
fn layer_by_zoom(name: &str, boundaries: &[Boundary], is_partition: bool) {
    let start = Instant::now();
    let shapes = shapes_of(boundaries, is_partition);
    let vertices: usize = boundaries
        .iter()
        .flat_map(|it| &it.grid)
        .flat_map(|it| &it.rings)
        .map(Vec::len)
        .sum();
    println!(
        "\n{name}: {} areas, {vertices} vertices, shared edges in {:.1} ms\n",
        boundaries.len(),
        milliseconds(start)
    );
    println!(
        "| {:>4} | {:>8} | {:>6} | {:>9} | {:>9} | {:>9} | {:>9} |",
        "zoom", "level ms", "tiles", "median ms", "most ms", "most B", "gzipped"
    );
    let mut above: Vec<(u32, u32)> = vec![(0, 0)];
    for z in 0..=16 {
        let start = Instant::now();
        tile(&shapes, z, 0, 0);
        let level = milliseconds(start);
        let mut times = Vec::new();
        let mut largest = Vec::new();
        let mut here = Vec::new();
        for &(x, y) in &above {
            let start = Instant::now();
            let made = tile(&shapes, z, x, y);
            times.push(milliseconds(start));
            let Some(made) = made else { continue };
            here.push((x, y));
            if made.len() > largest.len() {
                largest = made;
            }
        }
        let most = times.iter().copied().fold(0.0, f64::max);
        println!(
            "| {z:>4} | {level:>8.1} | {:>6} | {:>9.2} | {most:>9.2} | {:>9} | {:>9} |",
            here.len(),
            median(times),
            largest.len(),
            gzipped(&largest)
        );
        let every = here.len().div_ceil(200).max(1);
        let below = |(x, y): (u32, u32)| {
            [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(e, s)| (2 * x + e, 2 * y + s))
        };
        above = here.into_iter().step_by(every).flat_map(below).collect();
    }
    println!("{:.1} MB with all zooms", shapes.size_bytes() as f64 / 1e6);
}

fn milliseconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1_000.0
}

const ROUNDS: usize = 5;
const SECONDS: &str = "3";
const CONNECTIONS: &str = "32";

/// What a map of four by four tiles asks for, again and again. The goal is 0.7 of the bare handler.
fn rate() {
    if Command::new("wrk").arg("-v").output().is_err() {
        println!("SKIPPED: wrk is not installed");
        return;
    }
    let runtime = Runtime::new().expect("threads");
    let dataset = read(&Files::Embedded).expect("the embedded dataset is right");
    let index = Index::build(dataset).expect("its parts agree");
    let ours = start(&runtime, router(App::new(Arc::new(Live::fixed(index)))));
    println!("\nrequests a second, sixteen tiles in turn, gzip\n");
    for layers in ["icc", "icc,gp-practice"] {
        let tiles = (250..254).flat_map(|x| (161..165).map(move |y| (x, y)));
        let paths: Vec<String> = tiles
            .map(|(x, y)| format!("/tiles/{layers}/9/{x}/{y}.mvt"))
            .collect();
        let bodies: HashMap<String, Bytes> = paths
            .iter()
            .map(|path| (path.clone(), ask(ours, path)))
            .collect();
        let sizes: Vec<usize> = bodies.values().map(Bytes::len).collect();
        assert!(
            sizes.iter().filter(|&&size| size > 0).count() >= 8,
            "too few tiles"
        );
        let bare = start(&runtime, bare(bodies));
        let mut rounds: Vec<[f64; 2]> = (0..ROUNDS)
            .map(|_| [ours, bare].map(|address| load(address, &paths)))
            .collect();
        rounds.sort_by(|a, b| (a[0] / a[1]).total_cmp(&(b[0] / b[1])));
        let [ours, bare] = rounds[ROUNDS / 2];
        println!(
            "{layers}, {} bytes each: ours {ours:.0}, bare {bare:.0}, part {:.2}, goal 0.70",
            sizes.iter().sum::<usize>() / sizes.len(),
            ours / bare
        );
    }
}

fn start(runtime: &Runtime, router: axum::Router) -> SocketAddr {
    let listener = runtime
        .block_on(TcpListener::bind("127.0.0.1:0"))
        .expect("a port");
    let address = listener.local_addr().expect("it is bound");
    runtime.spawn(serve(
        listener,
        router,
        Limits::default(),
        std::future::pending(),
    ));
    address
}

/// The same bytes from a table in memory.
fn bare(bodies: HashMap<String, Bytes>) -> axum::Router {
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

/// The body of one answer.
fn ask(address: SocketAddr, path: &str) -> Bytes {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut response = Vec::new();
    stream.read_to_end(&mut response).expect("it answers");
    assert!(response.starts_with(b"HTTP/1.1 20"), "{path}: not found");
    let head = response
        .windows(4)
        .position(|it| it == b"\r\n\r\n")
        .expect("a head");
    response.split_off(head + 4).into()
}

/// Requests a second.
fn load(address: SocketAddr, paths: &[String]) -> f64 {
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("tiles.lua");
    let mut lua = "local paths = {\n".to_string();
    for path in paths {
        writeln!(lua, "  '{path}',").expect("writing to a String");
    }
    lua += "}\nlocal at = 0\nrequest = function()\n  at = at % #paths + 1\n  \
            return wrk.format('GET', paths[at], { ['Accept-Encoding'] = 'gzip' })\nend\n";
    std::fs::write(&script, lua).expect("a file");
    let output = Command::new("wrk")
        .args(["-t1", "-c", CONNECTIONS, "-d", SECONDS, "-s"])
        .arg(&script)
        .arg(format!("http://{address}"))
        .output()
        .expect("wrk runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(!text.contains("Non-2xx"), "{text}");
    let rest = text.split("Requests/sec:").nth(1).expect("wrk tells it");
    let rate = rest.split_whitespace().next().expect("a figure");
    rate.parse().expect("a number")
}
