//! Error responses that no route makes: to requests that hyper cannot parse, to requests without a
//! valid `Host`, and to connections beyond the limit. They look like all other responses.
//!
//! hyper answers a head that it cannot parse by itself, with only a status, and has no hook to
//! change that. Its response is therefore recognised as it is written, and replaced.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use super::super::problem::Problem;
use super::super::protect::HEADERS;
use super::super::request_id::{RequestId, X_REQUEST_ID};

static UNREADABLE: AtomicU64 = AtomicU64::new(0);
static NO_PLACE: AtomicU64 = AtomicU64::new(0);

/// Returns the number of these responses in this process, by reason.
pub(in crate::http) fn counts() -> [(&'static str, u64); 2] {
    [
        ("invalid_http", &UNREADABLE),
        ("connection_limit", &NO_PLACE),
    ]
    .map(|(reason, count)| (reason, count.load(Ordering::Relaxed)))
}

/// Returns the response to a connection beyond the limit.
pub(super) fn no_place() -> Bytes {
    NO_PLACE.fetch_add(1, Ordering::Relaxed);
    let problem = Problem::busy(
        "too many connections are open; Retry-After says when to try again",
        1,
    );
    written(problem, "")
}

/// Returns the response to a request that is rejected before routing. It is the last on its
/// connection.
pub(super) fn refusal(problem: Problem) -> Response {
    UNREADABLE.fetch_add(1, Ordering::Relaxed);
    let mut response = logged(problem);
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}

/// Adds the headers of every response, and logs it like any other.
fn logged(problem: Problem) -> Response {
    let (id, status) = (RequestId::new(), problem.status());
    let mut response = problem.into_response();
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(X_REQUEST_ID, id.header());
    log(&id, status);
    response
}

/// Returns what to send in place of `bytes`, if they are a response of hyper's own.
pub(super) fn instead_of(bytes: &[u8]) -> Option<Bytes> {
    let head = bytes.strip_prefix(b"HTTP/1.1 4")?;
    let head = std::str::from_utf8(head.strip_suffix(b"\r\n\r\n")?).ok()?;
    let mut lines = head.split("\r\n");
    let status = format!("4{}", lines.next()?.get(..2)?);
    // Every response of the service has other headers as well.
    let mut date = "";
    for line in lines {
        match line.split_once(": ")? {
            ("connection", "close") | ("content-length", "0") => {}
            ("date", value) => date = value,
            _ => return None,
        }
    }
    UNREADABLE.fetch_add(1, Ordering::Relaxed);
    let problem = Problem::unreadable(status.parse().ok()?);
    Some(written(problem, date))
}

/// Serializes a whole response, the last on its connection.
fn written(problem: Problem, date: &str) -> Bytes {
    let status = problem.status();
    let body = problem.json();
    let response = logged(problem);
    let reason = status.canonical_reason().unwrap_or("Error");
    let mut bytes = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
    let mut line = |name: &str, value: &[u8]| {
        bytes.extend([name.as_bytes(), b": ", value, b"\r\n"].concat());
    };
    for (name, value) in response.headers() {
        line(name.as_str(), value.as_bytes());
    }
    if !date.is_empty() {
        line("date", date.as_bytes());
    }
    line("content-length", body.len().to_string().as_bytes());
    line("connection", b"close");
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&body);
    bytes.into()
}

fn log(id: &RequestId, status: StatusCode) {
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
    fn only_what_has_no_headers_of_ours_is_hypers() {
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
            let ours = instead_of(bytes.as_bytes());
            let ours = ours.map(|ours| String::from_utf8(ours.to_vec()).expect("text"));
            assert_eq!(ours.as_deref().map(|it| &it[9..12]), status, "{bytes}");
            if let Some(ours) = ours {
                let (head, body) = ours.split_once("\r\n\r\n").expect("a head");
                let length = format!("content-length: {}\r\n", body.len());
                assert!(format!("{head}\r\n").contains(&length), "{ours}");
                assert!(head.contains("x-request-id: "), "{ours}");
                assert_eq!(head.contains("date: "), bytes.contains("date: "), "{ours}");
            }
        }
    }
}
