//! Tests of the operator's basemap: which files are accepted, and how their tiles are served.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use catchment::http::ServerLimits;
use catchment::tiles::TileRange;
use catchment::tiles::basemap::{Basemap, BasemapContent};
use fast_mvt::{MvtCoord, MvtGeomType, MvtTileBuilder};
use flate2::read::GzDecoder;
use geo::Rect;
use pmtiles::{Compression, PmTilesWriter, TileCoord, TileId, TileType};
use serde_json::json;
use tempfile::TempDir;

use crate::support::external_tools::{python, stdout_of};
use crate::support::fixture::TestDataset;
#[cfg(target_os = "linux")]
use crate::support::process::memory_kb;
use crate::support::server::{Reply, Server};

/// The bounding box of northern England: west, south, east, north.
const BOUNDS: [f64; 4] = [-4.0, 53.5, -1.5, 55.5];
const ZOOM_MAX: u8 = 9;
const ATTRIBUTION: &str = "<a href=\"https://maps.example/\" onclick=\"alert(1)\">&copy; Maps</a>";

/// Returns every tile of the bounding box up to the maximum zoom, in order of tile id.
fn coords() -> Vec<TileCoord> {
    let [west, south, east, north] = BOUNDS;
    let coords_at = |z| {
        let TileRange { rows, columns } =
            TileRange::new(z, Rect::new((west, south), (east, north)));
        let row = move |y| columns.clone().map(move |x| (z, x, y));
        rows.flat_map(row)
    };
    let all = (0..=ZOOM_MAX).flat_map(coords_at);
    let mut coords: Vec<TileCoord> = all
        .map(|(z, x, y)| TileCoord::new(z, x, y).expect("a valid tile"))
        .collect();
    coords.sort_unstable_by_key(|&coord| TileId::from(coord));
    coords
}

fn write(path: &Path, writer: PmTilesWriter, metadata: &serde_json::Value, tile: &[u8]) {
    let [west, south, east, north] = BOUNDS;
    let writer = writer
        .min_zoom(0)
        .max_zoom(ZOOM_MAX)
        .bounds(west, south, east, north)
        .metadata(metadata.to_string());
    let file = File::create(path).expect("a file");
    let mut archive = writer.create(file).expect("an archive");
    for coord in coords() {
        archive.add_tile(coord, tile).expect("a tile");
    }
    archive.finalize().expect("the archive is written");
}

/// Writes a basemap whose tiles are identical images of one colour, with a line along two sides.
pub(crate) fn write_images(path: &Path) {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 256, 256);
    encoder.set_color(png::ColorType::Rgb);
    let pixel = |index: usize| {
        if index.is_multiple_of(256) || index < 256 {
            [120, 120, 120]
        } else {
            [250, 240, 120]
        }
    };
    let pixels: Vec<u8> = (0..256 * 256).flat_map(pixel).collect();
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&pixels).expect("pixels");
    writer.finish().expect("an image");
    let writer = PmTilesWriter::new(TileType::Png).tile_compression(Compression::None);
    write(path, writer, &json!({ "attribution": ATTRIBUTION }), &bytes);
}

