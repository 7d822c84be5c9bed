//! Errors as RFC 9457 problem details. Problems never repeat the input.

use std::borrow::Cow;
use std::fmt;

use ::http::{HeaderName, HeaderValue, StatusCode, header};
use jiff::civil::Date;
use serde::Serialize;

use crate::ops::keys::{InvalidKey, Scope};
use catchment_core::domain::{InvalidPostcode, Postcode};
use catchment_core::index::{Index, Locator, SectorHint};
use catchment_core::request::InvalidRequest;

/// An RFC 9457 problem response.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: Box<str>,
    hint: Option<&'static str>,
    area_hint: Option<Box<AreaHint>>,
    suggestion: Option<Postcode>,
    header: Option<ProblemHeader>,
    internal_error: Option<InternalError>,
}

/// A hint at the area of a postcode that the directory does not contain. The hint is the area of
/// most live postcodes in the same sector. The hint is not an answer.
#[derive(Clone, Serialize)]
pub(crate) struct AreaHint {
    layer: &'static str,
    id: String,
    pub(crate) name: String,
    /// The share of `postcodes` that are in the area, rounded to two decimal places.
    pub(crate) share: f64,
    pub(crate) postcodes: usize,
}

/// Prints no fields, because the area could reveal a user's query.
impl fmt::Debug for AreaHint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AreaHint(…)")
    }
}

impl From<&SectorHint<'_>> for AreaHint {
    fn from(hint: &SectorHint<'_>) -> AreaHint {
        AreaHint {
            layer: hint.layer.as_str(),
            id: hint.area.id.clone(),
            name: hint.area.title().to_string(),
            share: (hint.share * 100.0).round() / 100.0,
            postcodes: hint.postcode_count,
        }
    }
}

/// The code and detail of a problem, stored in the extensions of its response for middleware that
/// renders the problem in another format.
#[derive(Debug, Clone)]
pub(crate) struct ProblemSummary {
    pub(crate) code: &'static str,
    pub(crate) detail: String,
}

