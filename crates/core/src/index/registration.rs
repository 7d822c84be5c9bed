//! Registration: the practice with which a patient is registered, its successors, and the areas to
//! which its patients belong.

use jiff::civil::Date;

use super::Index;
use super::answer::{
    AreaMatch, LayerResult, PracticeRegistration, RegisteredPractice, RegistrationReason,
    UnknownReason,
};
use super::layer::LayerIndex;
use super::registry::SuccessionOutcome;
use crate::domain::{Basis, InvalidOdsCode, Layer, LayerKind, OdsCode, Practice};

impl Index {
    pub(super) fn resolve_registration(
        &self,
        code: Result<OdsCode, InvalidOdsCode>,
        day: Date,
    ) -> PracticeRegistration<'_> {
        let without_practice = |reason| PracticeRegistration {
            practice: None,
            areas: self.registered_areas(None, day),
            reason: Some(reason),
        };
        let code = match code {
            Ok(code) if code.is_default() => {
                return without_practice(RegistrationReason::DefaultCode);
            }
            Ok(code) => code,
            Err(InvalidOdsCode::Missing) => return without_practice(RegistrationReason::Missing),
            Err(InvalidOdsCode::Malformed) => {
                return without_practice(RegistrationReason::Malformed);
            }
        };
        let listed = self.registry.find(code);
        let parent = code.parent().and_then(|parent| self.registry.find(parent));
        let Some(requested) = parent.or(listed) else {
            let is_other = self.registry.is_not_a_gp_practice(code);
            return without_practice(if is_other {
                RegistrationReason::NotAGpPractice
            } else {
                RegistrationReason::UnknownPractice
            });
        };
        let (outcome, successions) = self.registry.follow_successions(requested, day);
        let (practice, reason) = match outcome {
            SuccessionOutcome::Resolved(practice) => (practice, None),
            SuccessionOutcome::NoSuccessor => {
                (requested, Some(RegistrationReason::ClosedNoSuccessor))
            }
            SuccessionOutcome::Cycle => (requested, Some(RegistrationReason::SuccessionCycle)),
        };
        let areas = self.registered_areas(reason.is_none().then_some(practice), day);
        let is_empty = |found: &LayerResult<'_>| matches!(found, LayerResult::Areas(areas) if areas.is_empty());
        let communities: Vec<&LayerResult<'_>> = areas
            .iter()
            .filter(|(layer, _)| Layer::COMMUNITIES.contains(layer))
            .map(|(_, found)| found)
            .collect();
        let is_outside = !communities.is_empty() && communities.into_iter().all(is_empty);
        PracticeRegistration {
            practice: Some(RegisteredPractice {
                practice,
                status: practice.status_on(day),
                requested,
                requested_status: requested.status_on(day),
                branch_is_listed: parent.map(|_| listed.is_some()),
                successions,
            }),
            areas,
            reason: reason.or(is_outside.then_some(RegistrationReason::OutsideCoverage)),
        }
    }

    /// Returns the areas and groups to which a practice's patients belong.
    fn registered_areas(
        &self,
        practice: Option<&Practice>,
        day: Date,
    ) -> Vec<(Layer, LayerResult<'_>)> {
        let mut areas: Vec<(Layer, LayerResult<'_>)> = Vec::new();
        let layers = self
            .layers
            .iter()
            .filter(|layer| layer.id != Layer::GpPractice);
        for layer in layers {
            let result = if day < layer.first_data {
                LayerResult::Unknown(UnknownReason::NoDataForDate)
            } else if layer.kind == LayerKind::Membership {
                self.groups_of(layer, &areas, day)
            } else {
                LayerResult::Areas(practice.map_or_else(Vec::new, |practice| {
                    self.areas_of_practice(layer, practice, day)
                }))
            };
            areas.push((layer.id, result));
        }
        areas
    }

    fn areas_of_practice<'i>(
        &'i self,
        layer: &'i LayerIndex,
        practice: &Practice,
        day: Date,
    ) -> Vec<AreaMatch<'i>> {
        let Some(row) = self.registry.row(practice.code) else {
            return Vec::new();
        };
        let memberships = self.memberships.of_practice(row, layer.id, day);
        memberships
            .filter_map(|(membership, group)| {
                let ordinal = group?;
                Some(AreaMatch {
                    area: layer.version(ordinal, day)?,
                    basis: Basis::Membership,
                    provenance: membership.provenance,
                    proximity: None,
                    ordinal,
                })
            })
            .collect()
    }
}
