//! The worker of one thread: looks up the rows of a block and writes the output rows.

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::Range;
use std::sync::{Arc, Mutex, RwLock};

use jiff::civil::Date;
use memchr::memchr_iter;

use super::blocks::{Block, Row};
use super::cells::{Encoding, excel_safe};
use super::delimiter::Delimiter;
use super::fields::{Wanted, content, field, field_ends, without_line_ending};
use super::intake::Understood;
use super::layout::{AGREEMENTS, BAD_ROW, Layout, Piece};
use super::memo::{DAYS_MAX, Key, Known, NoPostcode, Numbers, Parts, UNPOISONED};
use super::parts::{Lives, PlaceAsked, Registered, status_number};
use super::roles::{PlaceColumns, Roles};
use super::summary::Tally;
use super::{FIELD_BYTES_MAX, Request, ndjson};
use crate::domain::{Agreement, InvalidOdsCode, InvalidPostcode, OdsCode, Postcode, date_from_iso};
use crate::index::{Index, Query};
use crate::question::{Fields, LOCATE_FIELDS, Question};

/// The state shared by all worker threads.
pub(super) struct Shared<'i> {
    index: &'i Index,
    pub(super) layout: Layout,
    roles: Roles,
    /// The names of the JSON members that are read from NDJSON, in the order of
    /// [`ColumnMapping::columns`].
    members: Vec<String>,
    /// The number of fields in each row.
    width: usize,
    wanted: Wanted,
    excel_safe: bool,
    as_of: Date,
    known: Known,
    lives: Parts<Lives>,
    registered: Parts<Registered>,
    compared: Numbers,
    /// The ids of practice codes as they are spelled in the input, per day.
    practices: RwLock<HashMap<(Practice, u16), u32>>,
    /// The ids of dates.
    days: Mutex<HashMap<Date, u16>>,
}

/// The size limit of the cached cells: enough for every postcode of a region with all output
/// columns, or for every postcode of Great Britain with the default ones.
const LIVES_BYTES_MAX: usize = 24 << 20;
const REGISTERED_BYTES_MAX: usize = 8 << 20;
/// The maximum number of practice spellings that are cached.
const PRACTICES_MAX: usize = 1 << 16;

/// A practice code as it is spelled in a row. Only short spellings are cached.
type Practice = u128;

impl<'i> Shared<'i> {
    pub(super) fn new(
        index: &'i Index,
        understood: &Understood,
        request: &Request,
        encoding: Encoding,
    ) -> Shared<'i> {
        let member = |at: usize| understood.columns[at].clone();
        let columns = understood.roles.columns();
        Shared {
            index,
            layout: Layout::new(request.columns.clone(), encoding, index),
            roles: understood.roles,
            members: columns.into_iter().map(|(_, at)| member(at)).collect(),
            width: understood.columns.len(),
            wanted: Wanted::new(&understood.roles, understood.columns.len()),
            excel_safe: request.excel_safe,
            as_of: request.as_of,
            known: Known::new(index.postcodes().len()),
            lives: Parts::new(LIVES_BYTES_MAX),
            registered: Parts::new(REGISTERED_BYTES_MAX),
            compared: Numbers::default(),
            practices: RwLock::new(HashMap::new()),
            days: Mutex::new(HashMap::from([(request.as_of, 0)])),
        }
    }
}

impl Shared<'_> {
    /// Writes the user's header row.
    pub(super) fn user_names(&self, names: &[u8], out: &mut Vec<u8>) {
        match self.layout.encoding {
            Encoding::Csv(delimiter) if self.excel_safe => {
                let mut ends = Vec::new();
                field_ends(names, true, delimiter, &mut ends);
                safe_fields(names, &ends, delimiter, out);
            }
            _ => out.extend_from_slice(names),
        }
    }
}

/// The worker of one thread.
pub(super) struct Worker<'s, 'i> {
    shared: &'s Shared<'i>,
    /// Counts of everything except the rows that are counted per cached part.
    pub(super) tally: Tally,
    /// The number of rows per id of a cached part.
    lives_count: Vec<u64>,
    registered_count: Vec<u64>,
    lives: Vec<Arc<Lives>>,
    registered: Vec<Arc<Registered>>,
    /// Recently used practices, by a hash of their spelling.
    recent: Vec<Recent>,
    not_asked: Held<Registered>,
    /// The index in [`AGREEMENTS`], by the agreement keys of a residence and a registration.
    agreements: HashMap<(usize, usize), usize>,
    /// The same for low keys, of which a region has some dozens: the index plus 1, or 0 if it is
    /// not known yet.
    low_agreements: Box<[[u8; LOW]; LOW]>,
    days: HashMap<Vec<u8>, Option<Day>>,
    ends: Vec<usize>,
    group: Vec<AskedRow>,
}

