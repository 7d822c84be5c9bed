//! Builds the index of a dataset, and rejects datasets with contradictions.

use std::collections::{HashMap, HashSet};
use std::iter;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::assignments::{AreaAssignment, AssignmentsBuilder};
use super::attributes::AttributeIndex;
use super::data_dates::outdated_after;
use super::directory::PostcodeDirectory;
use super::facts::FactsIndex;
use super::layer::LayerIndex;
use super::layer_roles::LayerRoles;
use super::memberships::MembershipIndex;
use super::registry::PracticeRegistry;
use super::statistical_codes::ImplausibleCodes;
use super::{BoundaryIndex, Index, IndexError, StatisticalAreaIndex};
use crate::domain::{
    Area, Boundary, Dataset, GroupMember, Layer, LayerEntry, LayerRole, Manifest, Period, Practice,
    Provenance, StatisticalAssignment,
};
use crate::parallel::parallel_map;

impl Index {
    /// Builds the index of a dataset.
    ///
    /// # Errors
    /// If parts of the dataset contradict each other.
    pub fn build(dataset: Dataset) -> Result<Index, IndexError> {
        let Dataset {
            manifest,
            digest,
            statistical_areas,
            ..
        } = dataset;
        let registry = PracticeRegistry::new(
            dataset.practices,
            dataset.premises,
            dataset.successions,
            dataset.not_gp_practices,
        )
        .with_surroundings(dataset.former_premises, dataset.neighbouring_practices);
        let statistical = Arc::new(BoundaryIndex::deferred(dataset.statistical_boundaries));
        let mut layers = build_layers(&manifest, &registry, dataset.areas, dataset.boundaries)?;
        let own_layer = manifest.statistical_area_layer();
        for layer in &mut layers {
            if Some(layer.id) == own_layer {
                layer.set_boundaries(Arc::clone(&statistical))?;
            }
        }
        apply_assignments(&mut layers, dataset.assignments, &statistical_areas)?;
        let preparation = spawn_preparation(&statistical, &layers);
        let memberships = MembershipIndex::new(dataset.memberships, &layers, &registry)?;
        find_member_layers(&mut layers, &memberships);
        for layer in &mut layers {
            layer.set_codes(&dataset.facts.codes);
        }
        Index::set_home_shares(&mut layers, dataset.postcode_homes)?;
        let mut area_facts = dataset.facts;
        let attributes = AttributeIndex::new(
            &manifest,
            std::mem::take(&mut area_facts.attributes),
            &statistical_areas,
            &layers,
        );
        let scheme = manifest.statistical_areas.as_ref();
        let mut facts = FactsIndex::new(
            area_facts,
            dataset.stated_counts,
            scheme.map(|entry| entry.id.as_str()),
            &statistical_areas,
            &layers,
        );
        facts.add_network_communities(&layers, &memberships, &registry);
        let mut postcodes = dataset.postcodes;
        let implausible = ImplausibleCodes::separate(&mut postcodes, &statistical);
        let mut postcode_codes = dataset.postcode_codes;
        for layer in &mut layers {
            layer.set_postcode_areas(&postcode_codes, &postcodes, &statistical);
        }
        implausible.move_other_codes(&mut postcodes, &mut postcode_codes);
        let mut index = Index {
            statistical_areas: StatisticalAreaIndex {
                codes: statistical_areas,
                boundary_index: statistical,
                snap_m: manifest
                    .statistical_areas
                    .as_ref()
                    .map_or(0.0, |entry| entry.snap_m),
                implausible,
            },
            directory: PostcodeDirectory::new(postcodes, &manifest.complete_outcodes)?,
            postcode_codes,
            lineage: dataset.lineage,
            facts,
            attributes,
            statistical_postcodes: Vec::new(),
            outdated_after: outdated_after(&manifest),
            uprns: None,
            roles: LayerRoles::new(&manifest, &layers),
            manifest,
            digest,
            layers,
            registry,
            memberships,
        };
        preparation
            .join()
            .unwrap_or_else(|panic| resume_unwind(panic));
        index.statistical_postcodes = index.find_statistical_postcodes();
        let land_edges = index.find_land_edges();
        for (layer, land_edges) in index.layers.iter().zip(land_edges) {
            layer.boundary_index.set_land_edges(land_edges);
        }
        Ok(index)
    }
}

