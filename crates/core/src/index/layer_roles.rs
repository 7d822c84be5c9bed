//! The layers of a dataset, by their roles. Look-ups often need these layers.

use super::layer::LayerIndex;
use crate::domain::{Layer, LayerKind, LayerRole, LayerSet, Manifest, OrganisationKind};

/// The layers with a role, in the order in which answers list them.
#[derive(Debug)]
pub(super) struct LayerRoles {
    /// The layers of communities. The first layer in this list is the main layer of communities.
    pub(super) communities: Vec<Layer>,
    pub(super) networks: Vec<Layer>,
    pub(super) administrative: Vec<Layer>,
    /// The layer of the statistical areas on which other layers are defined.
    pub(super) statistical_areas: Option<Layer>,
    /// The layer of Integrated Care Boards.
    pub(super) icb: Option<Layer>,
    /// The positions, among the layers of the index, of the layers whose areas are groups.
    pub(super) group_positions: Vec<usize>,
    /// The layers on which no other part of an answer depends, so that a look-up of other layers
    /// can omit them.
    pub(super) independent: LayerSet,
}

impl LayerRoles {
    pub(super) fn new(manifest: &Manifest, layers: &[LayerIndex]) -> LayerRoles {
        let with_role = |role| manifest.layers_with_role(role).collect();
        let positions = (0..layers.len()).filter(|&position| {
            let layer = &layers[position];
            layer.kind == LayerKind::Membership
        });
        let has_groups = |position: usize| {
            let mut layers = layers.iter();
            layers.any(|groups| groups.has_members_in.get(position) == Some(&true))
        };
        let independent = layers.iter().enumerate().filter(|(position, layer)| {
            let role = layer.role;
            matches!(role, LayerRole::Administrative | LayerRole::Statistical)
                && !has_groups(*position)
        });
        LayerRoles {
            independent: independent.map(|(_, layer)| layer.id).collect(),
            communities: with_role(LayerRole::Community),
            networks: with_role(LayerRole::Network),
            administrative: with_role(LayerRole::Administrative),
            statistical_areas: manifest.statistical_area_layer(),
            icb: manifest.organisation_layer(OrganisationKind::IntegratedCareBoard),
            group_positions: positions.collect(),
        }
    }
}
