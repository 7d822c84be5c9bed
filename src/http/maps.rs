//! `/maps`: static maps, as SVG, PNG and PDF.
//!
//! Drawing a map takes tens of milliseconds of CPU time, so only a few are drawn at a time. Other
//! requests wait briefly for a permit, and are then rejected with `Retry-After`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::App;
use super::areas::{held_layer, no_boundary, unknown_area, unknown_layer};
use super::conditional::{CACHE_CONTROL, is_known};
use super::input::{Segments, query_fields};
use super::problem::Problem;
use super::snapshot::Snapshot;
use crate::dataset::manifest::sha256_hex;
use crate::maps::{self, MapImage, MapRequest, RenderError, WIDTH_MAX, WIDTH_MIN};
use crate::question::Fields;

/// The default width, and that of a PDF, which fits between the margins of A4.
const WIDTH: u32 = 800;
const WIDTH_ON_PAPER: u32 = 718;
/// The highest number of pixels to a CSS pixel, and the most pixels in a PNG.
///
/// Rendering takes about 12 bytes for each pixel: the canvas and two layers of its size. 16 million
/// pixels take 192 MB; with 24 million, the service was measured at 385 MB.
const SCALE_MAX: u32 = 4;
const PIXELS_MAX: u64 = 16_000_000;
/// Maps that are drawn at the same time.
pub(super) const DRAWN_AT_ONCE: usize = 2;
/// How long a request waits for a permit, and the `Retry-After` after that, in seconds.
const PATIENCE: Duration = Duration::from_secs(3);
const AGAIN_IN_S: u16 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Svg,
    Png,
    Pdf,
}

impl Format {
    /// Splits a file name into the name without its extension, and the format of the extension.
    fn split(name: &str) -> Option<(&str, Format)> {
        let (stem, ending) = name.rsplit_once('.')?;
        let format = match ending {
            "svg" => Format::Svg,
            "png" => Format::Png,
            "pdf" => Format::Pdf,
            _ => return None,
        };
        Some((stem, format))
    }

    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Format::Svg => "image/svg+xml",
            Format::Png => "image/png",
            Format::Pdf => "application/pdf",
        })
    }

    fn fields(self) -> &'static [&'static str] {
        match self {
            Format::Png => &["as_of", "dataset", "width", "scale"],
            Format::Svg | Format::Pdf => &["as_of", "dataset", "width"],
        }
    }
}

/// `/maps/{layer}.svg`, `.png` and `.pdf`.
pub(super) async fn layer(
    State(app): State<App>,
    uri: Uri,
    Segments(name): Segments<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (name, format) = Format::split(&name).ok_or_else(unknown_layer)?;
    answer(&app, &uri, (name, None), format, headers).await
}

/// `/maps/{layer}/{id}.svg`, `.png` and `.pdf`.
pub(super) async fn area(
    State(app): State<App>,
    uri: Uri,
    Segments((layer, name)): Segments<(String, String)>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (id, format) = Format::split(&name).ok_or_else(unknown_area)?;
    answer(&app, &uri, (&layer, Some(id)), format, headers).await
}

async fn answer(
    app: &App,
    uri: &Uri,
    (layer, area): (&str, Option<&str>),
    format: Format,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let fields = query_fields(uri, format.fields())?;
    let snapshot = Snapshot::of(app, &fields)?;
    let (index, day) = (snapshot.index(), snapshot.as_of);
    let layer = held_layer(index, layer, day)?;
    if let Some(id) = area {
        index.area_ever(layer, id, day).ok_or_else(unknown_area)?;
    }
    let width = match format {
        Format::Svg | Format::Png => WIDTH,
        Format::Pdf => WIDTH_ON_PAPER,
    };
    let wanted = MapRequest {
        layer,
        area: area.map(str::to_string),
        day,
        width: number(&fields, "width", WIDTH_MIN, WIDTH_MAX)?.unwrap_or(width),
    };
    let scale = number(&fields, "scale", 1, SCALE_MAX)?.unwrap_or(1);
    let place = place(&app.drawing, PATIENCE).await?;
    let draw = move || {
        // Held until the map is drawn, even if the client disconnects.
        let _place = place;
        let picture = maps::draw(snapshot.index(), snapshot.tiles(), &wanted);
        response(&picture.ok_or_else(no_boundary)?, format, scale, &headers)
    };
    let drawn = tokio::task::spawn_blocking(draw).await;
    drawn.map_err(|_| Problem::internal("drawing a map panicked"))?
}

