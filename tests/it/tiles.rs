//! Vector tiles, read with the commands of the format spelled out here.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::Read as _;

use catchment::tiles::MAKING;
use fast_mvt::MvtReaderRef;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::server::{AS_OF, Reply, SERVER};

const KENDAL: &str = "/tiles/icc/8/125/81.mvt";

const MVT: &str = "application/vnd.mapbox-vector-tile";
const EXTENT: i32 = 4_096;
/// What a tile may hold beyond each of its sides.
const BUFFER: i32 = 64;

pub(crate) type Vertex = (i32, i32);

/// A feature of a tile.
pub(crate) struct Shape {
    pub(crate) number: u64,
    pub(crate) tags: BTreeMap<String, String>,
    /// Open rings: the first vertex is not repeated. A point has none.
    pub(crate) rings: Vec<Vec<Vertex>>,
}

/// The tile at `z/x/y`; `None` where it is empty.
#[track_caller]
fn tile(layer: &str, z: u32, x: u32, y: u32) -> Option<Vec<Shape>> {
    let reply = SERVER.get(&format!("/tiles/{layer}/{z}/{x}/{y}.mvt"));
    if reply.status == 204 {
        assert!(reply.body.is_empty(), "{reply}");
        return None;
    }
    Some(shapes(&reply.expect(200), layer))
}

#[track_caller]
fn shapes(reply: &Reply, name: &str) -> Vec<Shape> {
    assert_eq!(reply.header("content-type"), MVT);
    decode(&reply.body, name)
}

/// The features of a tile of one layer.
#[track_caller]
pub(crate) fn decode(bytes: &[u8], name: &str) -> Vec<Shape> {
    let tile = MvtReaderRef::new(bytes).expect("a vector tile");
    assert_eq!(tile.layer_count(), 1);
    let layer = tile.layers().next().expect("a layer");
    assert_eq!((layer.name(), layer.version()), (name, 2));
    assert_eq!(i64::from(layer.extent()), i64::from(EXTENT));
    let shape = |feature: fast_mvt::MvtFeatureRef<'_>| Shape {
        number: feature.id().expect("a number"),
        tags: feature
            .properties_vec()
            .expect("tags")
            .into_iter()
            .map(|(key, value)| (key.to_string(), text(value)))
            .collect(),
        // 1 is a point, 3 a polygon (MVT 2.1, 4.3.4).
        rings: match feature.geom_type_value() {
            Some(1) => Vec::new(),
            _ => rings(feature.geometry_commands()),
        },
    };
    layer.features().map(shape).collect()
}

fn text(value: fast_mvt::MvtValueRef<'_>) -> String {
    match value {
        fast_mvt::MvtValueRef::String(text) => text.to_string(),
        fast_mvt::MvtValueRef::UInt(number) => number.to_string(),
        other => panic!("a tag is text or a number: {other:?}"),
    }
}

/// The rings of a polygon: MoveTo, LineTo, ClosePath and so on (MVT 2.1, 4.3).
fn rings(commands: &[u32]) -> Vec<Vec<Vertex>> {
    let mut rings = Vec::new();
    let mut numbers = commands.iter().copied();
    let (mut x, mut y) = (0, 0);
    while let Some(move_to) = numbers.next() {
        assert_eq!(move_to, 1 | 1 << 3, "a ring begins with one MoveTo");
        let mut read = |numbers: &mut dyn Iterator<Item = u32>| {
            x += unzigzag(numbers.next().expect("x"));
            y += unzigzag(numbers.next().expect("y"));
            (x, y)
        };
        let mut ring = vec![read(&mut numbers)];
        let line_to = numbers.next().expect("LineTo");
        assert_eq!(line_to & 7, 2, "a ring goes on with LineTo");
        ring.extend((0..line_to >> 3).map(|_| read(&mut numbers)));
        assert_eq!(numbers.next(), Some(7 | 1 << 3), "and ends with ClosePath");
        rings.push(ring);
    }
    rings
}

