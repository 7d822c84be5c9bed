//! The parameters and headers of a batch request: the options of `catchment batch`.

use axum::http::{HeaderMap, header};

use super::super::extract::content_type;
use super::super::problem::Problem;
use super::ARROW_STREAM_TYPE;
use super::tickets::BatchTicket;
use crate::batch::{
    BatchFormat, BatchRequest, ColumnOverrides, Compression, DecodeLimits, Delimiter,
    InvalidDelimiter, OutputColumn, PREFIX,
};
use crate::domain::{InvalidSuppressionRule, SuppressionRule};
use crate::request::RequestParams;

/// The names of all parameters of a batch request.
pub(super) const PARAMETERS: &[&str] = &[
    "columns",
    "delimiter",
    "postcode_column",
    "practice_column",
    "lon_column",
    "lat_column",
    "easting_column",
    "northing_column",
    "registration_only",
    "as_of",
    "as_of_column",
    "excel_safe",
    "compress",
    "summary",
    "suppress",
    "check",
    "ticket",
    "dataset",
];

/// The options of a batch.
pub(super) struct BatchParams {
    pub(super) request: BatchRequest,
    /// The rule by which small numbers in the summary are suppressed.
    pub(super) suppression: SuppressionRule,
    /// Whether to append the summary to the output as the last record (NDJSON).
    pub(super) summary_is_last: bool,
    /// Whether this is a dry run, which returns only the detected format and a preview.
    pub(super) check: bool,
    /// The ticket with which another request downloads the output.
    pub(super) ticket: Option<BatchTicket>,
}

/// The declared properties of the input file, from the request headers.
pub(super) struct DeclaredContent {
    /// The format; `None` if it is to be detected.
    pub(super) format: Option<BatchFormat>,
    delimiter: Option<Delimiter>,
    /// The media type, which the response repeats.
    pub(super) content_type: Option<&'static str>,
    /// The compression; `None` if the request does not declare it.
    pub(super) content_encoding: Option<Compression>,
}

impl DeclaredContent {
    /// No property is declared, so all properties are detected.
    pub(super) const UNSPECIFIED: DeclaredContent = DeclaredContent {
        format: None,
        delimiter: None,
        content_type: None,
        content_encoding: None,
    };

