//! The bodies of successful responses: `{"status":200,"result":…}`.

use axum::response::{IntoResponse, Response};

use super::super::locate::{JSON, NO_STORE};
use crate::wire::json_writer::JsonWriter;

/// Returns a response with a result.
pub(super) fn success(write_result: impl FnOnce(&mut JsonWriter)) -> Response {
    let mut json = JsonWriter::new();
    json.raw("{\"status\":200,\"result\":");
    write_result(&mut json);
    json.raw("}");
    (NO_STORE, JSON, json.into_bytes()).into_response()
}

/// Writes a list, or `null` if it is empty.
pub(super) fn write_list<T>(
    json: &mut JsonWriter,
    items: impl IntoIterator<Item = T>,
    write_item: impl Fn(&mut JsonWriter, T),
) {
    let mut items = items.into_iter().peekable();
    if items.peek().is_none() {
        return json.raw("null");
    }
    json.raw("[");
    json.comma_separated(items, write_item);
    json.raw("]");
}
