//! Tests of vector tiles. The tests decode the geometry commands without using the code of the
//! encoder.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::Read as _;

use catchment::tiles::ENCODER_VERSION;
use fast_mvt::MvtReaderRef;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::support::server::{AS_OF, Reply, SERVER};

const KENDAL_TILE: &str = "/tiles/icc/8/125/81.mvt";

const MVT: &str = "application/vnd.mapbox-vector-tile";
const EXTENT: i32 = 4_096;
/// The distance by which the content of a tile may extend beyond each side, in units.
const BUFFER: i32 = 64;

pub(crate) type Vertex = (i32, i32);

/// A decoded feature of a vector tile.
pub(crate) struct TileFeature {
    pub(crate) id: u64,
    pub(crate) tags: BTreeMap<String, String>,
    /// The rings, which do not repeat their first vertex. A point has no rings.
    pub(crate) rings: Vec<Vec<Vertex>>,
}

/// Requests the tile at `z/x/y`. Returns `None` if the tile is empty.
#[track_caller]
fn tile(layer: &str, z: u32, x: u32, y: u32) -> Option<Vec<TileFeature>> {
    let reply = SERVER.get(&format!("/tiles/{layer}/{z}/{x}/{y}.mvt"));
    if reply.status == 204 {
        assert!(reply.body.is_empty(), "{reply}");
        return None;
    }
    Some(features_of(&reply.expect(200), layer))
}

#[track_caller]
fn features_of(reply: &Reply, name: &str) -> Vec<TileFeature> {
    assert_eq!(reply.header("content-type"), MVT);
    decode(&reply.body, name)
}

/// Decodes a tile of one layer.
#[track_caller]
pub(crate) fn decode(bytes: &[u8], name: &str) -> Vec<TileFeature> {
    let tile = MvtReaderRef::new(bytes).expect("a vector tile");
    assert_eq!(tile.layer_count(), 1);
    let layer = tile.layers().next().expect("a layer");
    assert_eq!((layer.name(), layer.version()), (name, 2));
    assert_eq!(i64::from(layer.extent()), i64::from(EXTENT));
    let to_feature = |feature: fast_mvt::MvtFeatureRef<'_>| TileFeature {
        id: feature.id().expect("an id"),
        tags: feature
            .properties_vec()
            .expect("tags")
            .into_iter()
            .map(|(key, value)| (key.to_string(), tag_text(value)))
            .collect(),
        // Type 1 is a point, and type 3 is a polygon (MVT 2.1, 4.3.4).
        rings: match feature.geom_type_value() {
            Some(1) => Vec::new(),
            _ => rings(feature.geometry_commands()),
        },
    };
    layer.features().map(to_feature).collect()
}

fn tag_text(value: fast_mvt::MvtValueRef<'_>) -> String {
    match value {
        fast_mvt::MvtValueRef::String(text) => text.to_string(),
        fast_mvt::MvtValueRef::UInt(number) => number.to_string(),
        other => panic!("expected text or a number, but found {other:?}"),
    }
}

/// Decodes the rings of a polygon. Each ring has the commands MoveTo, LineTo and ClosePath (MVT
/// 2.1, 4.3).
fn rings(commands: &[u32]) -> Vec<Vec<Vertex>> {
    let mut rings = Vec::new();
    let mut integers = commands.iter().copied();
    let (mut x, mut y) = (0, 0);
    while let Some(move_to) = integers.next() {
        assert_eq!(move_to, 1 | 1 << 3, "a ring must start with one MoveTo");
        let mut read = |integers: &mut dyn Iterator<Item = u32>| {
            x += unzigzag(integers.next().expect("x"));
            y += unzigzag(integers.next().expect("y"));
            (x, y)
        };
        let mut ring = vec![read(&mut integers)];
        let line_to = integers.next().expect("LineTo");
        assert_eq!(line_to & 7, 2, "a ring must continue with LineTo");
        ring.extend((0..line_to >> 3).map(|_| read(&mut integers)));
        assert_eq!(
            integers.next(),
            Some(7 | 1 << 3),
            "a ring must end with ClosePath"
        );
        rings.push(ring);
    }
    rings
}

