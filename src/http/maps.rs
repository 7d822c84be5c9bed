//! `/maps`: static maps, as SVG, PNG and PDF.
//!
//! Drawing a map takes tens of milliseconds of CPU time, so at most [`CONCURRENT_MAPS_MAX`] maps
//! are drawn at the same time. Other requests wait for a permit for at most [`PERMIT_WAIT_MAX`],
//! and are then rejected with `Retry-After`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::App;
use super::areas::{no_boundary, require_layer, unknown_area};
use super::conditional::{CACHE_FIVE_MINUTES, if_none_match};
use super::extract::PathParams;
use super::problem::Problem;
use super::query_params::{DatasetSelection, ParamValue, query_params};
use super::request_context::{DatasetRequest, RequestContext};
use catchment_core::request::RequestParams;
use catchment_data::fs::sha256_hex;
use catchment_tiles::maps::{self, MapImage, MapRequest, RenderError, WIDTH_MAX, WIDTH_MIN};

/// The default width in CSS pixels.
const WIDTH_DEFAULT: u32 = 800;
/// The default width of a PDF. This width fits between the margins of A4.
const PDF_WIDTH_DEFAULT: u32 = 718;
/// The maximum number of image pixels for each CSS pixel.
const SCALE_MAX: u32 = 4;
/// The maximum number of pixels in a PNG.
///
/// Rendering takes about 12 bytes for each pixel, for the canvas and two layers of the same size.
/// 16 million pixels take 192 MB. In a measurement with 24 million pixels, the service used 385 MB.
const PIXELS_MAX: u64 = 16_000_000;
/// The maximum number of maps that are drawn at the same time.
pub(super) const CONCURRENT_MAPS_MAX: usize = 2;
/// The maximum time for which a request waits for a permit.
const PERMIT_WAIT_MAX: Duration = Duration::from_secs(3);
/// The value of `Retry-After` if no permit is free in time, in seconds.
const RETRY_AFTER_S: u16 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ImageFormat {
    Svg,
    Png,
    Pdf,
}

impl ImageFormat {
    /// Splits a file name into the name without the extension, and the format that the extension
    /// specifies.
    fn split(name: &str) -> Option<(&str, ImageFormat)> {
        let (stem, extension) = name.rsplit_once('.')?;
        let format = match extension {
            "svg" => ImageFormat::Svg,
            "png" => ImageFormat::Png,
            "pdf" => ImageFormat::Pdf,
            _ => return None,
        };
        Some((stem, format))
    }

    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            ImageFormat::Svg => "image/svg+xml",
            ImageFormat::Png => "image/png",
            ImageFormat::Pdf => "application/pdf",
        })
    }
}

query_params! {
    /// The parameters of a map as SVG or PDF.
    struct VectorMapParams {
        /// The version of the dataset, and the as-of date.
        selection: DatasetSelection = ["as_of", "dataset"],
        /// The width in CSS pixels.
        width: Result<MapWidth, Problem> = ["width"],
    }
}

query_params! {
    /// The parameters of a map as PNG.
    struct PngMapParams {
        /// The version of the dataset, and the as-of date.
        selection: DatasetSelection = ["as_of", "dataset"],
        /// The width in CSS pixels.
        width: Result<MapWidth, Problem> = ["width"],
        /// The number of image pixels for each CSS pixel.
        scale: Result<MapScale, Problem> = ["scale"],
    }
}

/// An optional number from `MIN` to `MAX`.
struct OptionalNumber<const MIN: u32, const MAX: u32>(Option<u32>);

type MapWidth = OptionalNumber<WIDTH_MIN, WIDTH_MAX>;
type MapScale = OptionalNumber<1, SCALE_MAX>;

