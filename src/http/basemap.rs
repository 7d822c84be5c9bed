//! `/tiles/basemap.json` and its tiles: the background map, if the operator has configured a file.
//!
//! The URLs of tiles contain the edition of the file, so that caches never mix tiles of two files.

use std::fmt;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Uri};
use axum::response::Response;
use bytes::Bytes;
use serde_json::{Value, json};

use super::App;
use super::base_url::BaseUrl;
use super::conditional::CACHE_FOR_GOOD;
use super::input::{Segments, query_fields};
use super::negotiate;
use super::prepared::in_form;
use super::problem::Problem;
use super::tiles::{numbered, with_links};
use crate::tiles::basemap::{BASEMAP_ZOOM_MAX, Basemap, BasemapContent};
use crate::tiles::{EncodedBody, Encoding};

/// Layers of a MapLibre style, in greys so that our areas stand out, with labels in system fonts.
const PICTURES: &str = include_str!("basemap/pictures.json");
const PROTOMAPS: &str = include_str!("basemap/protomaps.json");
const OPENMAPTILES: &str = include_str!("basemap/openmaptiles.json");

/// `/tiles/basemap.json`: a MapLibre style (version 8).
pub(super) fn style(
    app: &App,
    uri: &Uri,
    base: &BaseUrl,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    query_fields(uri, &[])?;
    let basemap = app.basemap.as_deref().ok_or_else(no_basemap)?;
    let (kind, layers) = match basemap.content {
        BasemapContent::Png | BasemapContent::Jpeg | BasemapContent::Webp => ("raster", PICTURES),
        BasemapContent::Protomaps => ("vector", PROTOMAPS),
        BasemapContent::OpenMapTiles => ("vector", OPENMAPTILES),
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
        source["bounds"] = json!(bounds);
    }
    let style = json!({ "version": 8, "sources": { "basemap": source }, "layers": layers });
    Ok(with_links(base, headers, &style))
}

/// The URL of the style, as metadata of another style.
pub(super) fn address(base: &BaseUrl) -> Value {
    json!({ "catchment:basemap": format!("{base}/tiles/basemap.json") })
}

/// `/tiles/basemap/{edition}/{z}/{x}/{y}`: a tile, compressed as in the file if the client accepts
/// that.
pub(super) async fn tile(
    State(app): State<App>,
    uri: Uri,
    Segments((edition, z, x, y)): Segments<(String, String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    query_fields(&uri, &[])?;
    let basemap = app.basemap.as_deref().ok_or_else(no_basemap)?;
    let address = numbered(&z, &x, &y, BASEMAP_ZOOM_MAX).ok_or_else(no_such_tile)?;
    if edition != basemap.edition {
        return Err(other_edition());
    }
    let forms = [basemap.tile_encoding, Encoding::Identity];
    let mut taken = forms
        .into_iter()
        .filter(|it| negotiate::takes(&headers, *it));
    let encoding = taken.next().ok_or_else(Problem::no_encoding)?;
    let packed = basemap.tile(address).await.map_err(broken)?;
    let packed = packed.unwrap_or_default();
    // For the `ETag`, which is a hash of the bytes in the file.
    let made = EncodedBody::with_encodings(packed.clone(), []);
    let body = match encoding {
        encoding if encoding == basemap.tile_encoding => packed,
        _ => unpacked(basemap, &packed)?,
    };
    let content_type = HeaderValue::from_static(basemap.content.content_type());
    let body = || body;
    Ok(in_form(
        &headers,
        content_type,
        &made,
        encoding,
        body,
        CACHE_FOR_GOOD,
    ))
}

fn unpacked(basemap: &Basemap, packed: &Bytes) -> Result<Bytes, Problem> {
    if packed.is_empty() {
        return Ok(Bytes::new());
    }
    let bytes = basemap.decompress(packed).map_err(broken)?;
    Ok(bytes.into())
}

/// An internal error without the coordinates of the tile, which would be logged: they are private.
fn broken(error: impl fmt::Display) -> Problem {
    Problem::internal(format!("reading a tile of the basemap: {error}"))
}

fn no_such_tile() -> Problem {
    let detail = format!(
        "a tile of the basemap must be {{z}}/{{x}}/{{y}} with z from 0 to {BASEMAP_ZOOM_MAX}, x and y below 2^z"
    );
    Problem::bad_request("invalid_tile", detail)
}

fn other_edition() -> Problem {
    let detail = "this edition of the basemap is not loaded; /tiles/basemap.json contains the current edition";
    Problem::unknown("unknown_edition", detail)
}

fn no_basemap() -> Problem {
    let detail =
        "this service has no basemap; the operator can set one with catchment serve --basemap FILE";
    Problem::unknown("no_basemap", detail)
}