/// Waits for a permit to draw.
///
/// # Errors
/// When there is none in time: 503 with `Retry-After`.
pub(super) async fn place(
    pictures: &Arc<Semaphore>,
    patience: Duration,
) -> Result<OwnedSemaphorePermit, Problem> {
    let turn = Arc::clone(pictures).acquire_owned();
    match tokio::time::timeout(patience, turn).await {
        Ok(Ok(place)) => Ok(place),
        _ => Err(Problem::busy(
            "too many maps are being drawn; try again later",
            AGAIN_IN_S,
        )),
    }
}

/// The response with a map, or 304 if the client has it.
///
/// The `ETag` is a hash of the SVG and the program version, so that 304 needs no rendering. The
/// `ETag` of a PDF is weak, because the PDF library writes some entries in random order.
fn response(
    picture: &MapImage,
    format: Format,
    scale: u32,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    if format == Format::Png {
        check_size(picture, scale)?;
    }
    let program = env!("CARGO_PKG_VERSION");
    let drawing = sha256_hex(format!("{program} {format:?} {scale} {}", picture.svg).as_bytes());
    let weak = if format == Format::Pdf { "W/" } else { "" };
    let tag = format!("\"{}\"", &drawing[..32]);
    let is_known = is_known(headers, &tag);
    let tag = HeaderValue::from_str(&format!("{weak}{tag}")).expect("hexadecimal in quotes");
    let common = [(header::ETAG, tag), (header::CACHE_CONTROL, CACHE_CONTROL)];
    if is_known {
        return Ok((StatusCode::NOT_MODIFIED, common).into_response());
    }
    let body = match format {
        Format::Svg => picture.svg.clone().into_bytes(),
        Format::Png => maps::png(picture, scale).map_err(|error| failed(&error))?,
        Format::Pdf => maps::pdf(picture).map_err(|error| failed(&error))?,
    };
    let content_type = [(header::CONTENT_TYPE, format.content_type())];
    Ok((common, content_type, body).into_response())
}

fn failed(error: &RenderError) -> Problem {
    Problem::internal(format!("a map could not be rendered: {error}"))
}

fn check_size(picture: &MapImage, scale: u32) -> Result<(), Problem> {
    let pixels = [picture.width, picture.height, scale, scale].map(u64::from);
    if pixels.iter().product::<u64>() <= PIXELS_MAX {
        return Ok(());
    }
    let (width, height) = (picture.width, picture.height);
    let detail = format!(
        "the map is {width} by {height}, and a PNG can have at most {PIXELS_MAX} pixels; use a smaller width or scale, or SVG"
    );
    Err(Problem::bad_request("image_too_large", detail))
}

fn number(
    fields: &Fields,
    name: &'static str,
    least: u32,
    most: u32,
) -> Result<Option<u32>, Problem> {
    let Some(text) = fields.get(name) else {
        return Ok(None);
    };
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| is_plain);
    match number.filter(|number| (least..=most).contains(number)) {
        Some(number) => Ok(Some(number)),
        None => Err(Problem::bad_request(
            "malformed",
            format!("{name} must be a whole number from {least} to {most}"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_finds_no_place_is_asked_to_come_again() {
        let pictures = Arc::new(Semaphore::new(1));
        let first = place(&pictures, Duration::ZERO).await.expect("a permit");
        let problem = place(&pictures, Duration::from_millis(1)).await;
        let problem = problem.expect_err("all permits are taken");
        assert_eq!(problem.status(), StatusCode::SERVICE_UNAVAILABLE);
        let response = problem.into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
        drop(first);
        assert!(place(&pictures, Duration::ZERO).await.is_ok());
    }

    #[test]
    fn a_picture_has_an_end() {
        let picture = |width, height| MapImage {
            svg: String::new(),
            width,
            height,
            title: String::new(),
            description: String::new(),
        };
        assert!(check_size(&picture(2_000, 2_000), 2).is_ok());
        let problem = check_size(&picture(2_000, 2_001), 2).expect_err("too large");
        assert_eq!(problem.status(), StatusCode::BAD_REQUEST);
        assert!(problem.detail().contains("2000 by 2001"));
    }
}
