//! OGC API Tiles (20-057): the tiles of `/tiles`, with the same bytes, as tilesets with metadata.
//!
//! The tile matrix set is WebMercatorQuad (17-083r4, D.1). Rows come before columns:
//! `{tileMatrix}/{tileRow}/{tileCol}` is z/y/x. Tilesets show the areas that are valid today; the
//! collections with all versions have no tiles.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::Response;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::super::App;
use super::super::body::decimals;
use super::super::conditional::CACHE_CONTROL;
use super::super::input::{Segments, query_fields};
use super::super::problem::Problem;
use super::super::snapshot::Snapshot;
use super::super::tiles::{MVT, answer};
use super::collection::Collection;
use super::crs::{Crs, RADIUS_M};
use super::{Context, JSON, html};
use crate::domain::{Layer, today_in_london};
use crate::index::Index;
use crate::question::Fields;
use crate::tiles::{TileCache, TileCoord, TileRange, ZOOM_MAX};

/// The tile matrix set, and the URI of its definition.
const SET: &str = "WebMercatorQuad";
const SET_URI: &str = "http://www.opengis.net/def/tilematrixset/OGC/1.0/WebMercatorQuad";
const SET_TITLE: &str = "Google Maps Compatible for the World";
/// The highest zoom in the definition of the set. Our tiles end at [`ZOOM_MAX`].
const SET_ZOOM_MAX: u8 = 24;
/// The width of a tile in pixels, as defined by the set.
const SET_TILE_PIXELS: u32 = 256;
/// The size of a pixel in metres, from which the standard derives scale denominators (17-083r4,
/// 6.1.1).
const PIXEL_M: f64 = 0.000_28;

pub(super) const REL_TILESETS: &str = "http://www.opengis.net/def/rel/ogc/1.0/tilesets-vector";
pub(super) const REL_SCHEMES: &str = "http://www.opengis.net/def/rel/ogc/1.0/tiling-schemes";
const REL_SCHEME: &str = "http://www.opengis.net/def/rel/ogc/1.0/tiling-scheme";

/// The content of a tileset: one collection, or all of them.
struct Tiled {
    /// The path of its tilesets, relative to the landing page.
    path: String,
    title: String,
    layers: Vec<Layer>,
}

impl Tiled {
    fn of_all(index: &Index) -> Tiled {
        let current = Collection::all(index)
            .into_iter()
            .filter(|it| !it.is_history);
        Tiled {
            path: "/tiles".into(),
            title: index.manifest().title.clone(),
            layers: current.map(|it| it.layer).collect(),
        }
    }

    fn of_collection(index: &Index, id: &str) -> Result<Tiled, Problem> {
        let collection = Collection::of_id(index, id)?;
        if collection.is_history {
            let detail =
                "collections with all versions have no tiles; use the collection without -history";
            return Err(Problem::unknown("unknown_tileset", detail));
        }
        Ok(Tiled {
            path: format!("/collections/{id}/tiles"),
            title: collection.title(index),
            layers: vec![collection.layer],
        })
    }

    /// The names of the layers, as `/tiles` takes them.
    fn words(&self) -> String {
        let words: Vec<&str> = self.layers.iter().map(|layer| layer.as_str()).collect();
        words.join(",")
    }

    /// The bounding box on a date: west, south, east, north in degrees. `None` if there are no
    /// boundaries.
    fn bounds(&self, index: &Index, store: &TileCache, day: Date) -> Option<[f64; 4]> {
        store.bounds(index, &self.layers, day)
    }

    /// The members that a tileset has both in the list and on its own.
    fn described(&self, context: &Context) -> Value {
        json!({
            "title": self.title,
            "dataType": "vector",
            "crs": Crs::WebMercator.uri(),
            "tileMatrixSetURI": SET_URI,
            "links": [
                context.link(REL_SCHEME, JSON, &format!("/tileMatrixSets/{SET}"), "the tile matrix set"),
            ],
        })
    }

