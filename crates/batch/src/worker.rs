//! The worker of one thread, which looks up parsed rows of any format and writes their output
//! cells.

use super::answer_cells::{RegistrationCells, ResidenceCells};
use super::cache::Cached;
use super::comparison::RowComparison;
use super::context::BatchContext;
use super::layout::{OutputLayout, RowSegment};
use super::practice_area::HomeAndPractice;
use super::registration_cache::RegistrationCache;
use super::residence_cache::ResidenceCache;
use super::row_location::RowLocation;
use super::row_parser::{InputRow, ParsedRow, RowContent, RowParser};
use super::summary::BatchTally;
use catchment_core::domain::{Agreement, InvalidOdsCode, OdsCode};
use catchment_core::index::AnswerNote;

/// The number of rows that are read, looked up and written together.
pub(super) const GROUP_ROWS: usize = 32;

/// The worker of one thread.
pub(super) struct BatchWorker<'s, 'i> {
    context: &'s BatchContext<'i>,
    pub(super) parser: RowParser<'s>,
    residences: ResidenceCache<'s>,
    registrations: RegistrationCache<'s>,
    /// The registration cells of rows without a practice column.
    no_registration: RegistrationCells,
    /// All counts, except the counts of rows with cached cells.
    pub(super) tally: BatchTally,
}

impl<'s, 'i> BatchWorker<'s, 'i> {
    pub(super) fn new(context: &'s BatchContext<'i>) -> BatchWorker<'s, 'i> {
        BatchWorker {
            context,
            parser: RowParser::new(context),
            residences: ResidenceCache::new(&context.residences),
            registrations: RegistrationCache::new(&context.registrations),
            no_registration: RegistrationCells::not_requested(&context.layout),
            tally: BatchTally::new(context.layout.flow_places.as_ref()),
        }
    }

    /// Returns the counts of all rows that this worker answered.
    pub(super) fn into_tally(mut self) -> BatchTally {
        for (cells, rows) in self.residences.local.into_counts() {
            self.tally.add_residence(&cells, rows);
        }
        for (cells, rows) in self.registrations.local.into_counts() {
            self.tally.add_registration(&cells, rows);
        }
        self.tally
    }

    /// Finds the cached residence cells of a group of rows. The look-ups are independent, so their
    /// cache misses overlap.
    pub(super) fn look_up(&self, group: &mut [InputRow<'_>]) {
        for row in group.iter_mut() {
            if let RowContent::Parsed(row) = &mut row.content {
                row.cached_id = row.cache_key.and_then(|key| self.residences.id(key));
            }
        }
        for row in group.iter() {
            if let RowContent::Parsed(row) = &row.content {
                let cells = row.cached_id.map(|id| self.residences.prefetch(id));
                std::hint::black_box(cells);
            }
        }
    }

    /// Appends the output cells of a row. `number` returns the line of the row or, in columnar
    /// input, the number of the row. It is rarely called.
    pub(super) fn answer_row(
        &mut self,
        row: &ParsedRow<'_>,
        mut number: impl FnMut() -> u64,
        out: &mut Vec<u8>,
    ) {
        let context = self.context;
        let cached_residence = self.residences.find(row.cached_id, row.cache_key, || {
            ResidenceCells::new(context.index, &context.layout, &row.location, row.day.date)
        });
        let cached_registration = row.practice.as_deref().map(|text| {
            self.registrations.find(text, row.day, || {
                let practice = parse_practice(text);
                RegistrationCells::new(context.index, &context.layout, practice, row.day.date)
            })
        });
        let residence = self.residences.local.get(&cached_residence);
        let registration = match &cached_registration {
            Some(cached) => self.registrations.local.get(cached),
            None => &self.no_registration,
        };
        let agreement = Agreement::between(
            &residence.communities,
            &registration.communities,
            registration.is_outside_communities,
        );
        let previous = context.previous.as_deref();
        let comparison =
            previous.map(|answers| RowComparison::new(answers, row, residence, registration));
        let answer = RowAnswer {
            row,
            residence,
            registration,
            agreement,
            comparison: comparison.as_ref(),
        };
        answer.write_cells(&context.layout, out);
        if row.location.is_malformed() {
            self.tally.malformed_locations.add(&mut number);
        }
        if registration.is_malformed {
            self.tally.malformed_practices.add(&mut number);
        }
        if let (Some(answers), Some(comparison)) = (previous, &comparison) {
            let tally = &mut self.tally.comparison;
            tally.add(answers, comparison, number());
        }
        self.tally.rows += 1;
        self.tally.add_agreement(agreement);
        if let Some(flows) = &mut self.tally.flows {
            flows.add(registration.flow_place, residence.flow_place, 1);
        }
        match &cached_residence {
            Cached::Hit(index) => self.residences.local.count(*index),
            Cached::Miss(cells) => self.tally.add_residence(cells, 1),
        }
        match &cached_registration {
            Some(Cached::Hit(index)) => self.registrations.local.count(*index),
            Some(Cached::Miss(cells)) => self.tally.add_registration(cells, 1),
            None => {}
        }
    }

    /// Appends the output cells of a bad row. `number` is the line of the row or, in columnar
    /// input, the number of the row.
    pub(super) fn answer_bad_row(&mut self, number: u64, reason: &str, out: &mut Vec<u8>) {
        self.tally.rows += 1;
        self.tally.add_bad_row(number);
        self.context.layout.write_bad_row(out, reason);
    }
}

/// The answer of a row.
struct RowAnswer<'a> {
    row: &'a ParsedRow<'a>,
    residence: &'a ResidenceCells,
    registration: &'a RegistrationCells,
    agreement: Agreement,
    /// The comparison with the answer of a previous run.
    comparison: Option<&'a RowComparison<'a>>,
}

