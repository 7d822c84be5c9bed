//! What is wanted of a list: the options of `catchment batch`, as parameters.

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

/// Every parameter.
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

/// What is wanted of a list.
pub(super) struct Wanted {
    pub(super) request: Request,
    /// Counts from 1 to 7 are left out of the summary.
    pub(super) suppression: SuppressionRule,
    /// The summary is the last record (NDJSON).
    pub(super) summary_is_last: bool,
    /// Only how the list is understood.
    pub(super) check: bool,
    /// Under which somebody else takes the answers.
    pub(super) ticket: Option<Ticket>,
}

/// What a list is said to be.
pub(super) struct Announced {
    /// `None` where it is to be found out.
    pub(super) format: Option<Format>,
    delimiter: Option<Delimiter>,
    /// What the answers are then.
    pub(super) content_type: Option<&'static str>,
    /// `None` where nothing is said.
    pub(super) packed: Option<Compression>,
}

impl Announced {
    /// Nothing is said: everything is found out.
    pub(super) const NOTHING: Announced = Announced {
        format: None,
        delimiter: None,
        content_type: None,
        packed: None,
    };

    /// By the headers of a request.
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
    /// What the parameters ask for of a list that was announced so.
    pub(super) fn of(fields: &Fields, announced: &Announced) -> Result<Wanted, Problem> {
        let text = |name| fields.get(name).map(str::to_string);
        let not_one =
            |fault: InvalidDelimiter| Problem::bad_request("malformed", fault.to_string());
        let delimiter = match fields.get("delimiter") {
            None => announced.delimiter,
            Some(text) => Some(text.parse().map_err(not_one)?),
        };
        if announced.format == Some(Format::Ndjson) && delimiter.is_some() {
            return Err(Problem::bad_request("malformed", "NDJSON has no delimiter"));
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
                Some(_) => return Err(wrong("summary", "last-record, or left out")),
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
                "summary=last-record goes with NDJSON that is not packed; others have a trailer";
            return Err(Problem::bad_request("malformed", detail));
        }
        if self.check && self.ticket.is_some() {
            let detail = "check answers by itself: a ticket is for the answers of a list";
            return Err(Problem::bad_request("malformed", detail));
        }
        Ok(self)
    }
}

/// The columns to add. What was asked for is not repeated.
fn columns(list: &str) -> Result<Vec<Column>, Problem> {
    Column::usual_and(list).map_err(|_| {
        let names = crate::batch::COLUMNS.iter().map(|&(_, name, _)| name);
        let names = names.collect::<Vec<_>>().join(", ");
        let detail = format!(
            "columns are all, or names with commas between them, with or without {PREFIX}: {names}"
        );
        Problem::bad_request("unknown_column", detail)
    })
}

/// Whether a parameter says yes: it stands alone, or is `true`.
fn said(fields: &Fields, name: &str) -> Result<bool, Problem> {
    match fields.get(name) {
        None | Some("false") => Ok(false),
        Some("" | "true") => Ok(true),
        Some(_) => Err(wrong(name, "true or false")),
    }
}

fn wrong(name: &str, right: &str) -> Problem {
    Problem::bad_request("malformed", format!("{name} is {right}"))
}