#[derive(Clone, Copy)]
struct Recent {
    practice: Practice,
    day: u16,
    number: u32,
}

/// As many practices as the patients of a whole region are registered with.
const RECENT: usize = 1 << RECENT_BITS;
const RECENT_BITS: u32 = 10;
/// The length of the longest practice spelling that is cached.
const PRACTICE_BYTES_MAX: usize = 15;
/// The maximum number of date spellings that are cached, and their maximum length; a date has 10
/// bytes.
const DAY_TEXTS_MAX: usize = 1 << 14;
const DAY_BYTES_MAX: usize = 16;

/// A date, and its id if it has one.
#[derive(Debug, Clone, Copy)]
struct Day {
    date: Date,
    number: Option<u16>,
}

/// Cells from the cache, or computed for one row.
enum Held<T> {
    Kept(usize),
    Fresh(Arc<T>),
}

impl<T> Held<T> {
    fn part<'a>(&'a self, kept: &'a [Arc<T>]) -> &'a T {
        match self {
            Held::Kept(number) => &kept[*number],
            Held::Fresh(part) => part,
        }
    }
}

/// The look-up that a row requests.
struct Cells<'r> {
    place: PlaceAsked,
    /// The key under which the answer is cached.
    key: Option<Key>,
    /// The id of the cached residence cells, if they were cached when the group was looked up.
    known: Option<u32>,
    /// `None` if the input has no practice column.
    practice: Option<&'r [u8]>,
    day: Day,
}

/// A CSV row that was parsed but not answered yet.
struct AskedRow {
    /// Excludes the line ending.
    text: Range<usize>,
    /// Includes the line ending.
    end: usize,
    cells: Result<CsvCells, String>,
}

/// The same as [`RowQuery`], with the byte range of the practice field in the row.
struct CsvCells {
    place: PlaceAsked,
    key: Option<Key>,
    known: Option<u32>,
    practice: Range<usize>,
    day: Day,
}

/// The number of rows that are looked up together.
const GROUP: usize = 32;

impl<'s, 'i> Worker<'s, 'i> {
    pub(super) fn new(shared: &'s Shared<'i>) -> Worker<'s, 'i> {
        let none = Recent {
            practice: Practice::MAX,
            day: 0,
            number: 0,
        };
        Worker {
            shared,
            tally: Tally::default(),
            lives_count: Vec::new(),
            registered_count: Vec::new(),
            lives: Vec::new(),
            registered: Vec::new(),
            recent: vec![none; RECENT],
            not_asked: Held::Fresh(Arc::new(Registered::not_asked(
                &shared.layout,
                &shared.compared,
            ))),
            agreements: HashMap::new(),
            low_agreements: Box::new([[0; LOW]; LOW]),
            days: HashMap::new(),
            ends: Vec::new(),
            group: Vec::new(),
        }
    }

    /// The counts of all rows that this worker answered.
    pub(super) fn into_tally(mut self) -> Tally {
        for (part, rows) in self.lives.iter().zip(self.lives_count) {
            self.tally.lives(part, rows);
        }
        for (part, rows) in self.registered.iter().zip(self.registered_count) {
            self.tally.registered(part, rows);
        }
        self.tally
    }

    /// Answers the rows of a block and appends the output rows to `out`.
    pub(super) fn answer(&mut self, block: &Block, out: &mut Vec<u8>) {
        self.tally.shortened_numbers(&block.bytes, block.first_line);
        let mut line = Line {
            number: block.first_line,
            counted_to: 0,
        };
        let mut start = 0;
        for rows in block.rows.chunks(GROUP) {
            match self.shared.layout.encoding {
                Encoding::Csv(delimiter) => {
                    self.csv_rows(block, start, rows, delimiter, &mut line, out);
                }
                _ => self.json_rows(block, start, rows, &mut line, out),
            }
            start = rows.last().map_or(start, |row| row.end);
        }
    }

