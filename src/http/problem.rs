//! Errors as RFC 9457 problem details. What was asked is never repeated in them.

use std::borrow::Cow;

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::access::URI_BYTES_MAX;
use crate::domain::{InvalidPostcode, Postcode};
use crate::keys::{InvalidKey, Scope};
use crate::question::InvalidQuestion;

/// An answer that is no answer.
#[derive(Debug)]
pub(crate) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    hint: Option<&'static str>,
    suggestion: Option<Postcode>,
    advice: Option<Advice>,
    fault: Option<Fault>,
}

/// What a problem says, kept with its answer for whoever tells it otherwise.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) code: &'static str,
    pub(super) detail: String,
}

/// What the log is to say of a fault of our own, and the asker is not told; an extension of the answer.
#[derive(Debug, Clone)]
pub(super) struct Fault(pub(super) Cow<'static, str>);

/// What to do about it, as a header.
#[derive(Debug, Clone, Copy)]
enum Advice {
    RetryAfterS(u64),
    AcceptEncoding(&'static str),
    Authenticate(&'static str),
    /// With a key that opens this.
    AuthenticateFor(Scope),
    /// A part of so many bytes.
    PartOf(u64),
}

/// Its shape on the wire, for the command line too.
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
    suggestion: Option<String>,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Problem {
        Problem {
            status,
            code,
            detail: detail.into(),
            hint: None,
            suggestion: None,
            advice: None,
            fault: None,
        }
    }

    pub(crate) fn unknown_postcode() -> Problem {
        Problem::new(
            StatusCode::NOT_FOUND,
            "unknown_postcode",
            "there is no such postcode: every code of this outward code is held, and this is not one",
        )
    }

    pub(crate) fn unknown(code: &'static str, detail: &'static str) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, code, detail)
    }

    pub(crate) fn no_data_for_date() -> Problem {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "no_data_for_date",
            "as_of is before the first data that could answer this",
        )
    }

    pub(crate) fn bad_request(code: &'static str, detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, code, detail)
    }

    pub(crate) fn unsupported_media_type(expected: &str) -> Problem {
        let detail = format!("the body should be {expected}, and Content-Type should say so");
        Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            detail,
        )
    }

    /// The body is packed in a way that is not taken.
    pub(crate) fn unsupported_encoding(taken: &'static str) -> Problem {
        let detail = format!("Content-Encoding may be {taken}");
        let code = "unsupported_encoding";
        let mut problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, code, detail);
        problem.advice = Some(Advice::AcceptEncoding(taken));
        problem
    }

    /// The body was read, and cannot be used.
    pub(crate) fn unusable(code: &'static str, detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
    }

    /// Something else than was announced.
    pub(crate) fn not_a_list(detail: impl Into<String>) -> Problem {
        Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_file",
            detail,
        )
    }

    /// As much is under way as may be; ask again in so many seconds.
    pub(crate) fn busy(detail: &'static str, again_in_s: u16) -> Problem {
        let mut problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail);
        problem.advice = Some(Advice::RetryAfterS(again_in_s.into()));
        problem
    }

    /// Asked while the service stops.
    pub(crate) fn stopping() -> Problem {
        let detail = "the service is stopping";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", detail)
    }

    /// Asked more often than is allowed; once more is in so many seconds.
    pub(crate) fn too_often(again_in_s: u64) -> Problem {
        let detail =
            "this was asked more often than is allowed; Retry-After says when to ask again";
        let mut problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail);
        problem.advice = Some(Advice::RetryAfterS(again_in_s));
        problem
    }

    /// One client has as many requests under way as it may; the next may come in so many seconds.
    pub(crate) fn too_many_at_once(again_in_s: u16) -> Problem {
        let detail =
            "this client has as many requests under way as one client may; wait for their answers";
        let code = "too_many_concurrent_requests";
        let mut problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, code, detail);
        problem.advice = Some(Advice::RetryAfterS(again_in_s.into()));
        problem
    }

    /// The service answers, and has no place for more look-ups; not for so many seconds.
    pub(crate) fn refuses_look_ups(again_in_s: u16) -> Problem {
        let detail =
            "look-ups are being refused: as many requests or connections are under way as may be";
        let code = "overloaded";
        let mut problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, detail);
        problem.advice = Some(Advice::RetryAfterS(again_in_s.into()));
        problem
    }

    pub(crate) fn key_needed() -> Problem {
        let detail = "this needs a key: Authorization: Bearer and the key";
        let mut problem = Problem::new(StatusCode::UNAUTHORIZED, "key_needed", detail);
        problem.advice = Some(Advice::Authenticate("Bearer realm=\"catchment\""));
        problem
    }

    pub(crate) fn wrong_key(fault: InvalidKey) -> Problem {
        let code = match fault {
            InvalidKey::Unknown => "unknown_key",
            InvalidKey::Expired => "expired_key",
            InvalidKey::Revoked => "revoked_key",
        };
        let mut problem = Problem::new(StatusCode::UNAUTHORIZED, code, fault.to_string());
        let challenge = "Bearer realm=\"catchment\", error=\"invalid_token\"";
        problem.advice = Some(Advice::Authenticate(challenge));
        problem
    }

    pub(crate) fn key_does_not_open(scope: Scope) -> Problem {
        let detail = format!("this needs a key for {scope}; this key is for something else");
        let mut problem = Problem::new(StatusCode::FORBIDDEN, "insufficient_scope", detail);
        problem.advice = Some(Advice::AuthenticateFor(scope));
        problem
    }

    /// A page elsewhere asks for what only the operator may.
    pub(crate) fn foreign_origin() -> Problem {
        let detail = "a page of another site cannot ask for this";
        Problem::new(StatusCode::FORBIDDEN, "cross_origin", detail)
    }

    pub(crate) fn uri_too_long(limit_bytes: usize) -> Problem {
        let detail = format!("the path and the query may have {limit_bytes} bytes together");
        Problem::new(StatusCode::URI_TOO_LONG, "uri_too_long", detail)
    }

    pub(crate) fn conflict(code: &'static str, detail: &'static str) -> Problem {
        Problem::new(StatusCode::CONFLICT, code, detail)
    }

    pub(crate) fn too_large(limit_bytes: u64) -> Problem {
        let detail = format!("the body may have {limit_bytes} bytes");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
    }

    /// A body within the limit on its bytes that asks for more than may be spent on it.
    pub(crate) fn too_much(code: &'static str, detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, code, detail)
    }

    pub(crate) fn not_found() -> Problem {
        Problem::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "there is nothing at this address",
        )
    }

    pub(crate) fn method_not_allowed() -> Problem {
        Problem::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            "this address does not take this method; Allow names those that it takes",
        )
    }

    pub(crate) fn not_acceptable() -> Problem {
        Problem::new(
            StatusCode::NOT_ACCEPTABLE,
            "not_acceptable",
            "this is written as JSON or HTML; Accept should allow one of them, or f=json or f=html",
        )
    }

    pub(crate) fn too_many_areas(most: usize) -> Problem {
        let detail = format!("one picture holds at most {most} areas; name one of the layer");
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "too_many_areas", detail)
    }

    /// A part was asked for that a body of so many bytes does not have.
    pub(crate) fn range_not_satisfiable(length_bytes: u64) -> Problem {
        let mut problem = Problem::new(
            StatusCode::RANGE_NOT_SATISFIABLE,
            "range_not_satisfiable",
            "Range asks for bytes after the end; Content-Range tells how many there are",
        );
        problem.advice = Some(Advice::PartOf(length_bytes));
        problem
    }

    pub(crate) fn not_implemented() -> Problem {
        Problem::new(
            StatusCode::NOT_IMPLEMENTED,
            "not_implemented",
            "format should be json; there is no other",
        )
    }

    pub(crate) fn no_encoding() -> Problem {
        Problem::new(
            StatusCode::NOT_ACCEPTABLE,
            "no_acceptable_encoding",
            "Accept-Encoding leaves none of br, zstd, gzip and identity",
        )
    }

    pub(crate) fn timed_out() -> Problem {
        let detail = "the request took too long to arrive or to answer";
        Problem::new(StatusCode::REQUEST_TIMEOUT, "timed_out", detail)
    }

    pub(crate) fn not_reloaded(reason: String) -> Problem {
        Problem::new(StatusCode::CONFLICT, "reload_failed", reason)
    }

    /// A fault of our own. The words are for the log, and hold nothing that was asked.
    pub(crate) fn internal(fault: impl Into<Cow<'static, str>>) -> Problem {
        let status = StatusCode::INTERNAL_SERVER_ERROR;
        let mut problem = Problem::new(status, "internal", "internal error");
        problem.fault = Some(Fault(fault.into()));
        problem
    }

    /// It is no request that HTTP knows.
    pub(crate) fn unreadable(status: StatusCode) -> Problem {
        let (code, detail) = match status {
            StatusCode::URI_TOO_LONG => return Problem::uri_too_long(URI_BYTES_MAX),
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => (
                "headers_too_large",
                "the request line and the headers may have 16 KiB together, and be 100",
            ),
            _ => ("malformed", "this is not a request of HTTP/1.1"),
        };
        Problem::new(status, code, detail)
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// Refused for want of a place.
    pub(crate) fn is_busy(&self) -> bool {
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

    /// As `application/problem+json`.
    pub(crate) fn json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.body()).expect("texts and numbers")
    }

    fn body(&self) -> ProblemBody {
        ProblemBody {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            code: self.code,
            hint: self.hint,
            suggestion: self.suggestion.map(|postcode| postcode.to_string()),
        }
    }
}

