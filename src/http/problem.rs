//! Problem responses (RFC 9457).

use axum::Json;
use axum::http::{HeaderValue, header};
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
