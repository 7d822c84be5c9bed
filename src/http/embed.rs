//! Maps on other sites: the page for frames, the oEmbed endpoint, and the page with the embed code.

use std::sync::Arc;

use axum::extract::State;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::Response;
use percent_encoding::percent_decode_str;
use serde_json::json;

use super::App;
use super::areas::{require_layer, unknown_area};
use super::base_url::BaseUrl;
use super::conditional::{cacheable_json, cacheable_response};
use super::problem::Problem;
use super::query_params::{DatasetSelection, LenientQuery, ParamValue, query_params};
use super::request_context::{DatasetRequest, RequestContext};
use super::widget::{default_layer, ensure_drawable};
use crate::web::{self, EmbedCodePage, EmbedPage, EmbeddedMap, FRAME_HEIGHT};
use catchment_core::domain::{Area, Layer, LayerRole, today_in_london};
use catchment_core::index::Index;
use catchment_core::request::RequestParams;

/// The sites that may show maps of this service in a frame, as the value of `frame-ancestors`.
#[derive(Debug, Clone)]
pub struct FrameAncestors(Arc<str>);

impl FrameAncestors {
    /// Allows any site.
    pub fn any() -> FrameAncestors {
        FrameAncestors("*".into())
    }

    /// Allows this service and the given origins, or any site if `origins` is empty.
    pub fn from_origins(origins: &[EmbedOrigin]) -> FrameAncestors {
        if origins.is_empty() {
            return FrameAncestors::any();
        }
        let origins: Vec<&str> = origins.iter().map(|origin| origin.0.as_str()).collect();
        FrameAncestors(format!("'self' {}", origins.join(" ")).into())
    }

    /// Returns the `Content-Security-Policy` header. Like the policy of other pages, this policy
    /// allows only scripts of this service.
    fn policy(&self) -> HeaderValue {
        let policy = format!(
            "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; \
             form-action 'none'; base-uri 'none'; frame-ancestors {}",
            self.0
        );
        HeaderValue::from_str(&policy).expect("origins are ASCII without line breaks")
    }
}

/// An origin such as `https://www.example.nhs.uk`, or all subdomains of a host, such as
/// `https://*.nhs.uk`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbedOrigin(String);

/// The error for text that is not an origin.
#[derive(Debug, thiserror::Error)]
#[error(
    "an origin must be a scheme and a host, such as https://www.example.nhs.uk or https://*.nhs.uk"
)]
pub struct InvalidEmbedOrigin;

impl std::str::FromStr for EmbedOrigin {
    type Err = InvalidEmbedOrigin;

    fn from_str(text: &str) -> Result<EmbedOrigin, InvalidEmbedOrigin> {
        let (scheme, host) = text.split_once("://").ok_or(InvalidEmbedOrigin)?;
        let plain = host.strip_prefix("*.").unwrap_or(host);
        let is_host_byte = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
        let is_host = plain.bytes().all(is_host_byte) && plain.parse::<Authority>().is_ok();
        match (scheme, is_host) {
            ("http" | "https", true) => Ok(EmbedOrigin(text.to_ascii_lowercase())),
            _ => Err(InvalidEmbedOrigin),
        }
    }
}

query_params! {
    /// The parameters of `/embed`.
    pub(super) struct EmbedParams {
        /// The id of the area in the centre of the map. By default, the map shows the whole layer.
        area: Option<String> = ["area"],
        /// The layer. The default is the main layer of communities.
        layer: Option<String> = ["layer"],
        /// Whether the map has a search field.
        search: Result<HasSearch, Problem> = ["search"],
        /// The as-of date.
        selection: DatasetSelection = ["as_of"],
    }
}

/// Whether a map has a search field; by default, it does not.
struct HasSearch(bool);