impl<const MIN: u32, const MAX: u32> ParamValue for OptionalNumber<MIN, MAX> {
    fn from_params(params: &RequestParams, names: &[&'static str]) -> Result<Self, Problem> {
        let name = names[0];
        let Some(text) = params.get(name) else {
            return Ok(OptionalNumber(None));
        };
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
        let value = text.parse().ok().filter(|_| is_plain);
        match value.filter(|value| (MIN..=MAX).contains(value)) {
            Some(value) => Ok(OptionalNumber(Some(value))),
            None => Err(Problem::bad_request(
                if name == "scale" {
                    "invalid_scale"
                } else {
                    "invalid_width"
                },
                format!("{name} must be a whole number from {MIN} to {MAX}"),
            )),
        }
    }
}

/// `/maps/{layer}.svg`, `.png` and `.pdf`: a map of a layer.
pub(super) async fn layer(
    State(app): State<App>,
    uri: Uri,
    PathParams(name): PathParams<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (name, format) = ImageFormat::split(&name).ok_or_else(unknown_image_format)?;
    respond(&app, &uri, (name, None), format, headers).await
}

/// `/maps/{layer}/{id}.svg`, `.png` and `.pdf`: a map of an area.
pub(super) async fn area(
    State(app): State<App>,
    uri: Uri,
    PathParams((layer, name)): PathParams<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (id, format) = ImageFormat::split(&name).ok_or_else(unknown_image_format)?;
    respond(&app, &uri, (&layer, Some(id)), format, headers).await
}

fn unknown_image_format() -> Problem {
    Problem::unknown(
        "unknown_image_format",
        "the path of a map must end in .svg, .png or .pdf",
    )
}

/// The context and the parameters of a map in any format.
struct MapParams {
    context: RequestContext,
    width: Result<MapWidth, Problem>,
    scale: Result<MapScale, Problem>,
}

impl MapParams {
    /// Parses the parameters of a map in this format.
    fn new(app: &App, uri: &Uri, format: ImageFormat) -> Result<MapParams, Problem> {
        Ok(match format {
            ImageFormat::Png => {
                let request = DatasetRequest::<PngMapParams>::from_uri(app, uri)?;
                MapParams {
                    context: request.context,
                    width: request.params.width,
                    scale: request.params.scale,
                }
            }
            ImageFormat::Svg | ImageFormat::Pdf => {
                let request = DatasetRequest::<VectorMapParams>::from_uri(app, uri)?;
                MapParams {
                    context: request.context,
                    width: request.params.width,
                    scale: Ok(OptionalNumber(None)),
                }
            }
        })
    }
}

async fn respond(
    app: &App,
    uri: &Uri,
    (layer, area): (&str, Option<&str>),
    format: ImageFormat,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let MapParams {
        context,
        width,
        scale,
    } = MapParams::new(app, uri, format)?;
    let (index, day) = (context.index(), context.as_of);
    let layer = require_layer(index, layer, day)?;
    if let Some(id) = area {
        index
            .area_or_last_version(layer, id, day)
            .ok_or_else(unknown_area)?;
    }
    let default_width = match format {
        ImageFormat::Svg | ImageFormat::Png => WIDTH_DEFAULT,
        ImageFormat::Pdf => PDF_WIDTH_DEFAULT,
    };
    let map_request = MapRequest {
        layer,
        area: area.map(str::to_string),
        day,
        width: width?.0.unwrap_or(default_width),
    };
    let scale = scale?.0.unwrap_or(1);
    let permit = acquire_permit(&app.map_permits, PERMIT_WAIT_MAX).await?;
    let draw = move || {
        // The permit is held until the map is drawn, even if the client disconnects.
        let _permit = permit;
        let image = maps::draw(context.index(), context.tiles(), &map_request);
        response(&image.ok_or_else(no_boundary)?, format, scale, &headers)
    };
    let rendered = tokio::task::spawn_blocking(draw).await;
    rendered.map_err(|_| Problem::internal("drawing a map panicked"))?
}

/// Waits for a permit to draw a map.
///
/// # Errors
/// If no permit is free in time (503 with `Retry-After`).
pub(super) async fn acquire_permit(
    permits: &Arc<Semaphore>,
    wait_max: Duration,
) -> Result<OwnedSemaphorePermit, Problem> {
    let acquired = Arc::clone(permits).acquire_owned();
    match tokio::time::timeout(wait_max, acquired).await {
        Ok(Ok(permit)) => Ok(permit),
        _ => Err(Problem::busy(
            "too many maps are being drawn; try again later",
            RETRY_AFTER_S,
        )),
    }
}

/// Returns the response with a map, or 304 if the client already has the map.
///
/// The `ETag` is a hash of the SVG and the program version, so that a 304 response requires no
/// rendering. The `ETag` of a PDF is weak, because the PDF library writes some entries in random
/// order.
fn response(
    image: &MapImage,
    format: ImageFormat,
    scale: u32,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    if format == ImageFormat::Png {
        check_size(image, scale)?;
    }
    let program = env!("CARGO_PKG_VERSION");
    let digest = sha256_hex(format!("{program} {format:?} {scale} {}", image.svg).as_bytes());
    let weak = if format == ImageFormat::Pdf { "W/" } else { "" };
    let etag = format!("\"{}\"", &digest[..32]);
    let is_not_modified = if_none_match(headers, &etag);
    let etag = HeaderValue::from_str(&format!("{weak}{etag}")).expect("hexadecimal in quotes");
    let caching_headers = [
        (header::ETAG, etag),
        (header::CACHE_CONTROL, CACHE_FIVE_MINUTES),
    ];
    if is_not_modified {
        return Ok((StatusCode::NOT_MODIFIED, caching_headers).into_response());
    }
    let body = match format {
        ImageFormat::Svg => image.svg.clone().into_bytes(),
        ImageFormat::Png => maps::png(image, scale).map_err(|error| render_failed(&error))?,
        ImageFormat::Pdf => maps::pdf(image).map_err(|error| render_failed(&error))?,
    };
    let content_type = [(header::CONTENT_TYPE, format.content_type())];
    Ok((caching_headers, content_type, body).into_response())
}

fn render_failed(error: &RenderError) -> Problem {
    Problem::internal(format!("a map could not be rendered: {error}"))
}

fn check_size(image: &MapImage, scale: u32) -> Result<(), Problem> {
    let pixels = [image.width, image.height, scale, scale].map(u64::from);
    if pixels.iter().product::<u64>() <= PIXELS_MAX {
        return Ok(());
    }
    let (width, height) = (image.width, image.height);
    let detail = format!(
        "the map is {width} by {height} pixels, and a PNG can have at most {PIXELS_MAX} pixels; use a smaller width or scale, or SVG"
    );
    Err(Problem::bad_request("image_too_large", detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn requests_without_a_permit_get_retry_after() {
        let permits = Arc::new(Semaphore::new(1));
        let first = acquire_permit(&permits, Duration::ZERO)
            .await
            .expect("a permit");
        let problem = acquire_permit(&permits, Duration::from_millis(1)).await;
        let problem = problem.expect_err("all permits are taken");
        assert_eq!(problem.status(), StatusCode::SERVICE_UNAVAILABLE);
        let response = problem.into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
        drop(first);
        assert!(acquire_permit(&permits, Duration::ZERO).await.is_ok());
    }

    #[test]
    fn png_size_is_limited() {
        let image = |width, height| MapImage {
            svg: String::new(),
            width,
            height,
            title: String::new(),
            description: String::new(),
        };
        assert!(check_size(&image(2_000, 2_000), 2).is_ok());
        let problem = check_size(&image(2_000, 2_001), 2).expect_err("too large");
        assert_eq!(problem.status(), StatusCode::BAD_REQUEST);
        assert!(problem.detail().contains("2000 by 2001"));
    }
}
