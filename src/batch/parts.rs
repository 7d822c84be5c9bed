//! The two independent parts of an answer: the cells of the residence and the cells of the
//! registration. Each part is looked up with `Index::locate` and written as cells.

use std::borrow::Cow;

use jiff::civil::Date;

use super::cells::{Encoding, SEPARATOR};
use super::columns::{Column, CommunityFact, PlaceFact, PracticeFact, Text};
use super::layout::Layout;
use super::memo::Numbers;
use crate::domain::{InvalidOdsCode, InvalidPostcode, Layer, OdsCode, Postcode, Status};
use crate::index::{
    Answer, AreaFound, Found, Index, Note, Place, Query, RegisteredPractice, Registration, Unknown,
    areas_in,
};
use crate::question::InvalidQuestion;

/// Cells in their written form, grouped into runs, followed by two reasons.
///
/// All of it is in one allocation, to avoid cache misses: the number of texts and the end of each
/// text, in four bytes each, followed by the texts.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Texts(Box<[u8]>);

impl Texts {
    /// Stores runs of cells, the reason why something is not known, and the same for resilience
    /// groups.
    pub(super) fn new(runs: Vec<Vec<u8>>, reason: &str, groups_reason: &str) -> Texts {
        let reasons = [reason, groups_reason].map(|it| it.as_bytes().to_vec());
        let texts: Vec<Vec<u8>> = runs.into_iter().chain(reasons).collect();
        let number = |number: usize| {
            u32::try_from(number)
                .expect("cells are short")
                .to_le_bytes()
        };
        let mut bytes = number(texts.len()).to_vec();
        let mut end = (texts.len() + 1) * NUMBER_BYTES;
        for text in &texts {
            end += text.len();
            bytes.extend(number(end));
        }
        bytes.extend(texts.concat());
        Texts(bytes.into())
    }

    /// Returns the run at `index`.
    pub(super) fn run(&self, number: usize) -> &[u8] {
        let start = match number {
            0 => (self.number(0) + 1) * NUMBER_BYTES,
            _ => self.number(number),
        };
        &self.0[start..self.number(number + 1)]
    }

    /// Returns the reason why something is not known; empty if there is none.
    pub(super) fn reason(&self) -> &[u8] {
        self.run(self.number(0) - 2)
    }

    /// Returns the reason why the resilience groups are not known; empty if there is none.
    pub(super) fn groups_reason(&self) -> &[u8] {
        self.run(self.number(0) - 1)
    }

    /// Reads the first byte, so that the processor fetches its cache line early.
    pub(super) fn touch(&self) -> u8 {
        self.0[0]
    }

    fn number(&self, at: usize) -> usize {
        let bytes = self.0[at * NUMBER_BYTES..].first_chunk();
        u32::from_le_bytes(*bytes.expect("a number for each text")) as usize
    }

    fn size_bytes(&self) -> usize {
        self.0.len()
    }
}

const NUMBER_BYTES: usize = 4;

/// The cells that depend on the residence.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Lives {
    pub(super) texts: Texts,
    /// The index of its status in [`STATUSES`].
    pub(super) status: usize,
    /// The id of everything on which the agreement with a registration depends.
    pub(super) compared: usize,
    /// The Integrated Care Communities: id and name.
    pub(super) icc: Vec<(String, String)>,
    pub(super) is_not_yet_introduced: bool,
}

/// The cells that depend on the registration.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Registered {
    pub(super) texts: Texts,
    /// The id of everything on which the agreement with a residence depends.
    pub(super) compared: usize,
    /// The Integrated Care Communities: id and name.
    pub(super) icc: Vec<(String, String)>,
    /// Whether the practice belongs to a community, whose groups then take precedence over those of
    /// the residence.
    pub(super) has_community: bool,
    pub(super) closes_on: bool,
    /// The postcodes of the practice's premises, sorted.
    pub(super) addresses: Vec<Postcode>,
}

/// Every status of a row, in the order of the summary.
pub(super) const STATUSES: [&str; 12] = [
    "located",
    "terminated",
    "outside_coverage",
    "no_fixed_abode",
    "address_not_known",
    "pseudo_country",
    "no_location",
    "unknown_postcode",
    "partial_postcode",
    "malformed",
    "missing",
    super::layout::BAD_ROW,
];

