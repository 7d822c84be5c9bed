//! Where the service is, as its client sees it: for links that have to be absolute.

use axum::http::{HeaderMap, HeaderValue, header};

/// What an answer with such links depends on.
pub(super) const VARY: HeaderValue = HeaderValue::from_static("host, x-forwarded-proto");

/// `https://maps.example`, without a slash at its end; nothing where the request does not tell.
pub(super) fn origin(headers: &HeaderMap) -> String {
    let host = headers
        .get(header::HOST)
        .and_then(|value| value.to_str().ok())
        .filter(|host| is_host(host));
    host.map(|host| format!("{}://{host}", scheme(headers)))
        .unwrap_or_default()
}

/// TLS ends at the proxy in front of us, which says so.
fn scheme(headers: &HeaderMap) -> &'static str {
    match headers.get("x-forwarded-proto").map(HeaderValue::as_bytes) {
        Some(b"https") => "https",
        _ => "http",
    }
}

/// Letters, digits, dots, hyphens, and a port or an IPv6 address.
fn is_host(host: &str) -> bool {
    host.bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
}
