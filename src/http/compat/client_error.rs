//! Errors in the format of postcodes.io: `{"status":404,"error":"Postcode not found"}`. Clients
//! compare the texts, which are those of postcodes.io.

use std::borrow::Cow;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::super::locate::{JSON, NO_STORE};
use super::super::problem::rewrite_problem;
use crate::wire::json_writer::JsonWriter;
use catchment_core::domain::PostcodeEntry;
use catchment_core::geodesy;

/// An error in the format of postcodes.io. It never repeats the request, except a postcode that is no
/// longer in use.
pub(in crate::http) struct ClientError {
    status: StatusCode,
    message: Cow<'static, str>,
    /// The postcode, if it is no longer in use.
    terminated: Option<PostcodeEntry>,
}

impl ClientError {
    /// Returns the error 404 with a message.
    pub(super) fn not_found(message: &'static str) -> ClientError {
        ClientError::new(StatusCode::NOT_FOUND, message.into())
    }

    /// Returns the error 400 with a message.
    pub(super) fn bad_request(message: impl Into<Cow<'static, str>>) -> ClientError {
        ClientError::new(StatusCode::BAD_REQUEST, message.into())
    }

    fn new(status: StatusCode, message: Cow<'static, str>) -> ClientError {
        ClientError {
            status,
            message,
            terminated: None,
        }
    }

    /// Returns the error for text that does not have the form of a postcode.
    pub(super) fn invalid_postcode() -> ClientError {
        ClientError::not_found("Invalid postcode")
    }

    /// Returns the error for a postcode that is not in use.
    pub(super) fn postcode_not_found() -> ClientError {
        ClientError::not_found("Postcode not found")
    }

    /// Returns the error for a postcode that is no longer in use.
    pub(super) fn postcode_terminated(entry: PostcodeEntry) -> ClientError {
        ClientError {
            terminated: Some(entry),
            ..ClientError::postcode_not_found()
        }
    }

    /// Returns the error for an outward code without postcodes in use.
    pub(super) fn outcode_not_found() -> ClientError {
        ClientError::not_found("Outcode not found")
    }

    /// Returns the error for text that is not a longitude and a latitude.
    pub(super) fn invalid_geolocation() -> ClientError {
        ClientError::bad_request("Invalid longitude/latitude submitted")
    }
}

impl IntoResponse for ClientError {
    fn into_response(self) -> Response {
        let mut json = JsonWriter::new();
        write_status_and_error(&mut json, self.status, &self.message);
        if let Some(entry) = &self.terminated {
            json.raw(",\"terminated\":");
            write_terminated(&mut json, entry);
        }
        json.raw("}");
        (self.status, NO_STORE, JSON, json.into_bytes()).into_response()
    }
}

/// Writes the beginning of an error, without the closing brace.
fn write_status_and_error(json: &mut JsonWriter, status: StatusCode, message: &str) {
    json.raw("{\"status\":");
    json.number(f64::from(status.as_u16()), 0);
    json.raw(",\"error\":");
    json.string(message);
}

/// Writes a postcode that is no longer in use. The year and the month are `null` if the month of
/// termination is not known.
pub(super) fn write_terminated(json: &mut JsonWriter, entry: &PostcodeEntry) {
    let month = entry.terminated().map(|month| month.first_day());
    let lonlat = entry.position.and_then(geodesy::to_lonlat);
    json.raw("{\"postcode\":");
    json.display(entry.postcode);
    json.raw(",\"year_terminated\":");
    json.or_null(month, |json, day| json.number(f64::from(day.year()), 0));
    json.raw(",\"month_terminated\":");
    json.or_null(month, |json, day| json.number(f64::from(day.month()), 0));
    json.raw(",\"longitude\":");
    json.or_null(lonlat, |json, position| json.number(position.lon(), 6));
    json.raw(",\"latitude\":");
    json.or_null(lonlat, |json, position| json.number(position.lat(), 6));
    json.raw("}");
}

/// Rewrites a problem in the format of postcodes.io. The status and headers such as `Retry-After`
/// are preserved.
///
/// This middleware is outside the admission middleware, so that its rejections are rewritten, too.
pub(in crate::http) async fn problem_to_client_error(response: Response) -> Response {
    rewrite_problem(response, |status, detail| {
        let mut json = JsonWriter::new();
        write_status_and_error(&mut json, status, detail);
        json.raw("}");
        json.into_bytes()
    })
}
