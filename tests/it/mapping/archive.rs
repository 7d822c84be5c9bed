//! Tests of PMTiles archives, which are read with the `pmtiles` Python package.

use std::fs::File;

use catchment::domain::Layer;
use catchment::tiles::pmtiles::write;
use catchment::tiles::{ContentEncoding, TileCache, TileCoord, TileKey};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::data::embedded_dataset::{DAY, index};
use crate::support::external_tools::{python, stdout_of};

fn layers() -> [Layer; 2] {
    ["icc", "gp-practice"].map(crate::support::layer)
}

/// Reads an archive with the `pmtiles` package. Returns `None` if `CATCHMENT_PYTHON` is not set.
fn read_back(file: &std::path::Path) -> Option<Value> {
    let mut python = python("reading archives")?;
    let output = stdout_of(python.arg("tests/oracle/archive.py").arg(file));
    Some(serde_json::from_str(&output).expect("JSON"))
}

fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[test]
fn an_archive_contains_exactly_the_tiles_of_the_service() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("communities.pmtiles");
    let file = File::create(&path).expect("a file");
    let stats = write(index(), &layers(), DAY, 10, file).expect("an archive");
    assert!(stats.tiles > 40, "{stats:?}");
    let Some(found) = read_back(&path) else {
        return;
    };
    assert_eq!(found["zooms"], serde_json::json!([0, 10]));
    assert_eq!(found["is_clustered"], true);
    let west = found["bounds"][0].as_f64().expect("degrees");
    assert!((-4.0..-3.0).contains(&west), "{west}");
    let layer = |index: usize| found["metadata"]["vector_layers"][index]["id"].as_str();
    assert_eq!([layer(0), layer(1)], [Some("icc"), Some("gp-practice")]);
    let attribution = found["metadata"]["attribution"]
        .as_str()
        .unwrap_or_default();
    assert!(attribution.contains("Crown copyright"), "{attribution}");

    let tiles = found["tiles"].as_object().expect("tiles");
    assert_eq!(tiles.len() as u64, stats.tiles);
    let cache = TileCache::default();
    for (address, digest) in tiles {
        let numbers: Vec<u32> = address
            .split('/')
            .map(|part| part.parse().expect("a number"))
            .collect();
        let zoom = u8::try_from(numbers[0]).expect("a zoom");
        let coord = TileCoord::new(zoom, numbers[1], numbers[2]).expect("a valid tile");
        let body = cache
            .build(index(), &TileKey::new(index(), &layers(), DAY, coord))
            .expect("an encoded tile");
        let bytes = body.encoded(ContentEncoding::Identity);
        assert_eq!(&sha256_hex(&bytes), digest, "{address}");
    }
    // Check every tile of zoom 6, because the loop above does not find missing tiles.
    let coords = (0..1 << 6).flat_map(|x| (0..1 << 6).map(move |y| (x, y)));
    for (x, y) in coords {
        let coord = TileCoord::new(6, x, y).expect("a valid tile");
        let body = cache
            .build(index(), &TileKey::new(index(), &layers(), DAY, coord))
            .expect("an encoded tile");
        assert_eq!(
            !body.is_empty(),
            tiles.contains_key(&format!("6/{x}/{y}")),
            "6/{x}/{y}"
        );
    }
}