/// The layers of land, a lake, a road and a town. Each element is the name of a layer, and the
/// attribute and value that identify the feature.
type Schema = [(&'static str, &'static str, &'static str); 4];

const PROTOMAPS: Schema = [
    ("earth", "kind", "earth"),
    ("water", "kind", "lake"),
    ("roads", "kind", "highway"),
    ("places", "kind", "locality"),
];
const OPENMAPTILES: Schema = [
    ("landcover", "class", "grass"),
    ("water", "class", "lake"),
    ("transportation", "class", "motorway"),
    ("place", "class", "town"),
];

fn vector_tile(schema: Schema) -> Vec<u8> {
    let coord = |(x, y)| MvtCoord { x, y };
    let square = |min, max| [(min, min), (max, min), (max, max), (min, max)].map(coord);
    let mut tile = MvtTileBuilder::new();
    for (index, (layer, attribute, value)) in schema.into_iter().enumerate() {
        let layer = tile.layer(layer).expect("a name");
        let mut feature = layer.feature_of(match index {
            0 | 1 => MvtGeomType::Polygon,
            2 => MvtGeomType::LineString,
            _ => MvtGeomType::Point,
        });
        match index {
            0 => feature.ring(square(0, 4_096), true),
            1 => feature.ring(square(600, 1_400), true),
            2 => feature.line([(0, 2_000), (2_000, 2_400), (4_096, 2_000)].map(coord)),
            _ => feature.points([coord((3_000, 3_000))]),
        }
        .expect("a well-formed geometry");
        feature.tag(attribute, value).expect("a tag");
        feature.tag("name", "Town").expect("a tag");
        tile = feature.end().end();
    }
    tile.encode()
}

/// Writes a basemap of vector tiles with the layers of Protomaps.
pub(crate) fn write_protomaps(path: &Path) {
    write_layers(path, &PROTOMAPS.map(|(layer, ..)| layer), PROTOMAPS);
}

/// Writes a basemap of vector tiles with the layers of OpenMapTiles.
pub(crate) fn write_openmaptiles(path: &Path) {
    write_layers(path, &OPENMAPTILES.map(|(layer, ..)| layer), OPENMAPTILES);
}

/// Writes a basemap of gzipped vector tiles, and lists `layers` in its metadata.
fn write_layers(path: &Path, layers: &[&str], schema: Schema) {
    let layers: Vec<_> = layers
        .iter()
        .map(|id| json!({ "id": id, "fields": {} }))
        .collect();
    let metadata = json!({ "attribution": ATTRIBUTION, "vector_layers": layers });
    let writer = PmTilesWriter::new(TileType::Mvt).tile_compression(Compression::Gzip);
    write(path, writer, &metadata, &vector_tile(schema));
}

struct BasemapFolder(TempDir);

impl BasemapFolder {
    fn new() -> BasemapFolder {
        BasemapFolder(TempDir::new().expect("a folder"))
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("map.pmtiles")
    }
}

#[track_caller]
fn serve_basemap(path: &Path) -> (Server, String) {
    let basemap = Basemap::open(path).unwrap_or_else(|error| panic!("{error}"));
    let tiles = format!("/tiles/basemap/{}", basemap.edition);
    let server = Server::with_basemap(
        TestDataset::new().dataset(),
        ServerLimits::default(),
        basemap,
    );
    (server, tiles)
}

fn gunzip(reply: &Reply) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = GzDecoder::new(reply.body.as_slice()).read_to_end(&mut bytes);
    read.expect("gzip data");
    bytes
}

#[test]
fn basemap_tiles_are_served_compressed_or_decompressed_as_accepted() {
    let folder = BasemapFolder::new();
    write_protomaps(&folder.path());
    let (server, tiles) = serve_basemap(&folder.path());
    let path = format!("{tiles}/6/31/20");
    let get = |accepted: &str| server.send("GET", &path, &[("accept-encoding", accepted)], None);

    let compressed = get("gzip, deflate, br, zstd").expect(200);
    assert_eq!(compressed.header("content-encoding"), "gzip");
    assert_eq!(
        compressed.header("content-type"),
        "application/vnd.mapbox-vector-tile"
    );
    assert_eq!(
        compressed.header("cache-control"),
        "public, max-age=31536000, immutable"
    );
    assert_eq!(compressed.header("vary"), "accept-encoding");
    assert_eq!(gunzip(&compressed), vector_tile(PROTOMAPS));
    for accepted in ["identity", "br", "gzip;q=0"] {
        let plain = get(accepted).expect(200);
        assert_eq!(plain.header("content-encoding"), "", "{accepted}");
        assert_eq!(plain.body, vector_tile(PROTOMAPS), "{accepted}");
        assert_ne!(plain.header("etag"), compressed.header("etag"));
    }
    get("br, identity;q=0").expect_problem(406, "no_acceptable_encoding");

    let known = [
        ("accept-encoding", "gzip"),
        ("if-none-match", compressed.header("etag")),
    ];
    let unchanged = server.send("GET", &path, &known, None).expect(304);
    assert_eq!(unchanged.header("etag"), compressed.header("etag"));
    let head = server
        .send("HEAD", &path, &[("accept-encoding", "gzip")], None)
        .expect(200);
    assert_eq!(
        (head.body.len(), head.header("etag")),
        (0, compressed.header("etag"))
    );

    let empty = server.get(&format!("{tiles}/6/0/0")).expect(204);
    assert_eq!(
        empty.header("cache-control"),
        "public, max-age=31536000, immutable"
    );
    assert!(empty.body.is_empty() && !empty.header("etag").is_empty());
    for impossible in [
        "6/64/0",
        "6/0/64",
        "15/0/0",
        "-1/0/0",
        "6/31/20.mvt",
        "6/a/0",
        "99/0/0",
    ] {
        server
            .get(&format!("{tiles}/{impossible}"))
            .expect_problem(400, "invalid_tile");
    }
    server
        .get("/tiles/basemap/0123456789ab/6/31/20")
        .expect_problem(404, "unknown_edition");
    server.get(&format!("{path}?as_of=2025-01-01")).expect(400);
    // The tiles of our layers are still served.
    server.get("/tiles/icc/6/31/20.mvt").expect(200);
}

#[test]
fn the_basemap_style_has_its_source_and_plain_text_attribution() {
    let folder = BasemapFolder::new();
    write_protomaps(&folder.path());
    let (server, tiles) = serve_basemap(&folder.path());
    let style = server
        .get("/tiles/style.json?layers=icc")
        .expect(200)
        .json();
    let address = format!("{}/tiles/basemap.json", server.origin());
    assert_eq!(style["metadata"]["catchment:basemap"], address);
    let style = server.get("/tiles/basemap.json").expect(200).json();
    let expected = json!({
        "type": "vector",
        "tiles": [format!("{}{tiles}/{{z}}/{{x}}/{{y}}", server.origin())],
        "minzoom": 0,
        "maxzoom": 9,
        "bounds": BOUNDS,
        "attribution": "© Maps",
    });
    assert_eq!(style["sources"]["basemap"], expected);
    // The style loads no fonts or images.
    assert!(style.get("glyphs").is_none() && style.get("sprite").is_none());
    let layers = style["layers"].as_array().expect("layers");
    for layer in layers {
        let id = layer["id"].as_str().expect("an id");
        assert!(id.starts_with("basemap-"), "{id}");
        assert!(
            layer["type"] == "background" || layer["source"] == "basemap",
            "{id}"
        );
    }

    write_images(&folder.path());
    let (server, tiles) = serve_basemap(&folder.path());
    let source = &server.get("/tiles/basemap.json").expect(200).json()["sources"]["basemap"];
    assert_eq!(
        (&source["type"], &source["tileSize"]),
        (&json!("raster"), &json!(256))
    );
    let image = server.get(&format!("{tiles}/6/31/20")).expect(200);
    assert_eq!(image.header("content-type"), "image/png");
    assert_eq!(image.header("content-encoding"), "");
    assert!(image.body.starts_with(b"\x89PNG"));
}

#[test]
fn basemap_urls_are_404_without_a_basemap() {
    let server = Server::with(TestDataset::new().dataset(), ServerLimits::default());
    for path in ["/tiles/basemap.json", "/tiles/basemap/0123456789ab/6/31/20"] {
        server.get(path).expect_problem(404, "no_basemap");
    }
    let style = server.get("/tiles/style.json").expect(200).json();
    assert!(style.get("metadata").is_none(), "{style}");
}

#[test]
fn unusable_basemaps_are_rejected_with_the_reason() {
    let folder = BasemapFolder::new();
    let path = folder.path();
    let error = || match Basemap::open(&path) {
        Ok(_) => panic!("the unusable basemap was opened"),
        Err(error) => error.to_string(),
    };
    assert!(error().starts_with("No such file"), "{}", error());
    for (bytes, expected) in [
        (&b""[..], "the file is truncated: it has 0 of 127 bytes"),
        (
            b"SQLite format 3\0",
            "not a PMTiles file; `pmtiles convert` converts MBTiles",
        ),
        (
            b"PM\x02\0",
            "not PMTiles version 3; `pmtiles convert` converts older versions",
        ),
        (
            b"PMTiles\x03",
            "the file is truncated: it has 8 of 127 bytes",
        ),
    ] {
        fs::write(&path, bytes).expect("written");
        assert_eq!(error(), expected);
    }
    write_protomaps(&path);
    let complete = fs::read(&path).expect("the basemap");
    fs::write(&path, &complete[..complete.len() - 1]).expect("written");
    let expected = format!(
        "the file is truncated: it has {} of {} bytes",
        complete.len() - 1,
        complete.len()
    );
    assert_eq!(error(), expected);
    // The following bytes of the header are the version, the compression of directories, the
    // compression of tiles, the tile type and the minimum zoom.
    for (offset, byte, expected) in [
        (7, 4, "not PMTiles version 3"),
        (
            97,
            3,
            "the compression of its directories is not supported; gzip and none",
        ),
        (98, 0, "the compression of its tiles is not supported"),
        (
            99,
            0,
            "its tiles are of an unspecified type; PNG, JPEG, WebP and Mapbox Vector Tiles",
        ),
        (99, 5, "its tiles are AVIF;"),
        (99, 77, "its tiles are of an unknown type;"),
        (
            100,
            15,
            "its tiles start at zoom 15, but basemaps are shown up to zoom 14",
        ),
    ] {
        let mut bytes = complete.clone();
        bytes[offset] = byte;
        fs::write(&path, bytes).expect("written");
        assert!(error().starts_with(expected), "{offset}: {}", error());
    }
    write_layers(&path, &["parcels", "water"], PROTOMAPS);
    assert_eq!(
        error(),
        "its vector layers (parcels, water) are not supported; those of Protomaps (earth, water, roads, …) and \
         OpenMapTiles (water, landcover, transportation, …) are"
    );
    write_layers(&path, &[], PROTOMAPS);
    assert!(
        error().starts_with("its vector layers (none listed) are not supported;"),
        "{}",
        error()
    );
    write_openmaptiles(&path);
    let opened = Basemap::open(&path).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(opened.content, BasemapContent::OpenMapTiles);
}

#[test]
fn check_config_rejects_an_unusable_basemap() {
    let folder = BasemapFolder::new();
    let path = folder.path();
    let check = || {
        let output = Command::new(env!("CARGO_BIN_EXE_catchment"))
            .args(["serve", "--check-config", "--basemap"])
            .arg(&path)
            .output()
            .expect("the program runs");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), stderr)
    };
    write_layers(&path, &["parcels"], PROTOMAPS);
    let (code, stderr) = check();
    assert_eq!(code, Some(2), "{stderr}");
    let expected = format!(
        "the basemap {}: its vector layers (parcels) are not supported;",
        path.display()
    );
    assert!(stderr.contains(&expected), "{stderr}");
    write_protomaps(&path);
    let (code, stderr) = check();
    assert_eq!(code, Some(0), "{stderr}");
}

