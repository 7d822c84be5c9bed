//! Small JSON and form bodies, and an extractor of path parameters.

use std::fmt;
use std::str::FromStr;

use axum::body::{Body, HttpBody};
use axum::extract::{FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::problem::Problem;
use catchment_core::request::RequestParams;

/// The maximum size of a request body in bytes. The parameters of one look-up are much shorter.
pub(super) const BODY_BYTES_MAX: usize = 16 * 1024;

/// Returns the parameters of a JSON object. An unknown member is reported before any invalid value.
pub(super) async fn json_params(
    request: Request,
    allowed: &[&'static str],
) -> Result<RequestParams, Problem> {
    expect_content_type(request.headers(), "application/json")?;
    let bytes = read_body(request.into_body(), BODY_BYTES_MAX).await?;
    let object: JsonPairs = serde_json::from_slice(&bytes)
        .map_err(|_| Problem::bad_request("invalid_json", "the body must be a JSON object"))?;
    let names = object.0.iter().map(|(name, _)| name.as_str());
    RequestParams::check_names(names, allowed)?;
    let mut pairs = Vec::with_capacity(object.0.len());
    for (name, value) in object.0 {
        if let Some(text) = param_text(&name, value)? {
            pairs.push((name, text));
        }
    }
    Ok(RequestParams::new(pairs, allowed)?)
}

/// Returns the non-blank parameters of a form body. Browsers send the empty fields of a form as
/// blank parameters.
pub(super) async fn form_params(
    request: Request,
    allowed: &[&'static str],
) -> Result<RequestParams, Problem> {
    expect_content_type(request.headers(), "application/x-www-form-urlencoded")?;
    let bytes = read_body(request.into_body(), BODY_BYTES_MAX).await?;
    let pairs = form_urlencoded::parse(&bytes).into_owned();
    let non_empty = pairs.filter(|(_, value)| !value.trim().is_empty());
    Ok(RequestParams::new(non_empty, allowed)?)
}

/// Reads a body of at most `bytes_max` bytes.
pub(super) async fn read_body(body: Body, bytes_max: usize) -> Result<Vec<u8>, Problem> {
    // The lower bound of the size is `Content-Length`, so a body that is too large is not read at
    // all.
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(Problem::too_large(bytes_max as u64));
    }
    match Limited::new(body, bytes_max).collect().await {
        Ok(collected) => Ok(collected.to_bytes().into()),
        Err(error) if error.is::<LengthLimitError>() => Err(Problem::too_large(bytes_max as u64)),
        Err(_) => Err(Problem::bad_request(
            "incomplete_upload",
            "the request body was truncated",
        )),
    }
}

fn expect_content_type(headers: &HeaderMap, expected: &str) -> Result<(), Problem> {
    match content_type(headers) {
        Some(essence) if essence.eq_ignore_ascii_case(expected) => Ok(()),
        _ => Err(Problem::unsupported_media_type(expected)),
    }
}

/// Returns the media type of the body, without parameters such as `charset`.
pub(super) fn content_type(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    value.split(';').next().map(str::trim)
}

/// Returns the text of a parameter, or `None` if the value is null.
pub(crate) fn param_text(name: &str, value: Value) -> Result<Option<String>, Problem> {
    match (name, value) {
        (_, Value::Null) => Ok(None),
        ("lon" | "lat" | "easting" | "northing" | "uprn", Value::Number(number)) => {
            Ok(Some(number.to_string()))
        }
        ("layers", Value::Array(words)) => {
            let words: Option<Vec<&str>> = words.iter().map(Value::as_str).collect();
            words
                .map(|words| Some(words.join(",")))
                .ok_or_else(wrong_value)
        }
        (_, Value::String(text)) => Ok(Some(text)),
        _ => Err(wrong_value()),
    }
}

fn wrong_value() -> Problem {
    Problem::bad_request(
        "invalid_json_value",
        "values must be strings; coordinates may be numbers, and layers may be an array of strings",
    )
}

/// A JSON object that preserves repeated names, so that repeated names can be rejected.
struct JsonPairs(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for JsonPairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<JsonPairs, D::Error> {
        deserializer.deserialize_map(JsonPairsVisitor)
    }
}

struct JsonPairsVisitor;

impl<'de> Visitor<'de> for JsonPairsVisitor {
    type Value = JsonPairs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<JsonPairs, M::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(JsonPairs(pairs))
    }
}

/// Parses a path segment, and returns `unknown()` if it is not well-formed.
pub(super) fn parse_segment<T: FromStr>(
    text: &str,
    unknown: fn() -> Problem,
) -> Result<T, Problem> {
    text.parse().map_err(|_| unknown())
}

/// An extractor of the path parameters, percent-decoded.
pub(super) struct PathParams<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for PathParams<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<PathParams<T>, Problem> {
        let detail = "the path must be percent-encoded UTF-8";
        match Path::from_request_parts(parts, state).await {
            Ok(Path(segments)) => Ok(PathParams(segments)),
            Err(_) => Err(Problem::bad_request("invalid_path", detail)),
        }
    }
}
