//! The worker of one thread, which looks up the rows of a block and writes the output rows.

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::Range;
use std::sync::{Arc, Mutex, RwLock};

use jiff::civil::Date;
use memchr::memchr_iter;

use super::answer_cells::{RegistrationCells, ResidenceCells, RowLocation, status_index};
use super::cache::{AnswerCache, AnswerKey, DAYS_MAX, Interner, NonPostcode};
use super::column_mapping::{ColumnMapping, LocationColumns};
use super::input_format::DetectedFormat;
use super::layout::{BAD_ROW, OutputLayout, RowSegment};
use super::summary::BatchTally;
use super::{BatchRequest, FIELD_BYTES_MAX};
use crate::domain::{Agreement, InvalidOdsCode, InvalidPostcode, OdsCode, Postcode, date_from_iso};
use crate::index::Index;
use crate::request::{LOCATE_PARAMS, LocateRequest, RequestParams};
use crate::tabular::blocks::{RowBlock, RowSpan};
use crate::tabular::cell_format::{CellFormat, write_excel_safe, write_json_string};
use crate::tabular::delimiter::Delimiter;
use crate::tabular::fields::{FieldSelection, field_ends, field_range, split_line_ending, unquote};
use crate::tabular::{POISONED, ndjson};

/// The state that all worker threads share.
pub(super) struct BatchContext<'i> {
    index: &'i Index,
    pub(super) layout: OutputLayout,
    column_mapping: ColumnMapping,
    /// The names of the JSON members that are read from NDJSON, in the order of
    /// [`ColumnMapping::columns`].
    json_members: Vec<String>,
    /// The number of fields in each row.
    field_count: usize,
    field_selection: FieldSelection,
    excel_safe: bool,
    as_of: Date,
    answer_cache: AnswerCache,
    residences: Interner<ResidenceCells>,
    registrations: Interner<RegistrationCells>,
    /// The ids of practice codes as they are spelled in the input, per day.
    practice_ids: RwLock<HashMap<(PracticeKey, u16), u32>>,
    /// The ids of dates.
    day_ids: Mutex<HashMap<Date, u16>>,
}

/// The size limit of the cached cells: enough for every postcode of a region with all output
/// columns, or for every postcode of Great Britain with the default columns.
const RESIDENCE_CACHE_BYTES_MAX: usize = 24 << 20;
const REGISTRATION_CACHE_BYTES_MAX: usize = 8 << 20;
/// The maximum number of practice spellings that are cached.
const PRACTICE_IDS_MAX: usize = 1 << 16;

/// A practice code as it is spelled in a row. Only short spellings are cached.
type PracticeKey = u128;

impl<'i> BatchContext<'i> {
    pub(super) fn new(
        index: &'i Index,
        detected: &DetectedFormat,
        request: &BatchRequest,
        cell_format: CellFormat,
    ) -> BatchContext<'i> {
        let member = |index: usize| detected.columns[index].clone();
        let columns = detected.column_mapping.columns();
        let indices: Vec<usize> = columns.iter().map(|&(_, column)| column).collect();
        BatchContext {
            index,
            layout: OutputLayout::new(request.output_columns.clone(), cell_format, index),
            column_mapping: detected.column_mapping,
            json_members: columns
                .into_iter()
                .map(|(_, index)| member(index))
                .collect(),
            field_count: detected.columns.len(),
            field_selection: FieldSelection::new(&indices, detected.columns.len()),
            excel_safe: request.excel_safe,
            as_of: request.as_of,
            answer_cache: AnswerCache::new(index.postcodes().len()),
            residences: Interner::new(RESIDENCE_CACHE_BYTES_MAX),
            registrations: Interner::new(REGISTRATION_CACHE_BYTES_MAX),
            practice_ids: RwLock::new(HashMap::new()),
            day_ids: Mutex::new(HashMap::from([(request.as_of, 0)])),
        }
    }
}

impl BatchContext<'_> {
    /// Writes the user's header row.
    pub(super) fn write_input_header(&self, header: &[u8], out: &mut Vec<u8>) {
        match self.layout.format {
            CellFormat::Csv(delimiter) if self.excel_safe => {
                let mut ends = Vec::new();
                field_ends(header, true, delimiter, &mut ends);
                write_escaped_fields(header, &ends, delimiter, out);
            }
            _ => out.extend_from_slice(header),
        }
    }
}