/// The location that a row gives.
#[derive(Debug, Clone, Copy)]
pub(super) enum PlaceAsked {
    Postcode(Result<Postcode, InvalidPostcode>),
    /// Coordinates, or the code of the error in them.
    Position(Result<Place, &'static str>),
    /// None: only the registration is looked up.
    Nothing,
}

impl PlaceAsked {
    pub(super) fn of_position(made: Result<Place, InvalidQuestion>) -> PlaceAsked {
        PlaceAsked::Position(made.map_err(|fault| fault.code()))
    }

    /// Returns the locator, if the row gives a valid location.
    pub(super) fn place(&self) -> Option<Place> {
        match *self {
            PlaceAsked::Postcode(Ok(postcode)) => Some(Place::Postcode(postcode)),
            PlaceAsked::Position(Ok(place)) => Some(place),
            _ => None,
        }
    }

    /// Returns the status and the reason of a row that gives no valid location.
    fn fault(&self) -> Option<(&'static str, String)> {
        let (status, why) = match *self {
            PlaceAsked::Postcode(Err(InvalidPostcode::Missing)) => ("missing", "missing".into()),
            PlaceAsked::Postcode(Err(InvalidPostcode::Partial)) => {
                ("partial_postcode", "partial_postcode".into())
            }
            PlaceAsked::Postcode(Err(InvalidPostcode::Malformed { hint, .. })) => {
                let hint = hint.map(|hint| format!(" ({})", hint.as_str()));
                (
                    "malformed",
                    format!("malformed{}", hint.unwrap_or_default()),
                )
            }
            PlaceAsked::Position(Err("missing")) => ("missing", "missing".into()),
            PlaceAsked::Position(Err(word)) => ("malformed", word.into()),
            _ => return None,
        };
        Some((status, why))
    }

    fn suggestion(&self) -> Option<Postcode> {
        match self {
            PlaceAsked::Postcode(Err(InvalidPostcode::Malformed { suggestion, .. })) => *suggestion,
            _ => None,
        }
    }
}

impl Lives {
    pub(super) fn new(
        index: &Index,
        layout: &Layout,
        numbers: &Numbers,
        asked: &PlaceAsked,
        day: Date,
    ) -> Lives {
        let query = Query {
            place: asked.place(),
            practice: None,
            as_of: day,
        };
        let answer = index.locate_measuring(&query, layout.measured);
        let fault = asked.fault();
        let status = fault
            .as_ref()
            .map_or(answer.status.as_str(), |(status, _)| *status);
        let cell = Cell {
            encoding: layout.encoding,
        };
        let runs = layout.runs(&layout.residence, |out, column, name| match column {
            Column::Status => cell.encoding.text(out, name, status),
            Column::Residence(layer, text) => {
                cell.layer(out, name, &answer.residence, layer, text);
            }
            Column::Groups(text) => {
                cell.layer(out, name, &answer.residence, Layer::ResilienceGroup, text);
            }
            Column::Community(fact) => cell.community(out, name, &answer, fact),
            Column::Place(PlaceFact::Suggestion) => {
                cell.shown(out, name, asked.suggestion());
            }
            Column::Place(fact) => cell.place(out, name, &answer, fact),
            _ => unreachable!("the column does not depend on the residence"),
        });
        let reason = match fault {
            Some((_, why)) => format!("residence:{why}"),
            None => residence_reason(&answer),
        };
        let is_asked = !matches!(asked, PlaceAsked::Nothing);
        let reason = if is_asked { reason.as_str() } else { "" };
        Lives {
            texts: Texts::new(runs, reason, &groups_reason(&answer.residence)),
            status: status_number(status),
            compared: numbers.of(&communities(&answer.residence)),
            icc: icc_of(&answer.residence),
            is_not_yet_introduced: answer.notes.contains(&Note::NotYetIntroduced),
        }
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.texts.size_bytes() + PART_BYTES
    }
}

impl Registered {
    /// The cells of a row of an input file without a practice column.
    pub(super) fn not_asked(layout: &Layout, numbers: &Numbers) -> Registered {
        let runs = layout.runs(&layout.registration, |out, _, name| {
            layout.encoding.none(out, name);
        });
        Registered {
            texts: Texts::new(runs, "", ""),
            compared: numbers.of("not asked"),
            icc: Vec::new(),
            has_community: false,
            closes_on: false,
            addresses: Vec::new(),
        }
    }

