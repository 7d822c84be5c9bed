//! The format of a response: JSON or HTML. The parameter `f` or the `Accept` header selects the
//! format.

use axum::http::HeaderMap;

use super::super::negotiate;
use super::super::problem::Problem;
use super::super::query_params::ParamValue;
use catchment_core::request::RequestParams;

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

    /// Returns the requested format: the value of `f` or, without `f`, the format that the client
    /// prefers. The default is JSON.
    ///
    /// # Errors
    /// If there is no `f`, and the client accepts neither format.
    pub(super) fn negotiate(
        requested: Option<ResponseFormat>,
        headers: &HeaderMap,
    ) -> Result<ResponseFormat, Problem> {
        if let Some(format) = requested {
            return Ok(format);
        }
        match negotiate::prefers_html(headers) {
            Some(true) => Ok(ResponseFormat::Html),
            Some(false) => Ok(ResponseFormat::Json),
            None => Err(Problem::not_acceptable()),
        }
    }
}

impl ParamValue for Option<ResponseFormat> {
    fn from_params(params: &RequestParams, names: &[&'static str]) -> Result<Self, Problem> {
        match params.get(names[0]) {
            None => Ok(None),
            Some("json") => Ok(Some(ResponseFormat::Json)),
            Some("html") => Ok(Some(ResponseFormat::Html)),
            Some(_) => Err(Problem::bad_request(
                "invalid_format",
                "f must be json or html",
            )),
        }
    }
}