/// Builds the indexes of the layers, in the order of the manifest.
fn build_layers(
    manifest: &Manifest,
    registry: &PracticeRegistry,
    areas: Vec<Area>,
    boundaries: Vec<(Layer, Vec<Boundary>)>,
) -> Result<Vec<LayerIndex>, IndexError> {
    let mut areas_by_layer: HashMap<Layer, Vec<Area>> = HashMap::new();
    for area in areas {
        areas_by_layer.entry(area.layer).or_default().push(area);
    }
    let mut boundaries: HashMap<Layer, Vec<Boundary>> = boundaries.into_iter().collect();
    let records = manifest.layers.iter().map(|entry| {
        let areas = areas_by_layer.remove(&entry.id).unwrap_or_default();
        let boundaries = boundaries.remove(&entry.id).unwrap_or_default();
        (entry, areas, boundaries)
    });
    let layers = parallel_map(records.collect(), |(entry, mut own, boundaries)| {
        own.shrink_to_fit();
        let areas = match entry.role {
            LayerRole::PracticeCatchment => practice_areas(registry, entry, &own),
            _ => own,
        };
        LayerIndex::build(entry, areas, boundaries)
    });
    layers.into_iter().collect()
}

/// Builds the areas of the practice layer. There is one area for each practice. An area has the
/// layer's default provenance unless the dataset states a different provenance.
fn practice_areas(registry: &PracticeRegistry, entry: &LayerEntry, areas: &[Area]) -> Vec<Area> {
    let provenances: HashMap<&str, Provenance> = areas
        .iter()
        .map(|area| (area.id.as_str(), area.provenance))
        .collect();
    let area = |practice: &Practice| Area {
        layer: entry.id,
        id: practice.code.to_string(),
        name: practice.name.clone(),
        title: None,
        label: None,
        kind: None,
        system: None,
        provenance: provenances
            .get(practice.code.as_str())
            .copied()
            .unwrap_or(entry.provenance),
        period: Period {
            from: practice.opened,
            to: practice
                .closed
                .map(|closed| closed.tomorrow().unwrap_or(closed)),
        },
        ended_by: None,
    };
    registry.practices().iter().map(area).collect()
}

/// Adds the assignments of statistical areas to the layers of the areas to which they are assigned.
fn apply_assignments(
    layers: &mut [LayerIndex],
    assignments: Vec<StatisticalAssignment>,
    statistical_areas: &[String],
) -> Result<(), IndexError> {
    let rows: HashMap<&str, u32> = (statistical_areas.iter().map(String::as_str))
        .zip(0..)
        .collect();
    let assigned = {
        let positions: HashMap<Layer, usize> =
            (layers.iter().map(|layer| layer.id)).zip(0..).collect();
        let ordinals: Vec<HashMap<&str, u32>> =
            layers.iter().map(LayerIndex::ordinals_by_id).collect();
        let mut counts = vec![0; layers.len()];
        for assignment in &assignments {
            if let Some(&position) = positions.get(&assignment.layer) {
                counts[position] += 1;
            }
        }
        let counts = counts.into_iter();
        let mut assigned: Vec<AssignmentsBuilder> =
            counts.map(AssignmentsBuilder::with_capacity).collect();
        for assignment in &assignments {
            let unknown_reference = |id: &str| IndexError::UnknownReference {
                what: format!("an assignment to {}", assignment.layer),
                id: id.to_string(),
            };
            let Some(&position) = positions.get(&assignment.layer) else {
                continue;
            };
            let row = rows.get(&*assignment.statistical_area);
            let row = row.ok_or_else(|| unknown_reference(&assignment.statistical_area))?;
            let ordinal = ordinals[position].get(&*assignment.area);
            let ordinal = ordinal.ok_or_else(|| unknown_reference(&assignment.area))?;
            let found = AreaAssignment {
                ordinal: *ordinal,
                share: assignment.share,
                period: assignment.period,
            };
            assigned[position].push(*row, found);
        }
        assigned
    };
    drop(assignments);
    let count = u32::try_from(statistical_areas.len()).expect("fewer than 2^32 areas");
    for (layer, assigned) in layers.iter_mut().zip(assigned) {
        layer.set_assignments(assigned, count);
    }
    Ok(())
}