    fn tileset(&self, context: &Context) -> Value {
        let index = context.index();
        let store = context.releases.tiles(index);
        let bounds = self.bounds(index, store, today_in_london());
        let mut body = self.described(context);
        let here = format!("{}/{SET}", self.path);
        let links = body["links"].as_array_mut().expect("it has links");
        links.extend(context.selves(&here, JSON));
        let template = format!("{here}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}");
        let mut item = context.link("item", MVT_TYPE, &template, "the tiles");
        item["templated"] = true.into();
        let tilejson = format!("{}/tiles/{}.json", context.base(), self.words());
        links.push(item);
        links.push(
            json!({ "rel": "describedby", "type": JSON, "href": tilejson, "title": "TileJSON" }),
        );
        let licence = &index.manifest().licence;
        links.push(json!({ "rel": "license", "type": "text/html", "href": licence, "title": "the licence of the data" }));
        body["attribution"] = index.manifest().attribution.as_str().into();
        body["layers"] = self.layers.iter().map(|&it| layer(index, it)).collect();
        body["tileMatrixSetLimits"] = limits(bounds).into();
        if let Some([west, south, east, north]) = bounds {
            let corner = |lon, lat| [decimals(lon, 7), decimals(lat, 7)];
            body["boundingBox"] = json!({
                "lowerLeft": corner(west, south),
                "upperRight": corner(east, north),
                "crs": Crs::Crs84.uri(),
            });
        }
        body
    }
}

/// The media type of tiles in links.
const MVT_TYPE: &str = "application/vnd.mapbox-vector-tile";

/// `/ogc/tiles`: the tilesets of all collections together.
pub(in crate::http) async fn tilesets(context: Context) -> Response {
    listed(&context, &Tiled::of_all(context.index()))
}

/// `/ogc/collections/{collection}/tiles`: the tilesets of one collection.
pub(in crate::http) async fn tilesets_of_collection(
    context: Context,
    Segments(id): Segments<String>,
) -> Result<Response, Problem> {
    let tiled = Tiled::of_collection(context.index(), &id)?;
    Ok(listed(&context, &tiled))
}

fn listed(context: &Context, tiled: &Tiled) -> Response {
    let mut one = tiled.described(context);
    let links = one["links"].as_array_mut().expect("it has links");
    links.push(context.link(
        "self",
        JSON,
        &format!("{}/{SET}", tiled.path),
        "the tileset",
    ));
    let body = json!({ "links": context.selves(&tiled.path, JSON), "tilesets": [one] });
    context.answer(JSON, &body, || {
        html::tilesets(context.index(), &tiled.title, &body)
    })
}

/// `/ogc/tiles/{tileMatrixSetId}`: the tileset of all collections.
pub(in crate::http) async fn tileset(
    context: Context,
    Segments(set): Segments<String>,
) -> Result<Response, Problem> {
    described(&context, &Tiled::of_all(context.index()), &set)
}

/// `/ogc/collections/{collection}/tiles/{tileMatrixSetId}`: the tileset of one collection.
pub(in crate::http) async fn tileset_of_collection(
    context: Context,
    Segments((id, set)): Segments<(String, String)>,
) -> Result<Response, Problem> {
    let tiled = Tiled::of_collection(context.index(), &id)?;
    described(&context, &tiled, &set)
}

fn described(context: &Context, tiled: &Tiled, set: &str) -> Result<Response, Problem> {
    known_set(set)?;
    let body = tiled.tileset(context);
    Ok(context.answer(JSON, &body, || html::tileset(context.index(), &body)))
}

