//! The parameters and headers of a batch request: the options of `catchment batch`.

use axum::http::{HeaderMap, header};

use super::super::extract::content_type;
use super::super::problem::Problem;
use super::super::query_params::{DatasetSelection, GivenDate, QueryParams, query_params};
use super::ARROW_STREAM_TYPE;
use super::tickets::BatchTicket;
use catchment_batch::{
    BatchFormat, BatchRequest, ColumnOverrides, Compression, DecodeLimits, Delimiter,
    HeaderOptions, InvalidDelimiter, OutputColumn, PREFIX, SummarySuppression, WorkbookOptions,
};
use catchment_core::domain::{InvalidSuppressionRule, Manifest, SuppressionRule, today_in_london};
use catchment_core::index::Index;

query_params! {
    /// The parameters of a batch request, as text. The values of the parameters are checked by
    /// [`BatchParams::new`], after the headers of the request.
    pub(in crate::http) struct BatchOptions {
        /// The columns to add to the output.
        columns: Option<String> = ["columns"],
        /// The delimiter of the input.
        delimiter: Option<String> = ["delimiter"],
        /// The name or number of the sheet of a workbook.
        sheet: Option<String> = ["sheet"],
        /// The format of the output, if it differs from the format of the input.
        format: Option<String> = ["format"],
        /// The number of lines above the header row.
        skip_lines: Option<String> = ["skip_lines"],
        /// Whether the file has no header row.
        no_header: Option<String> = ["no_header"],
        /// The name of the column with postcodes.
        postcode_column: Option<String> = ["postcode_column"],
        /// The name of the column with practice codes.
        practice_column: Option<String> = ["practice_column"],
        /// The name of the column with longitudes.
        lon_column: Option<String> = ["lon_column"],
        /// The name of the column with latitudes.
        lat_column: Option<String> = ["lat_column"],
        /// The name of the column with eastings.
        easting_column: Option<String> = ["easting_column"],
        /// The name of the column with northings.
        northing_column: Option<String> = ["northing_column"],
        /// The name of the column with codes of statistical areas.
        area_column: Option<String> = ["area_column"],
        /// The layer of the statistical areas in that column.
        area_layer: Option<String> = ["area_layer"],
        /// The name of the column with UPRNs.
        uprn_column: Option<String> = ["uprn_column"],
        /// Whether to look up only the registration, by practice.
        registration_only: Option<String> = ["registration_only"],
        /// The as-of date of rows without a date.
        as_of: GivenDate = ["as_of"],
        /// The name of the column with the as-of date of each row.
        as_of_column: Option<String> = ["as_of_column"],
        /// Whether to escape cells that a spreadsheet would run as formulas.
        excel_safe: Option<String> = ["excel_safe"],
        /// The compression of the output.
        compress: Option<String> = ["compress"],
        /// `last-record` to append the summary to the output.
        summary: Option<String> = ["summary"],
        /// The rule for the suppression of small numbers in the summary.
        suppress: Option<String> = ["suppress"],
        /// Whether this is a dry run.
        check: Option<String> = ["check"],
        /// The ticket that another request uses to download the output.
        ticket: Option<String> = ["ticket"],
        /// The version of the dataset.
        dataset: Option<String> = ["dataset"],
    }
}

/// The parameters that the form on `/batch` does not have.
const NOT_IN_FORM: [&str; 7] = [
    "area_layer",
    "uprn_column",
    "compress",
    "summary",
    "check",
    "ticket",
    "dataset",
];

impl BatchOptions {
    /// Returns the names of the fields of the form on `/batch`, except the file.
    pub(super) fn form_fields() -> Vec<&'static str> {
        let mut names = BatchOptions::NAMES.to_vec();
        names.retain(|name| !NOT_IN_FORM.contains(name));
        names
    }

    /// Returns the dataset and the date that the parameters select.
    pub(super) fn dataset_selection(&self) -> DatasetSelection {
        DatasetSelection {
            version: self.dataset.clone(),
            as_of: self.as_of.clone(),
        }
    }
}

