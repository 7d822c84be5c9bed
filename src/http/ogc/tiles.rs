//! OGC API Tiles (20-057): the tiles of `/tiles`, with identical content, as tilesets with
//! metadata.
//!
//! The tile matrix set is WebMercatorQuad (17-083r4, D.1). Rows come before columns:
//! `{tileMatrix}/{tileRow}/{tileCol}` is z/y/x. Tilesets contain the areas that are valid today.
//! There are no tiles for the collections with all versions.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use geo::{Coord, Rect};
use jiff::civil::Date;
use serde_json::{Value, json};

use super::super::App;
use super::super::conditional::CACHE_FIVE_MINUTES;
use super::super::extract::PathParams;
use super::super::problem::Problem;
use super::super::query_params::{ParamValue, query_params};
use super::super::request_context::{DatasetRequest, RequestContext};
use super::super::tiles::{MVT, tile_response};
use super::collection::Collection;
use super::crs::OgcCrs;
use super::{JSON, OgcContext, html};
use crate::wire::locate::round_decimals;
use catchment_core::domain::Layer;
use catchment_core::geodesy::web_mercator::EQUATOR_M;
use catchment_core::index::Index;
use catchment_core::request::RequestParams;
use catchment_tiles::{TileCache, TileCoord, TileRange, ZOOM_MAX};

/// The id of the tile matrix set.
const SET_ID: &str = "WebMercatorQuad";
/// The URI of the definition of the tile matrix set.
const SET_URI: &str = "http://www.opengis.net/def/tilematrixset/OGC/1.0/WebMercatorQuad";
const SET_TITLE: &str = "Google Maps Compatible for the World";
/// The highest zoom level in the definition of the set. The tiles of the service end at
/// [`ZOOM_MAX`].
const SET_ZOOM_MAX: u8 = 24;
/// The width of a tile in pixels, as defined by the set.
const SET_TILE_PIXELS: u32 = 256;
/// The size of a pixel in metres, from which the standard derives scale denominators (17-083r4,
/// section 6.1.1).
const PIXEL_M: f64 = 0.000_28;

pub(super) const REL_TILESETS: &str = "http://www.opengis.net/def/rel/ogc/1.0/tilesets-vector";
pub(super) const REL_SCHEMES: &str = "http://www.opengis.net/def/rel/ogc/1.0/tiling-schemes";
const REL_SCHEME: &str = "http://www.opengis.net/def/rel/ogc/1.0/tiling-scheme";

/// The content of a tileset: one collection, or all collections.
struct TilesetSource {
    /// The path of the list of tilesets with this content, relative to the landing page.
    path: String,
    title: String,
    layers: Vec<Layer>,
}

impl TilesetSource {
    fn of_all(index: &Index) -> TilesetSource {
        let current = Collection::all(index)
            .into_iter()
            .filter(|collection| !collection.is_history);
        TilesetSource {
            path: "/tiles".into(),
            title: index.manifest().title.clone(),
            layers: current.map(|collection| collection.layer).collect(),
        }
    }

    fn of_collection(index: &Index, id: &str) -> Result<TilesetSource, Problem> {
        let collection = Collection::by_id(index, id)?;
        if collection.is_history {
            let detail =
                "collections with all versions have no tiles; use the collection without -history";
            return Err(Problem::unknown("unknown_tileset", detail));
        }
        Ok(TilesetSource {
            path: format!("/collections/{id}/tiles"),
            title: collection.title(index),
            layers: vec![collection.layer],
        })
    }

    /// Returns the names of the layers, in the form that `/tiles` accepts.
    fn layer_names(&self) -> String {
        let names: Vec<&str> = self.layers.iter().map(|layer| layer.as_str()).collect();
        names.join(",")
    }

    /// Returns the bounding box on a date (in degrees), or `None` if there
    /// are no boundaries.
    fn bounds(&self, index: &Index, tile_cache: &TileCache, day: Date) -> Option<Rect<f64>> {
        tile_cache.bounds(index, &self.layers, day)
    }

