//! Tile coordinates in paths, and JSON with the URLs of tiles.

use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::Value;

use super::base_url::BaseUrl;
use super::conditional::cacheable_json;
use catchment_tiles::TileCoord;

/// Parses the coordinates of a tile. Returns `None` if there is no such tile, or if its zoom level
/// is above `zoom_max`.
pub(super) fn parse_tile_coord(z: &str, x: &str, y: &str, zoom_max: u8) -> Option<TileCoord> {
    let z = z.parse().ok().filter(|z| *z <= zoom_max)?;
    TileCoord::new(z, x.parse().ok()?, y.parse().ok()?)
}

/// Returns the response with JSON that contains URLs of this service.
pub(super) fn linked_json(base: &BaseUrl, headers: &HeaderMap, body: &Value) -> Response {
    let mut response = cacheable_json(headers, body);
    base.add_vary(response.headers_mut());
    response
}
