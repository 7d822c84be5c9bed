//! How many bytes a tile has, how long making one takes, and how many a second the service hands out
//! beside a bare axum handler that returns the same bytes.
//!
//! `CATCHMENT_NATIONAL` names the dataset that docs/national-data.md makes; without it the country is
//! made up. A word on the command line (`bytes`, `making`, `rate`) chooses a part. The rate needs wrk.

mod common;

use std::io::Write as _;
use std::time::Instant;

use catchment::dataset::{Files, read};
use catchment::domain::Boundary;
use catchment::tiles::{Shapes, TileAddress, TileArea};
use common::borders::SIXTY;
use common::rounds::median;
use flate2::Compression;
use flate2::write::GzEncoder;

fn main() {
    let chosen = std::env::args().skip(1).find(|word| !word.starts_with('-'));
    let is_chosen = |name: &str| chosen.as_ref().is_none_or(|word| word == name);
    if is_chosen("bytes") {
        bytes();
    }
    if is_chosen("making") {
        making();
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
    let shapes = shapes_of(&SIXTY.areas(), true);
    println!("60 made-up areas of 77,010 vertices, all on one tile of zoom 6");
    let tile = tile(&shapes, 6, 31, 20).expect("they are there");
    println!("{} bytes, {} gzipped", tile.len(), gzipped(&tile));
    assert!(gzipped(&tile) <= 6_500, "more than 6.5 kB");
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
