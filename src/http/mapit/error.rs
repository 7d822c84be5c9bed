//! Errors in the format of MapIt: `{"error":"Postcode not found","code":404}`.

use std::borrow::Cow;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::super::locate::{JSON, NO_STORE};
use super::super::problem::rewrite_problem;
use crate::wire::json_writer::JsonWriter;

/// An error in the format of MapIt. It never repeats the request.
pub(in crate::http) struct MapItError {
    status: StatusCode,
    message: Cow<'static, str>,
}

impl MapItError {
    /// Returns the error 400 with a message.
    pub(super) fn bad_request(message: impl Into<Cow<'static, str>>) -> MapItError {
        MapItError {
            status: StatusCode::BAD_REQUEST,
            message: message.into(),
        }
    }

    /// Returns the error 404 with a message.
    pub(super) fn not_found(message: &'static str) -> MapItError {
        MapItError {
            status: StatusCode::NOT_FOUND,
            message: message.into(),
        }
    }

    /// Returns the error for an id that no area has.
    pub(super) fn unknown_area() -> MapItError {
        MapItError::not_found("No Area matches the given query.")
    }

    /// Returns the error for an area without a boundary.
    pub(super) fn no_boundary() -> MapItError {
        MapItError::not_found("No polygons found")
    }
}

impl IntoResponse for MapItError {
    fn into_response(self) -> Response {
        let body = error_body(self.status, &self.message);
        (self.status, NO_STORE, JSON, body).into_response()
    }
}

fn error_body(status: StatusCode, message: &str) -> Vec<u8> {
    let mut json = JsonWriter::new();
    json.raw("{\"error\":");
    json.string(message);
    json.raw(",\"code\":");
    json.number(f64::from(status.as_u16()), 0);
    json.raw("}");
    json.into_bytes()
}

/// Rewrites a problem in the format of MapIt. The status and headers such as `Retry-After` are
/// preserved.
///
/// This middleware is outside the admission middleware, so that its rejections are rewritten, too.
pub(in crate::http) async fn problem_to_mapit_error(response: Response) -> Response {
    rewrite_problem(response, error_body)
}