    /// Returns the JSON members that describe a tileset both in the list of tilesets and in its own
    /// response.
    fn common_body(&self, context: &OgcContext) -> Value {
        json!({
            "title": self.title,
            "dataType": "vector",
            "crs": OgcCrs::WebMercator.uri(),
            "tileMatrixSetURI": SET_URI,
            "links": [
                context.link(REL_SCHEME, JSON, &format!("/tileMatrixSets/{SET_ID}"), "the tile matrix set"),
            ],
        })
    }

    fn tileset_body(&self, context: &OgcContext) -> Value {
        let index = context.index();
        let bounds = self.bounds(index, context.dataset.tiles(), context.today());
        let mut body = self.common_body(context);
        let path = format!("{}/{SET_ID}", self.path);
        let links = body["links"].as_array_mut().expect("the body has links");
        links.extend(context.self_links(&path, JSON));
        let template = format!("{path}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}");
        let mut item = context.link("item", MVT_TYPE, &template, "the tiles");
        item["templated"] = true.into();
        let tilejson = format!("{}/tiles/{}.json", context.base(), self.layer_names());
        links.push(item);
        links.push(
            json!({ "rel": "describedby", "type": JSON, "href": tilejson, "title": "TileJSON" }),
        );
        let licence = &index.manifest().licence;
        links.push(json!({ "rel": "license", "type": "text/html", "href": licence, "title": "the licence of the data" }));
        body["attribution"] = index.manifest().attribution.as_str().into();
        body["layers"] = self
            .layers
            .iter()
            .map(|&layer| layer_body(index, layer))
            .collect();
        body["tileMatrixSetLimits"] = tile_matrix_limits(bounds).into();
        if let Some(bounds) = bounds {
            let corner =
                |corner: Coord<f64>| [corner.x, corner.y].map(|value| round_decimals(value, 7));
            body["boundingBox"] = json!({
                "lowerLeft": corner(bounds.min()),
                "upperRight": corner(bounds.max()),
                "crs": OgcCrs::Crs84.uri(),
            });
        }
        body
    }
}

/// The media type of tiles in links.
const MVT_TYPE: &str = "application/vnd.mapbox-vector-tile";

/// `/ogc/tiles`: the tilesets of all collections together.
pub(in crate::http) async fn tilesets(context: OgcContext) -> Response {
    tileset_list(&context, &TilesetSource::of_all(context.index()))
}

/// `/ogc/collections/{collection}/tiles`: the tilesets of one collection.
pub(in crate::http) async fn tilesets_of_collection(
    context: OgcContext,
    PathParams(id): PathParams<String>,
) -> Result<Response, Problem> {
    let source = TilesetSource::of_collection(context.index(), &id)?;
    Ok(tileset_list(&context, &source))
}

fn tileset_list(context: &OgcContext, source: &TilesetSource) -> Response {
    let mut entry = source.common_body(context);
    let links = entry["links"].as_array_mut().expect("the body has links");
    links.push(context.link(
        "self",
        JSON,
        &format!("{}/{SET_ID}", source.path),
        "the tileset",
    ));
    let body = json!({ "links": context.self_links(&source.path, JSON), "tilesets": [entry] });
    context.respond(JSON, &body, || {
        html::tilesets(context.index(), &source.title, &body)
    })
}

/// `/ogc/tiles/{tileMatrixSetId}`: the tileset of all collections.
pub(in crate::http) async fn tileset(
    context: OgcContext,
    PathParams(set): PathParams<String>,
) -> Result<Response, Problem> {
    tileset_response(&context, &TilesetSource::of_all(context.index()), &set)
}

/// `/ogc/collections/{collection}/tiles/{tileMatrixSetId}`: the tileset of one collection.
pub(in crate::http) async fn tileset_of_collection(
    context: OgcContext,
    PathParams((id, set)): PathParams<(String, String)>,
) -> Result<Response, Problem> {
    let source = TilesetSource::of_collection(context.index(), &id)?;
    tileset_response(&context, &source, &set)
}

fn tileset_response(
    context: &OgcContext,
    source: &TilesetSource,
    set: &str,
) -> Result<Response, Problem> {
    check_set(set)?;
    let body = source.tileset_body(context);
    Ok(context.respond(JSON, &body, || html::tileset(context.index(), &body)))
}