/// The worker of one thread.
pub(super) struct BatchWorker<'s, 'i> {
    context: &'s BatchContext<'i>,
    /// All counts, except the counts of rows by the id of a cached part.
    pub(super) tally: BatchTally,
    /// The number of rows by the id of a cached part.
    residence_counts: Vec<u64>,
    registration_counts: Vec<u64>,
    residences: Vec<Arc<ResidenceCells>>,
    registrations: Vec<Arc<RegistrationCells>>,
    /// Recently used practices, by a hash of their spelling.
    recent_practices: Vec<RecentPractice>,
    no_registration: Cached<RegistrationCells>,
    parsed_days: HashMap<Vec<u8>, Option<InternedDay>>,
    ends: Vec<usize>,
    group: Vec<ParsedRow>,
}

#[derive(Clone, Copy)]
struct RecentPractice {
    practice: PracticeKey,
    day: u16,
    id: u32,
}

/// The number of slots for recently used practices, which is enough for the practices at which the
/// patients of a whole region are registered.
const PRACTICE_CACHE_SIZE: usize = 1 << PRACTICE_CACHE_BITS;
const PRACTICE_CACHE_BITS: u32 = 10;
/// The length of the longest practice spelling that is cached.
const PRACTICE_BYTES_MAX: usize = 15;
/// The maximum number of date spellings that are cached, and their maximum length in bytes. A date
/// takes 10 bytes.
const DAY_TEXTS_MAX: usize = 1 << 14;
const DAY_BYTES_MAX: usize = 16;

/// A date, and the id of the date if it has one.
#[derive(Debug, Clone, Copy)]
struct InternedDay {
    date: Date,
    id: Option<u16>,
}

/// Cells from the cache, or computed for one row.
enum Cached<T> {
    Hit(usize),
    Miss(Arc<T>),
}

impl<T> Cached<T> {
    fn get<'a>(&'a self, interned: &'a [Arc<T>]) -> &'a T {
        match self {
            Cached::Hit(id) => &interned[*id],
            Cached::Miss(cells) => cells,
        }
    }
}

/// The look-up that a row requests.
struct RowQuery<'r> {
    location: RowLocation,
    /// The key under which the answer is cached.
    cache_key: Option<AnswerKey>,
    /// The id of the residence cells, if these cells were cached when the group was looked up.
    cached_id: Option<u32>,
    /// The practice code; `None` if the input has no practice column.
    practice: Option<&'r [u8]>,
    day: InternedDay,
}

/// A CSV row that has been parsed but not answered yet.
struct ParsedRow {
    /// The range of the row, without its line ending.
    text: Range<usize>,
    /// The end of the row, including its line ending.
    end: usize,
    query: Result<CsvRowQuery, String>,
}

/// Like [`RowQuery`], but with the byte range of the practice field instead of its text.
struct CsvRowQuery {
    location: RowLocation,
    cache_key: Option<AnswerKey>,
    cached_id: Option<u32>,
    practice: Range<usize>,
    day: InternedDay,
}

/// The number of rows that are looked up together.
const PREFETCH_ROWS: usize = 32;

impl<'s, 'i> BatchWorker<'s, 'i> {
    pub(super) fn new(context: &'s BatchContext<'i>) -> BatchWorker<'s, 'i> {
        let empty = RecentPractice {
            practice: PracticeKey::MAX,
            day: 0,
            id: 0,
        };
        BatchWorker {
            context,
            tally: BatchTally::default(),
            residence_counts: Vec::new(),
            registration_counts: Vec::new(),
            residences: Vec::new(),
            registrations: Vec::new(),
            recent_practices: vec![empty; PRACTICE_CACHE_SIZE],
            no_registration: Cached::Miss(Arc::new(RegistrationCells::not_requested(
                &context.layout,
            ))),
            parsed_days: HashMap::new(),
            ends: Vec::new(),
            group: Vec::new(),
        }
    }

    /// Returns the counts of all rows that this worker answered.
    pub(super) fn into_tally(mut self) -> BatchTally {
        for (part, rows) in self.residences.iter().zip(self.residence_counts) {
            self.tally.add_residence(part, rows);
        }
        for (part, rows) in self.registrations.iter().zip(self.registration_counts) {
            self.tally.add_registration(part, rows);
        }
        self.tally
    }