fn unzigzag(encoded: u32) -> i32 {
    let half = i32::try_from(encoded >> 1).expect("31 bits");
    half ^ -i32::from(encoded & 1 == 1)
}

/// Returns twice the signed area of a ring. The y axis points down, so the area of an exterior ring
/// is positive (MVT 2.1, 4.3.3.3).
pub(crate) fn doubled_area(ring: &[Vertex]) -> i64 {
    edges(ring)
        .map(|((x1, y1), (x2, y2))| i64::from(x1) * i64::from(y2) - i64::from(x2) * i64::from(y1))
        .sum()
}

pub(crate) fn edges(ring: &[Vertex]) -> impl Iterator<Item = (Vertex, Vertex)> {
    let next = ring.iter().cycle().skip(1);
    ring.iter().copied().zip(next.copied())
}

/// Returns the column and row of the tile that contains a position.
pub(crate) fn column_and_row(lon: f64, lat: f64, z: u32) -> (u32, u32) {
    let tiles = f64::from(1_u32 << z);
    let column = (lon + 180.0) / 360.0 * tiles;
    let row = (1.0 - lat.to_radians().tan().asinh() / std::f64::consts::PI) / 2.0 * tiles;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "rounding down gives the tile that contains the position"
    )]
    let floor = |value: f64| value as u32;
    (floor(column), floor(row))
}

/// Returns all tiles of a zoom that are not empty.
fn tiles_of(layer: &str, z: u32) -> Vec<(u32, u32, Vec<TileFeature>)> {
    let [west, south, east, north] = bounds(layer);
    let (first_column, first_row) = column_and_row(west, north, z);
    let (last_column, last_row) = column_and_row(east, south, z);
    let columns = first_column..=last_column;
    let coords = columns.flat_map(|x| (first_row..=last_row).map(move |y| (x, y)));
    coords
        .filter_map(|(x, y)| Some((x, y, tile(layer, z, x, y)?)))
        .collect()
}

fn bounds(layer: &str) -> [f64; 4] {
    let tilejson = SERVER
        .get(&format!("/tiles/{layer}.json"))
        .expect(200)
        .json();
    let bounds = tilejson["bounds"].as_array().expect("bounds");
    let degrees = |index: usize| bounds[index].as_f64().expect("degrees");
    [degrees(0), degrees(1), degrees(2), degrees(3)]
}

fn ids(layer: &str) -> BTreeSet<String> {
    let path = format!("/api/v1/areas/{layer}?as_of={AS_OF}");
    let body = SERVER.get(&path).expect(200).json();
    let areas = body["areas"].as_array().expect("a list").iter();
    areas
        .map(|area| area["id"].as_str().expect("an id").to_string())
        .collect()
}

#[test]
fn each_community_has_a_single_feature_id_and_nothing_else_is_drawn() {
    for z in [0, 5, 8] {
        let mut feature_ids: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
        for (_, _, features) in tiles_of("icc", z) {
            for feature in features {
                let area = feature.tags["id"].clone();
                feature_ids.entry(area).or_default().insert(feature.id);
            }
        }
        assert!(
            feature_ids.values().all(|ids| ids.len() == 1),
            "{feature_ids:?}"
        );
        let found: BTreeSet<String> = feature_ids.into_keys().collect();
        if z == 8 {
            assert_eq!(found.len(), 16);
            assert_eq!(found, ids("icc"));
        } else {
            assert!(found.is_subset(&ids("icc")) && !found.is_empty(), "{z}");
        }
    }
}

#[test]
fn feature_ids_are_unique_and_features_are_valid() {
    for layer in ["icc", "gp-practice", "resilience-group"] {
        let mut count = 0;
        for z in [6, 8, 11] {
            for (x, y, features) in tiles_of(layer, z) {
                let tile = format!("{layer} {z}/{x}/{y}");
                let feature_ids: HashSet<u64> = features.iter().map(|feature| feature.id).collect();
                assert_eq!(feature_ids.len(), features.len(), "{tile}: duplicate id");
                count += features.len();
                for feature in &features {
                    check_feature(&tile, feature);
                }
            }
        }
        assert!(
            count > 20,
            "{layer}: {count} features are too few for this test"
        );
    }
}

