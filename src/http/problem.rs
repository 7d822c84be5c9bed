//! Problem responses (RFC 9457).

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

pub(super) use crate::wire::problem::{InternalError, Problem, ProblemSummary};

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let content_type = HeaderValue::from_static("application/problem+json");
        let no_store = HeaderValue::from_static("no-store");
        let headers = [
            (header::CONTENT_TYPE, content_type),
            (header::CACHE_CONTROL, no_store),
        ];
        let mut response = (self.status(), headers, Json(self.body())).into_response();
        response.headers_mut().extend(self.header());
        response.extensions_mut().insert(ProblemSummary {
            code: self.code(),
            detail: self.detail().to_string(),
        });
        if let Some(internal_error) = self.internal_error() {
            response.extensions_mut().insert(internal_error.clone());
        }
        response
    }
}

/// Replaces the body of a problem with JSON in the format of another API. Other responses are
/// returned unchanged. The status and headers such as `Retry-After` are preserved.
pub(super) fn rewrite_problem(
    response: Response,
    body: impl FnOnce(StatusCode, &str) -> Vec<u8>,
) -> Response {
    let Some(summary) = response.extensions().get::<ProblemSummary>() else {
        return response;
    };
    let body = body(response.status(), &summary.detail);
    let (mut parts, _) = response.into_parts();
    let content_type = HeaderValue::from_static("application/json");
    parts.headers.insert(header::CONTENT_TYPE, content_type);
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(body))
}