query_params! {
    /// The parameters of a tile.
    pub(in crate::http) struct TileParams {
        /// The format, which must be MVT.
        _format: MvtFormat = ["f"],
    }
}

/// The only format of tiles.
struct MvtFormat;

impl ParamValue for MvtFormat {
    fn from_params(params: &RequestParams, names: &[&'static str]) -> Result<MvtFormat, Problem> {
        match params.get(names[0]) {
            None | Some("mvt") => Ok(MvtFormat),
            Some(_) => Err(Problem::bad_request("invalid_format", "f must be mvt")),
        }
    }
}

/// `/ogc/tiles/{tileMatrixSetId}/{tileMatrix}/{tileRow}/{tileCol}`: all collections in one tile.
pub(in crate::http) async fn tile(
    State(app): State<App>,
    PathParams((set, z, row, column)): PathParams<(String, String, String, String)>,
    DatasetRequest { context, .. }: DatasetRequest<TileParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let source = TilesetSource::of_all(context.index());
    tile_in_set(&app, context, &source, &set, [&z, &row, &column], &headers).await
}

/// `/ogc/collections/{collection}/tiles/{tileMatrixSetId}/{tileMatrix}/{tileRow}/{tileCol}`: one
/// collection in one tile.
pub(in crate::http) async fn tile_of_collection(
    State(app): State<App>,
    PathParams((id, set, z, row, column)): PathParams<(String, String, String, String, String)>,
    DatasetRequest { context, .. }: DatasetRequest<TileParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let source = TilesetSource::of_collection(context.index(), &id)?;
    tile_in_set(&app, context, &source, &set, [&z, &row, &column], &headers).await
}

async fn tile_in_set(
    app: &App,
    context: RequestContext,
    source: &TilesetSource,
    set: &str,
    tile_indices: [&str; 3],
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    check_set(set)?;
    let [z, row, column] = tile_indices.map(parse_index);
    let bounds = source.bounds(context.index(), context.tiles(), context.as_of);
    let tile_coord = tile_within_bounds(z?, row?, column?, bounds).ok_or_else(|| {
        Problem::unknown(
            "outside_limits",
            "there is no such tile; see tileMatrixSetLimits of the tileset",
        )
    })?;
    let mut response = tile_response(
        app,
        context,
        &source.layers,
        tile_coord,
        headers,
        CACHE_FIVE_MINUTES,
    )
    .await?;
    if response.status() == StatusCode::NO_CONTENT {
        // Within its limits, a tileset must contain every tile, so return an empty tile without
        // layers.
        *response.status_mut() = StatusCode::OK;
        *response.body_mut() = Body::empty();
        response.headers_mut().insert(header::CONTENT_TYPE, MVT);
    }
    Ok(response)
}

/// Parses a whole number. A number that is too large for `u32` becomes `u32::MAX`, which is beyond
/// every limit.
///
/// # Errors
/// If the text is not a whole number.
fn parse_index(text: &str) -> Result<u32, Problem> {
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_digits {
        let detail = "tileMatrix, tileRow and tileCol must be whole numbers, 0 or more";
        return Err(Problem::bad_request("invalid_tile", detail));
    }
    Ok(text.parse().unwrap_or(u32::MAX))
}

/// Returns the tile if it is within the limits of the tileset.
fn tile_within_bounds(
    z: u32,
    row: u32,
    column: u32,
    bounds: Option<Rect<f64>>,
) -> Option<TileCoord> {
    let z = u8::try_from(z).ok().filter(|&z| z <= ZOOM_MAX)?;
    let range = TileRange::new(z, bounds?);
    let is_within = range.rows.contains(&row) && range.columns.contains(&column);
    TileCoord::new(z, column, row).filter(|_| is_within)
}

fn tile_matrix_limits(bounds: Option<Rect<f64>>) -> Vec<Value> {
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

fn layer_body(index: &Index, layer: Layer) -> Value {
    let text = json!({ "type": "string" });
    json!({
        "id": layer.as_str(),
        "title": index.layer_title(layer),
        "dataType": "vector",
        // Areas have two dimensions. Areas that are too small to draw are points in the tile, but
        // this does not change the dimension.
        "geometryDimension": 2,
        "minTileMatrix": catchment_tiles::zoom_min(index, layer).to_string(),
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

/// `/ogc/tileMatrixSets`: the list of tile matrix sets.
pub(in crate::http) async fn tile_matrix_sets(context: OgcContext) -> Response {
    let body = json!({
        "links": context.self_links("/tileMatrixSets", JSON),
        "tileMatrixSets": [{
            "id": SET_ID,
            "title": SET_TITLE,
            "uri": SET_URI,
            "crs": OgcCrs::WebMercator.uri(),
            "links": [context.link("self", JSON, &format!("/tileMatrixSets/{SET_ID}"), "the tile matrix set")],
        }],
    });
    context.respond(JSON, &body, || {
        html::tile_matrix_sets(context.index(), &body)
    })
}

/// `/ogc/tileMatrixSets/{tileMatrixSetId}`: one tile matrix set.
pub(in crate::http) async fn tile_matrix_set(
    context: OgcContext,
    PathParams(set): PathParams<String>,
) -> Result<Response, Problem> {
    check_set(&set)?;
    let matrices: Vec<Value> = (0..=SET_ZOOM_MAX).map(tile_matrix).collect();
    let body = json!({
        "id": SET_ID,
        "title": SET_TITLE,
        "uri": SET_URI,
        "crs": OgcCrs::WebMercator.uri(),
        "orderedAxes": ["X", "Y"],
        "wellKnownScaleSet": "http://www.opengis.net/def/wkss/OGC/1.0/GoogleMapsCompatible",
        "tileMatrices": matrices,
        "links": context.self_links(&format!("/tileMatrixSets/{SET_ID}"), JSON),
    });
    Ok(context.respond(JSON, &body, || {
        html::tile_matrix_set(context.index(), &body)
    }))
}

fn tile_matrix(z: u8) -> Value {
    let tiles = 1_u32 << z;
    let half_m = EQUATOR_M / 2.0;
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

fn check_set(set: &str) -> Result<(), Problem> {
    match set {
        SET_ID => Ok(()),
        _ => Err(Problem::unknown(
            "unknown_tile_matrix_set",
            "unknown tile matrix set; /ogc/tileMatrixSets lists the sets",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The expected values are from the definition (17-083r4, D.1).
    #[test]
    fn tile_matrices_match_the_definition() {
        let assert_near = |value: &Value, expected: f64| {
            let value = value.as_f64().expect("a number");
            assert!((value / expected - 1.0).abs() < 1e-12, "{value} {expected}");
        };
        for (z, scale, cell_m) in [
            (0, 559_082_264.028_717, 156_543.033_928_041),
            (12, 136_494.693_366_386, 38.218_514_142_588_1),
            (24, 33.323_899_747_652_1, 0.009_330_691_929_342_58),
        ] {
            let matrix = tile_matrix(z);
            assert_near(&matrix["scaleDenominator"], scale);
            assert_near(&matrix["cellSize"], cell_m);
            assert_near(&matrix["pointOfOrigin"][1], 20_037_508.342_789_2);
        }
    }

    #[test]
    fn tiles_outside_the_limits_do_not_exist_and_malformed_indices_are_rejected() {
        let bounds = Some(Rect::new((-3.7, 53.9), (-2.0, 55.2)));
        let exists = |z, row, column| tile_within_bounds(z, row, column, bounds).is_some();
        assert!(exists(0, 0, 0) && exists(8, 81, 125));
        assert!(!exists(8, 125, 81) && !exists(8, 81, 200) && !exists(23, 0, 0));
        assert!(!exists(8, 2_147_483_647, 125) && !exists(u32::MAX, 0, 0));
        assert!(tile_within_bounds(0, 0, 0, None).is_none());
        assert_eq!(parse_index("2147483647").ok(), Some(2_147_483_647));
        assert_eq!(parse_index("99999999999999999999").ok(), Some(u32::MAX));
        for text in ["", "-1", "+1", "1.0", "x", "٣"] {
            assert!(parse_index(text).is_err(), "{text}");
        }
    }
}