#[test]
fn a_replaced_basemap_is_ignored_and_an_overwritten_one_fails() {
    let folder = BasemapFolder::new();
    let path = folder.path();
    write_protomaps(&path);
    let (server, tiles) = serve_basemap(&path);
    let tile = format!("{tiles}/6/31/20");
    let before = server.get(&tile).expect(200).body;
    let other = folder.0.path().join("other.pmtiles");
    write_images(&other);
    fs::rename(&other, &path).expect("the file is replaced");
    assert_eq!(server.get(&tile).expect(200).body, before);
    drop(server);

    let (server, tiles) = serve_basemap(&path);
    let tile = format!("{tiles}/6/31/20");
    server.get(&tile).expect(200);
    let mut file = OpenOptions::new().write(true).open(&path).expect("a file");
    file.seek(SeekFrom::End(-9)).expect("more than 9 bytes");
    file.write_all(b"something").expect("written");
    file.set_modified(std::time::SystemTime::UNIX_EPOCH)
        .expect("another time");
    server.get(&tile).expect_problem(500, "internal");
}

#[test]
fn a_basemap_of_four_gigabytes_is_not_read_into_memory() {
    let folder = BasemapFolder::new();
    write_protomaps(&folder.path());
    let file = OpenOptions::new()
        .write(true)
        .open(folder.path())
        .expect("there");
    file.set_len(4 << 30).expect("a sparse file");
    let (server, tiles) = serve_basemap(&folder.path());
    #[cfg(target_os = "linux")]
    {
        // Other tests in this process may have used more memory earlier, so the test resets the
        // peak by writing 5.
        fs::write("/proc/self/clear_refs", "5").expect("Linux has it");
        let before_kb = memory_kb(std::process::id(), "VmRSS:");
        server.get(&format!("{tiles}/6/31/20")).expect(200);
        let peak_kb = memory_kb(std::process::id(), "VmHWM:");
        assert!(
            peak_kb < before_kb + (2 << 20),
            "{before_kb} kB, then {peak_kb} kB"
        );
    }
    server.get(&format!("{tiles}/6/31/20")).expect(200);
}

