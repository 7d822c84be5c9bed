//! The URLs of pages, and links to them.

use maud::{Markup, html};

use catchment_core::domain::{Area, Layer, OdsCode, Practice};
use catchment_core::index::Index;

/// The path of the page that lists the changes after today.
pub(super) const CHANGES_PATH: &str = "/changes";

/// The path of the page that lists the sources of the data.
pub(super) const SOURCES_PATH: &str = "/sources";
/// The path of the page with the embed code.
pub(crate) const EMBED_CODE_PATH: &str = "/put-this-map-on-your-site";

/// Returns the path of an area's page. The paths of practices and groups have a different form.
pub(crate) fn area_path(index: &Index, layer: Layer, id: &str) -> String {
    format!("{}/{}", layer_path(index, layer), path_segment(id))
}

/// Returns the path of the page that lists the areas of a layer.
pub(crate) fn layer_path(index: &Index, layer: Layer) -> String {
    let manifest = index.manifest();
    match Some(layer) {
        layer if layer == manifest.practice_layer() => "/practices".into(),
        layer if layer == manifest.group_layer() => "/groups".into(),
        _ => format!("/areas/{layer}"),
    }
}

/// Returns the path of a practice's page.
pub(super) fn practice_path(code: OdsCode) -> String {
    format!("/practices/{code}")
}

/// Returns a path segment, percent-encoded (RFC 3986, section 3.3).
pub(crate) fn path_segment(segment: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:@".contains(&byte);
    segment.bytes().fold(String::new(), |mut path, byte| {
        if is_plain(byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
        path
    })
}

/// Appends a query string to a path, unless there are no parameters.
pub(super) fn with_query(path: &str, parameters: &[(&str, &str)]) -> String {
    if parameters.is_empty() {
        return path.to_string();
    }
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(parameters)
        .finish();
    format!("{path}?{query}")
}

/// Returns the name of an area as people say it, including the kind of area if the name does not
/// show the kind.
pub(super) fn display_name(area: &Area) -> String {
    area.label()
}

/// Returns the noun for one area of a layer: `Integrated Care Community`.
pub(super) fn layer_noun(index: &Index, layer: Layer) -> &str {
    let entry = index.manifest().layer(layer);
    entry.map_or(layer.as_str(), |entry| entry.singular.as_str())
}

/// Renders a link to an area's page. `query` is empty or begins with `?`.
pub(super) fn area_link(index: &Index, area: &Area, query: &str) -> Markup {
    html! { a href={ (area_path(index, area.layer, &area.id)) (query) } { (display_name(area)) } }
}

/// Renders a link to a practice's page, followed by its code. `query` is empty or begins with `?`.
pub(super) fn practice_link(practice: &Practice, query: &str) -> Markup {
    html! { a href={ (practice_path(practice.code)) (query) } { (practice.name) } " (" (practice.code) ")" }
}

/// Renders a link that calls a telephone number.
pub(super) fn telephone_link(number: &str) -> Markup {
    let digits: String = number
        .chars()
        .filter(|letter| letter.is_ascii_digit() || *letter == '+')
        .collect();
    html! { a.nowrap href={ "tel:" (digits) } { (number) } }
}

/// Renders the links that download a static map. `path` has no extension. `query` is empty or
/// begins with `?`.
pub(super) fn map_downloads(path: &str, query: &str, name: &str) -> Markup {
    html! {
        span.downloads {
            "Download the map of " (name) ": "
            a href={ (path) ".svg" (query) } { "SVG" } ", "
            a href={ (path) ".png" (query) } { "PNG" } ", "
            a href={ (path) ".pdf" (query) } { "PDF" }
        }
    }
}
