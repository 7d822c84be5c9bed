//! Error responses that are made outside the router: to requests that hyper cannot parse, to
//! requests without a valid `Host`, and to connections beyond the limit. These responses have the
//! same headers and the same form of body as other error responses.
//!
//! If hyper cannot parse the request line and headers, it responds itself, with only a status code,
//! and has no hook to change the response. The response of hyper is therefore recognised when it is
//! written, and replaced.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use super::super::limits::URI_BYTES_MAX;
use super::super::problem::Problem;
use super::super::request_id::{RequestId, X_REQUEST_ID};
use super::super::security_headers::SECURITY_HEADERS;

static INVALID_REQUESTS: AtomicU64 = AtomicU64::new(0);
static REJECTED_CONNECTIONS: AtomicU64 = AtomicU64::new(0);

/// Returns the number of error responses that this process has sent outside the router, by reason.
pub(in crate::http) fn counts() -> [(&'static str, u64); 2] {
    [
        ("invalid_http", &INVALID_REQUESTS),
        ("connection_limit", &REJECTED_CONNECTIONS),
    ]
    .map(|(reason, count)| (reason, count.load(Ordering::Relaxed)))
}

/// Returns the response to a connection beyond the limit.
pub(super) fn connection_limit_response() -> Bytes {
    REJECTED_CONNECTIONS.fetch_add(1, Ordering::Relaxed);
    let problem = Problem::busy(
        "too many connections are open; Retry-After says when to try again",
        1,
    );
    serialize_response(problem, "")
}

/// Returns the response to a request that is rejected before routing. The response is the last
/// response on its connection.
pub(super) fn rejection_response(problem: Problem) -> Response {
    INVALID_REQUESTS.fetch_add(1, Ordering::Relaxed);
    let mut response = logged_response(problem);
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}

/// Returns the response with the headers that every response has, and logs the response.
fn logged_response(problem: Problem) -> Response {
    let (id, status) = (RequestId::new(), problem.status());
    let mut response = problem.into_response();
    let headers = response.headers_mut();
    for (name, value) in SECURITY_HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(X_REQUEST_ID, id.header_value());
    log_response(&id, status);
    response
}

/// Returns the response to send in place of `bytes`, if these bytes are an error response that
/// hyper made.
pub(super) fn replace_hyper_error(bytes: &[u8]) -> Option<Bytes> {
    let head = bytes.strip_prefix(b"HTTP/1.1 4")?;
    let head = std::str::from_utf8(head.strip_suffix(b"\r\n\r\n")?).ok()?;
    let mut lines = head.split("\r\n");
    let status = format!("4{}", lines.next()?.get(..2)?);
    // Responses of the service always have other headers as well.
    let mut date = "";
    for line in lines {
        match line.split_once(": ")? {
            ("connection", "close") | ("content-length", "0") => {}
            ("date", value) => date = value,
            _ => return None,
        }
    }
    INVALID_REQUESTS.fetch_add(1, Ordering::Relaxed);
    let problem = Problem::invalid_http(status.parse().ok()?, URI_BYTES_MAX);
    Some(serialize_response(problem, date))
}

/// Serializes a whole response, which is the last response on its connection.
fn serialize_response(problem: Problem, date: &str) -> Bytes {
    let status = problem.status();
    let body = problem.json();
    let response = logged_response(problem);
    let reason = status.canonical_reason().unwrap_or("Error");
    let mut bytes = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    let mut write_header = |name: &str, value: &[u8]| {
        bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    };
    for (name, value) in response.headers() {
        write_header(name.as_str(), value.as_bytes());
    }
    if !date.is_empty() {
        write_header("date", date.as_bytes());
    }
    write_header("content-length", body.len().to_string().as_bytes());
    write_header("connection", b"close");
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&body);
    bytes.into()
}

fn log_response(id: &RequestId, status: StatusCode) {
    tracing::info!(
        request_id = id.as_str(),
        method = "unknown",
        route = "none",
        status = status.as_u16(),
        duration_us = 0,
        "responded"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_hyper_errors_are_replaced() {
        for (bytes, status) in [
            (
                "HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\ndate: Sun, 22 Nov 2026 08:00:00 GMT\r\n\r\n",
                Some("400"),
            ),
            (
                "HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\n\r\n",
                Some("431"),
            ),
            (
                "HTTP/1.1 414 URI Too Long\r\ncontent-length: 0\r\n\r\n",
                Some("414"),
            ),
            ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", None),
            (
                "HTTP/1.1 404 Not Found\r\nx-content-type-options: nosniff\r\ncontent-length: 0\r\n\r\n",
                None,
            ),
            (
                "HTTP/1.1 400 Bad Request\r\ncontent-length: 4\r\n\r\nLA1 ",
                None,
            ),
            ("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n", None),
            ("HTTP/1.1 4", None),
            ("", None),
        ] {
            let replacement = replace_hyper_error(bytes.as_bytes());
            let replacement =
                replacement.map(|ours| String::from_utf8(ours.to_vec()).expect("text"));
            assert_eq!(
                replacement.as_deref().map(|text| &text[9..12]),
                status,
                "{bytes}"
            );
            if let Some(replacement) = replacement {
                let (head, body) = replacement.split_once("\r\n\r\n").expect("a head");
                let length = format!("content-length: {}\r\n", body.len());
                assert!(format!("{head}\r\n").contains(&length), "{replacement}");
                assert!(head.contains("x-request-id: "), "{replacement}");
                assert_eq!(
                    head.contains("date: "),
                    bytes.contains("date: "),
                    "{replacement}"
                );
            }
        }
    }
}
