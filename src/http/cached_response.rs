//! Responses whose bodies are encoded once, and then sent in the encoding that each client prefers.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};

use super::conditional::{CACHE_FIVE_MINUTES, CACHE_IMMUTABLE, PRIVATE_NO_STORE, if_none_match};
use super::negotiate;
use super::paced_body::SharedBody;
use super::problem::Problem;
use catchment_tiles::{ContentEncoding, EncodedBody};

const VARY: HeaderValue = HeaderValue::from_static("accept-encoding");

/// Returns the body in the encoding that the client prefers, or 304 if the client already has that
/// body. Caches revalidate the response after five minutes.
///
/// # Errors
/// If the client does not accept any of the encodings.
pub(super) fn cached_response(
    headers: &HeaderMap,
    content_type: &'static str,
    encoded_body: &EncodedBody,
) -> Result<Response, Problem> {
    negotiated_response(headers, content_type, encoded_body, CACHE_FIVE_MINUTES)
}

/// Does the same as [`cached_response`], but for a URL whose content never changes.
///
/// # Errors
/// If the client does not accept any of the encodings.
pub(super) fn immutable_response(
    headers: &HeaderMap,
    content_type: &'static str,
    encoded_body: &EncodedBody,
) -> Result<Response, Problem> {
    negotiated_response(headers, content_type, encoded_body, CACHE_IMMUTABLE)
}

fn negotiated_response(
    headers: &HeaderMap,
    content_type: &'static str,
    encoded_body: &EncodedBody,
    cache_control: HeaderValue,
) -> Result<Response, Problem> {
    let encoding =
        negotiate::preferred_encoding(headers).ok_or_else(Problem::no_acceptable_encoding)?;
    let content_type = HeaderValue::from_static(content_type);
    let encode = || encoded_body.encoded(encoding);
    Ok(encoded_response(
        headers,
        content_type,
        encoded_body,
        encoding,
        encode,
        cache_control,
    ))
}

/// Returns the body in the given encoding, 304 if the client already has that body, or 204 if the
/// body is empty. A response that must not be stored ([`PRIVATE_NO_STORE`]) has no `ETag`.
pub(super) fn encoded_response(
    headers: &HeaderMap,
    content_type: HeaderValue,
    encoded_body: &EncodedBody,
    encoding: ContentEncoding,
    encode: impl FnOnce() -> Bytes,
    cache_control: HeaderValue,
) -> Response {
    // Each encoding has its own entity tag (RFC 9110, section 8.8.3.3). An empty body is never
    // encoded.
    let tag = match encoding {
        _ if encoded_body.is_empty() => format!("\"{}\"", encoded_body.digest()),
        ContentEncoding::Identity => format!("\"{}\"", encoded_body.digest()),
        encoding => format!("\"{}-{}\"", encoded_body.digest(), encoding.as_str()),
    };
    let is_cacheable = cache_control != PRIVATE_NO_STORE;
    let is_not_modified = is_cacheable && if_none_match(headers, &tag);
    let tag = HeaderValue::from_str(&tag).expect("tags are ASCII");
    let mut common =
        HeaderMap::from_iter([(header::CACHE_CONTROL, cache_control), (header::VARY, VARY)]);
    if is_cacheable {
        common.insert(header::ETAG, tag);
    }
    if is_not_modified {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    if encoded_body.is_empty() {
        // If axum knew that the body is empty, it would send `Content-Length` in reply to HEAD, but
        // a 204 response must not have `Content-Length` (RFC 9110, section 8.6).
        let empty = Body::new(Empty::<Bytes>::new().map_frame(|frame| frame));
        return (StatusCode::NO_CONTENT, common, empty).into_response();
    }
    let content_type = [(header::CONTENT_TYPE, content_type)];
    let mut response = (common, content_type, encode()).into_response();
    if encoding != ContentEncoding::Identity {
        let coding = HeaderValue::from_static(encoding.as_str());
        response
            .headers_mut()
            .insert(header::CONTENT_ENCODING, coding);
    }
    response.extensions_mut().insert(SharedBody);
    response
}
