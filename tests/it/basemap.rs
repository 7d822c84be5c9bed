//! The operator's basemap: what is a file of one, and how its tiles are handed out.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use catchment::http::Limits;
use catchment::tiles::TileRange;
use catchment::tiles::basemap::{Basemap, Content};
use fast_mvt::{MvtCoord, MvtGeomType, MvtTileBuilder};
use flate2::read::GzDecoder;
use pmtiles::{Compression, PmTilesWriter, TileCoord, TileId, TileType};
use serde_json::json;
use tempfile::TempDir;

use crate::programs::{printed, python};
use crate::server::{Reply, Server};
use crate::toy::World;

/// Northern England: west, south, east, north.
const NORTH: [f64; 4] = [-4.0, 53.5, -1.5, 55.5];
const DEEPEST: u8 = 9;
const ATTRIBUTION: &str = "<a href=\"https://maps.example/\" onclick=\"alert(1)\">&copy; Maps</a>";

/// Every tile of an extent, down to a zoom, in the format's order.
fn coords() -> Vec<TileCoord> {
    let of_zoom = |z| {
        let TileRange { rows, columns } = TileRange::new(z, NORTH);
        let row = move |y| columns.clone().map(move |x| (z, x, y));
        rows.flat_map(row)
    };
    let all = (0..=DEEPEST).flat_map(of_zoom);
    let mut coords: Vec<TileCoord> = all
        .map(|(z, x, y)| TileCoord::new(z, x, y).expect("it exists"))
        .collect();
    coords.sort_unstable_by_key(|&coord| TileId::from(coord));
    coords
}

fn write(path: &Path, writer: PmTilesWriter, metadata: &serde_json::Value, tile: &[u8]) {
    let [west, south, east, north] = NORTH;
    let writer = writer
        .min_zoom(0)
        .max_zoom(DEEPEST)
        .bounds(west, south, east, north)
        .metadata(metadata.to_string());
    let file = File::create(path).expect("a file");
    let mut archive = writer.create(file).expect("an archive");
    for coord in coords() {
        archive.add_tile(coord, tile).expect("a tile");
    }
    archive.finalize().expect("it is written");
}

/// A basemap of pictures, all of them one colour with a line at two of their sides.
pub(crate) fn write_pictures(path: &Path) {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 256, 256);
    encoder.set_color(png::ColorType::Rgb);
    let pixel = |at: usize| match at.is_multiple_of(256) || at < 256 {
        true => [120, 120, 120],
        false => [250, 240, 120],
    };
    let pixels: Vec<u8> = (0..256 * 256).flat_map(pixel).collect();
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&pixels).expect("pixels");
    writer.finish().expect("a picture");
    let writer = PmTilesWriter::new(TileType::Png).tile_compression(Compression::None);
    write(path, writer, &json!({ "attribution": ATTRIBUTION }), &bytes);
}

/// Land, a lake, a road and a town: the layer of each, and a field that says what it is.
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
    let at = |(x, y)| MvtCoord { x, y };
    let square = |low, high| [(low, low), (high, low), (high, high), (low, high)].map(at);
    let mut tile = MvtTileBuilder::new();
    for (number, (layer, field, word)) in schema.into_iter().enumerate() {
        let layer = tile.layer(layer).expect("a name");
        let mut feature = layer.feature_of(match number {
            0 | 1 => MvtGeomType::Polygon,
            2 => MvtGeomType::LineString,
            _ => MvtGeomType::Point,
        });
        match number {
            0 => feature.ring(square(0, 4_096), true),
            1 => feature.ring(square(600, 1_400), true),
            2 => feature.line([(0, 2_000), (2_000, 2_400), (4_096, 2_000)].map(at)),
            _ => feature.points([at((3_000, 3_000))]),
        }
        .expect("it is well-formed");
        feature.tag(field, word).expect("a tag");
        feature.tag("name", "Town").expect("a tag");
        tile = feature.end().end();
    }
    tile.encode()
}

