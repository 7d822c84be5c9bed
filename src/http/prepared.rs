//! Answers whose bytes are made once and handed out in the encoding that the client takes best.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::conditional::{CACHE_CONTROL, CACHE_FOR_GOOD, is_known};
use super::negotiate;
use super::problem::Problem;
use crate::tiles::{Encoding, Made};

/// The bytes, or that the client has them already. A cache asks again after five minutes.
///
/// # Errors
/// Where the client takes no encoding that there is.
pub(super) fn prepared(
    headers: &HeaderMap,
    content_type: &'static str,
    made: &Made,
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
    made: &Made,
) -> Result<Response, Problem> {
    kept(headers, content_type, made, CACHE_FOR_GOOD)
}

fn kept(
    headers: &HeaderMap,
    content_type: &'static str,
    made: &Made,
    cache_control: HeaderValue,
) -> Result<Response, Problem> {
    let encoding = negotiate::encoding(headers).ok_or_else(Problem::no_encoding)?;
    // Other bytes, another tag (RFC 9110, 8.8.3.3).
    let tag = match encoding {
        Encoding::Identity => format!("\"{}\"", made.tag()),
        encoding => format!("\"{}-{}\"", made.tag(), encoding.as_str()),
    };
    let is_known = is_known(headers, &tag);
    let common = [
        (
            header::ETAG,
            HeaderValue::from_str(&tag).expect("hexadecimal and a word in quotes"),
        ),
        (header::CACHE_CONTROL, cache_control),
        (header::VARY, HeaderValue::from_static("accept-encoding")),
    ];
    if is_known {
        return Ok((StatusCode::NOT_MODIFIED, common).into_response());
    }
    let content_type = [(header::CONTENT_TYPE, HeaderValue::from_static(content_type))];
    let mut response = (common, content_type, made.form(encoding)).into_response();
    if encoding != Encoding::Identity {
        let word = HeaderValue::from_static(encoding.as_str());
        response
            .headers_mut()
            .insert(header::CONTENT_ENCODING, word);
    }
    Ok(response)
}
