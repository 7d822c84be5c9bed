//! Answers that a cache may keep: with an ETag, and 304 where the client has them already.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::dataset::manifest::sha256_hex;

/// A cache asks again after this; the answer is then mostly 304.
pub(super) const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// For an address at which there is never anything else (RFC 8246).
pub(super) const CACHE_FOR_GOOD: HeaderValue =
    HeaderValue::from_static("public, max-age=31536000, immutable");

/// For an answer whose address tells where somebody is: a point, a few houses, a postcode. No cache keeps it, and
/// without an `ETag` nothing refers to it later.
pub(super) const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-store");

/// A body whose address tells where somebody is.
pub(super) fn uncached(content_type: &'static str, body: Vec<u8>) -> Response {
    let headers = [
        (header::CACHE_CONTROL, PRIVATE),
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
    ];
    (headers, body).into_response()
}

/// A body that changes only with the dataset or the day.
pub(super) fn cacheable(
    headers: &HeaderMap,
    content_type: &'static str,
    body: Vec<u8>,
) -> Response {
    // Half a SHA-256 tells versions of one address apart.
    let tag = format!("\"{}\"", &sha256_hex(&body)[..32]);
    let is_known = is_known(headers, &tag);
    let common = [
        (
            header::ETAG,
            HeaderValue::from_str(&tag).expect("hexadecimal in quotes"),
        ),
        (header::CACHE_CONTROL, CACHE_CONTROL),
    ];
    if is_known {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let content_type = [(header::CONTENT_TYPE, HeaderValue::from_static(content_type))];
    (common, content_type, body).into_response()
}

/// The same, as JSON.
pub(super) fn cacheable_json(headers: &HeaderMap, body: &impl Serialize) -> Response {
    let bytes = serde_json::to_vec(body).expect("our own bodies serialise");
    cacheable(headers, "application/json", bytes)
}

/// Whether the client has what the tag stands for.
pub(super) fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH).iter();
    let mut texts = values.filter_map(|value| value.to_str().ok());
    texts.any(|tags| names(tags, tag))
}

/// Whether `If-None-Match` names the tag, compared weakly (RFC 9110, 13.1.2).
fn names(tags: &str, tag: &str) -> bool {
    tags.split(',')
        .map(str::trim)
        .any(|one| one == "*" || one.trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn tags_are_compared_weakly() {
        for tags in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "*"] {
            assert!(names(tags, "\"a\""), "{tags}");
        }
        for tags in ["", "\"b\"", "a", "\"aa\""] {
            assert!(!names(tags, "\"a\""), "{tags}");
        }
    }
}
