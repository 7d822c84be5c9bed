//! Reads the answers of a previous run: an output file in CSV, TSV or NDJSON.

use std::borrow::Cow;
use std::io::Read;

use super::bad_rows::LineCounter;
use super::column_mapping::{
    ColumnMapping, ColumnOverrides, ColumnRole, KeyColumn, LocationColumns,
};
use super::columns::{AreaText, NamePattern, OutputColumn, PracticeFact};
use super::context::BatchContext;
use super::input::{BatchInput, InputBody};
use super::input_format::DetectedFormat;
use super::layout::BAD_ROW;
use super::previous_answers::{
    PreviousAnswers, PreviousCollector, PreviousRow, is_in_directory, key_hash, location_hash,
    practice_hash, responsible_hash, rows_max,
};
use super::row_parser::RowParser;
use super::{BatchError, BatchRequest, HeaderOptions, WorkbookOptions, map_exceeded_limit};
use crate::tabular::blocks::RowBlock;
use crate::tabular::cell_format::CellFormat;
use crate::tabular::delimiter::Delimiter;
use crate::tabular::fields::{field_ends, field_range, split_line_ending, unquote};
use crate::tabular::file_format::BatchFormat;
use crate::tabular::ndjson::member_texts;
use catchment_core::index::Index;

/// Reads the answers of a previous run, with which the rows of an input file are compared.
/// `detected` contains the detected properties of the input file, whose columns must also be in the
/// answers.
///
/// # Errors
/// If the file cannot be read, is not in CSV, TSV or NDJSON, lacks a column, or has too many rows
/// for the available memory.
pub fn read_previous<R: Read>(
    source: R,
    index: &Index,
    request: &BatchRequest,
    detected: &DetectedFormat,
) -> Result<PreviousAnswers, BatchError> {
    map_exceeded_limit(read(source, index, request, detected))
}

fn read<R: Read>(
    source: R,
    index: &Index,
    request: &BatchRequest,
    detected: &DetectedFormat,
) -> Result<PreviousAnswers, BatchError> {
    let request = BatchRequest {
        format: None,
        delimiter: None,
        header: HeaderOptions::default(),
        column_overrides: overrides(request, detected),
        output_columns: Vec::new(),
        workbook: WorkbookOptions::default(),
        previous: None,
        ..request.clone()
    };
    let input = BatchInput::open(source, &request).map_err(|error| match error {
        BatchError::NeedsFile => BatchError::UnsupportedPrevious {
            format: BatchFormat::Parquet,
        },
        other => other,
    })?;
    let format = input.detected.format;
    let InputBody::Text(mut text) = input.body else {
        return Err(BatchError::UnsupportedPrevious { format });
    };
    let detected = input.detected;
    let columns = AnswerColumns::find(&detected, index)?;
    let context = BatchContext::new(index, &detected, &request, CellFormat::Json);
    let mut parser = RowParser::new(&context);
    let reader = RowReader {
        delimiter: detected.delimiter,
        width: detected.columns.len(),
        read_names: columns
            .read
            .iter()
            .map(|&column| detected.columns[column].clone())
            .collect(),
        has_single_quotes: detected.has_single_quotes,
        columns,
        mapping: detected.column_mapping.of_read_columns(),
    };
    let rows_max = rows_max();
    let mut collector = PreviousCollector::default();
    let mut block = RowBlock::default();
    while text.blocks.next(&mut block)? {
        let mut lines = LineCounter::new(&block.bytes, block.first_line);
        let mut start = 0;
        let count = block.rows.len();
        for (index, row) in block.rows.iter().enumerate() {
            let (bytes, _) = split_line_ending(&block.bytes[start..row.end]);
            let line = lines.line_at(start);
            start = row.end;
            let is_trailing = count - index <= block.trailing_blanks;
            if is_trailing || detected.delimiter.is_none() && bytes.trim_ascii().is_empty() {
                continue;
            }
            reader.read(bytes, row.has_quotes, line, &mut parser, &mut collector);
        }
        if collector.held() > rows_max {
            return Err(BatchError::PreviousTooLong { rows_max });
        }
    }
    let key = detected
        .column_mapping
        .key
        .map(|column| detected.columns[column].clone());
    let has_practices = reader.columns.responsible.is_some();
    Ok(collector.finish(key.unwrap_or_default(), has_practices))
}

/// Specifies the columns that were found in the input, so that the same columns are read from the
/// answers.
fn overrides(request: &BatchRequest, detected: &DetectedFormat) -> ColumnOverrides {
    let mapping = &detected.column_mapping;
    let mut overrides = ColumnOverrides {
        registration_only: mapping.location == LocationColumns::None,
        statistical_layers: request.column_overrides.statistical_layers.clone(),
        ..ColumnOverrides::default()
    };
    if let LocationColumns::StatisticalArea(_, layer) = mapping.location {
        overrides.statistical_layer = layer;
    }
    for (role, column) in mapping.columns() {
        let name = Some(detected.columns[column].clone());
        match role {
            ColumnRole::Postcode => overrides.postcode = name,
            ColumnRole::Practice => overrides.practice = name,
            ColumnRole::Longitude => overrides.longitude = name,
            ColumnRole::Latitude => overrides.latitude = name,
            ColumnRole::Easting => overrides.easting = name,
            ColumnRole::Northing => overrides.northing = name,
            ColumnRole::StatisticalArea => overrides.statistical_area = name,
            ColumnRole::Uprn => overrides.uprn = name,
            ColumnRole::Key => overrides.key = name.map(KeyColumn::Named),
            // The date of a row is not needed, because only the answers are compared.
            ColumnRole::AsOf => {}
        }
    }
    overrides
}