/// A basemap of vectors with the layers of Protomaps.
pub(crate) fn write_protomaps(path: &Path) {
    write_layers(path, &PROTOMAPS.map(|it| it.0), PROTOMAPS);
}

/// The same with those of OpenMapTiles.
pub(crate) fn write_openmaptiles(path: &Path) {
    write_layers(path, &OPENMAPTILES.map(|it| it.0), OPENMAPTILES);
}

/// Gzipped, as vectors usually are; the metadata name these layers.
fn write_layers(path: &Path, layers: &[&str], schema: Schema) {
    let layers: Vec<_> = layers
        .iter()
        .map(|id| json!({ "id": id, "fields": {} }))
        .collect();
    let metadata = json!({ "attribution": ATTRIBUTION, "vector_layers": layers });
    let writer = PmTilesWriter::new(TileType::Mvt).tile_compression(Compression::Gzip);
    write(path, writer, &metadata, &vector_tile(schema));
}

struct Folder(TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(TempDir::new().expect("a folder"))
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("map.pmtiles")
    }
}

#[track_caller]
fn serving(path: &Path) -> (Server, String) {
    let basemap = Basemap::open(path).unwrap_or_else(|error| panic!("{error}"));
    let tiles = format!("/tiles/basemap/{}", basemap.edition);
    let server = Server::with_basemap(World::new().dataset(), Limits::default(), basemap);
    (server, tiles)
}

fn unpacked(reply: &Reply) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = GzDecoder::new(reply.body.as_slice()).read_to_end(&mut bytes);
    read.expect("it is gzip");
    bytes
}

#[test]
fn tiles_are_handed_out_as_they_are_packed_or_unpacked_for_whoever_wants_that() {
    let folder = Folder::new();
    write_protomaps(&folder.path());
    let (server, tiles) = serving(&folder.path());
    let path = format!("{tiles}/6/31/20");
    let ask = |accepted: &str| server.send("GET", &path, &[("accept-encoding", accepted)], None);

    let packed = ask("gzip, deflate, br, zstd").expect(200);
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert_eq!(
        packed.header("content-type"),
        "application/vnd.mapbox-vector-tile"
    );
    assert_eq!(
        packed.header("cache-control"),
        "public, max-age=31536000, immutable"
    );
    assert_eq!(packed.header("vary"), "accept-encoding");
    assert_eq!(unpacked(&packed), vector_tile(PROTOMAPS));
    for accepted in ["identity", "br", "gzip;q=0"] {
        let plain = ask(accepted).expect(200);
        assert_eq!(plain.header("content-encoding"), "", "{accepted}");
        assert_eq!(plain.body, vector_tile(PROTOMAPS), "{accepted}");
        assert_ne!(plain.header("etag"), packed.header("etag"));
    }
    ask("br, identity;q=0").expect_problem(406, "no_encoding");

    let known = [
        ("accept-encoding", "gzip"),
        ("if-none-match", packed.header("etag")),
    ];
    let unchanged = server.send("GET", &path, &known, None).expect(304);
    assert_eq!(unchanged.header("etag"), packed.header("etag"));
    let head = server
        .send("HEAD", &path, &[("accept-encoding", "gzip")], None)
        .expect(200);
    assert_eq!(
        (head.body.len(), head.header("etag")),
        (0, packed.header("etag"))
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
            .expect_problem(400, "no_such_tile");
    }
    server
        .get("/tiles/basemap/0123456789ab/6/31/20")
        .expect_problem(404, "unknown_edition");
    server.get(&format!("{path}?as_of=2025-01-01")).expect(400);
    // Layers' tiles are where they were.
    server.get("/tiles/icc/6/31/20.mvt").expect(200);
}