    /// Parses the headers of a request.
    ///
    /// # Errors
    /// If `Content-Type` or `Content-Encoding` is not supported.
    pub(super) fn from_headers(headers: &HeaderMap) -> Result<DeclaredContent, Problem> {
        let types: [(&'static str, BatchFormat, Option<Delimiter>); 5] = [
            ("text/csv", BatchFormat::Csv, None),
            (
                "text/tab-separated-values",
                BatchFormat::Csv,
                Some(Delimiter::TAB),
            ),
            ("application/x-ndjson", BatchFormat::Ndjson, None),
            ("application/ndjson", BatchFormat::Ndjson, None),
            (ARROW_STREAM_TYPE, BatchFormat::Arrow, None),
        ];
        let declared_type = content_type(headers).unwrap_or_default();
        let (content_type, format, delimiter) = types
            .into_iter()
            .find(|(name, ..)| name.eq_ignore_ascii_case(declared_type))
            .ok_or_else(|| {
                Problem::unsupported_media_type(
                    "text/csv, text/tab-separated-values, application/x-ndjson or application/vnd.apache.arrow.stream",
                )
            })?;
        Ok(DeclaredContent {
            format: Some(format),
            delimiter,
            content_type: Some(content_type),
            content_encoding: content_encoding(headers)?,
        })
    }
}

fn content_encoding(headers: &HeaderMap) -> Result<Option<Compression>, Problem> {
    let mut values = headers.get_all(header::CONTENT_ENCODING).iter();
    let encoding = match (values.next(), values.next()) {
        (None, _) => return Ok(None),
        (Some(word), None) => word.to_str().unwrap_or_default().to_ascii_lowercase(),
        (Some(_), Some(_)) => return Err(Problem::unsupported_encoding(ACCEPTED_ENCODINGS)),
    };
    match encoding.trim() {
        "gzip" | "x-gzip" => Ok(Some(Compression::Gzip)),
        "zstd" => Ok(Some(Compression::Zstd)),
        "identity" => Ok(Some(Compression::None)),
        _ => Err(Problem::unsupported_encoding(ACCEPTED_ENCODINGS)),
    }
}

const ACCEPTED_ENCODINGS: &str = "gzip, zstd";

impl BatchParams {
    /// Parses the parameters of a batch request. `declared` has the properties that the request
    /// headers declare.
    ///
    /// # Errors
    /// If a parameter is not valid, or if two parameters contradict each other.
    pub(super) fn from_params(
        params: &RequestParams,
        declared: &DeclaredContent,
    ) -> Result<BatchParams, Problem> {
        let text = |name| params.get(name).map(str::to_string);
        let invalid_delimiter =
            |error: InvalidDelimiter| Problem::bad_request("malformed", error.to_string());
        let delimiter = match params.get("delimiter") {
            None => declared.delimiter,
            Some(text) => Some(text.parse().map_err(invalid_delimiter)?),
        };
        if declared.format == Some(BatchFormat::Ndjson) && delimiter.is_some() {
            return Err(Problem::bad_request(
                "malformed",
                "delimiter cannot be used with NDJSON",
            ));
        }
        let compression = match params.get("compress") {
            None | Some("none") => Compression::None,
            Some("gzip") => Compression::Gzip,
            Some("zstd") => Compression::Zstd,
            Some(_) => return Err(invalid_value("compress", "none, gzip or zstd")),
        };
        let batch_params = BatchParams {
            request: BatchRequest {
                format: declared.format.or(delimiter.map(|_| BatchFormat::Csv)),
                delimiter,
                column_overrides: ColumnOverrides {
                    postcode: text("postcode_column"),
                    practice: text("practice_column"),
                    longitude: text("lon_column"),
                    latitude: text("lat_column"),
                    easting: text("easting_column"),
                    northing: text("northing_column"),
                    as_of: text("as_of_column"),
                    registration_only: flag(params, "registration_only")?,
                },
                as_of: params.as_of()?,
                output_columns: columns(params.get("columns").unwrap_or_default())?,
                excel_safe: flag(params, "excel_safe")?,
                compression,
                limits: DecodeLimits::HTTP,
            },
            suppression: match params.get("suppress") {
                None => SuppressionRule::NONE,
                Some(text) => text.parse().map_err(|error: InvalidSuppressionRule| {
                    Problem::bad_request("malformed", error.to_string())
                })?,
            },
            summary_is_last: match params.get("summary") {
                None => false,
                Some("last-record") => true,
                Some(_) => return Err(invalid_value("summary", "last-record if it is given")),
            },
            check: flag(params, "check")?,
            ticket: match params.get("ticket") {
                None => None,
                Some(text) => Some(text.parse()?),
            },
        };
        batch_params.reject_contradictions(declared)
    }

    fn reject_contradictions(self, declared: &DeclaredContent) -> Result<BatchParams, Problem> {
        let is_ndjson = declared.format == Some(BatchFormat::Ndjson);
        let is_compressed = self.request.compression != Compression::None;
        if self.summary_is_last && (!is_ndjson || is_compressed) {
            let detail =
                "use summary=last-record only with uncompressed NDJSON; otherwise read the trailer";
            return Err(Problem::bad_request("malformed", detail));
        }
        if self.check && self.ticket.is_some() {
            let detail =
                "check and ticket cannot be used together: check has no output to download";
            return Err(Problem::bad_request("malformed", detail));
        }
        Ok(self)
    }
}

/// Parses the list of columns to add. The error message does not repeat the list.
fn columns(text: &str) -> Result<Vec<OutputColumn>, Problem> {
    OutputColumn::with_defaults(text).map_err(|_| {
        let names = crate::batch::COLUMNS.iter().map(|&(_, name, _)| name);
        let names = names.collect::<Vec<_>>().join(", ");
        let detail = format!(
            "columns must be all, or a comma-separated list of these names, with or without {PREFIX}: {names}"
        );
        Problem::bad_request("unknown_column", detail)
    })
}

/// Returns whether a flag is set, that is, whether its value is `true` or empty.
fn flag(params: &RequestParams, name: &str) -> Result<bool, Problem> {
    match params.get(name) {
        None | Some("false") => Ok(false),
        Some("" | "true") => Ok(true),
        Some(_) => Err(invalid_value(name, "true or false")),
    }
}

fn invalid_value(name: &str, expected: &str) -> Problem {
    Problem::bad_request("malformed", format!("{name} must be {expected}"))
}
