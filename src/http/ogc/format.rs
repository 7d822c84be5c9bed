//! JSON or HTML: by `f`, or else by what the client accepts.

use axum::http::HeaderMap;

use super::super::negotiate;
use super::super::problem::Problem;
use crate::question::Fields;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Html,
}

impl Format {
    /// The word for `f`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Format::Json => "json",
            Format::Html => "html",
        }
    }

    /// The other one.
    pub(super) fn other(self) -> Format {
        match self {
            Format::Json => Format::Html,
            Format::Html => Format::Json,
        }
    }

    /// What is wanted; JSON where the client does not mind.
    ///
    /// # Errors
    /// When `f` is another word, or the client accepts neither.
    pub(super) fn wanted(fields: &Fields, headers: &HeaderMap) -> Result<Format, Problem> {
        match fields.get("f") {
            Some("json") => Ok(Format::Json),
            Some("html") => Ok(Format::Html),
            Some(_) => Err(Problem::bad_request("malformed", "f is json or html")),
            None => match negotiate::prefers_html(headers) {
                Some(true) => Ok(Format::Html),
                Some(false) => Ok(Format::Json),
                None => Err(Problem::not_acceptable()),
            },
        }
    }
}