/// The options of a batch.
pub(super) struct BatchParams {
    pub(super) request: BatchRequest,
    /// The rules for the suppression of small numbers in the summary.
    pub(super) suppression: SummarySuppression,
    /// Whether to append the summary to the output as the last record (NDJSON).
    pub(super) summary_is_last: bool,
    /// Whether this is a dry run, which returns only the detected format and a preview.
    pub(super) check: bool,
    /// The ticket that another request uses to download the output.
    pub(super) ticket: Option<BatchTicket>,
}

/// The declared properties of the input file, from the request headers.
pub(super) struct DeclaredContent {
    /// The format; `None` if it must be detected.
    pub(super) format: Option<BatchFormat>,
    delimiter: Option<Delimiter>,
    /// The media type, which the response repeats.
    pub(super) content_type: Option<&'static str>,
    /// The compression; `None` if the request does not declare it.
    pub(super) content_encoding: Option<Compression>,
    /// The format of the output that `Accept` specifies; `None` if `Accept` does not specify
    /// exactly one format.
    accepted: Option<(BatchFormat, Option<Delimiter>)>,
}

/// The media types of workbooks.
pub(super) const XLSX_TYPE: &str =
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
pub(super) const XLSM_TYPE: &str = "application/vnd.ms-excel.sheet.macroEnabled.12";

/// The formats of the output. An entry consists of the value of the parameter `format`, the media
/// type, the format and the delimiter.
const OUTPUTS: [(&str, &str, BatchFormat, Option<Delimiter>); 5] = [
    ("csv", "text/csv", BatchFormat::Csv, Some(Delimiter::COMMA)),
    (
        "tsv",
        "text/tab-separated-values",
        BatchFormat::Csv,
        Some(Delimiter::TAB),
    ),
    ("ndjson", "application/x-ndjson", BatchFormat::Ndjson, None),
    ("xlsx", XLSX_TYPE, BatchFormat::Xlsx, None),
    ("xlsm", XLSM_TYPE, BatchFormat::Xlsm, None),
];

/// Returns the format of the output that `Accept` specifies. Browsers and most other clients accept
/// everything. For such clients, the output has the format of the input.
fn accepted_output(headers: &HeaderMap) -> Option<(BatchFormat, Option<Delimiter>)> {
    let accept = headers.get(header::ACCEPT)?.to_str().ok()?;
    let media_type = accept.split(';').next().unwrap_or_default().trim();
    if accept.contains(',') {
        return None;
    }
    let found = OUTPUTS
        .iter()
        .find(|(_, name, ..)| name.eq_ignore_ascii_case(media_type));
    found.map(|(_, _, format, delimiter)| (*format, *delimiter))
}

/// The media type of files that Excel opens.
const EXCEL_TYPE: &str = "application/vnd.ms-excel";

impl DeclaredContent {
    /// A request that declares no properties, so that all properties are detected.
    pub(super) const UNSPECIFIED: DeclaredContent = DeclaredContent {
        format: None,
        delimiter: None,
        content_type: None,
        content_encoding: None,
        accepted: None,
    };

