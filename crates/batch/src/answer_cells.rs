//! The two independent parts of an answer: the cells of the residence and the cells of the
//! registration. Each part is looked up with `Index::locate` and written as cells.

use std::borrow::Cow;
use std::cell::OnceCell;

use jiff::civil::Date;

use super::columns::{
    AreaText, CommunityFact, LocationFact, NamePattern, OutputColumn, PracticeFact, PremisesFact,
};
use super::counted_areas::CountedAreas;
use super::layout::OutputLayout;
use super::practice_area::{HomePlace, PracticePlace};
use super::reasons::{Reason, groups_reason, registration_reason, residence_reason};
use super::row_location::RowLocation;
use crate::tabular::cell_format::{CellFormat, SEPARATOR};
use catchment_core::domain::{
    Certainty, InvalidOdsCode, Layer, OdsCode, Postcode, PostcodeStatus, Premises,
};
use catchment_core::index::{
    AnswerNote, AreaMatch, Index, LayerResult, LocateAnswer, LocateQuery, Locator,
    RegisteredPractice, UnknownReason, areas_of_layer,
};

/// Runs of encoded cells, followed by two reasons: the reason why a result is missing, and the
/// reason why the resilience groups are unknown.
///
/// To avoid cache misses, the runs and the reasons are strings in a single allocation. The
/// allocation starts with the number of strings and the end offset of each string, as four-byte
/// integers.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct CellRuns(Box<[u8]>);

impl CellRuns {
    /// Stores runs of cells, the reason why a result is missing, and the reason why the resilience
    /// groups are unknown.
    pub(super) fn new(runs: Vec<Vec<u8>>, reason: &str, groups_reason: &str) -> CellRuns {
        let reasons = [reason, groups_reason].map(|text| text.as_bytes().to_vec());
        let texts: Vec<Vec<u8>> = runs.into_iter().chain(reasons).collect();
        let encode_word = |number: usize| {
            u32::try_from(number)
                .expect("cells are short")
                .to_le_bytes()
        };
        let mut bytes = encode_word(texts.len()).to_vec();
        let mut end = (texts.len() + 1) * WORD_BYTES;
        for text in &texts {
            end += text.len();
            bytes.extend(encode_word(end));
        }
        bytes.extend(texts.concat());
        CellRuns(bytes.into())
    }

    /// Returns the run at `index`.
    pub(super) fn run(&self, index: usize) -> &[u8] {
        let start = match index {
            0 => (self.word(0) + 1) * WORD_BYTES,
            _ => self.word(index),
        };
        &self.0[start..self.word(index + 1)]
    }

    /// Returns the reason why a result is missing, or an empty string if no result is missing.
    pub(super) fn reason(&self) -> &[u8] {
        self.run(self.word(0) - 2)
    }

    /// Returns the reason why the resilience groups are unknown, or an empty string if they are
    /// known.
    pub(super) fn groups_reason(&self) -> &[u8] {
        self.run(self.word(0) - 1)
    }

    /// Reads the first byte, so that the processor fetches its cache line early.
    pub(super) fn prefetch(&self) -> u8 {
        self.0[0]
    }

    fn word(&self, index: usize) -> usize {
        let bytes = self.0[index * WORD_BYTES..].first_chunk();
        u32::from_le_bytes(*bytes.expect("a number for each text")) as usize
    }

    fn size_bytes(&self) -> usize {
        self.0.len()
    }
}

const WORD_BYTES: usize = 4;

/// The cells that depend on the residence.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct ResidenceCells {
    pub(super) runs: CellRuns,
    /// The index of the status in [`STATUSES`].
    pub(super) status_index: usize,
    /// The ids of the communities, which are compared with the communities of the registration.
    pub(super) communities: Vec<String>,
    /// The areas that the summary counts.
    pub(super) counted: CountedAreas,
    /// The code of the reason why there is no main community. Empty if there is a main community.
    pub(super) reason_code: Cow<'static, str>,
    /// The ids of the main communities as text, if the row is compared with a previous answer.
    pub(super) compared: String,
    /// The location in relation to practices, if a column needs it.
    pub(super) place: Option<Box<HomePlace>>,
    /// The number of the place of residence in the flows, or 0 if no flows are counted.
    pub(super) flow_place: u32,
    pub(super) is_not_yet_introduced: bool,
    pub(super) is_postcode_status_unknown: bool,
    pub(super) layers_disagree: bool,
    pub(super) is_after_data: bool,
    pub(super) are_coordinates_suspect: bool,
    pub(super) is_code_of_other_layer: bool,
}