impl Advice {
    fn header(self) -> (HeaderName, HeaderValue) {
        match self {
            Advice::RetryAfterS(seconds) => (header::RETRY_AFTER, HeaderValue::from(seconds)),
            Advice::AcceptEncoding(taken) => {
                (header::ACCEPT_ENCODING, HeaderValue::from_static(taken))
            }
            Advice::Authenticate(challenge) => {
                let challenge = HeaderValue::from_static(challenge);
                (header::WWW_AUTHENTICATE, challenge)
            }
            Advice::PartOf(length_bytes) => {
                let length = HeaderValue::try_from(format!("bytes */{length_bytes}"));
                (header::CONTENT_RANGE, length.expect("ASCII"))
            }
            Advice::AuthenticateFor(scope) => {
                let challenge = format!(
                    "Bearer realm=\"catchment\", error=\"insufficient_scope\", scope=\"{scope}\""
                );
                let challenge = HeaderValue::try_from(challenge).expect("words");
                (header::WWW_AUTHENTICATE, challenge)
            }
        }
    }
}

impl From<InvalidQuestion> for Problem {
    fn from(fault: InvalidQuestion) -> Problem {
        let status = if fault.is_well_formed() {
            StatusCode::UNPROCESSABLE_ENTITY
        } else {
            StatusCode::BAD_REQUEST
        };
        let mut problem = Problem::new(status, fault.code(), fault.to_string());
        if let InvalidQuestion::Postcode(InvalidPostcode::Malformed {
            hint, suggestion, ..
        }) = fault
        {
            problem.hint = hint.map(crate::domain::Hint::as_str);
            problem.suggestion = suggestion;
        }
        problem
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let content_type = HeaderValue::from_static("application/problem+json");
        let no_store = HeaderValue::from_static("no-store");
        let headers = [
            (header::CONTENT_TYPE, content_type),
            (header::CACHE_CONTROL, no_store),
        ];
        let mut response = (self.status, headers, Json(self.body())).into_response();
        response
            .headers_mut()
            .extend(self.advice.map(Advice::header));
        response.extensions_mut().insert(Told {
            code: self.code,
            detail: self.detail,
        });
        if let Some(fault) = self.fault {
            response.extensions_mut().insert(fault);
        }
        response
    }
}
