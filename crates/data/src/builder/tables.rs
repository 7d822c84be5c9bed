//! Writes the dataset's tables in the format that [`crate::dataset::read`] expects.

use crate::dataset::{cells, columns};
use crate::formats::write_csv as table;
use crate::import::PostcodeRecord;
use catchment_core::domain::{
    Area, AreaCode, AreaName, FormerPremises, GroupMember, Layer, LineageStep, Membership,
    ModelShare, NeighbouringPractice, OdsCode, PatientCount, Period, PositionalQuality,
    PostcodeCodes, Practice, PracticeSuccession, Premises, Provenance, ResidentCount,
    StatisticalAssignment, Termination, YearMonth,
};

fn optional(text: Option<&impl ToString>) -> String {
    text.map(ToString::to_string).unwrap_or_default()
}

/// Returns the names of the required columns, followed by the names of the optional columns.
fn all_columns<const A: usize, const B: usize, const ALL: usize>(
    columns: [&'static str; A],
    optional: [&'static str; B],
) -> [&'static str; ALL] {
    let mut names = columns.into_iter().chain(optional);
    std::array::from_fn(|_| names.next().expect("a row has a cell for each column"))
}

fn period_cells(period: &Period) -> [String; 2] {
    [optional(period.from.as_ref()), optional(period.to.as_ref())]
}

pub(super) fn areas(areas: &[Area]) -> Vec<u8> {
    table(
        columns::AREAS,
        areas.iter().map(|area| {
            let from = optional(area.period.from.as_ref());
            let to = optional(area.known_end().as_ref());
            [
                area.layer.to_string(),
                area.id.clone(),
                area.name.clone(),
                optional(area.kind.as_ref()),
                optional(area.system.as_ref()),
                area.provenance.as_str().into(),
                from,
                to,
                optional(area.ended_by.as_ref()),
            ]
        }),
    )
}

pub(super) fn lineage(lineage: &[LineageStep]) -> Vec<u8> {
    table(
        columns::LINEAGE,
        lineage.iter().map(|step| {
            [
                step.layer.to_string(),
                step.predecessor.clone(),
                optional(step.successor.as_ref()),
                step.relation.as_str().into(),
                optional(step.date.as_ref()),
                step.source.clone(),
            ]
        }),
    )
}

pub(super) fn memberships(memberships: &[Membership], practice_layer: Option<Layer>) -> Vec<u8> {
    table(
        columns::MEMBERSHIPS,
        memberships.iter().map(|membership| {
            let (member_layer, member) = match &membership.member {
                GroupMember::Practice(code) => {
                    (columns::practice_member(practice_layer), code.to_string())
                }
                GroupMember::Area(layer, id) => (layer.as_str(), id.clone()),
            };
            let [from, to] = period_cells(&membership.period);
            [
                member_layer.into(),
                member,
                membership.layer.to_string(),
                optional(membership.group.as_ref()),
                from,
                to,
                match membership.provenance {
                    // Only memberships that were copied from a page are indicative.
                    Provenance::Indicative => columns::AS_PUBLISHED,
                    other => other.as_str(),
                }
                .into(),
            ]
        }),
    )
}

pub(super) fn practices<'a>(practices: impl IntoIterator<Item = &'a Practice>) -> Vec<u8> {
    table(
        all_columns(columns::PRACTICES, columns::PRACTICES_OPTIONAL),
        practices.into_iter().map(|practice| {
            [
                practice.code.to_string(),
                practice.name.clone(),
                practice.address.clone(),
                optional(practice.postcode.as_ref()),
                optional(practice.telephone.as_ref()),
                practice.status.as_str().into(),
                optional(practice.opened.as_ref()),
                optional(practice.closed.as_ref()),
                optional(practice.sub_icb.as_ref()),
                optional(practice.pcn.as_ref()),
                optional(practice.list_size.as_ref()),
                optional(practice.list_size_as_of.as_ref()),
                optional(practice.as_of.as_ref()),
                optional(practice.note.as_ref()),
            ]
        }),
    )
}

pub(super) fn premises(premises: &[Premises]) -> Vec<u8> {
    table(
        all_columns(columns::PREMISES, columns::PREMISES_OPTIONAL),
        premises.iter().map(|site| {
            [
                site.practice.to_string(),
                site.kind.as_str().into(),
                optional(site.postcode.as_ref()),
                site.position.easting_m().to_string(),
                site.position.northing_m().to_string(),
                optional(site.name.as_ref()),
                optional(site.as_of.as_ref()),
                optional(site.source.as_ref()),
            ]
        }),
    )
}

pub(super) fn former_premises(premises: &[FormerPremises]) -> Vec<u8> {
    table(
        columns::FORMER_PREMISES,
        premises.iter().map(|site| {
            [
                site.practice.to_string(),
                optional(site.postcode.as_ref()),
                site.name.clone(),
                site.held_as.clone(),
                site.reason.clone(),
                site.source.clone(),
            ]
        }),
    )
}

pub(super) fn neighbouring_practices(practices: &[NeighbouringPractice]) -> Vec<u8> {
    table(
        columns::NEIGHBOURING_PRACTICES,
        practices.iter().map(|found| {
            let practice = &found.practice;
            let metre = |metres: Option<f64>| optional(metres.as_ref());
            [
                practice.code.to_string(),
                practice.name.clone(),
                optional(practice.postcode.as_ref()),
                optional(practice.sub_icb.as_ref()),
                optional(found.icb.as_ref()),
                practice.status.as_str().into(),
                optional(practice.closed.as_ref()),
                optional(practice.as_of.as_ref()),
                optional(practice.list_size.as_ref()),
                optional(practice.list_size_as_of.as_ref()),
                metre(found.position.map(|position| position.easting_m())),
                metre(found.position.map(|position| position.northing_m())),
            ]
        }),
    )
}

pub(super) fn successions(successions: &[PracticeSuccession]) -> Vec<u8> {
    table(
        all_columns(columns::SUCCESSIONS, columns::SUCCESSIONS_OPTIONAL),
        successions.iter().map(|step| {
            [
                step.predecessor.to_string(),
                step.successor.to_string(),
                step.from.to_string(),
                step.basis
                    .iter()
                    .map(|evidence| evidence.as_str())
                    .collect::<Vec<_>>()
                    .join("; "),
                optional(step.pcn_left.as_ref()),
                optional(step.note.as_ref()),
                optional(step.source.as_ref()),
            ]
        }),
    )
}

pub(super) fn assignments(assignments: &[StatisticalAssignment]) -> Vec<u8> {
    table(
        columns::ASSIGNMENTS,
        assignments.iter().map(|assignment| {
            let [from, to] = period_cells(&assignment.period);
            [
                assignment.statistical_area.to_string(),
                assignment.layer.to_string(),
                assignment.area.to_string(),
                assignment
                    .share
                    .map(|share| format!("{share:.3}"))
                    .unwrap_or_default(),
                from,
                to,
            ]
        }),
    )
}

/// Writes the postcode directory. Includes the optional columns only if at least one postcode has a
/// value in one of these columns.
pub(super) fn postcodes(postcodes: &[PostcodeRecord]) -> Vec<u8> {
    let has_optional = |row: &PostcodeRecord| {
        row.codes != PostcodeCodes::default()
            || row
                .termination
                .is_some_and(|ended| ended.editions().is_some())
    };
    let rows = postcodes.iter().map(postcode_cells);
    if !postcodes.iter().any(has_optional) {
        return table(columns::POSTCODES, rows);
    }
    let names = concat(columns::POSTCODES, columns::POSTCODES_OPTIONAL);
    let optional = postcodes.iter().map(optional_postcode_cells);
    table(
        names,
        rows.zip(optional).map(|(cells, more)| concat(cells, more)),
    )
}

/// Concatenates the cells of the required and the optional columns of the postcode directory.
fn concat<T>(cells: [T; 9], optional: [T; 6]) -> [T; 15] {
    let mut all = cells.into_iter().chain(optional);
    std::array::from_fn(|_| all.next().expect("nine and six are fifteen"))
}

fn postcode_cells(row: &PostcodeRecord) -> [String; 9] {
    let metre = |metres: Option<f64>| optional(metres.as_ref());
    [
        row.postcode.to_string(),
        metre(row.position.map(|position| position.easting_m())),
        metre(row.position.map(|position| position.northing_m())),
        optional(
            row.positional_quality
                .map(PositionalQuality::value)
                .as_ref(),
        ),
        row.status.as_str().into(),
        month(row.introduced),
        month(row.termination.and_then(Termination::month)),
        optional(row.statistical_area.as_ref()),
        if row.is_large_user { "large" } else { "" }.into(),
    ]
}

fn optional_postcode_cells(row: &PostcodeRecord) -> [String; 6] {
    let codes = &row.codes;
    let editions = row.termination.and_then(Termination::editions);
    let by = |is_by_polygon| if is_by_polygon { cells::POLYGON } else { "" }.to_string();
    [
        optional(codes.council.as_ref()),
        optional(codes.lsoa21.as_ref()),
        month(editions.map(|(after, _)| after)),
        month(editions.map(|(_, by)| by)),
        by(codes.is_statistical_area_by_polygon),
        by(codes.is_lsoa21_by_polygon),
    ]
}

fn month(month: Option<YearMonth>) -> String {
    month.map(YearMonth::to_yyyymm).unwrap_or_default()
}

pub(super) fn codes(codes: &[OdsCode]) -> Vec<u8> {
    table(
        columns::NOT_GP_PRACTICES,
        codes.iter().map(|code| [code.to_string()]),
    )
}

pub(super) fn area_names(names: &[AreaName]) -> Vec<u8> {
    table(
        columns::AREA_NAMES,
        names.iter().map(|name| {
            [
                name.layer.to_string(),
                name.area.clone(),
                name.name.clone(),
                name.kind.clone(),
                name.source.clone(),
                optional(name.as_of.as_ref()),
            ]
        }),
    )
}

pub(super) fn area_codes(codes: &[AreaCode]) -> Vec<u8> {
    table(
        columns::AREA_CODES,
        codes.iter().map(|code| {
            [
                code.layer.to_string(),
                code.area.clone(),
                code.scheme.clone(),
                code.code.clone(),
            ]
        }),
    )
}

pub(super) fn model_shares(shares: &[ModelShare]) -> Vec<u8> {
    table(
        columns::MODEL_SHARES,
        shares.iter().map(|share| {
            let disputed = share.disputed.iter();
            let disputed: Vec<String> = disputed
                .map(|(area, share)| format!("{area} {share:.2}"))
                .collect();
            [
                share.statistical_area.clone(),
                share.layer.to_string(),
                share.area.clone(),
                format!("{:.2}", share.share),
                disputed.join("; "),
            ]
        }),
    )
}

pub(super) fn registrations<'c>(counts: impl Iterator<Item = &'c PatientCount>) -> Vec<u8> {
    table(
        columns::REGISTRATIONS,
        counts.map(|count| {
            [
                count.practice.to_string(),
                count.statistical_area.to_string(),
                count.as_of.to_string(),
                count.patients.to_string(),
            ]
        }),
    )
}

pub(super) fn residents(residents: &[ResidentCount]) -> Vec<u8> {
    table(
        columns::RESIDENTS,
        residents.iter().map(|count| {
            [
                count.scheme.clone(),
                count.statistical_area.clone(),
                count.as_of.to_string(),
                count.people.to_string(),
            ]
        }),
    )
}