#[track_caller]
fn check_feature(tile: &str, feature: &TileFeature) {
    let keys: Vec<&str> = feature.tags.keys().map(String::as_str).collect();
    assert_eq!(keys, ["id", "mapcolor7", "name", "provenance"], "{tile}");
    assert!(
        feature.tags.values().all(|value| !value.is_empty()),
        "{tile}"
    );
    let colour: u32 = feature.tags["mapcolor7"].parse().expect("a number");
    assert!(colour < 7, "{tile}: {colour}");
    assert!(
        !feature.rings.is_empty(),
        "{tile}: the feature has no rings"
    );
    for (index, ring) in feature.rings.iter().enumerate() {
        let area = doubled_area(ring);
        assert!(
            ring.len() >= 3 && area != 0,
            "{tile}: ring {index} has no area"
        );
        assert!(index > 0 || area > 0, "{tile}: the first ring is a hole");
        assert!(
            edges(ring).all(|(from, to)| from != to),
            "{tile}: ring {index} repeats a vertex"
        );
        let range = -BUFFER..=EXTENT + BUFFER;
        let is_in_buffer = |&(x, y): &Vertex| range.contains(&x) && range.contains(&y);
        assert!(
            ring.iter().all(is_in_buffer),
            "{tile}: ring {index} extends beyond the buffer of the tile"
        );
    }
}

/// The signed areas add up to the covered area. A hole with the orientation of an exterior ring
/// would increase the sum.
#[test]
fn areas_do_not_cover_more_than_the_tile() {
    for z in [7, 8, 10] {
        for (x, y, features) in tiles_of("icc", z) {
            let rings = features.iter().flat_map(|feature| &feature.rings);
            let covered: i64 = rings.map(|ring| doubled_area(ring)).sum();
            let side = i64::from(EXTENT + 2 * BUFFER);
            assert!(
                (0..=2 * side * side).contains(&covered),
                "{z}/{x}/{y}: {covered}"
            );
        }
    }
}

/// Along a common border, two communities have the same vertices, and the same edges in opposite
/// directions, so that no gap is visible between the communities at any scale.
#[test]
fn adjacent_communities_share_the_vertices_of_their_border() {
    let mut shared_edges = 0;
    for z in [8, 10, 11] {
        for (x, y, features) in tiles_of("icc", z) {
            for (index, feature) in features.iter().enumerate() {
                for other in &features[index + 1..] {
                    shared_edges += check_border(feature, other, &format!("{z}/{x}/{y}"));
                    check_border(other, feature, &format!("{z}/{x}/{y}"));
                }
            }
        }
    }
    assert!(shared_edges > 1_000, "{shared_edges}");
}

/// Checks the border between two features, and returns the number of edges that they share.
#[track_caller]
fn check_border(feature: &TileFeature, other: &TileFeature, tile: &str) -> usize {
    let other_edges: HashSet<(Vertex, Vertex)> =
        other.rings.iter().flat_map(|ring| edges(ring)).collect();
    let shared: Vec<(Vertex, Vertex)> = feature
        .rings
        .iter()
        .flat_map(|ring| edges(ring))
        .filter(|&(from, to)| other_edges.contains(&(to, from)))
        .collect();
    let other_vertices: HashSet<Vertex> = other.rings.iter().flatten().copied().collect();
    let names = [&feature.tags["id"], &other.tags["id"]];
    for vertex in feature.rings.iter().flatten() {
        let is_on_edge = other_edges
            .iter()
            .any(|&edge| is_strictly_on(edge, *vertex));
        assert!(
            !is_on_edge || other_vertices.contains(vertex) || is_at_side(*vertex),
            "{tile}: the borders of {names:?} differ at {vertex:?}"
        );
    }
    shared.len()
}

