//! Look-up tables: for every postcode, and for every practice code, the results that depend only on
//! that code, each with its period of validity. A data warehouse can join these tables without
//! calling the service.

mod areas;
mod rows;
mod table;

use std::collections::{BTreeSet, HashMap};
use std::io::Write;
use std::num::NonZeroUsize;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use jiff::civil::{Date, date};

use self::rows::{LookupRow, LookupRows};
use self::table::write_table;
use super::columnar::output_field;
use super::columns::{PREFIX, layer_word};
use super::progress::BatchProgress;
use crate::tabular::cell_format::write_cell;
use crate::tabular::error::TabularError;
use catchment_core::domain::{OdsCode, Postcode};
use catchment_core::index::Index;

pub use self::areas::write_areas_of;
pub use self::table::TableFormat;

/// The pseudo postcodes: no fixed abode, and address not known (NHS Data Dictionary).
const PSEUDO_POSTCODES: [&str; 2] = ["ZZ99 3VZ", "ZZ99 3WZ"];

/// Writes the look-up table of postcodes.
///
/// The table has a row for every postcode (live and terminated postcodes, `ZZ99 3VZ` and
/// `ZZ99 3WZ`) and every period in which its results do not change. The columns are `postcode`,
/// `valid_from` (inclusive) and `valid_to` (exclusive), followed by the batch columns that depend
/// only on the postcode. A date is null if the period has no start or no end. Rows are sorted by
/// postcode and then by period. The output bytes do not depend on the number of threads.
///
/// # Errors
/// If `output` cannot be written.
pub fn write_postcodes<W: Write + Send>(
    index: &Index,
    format: TableFormat,
    output: &mut W,
    threads: NonZeroUsize,
    progress: &BatchProgress,
) -> Result<(), TabularError> {
    let lookup_rows = LookupRows::for_postcodes(index);
    let schema = schema(index, "postcode", &lookup_rows, "residence");
    let changes = index.change_dates();
    let pseudo_postcodes: [Postcode; 2] =
        PSEUDO_POSTCODES.map(|text| text.parse().expect("well-formed"));
    let keys = index.postcodes().map(|entry| entry.postcode);
    // ZZ99 sorts after all other postcodes.
    let keys = keys.chain(pseudo_postcodes);
    let emit_key = |postcode: &Postcode, emit: &mut dyn FnMut(&[u8])| {
        let row_on = |day| lookup_rows.postcode_row(*postcode, day);
        let key = postcode.to_string();
        emit_rows(index, &key, &changes.for_postcode(*postcode), row_on, emit);
    };
    write_table(&schema, keys, emit_key, format, output, threads, progress)
}

/// Writes the look-up table of practice codes. The table has the same structure as the table that
/// [`write_postcodes`] writes.
///
/// The table contains the codes of practices, of branch surgeries in the directory, of practices
/// outside the area of the dataset, of other prescribers (without registered patients), and
/// `V81997`, `V81998` and `V81999`. The columns are `practice_code`, `valid_from` and `valid_to`,
/// followed by the batch columns that depend only on the practice.
///
/// # Errors
/// If `output` cannot be written.
pub fn write_practices<W: Write + Send>(
    index: &Index,
    format: TableFormat,
    output: &mut W,
    threads: NonZeroUsize,
    progress: &BatchProgress,
) -> Result<(), TabularError> {
    let lookup_rows = LookupRows::for_practices(index);
    let schema = schema(index, "practice_code", &lookup_rows, "registration");
    let changes = index.change_dates();
    let codes = index.practice_codes();
    let emit_key = |code: &OdsCode, emit: &mut dyn FnMut(&[u8])| {
        let row_on = |day| lookup_rows.practice_row(*code, day);
        emit_rows(
            index,
            code.as_str(),
            &changes.for_practice(*code),
            row_on,
            emit,
        );
    };
    let codes = codes.into_iter();
    write_table(&schema, codes, emit_key, format, output, threads, progress)
}

