//! The format of a response, JSON or HTML: from the parameter `f`, or else from `Accept`.

use axum::http::HeaderMap;

use super::super::negotiate;
use super::super::problem::Problem;
use crate::question::Fields;

/// The format of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Html,
}

impl Format {
    /// Returns the value of `f`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Html => "html",
        }
    }

    /// Returns the other format.
    pub(super) fn other(self) -> Format {
        match self {
            Format::Json => Format::Html,
            Format::Html => Format::Json,
        }
    }

    /// Returns the requested format; JSON if the client has no preference.
    ///
    /// # Errors
    /// When `f` has another value, or the client accepts neither format.
    pub(super) fn wanted(fields: &Fields, headers: &HeaderMap) -> Result<Format, Problem> {
        match fields.get("f") {
            Some("json") => Ok(Format::Json),
            Some("html") => Ok(Format::Html),
            Some(_) => Err(Problem::bad_request("malformed", "f must be json or html")),
            None => match negotiate::prefers_html(headers) {
                Some(true) => Ok(Format::Html),
                Some(false) => Ok(Format::Json),
                None => Err(Problem::not_acceptable()),
            },
        }
    }
}