/// The description of an internal error. The description is logged and never sent to the client,
/// and is stored in the extensions of the response.
#[derive(Debug, Clone)]
pub(crate) struct InternalError(pub(crate) Cow<'static, str>);

/// The content of a header that states how the client can proceed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ProblemHeader {
    RetryAfterS(u64),
    AcceptEncoding(&'static str),
    Authenticate(&'static str),
    /// The client must authenticate with a key that has this scope.
    InsufficientScope(Scope),
    /// The length in bytes of a body that does not contain any byte of the requested range.
    UnsatisfiedRange(u64),
}

/// The JSON form of a problem. The command line prints the same JSON.
#[derive(Debug, Serialize)]
pub(crate) struct ProblemBody {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    area_hint: Option<Box<AreaHint>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suggestion: Option<String>,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Problem {
        Problem {
            status,
            code,
            detail: detail.into().into_boxed_str(),
            hint: None,
            area_hint: None,
            suggestion: None,
            header: None,
            internal_error: None,
        }
    }

    /// Reports that the directory lists every postcode of the district, but not the requested
    /// postcode. The problem contains a hint at the area of most postcodes in the same sector. The
    /// problem does not contain the sector, which is a part of the input.
    pub(crate) fn unknown_postcode(index: &Index, locator: Option<Locator>, day: Date) -> Problem {
        let detail = format!(
            "unknown postcode: it is not in the directory of {}, which has every other postcode of this \
             district; the postcode may be newer",
            index.manifest().directory_edition()
        );
        let mut problem = Problem::new(StatusCode::NOT_FOUND, "unknown_postcode", detail);
        if let Some(Locator::Postcode(postcode)) = locator {
            let hint = index.sector_hint(postcode, day);
            problem.area_hint = hint.as_ref().map(|hint| Box::new(AreaHint::from(hint)));
        }
        problem
    }

    /// Reports that no statistical area has a code. The detail states which codes exist.
    pub(crate) fn unknown_area(detail: String) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "unknown_area", detail)
    }

    /// Reports that the table of UPRNs does not have the UPRN.
    pub(crate) fn unknown_uprn() -> Problem {
        let detail = "unknown UPRN: it is not in the table of UPRNs of this service, or has no \
                      position in it; the UPRN may be newer: look up the postcode instead";
        Problem::new(StatusCode::NOT_FOUND, "unknown_uprn", detail)
    }

    /// Reports that no table of UPRNs is loaded or, if one is, that it cannot be read.
    pub(crate) fn uprn_unavailable(index: &Index) -> Problem {
        let code = "uprn_unavailable";
        if index.has_uprns() {
            let detail = "the table of UPRNs cannot be read at the moment: look up the postcode \
                          instead";
            return Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, detail);
        }
        let detail = "UPRNs cannot be looked up here, because no table of UPRNs is loaded \
                      (--uprn-table): look up the postcode instead";
        Problem::new(StatusCode::NOT_FOUND, code, detail)
    }

    pub(crate) fn unknown(code: &'static str, detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, code, detail)
    }

    pub(crate) fn no_data_for_date() -> Problem {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "no_data_for_date",
            "there is no data for this date; use a later as_of",
        )
    }

    pub(crate) fn bad_request(code: &'static str, detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, code, detail)
    }

    pub(crate) fn unsupported_media_type(expected: &str) -> Problem {
        let detail = format!("the body must be {expected}, with a matching Content-Type header");
        Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            detail,
        )
    }

    /// Reports that the content coding of the body is not supported.
    pub(crate) fn unsupported_encoding(supported: &'static str) -> Problem {
        let detail = format!("Content-Encoding must be {supported}");
        let code = "unsupported_encoding";
        let mut problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, code, detail);
        problem.header = Some(ProblemHeader::AcceptEncoding(supported));
        problem
    }

    /// Reports that the body was read, but cannot be processed.
    pub(crate) fn unprocessable(code: &'static str, detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// Reports that the file type of the body is not supported.
    pub(crate) fn unsupported_file(detail: impl Into<String>) -> Problem {
        Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_file",
            detail,
        )
    }

    /// Reports that the service is at capacity. The client may try again after `retry_after_s`
    /// seconds.
    pub(crate) fn busy(detail: &'static str, retry_after_s: u16) -> Problem {
        let mut problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail);
        problem.header = Some(ProblemHeader::RetryAfterS(retry_after_s.into()));
        problem
    }

    /// Reports that the service is shutting down.
    pub(crate) fn stopping() -> Problem {
        let detail = "the service is shutting down";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", detail)
    }

    /// Reports that the client has exceeded its rate limit. The client may try again after
    /// `retry_after_s` seconds.
    pub(crate) fn rate_limited(retry_after_s: u64) -> Problem {
        let detail = "rate limit exceeded; wait for the time in Retry-After before you try again";
        let mut problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail);
        problem.header = Some(ProblemHeader::RetryAfterS(retry_after_s));
        problem
    }

    /// Reports that the client has too many requests in progress. The client may try again after
    /// `retry_after_s` seconds.
    pub(crate) fn too_many_concurrent_requests(retry_after_s: u16) -> Problem {
        let detail = "this client has too many requests in progress; wait for their responses";
        let code = "too_many_concurrent_requests";
        let mut problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, code, detail);
        problem.header = Some(ProblemHeader::RetryAfterS(retry_after_s.into()));
        problem
    }

    /// Reports that the service is running, but is rejecting look-ups for lack of capacity.
    pub(crate) fn overloaded(retry_after_s: u16) -> Problem {
        let detail = "the service is overloaded and is rejecting look-ups";
        let code = "overloaded";
        let mut problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, detail);
        problem.header = Some(ProblemHeader::RetryAfterS(retry_after_s.into()));
        problem
    }

    pub(crate) fn key_required() -> Problem {
        let detail = "an API key is required; send it as Authorization: Bearer KEY";
        let mut problem = Problem::new(StatusCode::UNAUTHORIZED, "key_required", detail);
        problem.header = Some(ProblemHeader::Authenticate("Bearer realm=\"catchment\""));
        problem
    }

    pub(crate) fn invalid_key(error: InvalidKey) -> Problem {
        let code = match error {
            InvalidKey::Unknown => "unknown_key",
            InvalidKey::Expired => "expired_key",
            InvalidKey::Revoked => "revoked_key",
        };
        let mut problem = Problem::new(StatusCode::UNAUTHORIZED, code, error.to_string());
        let challenge = "Bearer realm=\"catchment\", error=\"invalid_token\"";
        problem.header = Some(ProblemHeader::Authenticate(challenge));
        problem
    }

    pub(crate) fn insufficient_scope(scope: Scope) -> Problem {
        let detail = format!("this API key does not have the scope {scope}");
        let mut problem = Problem::new(StatusCode::FORBIDDEN, "insufficient_scope", detail);
        problem.header = Some(ProblemHeader::InsufficientScope(scope));
        problem
    }

    /// Reports that a page of another site requested an operation that is only for the operator.
    pub(crate) fn cross_origin() -> Problem {
        let detail = "cross-origin requests are not allowed on the admin listener";
        Problem::new(StatusCode::FORBIDDEN, "cross_origin", detail)
    }

    pub(crate) fn uri_too_long(limit_bytes: usize) -> Problem {
        let detail = format!("the path and query must not exceed {limit_bytes} bytes");
        Problem::new(StatusCode::URI_TOO_LONG, "uri_too_long", detail)
    }

    pub(crate) fn conflict(code: &'static str, detail: &'static str) -> Problem {
        Problem::new(StatusCode::CONFLICT, code, detail)
    }

    pub(crate) fn too_large(limit_bytes: u64) -> Problem {
        let detail = format!("the body must not exceed {limit_bytes} bytes");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
    }

    /// Reports that the body is not too long, but would need too much memory or time to process.
    pub(crate) fn too_complex(code: &'static str, detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, code, detail)
    }

    pub(crate) fn not_found() -> Problem {
        Problem::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "there is nothing at this URL",
        )
    }

    pub(crate) fn method_not_allowed() -> Problem {
        Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "this URL does not allow the method; the Allow header lists the allowed methods",
        )
    }

    pub(crate) fn not_acceptable() -> Problem {
        Problem::new(
            StatusCode::NOT_ACCEPTABLE,
            "not_acceptable",
            "this URL is available as JSON or HTML: request one of them with Accept, or with f=json or f=html",
        )
    }

    pub(crate) fn too_many_areas(max_areas: usize) -> Problem {
        let detail =
            format!("a map shows at most {max_areas} areas; request one area of the layer");
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "too_many_areas", detail)
    }

    /// Reports that the requested range is outside a body of this length.
    pub(crate) fn range_not_satisfiable(length_bytes: u64) -> Problem {
        let mut problem = Problem::new(
            StatusCode::RANGE_NOT_SATISFIABLE,
            "range_not_satisfiable",
            "the range is beyond the end of the file; Content-Range has the length of the file",
        );
        problem.header = Some(ProblemHeader::UnsatisfiedRange(length_bytes));
        problem
    }

    pub(crate) fn not_implemented() -> Problem {
        Problem::new(
            StatusCode::NOT_IMPLEMENTED,
            "not_implemented",
            "format must be json",
        )
    }

    pub(crate) fn no_acceptable_encoding() -> Problem {
        Problem::new(
            StatusCode::NOT_ACCEPTABLE,
            "no_acceptable_encoding",
            "Accept-Encoding must allow br, zstd, gzip or identity",
        )
    }

    pub(crate) fn timed_out() -> Problem {
        let detail = "the request took too long to receive or to answer";
        Problem::new(StatusCode::REQUEST_TIMEOUT, "timed_out", detail)
    }

    pub(crate) fn reload_failed(reason: String) -> Problem {
        Problem::new(StatusCode::CONFLICT, "reload_failed", reason)
    }

    /// Reports an internal error. The text is only for the log, and must not contain request data.
    pub(crate) fn internal(error: impl Into<Cow<'static, str>>) -> Problem {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        let mut problem = Problem::new(status, "internal", "internal error");
        problem.internal_error = Some(InternalError(error.into()));
        problem
    }

    /// Returns the header that states how the client can proceed.
    pub(crate) fn header(&self) -> Option<(HeaderName, HeaderValue)> {
        self.header.map(ProblemHeader::name_and_value)
    }

    /// Returns the description of an internal error, for the log.
    pub(crate) fn internal_error(&self) -> Option<&InternalError> {
        self.internal_error.as_ref()
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns whether the request was rejected for lack of capacity.
    pub(crate) fn is_overload(&self) -> bool {
        self.status == StatusCode::SERVICE_UNAVAILABLE
            || self.code == "too_many_concurrent_requests"
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    pub(crate) fn suggestion(&self) -> Option<Postcode> {
        self.suggestion
    }

    pub(crate) fn area_hint(&self) -> Option<&AreaHint> {
        self.area_hint.as_deref()
    }

    /// Returns the body as `application/problem+json`.
    pub(crate) fn json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.body()).expect("problems serialize")
    }

    pub(crate) fn body(&self) -> ProblemBody {
        ProblemBody {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: self.detail.to_string(),
            code: self.code,
            hint: self.hint,
            area_hint: self.area_hint.clone(),
            suggestion: self.suggestion.map(|postcode| postcode.to_string()),
        }
    }
}

