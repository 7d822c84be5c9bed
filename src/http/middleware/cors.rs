//! CORS: the origins that may read responses and send API keys, and the responses to preflight
//! requests.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

use super::super::admission::AdmissionControl;

const CORS_ALLOW_METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST");
const CORS_ALLOW_HEADERS: HeaderValue =
    HeaderValue::from_static("content-type, content-encoding, if-none-match, if-range, range");
const CORS_ALLOW_HEADERS_WITH_AUTH: HeaderValue = HeaderValue::from_static(
    "authorization, content-type, content-encoding, if-none-match, if-range, range",
);
const CORS_EXPOSE_HEADERS: HeaderValue = HeaderValue::from_static(
    "etag, link, content-disposition, content-range, accept-ranges, content-crs, retry-after, \
     ratelimit, ratelimit-policy, x-request-id",
);
const VARY_ORIGIN: HeaderValue = HeaderValue::from_static("origin");
/// The time for which browsers may cache a preflight response: one day, in seconds. Some browsers
/// cache preflight responses for less time.
const CORS_MAX_AGE: HeaderValue = HeaderValue::from_static("86400");

/// The CORS policy of a response: the origins that may read it, and whether these origins may send
/// an API key.
pub(super) enum CorsPolicy {
    /// Any origin may read the response, without credentials.
    AnyOrigin,
    /// Any origin may read the response, and the origin of the request may send an API key.
    AnyOriginWithAuth,
    /// Only this origin may read the response, because the route requires an API key.
    OneOrigin(HeaderValue),
    /// No other origin may read the response.
    NoOrigin,
}

impl CorsPolicy {
    /// Returns the CORS policy for a request to a route.
    pub(super) fn for_request(
        admission_control: &AdmissionControl,
        headers: &HeaderMap,
        route: Option<&str>,
    ) -> CorsPolicy {
        let origin = admission_control.allowed_origin(headers).cloned();
        match (origin, admission_control.required_scope(route)) {
            (None, None) => CorsPolicy::AnyOrigin,
            (Some(_), None) => CorsPolicy::AnyOriginWithAuth,
            (Some(origin), Some(_)) => CorsPolicy::OneOrigin(origin),
            (None, Some(_)) => CorsPolicy::NoOrigin,
        }
    }
}

/// Adds the CORS headers.
pub(super) fn apply_cors(response: &mut Response, policy: Option<&CorsPolicy>) {
    let headers = response.headers_mut();
    let allow_origin = match policy {
        None => return,
        Some(CorsPolicy::AnyOrigin | CorsPolicy::AnyOriginWithAuth) => {
            HeaderValue::from_static("*")
        }
        Some(CorsPolicy::OneOrigin(origin)) => {
            headers.append(header::VARY, VARY_ORIGIN);
            origin.clone()
        }
        Some(CorsPolicy::NoOrigin) => {
            headers.append(header::VARY, VARY_ORIGIN);
            return;
        }
    };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allow_origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, CORS_EXPOSE_HEADERS);
}

/// Returns the response to a CORS preflight request.
pub(super) fn preflight(policy: &CorsPolicy) -> Response {
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    let allow_headers = match policy {
        CorsPolicy::AnyOriginWithAuth | CorsPolicy::OneOrigin(_) => CORS_ALLOW_HEADERS_WITH_AUTH,
        CorsPolicy::AnyOrigin | CorsPolicy::NoOrigin => CORS_ALLOW_HEADERS,
    };
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, CORS_ALLOW_METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allow_headers);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, CORS_MAX_AGE);
    apply_cors(&mut response, Some(policy));
    response
}