/// The cells that depend on the registration.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct RegistrationCells {
    pub(super) runs: CellRuns,
    /// The ids of the communities, which are compared with the communities of the residence.
    pub(super) communities: Vec<String>,
    /// Whether the practice is known but belongs to no community.
    pub(super) is_outside_communities: bool,
    /// The areas that the summary counts.
    pub(super) counted: CountedAreas,
    /// The code of the reason why there is no main community. Empty if there is a main community.
    pub(super) reason_code: Cow<'static, str>,
    /// The ids of the main communities as text, if the row is compared with a previous answer.
    pub(super) compared: String,
    /// The responsible practice.
    pub(super) practice: Option<OdsCode>,
    /// Whether the responsible practice has taken over the patients of the practice in the row.
    pub(super) has_succeeded: bool,
    /// The practice in relation to locations, if a column needs it.
    pub(super) place: Option<Box<PracticePlace>>,
    /// Whether the row contains text that is not a practice code.
    pub(super) is_malformed: bool,
    /// The number of the place of registration in the flows, or 0 if no flows are counted.
    pub(super) flow_place: u32,
    /// Whether the practice belongs to a community. If so, the groups of this community take
    /// precedence over the groups of the residence.
    pub(super) has_community: bool,
    pub(super) closes_on: bool,
    /// The postcodes of the practice's premises, sorted.
    pub(super) premises_postcodes: Vec<Postcode>,
}

/// Every status that a row may have, in the order of the summary.
pub(super) const STATUSES: [&str; 15] = [
    "located",
    "terminated",
    "outside_coverage",
    "no_fixed_abode",
    "address_not_known",
    "pseudo_country",
    "no_location",
    "unknown_postcode",
    "unknown_area",
    "unknown_uprn",
    "uprn_unavailable",
    "partial_postcode",
    "malformed",
    "missing",
    super::layout::BAD_ROW,
];

