//! The access log.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::MatchedPath;
use axum::http::Method;
use axum::response::Response;

use super::super::admission::AdmissionControl;
use super::super::problem::InternalError;
use super::super::request_id::{RequestId, X_REQUEST_ID};
use super::super::security_headers::SECURITY_HEADERS;

/// The access log entry of a request. The entry contains the template of the route and never the
/// URL, which may contain a patient's postcode.
pub(super) struct AccessLogEntry {
    pub(super) started: Instant,
    pub(super) id: RequestId,
    pub(super) method: &'static str,
    pub(super) route: Option<MatchedPath>,
    pub(super) admission_control: Arc<AdmissionControl>,
}

impl AccessLogEntry {
    /// Adds the headers that every response has, and logs the response.
    pub(super) fn finish(self, mut response: Response) -> Response {
        let headers = response.headers_mut();
        for (name, value) in SECURITY_HEADERS {
            headers.entry(name).or_insert(value);
        }
        let duration = self.started.elapsed();
        let (route, status) = (
            self.route.as_ref().map(MatchedPath::as_str),
            response.status(),
        );
        self.admission_control
            .metrics
            .record(route, status, duration);
        let (request_id, route) = (self.id.as_str(), route.unwrap_or("none"));
        if let Some(InternalError(error)) = response.extensions_mut().remove() {
            tracing::error!(request_id, route, error = &*error, "internal error");
        }
        tracing::info!(
            request_id,
            method = self.method,
            route,
            status = status.as_u16(),
            duration_us = micros(duration),
            "responded"
        );
        let headers = response.headers_mut();
        headers.insert(X_REQUEST_ID, self.id.into_header_value());
        response
    }
}

/// Returns the duration in microseconds as 64 bits, because JSON logs write larger integers as
/// strings.
pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// Returns the label of a method. Methods that the service does not handle share one label, because
/// clients may send any token as a method.
pub(super) fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
