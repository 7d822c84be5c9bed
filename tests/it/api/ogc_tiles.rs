//! Tests from the Abstract Test Suite of OGC API Tiles (OGC 20-057, Annex A), and a comparison with
//! the tiles of `/tiles`.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::api::ogc::{collections, expect_problem, get, link, path};
use crate::mapping::tiles::decode;
use crate::support::server::SERVER;

const TILESETS: &str = "http://www.opengis.net/def/rel/ogc/1.0/tilesets-vector";
const SCHEME: &str = "http://www.opengis.net/def/rel/ogc/1.0/tiling-scheme";
const SET_URI: &str = "http://www.opengis.net/def/tilematrixset/OGC/1.0/WebMercatorQuad";
const MVT: &str = "application/vnd.mapbox-vector-tile";

fn current_collections() -> Vec<String> {
    let mut all = collections();
    all.retain(|id| !id.ends_with("-history"));
    all
}

/// Returns the paths of all tilesets in the tileset lists.
fn tilesets() -> Vec<String> {
    let landing = get("/ogc").json();
    let mut lists = vec![path(link(&landing, TILESETS))];
    for id in current_collections() {
        let collection = get(&format!("/ogc/collections/{id}")).json();
        lists.push(path(link(&collection, TILESETS)));
    }
    let tileset = |list: String| {
        let body = get(&list).json();
        let listed = &body["tilesets"][0];
        assert_eq!(body["tilesets"].as_array().map(Vec::len), Some(1), "{list}");
        assert_eq!(listed["dataType"], "vector");
        assert_eq!(listed["tileMatrixSetURI"], SET_URI);
        assert_eq!(listed["crs"], "http://www.opengis.net/def/crs/EPSG/0/3857");
        path(link(listed, "self"))
    };
    lists.into_iter().map(tileset).collect()
}

fn as_tile_number(value: &Value) -> u32 {
    let number = value.as_u64().expect("a whole number");
    u32::try_from(number).expect("a tile number")
}

#[test]
fn tilesets_link_to_their_tiles_and_tile_matrix_sets() {
    let all = tilesets();
    assert_eq!(all.len(), current_collections().len() + 1);
    for tileset in all {
        let body = get(&tileset).json();
        let item = link(&body, "item");
        assert_eq!(
            (&item["type"], &item["templated"]),
            (&MVT.into(), &true.into())
        );
        for variable in ["{tileMatrix}", "{tileRow}", "{tileCol}"] {
            assert!(path(item).contains(variable), "{item}");
        }
        let matrices = get(&path(link(&body, SCHEME))).json();
        assert_eq!(matrices["uri"], body["tileMatrixSetURI"]);
        assert_eq!(matrices["crs"], body["crs"]);
        assert_eq!(
            get(&path(link(&body, "describedby"))).json()["tilejson"],
            "3.0.0"
        );
        let layers = body["layers"].as_array().expect("layers").iter();
        let layers: Vec<&str> = layers.filter_map(|layer| layer["id"].as_str()).collect();
        match tileset.strip_prefix("/ogc/collections/") {
            Some(rest) => assert_eq!(Some(layers[0]), rest.split('/').next()),
            None => assert_eq!(layers, current_collections()),
        }
    }
    let listed = get("/ogc/tileMatrixSets").json();
    let one = &listed["tileMatrixSets"][0];
    assert_eq!(get(&path(link(one, "self"))).json()["id"], one["id"]);
}

