//! The tables of a sheet. Each table has a separate part with its range and columns.

use quick_xml::events::Event;

use super::super::error::TabularError;
use super::package::{Package, in_memory};
use super::parts::prefix_of;
use super::positions::CellRange;
use super::unreadable;
use super::xml::{XmlError, XmlEvents, attribute, write_event, write_with_attribute};

/// A table of a sheet.
#[derive(Debug, Clone)]
pub(crate) struct SheetTable {
    pub(crate) range: CellRange,
    pub(crate) has_header: bool,
    pub(crate) has_totals: bool,
    /// Whether the rows of the table come from another source, such as a query. If so, no columns
    /// are added to the table.
    is_connected: bool,
    part: String,
    xml: Vec<u8>,
}

const TABLE: &str = "table";

fn table_error(error: XmlError) -> TabularError {
    match error {
        XmlError::Invalid(what) => {
            unreadable(format!("a table of the sheet cannot be read: {what}"))
        }
        XmlError::Failed(error) => error,
    }
}

impl SheetTable {
    /// Reads the part that describes a table.
    pub(crate) fn read(
        package: &mut Package,
        part: &str,
        bytes_max: u64,
    ) -> Result<SheetTable, TabularError> {
        let xml = package.read_whole(part, bytes_max, TABLE)?;
        let mut events = XmlEvents::new(in_memory(&xml));
        let mut buffer = Vec::new();
        loop {
            let event = events.next(&mut buffer).map_err(table_error)?;
            let (Event::Start(tag) | Event::Empty(tag)) = &event else {
                if matches!(event, Event::Eof) {
                    return Err(unreadable("a table of the sheet has no range"));
                }
                continue;
            };
            let text = |name: &str| attribute(tag, name).map_err(table_error);
            let range = text("ref")?.and_then(|range| CellRange::parse(&range));
            let is_one = |value: Option<std::borrow::Cow<'_, str>>| {
                value.is_some_and(|value| !matches!(&*value, "0" | "false"))
            };
            return Ok(SheetTable {
                range: range.ok_or_else(|| unreadable("a table of the sheet has no range"))?,
                has_header: text("headerRowCount")?.is_none_or(|count| count != "0"),
                has_totals: is_one(text("totalsRowCount")?),
                is_connected: text("tableType")?.is_some_and(|kind| kind != "worksheet"),
                part: part.to_string(),
                xml: xml.clone(),
            });
        }
    }

    /// Returns the name of the part, in lower case, and the part with new columns at its right
    /// edge. Returns `None` if the table does not include the header row, or does not end directly
    /// before the new columns.
    pub(crate) fn extended(
        &self,
        header_row: u32,
        start_column: u32,
        columns: &[String],
    ) -> Result<Option<(String, Vec<u8>)>, TabularError> {
        let ends_there = self.range.last.column + 1 == start_column;
        let is_header = self.has_header && self.range.first.row == header_row;
        if !ends_there || !is_header || self.is_connected {
            return Ok(None);
        }
        let last = start_column + u32::try_from(columns.len()).expect("few columns") - 1;
        let extended = |range: &str| {
            let range = CellRange::parse(range)?;
            Some(range.extended_to(last).to_string())
        };
        let mut events = XmlEvents::new(in_memory(&self.xml));
        let (mut buffer, mut out) = (Vec::new(), Vec::new());
        let (mut depth, mut last_id, mut count) = (0_u32, 0_u32, 0_usize);
        loop {
            let event = events.next(&mut buffer).map_err(table_error)?;
            let is_empty = matches!(event, Event::Empty(_));
            match &event {
                Event::Eof => break,
                Event::Start(tag) | Event::Empty(tag) => {
                    depth += u32::from(!is_empty);
                    let level = depth + u32::from(is_empty);
                    let changed = match (level, tag.local_name().as_ref()) {
                        (1, _) | (2, "autoFilter") => {
                            let range = attribute(tag, "ref").map_err(table_error)?;
                            range.and_then(|range| extended(&range)).map(|r| ("ref", r))
                        }
                        (2, "tableColumns") => {
                            let old = attribute(tag, "count").map_err(table_error)?;
                            let old = old.and_then(|old| old.trim().parse().ok());
                            count = old.unwrap_or(0) + columns.len();
                            Some(("count", count.to_string()))
                        }
                        (3, "tableColumn") => {
                            let id = attribute(tag, "id").map_err(table_error)?;
                            let id = id.and_then(|id| id.trim().parse().ok()).unwrap_or(0);
                            last_id = last_id.max(id);
                            None
                        }
                        _ => None,
                    };
                    if let Some((name, value)) = changed {
                        write_with_attribute(&mut out, tag, is_empty, &[(name, Some(value))]);
                        continue;
                    }
                }
                Event::End(tag) => {
                    if depth == 2 && tag.local_name().as_ref() == "tableColumns" {
                        let prefix = prefix_of(tag.name().as_ref());
                        for (index, name) in columns.iter().enumerate() {
                            let id = last_id as usize + index + 1;
                            // The names of our columns contain no special characters.
                            let column =
                                format!("<{prefix}tableColumn id=\"{id}\" name=\"{name}\"/>");
                            out.extend_from_slice(column.as_bytes());
                        }
                    }
                    depth = depth.saturating_sub(1);
                }
                _ => {}
            }
            write_event(&mut out, &event);
        }
        let is_listed = count > columns.len();
        Ok(is_listed.then(|| (self.part.to_ascii_lowercase(), out)))
    }
}