    /// Answers a group of rows: parses all of them, looks all of them up, then writes all of them.
    /// The look-ups are independent, so their cache misses overlap.
    fn csv_rows(
        &mut self,
        block: &Block,
        start: usize,
        rows: &[Row],
        delimiter: Delimiter,
        line: &mut Line,
        out: &mut Vec<u8>,
    ) {
        let mut group = std::mem::take(&mut self.group);
        group.clear();
        let mut row_start = start;
        for row in rows {
            group.push(self.read(block, row_start, *row, delimiter));
            row_start = row.end;
        }
        for asked in &mut group {
            if let Ok(row) = &mut asked.cells {
                row.known = row.key.and_then(|key| self.shared.known.get(key));
            }
        }
        for asked in &group {
            let known = asked.cells.as_ref().ok().and_then(|row| row.known);
            // Prefetches the cached cells.
            std::hint::black_box(
                known.map(|number| Some(self.lives.get(number as usize)?.texts.touch())),
            );
        }
        for asked in &group {
            self.tally.rows += 1;
            let text = &block.bytes[asked.text.clone()];
            match &asked.cells {
                Ok(row) => self.csv_row(text, row, delimiter, out),
                Err(fault) => {
                    let line = line.at(&block.bytes, asked.text.start);
                    self.bad_row(text, line, fault, out);
                }
            }
            out.extend_from_slice(&block.bytes[asked.text.end..asked.end]);
        }
        self.group = group;
    }

    /// Parses the fields of a row that the look-up needs.
    fn read(&mut self, block: &Block, start: usize, row: Row, delimiter: Delimiter) -> AskedRow {
        let (text, _) = without_line_ending(&block.bytes[start..row.end]);
        let mut ends = std::mem::take(&mut self.ends);
        let found = match row.is_quoted || text.len() > FIELD_BYTES_MAX {
            true => None,
            false => self.shared.wanted.ends(text, delimiter, &mut ends),
        };
        let fields = found.unwrap_or_else(|| {
            field_ends(text, row.is_quoted, delimiter, &mut ends);
            ends.len()
        });
        let cells = self.read_fields(text, fields, &ends, delimiter);
        self.ends = ends;
        AskedRow {
            text: start..start + text.len(),
            end: row.end,
            cells,
        }
    }

    /// Parses a row of `fields` fields; `ends` holds the end of every selected field.
    fn read_fields(
        &mut self,
        row: &[u8],
        fields: usize,
        ends: &[usize],
        delimiter: Delimiter,
    ) -> Result<CsvCells, String> {
        let shared = self.shared;
        if fields != shared.width {
            let word = if fields == 1 { "field" } else { "fields" };
            let width = shared.width;
            return Err(format!("{fields} {word}, but the header row has {width}"));
        }
        let is_long = row.len() > FIELD_BYTES_MAX
            && (0..ends.len()).any(|at| field(ends, at, delimiter).len() > FIELD_BYTES_MAX);
        if is_long {
            return Err(format!("a field is longer than {FIELD_BYTES_MAX} bytes"));
        }
        let cell = |at: usize| content(&row[field(ends, at, delimiter)]);
        let place = match shared.roles.place {
            PlaceColumns::Postcode(at) => postcode_asked(&cell(at)),
            PlaceColumns::LonLat(lon, lat) => {
                position_asked(["lon", "lat"], [&cell(lon), &cell(lat)])
            }
            PlaceColumns::Grid(easting, northing) => {
                position_asked(["easting", "northing"], [&cell(easting), &cell(northing)])
            }
            PlaceColumns::None => PlaceAsked::Nothing,
        };
        let day = self.day(shared.roles.as_of.map(cell).as_deref())?;
        let practice = shared.roles.practice.map(|at| field(ends, at, delimiter));
        Ok(CsvCells {
            key: self.key(&place, day),
            known: None,
            place,
            practice: practice.unwrap_or_default(),
            day,
        })
    }