#[test]
fn the_style_tells_what_it_is_and_whose_in_plain_text() {
    let folder = Folder::new();
    write_protomaps(&folder.path());
    let (server, tiles) = serving(&folder.path());
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
        "bounds": NORTH,
        "attribution": "© Maps",
    });
    assert_eq!(style["sources"]["basemap"], expected);
    // It asks nobody for fonts or pictures.
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

    write_pictures(&folder.path());
    let (server, tiles) = serving(&folder.path());
    let source = &server.get("/tiles/basemap.json").expect(200).json()["sources"]["basemap"];
    assert_eq!(
        (&source["type"], &source["tileSize"]),
        (&json!("raster"), &json!(256))
    );
    let picture = server.get(&format!("{tiles}/6/31/20")).expect(200);
    assert_eq!(picture.header("content-type"), "image/png");
    assert_eq!(picture.header("content-encoding"), "");
    assert!(picture.body.starts_with(b"\x89PNG"));
}

#[test]
fn without_one_there_is_nothing_of_it() {
    let server = Server::with(World::new().dataset(), Limits::default());
    for path in ["/tiles/basemap.json", "/tiles/basemap/0123456789ab/6/31/20"] {
        server.get(path).expect_problem(404, "no_basemap");
    }
    let style = server.get("/tiles/style.json").expect(200).json();
    assert!(style.get("metadata").is_none(), "{style}");
}

#[test]
fn a_file_that_cannot_be_drawn_is_told_by_what_is_wrong_with_it() {
    let folder = Folder::new();
    let path = folder.path();
    let told = || match Basemap::open(&path) {
        Ok(_) => panic!("it is opened"),
        Err(error) => error.to_string(),
    };
    assert!(told().starts_with("No such file"), "{}", told());
    for (bytes, expected) in [
        (&b""[..], "it is cut off: there are 0 bytes of 127"),
        (
            b"SQLite format 3\0",
            "this is no PMTiles file; `pmtiles convert` makes one of MBTiles",
        ),
        (
            b"PM\x02\0",
            "this is PMTiles of another version than 3; `pmtiles convert` makes it of older ones",
        ),
        (b"PMTiles\x03", "it is cut off: there are 8 bytes of 127"),
    ] {
        fs::write(&path, bytes).expect("written");
        assert_eq!(told(), expected);
    }
    write_protomaps(&path);
    let whole = fs::read(&path).expect("there");
    fs::write(&path, &whole[..whole.len() - 1]).expect("written");
    let expected = format!(
        "it is cut off: there are {} bytes of {}",
        whole.len() - 1,
        whole.len()
    );
    assert_eq!(told(), expected);
    // Bytes of the header: version, packing of directories and of tiles, kind of tiles, least zoom.
    for (at, byte, expected) in [
        (7, 4, "this is PMTiles of another version than 3"),
        (97, 3, "its directories are not packed with gzip"),
        (98, 0, "how its tiles are packed is not known"),
        (
            99,
            0,
            "its tiles are of a kind that it does not tell; PNG, JPEG, WebP and Mapbox Vector Tiles",
        ),
        (99, 5, "its tiles are AVIF;"),
        (
            99,
            77,
            "its tiles are of a kind that the format does not know;",
        ),
        (
            100,
            15,
            "its tiles begin at zoom 15, and the maps end at 14",
        ),
    ] {
        let mut bytes = whole.clone();
        bytes[at] = byte;
        fs::write(&path, bytes).expect("written");
        assert!(told().starts_with(expected), "{at}: {}", told());
    }
    write_layers(&path, &["parcels", "water"], PROTOMAPS);
    assert_eq!(
        told(),
        "its vector layers are parcels, water; those of Protomaps (earth, water, roads, …) or OpenMapTiles (water, \
         landcover, transportation, …) can be drawn"
    );
    write_layers(&path, &[], PROTOMAPS);
    assert!(
        told().starts_with("its vector layers are not named;"),
        "{}",
        told()
    );
    write_openmaptiles(&path);
    let opened = Basemap::open(&path).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(opened.content, Content::OpenMapTiles);
}