fn unzigzag(number: u32) -> i32 {
    let half = i32::try_from(number >> 1).expect("31 bits");
    half ^ -i32::from(number & 1 == 1)
}

/// Twice the area; positive for an exterior (MVT 2.1, 4.3.3.3: the y axis points down).
pub(crate) fn doubled_area(ring: &[Vertex]) -> i64 {
    edges(ring)
        .map(|((x1, y1), (x2, y2))| i64::from(x1) * i64::from(y2) - i64::from(x2) * i64::from(y1))
        .sum()
}

pub(crate) fn edges(ring: &[Vertex]) -> impl Iterator<Item = (Vertex, Vertex)> {
    let next = ring.iter().cycle().skip(1);
    ring.iter().copied().zip(next.copied())
}

/// Column and row of the tile that a position is on.
pub(crate) fn column_and_row(lon: f64, lat: f64, z: u32) -> (u32, u32) {
    let tiles = f64::from(1_u32 << z);
    let column = (lon + 180.0) / 360.0 * tiles;
    let row = (1.0 - lat.to_radians().tan().asinh() / std::f64::consts::PI) / 2.0 * tiles;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the tile that the position is on"
    )]
    let whole = |number: f64| number as u32;
    (whole(column), whole(row))
}

/// Every tile of a zoom that the layer's bounds reach.
fn tiles_of(layer: &str, z: u32) -> Vec<(u32, u32, Vec<Shape>)> {
    let [west, south, east, north] = bounds(layer);
    let (first_column, first_row) = column_and_row(west, north, z);
    let (last_column, last_row) = column_and_row(east, south, z);
    let columns = first_column..=last_column;
    let places = columns.flat_map(|x| (first_row..=last_row).map(move |y| (x, y)));
    places
        .filter_map(|(x, y)| Some((x, y, tile(layer, z, x, y)?)))
        .collect()
}

