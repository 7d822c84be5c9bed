//! Range requests (RFC 9110, section 14): one byte range at a time. A request for several gets the
//! whole body.

use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use super::conditional::is_known;
use super::paced::SharedBody;
use super::problem::Problem;

const BYTES: HeaderValue = HeaderValue::from_static("bytes");

/// The part of a body that is requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    /// From one byte to another, both included and within the body.
    Bytes(usize, usize),
    /// No byte of the range is within the body.
    Outside,
}

/// Returns the body with a strong tag, or the range of it that is requested: 200, 206 or 304.
///
/// # Errors
/// 416 if no byte of the range is within the body.
pub(super) fn response(
    method: &Method,
    headers: &HeaderMap,
    tag: &str,
    common: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
    body: &Bytes,
) -> Result<Response, Problem> {
    let is_known = is_known(headers, tag);
    let part = match is_wanted_in_parts(method, headers, tag) {
        true if !is_known => part(headers, body.len()),
        _ => Part::Whole,
    };
    let mut response = match part {
        _ if is_known => StatusCode::NOT_MODIFIED.into_response(),
        Part::Whole => body.clone().into_response(),
        Part::Outside => return Err(Problem::range_not_satisfiable(body.len() as u64)),
        Part::Bytes(first, last) => {
            let range = format!("bytes {first}-{last}/{}", body.len());
            let range = HeaderValue::try_from(range).expect("ASCII");
            let range = [(header::CONTENT_RANGE, range)];
            (StatusCode::PARTIAL_CONTENT, range, body.slice(first..=last)).into_response()
        }
    };
    response.extensions_mut().insert(SharedBody);
    let given = response.headers_mut();
    // axum sets a type for bytes; `common` has the right one.
    given.remove(header::CONTENT_TYPE);
    given.insert(header::ACCEPT_RANGES, BYTES);
    given.insert(
        header::ETAG,
        HeaderValue::from_str(tag).expect("ASCII in quotes"),
    );
    given.extend(common);
    Ok(response)
}

/// Returns whether a range may be sent: only for GET, and only of the version that the client has
/// other parts of (`If-Range`, section 13.1.5). Responses have no date, so a date in `If-Range`
/// never matches.
fn is_wanted_in_parts(method: &Method, headers: &HeaderMap, tag: &str) -> bool {
    let is_same = |value: &HeaderValue| value.as_bytes() == tag.as_bytes();
    method == Method::GET && headers.get(header::IF_RANGE).is_none_or(is_same)
}

fn part(headers: &HeaderMap, length: usize) -> Part {
    let mut values = headers.get_all(header::RANGE).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return Part::Whole;
    };
    value
        .to_str()
        .map_or(Part::Whole, |text| parsed(text, length))
}

/// Parses a range. If it is malformed, in another unit or one of several, it may be ignored
/// (section 14.2).
fn parsed(text: &str, length: usize) -> Part {
    let Some((unit, range)) = text.split_once('=') else {
        return Part::Whole;
    };
    let Some((first, last)) = range.trim().split_once('-') else {
        return Part::Whole;
    };
    // A number with too many digits is beyond the end.
    let number = |digits: &str| digits.parse().unwrap_or(usize::MAX);
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !unit.trim().eq_ignore_ascii_case("bytes") || !is_number(first) || !is_number(last) {
        return Part::Whole;
    }
    let (first, last) = match (first, last) {
        ("", "") => return Part::Whole,
        ("", count) if number(count) == 0 => return Part::Outside,
        ("", count) => (length.saturating_sub(number(count)), usize::MAX),
        (first, "") => (number(first), usize::MAX),
        (first, last) if number(last) < number(first) => return Part::Whole,
        (first, last) => (number(first), number(last)),
    };
    match first < length {
        true => Part::Bytes(first, last.min(length - 1)),
        false => Part::Outside,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_the_standard_says() {
        let check = |text: &str, expected: Part| {
            assert_eq!(parsed(text, 10_000), expected, "{text}");
        };
        // The examples of the RFC (section 14.1.2).
        check("bytes=0-499", Part::Bytes(0, 499));
        check("bytes=500-999", Part::Bytes(500, 999));
        check("bytes=-500", Part::Bytes(9_500, 9_999));
        check("bytes=9500-", Part::Bytes(9_500, 9_999));
        check("bytes=0-0", Part::Bytes(0, 0));
        check("bytes=-20000", Part::Bytes(0, 9_999));
        check("bytes=9999-20000", Part::Bytes(9_999, 9_999));
        check("Bytes=0-99999999999999999999999", Part::Bytes(0, 9_999));
        for text in [
            "bytes=10000-",
            "bytes=10000-10001",
            "bytes=-0",
            "bytes=99999999999999999999999-",
        ] {
            check(text, Part::Outside);
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
            check(text, Part::Whole);
        }
        assert_eq!(parsed("bytes=0-", 0), Part::Outside);
    }
}
