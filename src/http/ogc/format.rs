//! The format of a response, JSON or HTML, which the parameter `f` or the `Accept` header selects.

use axum::http::HeaderMap;

use super::super::negotiate;
use super::super::problem::Problem;
use crate::request::RequestParams;

/// The format of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResponseFormat {
    Json,
    Html,
}

impl ResponseFormat {
    /// Returns the value of `f` that selects this format.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            ResponseFormat::Json => "json",
            ResponseFormat::Html => "html",
        }
    }

    /// Returns the other format.
    pub(super) fn alternate(self) -> ResponseFormat {
        match self {
            ResponseFormat::Json => ResponseFormat::Html,
            ResponseFormat::Html => ResponseFormat::Json,
        }
    }

    /// Returns the requested format, or JSON if the client has no preference.
    ///
    /// # Errors
    /// If `f` is neither `json` nor `html`, or if the client accepts neither format.
    pub(super) fn negotiate(
        params: &RequestParams,
        headers: &HeaderMap,
    ) -> Result<ResponseFormat, Problem> {
        match params.get("f") {
            Some("json") => Ok(ResponseFormat::Json),
            Some("html") => Ok(ResponseFormat::Html),
            Some(_) => Err(Problem::bad_request("malformed", "f must be json or html")),
            None => match negotiate::prefers_html(headers) {
                Some(true) => Ok(ResponseFormat::Html),
                Some(false) => Ok(ResponseFormat::Json),
                None => Err(Problem::not_acceptable()),
            },
        }
    }
}
