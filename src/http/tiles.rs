//! `/tiles`: vector tiles, their TileJSON and a style.
//!
//! The response to a URL without an edition contains the areas that are valid on `as_of` (default:
//! today), and is cached for five minutes. In other URLs, an edition (`2025.2_2025-07-01_1f0c9a3e`)
//! precedes the layers. Such a URL identifies the exact bytes for a dataset and a date, so the
//! response never changes and is cached for a year. The TileJSON and the style contain the edition
//! for their date. If the edition is not loaded, the response is 404.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Method, Uri};
use axum::response::Response;
use bytes::Bytes;
use jiff::civil::Date;
use serde_json::{Value, json};

use super::App;
use super::admission::CpuPermit;
use super::archive;
use super::areas::{require_layer, unknown_layer};
use super::base_url::BaseUrl;
use super::basemap;
use super::cached_response::encoded_response;
use super::conditional::{CACHE_FIVE_MINUTES, CACHE_IMMUTABLE, PRIVATE_NO_STORE};
use super::extract::PathParams;
use super::negotiate;
use super::problem::Problem;
use super::query_params::{DatasetSelection, NoParams, ParamValue, Query, query_params};
use super::request_context::{DatasetParams, DatasetRequest, RequestContext};
use super::tile_path::{linked_json, parse_tile_coord};
use super::widget::ensure_drawable;
use crate::web::path_segment;
use crate::wire::locate::round_decimals;
use catchment_core::domain::Layer;
use catchment_core::geometry::bbox;
use catchment_core::index::Index;
use catchment_core::request::RequestParams;
use catchment_data::fs::sha256_hex;
use catchment_tiles::{
    CACHED_ZOOM_MAX, ContentEncoding, ENCODER_VERSION, EncodedBody, TileCoord, TileKey, ZOOM_MAX,
};

pub(super) const MVT: HeaderValue = HeaderValue::from_static("application/vnd.mapbox-vector-tile");

/// From this zoom level upwards, the URL of a tile could reveal a person's location. At 54° north,
/// a tile at zoom 15 is 720 m wide, and covers a village or a few streets.
const PRIVATE_ZOOM_MIN: u8 = CACHED_ZOOM_MAX + 1;

query_params! {
    /// The parameters of `/tiles/style.json`.
    struct StyleParams {
        /// The version of the dataset, and the as-of date.
        selection: DatasetSelection = ["as_of", "dataset"],
        /// The layers, such as `icc,gp-practice`. The default is the first layer.
        layers: Option<String> = ["layers"],
        /// Whether the style contains the names of the areas.
        has_labels: Result<HasLabels, Problem> = ["labels"],
    }
}

/// Whether a style contains labels. The default is yes.
struct HasLabels(bool);