    /// Answers the rows of a block and appends the output rows to `out`.
    pub(super) fn answer_block(&mut self, block: &RowBlock, out: &mut Vec<u8>) {
        self.tally
            .count_scientific_notation(&block.bytes, block.first_line);
        let mut line_counter = LineCounter {
            line: block.first_line,
            position: 0,
        };
        let mut start = 0;
        for rows in block.rows.chunks(PREFETCH_ROWS) {
            match self.context.layout.format {
                CellFormat::Csv(delimiter) => {
                    self.answer_csv_rows(block, start, rows, delimiter, &mut line_counter, out);
                }
                _ => self.answer_json_rows(block, start, rows, &mut line_counter, out),
            }
            start = rows.last().map_or(start, |row| row.end);
        }
    }

    /// Answers a group of rows: parses all rows, then looks all of them up, then writes all output
    /// rows. The look-ups are independent, so their cache misses overlap.
    fn answer_csv_rows(
        &mut self,
        block: &RowBlock,
        start: usize,
        rows: &[RowSpan],
        delimiter: Delimiter,
        line_counter: &mut LineCounter,
        out: &mut Vec<u8>,
    ) {
        let mut group = std::mem::take(&mut self.group);
        group.clear();
        let mut row_start = start;
        for row in rows {
            group.push(self.parse_csv_row(block, row_start, *row, delimiter));
            row_start = row.end;
        }
        for parsed in &mut group {
            if let Ok(query) = &mut parsed.query {
                query.cached_id = query
                    .cache_key
                    .and_then(|key| self.context.answer_cache.get(key));
            }
        }
        for parsed in &group {
            let cached_id = parsed.query.as_ref().ok().and_then(|row| row.cached_id);
            // Prefetches the cached cells.
            std::hint::black_box(
                cached_id.map(|id| Some(self.residences.get(id as usize)?.runs.prefetch())),
            );
        }
        for parsed in &group {
            self.tally.rows += 1;
            let text = &block.bytes[parsed.text.clone()];
            match &parsed.query {
                Ok(query) => self.answer_csv_row(text, query, delimiter, out),
                Err(error) => {
                    let line = line_counter.line_at(&block.bytes, parsed.text.start);
                    self.write_bad_row(text, line, error, out);
                }
            }
            out.extend_from_slice(&block.bytes[parsed.text.end..parsed.end]);
        }
        self.group = group;
    }

    /// Parses those fields of a row that the look-up needs.
    fn parse_csv_row(
        &mut self,
        block: &RowBlock,
        start: usize,
        row: RowSpan,
        delimiter: Delimiter,
    ) -> ParsedRow {
        let (text, _) = split_line_ending(&block.bytes[start..row.end]);
        let mut ends = std::mem::take(&mut self.ends);
        let counted = if row.has_quotes || text.len() > FIELD_BYTES_MAX {
            None
        } else {
            self.context
                .field_selection
                .find_ends(text, delimiter, &mut ends)
        };
        let fields = counted.unwrap_or_else(|| {
            field_ends(text, row.has_quotes, delimiter, &mut ends);
            ends.len()
        });
        let query = self.parse_csv_fields(text, fields, &ends, delimiter);
        self.ends = ends;
        ParsedRow {
            text: start..start + text.len(),
            end: row.end,
            query,
        }
    }

    /// Parses a row of `fields` fields; `ends` contains the end of every selected field.
    fn parse_csv_fields(
        &mut self,
        row: &[u8],
        fields: usize,
        ends: &[usize],
        delimiter: Delimiter,
    ) -> Result<CsvRowQuery, String> {
        let context = self.context;
        if fields != context.field_count {
            let word = if fields == 1 { "field" } else { "fields" };
            let width = context.field_count;
            return Err(format!("{fields} {word}, but the header row has {width}"));
        }
        let is_long = row.len() > FIELD_BYTES_MAX
            && (0..ends.len())
                .any(|index| field_range(ends, index, delimiter).len() > FIELD_BYTES_MAX);
        if is_long {
            return Err(format!("a field is longer than {FIELD_BYTES_MAX} bytes"));
        }
        let cell = |index: usize| unquote(&row[field_range(ends, index, delimiter)]);
        let location = match context.column_mapping.location {
            LocationColumns::Postcode(index) => parse_postcode(&cell(index)),
            LocationColumns::LonLat(lon, lat) => {
                parse_position(["lon", "lat"], [&cell(lon), &cell(lat)])
            }
            LocationColumns::Grid(easting, northing) => {
                parse_position(["easting", "northing"], [&cell(easting), &cell(northing)])
            }
            LocationColumns::None => RowLocation::Absent,
        };
        let day = self.parse_day(context.column_mapping.as_of.map(cell).as_deref())?;
        let practice = context
            .column_mapping
            .practice
            .map(|index| field_range(ends, index, delimiter));
        Ok(CsvRowQuery {
            cache_key: self.cache_key(&location, day),
            cached_id: None,
            location,
            practice: practice.unwrap_or_default(),
            day,
        })
    }