fn bounds(layer: &str) -> [f64; 4] {
    let tilejson = SERVER
        .get(&format!("/tiles/{layer}.json"))
        .expect(200)
        .json();
    let bounds = tilejson["bounds"].as_array().expect("bounds");
    let degrees = |at: usize| bounds[at].as_f64().expect("degrees");
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
fn every_community_is_on_a_tile_under_one_number_and_nothing_else_is() {
    for z in [0, 5, 8] {
        let mut numbers: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
        for (_, _, shapes) in tiles_of("icc", z) {
            for shape in shapes {
                let id = shape.tags["id"].clone();
                numbers.entry(id).or_default().insert(shape.number);
            }
        }
        assert!(numbers.values().all(|all| all.len() == 1), "{numbers:?}");
        let found: BTreeSet<String> = numbers.into_keys().collect();
        if z == 8 {
            assert_eq!(found.len(), 16);
            assert_eq!(found, ids("icc"));
        } else {
            assert!(found.is_subset(&ids("icc")) && !found.is_empty(), "{z}");
        }
    }
}

#[test]
fn features_are_numbered_once_named_and_wound_as_the_format_asks() {
    for layer in ["icc", "gp-practice", "resilience-group"] {
        let mut count = 0;
        for z in [6, 8, 11] {
            for (x, y, shapes) in tiles_of(layer, z) {
                let at = format!("{layer} {z}/{x}/{y}");
                let numbers: HashSet<u64> = shapes.iter().map(|shape| shape.number).collect();
                assert_eq!(numbers.len(), shapes.len(), "{at}: a number stands twice");
                count += shapes.len();
                shapes.iter().for_each(|shape| check_shape(&at, shape));
            }
        }
        assert!(
            count > 20,
            "{layer}: {count} features are too few to mean anything"
        );
    }
}

#[track_caller]
fn check_shape(at: &str, shape: &Shape) {
    let keys: Vec<&str> = shape.tags.keys().map(String::as_str).collect();
    assert_eq!(keys, ["id", "mapcolor7", "name", "provenance"], "{at}");
    assert!(shape.tags.values().all(|value| !value.is_empty()), "{at}");
    let colour: u32 = shape.tags["mapcolor7"].parse().expect("a number");
    assert!(colour < 7, "{at}: {colour}");
    assert!(!shape.rings.is_empty(), "{at}: nothing to draw");
    for (place, ring) in shape.rings.iter().enumerate() {
        let area = doubled_area(ring);
        assert!(ring.len() >= 3 && area != 0, "{at}: ring {place} is empty");
        assert!(place > 0 || area > 0, "{at}: a hole before its exterior");
        assert!(
            edges(ring).all(|(from, to)| from != to),
            "{at}: ring {place} stands still"
        );
        let sides = -BUFFER..=EXTENT + BUFFER;
        let is_near = |&(x, y): &Vertex| sides.contains(&x) && sides.contains(&y);
        assert!(
            ring.iter().all(is_near),
            "{at}: ring {place} leaves the tile"
        );
    }
}

/// The outer rings' areas add up to the ground: a hole wound like an exterior would add to it.
#[test]
fn the_rings_of_a_tile_cover_no_ground_twice() {
    for z in [7, 8, 10] {
        for (x, y, shapes) in tiles_of("icc", z) {
            let rings = shapes.iter().flat_map(|shape| &shape.rings);
            let covered: i64 = rings.map(|ring| doubled_area(ring)).sum();
            let side = i64::from(EXTENT + 2 * BUFFER);
            assert!(
                (0..=2 * side * side).contains(&covered),
                "{z}/{x}/{y}: {covered}"
            );
        }
    }
}

/// Where two communities meet, each has the other's vertices and its edges the other way round: no
/// crack shows between them at any scale.
#[test]
fn neighbours_have_their_border_in_common_vertex_for_vertex() {
    let mut edges_in_common = 0;
    for z in [8, 10, 11] {
        for (x, y, shapes) in tiles_of("icc", z) {
            for (at, one) in shapes.iter().enumerate() {
                for other in &shapes[at + 1..] {
                    edges_in_common += check_border(one, other, &format!("{z}/{x}/{y}"));
                    check_border(other, one, &format!("{z}/{x}/{y}"));
                }
            }
        }
    }
    assert!(edges_in_common > 1_000, "{edges_in_common}");
}

/// The number of edges in common.
#[track_caller]
fn check_border(one: &Shape, other: &Shape, at: &str) -> usize {
    let their_edges: HashSet<(Vertex, Vertex)> =
        other.rings.iter().flat_map(|ring| edges(ring)).collect();
    let in_common: Vec<Vertex> = one
        .rings
        .iter()
        .flat_map(|ring| edges(ring))
        .filter(|&(from, to)| their_edges.contains(&(to, from)))
        .flat_map(|(from, to)| [from, to])
        .collect();
    let theirs: HashSet<Vertex> = other.rings.iter().flatten().copied().collect();
    let names = [&one.tags["id"], &other.tags["id"]];
    for vertex in one.rings.iter().flatten() {
        let lies_on_edge = their_edges
            .iter()
            .any(|&edge| lies_strictly_on(edge, *vertex));
        assert!(
            !lies_on_edge || theirs.contains(vertex) || is_at_side(*vertex),
            "{at}: {names:?} part at {vertex:?}"
        );
    }
    in_common.len() / 2
}

/// Within a unit of the edge, and not near its ends.
fn lies_strictly_on((from, to): (Vertex, Vertex), vertex: Vertex) -> bool {
    let difference =
        |(x, y): Vertex, (from_x, from_y): Vertex| (f64::from(x - from_x), f64::from(y - from_y));
    let (along, offset) = (difference(to, from), difference(vertex, from));
    let length = along.0.hypot(along.1);
    let part = (offset.0 * along.0 + offset.1 * along.1) / (length * length);
    let distance = (offset.0 * along.1 - offset.1 * along.0).abs() / length;
    let margin = 2.0 / length;
    distance <= 0.5 && part > margin && part < 1.0 - margin
}

/// At the sides each ring is cut for itself, and may go along them in fewer steps.
fn is_at_side((x, y): Vertex) -> bool {
    [x, y]
        .iter()
        .any(|&along| along == -BUFFER || along == EXTENT + BUFFER)
}

#[test]
fn communities_side_by_side_have_other_colours() {
    let mut met = BTreeSet::new();
    let mut colours: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (x, y, shapes) in tiles_of("icc", 8) {
        let mut owners: BTreeMap<(Vertex, Vertex), &Shape> = BTreeMap::new();
        for shape in &shapes {
            owners.extend(
                shape
                    .rings
                    .iter()
                    .flat_map(|it| edges(it))
                    .map(|it| (it, shape)),
            );
            let colour = shape.tags["mapcolor7"].clone();
            colours
                .entry(shape.tags["id"].clone())
                .or_default()
                .insert(colour);
        }
        for (&(from, to), one) in &owners {
            let Some(other) = owners.get(&(to, from)) else {
                continue;
            };
            let names = [&one.tags["id"], &other.tags["id"]];
            assert_ne!(
                one.tags["mapcolor7"], other.tags["mapcolor7"],
                "8/{x}/{y}: {names:?}"
            );
            met.insert(names.map(String::clone));
        }
    }
    assert!(met.len() > 40, "{met:?}");
    assert!(colours.values().all(|all| all.len() == 1), "{colours:?}");
}

/// Of the committed dataset. Where that is as it was and this is another, the next number is due: under their
/// old addresses, caches keep the old tiles for a year.
#[test]
fn another_way_to_make_tiles_has_another_number() {
    let mut digest = Sha256::new();
    for at in ["6/31/20", "8/125/81", "10/502/326", "12/2010/1305"] {
        let tile = SERVER.get(&format!("/tiles/icc,gp-practice/{at}.mvt?as_of=2025-12-01"));
        digest.update(&tile.expect(200).body);
    }
    let start: [u8; 4] = digest.finalize()[..4].try_into().expect("32 bytes");
    assert_eq!((MAKING, u32::from_be_bytes(start)), (3, 0xa221_da0d));
}

#[test]
fn tilejson_says_where_the_tiles_are_and_what_is_on_them() {
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
fn tilejson_keeps_its_date_and_repeats_no_doubtful_host() {
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
    let doubtful = template(&[("host", "maps.example:8080")], "/tiles/icc.json");
    assert_eq!(doubtful, "/tiles/icc/{z}/{x}/{y}.mvt");
    SERVER
        .send("GET", "/tiles/icc.json", &[("host", "a\"b")], None)
        .expect_problem(400, "malformed");
}

#[test]
fn a_tile_without_areas_is_empty_and_one_that_cannot_be_is_refused() {
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
        reply.expect_problem(400, "no_such_tile");
    }
}

#[test]
fn the_deepest_tile_inside_an_area_is_full_of_it() {
    let (x, y) = column_and_row(-2.745, 54.326, 22);
    let shapes = tile("icc", 22, x, y).expect("Kendal is there");
    let [shape] = &shapes[..] else {
        panic!("one community covers it, not {}", shapes.len())
    };
    assert_eq!(shape.tags["id"], "mb-kendal");
    let side = i64::from(EXTENT + 2 * BUFFER);
    assert_eq!(doubled_area(&shape.rings[0]), 2 * side * side);
}

/// The bytes of a tile as they are, from an encoding.
fn decoded(reply: &Reply) -> Vec<u8> {
    let mut plain = Vec::new();
    match reply.header("content-encoding") {
        "" => plain.clone_from(&reply.body),
        "gzip" => {
            let mut decoder = flate2::read::GzDecoder::new(&reply.body[..]);
            decoder.read_to_end(&mut plain).expect("gzip");
        }
        "zstd" => plain = zstd::bulk::decompress(&reply.body, 1 << 24).expect("zstd"),
        "br" => brotli::BrotliDecompress(&mut &reply.body[..], &mut plain).expect("brotli"),
        other => panic!("{other}: {reply}"),
    }
    plain
}

fn asked(method: &str, path: &str, accepted: &str, known: Option<&str>) -> Reply {
    let mut headers = vec![("accept-encoding", accepted)];
    headers.extend(known.map(|tags| ("if-none-match", tags)));
    SERVER.send(method, path, &headers, None)
}

#[test]
fn each_encoding_has_its_tag_and_is_the_same_tile() {
    let plain = asked("GET", KENDAL, "identity", None).expect(200);
    let mut tags = BTreeSet::from([plain.header("etag").to_string()]);
    for word in ["gzip", "zstd", "br"] {
        for _ in 0..2 {
            let reply = asked("GET", KENDAL, word, None).expect(200);
            assert_eq!(reply.header("content-encoding"), word, "{reply}");
            assert_eq!(reply.header("content-type"), MVT, "{reply}");
            assert!(reply.body.len() < plain.body.len(), "{reply}");
            assert_eq!(decoded(&reply), plain.body, "{reply}");
            tags.insert(reply.header("etag").to_string());
        }
    }
    assert_eq!(tags.len(), 4);
    assert!(tags.iter().all(|tag| tag.starts_with('"')), "{tags:?}");
}

#[test]
fn the_client_chooses_the_encoding_by_weight() {
    for (accepted, expected) in [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, deflate", "gzip"),
        ("br;q=0.2, gzip;q=0.8", "gzip"),
        ("br;q=0, zstd", "zstd"),
        ("deflate", ""),
        ("", ""),
    ] {
        let reply = asked("GET", KENDAL, accepted, None).expect(200);
        assert_eq!(
            reply.header("content-encoding"),
            expected,
            "{accepted}: {reply}"
        );
    }
    let refused = asked("GET", KENDAL, "identity;q=0, compress", None);
    refused.expect_problem(406, "no_encoding");
}

#[test]
fn who_has_the_tile_is_told_so_with_the_headers_of_the_tile() {
    for path in [KENDAL, "/tiles/icc/8/0/0.mvt"] {
        for accepted in ["identity", "gzip", "zstd", "br"] {
            let first = asked("GET", path, accepted, None);
            let tag = first.header("etag").to_string();
            assert!(!tag.is_empty(), "{first}");
            for tags in [
                tag.clone(),
                format!("W/{tag}"),
                format!("\"a\", {tag}"),
                "*".into(),
            ] {
                for method in ["GET", "HEAD"] {
                    let reply = asked(method, path, accepted, Some(&tags)).expect(304);
                    assert!(reply.body.is_empty(), "{reply}");
                    for name in ["etag", "vary", "cache-control"] {
                        assert_eq!(reply.header(name), first.header(name), "{name}: {reply}");
                    }
                }
            }
            let other = asked("GET", path, accepted, Some("\"other\""));
            assert_eq!((other.status, other.body), (first.status, first.body));
        }
    }
    // The tag of one encoding does not stand for another.
    let tag = asked("GET", KENDAL, "gzip", None)
        .header("etag")
        .to_string();
    asked("GET", KENDAL, "br", Some(&tag)).expect(200);
}

#[test]
fn a_head_has_the_headers_of_a_get() {
    for (path, status) in [(KENDAL, 200), ("/tiles/icc/8/0/0.mvt", 204)] {
        for accepted in ["identity", "gzip", "br"] {
            let get = asked("GET", path, accepted, None).expect(status);
            let head = asked("HEAD", path, accepted, None).expect(status);
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
fn an_empty_tile_may_be_kept_as_others_are() {
    let reply = asked("GET", "/tiles/icc/8/0/0.mvt", "br", None).expect(204);
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
fn several_layers_come_in_one_tile() {
    let reply = SERVER
        .get("/tiles/sub-icb,icc,gp-practice/8/125/81.mvt")
        .expect(200);
    let tile = MvtReaderRef::new(&reply.body).expect("a vector tile");
    let names: Vec<&str> = tile.layers().map(|layer| layer.name()).collect();
    assert_eq!(names, ["icc", "gp-practice", "sub-icb"]);
    let alone = SERVER.get(KENDAL).expect(200);
    assert!(
        reply.body.starts_with(&alone.body),
        "a layer is the same in company"
    );
    // The order in which they are named does not matter, nor do repetitions.
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

/// The path of the edition's tile of the same place as [`KENDAL`].
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
fn an_edition_never_changes_and_says_so() {
    let path = edition_path(&format!("?as_of={AS_OF}"));
    let edition = SERVER.get(&path).expect(200);
    let plain = SERVER.get(&format!("{KENDAL}?as_of={AS_OF}")).expect(200);
    assert_eq!(edition.body, plain.body);
    assert_eq!(edition.header("etag"), plain.header("etag"));
    assert_eq!(
        edition.header("cache-control"),
        "public, max-age=31536000, immutable"
    );
    assert_eq!(plain.header("cache-control"), "public, max-age=300");
    let known = [("if-none-match", edition.header("etag"))];
    let again = SERVER.send("GET", &path, &known, None).expect(304);
    assert_eq!(
        again.header("cache-control"),
        edition.header("cache-control")
    );
    let empty = SERVER.get(&path.replace("8/125/81", "8/0/0")).expect(204);
    assert_eq!(
        empty.header("cache-control"),
        edition.header("cache-control")
    );

    // No dates, datasets or anything else beside it.
    let dated = SERVER.get(&format!("{path}?as_of={AS_OF}"));
    assert_eq!(dated.status, 400, "{dated}");
    SERVER
        .get(&path.replace("8/125/81", "8/256/81"))
        .expect_problem(400, "no_such_tile");
    SERVER
        .get(&path.replace("/icc/", "/nothing/"))
        .expect_problem(404, "unknown_layer");
    for other in [
        "2025.2_2025-12-01_00000000",
        "2025.2",
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
fn days_between_two_changes_have_one_edition() {
    let of = |day: &str| edition_path(&format!("?as_of={day}"));
    assert_eq!(of("2025-11-30"), of("2025-12-01"));
    assert_ne!(of("2022-02-01"), of("2025-12-01"));
    // As long as nothing is known to change, tomorrow is like today.
    assert_eq!(of("2030-01-01"), of("2031-01-01"));
}

#[test]
fn the_style_draws_every_layer_of_tiles_that_are_there() {
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
    let parts = body["layers"].as_array().expect("layers");
    let drawn: BTreeSet<&str> = parts
        .iter()
        .filter_map(|part| part["source-layer"].as_str())
        .collect();
    assert_eq!(drawn, BTreeSet::from(["icc", "gp-practice"]));
    assert!(parts.iter().all(|part| part["source"] == "catchment"));
    // QGIS 3.22 leaves out a colour that takes more than this, and labels that are in no list.
    let colour = parts[0]["paint"]["fill-color"].as_array();
    let colour = colour.expect("an expression");
    assert_eq!(colour[..2], [json!("match"), json!(["get", "mapcolor7"])]);
    let labels: Vec<&Value> = colour[2..].iter().step_by(2).take(6).collect();
    assert_eq!(json!(labels), json!([[0], [1], [2], [3], [4], [5]]));
    assert_eq!(colour.len(), 2 + 6 * 2 + 1);
    let first = SERVER.get("/tiles/style.json").expect(200).json();
    assert_eq!(first["layers"][0]["source-layer"], "icc");
    SERVER
        .get("/tiles/style.json?layers=nothing")
        .expect_problem(404, "unknown_layer");
    SERVER
        .get("/tiles/icc.json?layers=icc")
        .expect_problem(400, "unknown_parameter");
}