#[test]
fn tiles_within_the_limits_equal_those_of_the_tile_endpoint() {
    for tileset in tilesets() {
        let body = get(&tileset).json();
        let limits = body["tileMatrixSetLimits"].as_array().expect("limits");
        assert_eq!(limits.len(), 23, "{tileset}");
        let layers = path(link(&body, "describedby"));
        let layers = layers.strip_suffix(".json").expect("TileJSON");
        let mut found = BTreeSet::new();
        for limit in limits {
            let z: u32 = limit["tileMatrix"]
                .as_str()
                .and_then(|text| text.parse().ok())
                .expect("a zoom");
            let range = |side: &str| {
                [
                    as_tile_number(&limit[format!("minTile{side}")]),
                    as_tile_number(&limit[format!("maxTile{side}")]),
                ]
            };
            let ([top, bottom], [left, right]) = (range("Row"), range("Col"));
            assert!(top <= bottom && left <= right && bottom >> z == 0 && right >> z == 0);
            for (row, column) in [
                (top, left),
                (top, right),
                (bottom, left),
                (bottom, right),
                ((top + bottom) / 2, (left + right) / 2),
            ] {
                let reply = get(&format!("{tileset}/{z}/{row}/{column}"));
                assert_eq!(reply.header("content-type"), MVT);
                let other = SERVER.get(&format!("{layers}/{z}/{column}/{row}.mvt"));
                assert_eq!(reply.body, other.body, "{tileset} {z}/{row}/{column}");
                assert_eq!(reply.header("etag"), other.header("etag"));
                assert_eq!(other.status == 204, reply.body.is_empty());
                assert_eq!(reply.header("content-length"), reply.body.len().to_string());
                found.insert(reply.body.is_empty());
            }
            for (row, column) in [
                (top.wrapping_sub(1), left),
                (bottom + 1, right),
                (top, left.wrapping_sub(1)),
                (top, right + 1),
                (2_147_483_647, left),
                (top, 2_147_483_647),
            ] {
                expect_problem(&format!("{tileset}/{z}/{row}/{column}"), 404);
            }
        }
        assert_eq!(
            found.len(),
            2,
            "{tileset}: some tiles must be empty, and some must not be empty"
        );
    }
}

#[test]
fn dataset_tiles_have_a_layer_for_each_collection() {
    let ids = |path: &str, name: &str| -> BTreeSet<String> {
        let features = decode(&get(path).body, name).into_iter();
        features.map(|feature| feature.tags["id"].clone()).collect()
    };
    assert_eq!(
        ids("/ogc/collections/icc/tiles/WebMercatorQuad/6/20/31", "icc").len(),
        16
    );
    let names = |path: &str| -> Vec<String> {
        let all = get(path).body;
        let tile = fast_mvt::MvtReaderRef::new(&all).expect("a vector tile");
        let layers = tile.layers();
        layers.map(|layer| layer.name().to_string()).collect()
    };
    // Layers of statistical areas begin at zoom 7.
    let statistical = ["lsoa11", "lsoa21"];
    let mut expected = current_collections();
    expected.retain(|name| !statistical.contains(&name.as_str()));
    assert_eq!(names("/ogc/tiles/WebMercatorQuad/6/20/31"), expected);
    assert!(
        names("/ogc/tiles/WebMercatorQuad/7/40/62").ends_with(&statistical.map(str::to_string))
    );
}

#[test]
fn invalid_tiles_are_rejected() {
    let tiles = "/ogc/collections/icc/tiles/WebMercatorQuad";
    for path in [
        "x/0/0",
        "0/-1/0",
        "0/0/1.5",
        "0/0/0.mvt",
        "0/0/0?f=png",
        "0/0/0?limit=1",
        "0/0/%20",
        "?f=mvt",
    ] {
        let separator = if path.starts_with('?') { "" } else { "/" };
        expect_problem(&format!("{tiles}{separator}{path}"), 400);
    }
    for path in [
        "23/0/0",
        "2147483647/0/0",
        "0/2147483647/0",
        "0/0/2147483647",
        "0/0/1",
        "8/0/0",
        "0/0/99999999999999999999",
    ] {
        expect_problem(&format!("{tiles}/{path}"), 404);
    }
    for path in [
        "/ogc/collections/iccs/tiles",
        "/ogc/collections/iccs/tiles/WebMercatorQuad/0/0/0",
        "/ogc/collections/icc-history/tiles",
        "/ogc/collections/icc/tiles/WorldCRS84Quad",
        "/ogc/collections/icc/tiles/WorldCRS84Quad/0/0/0",
        "/ogc/tiles/WorldCRS84Quad",
        "/ogc/tileMatrixSets/WorldCRS84Quad",
    ] {
        expect_problem(path, 404);
    }
    get(&format!("{tiles}/0/0/0?f=mvt"));
    // A tile that reveals a location has no ETag.
    let empty = format!("{tiles}/22/1335808/2060288");
    assert_eq!(SERVER.get(&empty).header("etag"), "");
}
