//! Cacheable responses: `ETag`, and 304 if the client already has the body.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use catchment_data::fs::sha256_hex;

/// `Cache-Control` of a response that caches revalidate after five minutes. Most revalidations are
/// answered with 304.
pub(super) const CACHE_FIVE_MINUTES: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// `Cache-Control` of a response whose URL always returns the same content (RFC 8246).
pub(super) const CACHE_IMMUTABLE: HeaderValue =
    HeaderValue::from_static("public, max-age=31536000, immutable");

/// `Cache-Control` of a response whose URL could reveal a person's location, because it contains a
/// postcode, a point or a small area. Caches must not store the response. The response has no
/// `ETag`, because an `ETag` could identify the response later.
pub(super) const PRIVATE_NO_STORE: HeaderValue = HeaderValue::from_static("private, no-store");

/// Returns a response that must not be stored, because its URL could reveal a person's location.
pub(super) fn no_store_response(content_type: &'static str, body: Vec<u8>) -> Response {
    let headers = [
        (header::CACHE_CONTROL, PRIVATE_NO_STORE),
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
    ];
    (headers, body).into_response()
}

/// Returns a response that changes only if the dataset or the date changes.
pub(super) fn cacheable_response(
    headers: &HeaderMap,
    content_type: &'static str,
    body: Vec<u8>,
) -> Response {
    // Half of a SHA-256 digest is enough to distinguish the versions of one URL.
    let tag = format!("\"{}\"", &sha256_hex(&body)[..32]);
    let is_not_modified = if_none_match(headers, &tag);
    let common = [
        (
            header::ETAG,
            HeaderValue::from_str(&tag).expect("hexadecimal in quotes"),
        ),
        (header::CACHE_CONTROL, CACHE_FIVE_MINUTES),
    ];
    if is_not_modified {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    let content_type = [(header::CONTENT_TYPE, HeaderValue::from_static(content_type))];
    (common, content_type, body).into_response()
}

/// Does the same as [`cacheable_response`], but with a JSON body.
pub(super) fn cacheable_json(headers: &HeaderMap, body: &impl Serialize) -> Response {
    let bytes = serde_json::to_vec(body).expect("response bodies serialize");
    cacheable_response(headers, "application/json", bytes)
}

/// Returns whether `If-None-Match` lists the tag, which means that the client already has the body.
pub(super) fn if_none_match(headers: &HeaderMap, tag: &str) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH).iter();
    let mut texts = values.filter_map(|value| value.to_str().ok());
    texts.any(|tags| contains_tag(tags, tag))
}

/// Returns whether a list of entity tags contains `tag`, by weak comparison (RFC 9110, section
/// 13.1.2).
fn contains_tag(tags: &str, tag: &str) -> bool {
    tags.split(',')
        .map(str::trim)
        .any(|candidate| candidate == "*" || candidate.trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use super::contains_tag;

    #[test]
    fn entity_tags_are_compared_weakly() {
        for tags in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "*"] {
            assert!(contains_tag(tags, "\"a\""), "{tags}");
        }
        for tags in ["", "\"b\"", "a", "\"aa\""] {
            assert!(!contains_tag(tags, "\"a\""), "{tags}");
        }
    }
}