    /// Writes the output row of a row that was parsed.
    fn csv_row(&mut self, text: &[u8], row: &CsvCells, delimiter: Delimiter, out: &mut Vec<u8>) {
        if self.shared.excel_safe {
            let mut ends = Vec::new();
            field_ends(text, true, delimiter, &mut ends);
            safe_fields(text, &ends, delimiter, out);
        } else {
            out.extend_from_slice(text);
        }
        let practice = self.shared.roles.practice;
        let practice = practice.map(|_| content(&text[row.practice.clone()]));
        let cells = Cells {
            place: row.place,
            key: row.key,
            known: row.known,
            practice: practice.as_deref(),
            day: row.day,
        };
        self.answer_row(&cells, out);
    }

    fn json_rows(
        &mut self,
        block: &Block,
        start: usize,
        rows: &[Row],
        line: &mut Line,
        out: &mut Vec<u8>,
    ) {
        let mut start = start;
        for row in rows {
            let (text, ending) = without_line_ending(&block.bytes[start..row.end]);
            if text.trim_ascii().is_empty() {
                // A blank line is not a row.
                out.extend_from_slice(text);
            } else {
                self.tally.rows += 1;
                if let Err(fault) = self.json_row(text, out) {
                    self.bad_row(text, line.at(&block.bytes, start), &fault, out);
                }
            }
            out.extend_from_slice(ending);
            start = row.end;
        }
    }

    fn json_row(&mut self, row: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        let shared = self.shared;
        let members: Vec<&str> = shared.members.iter().map(String::as_str).collect();
        let texts = ndjson::texts(row, &members).map_err(|ndjson::NoObject| {
            "not a JSON object, or a column that is read is not a string or a number".to_string()
        })?;
        let texts: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
        let cells = self.cells_of(&texts)?;
        ndjson::append(out, row, |out| self.answer_row(&cells, out));
        Ok(())
    }

