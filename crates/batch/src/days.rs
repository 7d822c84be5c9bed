//! The as-of dates of rows. Each date is parsed once, and has a small id that is part of cache
//! keys.

use std::collections::HashMap;
use std::sync::Mutex;

use jiff::civil::Date;

use super::cache::DAYS_MAX;
use crate::tabular::POISONED;
use catchment_core::domain::date_from_iso;

/// The maximum number of spellings of dates that are cached, and the maximum length of such a
/// spelling in bytes. A date has 10 bytes.
const DAY_TEXTS_MAX: usize = 1 << 14;
const DAY_BYTES_MAX: usize = 16;

/// A date, and the id of the date, if any.
#[derive(Debug, Clone, Copy)]
pub(super) struct InternedDay {
    pub(super) date: Date,
    pub(super) id: Option<u16>,
}

/// The ids of dates, which all threads share.
pub(super) struct DayIds(Mutex<HashMap<Date, u16>>);

impl DayIds {
    /// Assigns the id 0 to `default`.
    pub(super) fn new(default: Date) -> DayIds {
        DayIds(Mutex::new(HashMap::from([(default, 0)])))
    }

    fn intern(&self, date: Date) -> InternedDay {
        let mut days = self.0.lock().expect(POISONED);
        let next_id = days.len();
        let id = match days.get(&date) {
            Some(id) => Some(*id),
            None if next_id < DAYS_MAX => {
                let id = u16::try_from(next_id).expect("12 bits");
                days.insert(date, id);
                Some(id)
            }
            None => None,
        };
        InternedDay { date, id }
    }
}

/// The parser of one thread.
pub(super) struct DayParser<'s> {
    ids: &'s DayIds,
    default: InternedDay,
    parsed: HashMap<Vec<u8>, Option<InternedDay>>,
}

impl<'s> DayParser<'s> {
    /// Creates a parser. The date of a row without a date is `default`. `ids` must have been
    /// created with the same date.
    pub(super) fn new(ids: &'s DayIds, default: Date) -> DayParser<'s> {
        let default = InternedDay {
            date: default,
            id: Some(0),
        };
        DayParser {
            ids,
            default,
            parsed: HashMap::new(),
        }
    }

    /// Parses the as-of date of a row.
    pub(super) fn parse(&mut self, text: Option<&[u8]>) -> Result<InternedDay, String> {
        let Some(text) = text.map(<[u8]>::trim_ascii).filter(|text| !text.is_empty()) else {
            return Ok(self.default);
        };
        let known = match self.parsed.get(text) {
            Some(known) => *known,
            None => {
                let parsed = std::str::from_utf8(text)
                    .ok()
                    .and_then(|text| date_from_iso(text).ok());
                let day = parsed.map(|date| self.ids.intern(date));
                if self.parsed.len() < DAY_TEXTS_MAX && text.len() <= DAY_BYTES_MAX {
                    self.parsed.insert(text.to_vec(), day);
                }
                day
            }
        };
        known.ok_or_else(|| "the date must be in the form 2026-04-01".into())
    }
}
