//! Error responses that are made outside the router. This module makes the responses to requests
//! that hyper cannot parse, to requests without a valid `Host` header, and to connections beyond
//! the limit.
//!
//! If hyper cannot parse a request, it sends a response that consists only of a status code, and
//! provides no hook to change the response. The other responses in this module have the same
//! headers and the same body format as other error responses.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;

use super::super::problem::Problem;
use super::super::request_id::{RequestId, X_REQUEST_ID};
use super::super::security_headers::SECURITY_HEADERS;

static INVALID_REQUESTS: AtomicU64 = AtomicU64::new(0);
static REJECTED_CONNECTIONS: AtomicU64 = AtomicU64::new(0);

/// Returns the number of requests and connections that this process has rejected outside the router,
/// by reason.
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
        "too many connections are open; wait for the time in Retry-After before you try again",
        1,
    );
    serialize_response(problem)
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

/// If a connection ended because hyper could not parse a request, counts and logs the request. The
/// response that hyper sends has no request id.
pub(super) fn record_parse_error(error: &hyper::Error) {
    if !error.is_parse() {
        return;
    }
    INVALID_REQUESTS.fetch_add(1, Ordering::Relaxed);
    let status = if error.is_parse_too_large() {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
    } else {
        StatusCode::BAD_REQUEST
    };
    // hyper sends no response to an HTTP/2 client.
    if !error.is_parse_version_h2() {
        log_response(None, status);
    }
}

/// Returns the response with the headers that every response has, and logs the response.
fn logged_response(problem: Problem) -> Response {
    let (id, status) = (RequestId::new(), problem.status());
    let mut response = problem.into_response();
    let headers = response.headers_mut();
    for (name, value) in SECURITY_HEADERS {
        headers.insert(name, value);
    }
    log_response(Some(&id), status);
    headers.insert(X_REQUEST_ID, id.into_header_value());
    response
}

/// Serializes a whole response, which is the last response on its connection.
fn serialize_response(problem: Problem) -> Bytes {
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
    write_header("content-length", body.len().to_string().as_bytes());
    write_header("connection", b"close");
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&body);
    bytes.into()
}

fn log_response(id: Option<&RequestId>, status: StatusCode) {
    tracing::info!(
        request_id = id.map(RequestId::as_str),
        method = "unknown",
        route = "none",
        status = status.as_u16(),
        duration_us = 0,
        "responded"
    );
}