    /// Writes the output row of a parsed row.
    fn answer_csv_row(
        &mut self,
        text: &[u8],
        parsed: &CsvRowQuery,
        delimiter: Delimiter,
        out: &mut Vec<u8>,
    ) {
        if self.context.excel_safe {
            let mut ends = Vec::new();
            field_ends(text, true, delimiter, &mut ends);
            write_escaped_fields(text, &ends, delimiter, out);
        } else {
            out.extend_from_slice(text);
        }
        let practice = self.context.column_mapping.practice;
        let practice = practice.map(|_| unquote(&text[parsed.practice.clone()]));
        let query = RowQuery {
            location: parsed.location,
            cache_key: parsed.cache_key,
            cached_id: parsed.cached_id,
            practice: practice.as_deref(),
            day: parsed.day,
        };
        self.write_answer_cells(&query, out);
    }

    fn answer_json_rows(
        &mut self,
        block: &RowBlock,
        start: usize,
        rows: &[RowSpan],
        line_counter: &mut LineCounter,
        out: &mut Vec<u8>,
    ) {
        let mut start = start;
        for row in rows {
            let (text, ending) = split_line_ending(&block.bytes[start..row.end]);
            if text.trim_ascii().is_empty() {
                // A blank line is not a row.
                out.extend_from_slice(text);
            } else {
                self.tally.rows += 1;
                if let Err(error) = self.answer_json_row(text, out) {
                    self.write_bad_row(
                        text,
                        line_counter.line_at(&block.bytes, start),
                        &error,
                        out,
                    );
                }
            }
            out.extend_from_slice(ending);
            start = row.end;
        }
    }

    fn answer_json_row(&mut self, row: &[u8], out: &mut Vec<u8>) -> Result<(), String> {
        let context = self.context;
        let members: Vec<&str> = context.json_members.iter().map(String::as_str).collect();
        let texts = ndjson::member_texts(row, &members).map_err(|ndjson::InvalidObject| {
            "the line is not a JSON object, or a field is not a string or a number".to_string()
        })?;
        let texts: Vec<&[u8]> = texts.iter().map(String::as_bytes).collect();
        let query = self.row_query(&texts)?;
        ndjson::append_members(out, row, |out| self.write_answer_cells(&query, out));
        Ok(())
    }