/// Returns whether a vertex is within half a unit of an edge, and not near its ends.
fn is_strictly_on((from, to): (Vertex, Vertex), vertex: Vertex) -> bool {
    let difference =
        |(x, y): Vertex, (from_x, from_y): Vertex| (f64::from(x - from_x), f64::from(y - from_y));
    let (along, offset) = (difference(to, from), difference(vertex, from));
    let length = along.0.hypot(along.1);
    let fraction = (offset.0 * along.0 + offset.1 * along.1) / (length * length);
    let distance = (offset.0 * along.1 - offset.1 * along.0).abs() / length;
    let margin = 2.0 / length;
    distance <= 0.5 && fraction > margin && fraction < 1.0 - margin
}

/// Returns whether a vertex is on the clip boundary, along which a ring may have fewer vertices
/// than the rings of its neighbours.
fn is_at_side((x, y): Vertex) -> bool {
    [x, y]
        .iter()
        .any(|&coordinate| coordinate == -BUFFER || coordinate == EXTENT + BUFFER)
}

#[test]
fn adjacent_communities_have_different_colours() {
    let mut adjacent = BTreeSet::new();
    let mut colours: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (x, y, features) in tiles_of("icc", 8) {
        let mut by_edge: BTreeMap<(Vertex, Vertex), &TileFeature> = BTreeMap::new();
        for feature in &features {
            by_edge.extend(
                feature
                    .rings
                    .iter()
                    .flat_map(|ring| edges(ring))
                    .map(|edge| (edge, feature)),
            );
            let colour = feature.tags["mapcolor7"].clone();
            colours
                .entry(feature.tags["id"].clone())
                .or_default()
                .insert(colour);
        }
        for (&(from, to), feature) in &by_edge {
            let Some(other) = by_edge.get(&(to, from)) else {
                continue;
            };
            let names = [&feature.tags["id"], &other.tags["id"]];
            assert_ne!(
                feature.tags["mapcolor7"], other.tags["mapcolor7"],
                "8/{x}/{y}: {names:?}"
            );
            adjacent.insert(names.map(String::clone));
        }
    }
    assert!(adjacent.len() > 40, "{adjacent:?}");
    assert!(
        colours.values().all(|of_area| of_area.len() == 1),
        "{colours:?}"
    );
}

/// If the digest changes although the embedded dataset has not changed, increase
/// [`ENCODER_VERSION`], because caches store the old tiles for a year under the old URLs.
#[test]
fn tile_bytes_change_only_with_the_encoder_version() {
    let mut digest = Sha256::new();
    for coord in ["6/31/20", "8/125/81", "10/502/326", "12/2010/1305"] {
        let tile = SERVER.get(&format!(
            "/tiles/icc,gp-practice/{coord}.mvt?as_of=2025-12-01"
        ));
        digest.update(&tile.expect(200).body);
    }
    let start: [u8; 4] = digest.finalize()[..4].try_into().expect("32 bytes");
    assert_eq!(
        (ENCODER_VERSION, u32::from_be_bytes(start)),
        (3, 0x4c6f_9a86)
    );
}

#[test]
fn tilejson_describes_the_tiles_and_their_layers() {
    for layer in ["icc", "sub-community", "gp-practice", "resilience-group"] {
        let reply = SERVER.get(&format!("/tiles/{layer}.json")).expect(200);
        let body = reply.json();
        assert_eq!(body["tilejson"], "3.0.0", "{reply}");
        assert_eq!(body["scheme"], "xyz", "{reply}");
        assert_eq!(
            (&body["minzoom"], &body["maxzoom"]),
            (&0.into(), &22.into())
        );
        assert_eq!(body["vector_layers"][0]["id"], layer, "{reply}");
        for field in ["id", "name", "provenance"] {
            assert_eq!(
                body["vector_layers"][0]["fields"][field], "String",
                "{reply}"
            );
        }
        let attribution = body["attribution"].as_str().unwrap_or_default();
        assert!(attribution.contains("Crown copyright"), "{reply}");
        let [west, south, east, north] = bounds(layer);
        assert!(-4.0 < west && west < east && east < -1.5, "{reply}");
        assert!(53.0 < south && south < north && north < 56.0, "{reply}");
        check_tile_template(&body["tiles"][0]);
    }
}