/// The columns of the answers that are read.
struct AnswerColumns {
    /// The indices of all columns that are read, beginning with the columns of the input.
    read: Vec<usize>,
    // The positions in `read`.
    status: usize,
    residence: Option<usize>,
    registration: Option<usize>,
    responsible: Option<usize>,
}

impl AnswerColumns {
    /// Finds the columns.
    ///
    /// # Errors
    /// If a column that is in every output is missing.
    fn find(detected: &DetectedFormat, index: &Index) -> Result<AnswerColumns, BatchError> {
        let mapping = &detected.column_mapping;
        let columns = mapping.columns().into_iter();
        let mut read: Vec<usize> = columns.map(|(_, column)| column).collect();
        let mut find = |column: OutputColumn| {
            let name = column.to_string();
            let mut names = detected.columns.iter();
            let Some(column) = names.position(|known| *known == name) else {
                return Err(BatchError::NotAnswered { column: name });
            };
            read.push(column);
            Ok(read.len() - 1)
        };
        let status = find(OutputColumn::Status)?;
        let main = index.manifest().main_community_layer();
        let main = main.ok_or(BatchError::NoCommunities)?;
        let (id, pattern) = (AreaText::Id, NamePattern::MainCommunity);
        let residence = match mapping.location {
            LocationColumns::None => None,
            _ => Some(find(OutputColumn::Residence(main, id, pattern))?),
        };
        let registration = match mapping.practice {
            None => None,
            Some(_) => Some(find(OutputColumn::Registration(main, id, pattern))?),
        };
        let responsible = find(OutputColumn::Practice(PracticeFact::Code)).ok();
        Ok(AnswerColumns {
            status,
            residence,
            registration,
            responsible,
            read,
        })
    }
}

/// A reader of the rows of the answers.
struct RowReader {
    /// The delimiter, or `None` in NDJSON.
    delimiter: Option<Delimiter>,
    /// The number of fields in each row.
    width: usize,
    has_single_quotes: bool,
    columns: AnswerColumns,
    /// The names of the columns that are read.
    read_names: Vec<String>,
    /// The positions of the input's columns among the columns that are read.
    mapping: ColumnMapping,
}

impl RowReader {
    /// Reads a row and adds it to the collector.
    fn read(
        &self,
        row: &[u8],
        has_quotes: bool,
        line: u64,
        parser: &mut RowParser<'_>,
        collector: &mut PreviousCollector,
    ) {
        let Some(texts) = self.texts(row, has_quotes) else {
            return collector.add_bad_row(line);
        };
        let cell = |position: Option<usize>| {
            let text = position.map_or(Cow::Borrowed(&b""[..]), |position| texts[position].clone());
            String::from_utf8_lossy(&text).into_owned()
        };
        let status = cell(Some(self.columns.status));
        let field = |position: usize| texts[position].clone();
        let parsed = match parser.parse(&self.mapping, field) {
            Ok(parsed) if status != BAD_ROW => parsed,
            _ => return collector.add_bad_row(line),
        };
        let Some(key) = parsed.key.as_deref().and_then(key_hash) else {
            return collector.add_without_key(line);
        };
        let residence = collector.number(&cell(self.columns.residence));
        let registration = collector.number(&cell(self.columns.registration));
        collector.add(PreviousRow {
            key,
            location: location_hash(&parsed.location),
            practice: practice_hash(parsed.practice.as_deref().unwrap_or_default()),
            responsible: responsible_hash(&cell(self.columns.responsible)),
            residence,
            registration,
            line: u32::try_from(line).unwrap_or(u32::MAX),
            is_in_directory: is_in_directory(&status),
        });
    }

    /// Returns the values of the columns that are read, or `None` if the row cannot be read.
    fn texts<'r>(&self, row: &'r [u8], has_quotes: bool) -> Option<Vec<Cow<'r, [u8]>>> {
        let Some(delimiter) = self.delimiter else {
            let texts = member_texts(row, &self.read_names).ok()?;
            let texts = texts.into_iter();
            return Some(texts.map(|text| Cow::Owned(text.into_bytes())).collect());
        };
        let mut ends = Vec::new();
        field_ends(row, has_quotes, delimiter, &mut ends);
        if ends.len() != self.width {
            return None;
        }
        let text = |&column: &usize| {
            let field = &row[field_range(&ends, column, delimiter)];
            match field.trim_ascii() {
                [b'\'', inner @ .., b'\''] if self.has_single_quotes => Cow::Borrowed(inner),
                _ => unquote(field),
            }
        };
        Some(self.columns.read.iter().map(text).collect())
    }
}
