//! Converts batch errors to problem responses. The problems never repeat text from the input file.

use super::super::problem::Problem;
use super::stream::{StreamAborted, abort_reason};
use crate::wire::option_names::options_as_parameters;
use catchment_batch::{BatchError, ColumnRole, ExceededLimit, TabularError};

/// Converts a batch error to a problem. `bytes_max` is the limit on the request body.
pub(super) fn to_problem(batch_error: &BatchError, bytes_max: u64) -> Problem {
    match batch_error {
        BatchError::Tabular(TabularError::Read(error)) => match abort_reason(error) {
            Some(StreamAborted::TooLarge) => Problem::too_large(bytes_max),
            Some(StreamAborted::Disconnected) => {
                Problem::bad_request("incomplete_upload", "the request body was truncated")
            }
            Some(StreamAborted::DownloadClosed) => download_aborted(),
            Some(StreamAborted::TimedOut) => Problem::timed_out(),
            None => Problem::unprocessable(
                "decompression_failed",
                "the input file could not be decompressed to its end; check that it is complete",
            ),
        },
        BatchError::Tabular(TabularError::Write(_)) => download_aborted(),
        BatchError::UnsupportedFormat { .. } => Problem::unsupported_file(message(batch_error)),
        BatchError::Tabular(TabularError::LimitExceeded(_)) => {
            Problem::too_complex(code(batch_error), message(batch_error))
        }
        _ => Problem::unprocessable(code(batch_error), message(batch_error)),
    }
}

fn download_aborted() -> Problem {
    Problem::conflict(
        "not_downloaded",
        "the client closed the download before the output was complete",
    )
}

/// Returns the stable error code of a batch error.
pub(super) fn code(batch_error: &BatchError) -> &'static str {
    match batch_error {
        BatchError::Empty => "empty",
        BatchError::NoRows => "no_rows",
        BatchError::UnsupportedFormat { .. } => "unsupported_file",
        BatchError::NeedsFile => "needs_file",
        BatchError::NoSuchSheet { .. } => "sheet_not_found",
        BatchError::HasMacros | BatchError::HasNoMacros => "macros",
        BatchError::UnsupportedConversion { .. } => "not_convertible",
        BatchError::WrongType { .. } => "wrong_column_type",
        BatchError::UnsupportedOption { .. } => "not_applicable",
        // Batches over HTTP are not compared with previous answers.
        BatchError::UnsuitableKey { .. }
        | BatchError::NotAnswered { .. }
        | BatchError::UnsupportedPrevious { .. }
        | BatchError::PreviousTooLong { .. }
        | BatchError::NoCommunities => "not_applicable",
        BatchError::MissingHeader => "missing_header_row",
        BatchError::HeaderBelow { .. } => "header_row_below",
        BatchError::TooFewLines { .. } => "too_few_lines",
        BatchError::CarriageReturns => "carriage_returns",
        BatchError::AmbiguousDelimiter { .. } => "ambiguous_delimiter",
        BatchError::DuplicateColumn { .. } => "duplicate_column_name",
        BatchError::OutputColumnExists { .. } => "column_exists",
        BatchError::MissingColumn { .. } => "missing_column",
        BatchError::ColumnNotFound { .. } => "column_not_found",
        BatchError::AmbiguousColumn { .. } => "ambiguous_column",
        BatchError::AmbiguousLocation => "ambiguous_location",
        BatchError::Tabular(tabular_error) => tabular_error_code(tabular_error),
    }
}

fn tabular_error_code(tabular_error: &TabularError) -> &'static str {
    match tabular_error {
        TabularError::Unreadable { .. } | TabularError::Corrupt { .. } => "invalid_file",
        TabularError::InSheet { .. } => "invalid_file",
        TabularError::SheetTooLong | TabularError::SheetTooLarge => "output_too_large",
        TabularError::TooManyColumns => "too_many_columns",
        TabularError::RowTooLong { .. } => "row_too_long",
        TabularError::UnterminatedQuote { .. } => "unclosed_quote",
        TabularError::LimitExceeded(
            ExceededLimit::RecordBatchRows(_) | ExceededLimit::RecordBatchBytes(_),
        ) => "record_batch_too_large",
        TabularError::LimitExceeded(ExceededLimit::DictionaryBytes(_)) => "dictionaries_too_large",
        TabularError::LimitExceeded(ExceededLimit::MetadataBytes(_)) => "metadata_too_large",
        TabularError::LimitExceeded(ExceededLimit::ZstdWindow(_)) => "zstd_window_too_large",
        TabularError::LimitExceeded(
            ExceededLimit::WorkbookBytes(_) | ExceededLimit::SharedStrings(_),
        ) => "workbook_too_large",
        TabularError::LimitExceeded(ExceededLimit::DecompressionRatio) => "decompression_ratio",
        TabularError::LimitExceeded(ExceededLimit::AnswerRatio) => "output_too_large",
        TabularError::Read(error) => match abort_reason(error) {
            Some(StreamAborted::TooLarge) => "too_large",
            Some(StreamAborted::Disconnected) => "incomplete_upload",
            Some(StreamAborted::DownloadClosed) => "not_downloaded",
            Some(StreamAborted::TimedOut) => "timed_out",
            None => "decompression_failed",
        },
        TabularError::Write(_) => "not_downloaded",
    }
}