impl ProblemHeader {
    fn name_and_value(self) -> (HeaderName, HeaderValue) {
        match self {
            ProblemHeader::RetryAfterS(seconds) => {
                (header::RETRY_AFTER, HeaderValue::from(seconds))
            }
            ProblemHeader::AcceptEncoding(supported) => {
                (header::ACCEPT_ENCODING, HeaderValue::from_static(supported))
            }
            ProblemHeader::Authenticate(challenge) => {
                let challenge = HeaderValue::from_static(challenge);
                (header::WWW_AUTHENTICATE, challenge)
            }
            ProblemHeader::UnsatisfiedRange(length_bytes) => {
                let length = HeaderValue::try_from(format!("bytes */{length_bytes}"));
                (header::CONTENT_RANGE, length.expect("ASCII"))
            }
            ProblemHeader::InsufficientScope(scope) => {
                let challenge = format!(
                    "Bearer realm=\"catchment\", error=\"insufficient_scope\", scope=\"{scope}\""
                );
                let challenge = HeaderValue::try_from(challenge).expect("scopes are ASCII");
                (header::WWW_AUTHENTICATE, challenge)
            }
        }
    }
}

impl From<InvalidRequest> for Problem {
    fn from(error: InvalidRequest) -> Problem {
        let status = if error.is_well_formed() {
            StatusCode::UNPROCESSABLE_ENTITY
        } else {
            StatusCode::BAD_REQUEST
        };
        let mut problem = Problem::new(status, error.code(), error.to_string());
        if let InvalidRequest::Postcode(InvalidPostcode::Malformed {
            hint, suggestion, ..
        }) = error
        {
            problem.hint = hint.map(catchment_core::domain::PostcodeHint::as_str);
            problem.suggestion = suggestion;
        }
        problem
    }
}
