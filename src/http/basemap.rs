//! `/tiles/basemap.json` and its tiles: the background map, if the operator has configured a
//! basemap file.
//!
//! The URLs of tiles contain the edition of the file, so that caches never mix the tiles of two
//! files.

use std::fmt;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Uri};
use axum::response::Response;
use bytes::Bytes;
use serde_json::{Value, json};

use super::App;
use super::base_url::BaseUrl;
use super::cached_response::encoded_response;
use super::conditional::CACHE_IMMUTABLE;
use super::extract::PathParams;
use super::negotiate;
use super::problem::Problem;
use super::query_params::{NoParams, Query, QueryParams};
use super::tile_path::{linked_json, parse_tile_coord};
use catchment_core::geometry::bbox;
use catchment_tiles::basemap::{BASEMAP_ZOOM_MAX, Basemap, BasemapContent};
use catchment_tiles::{ContentEncoding, EncodedBody};

/// The layers of the MapLibre style, for each kind of basemap. The colours are muted, so that the
/// areas are easy to see, and labels use system fonts.
const RASTER_LAYERS: &str = include_str!("basemap/raster.json");
const PROTOMAPS_LAYERS: &str = include_str!("basemap/protomaps.json");
const OPENMAPTILES_LAYERS: &str = include_str!("basemap/openmaptiles.json");

/// `/tiles/basemap.json`: a MapLibre style (version 8).
pub(super) fn style(
    app: &App,
    uri: &Uri,
    base: &BaseUrl,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    NoParams::from_uri(uri)?;
    let basemap = app.basemap.as_deref().ok_or_else(no_basemap)?;
    let (kind, layers) = match basemap.content {
        BasemapContent::Png | BasemapContent::Jpeg | BasemapContent::Webp => {
            ("raster", RASTER_LAYERS)
        }
        BasemapContent::Protomaps => ("vector", PROTOMAPS_LAYERS),
        BasemapContent::OpenMapTiles => ("vector", OPENMAPTILES_LAYERS),
    };
    let layers: Value = serde_json::from_str(layers).expect("embedded styles are JSON");
    let edition = &basemap.edition;
    let mut source = json!({
        "type": kind,
        "tiles": [format!("{base}/tiles/basemap/{edition}/{{z}}/{{x}}/{{y}}")],
        "minzoom": basemap.zooms.0,
        "maxzoom": basemap.zooms.1,
        "attribution": basemap.attribution,
    });
    if kind == "raster" {
        source["tileSize"] = 256.into();
    }
    if let Some(bounds) = basemap.bounds {
        source["bounds"] = json!(bbox::to_array(bounds));
    }
    let style = json!({ "version": 8, "sources": { "basemap": source }, "layers": layers });
    Ok(linked_json(base, headers, &style))
}

/// Returns the metadata in the style of the service's own tiles: the URL of the basemap's style.
pub(super) fn style_metadata(base: &BaseUrl) -> Value {
    json!({ "catchment:basemap": format!("{base}/tiles/basemap.json") })
}

/// `/tiles/basemap/{edition}/{z}/{x}/{y}`: a tile. The tile is sent compressed as in the file if
/// the client accepts that encoding. Otherwise, it is decompressed.
pub(super) async fn tile(
    State(app): State<App>,
    PathParams((edition, z, x, y)): PathParams<(String, String, String, String)>,
    _: Query<NoParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let basemap = app.basemap.as_deref().ok_or_else(no_basemap)?;
    let coord = parse_tile_coord(&z, &x, &y, BASEMAP_ZOOM_MAX).ok_or_else(no_such_tile)?;
    if edition != basemap.edition {
        return Err(unknown_edition());
    }
    let encodings = [basemap.tile_encoding, ContentEncoding::Identity];
    let mut accepted = encodings
        .into_iter()
        .filter(|encoding| negotiate::accepts(&headers, *encoding));
    let encoding = accepted
        .next()
        .ok_or_else(Problem::no_acceptable_encoding)?;
    let compressed = basemap.tile(coord).await.map_err(tile_error)?;
    let compressed = compressed.unwrap_or_default();
    // This body is only for the `ETag`, which is a hash of the bytes in the file.
    let compressed_body = EncodedBody::with_encodings(compressed.clone(), []);
    let body = match encoding {
        encoding if encoding == basemap.tile_encoding => compressed,
        _ => decompress(basemap, &compressed)?,
    };
    let content_type = HeaderValue::from_static(basemap.content.content_type());
    let body = || body;
    Ok(encoded_response(
        &headers,
        content_type,
        &compressed_body,
        encoding,
        body,
        CACHE_IMMUTABLE,
    ))
}

fn decompress(basemap: &Basemap, compressed: &Bytes) -> Result<Bytes, Problem> {
    if compressed.is_empty() {
        return Ok(Bytes::new());
    }
    let bytes = basemap.decompress(compressed).map_err(tile_error)?;
    Ok(bytes.into())
}

/// Returns an internal error without the coordinates of the tile, because internal errors are
/// logged and the coordinates are private.
fn tile_error(error: impl fmt::Display) -> Problem {
    Problem::internal(format!("a tile of the basemap could not be read: {error}"))
}

fn no_such_tile() -> Problem {
    let detail = format!(
        "a tile of the basemap must be {{z}}/{{x}}/{{y}}, with z from 0 to {BASEMAP_ZOOM_MAX}, and x and y below 2^z"
    );
    Problem::bad_request("invalid_tile", detail)
}

fn unknown_edition() -> Problem {
    let detail = "this edition of the basemap is not loaded; /tiles/basemap.json contains the current edition";
    Problem::unknown("unknown_edition", detail)
}

fn no_basemap() -> Problem {
    let detail = "this service has no basemap; the operator can add a basemap with catchment serve --basemap FILE";
    Problem::unknown("no_basemap", detail)
}