fn message(error: &BatchError) -> String {
    let text = match error {
        BatchError::MissingColumn { role, .. } => {
            let columns = Vec::new();
            let error = BatchError::MissingColumn {
                role: *role,
                columns,
            };
            options_as_parameters(&error.to_string())
        }
        // Column names come from the request or from the input file, so they are not repeated.
        BatchError::ColumnNotFound { role, .. } => {
            format!("{}: no column has that name", parameter(*role))
        }
        BatchError::AmbiguousColumn { role, .. } => format!(
            "several columns may contain the {}: specify one with {}",
            role.as_str(),
            parameter(*role)
        ),
        BatchError::NoSuchSheet { .. } => "sheet: no sheet has that name or number".to_string(),
        // The name of the sheet comes from the input file, so it is not repeated.
        BatchError::Tabular(TabularError::InSheet { place, what, .. }) => match place.as_str() {
            "" => format!("the sheet: {what}"),
            place => format!("the sheet, {place}: {what}"),
        },
        BatchError::HasMacros => {
            "it has macros: request format=xlsm to keep them, or save the workbook as .xlsx"
                .to_string()
        }
        BatchError::HasNoMacros => "it has no macros: request format=xlsx".to_string(),
        // The cause may contain column names or values, so it is not repeated.
        BatchError::Tabular(TabularError::Corrupt { format, .. }) => {
            format!("it cannot be read as {format}: it is corrupt")
        }
        _ => options_as_parameters(&error.to_string()),
    };
    // On the command line, the message follows the name of the file.
    match (text.strip_prefix("it "), text.strip_prefix("its ")) {
        (Some(rest), _) => format!("the input file {rest}"),
        (_, Some(rest)) => format!("the input file's {rest}"),
        _ => text,
    }
}

fn parameter(role: ColumnRole) -> String {
    options_as_parameters(role.argument())
}

#[cfg(test)]
mod tests {
    use super::*;
    use catchment_batch::BatchFormat;

    #[test]
    fn options_are_named_as_parameters() {
        let error = BatchError::MissingColumn {
            role: ColumnRole::Postcode,
            columns: Vec::new(),
        };
        let detail = message(&error);
        assert!(
            detail.contains(
                "specify it with postcode_column, or use lon_column and lat_column, easting_column"
            ),
            "{detail}"
        );
        assert!(message(&BatchError::Empty).starts_with("the input file is empty"));
        let two_locations = message(&BatchError::AmbiguousLocation);
        assert!(
            two_locations.contains("lon_column and lat_column, easting_column and"),
            "{two_locations}"
        );
        assert!(!two_locations.contains("--"), "{two_locations}");
    }

    #[test]
    fn every_limit_has_its_own_code_and_status() {
        let describe = |limit| {
            let problem = to_problem(&TabularError::LimitExceeded(limit).into(), 1);
            format!(
                "{} {}: {}",
                problem.status().as_u16(),
                problem.code(),
                problem.detail()
            )
        };
        assert_eq!(
            describe(ExceededLimit::DictionaryBytes(8)),
            "413 dictionaries_too_large: the input file's dictionaries are larger than 8 bytes: write the columns without dictionaries"
        );
        assert_eq!(
            describe(ExceededLimit::RecordBatchRows(9)),
            "413 record_batch_too_large: the input file has a record batch of more than 9 rows: write smaller record batches"
        );
        assert!(
            describe(ExceededLimit::DecompressionRatio).starts_with("413 decompression_ratio: ")
        );
        assert!(
            describe(ExceededLimit::AnswerRatio)
                .starts_with("413 output_too_large: the input file's output")
        );
    }

    #[test]
    fn column_names_are_not_echoed() {
        let names = vec!["Zq7Mark".to_string()];
        let role = ColumnRole::Practice;
        for error in [
            BatchError::ColumnNotFound {
                role,
                name: names[0].clone(),
            },
            BatchError::Tabular(TabularError::Corrupt {
                format: BatchFormat::Arrow,
                cause: names[0].clone(),
            }),
            BatchError::MissingColumn {
                role,
                columns: names.clone(),
            },
            BatchError::AmbiguousColumn { role, names },
        ] {
            assert!(!message(&error).contains("Zq7"), "{}", message(&error));
        }
    }
}