    /// Parses the texts of a row, which are in the order of [`ColumnMapping::columns`].
    fn row_query<'r>(&mut self, texts: &[&'r [u8]]) -> Result<RowQuery<'r>, String> {
        let context = self.context;
        let mut texts = texts.iter().copied();
        let mut next = || texts.next().expect("a text for every column");
        let location = match context.column_mapping.location {
            LocationColumns::Postcode(_) => parse_postcode(next()),
            LocationColumns::LonLat(..) => parse_position(["lon", "lat"], [next(), next()]),
            LocationColumns::Grid(..) => parse_position(["easting", "northing"], [next(), next()]),
            LocationColumns::None => RowLocation::Absent,
        };
        let practice = context.column_mapping.practice.map(|_| next());
        let day = self.parse_day(context.column_mapping.as_of.map(|_| next()))?;
        let cache_key = self.cache_key(&location, day);
        Ok(RowQuery {
            location,
            cache_key,
            cached_id: cache_key.and_then(|key| context.answer_cache.get(key)),
            practice,
            day,
        })
    }

    /// Appends only the output cells of a row. `texts` is in the order of
    /// [`ColumnMapping::columns`]. A bad row is reported by its row number.
    pub(super) fn answer_row_texts(&mut self, texts: &[&[u8]], row_number: u64, out: &mut Vec<u8>) {
        self.tally.rows += 1;
        let is_long = texts.iter().any(|text| text.len() > FIELD_BYTES_MAX);
        let query = if is_long {
            Err(format!("a field is longer than {FIELD_BYTES_MAX} bytes"))
        } else {
            self.row_query(texts)
        };
        match query {
            Ok(query) => self.write_answer_cells(&query, out),
            Err(error) => {
                self.count_bad_row(row_number);
                let reason = format!("row {row_number}: {error}");
                self.context.layout.write_bad_row(out, &reason);
            }
        }
    }

    fn count_bad_row(&mut self, line_or_row: u64) {
        self.tally.status[status_index(BAD_ROW)] += 1;
        self.tally.add_bad_line(line_or_row);
    }

    /// Writes a bad row, padded or cut to the width of the header row, with the reason.
    fn write_bad_row(&mut self, row: &[u8], line: u64, error: &str, out: &mut Vec<u8>) {
        self.count_bad_row(line);
        let reason = &format!("line {line}: {error}");
        let layout = &self.context.layout;
        let CellFormat::Csv(delimiter) = layout.format else {
            let mut text = Vec::new();
            write_json_string(&mut text, &String::from_utf8_lossy(row));
            out.extend_from_slice(b"{\"catchment_input\":");
            out.extend_from_slice(&text);
            layout.write_bad_row(out, reason);
            out.push(b'}');
            return;
        };
        let mut ends = Vec::new();
        field_ends(row, true, delimiter, &mut ends);
        ends.truncate(self.context.field_count);
        let retained = &row[..ends.last().copied().unwrap_or_default()];
        if self.context.excel_safe {
            write_escaped_fields(retained, &ends, delimiter, out);
        } else {
            out.extend_from_slice(retained);
        }
        for _ in ends.len()..self.context.field_count {
            out.extend_from_slice(delimiter.as_bytes());
        }
        layout.write_bad_row(out, reason);
    }

    /// Appends the output cells of a row.
    fn write_answer_cells(&mut self, query: &RowQuery<'_>, out: &mut Vec<u8>) {
        let cached_residence = self.residence_cells(query);
        let cached_registration = match query.practice {
            Some(text) => self.registration_cells(text, query.day),
            None => std::mem::replace(&mut self.no_registration, Cached::Hit(0)),
        };
        let (residence_cells, registration_cells) = (
            cached_residence.get(&self.residences),
            cached_registration.get(&self.registrations),
        );
        let agreement = Agreement::between(
            &residence_cells.communities,
            &registration_cells.communities,
            registration_cells.is_outside_communities,
        );
        // The variants are in the order of `Agreement::ALL`.
        let agreement = agreement as usize;
        let layout = &self.context.layout;
        for segment in &layout.segments {
            match segment {
                RowSegment::Residence(run) => out.extend_from_slice(residence_cells.runs.run(*run)),
                RowSegment::Registration(run) => {
                    out.extend_from_slice(registration_cells.runs.run(*run))
                }
                RowSegment::Groups {
                    residence,
                    registration,
                } => {
                    out.extend_from_slice(if registration_cells.has_community {
                        registration_cells.runs.run(*registration)
                    } else {
                        residence_cells.runs.run(*residence)
                    });
                }
                RowSegment::Agreement => out.extend_from_slice(&layout.agreement_cells[agreement]),
                RowSegment::Reason => {
                    let groups_reason = if registration_cells.has_community {
                        registration_cells.runs.groups_reason()
                    } else {
                        residence_cells.runs.groups_reason()
                    };
                    layout.write_reasons(
                        out,
                        &[
                            residence_cells.runs.reason(),
                            registration_cells.runs.reason(),
                            groups_reason,
                        ],
                    );
                }
                RowSegment::Notes => {
                    write_notes(layout, residence_cells, registration_cells, query, out)
                }
                RowSegment::Constant(cell) => out.extend_from_slice(cell),
            }
        }
        self.tally.agreement[agreement] += 1;
        match &cached_residence {
            Cached::Hit(id) => increment(&mut self.residence_counts, *id),
            Cached::Miss(cells) => self.tally.add_residence(cells, 1),
        }
        match &cached_registration {
            Cached::Hit(id) => increment(&mut self.registration_counts, *id),
            Cached::Miss(cells) => self.tally.add_registration(cells, 1),
        }
        if query.practice.is_none() {
            self.no_registration = cached_registration;
        }
    }

    fn residence_cells(&mut self, query: &RowQuery<'_>) -> Cached<ResidenceCells> {
        let context = self.context;
        if let Some(id) = query.cached_id {
            return Cached::Hit(local_index(&context.residences, &mut self.residences, id));
        }
        let computed = Arc::new(ResidenceCells::new(
            context.index,
            &context.layout,
            &query.location,
            query.day.date,
        ));
        let Some(key) = query.cache_key else {
            return Cached::Miss(computed);
        };
        match context.residences.intern(&computed, computed.size_bytes()) {
            Some(id) => {
                context.answer_cache.insert(key, id);
                Cached::Hit(local_index(&context.residences, &mut self.residences, id))
            }
            None => Cached::Miss(computed),
        }
    }

    /// Returns the cache key of a location. Coordinates are not cached.
    fn cache_key(&self, location: &RowLocation, day: InternedDay) -> Option<AnswerKey> {
        let day = day.id?;
        Some(match location {
            RowLocation::Postcode(Ok(postcode)) => AnswerKey::postcode(*postcode, day),
            RowLocation::Postcode(Err(InvalidPostcode::Missing)) => {
                AnswerKey::non_postcode(NonPostcode::Missing, day)
            }
            RowLocation::Postcode(Err(InvalidPostcode::Partial)) => {
                AnswerKey::non_postcode(NonPostcode::Partial, day)
            }
            RowLocation::Postcode(Err(InvalidPostcode::Malformed {
                hint: None,
                suggestion,
                ..
            })) if suggestion.is_none() || !self.context.layout.has_suggestion => {
                AnswerKey::non_postcode(NonPostcode::Malformed, day)
            }
            RowLocation::Absent => AnswerKey::non_postcode(NonPostcode::NotRequested, day),
            _ => return None,
        })
    }

    fn registration_cells(&mut self, text: &[u8], day: InternedDay) -> Cached<RegistrationCells> {
        let (Some(practice), Some(day_id)) = (practice_key(text), day.id) else {
            return Cached::Miss(Arc::new(self.compute_registration(text, day)));
        };
        let index = practice_cache_slot(practice, day_id);
        let recent = self.recent_practices[index];
        if recent.practice == practice && recent.day == day_id {
            return Cached::Hit(recent.id as usize);
        }
        let key = (practice, day_id);
        let cached_id = self
            .context
            .practice_ids
            .read()
            .expect(POISONED)
            .get(&key)
            .copied();
        let id = match cached_id {
            Some(id) => id,
            None => {
                let computed = Arc::new(self.compute_registration(text, day));
                let Some(id) = self
                    .context
                    .registrations
                    .intern(&computed, computed.size_bytes())
                else {
                    return Cached::Miss(computed);
                };
                let mut practices = self.context.practice_ids.write().expect(POISONED);
                if practices.len() < PRACTICE_IDS_MAX {
                    practices.insert(key, id);
                }
                id
            }
        };
        local_index(&self.context.registrations, &mut self.registrations, id);
        self.recent_practices[index] = RecentPractice {
            practice,
            day: day_id,
            id,
        };
        Cached::Hit(id as usize)
    }

    fn compute_registration(&self, text: &[u8], day: InternedDay) -> RegistrationCells {
        let (context, practice) = (self.context, parse_practice(text));
        RegistrationCells::new(context.index, &context.layout, practice, day.date)
    }

    /// Parses the as-of date of a row.
    fn parse_day(&mut self, text: Option<&[u8]>) -> Result<InternedDay, String> {
        let default_day = InternedDay {
            date: self.context.as_of,
            id: Some(0),
        };
        let Some(text) = text.map(<[u8]>::trim_ascii).filter(|text| !text.is_empty()) else {
            return Ok(default_day);
        };
        let known = match self.parsed_days.get(text) {
            Some(known) => *known,
            None => {
                let parsed = std::str::from_utf8(text)
                    .ok()
                    .and_then(|text| date_from_iso(text).ok());
                let day = parsed.map(|date| self.intern_day(date));
                if self.parsed_days.len() < DAY_TEXTS_MAX && text.len() <= DAY_BYTES_MAX {
                    self.parsed_days.insert(text.to_vec(), day);
                }
                day
            }
        };
        known.ok_or_else(|| "the date must be in the form 2026-04-01".into())
    }

    fn intern_day(&self, date: Date) -> InternedDay {
        let mut days = self.context.day_ids.lock().expect(POISONED);
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

fn increment(counts: &mut Vec<u64>, id: usize) {
    ensure_length(counts, id + 1);
    counts[id] += 1;
}

fn ensure_length<T: Default + Clone>(values: &mut Vec<T>, length: usize) {
    if values.len() < length {
        values.resize(length, T::default());
    }
}

/// Ensures that the thread's own copy contains the value with this id, and returns the index of the
/// value.
fn local_index<T: Eq + Hash>(interner: &Interner<T>, local: &mut Vec<Arc<T>>, id: u32) -> usize {
    let index = id as usize;
    if index >= local.len() {
        interner.copy_new_to(local);
    }
    index
}

/// Encodes a text of up to 15 bytes as an integer key. The greatest key is never returned.
fn practice_key(text: &[u8]) -> Option<PracticeKey> {
    let length = u8::try_from(text.len()).ok()?;
    let mut bytes = [0; 16];
    bytes
        .get_mut(..PRACTICE_BYTES_MAX)?
        .get_mut(..text.len())?
        .copy_from_slice(text);
    bytes[PRACTICE_BYTES_MAX] = length;
    Some(PracticeKey::from_le_bytes(bytes))
}

/// Returns the slot of a practice in `BatchWorker::recent_practices`.
fn practice_cache_slot(practice: PracticeKey, day: u16) -> usize {
    let half = |offset: usize| {
        let bytes = practice.to_le_bytes();
        u64::from_le_bytes(*bytes[offset..].first_chunk().expect("two halves"))
    };
    let mixed = half(0) ^ half(8).rotate_left(32) ^ u64::from(day);
    let mixed = mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from(mixed >> (64 - PRACTICE_CACHE_BITS)).expect("below PRACTICE_CACHE_SIZE")
}

fn parse_practice(text: &[u8]) -> Result<OdsCode, InvalidOdsCode> {
    match std::str::from_utf8(text) {
        Ok(text) => text.parse(),
        Err(_) => Err(InvalidOdsCode::Malformed),
    }
}

fn parse_postcode(text: &[u8]) -> RowLocation {
    RowLocation::Postcode(match std::str::from_utf8(text) {
        Ok(text) => text.parse::<Postcode>(),
        // No postcode contains the replacement character.
        Err(_) => String::from_utf8_lossy(text).parse(),
    })
}

/// Parses the coordinates of a row by the same rules as a single look-up. If either coordinate is
/// empty, the position is missing.
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

fn write_notes(
    layout: &OutputLayout,
    residence: &ResidenceCells,
    registration: &RegistrationCells,
    query: &RowQuery<'_>,
    out: &mut Vec<u8>,
) {
    use crate::index::AnswerNote;
    let is_own = matches!(query.location, RowLocation::Postcode(Ok(postcode))
        if registration.premises_postcodes.binary_search(&postcode).is_ok());
    let notes = [
        (is_own, AnswerNote::PracticeAddress),
        (
            residence.is_not_yet_introduced,
            AnswerNote::NotYetIntroduced,
        ),
        (registration.closes_on, AnswerNote::ClosesOn),
    ];
    let words = notes
        .into_iter()
        .filter(|(applies, _)| *applies)
        .map(|(_, note)| note.as_str().into());
    layout.format.write_list(out, "catchment_notes", words);
}

/// Writes the user's fields, escaped so that a spreadsheet does not run them as formulas.
fn write_escaped_fields(row: &[u8], ends: &[usize], delimiter: Delimiter, out: &mut Vec<u8>) {
    for index in 0..ends.len() {
        if index > 0 {
            out.extend_from_slice(delimiter.as_bytes());
        }
        write_excel_safe(out, &row[field_range(ends, index, delimiter)], delimiter);
    }
}

/// A lazy line counter, which counts line feeds only up to the offset whose line number is
/// requested.
struct LineCounter {
    line: u64,
    position: usize,
}

impl LineCounter {
    /// Returns the line that contains the byte at this offset. Offsets must not decrease between
    /// calls.
    fn line_at(&mut self, bytes: &[u8], offset: usize) -> u64 {
        self.line += memchr_iter(b'\n', &bytes[self.position..offset]).count() as u64;
        self.position = offset;
        self.line
    }
}