    pub(super) fn new(
        index: &Index,
        layout: &Layout,
        numbers: &Numbers,
        practice: Result<OdsCode, InvalidOdsCode>,
        day: Date,
    ) -> Registered {
        let answer = index.locate(&Query {
            place: None,
            practice: Some(practice),
            as_of: day,
        });
        let registration = answer
            .registration
            .as_ref()
            .expect("the query has a practice");
        let cell = Cell {
            encoding: layout.encoding,
        };
        let areas = &registration.areas;
        let runs = layout.runs(&layout.registration, |out, column, name| match column {
            Column::Registration(layer, text) => cell.layer(out, name, areas, layer, text),
            Column::Groups(text) => {
                cell.layer(out, name, areas, Layer::ResilienceGroup, text);
            }
            Column::Practice(fact) => {
                cell.practice(out, name, registration.practice.as_ref(), fact);
            }
            _ => unreachable!("the column does not depend on the registration"),
        });
        let found = registration.practice.as_ref();
        let mut addresses: Vec<Postcode> = found
            .into_iter()
            .flat_map(|found| [found.practice, found.asked])
            .flat_map(|practice| {
                let premises = index.premises(practice.code).iter();
                premises
                    .map(|site| site.postcode)
                    .chain([practice.postcode])
            })
            .flatten()
            .collect();
        addresses.sort_unstable();
        addresses.dedup();
        let known = communities(areas);
        let reason = registration_reason(registration);
        Registered {
            texts: Texts::new(runs, &reason, &groups_reason(areas)),
            has_community: !known.is_empty(),
            compared: numbers.of(&format!("{known}|{}", registration_state(registration))),
            icc: icc_of(areas),
            closes_on: answer.notes.contains(&Note::ClosesOn),
            addresses,
        }
    }

    pub(super) fn size_bytes(&self) -> usize {
        self.texts.size_bytes() + PART_BYTES
    }
}

/// The approximate size of cached cells without their texts.
const PART_BYTES: usize = 300;

/// A writer of cells.
#[derive(Clone, Copy)]
struct Cell {
    encoding: Encoding,
}

impl Cell {
    fn shown(self, out: &mut Vec<u8>, name: &str, value: Option<impl ToString>) {
        let text = value.map(|value| value.to_string()).unwrap_or_default();
        self.encoding.text(out, name, &text);
    }