    /// Parses the texts of a row, which are in the order of [`ColumnMapping::columns`].
    fn cells_of<'r>(&mut self, texts: &[&'r [u8]]) -> Result<Cells<'r>, String> {
        let shared = self.shared;
        let mut texts = texts.iter().copied();
        let mut next = || texts.next().expect("a text for every column");
        let place = match shared.roles.place {
            PlaceColumns::Postcode(_) => postcode_asked(next()),
            PlaceColumns::LonLat(..) => position_asked(["lon", "lat"], [next(), next()]),
            PlaceColumns::Grid(..) => position_asked(["easting", "northing"], [next(), next()]),
            PlaceColumns::None => PlaceAsked::Nothing,
        };
        let practice = shared.roles.practice.map(|_| next());
        let day = self.day(shared.roles.as_of.map(|_| next()))?;
        let key = self.key(&place, day);
        Ok(Cells {
            place,
            key,
            known: key.and_then(|key| shared.known.get(key)),
            practice,
            day,
        })
    }

    /// Appends only the output cells of a row whose texts are given in the order of
    /// [`ColumnMapping::columns`]. A bad row is reported by its row number.
    pub(super) fn answer_texts(&mut self, texts: &[&[u8]], number: u64, out: &mut Vec<u8>) {
        self.tally.rows += 1;
        let is_long = texts.iter().any(|text| text.len() > FIELD_BYTES_MAX);
        let cells = match is_long {
            true => Err(format!("a field is longer than {FIELD_BYTES_MAX} bytes")),
            false => self.cells_of(texts),
        };
        match cells {
            Ok(cells) => self.answer_row(&cells, out),
            Err(fault) => {
                self.count_bad(number);
                let reason = format!("row {number}: {fault}");
                self.shared.layout.bad_row(out, &reason);
            }
        }
    }

    fn count_bad(&mut self, number: u64) {
        self.tally.status[status_number(BAD_ROW)] += 1;
        self.tally.bad_line(number);
    }

    /// Writes a bad row, padded or cut to the width of the header row, with the reason.
    fn bad_row(&mut self, row: &[u8], line: u64, fault: &str, out: &mut Vec<u8>) {
        self.count_bad(line);
        let reason = &format!("line {line}: {fault}");
        let layout = &self.shared.layout;
        let Encoding::Csv(delimiter) = layout.encoding else {
            let mut text = Vec::new();
            super::cells::json_text(&mut text, &String::from_utf8_lossy(row));
            out.extend_from_slice(b"{\"catchment_input\":");
            out.extend_from_slice(&text);
            layout.bad_row(out, reason);
            out.push(b'}');
            return;
        };
        let mut ends = Vec::new();
        field_ends(row, true, delimiter, &mut ends);
        ends.truncate(self.shared.width);
        let kept = &row[..ends.last().copied().unwrap_or_default()];
        if self.shared.excel_safe {
            safe_fields(kept, &ends, delimiter, out);
        } else {
            out.extend_from_slice(kept);
        }
        for _ in ends.len()..self.shared.width {
            out.extend_from_slice(delimiter.as_bytes());
        }
        layout.bad_row(out, reason);
    }

    /// Appends the output cells of a row.
    fn answer_row(&mut self, cells: &Cells<'_>, out: &mut Vec<u8>) {
        let lives = self.lives(cells);
        let registered = match cells.practice {
            Some(text) => self.registered(text, cells.day),
            None => std::mem::replace(&mut self.not_asked, Held::Kept(0)),
        };
        let agreement = self.agreement(&lives, &registered, cells);
        let (home, practice) = (lives.part(&self.lives), registered.part(&self.registered));
        let layout = &self.shared.layout;
        for piece in &layout.pieces {
            match piece {
                Piece::Residence(run) => out.extend_from_slice(home.texts.run(*run)),
                Piece::Registration(run) => out.extend_from_slice(practice.texts.run(*run)),
                Piece::Groups {
                    residence,
                    registration,
                } => {
                    out.extend_from_slice(match practice.has_community {
                        true => practice.texts.run(*registration),
                        false => home.texts.run(*residence),
                    });
                }
                Piece::Agreement => out.extend_from_slice(&layout.agreements[agreement]),
                Piece::Reason => {
                    let groups_reason = match practice.has_community {
                        true => practice.texts.groups_reason(),
                        false => home.texts.groups_reason(),
                    };
                    layout.reason(
                        out,
                        &[home.texts.reason(), practice.texts.reason(), groups_reason],
                    );
                }
                Piece::Notes => notes(layout, home, practice, cells, out),
                Piece::Constant(cell) => out.extend_from_slice(cell),
            }
        }
        self.tally.agreement[agreement] += 1;
        match &lives {
            Held::Kept(number) => count(&mut self.lives_count, *number),
            Held::Fresh(part) => self.tally.lives(part, 1),
        }
        match &registered {
            Held::Kept(number) => count(&mut self.registered_count, *number),
            Held::Fresh(part) => self.tally.registered(part, 1),
        }
        if cells.practice.is_none() {
            self.not_asked = registered;
        }
    }

    fn lives(&mut self, cells: &Cells<'_>) -> Held<Lives> {
        let shared = self.shared;
        if let Some(number) = cells.known {
            return Held::Kept(own_number(&shared.lives, &mut self.lives, number));
        }
        let part = Arc::new(Lives::new(
            shared.index,
            &shared.layout,
            &shared.compared,
            &cells.place,
            cells.day.date,
        ));
        let Some(key) = cells.key else {
            return Held::Fresh(part);
        };
        match shared.lives.keep(&part, part.size_bytes()) {
            Some(number) => {
                shared.known.put(key, number);
                Held::Kept(own_number(&shared.lives, &mut self.lives, number))
            }
            None => Held::Fresh(part),
        }
    }

    /// Returns the cache key of a location. Coordinates are not cached.
    fn key(&self, asked: &PlaceAsked, day: Day) -> Option<Key> {
        let day = day.number?;
        Some(match asked {
            PlaceAsked::Postcode(Ok(postcode)) => Key::postcode(*postcode, day),
            PlaceAsked::Postcode(Err(InvalidPostcode::Missing)) => {
                Key::no_postcode(NoPostcode::Missing, day)
            }
            PlaceAsked::Postcode(Err(InvalidPostcode::Partial)) => {
                Key::no_postcode(NoPostcode::Partial, day)
            }
            PlaceAsked::Postcode(Err(InvalidPostcode::Malformed {
                hint: None,
                suggestion,
                ..
            })) if suggestion.is_none() || !self.shared.layout.suggests => {
                Key::no_postcode(NoPostcode::Malformed, day)
            }
            PlaceAsked::Nothing => Key::no_postcode(NoPostcode::NotAsked, day),
            _ => return None,
        })
    }

    fn registered(&mut self, text: &[u8], day: Day) -> Held<Registered> {
        let (Some(practice), Some(day_number)) = (practice_key(text), day.number) else {
            return Held::Fresh(Arc::new(self.registration(text, day)));
        };
        let at = recent_at(practice, day_number);
        let recent = self.recent[at];
        if recent.practice == practice && recent.day == day_number {
            return Held::Kept(recent.number as usize);
        }
        let key = (practice, day_number);
        let found = self
            .shared
            .practices
            .read()
            .expect(UNPOISONED)
            .get(&key)
            .copied();
        let number = match found {
            Some(number) => number,
            None => {
                let part = Arc::new(self.registration(text, day));
                let Some(number) = self.shared.registered.keep(&part, part.size_bytes()) else {
                    return Held::Fresh(part);
                };
                let mut practices = self.shared.practices.write().expect(UNPOISONED);
                if practices.len() < PRACTICES_MAX {
                    practices.insert(key, number);
                }
                number
            }
        };
        own_number(&self.shared.registered, &mut self.registered, number);
        self.recent[at] = Recent {
            practice,
            day: day_number,
            number,
        };
        Held::Kept(number as usize)
    }

    fn registration(&self, text: &[u8], day: Day) -> Registered {
        let (shared, practice) = (self.shared, practice_asked(text));
        Registered::new(
            shared.index,
            &shared.layout,
            &shared.compared,
            practice,
            day.date,
        )
    }

    /// Returns the index in [`AGREEMENTS`] of how the residence and the registration compare.
    fn agreement(
        &mut self,
        lives: &Held<Lives>,
        registered: &Held<Registered>,
        cells: &Cells<'_>,
    ) -> usize {
        let home = lives.part(&self.lives).compared;
        let practice = registered.part(&self.registered).compared;
        let is_low = home < LOW && practice < LOW;
        if is_low && let Some(number) = self.low_agreements[home][practice].checked_sub(1) {
            return usize::from(number);
        }
        if let Some(number) = self.agreements.get(&(home, practice)) {
            return *number;
        }
        let agreement = agreement_of(self.shared.index, cells);
        let number = AGREEMENTS.iter().position(|it| *it == agreement);
        let number = number.expect("every agreement is on the list");
        if is_low {
            self.low_agreements[home][practice] = u8::try_from(number + 1).expect("there are five");
        }
        self.agreements.insert((home, practice), number);
        number
    }

    /// Parses the as-of date of a row.
    fn day(&mut self, text: Option<&[u8]>) -> Result<Day, String> {
        let usual = Day {
            date: self.shared.as_of,
            number: Some(0),
        };
        let Some(text) = text.map(<[u8]>::trim_ascii).filter(|text| !text.is_empty()) else {
            return Ok(usual);
        };
        let known = match self.days.get(text) {
            Some(known) => *known,
            None => {
                let parsed = std::str::from_utf8(text)
                    .ok()
                    .and_then(|it| date_from_iso(it).ok());
                let day = parsed.map(|date| self.numbered(date));
                if self.days.len() < DAY_TEXTS_MAX && text.len() <= DAY_BYTES_MAX {
                    self.days.insert(text.to_vec(), day);
                }
                day
            }
        };
        known.ok_or_else(|| "the date is not in the form 2026-04-01".into())
    }

    fn numbered(&self, date: Date) -> Day {
        let mut days = self.shared.days.lock().expect(UNPOISONED);
        let next = days.len();
        let number = match days.get(&date) {
            Some(number) => Some(*number),
            None if next < DAYS_MAX => {
                let number = u16::try_from(next).expect("12 bits");
                days.insert(date, number);
                Some(number)
            }
            None => None,
        };
        Day { date, number }
    }
}

