//! The dry run (`check`): the detected format and columns, and the first output rows.

use serde_json::{Value, json};

use super::summary::dataset;
use crate::batch::{
    Column, Compression, Delimiter, Format, PlaceColumns, Request, Understood, records,
};
use crate::index::Index;

/// The number of rows in a preview.
pub(super) const ROWS_SHOWN: usize = 5;

/// The response body of a dry run. Of the first rows, it has the columns that are read and those
/// that are added.
pub(super) fn body(list: &Understood, request: &Request, index: &Index, rows: &[u8]) -> Value {
    let roles = list.roles.columns();
    let read: Vec<Value> = roles
        .iter()
        .map(|&(role, at)| {
            let parameter = role.argument().trim_start_matches('-').replace('-', "_");
            json!({ "holds": role.as_str(), "parameter": parameter, "column": list.columns[at], "number": at + 1 })
        })
        .collect();
    let added: Vec<String> = request.columns.iter().map(Column::to_string).collect();
    let named = roles.iter().map(|&(_, at)| list.columns[at].clone());
    let shown: Vec<String> = named.chain(added.iter().cloned()).collect();
    let at: Vec<usize> = roles.iter().map(|&(_, at)| at).collect();
    let rows = match (list.format, list.delimiter) {
        (Format::Ndjson, _) => objects(rows, &shown),
        (_, Some(delimiter)) => {
            let records = records(rows, delimiter);
            let rows = records.into_iter().skip(1);
            rows.map(|row| cells(&row, &at, added.len())).collect()
        }
        // The preview of Arrow input is CSV, and has only the columns that are read and added.
        (_, None) => records(rows, Delimiter::COMMA).split_off(1),
    };
    json!({
        "format": list.format.to_string().to_lowercase(),
        "delimiter": list.delimiter.map(|it| it.to_string()),
        "compression": match list.compression { Compression::None => None, packed => Some(packed.to_string()) },
        "byte_order_mark": list.has_byte_order_mark,
        "line_ending": list.line_ending.map(|it| it.to_string()),
        "columns": list.columns,
        "read": read,
        "has_residence": list.roles.place != PlaceColumns::None,
        "has_registration": list.roles.practice.is_some(),
        "added": added,
        "as_of": request.as_of.to_string(),
        "dataset": dataset(index),
        "shown": shown,
        "rows": rows,
    })
}

/// Selects the columns that are read, and the added columns, which are the last ones of the row.
fn cells(row: &[String], read: &[usize], ours: usize) -> Vec<String> {
    let cell = |at: usize| row.get(at).cloned().unwrap_or_default();
    let first_of_ours = row.len().saturating_sub(ours);
    let ours = (first_of_ours..row.len()).map(cell);
    read.iter().map(|&at| cell(at)).chain(ours).collect()
}

fn objects(rows: &[u8], shown: &[String]) -> Vec<Vec<String>> {
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
        .map(|object| shown.iter().map(|name| text(&object[name])).collect())
        .collect()
}
