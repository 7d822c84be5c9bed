//! Answers whose bytes are made once and handed out in the encoding that the client takes best.

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

/// The bytes, or that the client has them already. A cache asks again after five minutes.
///
/// # Errors
/// Where the client takes no encoding that there is.
pub(super) fn prepared(
    headers: &HeaderMap,
    content_type: &'static str,
    made: &EncodedBody,
) -> Result<Response, Problem> {
    kept(headers, content_type, made, CACHE_CONTROL)
}

/// The same, of an address at which there is never anything else.
///
/// # Errors
/// Where the client takes no encoding that there is.
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

/// The bytes in one form, made or there already, or that the client has them already; of nothing, that there is
/// nothing. What is not to be stored ([`PRIVATE`]) has no tag.
pub(super) fn in_form(
    headers: &HeaderMap,
    content_type: HeaderValue,
    made: &EncodedBody,
    encoding: Encoding,
    body: impl FnOnce() -> Bytes,
    cache_control: HeaderValue,
) -> Response {
    // Other bytes, another tag (RFC 9110, 8.8.3.3); of nothing there is nothing to be encoded.
    let tag = match encoding {
        _ if made.is_empty() => format!("\"{}\"", made.digest()),
        Encoding::Identity => format!("\"{}\"", made.digest()),
        encoding => format!("\"{}-{}\"", made.digest(), encoding.as_str()),
    };
    let is_stored = cache_control != PRIVATE;
    let is_known = is_stored && is_known(headers, &tag);
    let tag = HeaderValue::from_str(&tag).expect("hexadecimal and a word in quotes");
    let mut common =
        HeaderMap::from_iter([(header::CACHE_CONTROL, cache_control), (header::VARY, VARY)]);
    if is_stored {
        common.insert(header::ETAG, tag);
    }
    if is_known {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    if made.is_empty() {
        // Of a body known to be empty, axum would tell the length to a HEAD; here there is none to be
        // told (RFC 9110, 8.6).
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