impl ResidenceCells {
    pub(super) fn new(
        index: &Index,
        layout: &OutputLayout,
        location: &RowLocation,
        day: Date,
    ) -> ResidenceCells {
        let query = LocateQuery {
            locator: location.locator(),
            practice: None,
            as_of: day,
        };
        let answer = index.locate_in(&query, layout.layers, layout.distance_layers);
        let error = location.error();
        let status = error
            .as_ref()
            .map_or(answer.status.as_str(), |error| error.status);
        let has_location = !matches!(location, RowLocation::Absent);
        let reason = match error {
            _ if !has_location => Reason::NONE,
            Some(error) => Reason::of_residence(error.code, &error.why),
            None => residence_reason(index, layout, &answer, &query),
        };
        let groups_reason = groups_reason(layout, &answer.residence);
        let nearest_practice = OnceCell::new();
        let nearest_practice = || {
            *nearest_practice.get_or_init(|| {
                let position = answer.location.and_then(|location| location.grid)?;
                let nearest = index.nearest_practices(position, 1, day);
                let nearest = nearest.first();
                nearest.map(|(practice, _, distance_m)| (practice.code, *distance_m))
            })
        };
        let writer = CellWriter {
            index,
            format: layout.format,
        };
        let runs = layout.write_runs(&layout.residence_runs, |out, column, name| match column {
            OutputColumn::Status => writer.format.write_text(out, name, status),
            OutputColumn::Residence(layer, text, pattern) => {
                writer.write_layer(out, name, &answer.residence, layer, (text, pattern));
            }
            OutputColumn::Groups(layer, text) => {
                let text = (text, NamePattern::Groups);
                writer.write_layer(out, name, &answer.residence, layer, text);
            }
            OutputColumn::Community(layer, fact) => {
                writer.write_community(out, name, &answer, layer, fact);
            }
            OutputColumn::Premises(_, fact) => {
                writer.write_premises(out, name, &answer.residence, fact);
            }
            OutputColumn::Attribute(attribute, _) => {
                let value = index.attribute(&answer, attribute).unwrap_or_default();
                writer.format.write_text(out, name, value);
            }
            OutputColumn::Location(LocationFact::Suggestion) => {
                writer.write_value(out, name, location.suggestion());
            }
            OutputColumn::Location(LocationFact::NearestPractice) => {
                writer.write_value(out, name, nearest_practice().map(|(code, _)| code));
            }
            OutputColumn::Location(LocationFact::NearestPracticeDistance) => {
                let distance_m = nearest_practice().map(|(_, distance_m)| distance_m);
                writer.format.write_number(out, name, distance_m, 0);
            }
            OutputColumn::ResidenceReason => writer.format.write_text(out, name, &reason.code),
            OutputColumn::GroupsReason => writer.format.write_text(out, name, &groups_reason.code),
            OutputColumn::Location(fact) => {
                if !writer.write_directory_fact(out, name, index, &answer, &query, fact) {
                    writer.write_location(out, name, &answer, fact);
                }
            }
            _ => unreachable!("the column does not depend on the residence"),
        });
        ResidenceCells {
            runs: CellRuns::new(runs, &reason.text, &groups_reason.text),
            status_index: status_index(status),
            counted: CountedAreas::of_residence(&layout.counted_layers, &answer.residence),
            compared: compared_text(layout, &answer.residence),
            place: HomePlace::new(layout.place_needs, &answer).map(Box::new),
            reason_code: reason.code,
            communities: index
                .community_ids(&answer.residence)
                .map(str::to_string)
                .collect(),
            flow_place: layout
                .flow_places
                .as_ref()
                .map_or(0, |places| places.residence(&answer)),
            is_not_yet_introduced: answer.notes.contains(&AnswerNote::NotYetIntroduced),
            is_postcode_status_unknown: answer.notes.contains(&AnswerNote::PostcodeStatusUnknown),
            layers_disagree: answer.notes.contains(&AnswerNote::LayersDisagree),
            is_after_data: answer.notes.contains(&AnswerNote::AfterData),
            are_coordinates_suspect: answer.notes.contains(&AnswerNote::CoordinatesSuspect),
            is_code_of_other_layer: answer.notes.contains(&AnswerNote::CodeOfOtherLayer),
        }
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.runs.size_bytes() + self.counted.size_bytes() + CELLS_OVERHEAD_BYTES
    }
}

impl RegistrationCells {
    /// Returns the registration cells for an input file that has no practice column.
    pub(super) fn not_requested(layout: &OutputLayout) -> RegistrationCells {
        let runs = layout.write_runs(&layout.registration_runs, |out, _, name| {
            layout.format.write_null(out, name);
        });
        RegistrationCells {
            runs: CellRuns::new(runs, "", ""),
            communities: Vec::new(),
            is_outside_communities: false,
            counted: CountedAreas::default(),
            reason_code: Cow::Borrowed(""),
            compared: String::new(),
            practice: None,
            has_succeeded: false,
            place: None,
            is_malformed: false,
            flow_place: 0,
            has_community: false,
            closes_on: false,
            premises_postcodes: Vec::new(),
        }
    }