/// Returns the schema of a table whose key column has the name `key`.
fn schema(index: &Index, key: &str, lookup_rows: &LookupRows<'_>, part: &str) -> SchemaRef {
    let text = |name: String| Field::new(name, DataType::Utf8, true);
    let mut fields = vec![
        Field::new(key, DataType::Utf8, false),
        Field::new("valid_from", DataType::Date32, true),
        Field::new("valid_to", DataType::Date32, true),
    ];
    fields.extend(
        lookup_rows
            .columns()
            .iter()
            .map(|column| output_field(*column)),
    );
    fields.push(text(format!("{PREFIX}{part}_reason")));
    let groups = index.manifest().group_layer();
    let groups = groups.map_or("group".into(), layer_word);
    fields.push(text(format!("{PREFIX}{groups}s_{part}_reason")));
    fields.push(text(format!("{PREFIX}dataset_version")));
    Arc::new(Schema::new_with_metadata(fields, metadata(index)))
}

/// Returns the metadata of a table, which identifies its dataset.
fn metadata(index: &Index) -> HashMap<String, String> {
    let manifest = index.manifest();
    let metadata = [
        ("catchment.dataset", manifest.name.as_str()),
        ("catchment.dataset_version", &manifest.version),
        ("catchment.dataset_digest", index.digest()),
        ("catchment.attribution", &manifest.attribution),
    ];
    let metadata = metadata.map(|(name, value)| (name.to_string(), value.to_string()));
    HashMap::from(metadata)
}

/// Passes the rows of a key to `emit`, one for each period.
fn emit_rows(
    index: &Index,
    key: &str,
    days: &BTreeSet<Date>,
    row_on: impl Fn(Date) -> LookupRow,
    emit: &mut dyn FnMut(&[u8]),
) {
    let mut row = Vec::new();
    for (from, to, lookup_row) in periods(days, row_on) {
        row.clear();
        write_cell(&mut row, Some(key.as_bytes()));
        put_day(&mut row, from);
        put_day(&mut row, to);
        lookup_row.append_to(&mut row);
        write_cell(&mut row, Some(index.manifest().version.as_bytes()));
        emit(&row);
    }
}

/// Returns the values of `value_on` with the periods to which they apply, in order. The value
/// changes only on `days`.
fn periods<T: PartialEq>(
    days: &BTreeSet<Date>,
    value_on: impl Fn(Date) -> T,
) -> Vec<(Option<Date>, Option<Date>, T)> {
    // The first value applies to every date before the first of `days`.
    let before = days.first().map(|day| day.yesterday().unwrap_or(*day));
    let first = value_on(before.unwrap_or(date(2000, 1, 1)));
    let mut periods = vec![(None, None, first)];
    for &day in days {
        let value = value_on(day);
        let (_, to, last) = periods.last_mut().expect("at least one period");
        if *last != value {
            *to = Some(day);
            periods.push((Some(day), None, value));
        }
    }
    periods
}

fn put_day(row: &mut Vec<u8>, day: Option<Date>) {
    let since_1970 = day.map(|day| {
        let span = day - date(1970, 1, 1);
        span.get_days().to_le_bytes()
    });
    write_cell(row, since_1970.as_ref().map(<[u8; 4]>::as_slice));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_end_only_where_the_answer_changes() {
        let days = BTreeSet::from([2010, 2015, 2020].map(|year| date(year, 4, 1)));
        let value_on = |day: Date| {
            if day < date(2015, 4, 1) {
                "before"
            } else {
                "after"
            }
        };
        let change = Some(date(2015, 4, 1));
        let expected = [(None, change, "before"), (change, None, "after")];
        assert_eq!(periods(&days, value_on), expected);
        assert_eq!(
            periods(&BTreeSet::new(), value_on),
            [(None, None, "before")]
        );
    }
}