impl ParamValue for HasSearch {
    fn from_params(params: &RequestParams, names: &[&'static str]) -> Result<HasSearch, Problem> {
        match params.get(names[0]) {
            None | Some("off") => Ok(HasSearch(false)),
            Some("on") => Ok(HasSearch(true)),
            Some(_) => Err(Problem::bad_request(
                "invalid_search",
                "search must be on or off",
            )),
        }
    }
}

/// `GET /embed`: a page with only a map.
pub(super) async fn page(
    State(app): State<App>,
    DatasetRequest { context, params }: DatasetRequest<EmbedParams>,
    base: BaseUrl,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let map = map_from_params(&context, params)?;
    let index = context.index();
    let areas = index.areas(map.layer, context.as_of).into_iter().flatten();
    let is_included = |area: &&Area| map.area.as_ref().is_none_or(|(id, _)| *id == area.id);
    let names: Vec<&str> = areas.filter(is_included).map(Area::title).collect();
    let oembed = oembed_url(&base, &map.embed_path());
    let page = web::embed(&EmbedPage {
        map: &map,
        names: &names,
        attribution: &index.manifest().attribution,
        oembed_url: oembed.as_deref(),
    });
    let body = page.into_string().into_bytes();
    let mut response = cacheable_response(&headers, "text/html; charset=utf-8", body);
    let response_headers = response.headers_mut();
    response_headers.insert(
        header::CONTENT_SECURITY_POLICY,
        app.frame_ancestors.policy(),
    );
    base.add_vary(response_headers);
    add_oembed_link(response_headers, oembed.as_deref());
    Ok(response)
}

/// Returns the map that the parameters select.
fn map_from_params(context: &RequestContext, params: EmbedParams) -> Result<EmbeddedMap, Problem> {
    let HasSearch(has_search) = params.search?;
    let map = embedded_map(context, params.layer.as_deref(), params.area.as_deref())?;
    Ok(EmbeddedMap {
        has_search,
        as_of: context.has_date().then(|| context.as_of.to_string()),
        ..map
    })
}

fn embedded_map(
    context: &RequestContext,
    layer: Option<&str>,
    area: Option<&str>,
) -> Result<EmbeddedMap, Problem> {
    let (index, day) = (context.index(), context.as_of);
    let default_layer = default_layer(index);
    let layer = layer.or(default_layer.map(Layer::as_str));
    let layer = require_layer(index, layer.unwrap_or_default(), day)?;
    if area.is_none() {
        ensure_drawable(index, layer, day)?;
    }
    let id_and_title = |id| {
        let area = index
            .area_or_last_version(layer, id, day)
            .ok_or_else(unknown_area)?;
        Ok::<_, Problem>((area.id.clone(), area.title().to_string()))
    };
    Ok(EmbeddedMap {
        layer,
        is_default_layer: Some(layer) == default_layer,
        is_practice_layer: Some(layer) == index.manifest().practice_layer(),
        layer_title: index.layer_title(layer).to_string(),
        area: area.map(id_and_title).transpose()?,
        has_search: false,
        as_of: None,
    })
}

/// Returns the oEmbed URL of a page, or `None` if the public URL of the service is not known.
/// oEmbed requires absolute URLs.
fn oembed_url(base: &BaseUrl, path: &str) -> Option<String> {
    let base = base.as_absolute()?;
    let url = format!("{base}{path}");
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("url", &url)
        .append_pair("format", "json")
        .finish();
    Some(format!("{base}/oembed?{query}"))
}

fn add_oembed_link(headers: &mut HeaderMap, oembed: Option<&str>) {
    if let Some(oembed) = oembed {
        let link = format!("<{oembed}>; rel=\"alternate\"; type=\"application/json+oembed\"");
        let link = HeaderValue::from_str(&link).expect("an encoded URL is ASCII");
        headers.append(header::LINK, link);
    }
}

/// Adds the `Link` header by which oEmbed consumers discover that a page can be embedded.
pub(super) fn link_oembed(base: &BaseUrl, path: &str, response: &mut Response) {
    let oembed = oembed_url(base, path);
    add_oembed_link(response.headers_mut(), oembed.as_deref());
}

/// Does the same as [`link_oembed`], but also adds the `Vary` header. This function is for a page
/// without other absolute URLs.
pub(super) fn link_oembed_and_vary(base: &BaseUrl, path: &str, response: &mut Response) {
    link_oembed(base, path, response);
    base.add_vary(response.headers_mut());
}

/// The width of a frame in pixels, unless the consumer sets a smaller maximum.
const OEMBED_WIDTH: u32 = 640;
/// The time for which consumers may cache a response, in seconds: one day (`cache_age`, oEmbed 1.0,
/// section 2.3.4).
const OEMBED_CACHE_S: u32 = 86_400;

query_params! {
    /// The parameters of `/oembed`.
    pub(super) struct OembedParams {
        /// The URL of a page of this service.
        url: Option<String> = ["url"],
        /// The format of the response, which must be JSON.
        _format: OembedJson = ["format"],
        /// The maximum width of the frame in pixels.
        width_max: PixelsMax = ["maxwidth"],
        /// The maximum height of the frame in pixels.
        height_max: PixelsMax = ["maxheight"],
    }
}

/// The only oEmbed format that the service provides.
struct OembedJson;

impl ParamValue for OembedJson {
    fn from_params(params: &RequestParams, names: &[&'static str]) -> Result<OembedJson, Problem> {
        match params.get(names[0]) {
            None | Some("json") => Ok(OembedJson),
            Some(_) => Err(Problem::not_implemented()),
        }
    }
}

/// A maximum number of pixels; by default, there is no maximum.
struct PixelsMax(u32);

impl ParamValue for PixelsMax {
    fn from_params(params: &RequestParams, names: &[&'static str]) -> Result<PixelsMax, Problem> {
        let name = names[0];
        let pixels = params.get(name).map_or(Ok(u32::MAX), str::parse);
        pixels.map(PixelsMax).map_err(|_| {
            Problem::bad_request("invalid_size", format!("{name} must be a number of pixels"))
        })
    }
}

/// `GET /oembed` (oEmbed 1.0). Unlike on other routes, unknown parameters are ignored, because
/// consumers add their own parameters.
pub(super) async fn oembed(
    State(app): State<App>,
    LenientQuery(params): LenientQuery<OembedParams>,
    base: BaseUrl,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let url = params.url.ok_or_else(|| {
        Problem::bad_request(
            "missing_url",
            "url must be the URL of a page of this service",
        )
    })?;
    let public_url = base.as_absolute().ok_or_else(|| {
        let detail =
            "oEmbed needs the public URL of the service, which the operator sets with --public-url";
        Problem::unknown("no_public_url", detail)
    })?;
    let map = map_at_url(&app, &base, &url)?;
    let width = params.width_max.0.min(OEMBED_WIDTH);
    let height = params.height_max.0.min(FRAME_HEIGHT);
    let body = json!({
        "version": "1.0",
        "type": "rich",
        "title": map.name(),
        "provider_name": "Catchment",
        "provider_url": format!("{base}/"),
        "cache_age": OEMBED_CACHE_S,
        "width": width,
        "height": height,
        "html": web::iframe(public_url, &map, &width.to_string(), height),
    });
    let mut response = cacheable_json(&headers, &body);
    base.add_vary(response.headers_mut());
    Ok(response)
}

query_params! {
    /// The parameters of the other pages with a map that can be embedded.
    struct MapPageParams {
        /// The as-of date.
        selection: DatasetSelection = ["as_of"],
    }
}

/// Returns the map that a page of this service shows.
///
/// # Errors
/// If the URL belongs to another service, or to a page without a map (404).
fn map_at_url(app: &App, base: &BaseUrl, url: &str) -> Result<EmbeddedMap, Problem> {
    let url: Uri = url.parse().map_err(|_| Problem::not_found())?;
    let local_path = base.strip_base(&url).ok_or_else(Problem::not_found)?;
    let path = local_path.split('?').next().unwrap_or_default();
    let segments = path.split('/').filter(|text| !text.is_empty());
    let segments = segments.map(|segment| percent_decode_str(segment).decode_utf8());
    let segments: Vec<_> = segments
        .collect::<Result<_, _>>()
        .map_err(|_| Problem::not_found())?;
    let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
    match segments.as_slice() {
        ["embed"] => {
            let DatasetRequest { context, params } = DatasetRequest::from_uri(app, &url)?;
            map_from_params(&context, params)
        }
        [] | ["areas", ..] if segments.len() <= 3 => {
            let DatasetRequest { context, .. } =
                DatasetRequest::<MapPageParams>::from_uri(app, &url)?;
            let (layer, area) = (segments.get(1).copied(), segments.get(2).copied());
            embedded_map(&context, layer, area)
        }
        _ => Err(Problem::not_found()),
    }
}

query_params! {
    /// The parameters of `/put-this-map-on-your-site`.
    pub(super) struct EmbedCodeParams {
        /// A layer, or a layer and an area: `icc/mb-kendal`.
        show: Option<String> = ["show"],
        /// This parameter is given if the map has a search field.
        search: Option<String> = ["search"],
    }
}

/// `GET /put-this-map-on-your-site`: a preview, and the embed code.
pub(super) async fn code_page(
    DatasetRequest { context, params }: DatasetRequest<EmbedCodeParams>,
    base: BaseUrl,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let index = context.index();
    let choices = embed_choices(index);
    // Search is on by default. If the form was submitted without `search`, the box is not ticked.
    let has_search = params.search.is_some() || params.show.is_none();
    let choice = params.show.or_else(|| first_choice(index, &choices));
    let choice = choice.ok_or_else(Problem::not_found)?;
    let (layer, area) = match choice.split_once('/') {
        Some((layer, area)) => (layer, Some(area)),
        None => (choice.as_str(), None),
    };
    let map = EmbeddedMap {
        has_search,
        ..embedded_map(&context, Some(layer), area)?
    };
    let page = web::embed_code(
        index,
        &EmbedCodePage {
            map: &map,
            choices: &choices,
            base: base.as_absolute(),
        },
    );
    let body = page.into_string().into_bytes();
    let mut response = cacheable_response(&headers, "text/html; charset=utf-8", body);
    link_oembed_and_vary(&base, &map.embed_path(), &mut response);
    Ok(response)
}

/// Returns the layers that fit on one map, each with the areas that have a boundary.
fn embed_choices(index: &Index) -> Vec<(Layer, String, Vec<&Area>)> {
    let today = today_in_london();
    let areas_of = |layer: Layer| {
        let areas = index.areas(layer, today).into_iter().flatten();
        let mut areas: Vec<&Area> = areas
            .filter(|area| index.boundary(layer, &area.id, today).is_some())
            .collect();
        areas.sort_by_key(|area| area.title());
        areas
    };
    // A list of choices cannot contain statistical areas, because there are too many.
    let layers = index
        .layers()
        .filter(|layer| index.role(*layer) != Some(LayerRole::Statistical));
    let drawable_layers = layers.filter(|&layer| ensure_drawable(index, layer, today).is_ok());
    drawable_layers
        .map(|layer| (layer, index.layer_title(layer).to_string(), areas_of(layer)))
        .filter(|(_, _, areas)| !areas.is_empty())
        .collect()
}

/// Returns the default choice: the first layer, or an area if every layer is too large.
fn first_choice(index: &Index, choices: &[(Layer, String, Vec<&Area>)]) -> Option<String> {
    if let Some((layer, _, _)) = choices.first() {
        return Some(layer.to_string());
    }
    let today = today_in_london();
    index.layers().find_map(|layer| {
        let boundary = index.boundaries(layer, today).next()?;
        Some(format!("{layer}/{}", boundary.id))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_ancestors_are_self_and_the_given_origins() {
        let policy = |origins: &[&str]| {
            let origins: Vec<EmbedOrigin> = origins
                .iter()
                .map(|text| text.parse().expect("an origin"))
                .collect();
            let policy = FrameAncestors::from_origins(&origins).policy();
            policy.to_str().expect("ASCII").to_string()
        };
        assert!(policy(&[]).ends_with("; frame-ancestors *"));
        assert!(
            policy(&["https://A.example", "https://*.nhs.uk"])
                .ends_with("; frame-ancestors 'self' https://a.example https://*.nhs.uk")
        );
    }

    #[test]
    fn origins_are_a_scheme_and_a_host() {
        for text in [
            "https://www.example.nhs.uk",
            "https://*.nhs.uk",
            "http://127.0.0.1:8080",
            "http://[::1]:8080",
        ] {
            assert!(text.parse::<EmbedOrigin>().is_ok(), "{text}");
        }
        for text in [
            "",
            "*",
            "www.example.nhs.uk",
            "https://",
            "https://a.uk/path",
            "https://a.uk; script-src *",
            "https://a.uk https://b.uk",
            "https://*",
            "javascript://a.uk",
            "https://user@a.uk",
        ] {
            assert!(text.parse::<EmbedOrigin>().is_err(), "{text}");
        }
    }
}
