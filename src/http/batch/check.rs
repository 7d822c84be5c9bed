//! The dry run (`check`): the detected format and columns, and the first output rows.

use serde_json::{Value, json};

use crate::wire::summary::dataset_json;
use catchment_batch::{
    BatchFormat, BatchRequest, Compression, Delimiter, DetectedFormat, LocationColumns,
    OutputColumn, parse_records,
};
use catchment_core::index::Index;

/// The number of rows in a preview.
pub(super) const PREVIEW_ROWS: usize = 5;

/// Returns the response body of a dry run. The preview of the first rows contains only the columns
/// that are read and the columns that are added.
pub(super) fn body(
    detected: &DetectedFormat,
    request: &BatchRequest,
    index: &Index,
    rows: &[u8],
) -> Value {
    let roles = detected.column_mapping.columns();
    let read: Vec<Value> = roles
        .iter()
        .map(|&(role, index)| {
            let parameter = role.argument().trim_start_matches('-').replace('-', "_");
            json!({ "role": role.as_str(), "parameter": parameter, "column": detected.columns[index], "number": index + 1 })
        })
        .collect();
    let added: Vec<String> = request
        .output_columns
        .iter()
        .map(OutputColumn::to_string)
        .collect();
    let read_columns = roles
        .iter()
        .map(|&(_, index)| detected.columns[index].clone());
    let preview_columns: Vec<String> = read_columns.chain(added.iter().cloned()).collect();
    let indices: Vec<usize> = roles.iter().map(|&(_, index)| index).collect();
    let rows = match (detected.format, detected.delimiter) {
        (BatchFormat::Ndjson, _) => ndjson_cells(rows, &preview_columns),
        (_, Some(delimiter)) => {
            let records = parse_records(rows, delimiter);
            let rows = records.into_iter().skip(usize::from(detected.has_header));
            rows.map(|row| preview_cells(&row, &indices, added.len()))
                .collect()
        }
        // The preview of Arrow streams and workbooks is CSV, and contains only the columns that are
        // read or added.
        (_, None) => parse_records(rows, Delimiter::COMMA).split_off(1),
    };
    let mut body = json!({
        "format": format_word(detected.format),
        "delimiter": detected.delimiter.map(|delimiter| delimiter.to_string()),
        "compression": match detected.compression { Compression::None => None, codec => Some(codec.to_string()) },
        "byte_order_mark": detected.has_byte_order_mark,
        "line_ending": detected.line_ending.map(|ending| ending.to_string()),
        "header": detected.has_header,
        "lines_above_header": detected.lines_above_header,
        "columns": detected.columns,
        "read": read,
        "has_residence": detected.column_mapping.location != LocationColumns::None,
        "has_registration": detected.column_mapping.practice.is_some(),
        "added": added,
        "as_of": request.as_of.to_string(),
        "dataset": dataset_json(index),
        "preview_columns": preview_columns,
        "rows": rows,
    });
    if let Some(sheet) = &detected.sheet {
        body["sheet"] = json!(sheet);
    }
    body
}

fn format_word(format: BatchFormat) -> String {
    match format {
        BatchFormat::Xlsx => "xlsx".to_string(),
        BatchFormat::Xlsm => "xlsm".to_string(),
        format => format.to_string().to_lowercase(),
    }
}

/// Returns the cells of the columns that are read, and the cells of the added columns, which are
/// the last columns of the row.
fn preview_cells(row: &[String], read_columns: &[usize], added_count: usize) -> Vec<String> {
    let cell = |index: usize| row.get(index).cloned().unwrap_or_default();
    let first_added = row.len().saturating_sub(added_count);
    let added = (first_added..row.len()).map(cell);
    read_columns
        .iter()
        .map(|&read_column| cell(read_column))
        .chain(added)
        .collect()
}

fn ndjson_cells(rows: &[u8], columns: &[String]) -> Vec<Vec<String>> {
    let lines = rows.split(|&byte| byte == b'\n');
    let objects = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    let text = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values
            .iter()
            .map(|value| value.as_str().map_or(value.to_string(), str::to_string))
            .collect::<Vec<_>>()
            .join(";"),
        other => other.to_string(),
    };
    objects
        .map(|object| columns.iter().map(|name| text(&object[name])).collect())
        .collect()
}
