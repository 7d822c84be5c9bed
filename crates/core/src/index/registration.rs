//! Registration: the practice with which a patient is registered, its successors, and the areas to
//! which its patients belong.

use jiff::civil::Date;

use super::Index;
use super::answer::{
    AreaMatch, LayerResult, PracticeRegistration, RegisteredPractice, RegistrationReason,
    UnknownReason, areas_of_layer,
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
        let without_practice = |reason| {
            let areas = self.registered_areas(None, day);
            PracticeRegistration {
                practice: None,
                has_no_community: self.has_no_community(&areas),
                areas,
                reason: Some(reason),
            }
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
        let listed = self.registry.find_anywhere(code);
        let parent = code
            .parent()
            .and_then(|parent| self.registry.find_anywhere(parent));
        let Some(requested) = parent.or(listed) else {
            let is_other = self.registry.is_not_a_gp_practice(code);
            return without_practice(if is_other {
                RegistrationReason::NotAGpPractice
            } else {
                RegistrationReason::UnknownPractice
            });
        };
        let (outcome, successions) = self.registry.follow_successions(requested, day);
        let (practice, last, reason) = match outcome {
            SuccessionOutcome::Resolved(practice) => (practice, practice, None),
            SuccessionOutcome::NoSuccessor(last) => {
                let reason = RegistrationReason::ClosedNoSuccessor;
                (requested, last, Some(reason))
            }
            SuccessionOutcome::Cycle => {
                let reason = RegistrationReason::SuccessionCycle;
                (requested, requested, Some(reason))
            }
        };
        let areas = self.registered_areas(reason.is_none().then_some(practice), day);
        let is_empty = |found: &LayerResult<'_>| matches!(found, LayerResult::Areas(areas) if areas.is_empty());
        let communities: Vec<&LayerResult<'_>> = areas
            .iter()
            .filter(|(layer, _)| self.roles.communities.contains(layer))
            .map(|(_, found)| found)
            .collect();
        let neighbouring = self.registry.find_neighbouring(practice.code);
        let is_outside = neighbouring.is_some()
            || !communities.is_empty() && communities.into_iter().all(is_empty);
        let own_icb = || {
            let icbs = areas_of_layer(&areas, self.roles.icb?).first();
            icbs.map(|found| found.area.id.as_str())
        };
        PracticeRegistration {
            practice: Some(RegisteredPractice {
                practice,
                status: practice.status_on(day),
                icb: neighbouring.map_or_else(own_icb, |found| found.icb.as_deref()),
                is_neighbouring: neighbouring.is_some(),
                last,
                requested,
                requested_status: requested.status_on(day),
                branch_is_listed: parent.map(|_| listed.is_some()),
                successions,
            }),
            has_no_community: self.has_no_community(&areas),
            areas,
            reason: reason.or(is_outside.then_some(RegistrationReason::OutsideCoverage)),
        }
    }

    /// Returns whether the main layer of communities has an empty result.
    fn has_no_community(&self, areas: &[(Layer, LayerResult<'_>)]) -> bool {
        let main = self.roles.communities.first();
        areas.iter().any(|(layer, found)| {
            Some(layer) == main && matches!(found, LayerResult::Areas(areas) if areas.is_empty())
        })
    }

    /// Returns the areas and groups to which a practice's patients belong.
    fn registered_areas(
        &self,
        practice: Option<&Practice>,
        day: Date,
    ) -> Vec<(Layer, LayerResult<'_>)> {
        let mut areas: Vec<(Layer, LayerResult<'_>)> = Vec::new();
        let layers = self.layers.iter().filter(|layer| layer.has_registrations);
        for layer in layers {
            let result = if day < layer.first_memberships {
                LayerResult::Unknown(UnknownReason::NoDataForDate)
            } else if layer.kind == LayerKind::Membership {
                // The groups are determined later from the areas, because the layers of areas may
                // follow this layer.
                LayerResult::Groups(Vec::new())
            } else {
                practice.map_or_else(
                    || LayerResult::Areas(Vec::new()),
                    |practice| self.areas_of_practice(layer, practice, day),
                )
            };
            areas.push((layer.id, result));
        }
        self.add_groups(&mut areas, day);
        self.mark_unknown_administrative_areas(&mut areas);
        areas
    }

    /// Returns the areas of a layer to which a practice's patients belong. The areas are unknown if
    /// the source lists the practice but does not specify its area.
    fn areas_of_practice<'i>(
        &'i self,
        layer: &'i LayerIndex,
        practice: &Practice,
        day: Date,
    ) -> LayerResult<'i> {
        let Some(row) = self.registry.row(practice.code) else {
            return LayerResult::Areas(Vec::new());
        };
        let mut none_named = false;
        let mut areas = Vec::new();
        for (membership, group) in self.memberships.of_practice(row, layer.id, day) {
            none_named |= membership.group.is_none();
            let Some(ordinal) = group else { continue };
            let area = layer.version(ordinal, day);
            areas.extend(area.map(|area| AreaMatch {
                area,
                basis: match layer.members_from {
                    Some(_) => Basis::Network,
                    None => Basis::Membership,
                },
                provenance: membership.provenance,
                proximity: None,
                model_share: None,
                disputed_with: Vec::new(),
                shares: None,
                ordinal,
            }));
        }
        if areas.is_empty() && none_named {
            LayerResult::Unknown(UnknownReason::NoneNamed)
        } else {
            LayerResult::Areas(areas)
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::test_dataset::{
        DAY, build, closed_practice, code, dataset, postcode, practice, practice_membership,
        registration_query, succession,
    };
    use super::super::{LocateQuery, Locator};
    use super::*;
    use crate::domain::layers;
    use crate::domain::{Agreement, NeighbouringPractice};

    fn neighbour(text: &str) -> NeighbouringPractice {
        NeighbouringPractice {
            practice: Practice {
                sub_icb: Some("02M".into()),
                ..practice(text)
            },
            icb: Some("QE1".into()),
            position: None,
        }
    }

    #[test]
    fn a_neighbouring_practice_is_outside_coverage_and_differs_from_a_home_inside() {
        let mut dataset = dataset();
        dataset.neighbouring_practices = vec![neighbour("P81006")];
        let closed = closed_practice("A00008", date(2020, 3, 31));
        dataset.practices.push(closed);
        dataset.successions.push(succession("A00008", "P81006"));
        let index = build(dataset);
        for asked in ["P81006", "P81006001", "A00008"] {
            let query = LocateQuery {
                locator: Some(Locator::Postcode(postcode("LA1 1AA"))),
                ..registration_query(asked)
            };
            let answer = index.locate(&query);
            assert_eq!(answer.agreement, Agreement::Differ, "{asked}");
            let registration = answer.registration.expect("the query has a practice");
            let reason = registration.reason;
            assert_eq!(reason, Some(RegistrationReason::OutsideCoverage), "{asked}");
            let found = registration.practice.expect("it is known");
            assert_eq!(found.practice.code, code("P81006"));
            assert!(found.is_neighbouring);
            assert_eq!(found.practice.sub_icb.as_deref(), Some("02M"));
            assert_eq!(found.icb, Some("QE1"));
        }
        assert!(index.practice(code("P81006")).is_none());
    }

    #[test]
    fn the_last_practice_of_a_chain_without_a_successor_is_known() {
        let mut dataset = dataset();
        dataset.successions.push(succession("A00005", "A00008"));
        let closed = closed_practice("A00008", date(2020, 5, 31));
        dataset.practices.push(closed);
        let index = build(dataset);
        let answer = index.locate(&registration_query("A00005"));
        let registration = answer.registration.expect("the query has a practice");
        let reason = registration.reason;
        assert_eq!(reason, Some(RegistrationReason::ClosedNoSuccessor));
        let found = registration.practice.expect("it is known");
        let codes = (found.practice.code, found.last.code);
        assert_eq!(codes, (code("A00005"), code("A00008")));
    }

    #[test]
    fn an_area_that_the_source_does_not_name_is_unknown() {
        let mut dataset = dataset();
        let unknown = practice_membership("A00001", layers::icb(), None);
        dataset.memberships.push(unknown);
        let index = build(dataset);
        let answer = index.locate(&registration_query("A00001"));
        let registration = answer.registration.expect("the query has a practice");
        let icb = registration.areas.iter();
        let icb = icb.filter(|(layer, _)| *layer == layers::icb());
        let icb: Vec<_> = icb.map(|(_, found)| found).collect();
        assert!(matches!(
            icb[..],
            [LayerResult::Unknown(UnknownReason::NoneNamed)]
        ));
        let iccs = areas_of_layer(&registration.areas, layers::icc());
        assert_eq!(iccs[0].basis, Basis::Membership);
    }

    #[test]
    fn memberships_may_be_known_for_earlier_dates_than_areas() {
        let mut dataset = dataset();
        let day = date(2020, 1, 1);
        for entry in &mut dataset.manifest.layers {
            if entry.id == layers::icc() {
                entry.first_memberships = Some(day);
                entry.members_from = Some(layers::pcn());
            }
        }
        let index = build(dataset);
        let on = |as_of| {
            let query = LocateQuery {
                locator: Some(Locator::Postcode(postcode("LA1 1AA"))),
                as_of,
                ..registration_query("A00001")
            };
            let answer = index.locate(&query);
            let registration = answer.registration.expect("the query has a practice");
            let registered = areas_of_layer(&registration.areas, layers::icc());
            let basis = registered.first().map(|found| found.basis);
            (
                basis,
                areas_of_layer(&answer.residence, layers::icc()).len(),
            )
        };
        assert_eq!(on(DAY), (Some(Basis::Network), 1));
        assert_eq!(on(day), (Some(Basis::Network), 0));
        assert_eq!(on(date(2019, 12, 31)), (None, 0));
    }
}