#[track_caller]
fn check_tile_template(template: &Value) {
    let template = template.as_str().expect("a template");
    let address = template
        .replace("{z}", "8")
        .replace("{x}", "125")
        .replace("{y}", "81");
    let (_, path) = address.split_once("/tiles/").expect("a path of tiles");
    let reply = SERVER.get(&format!("/tiles/{path}"));
    assert!([200, 204].contains(&reply.status), "{reply}");
}

#[test]
fn tilejson_preserves_the_date_and_ignores_invalid_hosts() {
    let template = |headers: &[(&str, &str)], path: &str| {
        let reply = SERVER.send("GET", path, headers, None).expect(200);
        assert_eq!(reply.header("vary"), "host, x-forwarded-proto", "{reply}");
        reply.json()["tiles"][0]
            .as_str()
            .expect("a template")
            .to_string()
    };
    let dated = template(&[], "/tiles/icc.json?as_of=2023-01-01");
    assert!(dated.ends_with(".mvt?as_of=2023-01-01"), "{dated}");
    let untrusted = template(&[("host", "maps.example:8080")], "/tiles/icc.json");
    assert_eq!(untrusted, "/tiles/icc/{z}/{x}/{y}.mvt");
    SERVER
        .send("GET", "/tiles/icc.json", &[("host", "a\"b")], None)
        .expect_problem(400, "invalid_host");
}

#[test]
fn empty_tiles_are_204_and_nonexistent_tiles_are_400() {
    for path in ["8/0/0", "22/0/0", "12/2047/0"] {
        let reply = SERVER.get(&format!("/tiles/icc/{path}.mvt")).expect(204);
        assert!(reply.body.is_empty(), "{reply}");
    }
    for path in [
        "-1/0/0.mvt",
        "31/0/0.mvt",
        "23/0/0.mvt",
        "256/0/0.mvt",
        "8/256/0.mvt",
        "8/0/256.mvt",
        "8/0/abc.mvt",
        "8/0/0",
        "8/0/0.png",
        "8/0/.mvt",
        "8/1.5/0.mvt",
        "8/0/99999999999999999999.mvt",
        "8/..%2f..%2f..%2fetc/passwd.mvt",
        "8/0/%00.mvt",
    ] {
        let reply = SERVER.get(&format!("/tiles/icc/{path}"));
        reply.expect_problem(400, "invalid_tile");
    }
}

#[test]
fn a_tile_inside_an_area_is_fully_covered_at_the_highest_zoom() {
    let (x, y) = column_and_row(-2.745, 54.326, 22);
    let features = tile("icc", 22, x, y).expect("a tile with Kendal");
    let [feature] = &features[..] else {
        panic!("expected one community, but found {}", features.len())
    };
    assert_eq!(feature.tags["id"], "mb-kendal");
    let side = i64::from(EXTENT + 2 * BUFFER);
    assert_eq!(doubled_area(&feature.rings[0]), 2 * side * side);
}

/// Decompresses the body of a reply.
fn decompress(reply: &Reply) -> Vec<u8> {
    let mut bytes = Vec::new();
    match reply.header("content-encoding") {
        "" => bytes.clone_from(&reply.body),
        "gzip" => {
            let mut decoder = flate2::read::GzDecoder::new(&reply.body[..]);
            decoder.read_to_end(&mut bytes).expect("gzip");
        }
        "zstd" => bytes = zstd::bulk::decompress(&reply.body, 1 << 24).expect("zstd"),
        "br" => brotli::BrotliDecompress(&mut &reply.body[..], &mut bytes).expect("brotli"),
        other => panic!("{other}: {reply}"),
    }
    bytes
}

fn request(method: &str, path: &str, accept_encoding: &str, if_none_match: Option<&str>) -> Reply {
    let mut headers = vec![("accept-encoding", accept_encoding)];
    headers.extend(if_none_match.map(|etags| ("if-none-match", etags)));
    SERVER.send(method, path, &headers, None)
}