    /// Parses the headers of a request.
    ///
    /// # Errors
    /// If `Content-Type` or `Content-Encoding` is not supported.
    pub(super) fn from_headers(headers: &HeaderMap) -> Result<DeclaredContent, Problem> {
        let declared_type = content_type(headers).unwrap_or_default();
        // On Windows, the media type of a CSV file is the media type of the program that opens such
        // files.
        let declared_type = if declared_type.eq_ignore_ascii_case(EXCEL_TYPE) {
            "text/csv"
        } else {
            declared_type
        };
        let types: [(&'static str, BatchFormat, Option<Delimiter>); 7] = [
            ("text/csv", BatchFormat::Csv, None),
            (
                "text/tab-separated-values",
                BatchFormat::Csv,
                Some(Delimiter::TAB),
            ),
            ("application/x-ndjson", BatchFormat::Ndjson, None),
            ("application/ndjson", BatchFormat::Ndjson, None),
            (ARROW_STREAM_TYPE, BatchFormat::Arrow, None),
            (XLSX_TYPE, BatchFormat::Xlsx, None),
            (XLSM_TYPE, BatchFormat::Xlsm, None),
        ];
        let (content_type, format, delimiter) = types
            .into_iter()
            .find(|(name, ..)| name.eq_ignore_ascii_case(declared_type))
            .ok_or_else(|| {
                Problem::unsupported_media_type(
                    "text/csv, text/tab-separated-values, application/x-ndjson, application/vnd.apache.arrow.stream or application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
                )
            })?;
        Ok(DeclaredContent {
            format: Some(format),
            delimiter,
            content_type: Some(content_type),
            content_encoding: content_encoding(headers)?,
            accepted: accepted_output(headers),
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
    /// Parses the parameters of a batch request. `declared` contains the properties that the
    /// request headers declare.
    ///
    /// # Errors
    /// If a parameter is not valid, or if two parameters contradict each other.
    pub(super) fn new(
        options: BatchOptions,
        declared: &DeclaredContent,
        index: &Index,
    ) -> Result<BatchParams, Problem> {
        let manifest = index.manifest();
        if options.uprn_column.is_some() && !index.has_uprns() {
            return Err(Problem::uprn_unavailable(index));
        }
        let invalid_delimiter =
            |error: InvalidDelimiter| Problem::bad_request("invalid_delimiter", error.to_string());
        let delimiter = match options.delimiter {
            None => declared.delimiter,
            Some(text) => Some(text.parse().map_err(invalid_delimiter)?),
        };
        if declared.format == Some(BatchFormat::Ndjson) && delimiter.is_some() {
            return Err(Problem::bad_request(
                "not_applicable",
                "delimiter cannot be used with NDJSON",
            ));
        }
        let compression = match options.compress.as_deref() {
            None | Some("none") => Compression::None,
            Some("gzip") => Compression::Gzip,
            Some("zstd") => Compression::Zstd,
            Some(_) => {
                return Err(invalid_value(
                    "invalid_compress",
                    "compress",
                    "none, gzip or zstd",
                ));
            }
        };
        let is_workbook = declared.format.is_none_or(BatchFormat::is_workbook);
        let output = match options.format.as_deref() {
            // Text files are converted only to workbooks, even if the client accepts other formats.
            None => declared
                .accepted
                .filter(|(format, _)| is_workbook || format.is_workbook()),
            Some(word) => {
                let found = OUTPUTS.iter().find(|(name, ..)| *name == word);
                let found = found.map(|(_, _, format, delimiter)| (*format, *delimiter));
                let error = || {
                    let expected = "csv, tsv, ndjson, xlsx or xlsm";
                    invalid_value("invalid_format", "format", expected)
                };
                Some(found.ok_or_else(error)?)
            }
        };
        if let (Some((format, delimiter)), false) = (output, is_workbook)
            && !format.is_workbook()
            && (declared.format != Some(format)
                || declared.delimiter.is_some() != (delimiter == Some(Delimiter::TAB)))
        {
            let detail = "format: a text file can be returned only in its own format or as a workbook (xlsx)";
            return Err(Problem::bad_request("not_convertible", detail));
        }
        let rule = options.suppress.map(|text| text.parse::<SuppressionRule>());
        let rule = rule.transpose().map_err(|error: InvalidSuppressionRule| {
            Problem::bad_request("invalid_suppress", error.to_string())
        })?;
        let suppression = SummarySuppression::new(rule);
        let batch_params = BatchParams {
            request: BatchRequest {
                format: declared.format.or(delimiter.map(|_| BatchFormat::Csv)),
                delimiter,
                column_overrides: ColumnOverrides {
                    postcode: options.postcode_column,
                    practice: options.practice_column,
                    longitude: options.lon_column,
                    latitude: options.lat_column,
                    easting: options.easting_column,
                    northing: options.northing_column,
                    statistical_area: options.area_column,
                    uprn: options.uprn_column,
                    has_uprns: index.has_uprns(),
                    as_of: options.as_of_column,
                    registration_only: flag(options.registration_only, "registration_only")?,
                    ..statistical_layers(options.area_layer.as_deref(), manifest)?
                },
                header: HeaderOptions {
                    skip_lines: match options.skip_lines {
                        None => None,
                        Some(text) => {
                            let lines = text.parse();
                            Some(lines.map_err(|_| {
                                invalid_value("invalid_skip_lines", "skip_lines", "a whole number")
                            })?)
                        }
                    },
                    is_absent: flag(options.no_header, "no_header")?,
                },
                as_of: options.as_of?.unwrap_or_else(today_in_london),
                output_columns: columns(&options.columns.unwrap_or_default(), manifest)?,
                excel_safe: flag(options.excel_safe, "excel_safe")?,
                compression,
                limits: DecodeLimits::HTTP,
                workbook: WorkbookOptions {
                    sheet: options.sheet,
                    output_format: output.map(|(format, _)| format),
                    output_delimiter: output.and_then(|(_, delimiter)| delimiter),
                    suppression,
                },
                previous: None,
            },
            suppression,
            summary_is_last: match options.summary.as_deref() {
                None => false,
                Some("last-record") => true,
                Some(_) => {
                    return Err(invalid_value(
                        "invalid_summary",
                        "summary",
                        "last-record if it is given",
                    ));
                }
            },
            check: flag(options.check, "check")?,
            ticket: match options.ticket {
                None => None,
                Some(text) => Some(text.parse()?),
            },
        };
        batch_params.reject_contradictions(declared)
    }

    fn reject_contradictions(self, declared: &DeclaredContent) -> Result<BatchParams, Problem> {
        let is_ndjson = declared.format == Some(BatchFormat::Ndjson);
        let is_compressed = self.request.compression != Compression::None;
        let output = self.request.workbook.output_format;
        let is_converted = output.is_some_and(|format| format != BatchFormat::Ndjson);
        if self.summary_is_last && (!is_ndjson || is_compressed || is_converted) {
            let detail =
                "use summary=last-record only with uncompressed NDJSON; otherwise read the trailer";
            return Err(Problem::bad_request("not_applicable", detail));
        }
        if self.check && self.ticket.is_some() {
            let detail =
                "check and ticket cannot be used together: check has no output to download";
            return Err(Problem::bad_request("conflicting_parameters", detail));
        }
        Ok(self)
    }
}

/// Returns the layers of statistical areas, and the layer that the request specifies. The error
/// message does not repeat the name of that layer.
fn statistical_layers(
    layer: Option<&str>,
    manifest: &Manifest,
) -> Result<ColumnOverrides, Problem> {
    let mut overrides = ColumnOverrides::default();
    overrides
        .set_statistical_layers(manifest, layer)
        .map_err(|error| Problem::bad_request("unknown_layer", format!("area_layer {error}")))?;
    Ok(overrides)
}

/// Parses the list of columns to add, which may also contain sets of columns. The error message
/// does not repeat the list.
fn columns(text: &str, manifest: &Manifest) -> Result<Vec<OutputColumn>, Problem> {
    OutputColumn::with_defaults(text, manifest).map_err(|error| {
        let detail = format!(
            "columns must be a comma-separated list of sets, or of names with or without {PREFIX}: {}",
            error.expected()
        );
        Problem::bad_request("unknown_column", detail)
    })
}

/// Returns whether a flag is set, that is, whether its value is `true` or empty.
fn flag(value: Option<String>, name: &str) -> Result<bool, Problem> {
    match value.as_deref() {
        None | Some("false") => Ok(false),
        Some("" | "true") => Ok(true),
        Some(_) => Err(invalid_value("invalid_flag", name, "true or false")),
    }
}

fn invalid_value(code: &'static str, name: &str, expected: &str) -> Problem {
    Problem::bad_request(code, format!("{name} must be {expected}"))
}