    pub(super) fn new(
        index: &Index,
        layout: &OutputLayout,
        practice: Result<OdsCode, InvalidOdsCode>,
        day: Date,
    ) -> RegistrationCells {
        let answer = index.locate(&LocateQuery {
            locator: None,
            practice: Some(practice),
            as_of: day,
        });
        let registration = answer
            .registration
            .as_ref()
            .expect("the query has a practice");
        let writer = CellWriter {
            index,
            format: layout.format,
        };
        let areas = &registration.areas;
        let reason = registration_reason(index, layout, registration, practice);
        let groups_reason = groups_reason(layout, areas);
        let runs = layout.write_runs(
            &layout.registration_runs,
            |out, column, name| match column {
                OutputColumn::Registration(layer, text, pattern) => {
                    writer.write_layer(out, name, areas, layer, (text, pattern));
                }
                OutputColumn::Groups(layer, text) => {
                    let text = (text, NamePattern::Groups);
                    writer.write_layer(out, name, areas, layer, text);
                }
                OutputColumn::Practice(fact) => {
                    writer.write_practice(out, name, registration.practice.as_ref(), fact);
                }
                OutputColumn::RegistrationReason => {
                    writer.format.write_text(out, name, &reason.code);
                }
                OutputColumn::GroupsReason => {
                    writer.format.write_text(out, name, &groups_reason.code);
                }
                _ => unreachable!("the column does not depend on the registration"),
            },
        );
        let registered_practice = registration.practice.as_ref();
        let mut premises_postcodes: Vec<Postcode> = registered_practice
            .into_iter()
            .flat_map(|found| [found.practice, found.requested])
            .flat_map(|practice| {
                let premises = index.premises(practice.code).iter();
                premises
                    .map(|site| site.postcode)
                    .chain([practice.postcode])
            })
            .flatten()
            .collect();
        premises_postcodes.sort_unstable();
        premises_postcodes.dedup();
        let communities = index.community_ids(areas).map(str::to_string);
        let communities: Vec<String> = communities.collect();
        RegistrationCells {
            runs: CellRuns::new(runs, &reason.text, &groups_reason.text),
            counted: CountedAreas::of_registration(&layout.counted_layers, areas),
            compared: compared_text(layout, areas),
            reason_code: reason.code,
            practice: registered_practice.map(|found| found.practice.code),
            has_succeeded: registered_practice.is_some_and(|found| !found.successions.is_empty()),
            place: PracticePlace::new(index, layout.place_needs, registration, day).map(Box::new),
            is_malformed: practice == Err(InvalidOdsCode::Malformed),
            has_community: !communities.is_empty(),
            communities,
            is_outside_communities: registration.is_outside_communities(),
            flow_place: layout
                .flow_places
                .as_ref()
                .map_or(0, |places| places.registration(registration)),
            closes_on: answer.notes.contains(&AnswerNote::ClosesOn),
            premises_postcodes,
        }
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.runs.size_bytes() + self.counted.size_bytes() + CELLS_OVERHEAD_BYTES
    }
}

/// The approximate size of cached cells in bytes, not counting their strings.
const CELLS_OVERHEAD_BYTES: usize = 300;

/// In a list of areas beyond a nearby boundary, the value for land that is in no area of the layer.
const LAND_IN_NO_AREA: &str = "outside";

/// The number of decimal places of shares of postcodes.
const SHARE_DECIMALS: i32 = 4;

/// A writer that formats the parts of an answer as cells.
#[derive(Clone, Copy)]
struct CellWriter<'i> {
    index: &'i Index,
    format: CellFormat,
}