#[test]
fn each_encoding_has_its_own_etag_and_the_same_tile() {
    let plain = request("GET", KENDAL_TILE, "identity", None).expect(200);
    let mut etags = BTreeSet::from([plain.header("etag").to_string()]);
    for encoding in ["gzip", "zstd", "br"] {
        for _ in 0..2 {
            let reply = request("GET", KENDAL_TILE, encoding, None).expect(200);
            assert_eq!(reply.header("content-encoding"), encoding, "{reply}");
            assert_eq!(reply.header("content-type"), MVT, "{reply}");
            assert!(reply.body.len() < plain.body.len(), "{reply}");
            assert_eq!(decompress(&reply), plain.body, "{reply}");
            etags.insert(reply.header("etag").to_string());
        }
    }
    assert_eq!(etags.len(), 4);
    assert!(etags.iter().all(|etag| etag.starts_with('"')), "{etags:?}");
}

#[test]
fn content_encodings_are_negotiated_by_weight() {
    for (accepted, expected) in [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, deflate", "gzip"),
        ("br;q=0.2, gzip;q=0.8", "gzip"),
        ("br;q=0, zstd", "zstd"),
        ("deflate", ""),
        ("", ""),
    ] {
        let reply = request("GET", KENDAL_TILE, accepted, None).expect(200);
        assert_eq!(
            reply.header("content-encoding"),
            expected,
            "{accepted}: {reply}"
        );
    }
    let refused = request("GET", KENDAL_TILE, "identity;q=0, compress", None);
    refused.expect_problem(406, "no_acceptable_encoding");
}

#[test]
fn conditional_requests_return_304_with_the_headers_of_the_tile() {
    for path in [KENDAL_TILE, "/tiles/icc/8/0/0.mvt"] {
        for accepted in ["identity", "gzip", "zstd", "br"] {
            let first = request("GET", path, accepted, None);
            let etag = first.header("etag").to_string();
            assert!(!etag.is_empty(), "{first}");
            for etags in [
                etag.clone(),
                format!("W/{etag}"),
                format!("\"a\", {etag}"),
                "*".into(),
            ] {
                for method in ["GET", "HEAD"] {
                    let reply = request(method, path, accepted, Some(&etags)).expect(304);
                    assert!(reply.body.is_empty(), "{reply}");
                    for name in ["etag", "vary", "cache-control"] {
                        assert_eq!(reply.header(name), first.header(name), "{name}: {reply}");
                    }
                }
            }
            let other = request("GET", path, accepted, Some("\"other\""));
            assert_eq!((other.status, other.body), (first.status, first.body));
        }
    }
    // The ETag of one encoding does not match the tile in another encoding.
    let etag = request("GET", KENDAL_TILE, "gzip", None)
        .header("etag")
        .to_string();
    request("GET", KENDAL_TILE, "br", Some(&etag)).expect(200);
}

#[test]
fn head_responses_have_the_headers_of_get_responses() {
    for (path, status) in [(KENDAL_TILE, 200), ("/tiles/icc/8/0/0.mvt", 204)] {
        for accepted in ["identity", "gzip", "br"] {
            let get = request("GET", path, accepted, None).expect(status);
            let head = request("HEAD", path, accepted, None).expect(status);
            assert!(head.body.is_empty(), "{head}");
            for name in [
                "etag",
                "vary",
                "cache-control",
                "content-type",
                "content-encoding",
                "content-length",
            ] {
                assert_eq!(head.header(name), get.header(name), "{name}: {head}");
            }
        }
    }
}

#[test]
fn empty_tiles_have_the_caching_headers_of_others() {
    let reply = request("GET", "/tiles/icc/8/0/0.mvt", "br", None).expect(204);
    assert_eq!(reply.header("vary"), "accept-encoding", "{reply}");
    assert_eq!(
        reply.header("cache-control"),
        "public, max-age=300",
        "{reply}"
    );
    assert_eq!(reply.header("content-encoding"), "", "{reply}");
    assert!(reply.header("etag").starts_with('"'), "{reply}");
}