/// `/ogc/tiles/{tileMatrixSetId}/{tileMatrix}/{tileRow}/{tileCol}`: all collections in one tile.
pub(in crate::http) async fn tile(
    State(app): State<App>,
    uri: Uri,
    Segments((set, z, row, column)): Segments<(String, String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let snapshot = Snapshot::of(&app, &tile_fields(&uri)?)?;
    let tiled = Tiled::of_all(snapshot.index());
    drawn(&app, snapshot, &tiled, &set, [&z, &row, &column], &headers).await
}

/// `/ogc/collections/{collection}/tiles/{tileMatrixSetId}/{tileMatrix}/{tileRow}/{tileCol}`.
pub(in crate::http) async fn tile_of_collection(
    State(app): State<App>,
    uri: Uri,
    Segments((id, set, z, row, column)): Segments<(String, String, String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let snapshot = Snapshot::of(&app, &tile_fields(&uri)?)?;
    let tiled = Tiled::of_collection(snapshot.index(), &id)?;
    drawn(&app, snapshot, &tiled, &set, [&z, &row, &column], &headers).await
}

async fn drawn(
    app: &App,
    snapshot: Snapshot,
    tiled: &Tiled,
    set: &str,
    place: [&str; 3],
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    known_set(set)?;
    let [z, row, column] = place.map(number);
    let bounds = tiled.bounds(snapshot.index(), snapshot.tiles(), snapshot.as_of);
    let address = address(z?, row?, column?, bounds).ok_or_else(|| {
        Problem::unknown(
            "outside_limits",
            "there is no such tile; see tileMatrixSetLimits of the tileset",
        )
    })?;
    let mut response = answer(
        app,
        snapshot,
        &tiled.layers,
        address,
        headers,
        CACHE_CONTROL,
    )
    .await?;
    if response.status() == StatusCode::NO_CONTENT {
        // Within its limits, a tileset must have every tile; an empty tile has no layers.
        *response.status_mut() = StatusCode::OK;
        *response.body_mut() = Body::empty();
        response.headers_mut().insert(header::CONTENT_TYPE, MVT);
    }
    Ok(response)
}

/// Parses the parameters of a tile. The only format is MVT.
fn tile_fields(uri: &Uri) -> Result<Fields, Problem> {
    let fields = query_fields(uri, &["f"])?;
    match fields.get("f") {
        None | Some("mvt") => Ok(fields),
        Some(_) => Err(Problem::bad_request("malformed", "f must be mvt")),
    }
}

/// Parses a whole number. One that is too large for `u32` becomes `u32::MAX`, which is beyond every
/// limit.
///
/// # Errors
/// When the text is not a whole number.
fn number(text: &str) -> Result<u32, Problem> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number {
        let detail = "tileMatrix, tileRow and tileCol must be whole numbers, 0 or more";
        return Err(Problem::bad_request("malformed", detail));
    }
    Ok(text.parse().unwrap_or(u32::MAX))
}

/// Returns the tile if it is within the limits of the tileset.
fn address(z: u32, row: u32, column: u32, bounds: Option<[f64; 4]>) -> Option<TileCoord> {
    let z = u8::try_from(z).ok().filter(|&z| z <= ZOOM_MAX)?;
    let range = TileRange::new(z, bounds?);
    let is_within = range.rows.contains(&row) && range.columns.contains(&column);
    TileCoord::new(z, column, row).filter(|_| is_within)
}

fn limits(bounds: Option<[f64; 4]>) -> Vec<Value> {
    let Some(bounds) = bounds else {
        return Vec::new();
    };
    let limit = |z: u8| {
        let TileRange { rows, columns } = TileRange::new(z, bounds);
        json!({
            "tileMatrix": z.to_string(),
            "minTileRow": rows.start(),
            "maxTileRow": rows.end(),
            "minTileCol": columns.start(),
            "maxTileCol": columns.end(),
        })
    };
    (0..=ZOOM_MAX).map(limit).collect()
}

fn layer(index: &Index, layer: Layer) -> Value {
    let mut entries = index.manifest().layers.iter();
    let entry = entries.find(|entry| entry.id == layer.as_str());
    let text = json!({ "type": "string" });
    json!({
        "id": layer.as_str(),
        "title": entry.map(|entry| &entry.title),
        "dataType": "vector",
        // Areas; areas that are too small to draw are points.
        "geometryDimension": 2,
        "minTileMatrix": "0",
        "maxTileMatrix": ZOOM_MAX.to_string(),
        "propertiesSchema": {
            "type": "object",
            "properties": {
                "id": text,
                "name": text,
                "provenance": text,
                "mapcolor7": { "type": "integer" },
            },
        },
    })
}

/// `/ogc/tileMatrixSets`.
pub(in crate::http) async fn sets(context: Context) -> Response {
    let body = json!({
        "links": context.selves("/tileMatrixSets", JSON),
        "tileMatrixSets": [{
            "id": SET,
            "title": SET_TITLE,
            "uri": SET_URI,
            "crs": Crs::WebMercator.uri(),
            "links": [context.link("self", JSON, &format!("/tileMatrixSets/{SET}"), "the tile matrix set")],
        }],
    });
    context.answer(JSON, &body, || {
        html::tile_matrix_sets(context.index(), &body)
    })
}

/// `/ogc/tileMatrixSets/{tileMatrixSetId}`.
pub(in crate::http) async fn set(
    context: Context,
    Segments(set): Segments<String>,
) -> Result<Response, Problem> {
    known_set(&set)?;
    let matrices: Vec<Value> = (0..=SET_ZOOM_MAX).map(matrix).collect();
    let body = json!({
        "id": SET,
        "title": SET_TITLE,
        "uri": SET_URI,
        "crs": Crs::WebMercator.uri(),
        "orderedAxes": ["X", "Y"],
        "wellKnownScaleSet": "http://www.opengis.net/def/wkss/OGC/1.0/GoogleMapsCompatible",
        "tileMatrices": matrices,
        "links": context.selves(&format!("/tileMatrixSets/{SET}"), JSON),
    });
    Ok(context.answer(JSON, &body, || {
        html::tile_matrix_set(context.index(), &body)
    }))
}

fn matrix(z: u8) -> Value {
    let tiles = 1_u32 << z;
    let half_m = std::f64::consts::PI * RADIUS_M;
    let cell_m = 2.0 * half_m / f64::from(SET_TILE_PIXELS) / f64::from(tiles);
    json!({
        "id": z.to_string(),
        "scaleDenominator": cell_m / PIXEL_M,
        "cellSize": cell_m,
        "cornerOfOrigin": "topLeft",
        "pointOfOrigin": [-half_m, half_m],
        "tileWidth": SET_TILE_PIXELS,
        "tileHeight": SET_TILE_PIXELS,
        "matrixWidth": tiles,
        "matrixHeight": tiles,
    })
}

fn known_set(set: &str) -> Result<(), Problem> {
    match set {
        SET => Ok(()),
        _ => Err(Problem::unknown(
            "unknown_tile_matrix_set",
            "unknown tile matrix set; /ogc/tileMatrixSets lists the sets",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Expected values from the definition (17-083r4, D.1).
    #[test]
    fn matrices_are_those_of_the_definition() {
        let near = |value: &Value, expected: f64| {
            let value = value.as_f64().expect("a number");
            assert!((value / expected - 1.0).abs() < 1e-12, "{value} {expected}");
        };
        for (z, scale, cell_m) in [
            (0, 559_082_264.028_717, 156_543.033_928_041),
            (12, 136_494.693_366_386, 38.218_514_142_588_1),
            (24, 33.323_899_747_652_1, 0.009_330_691_929_342_58),
        ] {
            let matrix = matrix(z);
            near(&matrix["scaleDenominator"], scale);
            near(&matrix["cellSize"], cell_m);
            near(&matrix["pointOfOrigin"][1], 20_037_508.342_789_2);
        }
    }

    #[test]
    fn tiles_outside_the_limits_are_not_there_and_nonsense_is_told() {
        let bounds = Some([-3.7, 53.9, -2.0, 55.2]);
        let is_there = |z, row, column| address(z, row, column, bounds).is_some();
        assert!(is_there(0, 0, 0) && is_there(8, 81, 125));
        assert!(!is_there(8, 125, 81) && !is_there(8, 81, 200) && !is_there(23, 0, 0));
        assert!(!is_there(8, 2_147_483_647, 125) && !is_there(u32::MAX, 0, 0));
        assert!(address(0, 0, 0, None).is_none());
        assert_eq!(number("2147483647").ok(), Some(2_147_483_647));
        assert_eq!(number("99999999999999999999").ok(), Some(u32::MAX));
        for text in ["", "-1", "+1", "1.0", "x", "٣"] {
            assert!(number(text).is_err(), "{text}");
        }
    }
}