/// The size of `BatchWorker::agreement_table`.
const LOW: usize = 64;

fn count(counts: &mut Vec<u64>, number: usize) {
    grow(counts, number + 1);
    counts[number] += 1;
}

fn grow<T: Default + Clone>(list: &mut Vec<T>, length: usize) {
    if list.len() < length {
        list.resize(length, T::default());
    }
}

/// Ensures that the thread's own copy contains the value with this id, and returns its index.
fn own_number<T: Eq + Hash>(parts: &Parts<T>, own: &mut Vec<Arc<T>>, number: u32) -> usize {
    let number = number as usize;
    if number >= own.len() {
        parts.copy_to(own);
    }
    number
}

/// Encodes a text of up to 15 bytes as an integer key. No text gets the greatest key.
fn practice_key(text: &[u8]) -> Option<Practice> {
    let length = u8::try_from(text.len()).ok()?;
    let mut bytes = [0; 16];
    bytes
        .get_mut(..PRACTICE_BYTES_MAX)?
        .get_mut(..text.len())?
        .copy_from_slice(text);
    bytes[PRACTICE_BYTES_MAX] = length;
    Some(Practice::from_le_bytes(bytes))
}

/// Returns the slot of a practice in `BatchWorker::recent_practices`.
fn recent_at(practice: Practice, day: u16) -> usize {
    let half = |at: usize| {
        let bytes = practice.to_le_bytes();
        u64::from_le_bytes(*bytes[at..].first_chunk().expect("two halves"))
    };
    let mixed = half(0) ^ half(8).rotate_left(32) ^ u64::from(day);
    let mixed = mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from(mixed >> (64 - RECENT_BITS)).expect("below PRACTICE_CACHE_SIZE")
}