#[test]
fn several_layers_can_be_requested_in_one_tile() {
    let reply = SERVER
        .get("/tiles/sub-icb,icc,gp-practice/8/125/81.mvt")
        .expect(200);
    let tile = MvtReaderRef::new(&reply.body).expect("a vector tile");
    let names: Vec<&str> = tile.layers().map(|layer| layer.name()).collect();
    assert_eq!(names, ["icc", "gp-practice", "sub-icb"]);
    let single = SERVER.get(KENDAL_TILE).expect(200);
    assert!(
        reply.body.starts_with(&single.body),
        "the bytes of a layer must not depend on the other layers"
    );
    // The order of layers makes no difference, and duplicate layers are ignored.
    let other = SERVER
        .get("/tiles/gp-practice,icc,sub-icb,icc/8/125/81.mvt")
        .expect(200);
    assert_eq!(other.header("etag"), reply.header("etag"));
    for path in [
        "icc,nothing/8/125/81.mvt",
        "icc,/8/125/81.mvt",
        ",/8/125/81.mvt",
        "icc,nothing.json",
    ] {
        SERVER
            .get(&format!("/tiles/{path}"))
            .expect_problem(404, "unknown_layer");
    }
    let body = SERVER.get("/tiles/icc,gp-practice.json").expect(200).json();
    assert_eq!(body["vector_layers"].as_array().map(Vec::len), Some(2));
    check_tile_template(&body["tiles"][0]);
}

/// Returns the path of the tile [`KENDAL_TILE`] in the current edition.
fn edition_path(query: &str) -> String {
    let body = SERVER
        .get(&format!("/tiles/icc.json{query}"))
        .expect(200)
        .json();
    let template = body["edition_tiles"][0].as_str().expect("a template");
    let template = template
        .replace("{z}", "8")
        .replace("{x}", "125")
        .replace("{y}", "81");
    let (_, path) = template.split_once("/tiles/").expect("a path of tiles");
    format!("/tiles/{path}")
}

#[test]
fn tiles_of_an_edition_are_immutable() {
    let path = edition_path(&format!("?as_of={AS_OF}"));
    let edition = SERVER.get(&path).expect(200);
    let plain = SERVER
        .get(&format!("{KENDAL_TILE}?as_of={AS_OF}"))
        .expect(200);
    assert_eq!(edition.body, plain.body);
    assert_eq!(edition.header("etag"), plain.header("etag"));
    assert_eq!(
        edition.header("cache-control"),
        "public, max-age=31536000, immutable"
    );
    assert_eq!(plain.header("cache-control"), "public, max-age=300");
    let conditional = [("if-none-match", edition.header("etag"))];
    let unchanged = SERVER.send("GET", &path, &conditional, None).expect(304);
    assert_eq!(
        unchanged.header("cache-control"),
        edition.header("cache-control")
    );
    let empty = SERVER.get(&path.replace("8/125/81", "8/0/0")).expect(204);
    assert_eq!(
        empty.header("cache-control"),
        edition.header("cache-control")
    );

    // Other parameters are rejected.
    let dated = SERVER.get(&format!("{path}?as_of={AS_OF}"));
    assert_eq!(dated.status, 400, "{dated}");
    SERVER
        .get(&path.replace("8/125/81", "8/256/81"))
        .expect_problem(400, "invalid_tile");
    SERVER
        .get(&path.replace("/icc/", "/nothing/"))
        .expect_problem(404, "unknown_layer");
    for other in [
        "2026.1_2025-12-01_00000000",
        "2026.1",
        "_",
        "x_y_z",
        "%00_%00_%00",
        "..%2f..",
    ] {
        SERVER
            .get(&format!("/tiles/{other}/icc/8/125/81.mvt"))
            .expect_problem(404, "unknown_edition");
    }
}