impl ParamValue for HasLabels {
    fn from_params(params: &RequestParams, names: &[&'static str]) -> Result<HasLabels, Problem> {
        match params.get(names[0]) {
            None | Some("on") => Ok(HasLabels(true)),
            Some("off") => Ok(HasLabels(false)),
            Some(_) => Err(Problem::bad_request(
                "malformed",
                "labels must be on or off",
            )),
        }
    }
}

/// `/tiles/{layers}.json` (TileJSON 3.0.0), `/tiles/style.json`, `/tiles/basemap.json` and
/// `/tiles/{dataset}.pmtiles`.
pub(super) async fn document(
    State(app): State<App>,
    method: Method,
    uri: Uri,
    base: BaseUrl,
    PathParams(name): PathParams<String>,
    cpu_permit: Option<Extension<CpuPermit>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    match name.rsplit_once('.') {
        Some(("basemap", "json")) => basemap::style(&app, &uri, &base, &headers),
        Some(("style", "json")) => style_document(&app, &uri, &base, &headers).await,
        Some((name, "json")) => json_document(&app, &uri, &base, name, &headers),
        Some((name, "pmtiles")) => {
            let cpu_permit = cpu_permit.as_deref();
            archive::archive_response(&app, &uri, name, &method, &headers, cpu_permit).await
        }
        _ => Err(unknown_layer()),
    }
}

fn json_document(
    app: &App,
    uri: &Uri,
    base: &BaseUrl,
    name: &str,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let DatasetRequest { context, .. } = DatasetRequest::<DatasetParams>::from_uri(app, uri)?;
    let layers = parse_layers(&context, name)?;
    let body = tilejson(&context, &layers, base);
    Ok(linked_json(base, headers, &body))
}

/// `/tiles/style.json`. The positions of labels are computed on a blocking thread, because the
/// first computation is slow.
async fn style_document(
    app: &App,
    uri: &Uri,
    base: &BaseUrl,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let DatasetRequest { context, params } = DatasetRequest::<StyleParams>::from_uri(app, uri)?;
    let HasLabels(has_labels) = params.has_labels?;
    let names = params.layers.unwrap_or_else(|| first_layer(&context));
    let layers = parse_layers(&context, &names)?;
    let mut style = style(&context, &layers, base);
    if has_labels {
        let labels = move || label_points(&context, &layers);
        let points = tokio::task::spawn_blocking(labels).await;
        let points = points.map_err(|_| Problem::internal("placing labels panicked"))?;
        add_labels(&mut style, &points);
    }
    if app.basemap.is_some() {
        style["metadata"] = basemap::style_metadata(base);
    }
    Ok(linked_json(base, headers, &style))
}

/// Returns the names of the areas of the layers as GeoJSON points. A layer with too many areas for
/// one map has no names.
fn label_points(context: &RequestContext, layers: &[Layer]) -> Vec<Value> {
    let (index, day) = (context.index(), context.as_of);
    let few = |layer: &&Layer| ensure_drawable(index, **layer, day).is_ok();
    let mut points = Vec::new();
    for &layer in layers.iter().filter(few) {
        let Some(map) = context.tiles().widget_map(index, layer, day, None) else {
            continue;
        };
        for area in &map.areas {
            let [lon, lat] = map.position(area.label_point);
            let name = index.area(layer, &area.id, day);
            points.push(json!({
                "type": "Feature",
                "properties": {
                    "layer": layer.as_str(),
                    "label": name.map_or(area.name.as_str(), |area| area.name.as_str()),
                },
                "geometry": {
                    "type": "Point",
                    "coordinates": [round_decimals(lon, 4), round_decimals(lat, 4)],
                },
            }));
        }
    }
    points
}

/// Adds names of areas to a style. The names are drawn with a font of the device, so that the style
/// needs no glyphs. A name moves a little if it does not fit.
fn add_labels(style: &mut Value, points: &[Value]) {
    style["sources"]["labels"] = json!({
        "type": "geojson",
        "data": { "type": "FeatureCollection", "features": points },
    });
    let labels = json!({
        "id": "labels",
        "type": "symbol",
        "source": "labels",
        "layout": {
            "text-field": ["get", "label"],
            "text-font": ["Arial"],
            "text-size": ["interpolate", ["linear"], ["zoom"], 7, 11, 10, 14],
            "text-max-width": 7,
            "text-padding": 1,
            "text-variable-anchor": ["center", "top", "bottom", "left", "right"],
            "text-radial-offset": 0.3,
            "text-justify": "auto",
        },
        "paint": { "text-color": "#212b32", "text-halo-color": "#ffffff", "text-halo-width": 1.5 },
    });
    if let Some(layers) = style["layers"].as_array_mut() {
        layers.push(labels);
    }
}

/// `/tiles/{layers}/{z}/{x}/{y}.mvt`: a tile without an edition.
pub(super) async fn tile(
    State(app): State<App>,
    context: RequestContext,
    PathParams((names, z, x, y)): PathParams<(String, String, String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let layers = parse_layers(&context, &names)?;
    let coord = mvt_tile_coord(&z, &x, &y).ok_or_else(no_such_tile)?;
    tile_response(&app, context, &layers, coord, &headers, CACHE_FIVE_MINUTES).await
}

/// `/tiles/{edition}/{layers}/{z}/{x}/{y}.mvt`: a tile of an edition.
pub(super) async fn edition_tile(
    State(app): State<App>,
    PathParams((edition, names, z, x, y)): PathParams<(String, String, String, String, String)>,
    _: Query<NoParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let context = edition_context(&app, &edition).ok_or_else(unknown_edition)?;
    let layers = parse_layers(&context, &names)?;
    let coord = mvt_tile_coord(&z, &x, &y).ok_or_else(no_such_tile)?;
    tile_response(&app, context, &layers, coord, &headers, CACHE_IMMUTABLE).await
}

/// Parses a list of layers such as `icc,gp-practice`. The result has no duplicates, and is in the
/// order in which answers list layers.
fn parse_layers(context: &RequestContext, names: &str) -> Result<Vec<Layer>, Problem> {
    let require = |name| require_layer(context.index(), name, context.as_of);
    let mut layers: Vec<Layer> = names.split(',').map(require).collect::<Result<_, _>>()?;
    let order: Vec<Layer> = context.index().layers().collect();
    layers.sort_by_key(|layer| order.iter().position(|other| other == layer));
    layers.dedup();
    Ok(layers)
}

/// Returns the response with a tile of `layers` on the context's date, or 204 if the tile is
/// empty.
pub(super) async fn tile_response(
    app: &App,
    context: RequestContext,
    layers: &[Layer],
    coord: TileCoord,
    headers: &HeaderMap,
    cache_control: HeaderValue,
) -> Result<Response, Problem> {
    let cache_control = match coord.zoom() {
        PRIVATE_ZOOM_MIN.. => PRIVATE_NO_STORE,
        _ => cache_control,
    };
    let encoding =
        negotiate::preferred_encoding(headers).ok_or_else(Problem::no_acceptable_encoding)?;
    let key = TileKey::new(context.index(), layers, context.as_of, coord);
    let cached = context.tiles().get(&key);
    let (tile, body) = match cached.and_then(|tile| Some((tile.encoded_if_cached(encoding)?, tile)))
    {
        Some((body, tile)) => (tile, body),
        None => build_tile(app, context, key, encoding).await?,
    };
    let body = || body;
    Ok(encoded_response(
        headers,
        MVT,
        &tile,
        encoding,
        body,
        cache_control,
    ))
}

/// Builds a tile on a blocking thread, because building may be slow. Permits limit the number of
/// tiles that are built at the same time.
async fn build_tile(
    app: &App,
    context: RequestContext,
    key: TileKey,
    encoding: ContentEncoding,
) -> Result<(Arc<EncodedBody>, Bytes), Problem> {
    let permit = Arc::clone(&app.tile_permits).acquire_owned().await;
    let build = move || {
        // The permit is released only when the tile has been built, even if the client disconnects.
        let _permit = permit;
        let cache = context.tiles();
        let tile = match cache.get(&key) {
            Some(tile) => tile,
            None => cache.build(context.index(), &key)?,
        };
        let body = tile.encoded(encoding);
        Ok::<_, fast_mvt::MvtError>((tile, body))
    };
    match tokio::task::spawn_blocking(build).await {
        Ok(Ok(built)) => Ok(built),
        Ok(Err(error)) => {
            let message = format!("a tile could not be encoded: {error}");
            Err(Problem::internal(message))
        }
        Err(_) => Err(Problem::internal("building a tile panicked")),
    }
}

fn mvt_tile_coord(z: &str, x: &str, y: &str) -> Option<TileCoord> {
    parse_tile_coord(z, x, y.strip_suffix(".mvt")?, ZOOM_MAX)
}

fn no_such_tile() -> Problem {
    let detail = format!(
        "a tile must be {{z}}/{{x}}/{{y}}.mvt, with z from 0 to {ZOOM_MAX}, and x and y below 2^z"
    );
    Problem::bad_request("invalid_tile", detail)
}

fn unknown_edition() -> Problem {
    let detail = "this edition is not loaded; the TileJSON of a layer contains the current edition";
    Problem::unknown("unknown_edition", detail)
}

/// Returns the edition on a date: the dataset's version, the latest change date that is not after
/// `day`, and a hash that distinguishes datasets with the same version.
fn edition(index: &Index, day: Date) -> String {
    let change_dates = index
        .layers()
        .filter_map(|layer| index.revision_date(layer, day));
    let first_dates = index.layers().filter_map(|layer| index.first_data(layer));
    let first_dates = first_dates.filter(|&first_date| first_date <= day);
    let state = change_dates.chain(first_dates).max().unwrap_or(day);
    format!(
        "{}_{state}_{}",
        index.manifest().version,
        edition_hash(index)
    )
}

/// Returns the first eight hexadecimal digits of the SHA-256 digest of the dataset digest and the
/// encoder version.
fn edition_hash(index: &Index) -> String {
    sha256_hex(format!("{} {ENCODER_VERSION}", index.digest()).as_bytes())[..8].to_string()
}

fn edition_context(app: &App, edition: &str) -> Option<RequestContext> {
    let (rest, hash) = edition.rsplit_once('_')?;
    let (version, day) = rest.rsplit_once('_')?;
    let context = RequestContext::of_version(app, version, day.parse().ok()?)?;
    let index = context.index();
    // Each state of a dataset has only one edition, so an edition with a different date in the same
    // state is rejected.
    let is_current =
        hash == self::edition_hash(index) && edition == self::edition(index, context.as_of);
    is_current.then_some(context)
}

fn first_layer(context: &RequestContext) -> String {
    let index = context.index();
    let mut layers_with_data = index.layers().filter(|&layer| {
        index
            .first_data(layer)
            .is_some_and(|day| day <= context.as_of)
    });
    layers_with_data
        .next()
        .map_or(String::new(), |layer| layer.to_string())
}

fn tilejson(context: &RequestContext, layers: &[Layer], base: &BaseUrl) -> Value {
    let index = context.index();
    let names = joined_names(layers);
    let query = match context.link_query() {
        query if query.is_empty() => query,
        query => format!("?{query}"),
    };
    let edition = edition(index, context.as_of);
    let titles: Vec<&str> = layers
        .iter()
        .map(|&layer| index.layer_title(layer))
        .collect();
    json!({
        "tilejson": "3.0.0",
        "name": names,
        "description": titles.join(", "),
        "version": "1.0.0",
        "scheme": "xyz",
        "tiles": [format!("{base}/tiles/{names}/{{z}}/{{x}}/{{y}}.mvt{query}")],
        "edition": edition,
        "edition_tiles": [edition_tiles_url(base, &edition, &names)],
        "minzoom": catchment_tiles::zoom_min_of(index, layers),
        "maxzoom": ZOOM_MAX,
        "bounds": bounds(context, layers),
        "attribution": index.manifest().attribution,
        "vector_layers": catchment_tiles::vector_layers(index, layers, ZOOM_MAX),
    })
}

fn edition_tiles_url(base: &BaseUrl, edition: &str, names: &str) -> String {
    format!(
        "{base}/tiles/{}/{names}/{{z}}/{{x}}/{{y}}.mvt",
        path_segment(edition)
    )
}

/// The two opacities of fills. The first opacity is for the first layer if its areas do not
/// overlap. The second opacity is for all other layers, so that the map below them remains visible.
const FILL_OPACITY: (f64, f64) = (0.35, 0.06);

/// Returns a MapLibre style (version 8) without labels.
///
/// Areas are filled with colours that colour-blind people can tell apart (Okabe and Ito 2008), and
/// their borders are drawn as lines. If areas may overlap, their borders have the colours of the
/// areas. Areas that are too small to draw are shown as points.
fn style(context: &RequestContext, layers: &[Layer], base: &BaseUrl) -> Value {
    let index = context.index();
    let edition = edition(index, context.as_of);
    let colour = json!([
        "match",
        ["get", "mapcolor7"],
        // The labels of `match` are in arrays, because QGIS ignores labels that are not in an
        // array. The colour comes from a property, because QGIS cannot compute the colour from the
        // id of a feature.
        [0],
        "#e69f00",
        [1],
        "#56b4e9",
        [2],
        "#009e73",
        [3],
        "#f0e442",
        [4],
        "#0072b2",
        [5],
        "#d55e00",
        "#cc79a7",
    ]);
    let filled = layers.iter().find(|layer| index.is_partition(**layer));
    let layers_for = |layer: &Layer| {
        let style_layer = |kind: &str, geometry: &str, paint: Value| {
            json!({
                "id": format!("{layer}-{kind}"),
                "type": kind,
                "source": "catchment",
                "source-layer": layer.as_str(),
                "filter": ["==", ["geometry-type"], geometry],
                "paint": paint,
            })
        };
        let is_filled = filled == Some(layer);
        let opacity = if is_filled {
            FILL_OPACITY.0
        } else {
            FILL_OPACITY.1
        };
        let fill = json!({ "fill-color": colour, "fill-opacity": opacity });
        let line = match index.is_partition(*layer) {
            true if is_filled => json!({ "line-color": "#212b32", "line-width": 1 }),
            true => json!({ "line-color": "#212b32", "line-width": 2 }),
            false => json!({ "line-color": colour, "line-width": 1.5 }),
        };
        let circle = json!({ "circle-color": colour, "circle-radius": 2 });
        [
            style_layer("fill", "Polygon", fill),
            style_layer("line", "Polygon", line),
            style_layer("circle", "Point", circle),
        ]
    };
    let background = json!({
        "id": "background",
        "type": "background",
        "paint": { "background-color": "#edeff2" },
    });
    let style_layers = layers.iter().flat_map(layers_for);
    let style_layers: Vec<Value> = [background].into_iter().chain(style_layers).collect();
    json!({
        "version": 8,
        "name": layers.iter().map(|&layer| index.layer_title(layer)).collect::<Vec<_>>().join(", "),
        "sources": { "catchment": {
            "type": "vector",
            "tiles": [edition_tiles_url(base, &edition, &joined_names(layers))],
            "minzoom": catchment_tiles::zoom_min_of(index, layers),
            "maxzoom": ZOOM_MAX,
            "bounds": bounds(context, layers),
            "attribution": index.manifest().attribution,
        } },
        "layers": style_layers,
    })
}

fn joined_names(layers: &[Layer]) -> String {
    let names: Vec<&str> = layers.iter().map(|layer| layer.as_str()).collect();
    names.join(",")
}

/// Returns the bounding box: west, south, east and north in degrees, rounded to about a metre.
fn bounds(context: &RequestContext, layers: &[Layer]) -> Option<[f64; 4]> {
    let tile_cache = context.tiles();
    let all = tile_cache.bounds(context.index(), layers, context.as_of)?;
    Some(bbox::to_array(all).map(|degrees| round_decimals(degrees, 5)))
}