/// The basemap that the `pmtiles` package writes has leaf directories.
#[test]
fn basemaps_written_by_the_pmtiles_package_are_read() {
    let Some(mut python) = python("a basemap of the pmtiles package") else {
        return;
    };
    let folder = BasemapFolder::new();
    stdout_of(python.arg("tests/oracle/basemap.py").arg(folder.path()));
    let (server, tiles) = serve_basemap(&folder.path());
    let source = &server.get("/tiles/basemap.json").expect(200).json()["sources"]["basemap"];
    assert_eq!(source["bounds"], json!([-8.0, 49.0, 2.0, 61.0]));
    assert_eq!(
        (&source["maxzoom"], &source["attribution"]),
        (&json!(8), &json!("Package"))
    );
    for z in 0..9_u32 {
        // The sample covers the whole world, including its corners.
        let side = 1_u32 << z;
        let step = usize::try_from((side / 6).max(1)).expect("it is small");
        let sample = || (0..side).step_by(step).chain([side - 1]);
        for x in sample() {
            for y in sample() {
                let reply = server.get(&format!("{tiles}/{z}/{x}/{y}"));
                match (x + y) % 3 {
                    0 => assert_eq!(reply.expect(204).body, b"", "{z}/{x}/{y}"),
                    _ => assert_eq!(reply.expect(200).text(), format!("{z}/{x}/{y} {}", x * y)),
                }
            }
        }
    }
}