#[test]
fn it_is_checked_before_anything_is_served() {
    let folder = Folder::new();
    let path = folder.path();
    let check = || {
        let output = Command::new(env!("CARGO_BIN_EXE_catchment"))
            .args(["serve", "--check-config", "--basemap"])
            .arg(&path)
            .output()
            .expect("it runs");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), told)
    };
    write_layers(&path, &["parcels"], PROTOMAPS);
    let (code, told) = check();
    assert_eq!(code, Some(2), "{told}");
    let expected = format!(
        "the basemap {}: its vector layers are parcels;",
        path.display()
    );
    assert!(told.contains(&expected), "{told}");
    write_protomaps(&path);
    let (code, told) = check();
    assert_eq!(code, Some(0), "{told}");
}

#[test]
fn a_file_that_takes_its_place_is_not_read_and_one_that_is_written_over_is_refused() {
    let folder = Folder::new();
    let path = folder.path();
    write_protomaps(&path);
    let (server, tiles) = serving(&path);
    let asked = format!("{tiles}/6/31/20");
    let before = server.get(&asked).expect(200).body;
    let other = folder.0.path().join("other.pmtiles");
    write_pictures(&other);
    fs::rename(&other, &path).expect("it takes the place");
    assert_eq!(server.get(&asked).expect(200).body, before);
    drop(server);

    let (server, tiles) = serving(&path);
    let asked = format!("{tiles}/6/31/20");
    server.get(&asked).expect(200);
    let mut file = OpenOptions::new().write(true).open(&path).expect("there");
    file.seek(SeekFrom::End(-9)).expect("it is longer");
    file.write_all(b"something").expect("written");
    file.set_modified(std::time::SystemTime::UNIX_EPOCH)
        .expect("another time");
    server.get(&asked).expect_problem(500, "internal");
}

#[test]
fn four_gigabytes_are_opened_as_fast_as_one() {
    let folder = Folder::new();
    write_protomaps(&folder.path());
    let file = OpenOptions::new()
        .write(true)
        .open(folder.path())
        .expect("there");
    file.set_len(4 << 30).expect("a hole takes no room");
    let (server, tiles) = serving(&folder.path());
    server.get(&format!("{tiles}/6/31/20")).expect(200);
    #[cfg(target_os = "linux")]
    {
        let status = fs::read_to_string("/proc/self/status").expect("Linux tells");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak
            .and_then(|it| it.trim().strip_suffix(" kB"))
            .expect("a peak");
        assert!(
            peak.trim().parse::<u64>().expect("kB") < 4 << 20,
            "{peak} kB"
        );
    }
}

/// With directories below the root, and tiles that are there twice.
#[test]
fn what_the_formats_own_package_writes_is_read_tile_for_tile() {
    let Some(mut python) = python("a basemap of the pmtiles package") else {
        return;
    };
    let folder = Folder::new();
    printed(python.arg("tests/oracle/basemap.py").arg(folder.path()));
    let (server, tiles) = serving(&folder.path());
    let source = &server.get("/tiles/basemap.json").expect(200).json()["sources"]["basemap"];
    assert_eq!(source["bounds"], json!([-8.0, 49.0, 2.0, 61.0]));
    assert_eq!(
        (&source["maxzoom"], &source["attribution"]),
        (&json!(8), &json!("Package"))
    );
    for z in 0..9_u32 {
        // Some in every part of the world, and the corners.
        let side = 1_u32 << z;
        let step = usize::try_from((side / 6).max(1)).expect("it is small");
        let some = || (0..side).step_by(step).chain([side - 1]);
        for x in some() {
            for y in some() {
                let reply = server.get(&format!("{tiles}/{z}/{x}/{y}"));
                match (x + y) % 3 {
                    0 => assert_eq!(reply.expect(204).body, b"", "{z}/{x}/{y}"),
                    _ => assert_eq!(reply.expect(200).text(), format!("{z}/{x}/{y} {}", x * y)),
                }
            }
        }
    }
}