fn practice_asked(text: &[u8]) -> Result<OdsCode, InvalidOdsCode> {
    match std::str::from_utf8(text) {
        Ok(text) => text.parse(),
        Err(_) => Err(InvalidOdsCode::Malformed),
    }
}

fn postcode_asked(text: &[u8]) -> PlaceAsked {
    PlaceAsked::Postcode(match std::str::from_utf8(text) {
        Ok(text) => text.parse::<Postcode>(),
        // No postcode contains the replacement character.
        Err(_) => String::from_utf8_lossy(text).parse(),
    })
}

/// Parses the coordinates of a row by the same rules as a single look-up. If either is empty, the
/// position is missing.
fn position_asked(names: [&str; 2], texts: [&[u8]; 2]) -> PlaceAsked {
    let texts = texts.map(|text| String::from_utf8_lossy(text).trim().to_string());
    if texts.iter().any(String::is_empty) {
        return PlaceAsked::Position(Err("missing"));
    }
    let pairs = names.map(str::to_string).into_iter().zip(texts);
    let question = Fields::new(pairs, LOCATE_FIELDS).and_then(|it| Question::from_fields(&it));
    let place = question.map(|it| it.query.place.expect("coordinates make a place"));
    PlaceAsked::of_position(place)
}

/// Computes the agreement by looking up the residence and the registration together.
fn agreement_of(index: &Index, cells: &Cells<'_>) -> Agreement {
    let query = Query {
        place: cells.place.place(),
        practice: cells.practice.map(practice_asked),
        as_of: cells.day.date,
    };
    index.locate(&query).agreement
}

fn notes(
    layout: &Layout,
    home: &Lives,
    practice: &Registered,
    cells: &Cells<'_>,
    out: &mut Vec<u8>,
) {
    use crate::index::Note;
    let is_own = matches!(cells.place, PlaceAsked::Postcode(Ok(postcode))
        if practice.addresses.binary_search(&postcode).is_ok());
    let notes = [
        (is_own, Note::PracticeAddress),
        (home.is_not_yet_introduced, Note::NotYetIntroduced),
        (practice.closes_on, Note::ClosesOn),
    ];
    let words = notes
        .into_iter()
        .filter(|(holds, _)| *holds)
        .map(|(_, note)| note.as_str().into());
    layout.encoding.list(out, "catchment_notes", words);
}

/// Writes the user's fields, escaped so that a spreadsheet does not run them as formulas.
fn safe_fields(row: &[u8], ends: &[usize], delimiter: Delimiter, out: &mut Vec<u8>) {
    for at in 0..ends.len() {
        if at > 0 {
            out.extend_from_slice(delimiter.as_bytes());
        }
        excel_safe(out, &row[field(ends, at, delimiter)], delimiter);
    }
}

/// A lazy line counter: it counts line feeds only as far as a line number is requested.
struct Line {
    number: u64,
    counted_to: usize,
}

impl Line {
    /// Returns the line that contains the byte at this offset. Offsets must not decrease between
    /// calls.
    fn at(&mut self, bytes: &[u8], at: usize) -> u64 {
        self.number += memchr_iter(b'\n', &bytes[self.counted_to..at]).count() as u64;
        self.counted_to = at;
        self.number
    }
}
