//! Batch errors as problem responses. They never repeat text from the input file.

use super::super::problem::Problem;
use super::stream::{Cut, cut};
use crate::batch::{BatchError, Excess, Role};

/// Converts a batch error to a problem. `bytes_max` is the limit on the request body.
pub(super) fn problem(fault: &BatchError, bytes_max: u64) -> Problem {
    match fault {
        BatchError::Read(error) => match cut(error) {
            Some(Cut::TooLong) => Problem::too_large(bytes_max),
            Some(Cut::Broken) => {
                Problem::bad_request("malformed", "the request body was truncated")
            }
            Some(Cut::Unwanted) => not_taken(),
            Some(Cut::GivenUp) => Problem::timed_out(),
            None => Problem::unusable(
                "decompression_failed",
                "the input file could not be decompressed to its end; check that it is complete",
            ),
        },
        BatchError::Write(_) => not_taken(),
        BatchError::NotAList { .. } => Problem::not_a_list(words(fault)),
        BatchError::TooMuch(_) => Problem::too_much(code(fault), words(fault)),
        _ => Problem::unusable(code(fault), words(fault)),
    }
}

fn not_taken() -> Problem {
    Problem::conflict(
        "not_downloaded",
        "the client closed the download before the output was complete",
    )
}

/// The stable error code of a batch error.
pub(super) fn code(fault: &BatchError) -> &'static str {
    match fault {
        BatchError::Empty => "empty",
        BatchError::NoRows => "no_rows",
        BatchError::NotAList { .. } => "unsupported_file",
        BatchError::NeedsFile => "needs_file",
        BatchError::Unsound { .. } | BatchError::Damaged { .. } => "invalid_file",
        BatchError::WrongType { .. } => "wrong_column_type",
        BatchError::NotThere { .. } => "not_applicable",
        BatchError::NoNames => "missing_header_row",
        BatchError::CarriageReturns => "carriage_returns",
        BatchError::TwoDelimiters { .. } => "ambiguous_delimiter",
        BatchError::SameName { .. } => "duplicate_column_name",
        BatchError::AlreadyThere { .. } => "column_exists",
        BatchError::TooManyColumns => "too_many_columns",
        BatchError::NoColumn { .. } => "missing_column",
        BatchError::NoSuchColumn { .. } => "column_not_found",
        BatchError::SeveralColumns { .. } => "ambiguous_column",
        BatchError::TwoPlaces => "ambiguous_location",
        BatchError::RowTooLong { .. } => "row_too_long",
        BatchError::OpenQuote { .. } => "unclosed_quote",
        BatchError::TooMuch(Excess::RecordBatchRows(_) | Excess::RecordBatchBytes(_)) => {
            "record_batch_too_large"
        }
        BatchError::TooMuch(Excess::DictionaryBytes(_)) => "dictionaries_too_large",
        BatchError::TooMuch(Excess::MetadataBytes(_)) => "metadata_too_large",
        BatchError::TooMuch(Excess::ZstdWindow(_)) => "zstd_window_too_large",
        BatchError::TooMuch(Excess::DecompressionRatio) => "decompression_ratio",
        BatchError::TooMuch(Excess::AnswerRatio) => "output_too_large",
        BatchError::Read(error) => match cut(error) {
            Some(Cut::TooLong) => "too_large",
            Some(Cut::Broken) => "incomplete_upload",
            Some(Cut::Unwanted) => "not_downloaded",
            Some(Cut::GivenUp) => "timed_out",
            None => "decompression_failed",
        },
        BatchError::Write(_) => "not_downloaded",
    }
}

fn words(fault: &BatchError) -> String {
    let text = match fault {
        // The names of columns come from the request or from the input file.
        BatchError::NoSuchColumn { role, .. } => {
            format!("{}: no column has that name", parameter(*role))
        }
        BatchError::SeveralColumns { role, .. } => format!(
            "several columns may hold the {}: specify one with {}",
            role.as_str(),
            parameter(*role)
        ),
        // The cause may contain column names or values.
        BatchError::Damaged { format, .. } => {
            format!("it cannot be read as {format}: it is corrupt")
        }
        _ => with_parameters(&fault.to_string()),
    };
    // On the command line, the message follows the name of the file.
    match (text.strip_prefix("it "), text.strip_prefix("its ")) {
        (Some(rest), _) => format!("the input file {rest}"),
        (_, Some(rest)) => format!("the input file's {rest}"),
        _ => text,
    }
}

fn parameter(role: Role) -> String {
    with_parameters(role.argument())
}

/// Replaces command-line options with the parameters of the API: `--lon-column` with `lon_column`.
fn with_parameters(text: &str) -> String {
    let mut parts = text.split("--");
    let mut renamed = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let end = part.find(|it: char| !it.is_ascii_lowercase() && it != '-');
        let (name, rest) = part.split_at(end.unwrap_or(part.len()));
        renamed.push_str(&name.replace('-', "_"));
        renamed.push_str(rest);
    }
    renamed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Format;

    #[test]
    fn arguments_are_called_as_the_parameters_are() {
        let fault = BatchError::NoColumn {
            role: Role::Postcode,
        };
        let detail = words(&fault);
        assert!(detail.contains("name it with postcode_column (or the coordinates, or registration_only; and delimiter if"), "{detail}");
        assert!(words(&BatchError::Empty).starts_with("the input file is empty"));
        let twice = words(&BatchError::TwoPlaces);
        assert!(
            twice.contains("lon_column and lat_column, or easting_column"),
            "{twice}"
        );
        assert!(!twice.contains("--"), "{twice}");
    }

    #[test]
    fn limits_have_a_code_and_a_status_of_their_own() {
        let of = |excess| {
            let problem = problem(&BatchError::TooMuch(excess), 1);
            format!(
                "{} {}: {}",
                problem.status().as_u16(),
                problem.code(),
                problem.detail()
            )
        };
        assert_eq!(
            of(Excess::DictionaryBytes(8)),
            "413 dictionaries_too_large: the input file's dictionaries have more than 8 bytes: write the columns without dictionaries"
        );
        assert_eq!(
            of(Excess::RecordBatchRows(9)),
            "413 record_batch_too_large: the input file has a record batch of more than 9 rows: write smaller record batches"
        );
        assert!(of(Excess::DecompressionRatio).starts_with("413 decompression_ratio: "));
        assert!(
            of(Excess::AnswerRatio).starts_with("413 output_too_large: the input file's answers")
        );
    }

    #[test]
    fn names_are_not_repeated() {
        let names = vec!["Zq7Mark".to_string()];
        let role = Role::Practice;
        for fault in [
            BatchError::NoSuchColumn {
                role,
                name: names[0].clone(),
            },
            BatchError::Damaged {
                format: Format::Arrow,
                cause: names[0].clone(),
            },
            BatchError::SeveralColumns { role, names },
        ] {
            assert!(!words(&fault).contains("Zq7"), "{}", words(&fault));
        }
    }
}
