//! Writes the dataset's tables in the form that [`crate::dataset::read`] reads.

use crate::dataset::{cells, columns};
use crate::formats::write_csv as table;
use crate::import::PostcodeRecord;
use catchment_core::domain::{
    Area, GroupMember, LineageStep, Membership, OdsCode, Period, PositionalQuality, Practice,
    PracticeSuccession, Premises, StatisticalAssignment, YearMonth,
};

fn optional(text: Option<&impl ToString>) -> String {
    text.map(ToString::to_string).unwrap_or_default()
}

fn period_cells(period: &Period) -> [String; 2] {
    [optional(period.from.as_ref()), optional(period.to.as_ref())]
}

pub(super) fn areas(areas: &[Area]) -> Vec<u8> {
    table(
        columns::AREAS,
        areas.iter().map(|area| {
            let [from, to] = period_cells(&area.period);
            [
                area.layer.to_string(),
                area.id.clone(),
                area.name.clone(),
                optional(area.kind.as_ref()),
                optional(area.system.as_ref()),
                area.provenance.as_str().into(),
                from,
                to,
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

pub(super) fn memberships(memberships: &[Membership]) -> Vec<u8> {
    table(
        columns::MEMBERSHIPS,
        memberships.iter().map(|membership| {
            let (member_layer, member) = match &membership.member {
                GroupMember::Practice(code) => ("gp-practice", code.to_string()),
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
                membership.provenance.as_str().into(),
            ]
        }),
    )
}

pub(super) fn practices<'a>(practices: impl IntoIterator<Item = &'a Practice>) -> Vec<u8> {
    table(
        columns::PRACTICES,
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
            ]
        }),
    )
}

pub(super) fn premises(premises: &[Premises]) -> Vec<u8> {
    table(
        columns::PREMISES,
        premises.iter().map(|site| {
            [
                site.practice.to_string(),
                site.kind.as_str().into(),
                optional(site.postcode.as_ref()),
                site.position.easting_m().to_string(),
                site.position.northing_m().to_string(),
            ]
        }),
    )
}

pub(super) fn successions(successions: &[PracticeSuccession]) -> Vec<u8> {
    table(
        columns::SUCCESSIONS,
        successions.iter().map(|step| {
            [
                step.predecessor.to_string(),
                step.successor.to_string(),
                step.from.to_string(),
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
                assignment.statistical_area.clone(),
                assignment.layer.to_string(),
                assignment.area.clone(),
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

pub(super) fn postcodes<'a>(postcodes: impl IntoIterator<Item = &'a PostcodeRecord>) -> Vec<u8> {
    let month = |month: Option<YearMonth>| month.map(YearMonth::to_yyyymm).unwrap_or_default();
    table(
        columns::POSTCODES,
        postcodes.into_iter().map(|row| {
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
                if row.is_live {
                    cells::LIVE
                } else {
                    cells::TERMINATED
                }
                .into(),
                month(row.introduced),
                month(row.terminated),
                optional(row.statistical_area.as_ref()),
                if row.is_large_user { "large" } else { "" }.into(),
            ]
        }),
    )
}

pub(super) fn codes(codes: &[OdsCode]) -> Vec<u8> {
    table(
        columns::NOT_GP_PRACTICES,
        codes.iter().map(|code| [code.to_string()]),
    )
}
