//! Range requests (RFC 9110, section 14) for one byte range. The response to a request for several
//! ranges is the whole body.
//!
//! This module and [`super::conditional`] do not use the crate `headers`. The type `Range` in that
//! crate ignores an uppercase unit and a suffix that is longer than the body, and does not
//! distinguish malformed ranges from unsatisfiable ranges. The types `IfNoneMatch` and `IfRange`
//! would save only a few lines, but would add nine crates.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use super::conditional::if_none_match;
use super::paced_body::SharedBody;
use super::problem::Problem;

const ACCEPT_BYTES: HeaderValue = HeaderValue::from_static("bytes");

/// The part of a body that a client requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ByteRange {
    Whole,
    /// The range from the first to the second byte position, inclusive and within the body.
    Inclusive(usize, usize),
    /// No byte of the range is within the body.
    Unsatisfiable,
}

/// Returns 200 with the whole body, 206 with the requested range of the body, or 304, each with a
/// strong entity tag.
///
/// # Errors
/// If no byte of the range is within the body (416).
pub(super) fn range_response(
    method: &Method,
    headers: &HeaderMap,
    tag: &str,
    common: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
    body: &Bytes,
) -> Result<Response, Problem> {
    let is_not_modified = if_none_match(headers, tag);
    let range = if may_use_range(method, headers, tag) && !is_not_modified {
        requested_range(headers, body.len())
    } else {
        ByteRange::Whole
    };
    let mut response = match range {
        _ if is_not_modified => StatusCode::NOT_MODIFIED.into_response(),
        ByteRange::Whole => body.clone().into_response(),
        ByteRange::Unsatisfiable => return Err(Problem::range_not_satisfiable(body.len() as u64)),
        ByteRange::Inclusive(first, last) => {
            let content_range = format!("bytes {first}-{last}/{}", body.len());
            let content_range = HeaderValue::try_from(content_range).expect("ASCII");
            let content_range = [(header::CONTENT_RANGE, content_range)];
            (
                StatusCode::PARTIAL_CONTENT,
                content_range,
                body.slice(first..=last),
            )
                .into_response()
        }
    };
    response.extensions_mut().insert(SharedBody);
    let response_headers = response.headers_mut();
    // axum sets a content type for bytes. `common` contains the correct content type.
    response_headers.remove(header::CONTENT_TYPE);
    response_headers.insert(header::ACCEPT_RANGES, ACCEPT_BYTES);
    response_headers.insert(
        header::ETAG,
        HeaderValue::from_str(tag).expect("ASCII in quotes"),
    );
    response_headers.extend(common);
    Ok(response)
}

/// Returns whether a range may be sent. The method must be GET, and the parts that the client
/// already has must be from the current version of the body (`If-Range`, section 13.1.5). Responses
/// have no `Last-Modified` date, so a date in `If-Range` never matches.
fn may_use_range(method: &Method, headers: &HeaderMap, tag: &str) -> bool {
    let is_same = |value: &HeaderValue| value.as_bytes() == tag.as_bytes();
    method == Method::GET && headers.get(header::IF_RANGE).is_none_or(is_same)
}

fn requested_range(headers: &HeaderMap, length: usize) -> ByteRange {
    let mut values = headers.get_all(header::RANGE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return ByteRange::Whole;
    };
    value
        .to_str()
        .map_or(ByteRange::Whole, |text| parse_range(text, length))
}

/// Parses the value of `Range`. A value is ignored if it is malformed, has another unit or contains
/// several ranges, as section 14.2 allows.
fn parse_range(text: &str, length: usize) -> ByteRange {
    let Some((unit, range)) = text.split_once('=') else {
        return ByteRange::Whole;
    };
    let Some((first, last)) = range.trim().split_once('-') else {
        return ByteRange::Whole;
    };
    // A number with too many digits is beyond the end of the body.
    let parse_number = |digits: &str| digits.parse().unwrap_or(usize::MAX);
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !unit.trim().eq_ignore_ascii_case("bytes") || !is_digits(first) || !is_digits(last) {
        return ByteRange::Whole;
    }
    let (first, last) = match (first, last) {
        ("", "") => return ByteRange::Whole,
        ("", count) if parse_number(count) == 0 => return ByteRange::Unsatisfiable,
        ("", count) => (length.saturating_sub(parse_number(count)), usize::MAX),
        (first, "") => (parse_number(first), usize::MAX),
        (first, last) if parse_number(last) < parse_number(first) => return ByteRange::Whole,
        (first, last) => (parse_number(first), parse_number(last)),
    };
    if first < length {
        ByteRange::Inclusive(first, last.min(length - 1))
    } else {
        ByteRange::Unsatisfiable
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_follow_rfc_9110() {
        let check = |text: &str, expected: ByteRange| {
            assert_eq!(parse_range(text, 10_000), expected, "{text}");
        };
        // The examples of the RFC (section 14.1.2).
        check("bytes=0-499", ByteRange::Inclusive(0, 499));
        check("bytes=500-999", ByteRange::Inclusive(500, 999));
        check("bytes=-500", ByteRange::Inclusive(9_500, 9_999));
        check("bytes=9500-", ByteRange::Inclusive(9_500, 9_999));
        check("bytes=0-0", ByteRange::Inclusive(0, 0));
        check("bytes=-20000", ByteRange::Inclusive(0, 9_999));
        check("bytes=9999-20000", ByteRange::Inclusive(9_999, 9_999));
        check(
            "Bytes=0-99999999999999999999999",
            ByteRange::Inclusive(0, 9_999),
        );
        for text in [
            "bytes=10000-",
            "bytes=10000-10001",
            "bytes=-0",
            "bytes=99999999999999999999999-",
        ] {
            check(text, ByteRange::Unsatisfiable);
        }
        for text in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5",
            "bytes=5-4",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=1-2-3",
            "bytes=0-0,-1",
            "items=0-5",
        ] {
            check(text, ByteRange::Whole);
        }
        assert_eq!(parse_range("bytes=0-", 0), ByteRange::Unsatisfiable);
    }
}
