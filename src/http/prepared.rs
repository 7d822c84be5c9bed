//! Responses whose bodies are encoded once and sent in the encoding that each client prefers.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};

use super::conditional::{CACHE_CONTROL, CACHE_FOR_GOOD, PRIVATE, is_known};
use super::negotiate;
use super::paced::SharedBody;
use super::problem::Problem;
use crate::tiles::{EncodedBody, Encoding};

const VARY: HeaderValue = HeaderValue::from_static("accept-encoding");

/// Returns the body in the encoding that the client prefers, or 304 if the client has it. Caches
/// revalidate after five minutes.
///
/// # Errors
/// If the client accepts none of the encodings.
pub(super) fn prepared(
    headers: &HeaderMap,
    content_type: &'static str,
    made: &EncodedBody,
) -> Result<Response, Problem> {
    kept(headers, content_type, made, CACHE_CONTROL)
}

/// Like [`cached_response`], but for a URL whose content never changes.
///
/// # Errors
/// If the client accepts none of the encodings.
pub(super) fn prepared_for_good(
    headers: &HeaderMap,
    content_type: &'static str,
    made: &EncodedBody,
) -> Result<Response, Problem> {
    kept(headers, content_type, made, CACHE_FOR_GOOD)
}

fn kept(
    headers: &HeaderMap,
    content_type: &'static str,
    made: &EncodedBody,
    cache_control: HeaderValue,
) -> Result<Response, Problem> {
    let encoding = negotiate::encoding(headers).ok_or_else(Problem::no_encoding)?;
    let content_type = HeaderValue::from_static(content_type);
    let body = || made.encoded(encoding);
    Ok(in_form(
        headers,
        content_type,
        made,
        encoding,
        body,
        cache_control,
    ))
}

/// Returns the body in one encoding, 304 if the client has it, or 204 if it is empty. A response
/// that must not be stored ([`PRIVATE_NO_STORE`]) has no `ETag`.
pub(super) fn in_form(
    headers: &HeaderMap,
    content_type: HeaderValue,
    made: &EncodedBody,
    encoding: Encoding,
    body: impl FnOnce() -> Bytes,
    cache_control: HeaderValue,
) -> Response {
    // Each encoding has its own tag (RFC 9110, section 8.8.3.3). An empty body is never encoded.
    let tag = match encoding {
        _ if made.is_empty() => format!("\"{}\"", made.digest()),
        Encoding::Identity => format!("\"{}\"", made.digest()),
        encoding => format!("\"{}-{}\"", made.digest(), encoding.as_str()),
    };
    let is_stored = cache_control != PRIVATE;
    let is_known = is_stored && is_known(headers, &tag);
    let tag = HeaderValue::from_str(&tag).expect("tags are ASCII");
    let mut common =
        HeaderMap::from_iter([(header::CACHE_CONTROL, cache_control), (header::VARY, VARY)]);
    if is_stored {
        common.insert(header::ETAG, tag);
    }
    if is_known {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    if made.is_empty() {
        // For a body that is known to be empty, axum would send `Content-Length` in reply to HEAD,
        // which 204 must not have (RFC 9110, section 8.6).
        let nothing = Body::new(Empty::<Bytes>::new().map_frame(|frame| frame));
        return (StatusCode::NO_CONTENT, common, nothing).into_response();
    }
    let content_type = [(header::CONTENT_TYPE, content_type)];
    let mut response = (common, content_type, body()).into_response();
    if encoding != Encoding::Identity {
        let word = HeaderValue::from_static(encoding.as_str());
        response
            .headers_mut()
            .insert(header::CONTENT_ENCODING, word);
    }
    response.extensions_mut().insert(SharedBody);
    response
}
