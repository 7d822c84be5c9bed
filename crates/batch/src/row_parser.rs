//! Parses the fields of a row that the look-up needs. The row may come from CSV, NDJSON or columns.

use std::borrow::Cow;

use super::cache::AnswerKey;
use super::column_mapping::{ColumnMapping, LocationColumns};
use super::context::BatchContext;
use super::days::{DayParser, InternedDay};
use super::residence_cache::cache_key;
use super::row_location::RowLocation;
use catchment_core::domain::{
    InvalidStatisticalAreaCode, Layer, Postcode, StatisticalAreaCode, StatisticalAreaLocator,
};
use catchment_core::index::Index;
use catchment_core::request::{LOCATE_PARAMS, LocateRequest, RequestParams};

/// A row of the input that has been read but not looked up.
pub(super) struct InputRow<'r> {
    /// The text of the row without its line ending, and the line ending. Both are empty in columnar
    /// input.
    pub(super) text: &'r [u8],
    pub(super) ending: &'r [u8],
    /// The offset of the row in its block. In columnar input, the index of the row in its batch.
    pub(super) position: usize,
    pub(super) content: RowContent<'r>,
}

/// The result of parsing a row.
pub(super) enum RowContent<'r> {
    Parsed(ParsedRow<'r>),
    /// A bad row, with the reason.
    Bad(String),
    /// A blank line, which is not a row.
    Blank,
}

impl<'r> From<Result<ParsedRow<'r>, String>> for RowContent<'r> {
    fn from(result: Result<ParsedRow<'r>, String>) -> RowContent<'r> {
        match result {
            Ok(row) => RowContent::Parsed(row),
            Err(reason) => RowContent::Bad(reason),
        }
    }
}

/// The look-up that a row requests.
pub(super) struct ParsedRow<'r> {
    pub(super) location: RowLocation,
    /// The practice code, or `None` if the input has no practice column.
    pub(super) practice: Option<Cow<'r, [u8]>>,
    pub(super) day: InternedDay,
    /// The key of the row, if rows are compared with the answers of a previous run.
    pub(super) key: Option<Cow<'r, [u8]>>,
    /// The key under which the residence cells are cached.
    pub(super) cache_key: Option<AnswerKey>,
    /// The id of the residence cells, if these cells were cached when the group was looked up.
    pub(super) cached_id: Option<u32>,
}

/// The parser of one thread.
pub(super) struct RowParser<'s> {
    index: &'s Index,
    days: DayParser<'s>,
    /// Whether the suggestion for a malformed postcode is among the output columns.
    has_suggestion: bool,
}

impl<'s> RowParser<'s> {
    pub(super) fn new(context: &'s BatchContext<'_>) -> RowParser<'s> {
        RowParser {
            index: context.index,
            days: DayParser::new(&context.day_ids, context.as_of),
            has_suggestion: context.layout.has_suggestion,
        }
    }

    /// Parses a row. `field` returns the content of a field, and is called at most once for each
    /// column of the mapping. The error is the reason why the row is bad.
    pub(super) fn parse<'r>(
        &mut self,
        mapping: &ColumnMapping,
        mut field: impl FnMut(usize) -> Cow<'r, [u8]>,
    ) -> Result<ParsedRow<'r>, String> {
        let location = match mapping.location {
            LocationColumns::Postcode(index) => parse_postcode(&field(index)),
            LocationColumns::LonLat(lon, lat) => {
                parse_position(["lon", "lat"], [&field(lon), &field(lat)])
            }
            LocationColumns::Grid(easting, northing) => {
                parse_position(["easting", "northing"], [&field(easting), &field(northing)])
            }
            LocationColumns::StatisticalArea(index, layer) => {
                parse_statistical_area(layer, &field(index))
            }
            LocationColumns::Uprn(index) => {
                RowLocation::Uprn(String::from_utf8_lossy(&field(index)).parse())
            }
            LocationColumns::None => RowLocation::Absent,
        };
        let practice = mapping.practice.map(&mut field);
        let key = mapping.key.map(&mut field);
        let day = self.days.parse(mapping.as_of.map(field).as_deref())?;
        Ok(ParsedRow {
            cache_key: cache_key(self.index, &location, day, self.has_suggestion),
            cached_id: None,
            location,
            practice,
            day,
            key,
        })
    }
}

fn parse_postcode(text: &[u8]) -> RowLocation {
    RowLocation::Postcode(match std::str::from_utf8(text) {
        Ok(text) => text.parse::<Postcode>(),
        // A replacement character results in an error, because no postcode contains it.
        Err(_) => String::from_utf8_lossy(text).parse(),
    })
}

/// Parses the code of a statistical area.
fn parse_statistical_area(layer: Option<Layer>, text: &[u8]) -> RowLocation {
    let text = std::str::from_utf8(text).map_err(|_| InvalidStatisticalAreaCode::Malformed);
    let code = text.and_then(str::parse::<StatisticalAreaCode>);
    RowLocation::StatisticalArea(code.map(|code| StatisticalAreaLocator { layer, code }))
}

/// Parses the coordinates of a row by the same rules as in a single look-up. If either coordinate
/// is empty, the position is missing.
fn parse_position(names: [&str; 2], texts: [&[u8]; 2]) -> RowLocation {
    let texts = texts.map(|text| String::from_utf8_lossy(text).trim().to_string());
    if texts.iter().any(String::is_empty) {
        return RowLocation::Position(Err("missing"));
    }
    let pairs = names.map(str::to_string).into_iter().zip(texts);
    let request = RequestParams::new(pairs, LOCATE_PARAMS)
        .and_then(|params| LocateRequest::from_params(&params));
    let locator =
        request.map(|request| request.query.locator.expect("the request has coordinates"));
    RowLocation::from_position(locator)
}