impl CellWriter<'_> {
    fn write_value(self, out: &mut Vec<u8>, name: &str, value: Option<impl ToString>) {
        let text = value.map(|value| value.to_string()).unwrap_or_default();
        self.format.write_text(out, name, &text);
    }

    /// Writes the areas, practices or resilience groups of a layer.
    fn write_layer(
        self,
        out: &mut Vec<u8>,
        name: &str,
        results: &[(Layer, LayerResult<'_>)],
        layer: Layer,
        (text, pattern): (AreaText, NamePattern),
    ) {
        match results
            .iter()
            .find(|(id, _)| *id == layer)
            .map(|(_, found)| found)
        {
            // There is more than one area only if areas of the layer overlap.
            Some(LayerResult::Areas(areas)) => {
                let texts: Vec<Cow<'_, str>> = areas
                    .iter()
                    .map(|area_match| area_text(self.index, area_match, text))
                    .collect();
                self.format.write_text(out, name, &texts.join(SEPARATOR));
            }
            Some(LayerResult::Practices(practices)) => {
                let texts = practices.iter().map(|found| match text {
                    AreaText::Id | AreaText::Code => Cow::Borrowed(found.practice.code.as_str()),
                    AreaText::Name => Cow::Borrowed(found.practice.name.as_str()),
                });
                self.format.write_list(out, name, texts);
            }
            Some(LayerResult::Groups(groups)) => {
                let mut seen: Vec<&str> = Vec::new();
                for group in groups {
                    let value = match text {
                        AreaText::Id => group.area.id.as_str(),
                        AreaText::Name => group.area.name.as_str(),
                        AreaText::Code => self.index.national_code(group.area).unwrap_or_default(),
                    };
                    // Two members may belong to the same group.
                    if !value.is_empty() && !seen.contains(&value) {
                        seen.push(value);
                    }
                }
                self.format
                    .write_list(out, name, seen.into_iter().map(Cow::Borrowed));
            }
            // The groups or the area are unknown, which differs from the absence of groups or of an
            // area.
            Some(LayerResult::Unknown(reason))
                if self.format != CellFormat::Json
                    && (pattern == NamePattern::Groups
                        || *reason != UnknownReason::NoDataForDate) =>
            {
                self.format.write_text(out, name, "unknown");
            }
            Some(LayerResult::Unknown(_)) | None => self.format.write_null(out, name),
        }
    }

    /// Writes a fact about the nearest premises of each practice whose area covers the location, in
    /// the order of the practices.
    fn write_premises(
        self,
        out: &mut Vec<u8>,
        name: &str,
        results: &[(Layer, LayerResult<'_>)],
        fact: PremisesFact,
    ) {
        let practices = results.iter().find_map(|(_, found)| match found {
            LayerResult::Practices(practices) => Some(practices.as_slice()),
            _ => None,
        });
        let texts = practices.unwrap_or_default().iter().map(|found| {
            let text = match fact {
                PremisesFact::Distances => found.distance_m.map(|metres| format!("{metres:.0}")),
                PremisesFact::Addresses => found.premises.map(premises_text),
            };
            Cow::Owned(text.unwrap_or_else(|| "unknown".into()))
        });
        self.format.write_list(out, name, texts);
    }

    fn write_community(
        self,
        out: &mut Vec<u8>,
        name: &str,
        answer: &LocateAnswer<'_>,
        layer: Layer,
        fact: CommunityFact,
    ) {
        let community = areas_of_layer(&answer.residence, layer).first();
        let proximity = community.and_then(|community| community.proximity.as_ref());
        let shares = community.and_then(|community| community.shares.as_deref());
        let others = || community.map(AreaMatch::other_areas).unwrap_or_default();
        let nearest = answer.nearest.iter().find(|(id, _)| *id == layer);
        match fact {
            CommunityFact::Certainty => {
                self.write_value(
                    out,
                    name,
                    community
                        .and_then(AreaMatch::certainty)
                        .map(Certainty::as_str),
                );
            }
            CommunityFact::Provenance => {
                self.write_value(
                    out,
                    name,
                    community.map(|community| community.provenance.as_str()),
                );
            }
            CommunityFact::Disputed => {
                let others = community
                    .into_iter()
                    .flat_map(|community| &community.disputed_with);
                let ids = others.map(|other| Cow::Borrowed(other.area.id.as_str()));
                self.format.write_list(out, name, ids);
            }
            CommunityFact::Basis => self.write_value(
                out,
                name,
                community.map(|community| community.basis.as_str()),
            ),
            CommunityFact::BoundaryDistance => {
                self.format.write_number(
                    out,
                    name,
                    proximity.and_then(|proximity| proximity.distance_m),
                    1,
                );
            }
            CommunityFact::Alternatives => {
                let others = others();
                let areas = others.iter().map(|other| other.area);
                let ids = areas.map(|area| match area {
                    Some(area) => Cow::Borrowed(area.id.as_str()),
                    None => Cow::Borrowed(LAND_IN_NO_AREA),
                });
                self.format.write_list(out, name, ids);
            }
            CommunityFact::Share => {
                self.format.write_number(
                    out,
                    name,
                    shares.map(|shares| shares.share),
                    SHARE_DECIMALS,
                );
            }
            CommunityFact::AlternativeShares => {
                let others = others();
                let shares = others.iter().filter_map(|other| other.share);
                let texts = shares.map(|share| Cow::Owned(format!("{share:.4}")));
                self.format.write_list(out, name, texts);
            }
            CommunityFact::Nearest => {
                self.write_value(out, name, nearest.map(|(_, near)| &near.area.id));
            }
            CommunityFact::NearestDistance => {
                self.format
                    .write_number(out, name, nearest.map(|(_, near)| near.distance_m), 1);
            }
        }
    }

    fn write_location(
        self,
        out: &mut Vec<u8>,
        name: &str,
        answer: &LocateAnswer<'_>,
        fact: LocationFact,
    ) {
        let location = answer.location;
        let entry = location.and_then(|location| location.entry);
        let lonlat = || location.and_then(|location| location.lonlat());
        let grid = location.and_then(|location| location.grid);
        match fact {
            LocationFact::Postcode => {
                let postcode = match location.map(|location| location.locator) {
                    Some(Locator::Postcode(postcode)) => Some(postcode),
                    _ => None,
                };
                self.write_value(out, name, postcode);
            }
            LocationFact::PostcodeStatus => {
                let status = location.and_then(|location| location.postcode_status());
                self.write_value(out, name, status.map(PostcodeStatus::as_str));
            }
            LocationFact::Introduced => {
                self.write_value(out, name, entry.and_then(|entry| entry.introduced));
            }
            LocationFact::Terminated => {
                self.write_value(out, name, entry.and_then(|entry| entry.terminated()));
            }
            LocationFact::Longitude => {
                self.format
                    .write_number(out, name, lonlat().map(|position| position.lon()), 6);
            }
            LocationFact::Latitude => {
                self.format
                    .write_number(out, name, lonlat().map(|position| position.lat()), 6);
            }
            LocationFact::Easting => {
                self.format
                    .write_number(out, name, grid.map(|position| position.easting_m()), 3);
            }
            LocationFact::Northing => {
                self.format
                    .write_number(out, name, grid.map(|position| position.northing_m()), 3);
            }
            LocationFact::PositionalQuality => {
                let quality = entry.and_then(|entry| entry.positional_quality);
                let words =
                    quality.map(|quality| format!("{} {}", quality.scale(), quality.value()));
                self.write_value(out, name, words);
            }
            LocationFact::AsOf => self.write_value(out, name, Some(answer.as_of)),
            LocationFact::EndedAfter => {
                let editions = entry.and_then(|entry| entry.ended_between());
                self.write_value(out, name, editions.map(|(after, _)| after));
            }
            LocationFact::EndedBy => {
                let editions = entry.and_then(|entry| entry.ended_between());
                self.write_value(out, name, editions.map(|(_, by)| by));
            }
            LocationFact::Council
            | LocationFact::StatisticalArea
            | LocationFact::Lsoa21
            | LocationFact::AreaHint
            | LocationFact::AreaHintShare => unreachable!("the fact comes from the index"),
            LocationFact::NearestPractice | LocationFact::NearestPracticeDistance => {
                unreachable!("the nearest practice is found once for both")
            }
            LocationFact::Suggestion => unreachable!("the suggestion comes from the row"),
        }
    }

    /// Writes a fact for which the index is needed: a code in the directory, or the hint for a
    /// postcode that is not in the directory. Returns whether `fact` is such a fact.
    fn write_directory_fact(
        self,
        out: &mut Vec<u8>,
        name: &str,
        index: &Index,
        answer: &LocateAnswer<'_>,
        query: &LocateQuery,
        fact: LocationFact,
    ) -> bool {
        let entry = answer.location.and_then(|location| location.entry);
        let codes = || entry.map(|entry| index.postcode_codes(&entry));
        let hint = || match query.locator {
            Some(Locator::Postcode(postcode)) => index.sector_hint(postcode, query.as_of),
            _ => None,
        };
        match fact {
            LocationFact::Council => {
                self.write_value(out, name, codes().and_then(|codes| codes.council));
            }
            LocationFact::StatisticalArea if answer.statistical_area.is_some() => {
                let scheme = index.statistical_layers().next();
                let named = answer.statistical_area.map(|named| named.area);
                let named = named.filter(|area| Some(area.layer) == scheme);
                self.write_value(out, name, named.map(|area| &area.id));
            }
            LocationFact::StatisticalArea => {
                let code = entry.and_then(|entry| index.statistical_area_code(&entry));
                self.write_value(out, name, code);
            }
            LocationFact::Lsoa21 => {
                self.write_value(out, name, codes().and_then(|codes| codes.lsoa21));
            }
            LocationFact::AreaHint => {
                self.write_value(out, name, hint().map(|hint| &hint.area.id));
            }
            LocationFact::AreaHintShare => {
                self.format
                    .write_number(out, name, hint().map(|hint| hint.share), 2);
            }
            _ => return false,
        }
        true
    }

    fn write_practice(
        self,
        out: &mut Vec<u8>,
        name: &str,
        registered: Option<&RegisteredPractice<'_>>,
        fact: PracticeFact,
    ) {
        match fact {
            PracticeFact::Code => {
                self.write_value(out, name, registered.map(|practice| practice.practice.code))
            }
            PracticeFact::Name => self.write_value(
                out,
                name,
                registered.map(|practice| &practice.practice.name),
            ),
            PracticeFact::Status => self.write_value(
                out,
                name,
                registered.map(|practice| practice.status.as_str()),
            ),
            PracticeFact::RequestedCode => self.write_value(
                out,
                name,
                registered.map(|practice| practice.requested.code),
            ),
            PracticeFact::RequestedStatus => {
                self.write_value(
                    out,
                    name,
                    registered.map(|practice| practice.requested_status.as_str()),
                );
            }
            PracticeFact::Successors => {
                let steps = registered
                    .into_iter()
                    .flat_map(|practice| &practice.successions);
                let codes = steps.map(|step| Cow::Owned(step.successor.to_string()));
                self.format.write_list(out, name, codes);
            }
            PracticeFact::BranchListed => {
                let listed = registered.and_then(|practice| practice.branch_is_listed);
                self.write_value(out, name, listed.map(|yes| if yes { "yes" } else { "no" }));
            }
        }
    }
}

fn area_text<'f>(index: &'f Index, area_match: &'f AreaMatch<'_>, text: AreaText) -> Cow<'f, str> {
    match text {
        AreaText::Id => Cow::Borrowed(&area_match.area.id),
        AreaText::Name => Cow::Borrowed(area_match.area.title()),
        AreaText::Code => Cow::Borrowed(index.national_code(area_match.area).unwrap_or_default()),
    }
}

pub(super) fn status_index(status: &str) -> usize {
    STATUSES
        .iter()
        .position(|word| *word == status)
        .expect("STATUSES has every status")
}

/// Returns the ids of the main communities in the text of their cell. The text is empty unless rows
/// are compared with previous answers.
fn compared_text(layout: &OutputLayout, results: &[(Layer, LayerResult<'_>)]) -> String {
    let main = layout.main_community.filter(|_| layout.is_compared);
    let areas = main.map_or(&[][..], |main| areas_of_layer(results, main));
    let ids: Vec<&str> = areas.iter().map(|found| found.area.id.as_str()).collect();
    ids.join(SEPARATOR)
}

/// Describes premises by their postcode, kind and source, as in `LA22 0NU branch 2022-09`.
fn premises_text(premises: &Premises) -> String {
    let parts = [
        premises.postcode.map(|postcode| postcode.to_string()),
        Some(premises.kind.as_str().to_string()),
        premises.as_of.map(|as_of| as_of.to_string()),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    parts.join(" ")
}
