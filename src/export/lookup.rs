//! The whole look-up: every answer that depends on a postcode alone, and every one that depends on a
//! practice alone, each with the days for which it holds.

use std::collections::{BTreeSet, HashMap};
use std::io::Write;
use std::num::NonZeroUsize;
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef};
use jiff::civil::{Date, date};

use super::TableFormat;
use super::table::write;
use crate::batch::cells::put_cell;
use crate::batch::columnar::field;
use crate::batch::halves::{Half, Halves};
use crate::batch::{BatchError, PREFIX, Progress};
use crate::domain::{OdsCode, Postcode};
use crate::index::Index;

/// Codes that stand in lists in place of a postcode (NHS Data Dictionary).
const IN_PLACE_OF_A_POSTCODE: [&str; 2] = ["ZZ99 3VZ", "ZZ99 3WZ"];
/// Codes that stand in lists in place of a practice's (NHS Data Dictionary).
const IN_PLACE_OF_A_PRACTICE: [&str; 3] = ["V81997", "V81998", "V81999"];

/// Writes a row for every postcode of the directory, live and terminated, and for `ZZ99 3VZ` and
/// `ZZ99 3WZ`, and every period in which the answer to it stays the same: `postcode`, `valid_from` and
/// `valid_to` (half-open; none where there is no bound), then the columns of a list that depend on the
/// postcode alone. In order of postcode, then of time; the same bytes on any number of threads.
///
/// # Errors
/// When it cannot be written.
pub fn postcodes<W: Write + Send>(
    index: &Index,
    format: TableFormat,
    output: &mut W,
    threads: NonZeroUsize,
    progress: &Progress,
) -> Result<(), BatchError> {
    let halves = Halves::of_postcodes(index);
    let schema = schema(index, "postcode", &halves, "residence");
    let changes = index.changes();
    let special: [Postcode; 2] = IN_PLACE_OF_A_POSTCODE.map(|it| it.parse().expect("well-formed"));
    let keys = index.postcodes().map(|entry| entry.postcode);
    // ZZ99 comes after every other.
    let keys = keys.chain(special);
    let rows_of = |postcode: &Postcode, tell: &mut dyn FnMut(&[u8])| {
        let half = |day| halves.of_postcode(*postcode, day);
        let key = postcode.to_string();
        rows(index, &key, &changes.of_postcode(*postcode), half, tell);
    };
    write(&schema, keys, rows_of, format, output, threads, progress)
}

/// Writes the same for every code of a practice, of a branch that is listed, and of whoever prescribes
/// without having registered patients; and for `V81997`, `V81998` and `V81999`: `practice_code`,
/// `valid_from` and `valid_to`, then the columns of a list that depend on the practice alone.
///
/// # Errors
/// When it cannot be written.
pub fn practices<W: Write + Send>(
    index: &Index,
    format: TableFormat,
    output: &mut W,
    threads: NonZeroUsize,
    progress: &Progress,
) -> Result<(), BatchError> {
    let halves = Halves::of_practices(index);
    let schema = schema(index, "practice_code", &halves, "registration");
    let changes = index.changes();
    let special: [OdsCode; 3] = IN_PLACE_OF_A_PRACTICE.map(|it| it.parse().expect("well-formed"));
    let mut codes: BTreeSet<OdsCode> = index.practices().iter().map(|it| it.code).collect();
    codes.extend(index.not_gp_practices());
    codes.extend(special);
    let rows_of = |code: &OdsCode, tell: &mut dyn FnMut(&[u8])| {
        let half = |day| halves.of_practice(*code, day);
        rows(
            index,
            code.as_str(),
            &changes.of_practice(*code),
            half,
            tell,
        );
    };
    let codes = codes.into_iter();
    write(&schema, codes, rows_of, format, output, threads, progress)
}

/// The columns of a table by such a key.
fn schema(index: &Index, key: &str, halves: &Halves<'_>, half: &str) -> SchemaRef {
    let text = |name: String| Field::new(name, DataType::Utf8, true);
    let mut fields = vec![
        Field::new(key, DataType::Utf8, false),
        Field::new("valid_from", DataType::Date32, true),
        Field::new("valid_to", DataType::Date32, true),
    ];
    fields.extend(halves.columns().iter().map(|it| field(*it)));
    fields.push(text(format!("{PREFIX}{half}_reason")));
    fields.push(text(format!("{PREFIX}resilience_groups_{half}_reason")));
    fields.push(text(format!("{PREFIX}dataset_version")));
    let manifest = index.manifest();
    let metadata = [
        ("catchment.dataset", manifest.name.as_str()),
        ("catchment.dataset_version", &manifest.version),
        ("catchment.dataset_digest", index.digest()),
        ("catchment.attribution", &manifest.attribution),
    ];
    let metadata = metadata.map(|(name, value)| (name.to_string(), value.to_string()));
    Arc::new(Schema::new_with_metadata(fields, HashMap::from(metadata)))
}

/// Tells the rows of a key.
fn rows(
    index: &Index,
    key: &str,
    days: &BTreeSet<Date>,
    half: impl Fn(Date) -> Half,
    tell: &mut dyn FnMut(&[u8]),
) {
    let mut row = Vec::new();
    for (from, to, half) in periods(days, half) {
        row.clear();
        put_cell(&mut row, Some(key.as_bytes()));
        put_day(&mut row, from);
        put_day(&mut row, to);
        half.put(&mut row);
        put_cell(&mut row, Some(index.manifest().version.as_bytes()));
        tell(&row);
    }
}

/// What holds from when to when, in order. Nothing changes but on one of the days.
fn periods<T: PartialEq>(
    days: &BTreeSet<Date>,
    on: impl Fn(Date) -> T,
) -> Vec<(Option<Date>, Option<Date>, T)> {
    // Any day before the first will do.
    let before = days.first().map(|day| day.yesterday().unwrap_or(*day));
    let first = on(before.unwrap_or(date(2000, 1, 1)));
    let mut periods = vec![(None, None, first)];
    for &day in days {
        let now = on(day);
        let (_, to, last) = periods.last_mut().expect("one at least");
        if *last != now {
            *to = Some(day);
            periods.push((Some(day), None, now));
        }
    }
    periods
}

fn put_day(row: &mut Vec<u8>, day: Option<Date>) {
    let since_1970 = day.map(|day| {
        let span = day - date(1970, 1, 1);
        span.get_days().to_le_bytes()
    });
    put_cell(row, since_1970.as_ref().map(<[u8; 4]>::as_slice));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_ends_where_the_answer_changes_and_nowhere_else() {
        let days = BTreeSet::from([2010, 2015, 2020].map(|year| date(year, 4, 1)));
        let on = |day: Date| {
            if day < date(2015, 4, 1) {
                "before"
            } else {
                "after"
            }
        };
        let change = Some(date(2015, 4, 1));
        let expected = [(None, change, "before"), (change, None, "after")];
        assert_eq!(periods(&days, on), expected);
        assert_eq!(periods(&BTreeSet::new(), on), [(None, None, "before")]);
    }
}