/// Starts to index the edges of the boundaries on which answers depend. This takes long, so it runs
/// in parallel with the other steps. A search waits for the index that it needs. The first search in
/// any other layer indexes the edges of that layer.
fn spawn_preparation(statistical: &Arc<BoundaryIndex>, layers: &[LayerIndex]) -> JoinHandle<()> {
    let searched = layers.iter().filter(|layer| layer.is_searched());
    let boundaries = searched.map(|layer| Arc::clone(&layer.boundary_index));
    let boundaries = iter::once(Arc::clone(statistical)).chain(boundaries);
    let boundaries: Vec<Arc<BoundaryIndex>> = boundaries.collect();
    thread::spawn(|| {
        parallel_map(boundaries, |boundaries| boundaries.prepare());
    })
}

/// Finds the layers whose areas may be members of groups: communities and their parts, and any
/// other layer with an area that is a member of a group. Also finds the layers that have areas by
/// registration. All layers have areas by registration except two kinds: layers of statistical
/// areas, and administrative layers (such as councils) whose areas do not belong to NHS
/// organisations and have no practices as members.
fn find_member_layers(layers: &mut [LayerIndex], memberships: &MembershipIndex) {
    let mut with_members: HashSet<(Layer, Layer)> = HashSet::new();
    let mut with_practices: HashSet<Layer> = HashSet::new();
    for membership in memberships.all() {
        match membership.member {
            GroupMember::Area(layer, _) => {
                with_members.insert((layer, membership.layer));
            }
            GroupMember::Practice(_) => {
                with_practices.insert(membership.layer);
            }
        }
    }
    let roles: Vec<(Layer, LayerRole)> =
        layers.iter().map(|layer| (layer.id, layer.role)).collect();
    for groups in layers.iter_mut() {
        let may_have_members = |&(layer, role): &(Layer, LayerRole)| {
            matches!(role, LayerRole::Community | LayerRole::Part)
                || with_members.contains(&(layer, groups.id))
        };
        groups.has_members_in = roles.iter().map(may_have_members).collect();
        groups.has_registrations = match groups.role {
            LayerRole::PracticeCatchment | LayerRole::Statistical => false,
            LayerRole::Administrative => {
                groups.is_organisation || with_practices.contains(&groups.id)
            }
            _ => true,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_dataset::{assignment, build, dataset};
    use super::*;
    use crate::domain::layers;

    #[track_caller]
    fn check(dataset: Dataset, expected: &str) {
        let error = Index::build(dataset).expect_err("it is invalid");
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn contradictory_datasets_are_rejected() {
        let mut unknown_statistical_area = dataset();
        unknown_statistical_area
            .assignments
            .push(assignment("S9", layers::icc(), "k", None));
        check(
            unknown_statistical_area,
            "an assignment to icc refers to `S9`, which is not in the dataset",
        );
        let mut unknown_area = dataset();
        unknown_area
            .assignments
            .push(assignment("S0", layers::icc(), "z", None));
        check(
            unknown_area,
            "an assignment to icc refers to `z`, which is not in the dataset",
        );
        // Assignments to a layer that the dataset does not have are ignored.
        let mut unlisted_layer = dataset();
        unlisted_layer
            .assignments
            .push(assignment("S0", layers::pcn(), "z", None));
        build(unlisted_layer);
    }
}