impl RowAnswer<'_> {
    /// Writes the output cells of the row.
    fn write_cells(&self, layout: &OutputLayout, out: &mut Vec<u8>) {
        let (residence, registration) = (self.residence, self.registration);
        for segment in &layout.segments {
            match segment {
                RowSegment::Residence(run) => out.extend_from_slice(residence.runs.run(*run)),
                RowSegment::Registration(run) => {
                    out.extend_from_slice(registration.runs.run(*run));
                }
                RowSegment::Groups {
                    residence: residence_run,
                    registration: registration_run,
                } => {
                    out.extend_from_slice(if registration.has_community {
                        registration.runs.run(*registration_run)
                    } else {
                        residence.runs.run(*residence_run)
                    });
                }
                // The variants are in the order of `Agreement::ALL`.
                RowSegment::Agreement => {
                    out.extend_from_slice(&layout.agreement_cells[self.agreement as usize]);
                }
                RowSegment::Reason => {
                    let groups_reason = if registration.has_community {
                        registration.runs.groups_reason()
                    } else {
                        residence.runs.groups_reason()
                    };
                    layout.write_reasons(
                        out,
                        &[
                            residence.runs.reason(),
                            registration.runs.reason(),
                            groups_reason,
                        ],
                    );
                }
                RowSegment::Notes => {
                    write_notes(layout, residence, registration, &self.row.location, out);
                }
                RowSegment::PracticeArea(fact, name) => match self.home_and_practice() {
                    Some(pair) => pair.write(layout.format, out, name, *fact),
                    None => layout.format.write_null(out, name),
                },
                RowSegment::Comparison(fact, name) => match self.comparison {
                    Some(comparison) => comparison.write(layout.format, out, name, *fact),
                    None => layout.format.write_null(out, name),
                },
                RowSegment::Constant(cell) => out.extend_from_slice(cell),
            }
        }
    }

    /// Returns the location and the practice, or `None` unless the file contains both.
    fn home_and_practice(&self) -> Option<HomeAndPractice<'_>> {
        let has_both =
            self.row.practice.is_some() && !matches!(self.row.location, RowLocation::Absent);
        has_both.then(|| HomeAndPractice {
            home: self.residence.place.as_deref(),
            practice: self
                .registration
                .practice
                .zip(self.registration.place.as_deref()),
        })
    }
}

fn write_notes(
    layout: &OutputLayout,
    residence: &ResidenceCells,
    registration: &RegistrationCells,
    location: &RowLocation,
    out: &mut Vec<u8>,
) {
    let is_own = matches!(location, RowLocation::Postcode(Ok(postcode))
        if registration.premises_postcodes.binary_search(postcode).is_ok());
    let notes = [
        (is_own, AnswerNote::PracticeAddress),
        (
            residence.is_not_yet_introduced,
            AnswerNote::NotYetIntroduced,
        ),
        (registration.closes_on, AnswerNote::ClosesOn),
        (
            residence.is_postcode_status_unknown,
            AnswerNote::PostcodeStatusUnknown,
        ),
        (residence.layers_disagree, AnswerNote::LayersDisagree),
        (residence.is_after_data, AnswerNote::AfterData),
        (
            residence.are_coordinates_suspect,
            AnswerNote::CoordinatesSuspect,
        ),
        (
            residence.is_code_of_other_layer,
            AnswerNote::CodeOfOtherLayer,
        ),
    ];
    let words = notes
        .into_iter()
        .filter(|(applies, _)| *applies)
        .map(|(_, note)| note.as_str().into());
    layout.format.write_list(out, "catchment_notes", words);
}

fn parse_practice(text: &[u8]) -> Result<OdsCode, InvalidOdsCode> {
    match std::str::from_utf8(text) {
        Ok(text) => text.parse(),
        Err(_) => Err(InvalidOdsCode::Malformed),
    }
}