    /// Writes the areas, practices or resilience groups of a layer.
    fn layer(
        self,
        out: &mut Vec<u8>,
        name: &str,
        found: &[(Layer, Found<'_>)],
        layer: Layer,
        text: Text,
    ) {
        match found
            .iter()
            .find(|(id, _)| *id == layer)
            .map(|(_, found)| found)
        {
            // More than one area only if the point is on a shared boundary.
            Some(Found::Areas(areas)) => {
                let texts: Vec<Cow<'_, str>> = areas.iter().map(|it| area_text(it, text)).collect();
                self.encoding.text(out, name, &texts.join(SEPARATOR));
            }
            Some(Found::Practices(practices)) => {
                let texts = practices.iter().map(|found| match text {
                    Text::Id => Cow::Borrowed(found.practice.code.as_str()),
                    Text::Name => Cow::Borrowed(found.practice.name.as_str()),
                });
                self.encoding.list(out, name, texts);
            }
            Some(Found::Groups(groups)) => {
                let mut seen: Vec<&str> = Vec::new();
                for group in groups {
                    let shown = match text {
                        Text::Id => &group.area.id,
                        Text::Name => &group.area.name,
                    };
                    // Two members may belong to the same group.
                    if !seen.contains(&shown.as_str()) {
                        seen.push(shown);
                    }
                }
                self.encoding
                    .list(out, name, seen.into_iter().map(Cow::Borrowed));
            }
            // The groups are unknown, which is not the same as having no groups.
            Some(Found::Unknown(_))
                if layer == Layer::ResilienceGroup && self.encoding != Encoding::Json =>
            {
                self.encoding.text(out, name, "unknown");
            }
            Some(Found::Unknown(_)) | None => self.encoding.none(out, name),
        }
    }

    fn community(self, out: &mut Vec<u8>, name: &str, answer: &Answer<'_>, fact: CommunityFact) {
        let icc = areas_in(&answer.residence, Layer::Icc).first();
        let edge = icc.and_then(|icc| icc.edge.as_ref());
        let nearest = answer
            .nearest
            .iter()
            .find(|(layer, _)| *layer == Layer::Icc);
        match fact {
            CommunityFact::Certainty => {
                self.shown(out, name, edge.map(|edge| edge.certainty.as_str()));
            }
            CommunityFact::Provenance => {
                self.shown(out, name, icc.map(|icc| icc.provenance.as_str()));
            }
            CommunityFact::Basis => self.shown(out, name, icc.map(|icc| icc.basis.as_str())),
            CommunityFact::BoundaryDistance => {
                self.encoding
                    .number(out, name, edge.map(|edge| edge.distance_m), 1);
            }
            CommunityFact::Alternatives => {
                let others = edge.into_iter().flat_map(|edge| &edge.alternatives);
                let ids = others.map(|other| Cow::Borrowed(other.area.id.as_str()));
                self.encoding.list(out, name, ids);
            }
            CommunityFact::Nearest => {
                self.shown(out, name, nearest.map(|(_, near)| &near.area.id));
            }
            CommunityFact::NearestDistance => {
                self.encoding
                    .number(out, name, nearest.map(|(_, near)| near.distance_m), 1);
            }
        }
    }

    fn place(self, out: &mut Vec<u8>, name: &str, answer: &Answer<'_>, fact: PlaceFact) {
        let location = answer.location;
        let entry = location.and_then(|location| location.entry);
        let lonlat = || location.and_then(|location| location.lonlat());
        let grid = location.and_then(|location| location.grid);
        match fact {
            PlaceFact::Postcode => {
                let postcode = match location.map(|location| location.place) {
                    Some(Place::Postcode(postcode)) => Some(postcode),
                    _ => None,
                };
                self.shown(out, name, postcode);
            }
            PlaceFact::PostcodeStatus => {
                let known = location.filter(|_| entry.is_some());
                let word = known.map(|location| match location.is_terminated {
                    true => "terminated",
                    false => "live",
                });
                self.shown(out, name, word);
            }
            PlaceFact::Introduced => {
                self.shown(out, name, entry.and_then(|entry| entry.introduced));
            }
            PlaceFact::Terminated => {
                self.shown(out, name, entry.and_then(|entry| entry.terminated));
            }
            PlaceFact::Longitude => {
                self.encoding
                    .number(out, name, lonlat().map(|it| it.lon()), 6);
            }
            PlaceFact::Latitude => {
                self.encoding
                    .number(out, name, lonlat().map(|it| it.lat()), 6);
            }
            PlaceFact::Easting => {
                self.encoding
                    .number(out, name, grid.map(|it| it.easting_m()), 3);
            }
            PlaceFact::Northing => {
                self.encoding
                    .number(out, name, grid.map(|it| it.northing_m()), 3);
            }
            PlaceFact::PositionalQuality => {
                let quality = entry.and_then(|entry| entry.positional_quality);
                let words = quality.map(|it| format!("{} {}", it.scale(), it.value()));
                self.shown(out, name, words);
            }
            PlaceFact::AsOf => self.shown(out, name, Some(answer.as_of)),
            PlaceFact::Suggestion => unreachable!("the suggestion comes from the row"),
        }
    }

    fn practice(
        self,
        out: &mut Vec<u8>,
        name: &str,
        found: Option<&RegisteredPractice<'_>>,
        fact: PracticeFact,
    ) {
        match fact {
            PracticeFact::Code => self.shown(out, name, found.map(|it| it.practice.code)),
            PracticeFact::Name => self.shown(out, name, found.map(|it| &it.practice.name)),
            PracticeFact::Status => self.shown(out, name, found.map(|it| it.status.as_str())),
            PracticeFact::AskedCode => self.shown(out, name, found.map(|it| it.asked.code)),
            PracticeFact::AskedStatus => {
                self.shown(out, name, found.map(|it| it.asked_status.as_str()));
            }
            PracticeFact::Successors => {
                let steps = found.into_iter().flat_map(|it| &it.successors);
                let codes = steps.map(|step| Cow::Owned(step.successor.to_string()));
                self.encoding.list(out, name, codes);
            }
            PracticeFact::BranchListed => {
                let listed = found.and_then(|it| it.branch_is_listed);
                self.shown(out, name, listed.map(|yes| if yes { "yes" } else { "no" }));
            }
        }
    }
}

fn area_text<'f>(found: &'f AreaFound<'_>, text: Text) -> Cow<'f, str> {
    match text {
        Text::Id => Cow::Borrowed(&found.area.id),
        Text::Name => Cow::Owned(found.area.title()),
    }
}

pub(super) fn status_number(status: &str) -> usize {
    STATUSES
        .iter()
        .position(|word| *word == status)
        .expect("STATUSES has every status")
}

/// Returns the ids of the areas in the community layers, separated by spaces.
fn communities(found: &[(Layer, Found<'_>)]) -> String {
    let areas = [Layer::Icc, Layer::NeighbourhoodTeam]
        .into_iter()
        .flat_map(|layer| areas_in(found, layer));
    let ids: Vec<&str> = areas.map(|it| it.area.id.as_str()).collect();
    ids.join(" ")
}

fn icc_of(found: &[(Layer, Found<'_>)]) -> Vec<(String, String)> {
    let areas = areas_in(found, Layer::Icc).iter();
    areas
        .map(|it| (it.area.id.clone(), it.area.title()))
        .collect()
}

/// Returns what the agreement depends on besides the communities: whether the practice is known,
/// and whether there is ICC data for the date.
fn registration_state(registration: &Registration<'_>) -> String {
    let reason = registration.reason.map_or("", |reason| reason.as_str());
    let icc = registration
        .areas
        .iter()
        .find(|(layer, _)| *layer == Layer::Icc);
    let is_empty = matches!(icc, Some((_, Found::Areas(areas))) if areas.is_empty());
    format!("{reason}|{is_empty}")
}

/// Returns the reason why there is no ICC by residence; empty if there is one.
fn residence_reason(answer: &Answer<'_>) -> String {
    let why = match answer.status {
        Status::Located | Status::Terminated => no_icc(&answer.residence),
        status => Some(status.as_str()),
    };
    why.map(|why| format!("residence:{why}"))
        .unwrap_or_default()
}

/// Returns the reason why there is no ICC by registration; empty if there is one.
fn registration_reason(registration: &Registration<'_>) -> String {
    let why = match registration.reason {
        Some(reason) => Some(reason.as_str()),
        None => no_icc(&registration.areas),
    };
    why.map(|why| format!("registration:{why}"))
        .unwrap_or_default()
}

fn no_icc(found: &[(Layer, Found<'_>)]) -> Option<&'static str> {
    let icc = found.iter().find(|(layer, _)| *layer == Layer::Icc);
    match icc.map(|(_, found)| found) {
        None => Some("no_icc_layer"),
        Some(Found::Unknown(unknown)) => Some(unknown.as_str()),
        Some(Found::Areas(areas)) if areas.is_empty() => Some("no_icc"),
        Some(_) => None,
    }
}

fn groups_reason(found: &[(Layer, Found<'_>)]) -> String {
    let groups = found
        .iter()
        .find(|(layer, _)| *layer == Layer::ResilienceGroup);
    match groups {
        Some((_, Found::Unknown(unknown))) => {
            format!("resilience_groups:{}", Unknown::as_str(*unknown))
        }
        _ => String::new(),
    }
}