#[test]
fn dates_between_two_changes_share_an_edition() {
    let path_on = |day: &str| edition_path(&format!("?as_of={day}"));
    assert_eq!(path_on("2025-11-30"), path_on("2025-12-01"));
    assert_ne!(path_on("2022-02-01"), path_on("2025-12-01"));
    // After the last known change, the edition does not change.
    assert_eq!(path_on("2030-01-01"), path_on("2031-01-01"));
}

#[test]
fn the_style_draws_every_requested_layer() {
    let body = SERVER
        .get("/tiles/style.json?layers=icc,gp-practice")
        .expect(200)
        .json();
    assert_eq!(body["version"], 8);
    let source = &body["sources"]["catchment"];
    assert_eq!(source["type"], "vector");
    check_tile_template(&source["tiles"][0]);
    assert!(
        source["attribution"]
            .as_str()
            .is_some_and(|text| text.contains("Crown copyright"))
    );
    let layers = body["layers"].as_array().expect("layers");
    assert_eq!(layers[0]["type"], "background");
    let [layers @ .., labels] = &layers[1..] else {
        panic!("{body}");
    };
    assert_eq!(labels["source"], "labels");
    let drawn: BTreeSet<&str> = layers
        .iter()
        .filter_map(|layer| layer["source-layer"].as_str())
        .collect();
    assert_eq!(drawn, BTreeSet::from(["icc", "gp-practice"]));
    assert!(layers.iter().all(|layer| layer["source"] == "catchment"));
    // Only the layer without overlaps is opaque enough to hide what is below it.
    let opacities = layers
        .iter()
        .filter(|layer| layer["type"] == "fill")
        .map(|layer| layer["paint"]["fill-opacity"].as_f64().expect("a number"));
    assert_eq!(opacities.collect::<Vec<_>>(), [0.35, 0.06]);
    // QGIS 3.22 ignores more complicated colour expressions, and labels that are not arrays.
    let colour = layers[0]["paint"]["fill-color"].as_array();
    let colour = colour.expect("an expression");
    assert_eq!(colour[..2], [json!("match"), json!(["get", "mapcolor7"])]);
    let labels: Vec<&Value> = colour[2..].iter().step_by(2).take(6).collect();
    assert_eq!(json!(labels), json!([[0], [1], [2], [3], [4], [5]]));
    assert_eq!(colour.len(), 2 + 6 * 2 + 1);
    let default = SERVER.get("/tiles/style.json").expect(200).json();
    assert_eq!(default["layers"][1]["source-layer"], "icc");
    SERVER
        .get("/tiles/style.json?labels=yes")
        .expect_problem(400, "malformed");
    SERVER
        .get("/tiles/style.json?layers=nothing")
        .expect_problem(404, "unknown_layer");
    SERVER
        .get("/tiles/icc.json?layers=icc")
        .expect_problem(400, "unknown_parameter");
}

/// Each label is in the area that it names.
#[test]
fn labels_of_the_style_are_within_their_areas() {
    let style = SERVER
        .get("/tiles/style.json?layers=icc")
        .expect(200)
        .json();
    let points = &style["sources"]["labels"]["data"]["features"];
    let points = points.as_array().expect("points");
    assert_eq!(points.len(), 16);
    for point in points {
        let position = &point["geometry"]["coordinates"];
        let url = format!(
            "/api/v1/locate?lon={}&lat={}&layers=icc",
            position[0], position[1]
        );
        let answer = SERVER.get(&url).expect(200).json();
        let name = answer["residence"]["icc"][0]["name"].as_str();
        let label = point["properties"]["label"].as_str().expect("a label");
        assert_eq!(name, Some(format!("{label} ICC").as_str()), "{point}");
    }
    let plain = SERVER
        .get("/tiles/style.json?layers=icc&labels=off")
        .expect(200)
        .json();
    assert!(plain["sources"].get("labels").is_none(), "{plain}");
    // There are too many statistical areas to show their names.
    let many = SERVER
        .get("/tiles/style.json?layers=lsoa11")
        .expect(200)
        .json();
    let none = &many["sources"]["labels"]["data"]["features"];
    assert_eq!(none, &json!([]));
}
