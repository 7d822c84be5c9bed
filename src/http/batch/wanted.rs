//! The parameters and headers of a batch request: the options of `catchment batch`.

use axum::http::{HeaderMap, header};

use super::super::input::content_type;
use super::super::problem::Problem;
use super::ARROW;
use super::tickets::Ticket;
use crate::batch::{
    Column, Compression, DecodeLimits, Delimiter, Format, InvalidDelimiter, Named, PREFIX, Request,
};
use crate::domain::{InvalidSuppressionRule, SuppressionRule};
use crate::question::Fields;

/// All parameters.
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
pub(super) struct Wanted {
    pub(super) request: Request,
    /// Suppress small numbers in the summary.
    pub(super) suppression: SuppressionRule,
    /// Append the summary to the output as the last record (NDJSON).
    pub(super) summary_is_last: bool,
    /// Dry run: return only what was detected.
    pub(super) check: bool,
    /// The ticket with which another request downloads the output.
    pub(super) ticket: Option<Ticket>,
}

/// What the headers of a request say about the input file.
pub(super) struct Announced {
    /// `None` if it is to be detected.
    pub(super) format: Option<Format>,
    delimiter: Option<Delimiter>,
    /// The media type, which the response repeats.
    pub(super) content_type: Option<&'static str>,
    /// `None` if the request does not say.
    pub(super) packed: Option<Compression>,
}

impl Announced {
    /// Nothing is declared: everything is detected.
    pub(super) const NOTHING: Announced = Announced {
        format: None,
        delimiter: None,
        content_type: None,
        packed: None,
    };

    /// Parses the headers of a request.
    ///
    /// # Errors
    /// When `Content-Type` or `Content-Encoding` is not supported.
    pub(super) fn by(headers: &HeaderMap) -> Result<Announced, Problem> {
        let types: [(&'static str, Format, Option<Delimiter>); 5] = [
            ("text/csv", Format::Csv, None),
            (
                "text/tab-separated-values",
                Format::Csv,
                Some(Delimiter::TAB),
            ),
            ("application/x-ndjson", Format::Ndjson, None),
            ("application/ndjson", Format::Ndjson, None),
            (ARROW, Format::Arrow, None),
        ];
        let given = content_type(headers).unwrap_or_default();
        let (content_type, format, delimiter) = types
            .into_iter()
            .find(|(name, ..)| name.eq_ignore_ascii_case(given))
            .ok_or_else(|| {
                Problem::unsupported_media_type(
                    "text/csv, text/tab-separated-values, application/x-ndjson or application/vnd.apache.arrow.stream",
                )
            })?;
        Ok(Announced {
            format: Some(format),
            delimiter,
            content_type: Some(content_type),
            packed: packed(headers)?,
        })
    }
}

fn packed(headers: &HeaderMap) -> Result<Option<Compression>, Problem> {
    let mut said = headers.get_all(header::CONTENT_ENCODING).iter();
    let word = match (said.next(), said.next()) {
        (None, _) => return Ok(None),
        (Some(word), None) => word.to_str().unwrap_or_default().to_ascii_lowercase(),
        (Some(_), Some(_)) => return Err(Problem::unsupported_encoding(ENCODINGS)),
    };
    match word.trim() {
        "gzip" | "x-gzip" => Ok(Some(Compression::Gzip)),
        "zstd" => Ok(Some(Compression::Zstd)),
        "identity" => Ok(Some(Compression::None)),
        _ => Err(Problem::unsupported_encoding(ENCODINGS)),
    }
}

const ENCODINGS: &str = "gzip, zstd";

impl Wanted {
    /// Parses the parameters of a batch whose headers declared `declared`.
    ///
    /// # Errors
    /// When a parameter is not valid, or two contradict each other.
    pub(super) fn of(fields: &Fields, announced: &Announced) -> Result<Wanted, Problem> {
        let text = |name| fields.get(name).map(str::to_string);
        let not_one =
            |fault: InvalidDelimiter| Problem::bad_request("malformed", fault.to_string());
        let delimiter = match fields.get("delimiter") {
            None => announced.delimiter,
            Some(text) => Some(text.parse().map_err(not_one)?),
        };
        if announced.format == Some(Format::Ndjson) && delimiter.is_some() {
            return Err(Problem::bad_request(
                "malformed",
                "delimiter cannot be used with NDJSON",
            ));
        }
        let compression = match fields.get("compress") {
            None | Some("none") => Compression::None,
            Some("gzip") => Compression::Gzip,
            Some("zstd") => Compression::Zstd,
            Some(_) => return Err(wrong("compress", "none, gzip or zstd")),
        };
        let wanted = Wanted {
            request: Request {
                format: announced.format.or(delimiter.map(|_| Format::Csv)),
                delimiter,
                named: Named {
                    postcode: text("postcode_column"),
                    practice: text("practice_column"),
                    longitude: text("lon_column"),
                    latitude: text("lat_column"),
                    easting: text("easting_column"),
                    northing: text("northing_column"),
                    as_of: text("as_of_column"),
                    registration_only: said(fields, "registration_only")?,
                },
                as_of: fields.as_of()?,
                columns: columns(fields.get("columns").unwrap_or_default())?,
                excel_safe: said(fields, "excel_safe")?,
                compression,
                limits: DecodeLimits::HTTP,
            },
            suppression: match fields.get("suppress") {
                None => SuppressionRule::NONE,
                Some(text) => text.parse().map_err(|error: InvalidSuppressionRule| {
                    Problem::bad_request("malformed", error.to_string())
                })?,
            },
            summary_is_last: match fields.get("summary") {
                None => false,
                Some("last-record") => true,
                Some(_) => return Err(wrong("summary", "last-record if it is given")),
            },
            check: said(fields, "check")?,
            ticket: match fields.get("ticket") {
                None => None,
                Some(text) => Some(text.parse()?),
            },
        };
        wanted.without_contradictions(announced)
    }

    fn without_contradictions(self, announced: &Announced) -> Result<Wanted, Problem> {
        let is_ndjson = announced.format == Some(Format::Ndjson);
        let is_packed = self.request.compression != Compression::None;
        if self.summary_is_last && (!is_ndjson || is_packed) {
            let detail =
                "summary=last-record needs uncompressed NDJSON output; otherwise read the trailer";
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

/// The columns to add. The error does not repeat the value.
fn columns(list: &str) -> Result<Vec<Column>, Problem> {
    Column::usual_and(list).map_err(|_| {
        let names = crate::batch::COLUMNS.iter().map(|&(_, name, _)| name);
        let names = names.collect::<Vec<_>>().join(", ");
        let detail = format!(
            "columns must be all, or a comma-separated list of these names, with or without {PREFIX}: {names}"
        );
        Problem::bad_request("unknown_column", detail)
    })
}

/// Returns whether a flag is set: its value is empty or `true`.
fn said(fields: &Fields, name: &str) -> Result<bool, Problem> {
    match fields.get(name) {
        None | Some("false") => Ok(false),
        Some("" | "true") => Ok(true),
        Some(_) => Err(wrong(name, "true or false")),
    }
}

fn wrong(name: &str, right: &str) -> Problem {
    Problem::bad_request("malformed", format!("{name} must be {right}"))
}
