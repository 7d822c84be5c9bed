//! Checks that the layers of a dataset are consistent: their roles, kinds and parents.

use catchment_core::domain::{Layer, LayerEntry, LayerKind, LayerRole};

/// Removes the default parents of layers without a role if these parents are not in the dataset.
/// `has_role` states, for each layer, whether the layer declares a role.
pub(crate) fn remove_default_parents(layers: &mut [LayerEntry], has_role: &[bool]) {
    let known: Vec<Layer> = layers.iter().map(|entry| entry.id).collect();
    let by_default = layers.iter_mut().zip(has_role).filter(|(_, has)| !**has);
    for (entry, _) in by_default {
        let id = entry.id;
        let is_known = |parent: &Layer| known.contains(parent) && *parent != id;
        entry.parent = entry.parent.filter(is_known);
    }
}

/// Returns the errors of the layers of a dataset: parents and members that are not in the dataset,
/// cycles of parents, and roles or organisations that several layers share. Each error states the
/// layers.
pub(crate) fn set_errors(layers: &[LayerEntry]) -> Vec<String> {
    let mut errors = Vec::new();
    for (index, entry) in layers.iter().enumerate() {
        let id = entry.id;
        let references = [
            ("parent", entry.parent),
            ("members_from", entry.members_from),
        ];
        for (key, layer) in references {
            errors.extend(layer.and_then(|layer| reference_error(layers, id, key, layer)));
        }
        errors.extend(cycle_error(layers, index));
        let earlier = &layers[..index];
        let is_practice_layer = entry.role == LayerRole::PracticeCatchment;
        let other = earlier
            .iter()
            .find(|other| is_practice_layer && other.role == entry.role);
        errors.extend(other.map(|other| {
            let other = other.id;
            let role = entry.role;
            format!(
                "layers `{other}` and `{id}` have the role `{role}`, which only one layer can have"
            )
        }));
        let organisation = entry.organisation.iter();
        for organisation in organisation {
            let other = earlier
                .iter()
                .find(|other| other.organisation == Some(*organisation));
            errors.extend(other.map(|other| {
                let other = other.id;
                format!(
                    "layers `{other}` and `{id}` have the organisation `{organisation}`, which only \
                     one layer can have"
                )
            }));
        }
    }
    errors
}

/// Returns an error for a key whose value is the id of a layer, unless this layer is another layer
/// of the dataset.
fn reference_error(layers: &[LayerEntry], id: Layer, key: &str, layer: Layer) -> Option<String> {
    let others: Vec<&str> = layers
        .iter()
        .map(|entry| entry.id)
        .filter(|other| *other != id)
        .map(Layer::as_str)
        .collect();
    if others.contains(&layer.as_str()) {
        return None;
    }
    let valid = match others.as_slice() {
        [] => "there is no other layer".to_string(),
        others => format!("the others are {}", others.join(", ")),
    };
    Some(format!(
        "layer `{id}`: {key} `{layer}` is not another layer of the dataset; {valid}"
    ))
}

/// Returns the error for a cycle of parents. The error is reported only for the first layer of a
/// cycle, in the order of the manifest.
fn cycle_error(layers: &[LayerEntry], index: usize) -> Option<String> {
    let position = |layer: Layer| layers.iter().position(|entry| entry.id == layer);
    let parent = |index: usize| position(layers[index].parent?);
    let mut cycle = vec![index];
    let mut current = index;
    while let Some(next) = parent(current) {
        if next == index {
            let ids = cycle.iter().map(|index| format!("`{}`", layers[*index].id));
            let ids: Vec<String> = ids.collect();
            // A layer that is its own parent causes a separate error.
            return (ids.len() > 1)
                .then(|| format!("the parents of the layers {} form a cycle", ids.join(", ")));
        }
        if next < index || cycle.contains(&next) {
            return None;
        }
        cycle.push(next);
        current = next;
    }
    None
}

/// Returns the errors of a layer that lacks something that its role requires. These errors apply
/// only to new datasets, because a dataset from an earlier version of the program may lack it.
pub(crate) fn role_errors(layers: &[LayerEntry], entry: &LayerEntry) -> Vec<String> {
    let (id, role) = (entry.id, entry.role);
    let mut errors = Vec::new();
    let parent = layers.iter().find(|other| Some(other.id) == entry.parent);
    let is_in_community = parent.is_some_and(|parent| parent.role == LayerRole::Community);
    if role == LayerRole::Part && !is_in_community {
        let communities = layers
            .iter()
            .filter(|other| other.role == LayerRole::Community);
        let communities: Vec<&str> = communities.map(|other| other.id.as_str()).collect();
        let valid = match communities.as_slice() {
            [] => "no layer has this role".to_string(),
            ids => ids.join(", "),
        };
        errors.push(format!(
            "layer `{id}`: the role `{role}` needs a parent with the role `{}`: {valid}",
            LayerRole::Community
        ));
    }
    if (role == LayerRole::Group) != (entry.kind == LayerKind::Membership) {
        errors.push(format!(
            "layer `{id}`: the role is `{role}` and the kind `{}`; layers with the role `{}`, and \
             only these, have the kind `{}`",
            entry.kind,
            LayerRole::Group,
            LayerKind::Membership
        ));
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::manifest::manifest_from_toml;
    use crate::test_layers::layer;

    const TOY: &str = include_str!("../../../../fuzz/seeds/manifest/toy");

    /// Returns two layers of the toy dataset: a layer of communities and a layer of groups.
    fn toy() -> Vec<LayerEntry> {
        manifest_from_toml(TOY).expect("a manifest").layers
    }

    fn with(id: &str, role: LayerRole, parent: Option<&str>) -> LayerEntry {
        LayerEntry {
            id: layer(id),
            role,
            parent: parent.map(layer),
            ..toy()[0].clone()
        }
    }

    #[test]
    fn roles_need_parents_and_kinds() {
        let mut layers = toy();
        for entry in &layers {
            assert!(role_errors(&layers, entry).is_empty());
        }
        let group = layers[1].id;
        let needs_parent =
            "layer `ward-group`: the role `part` needs a parent with the role `community`: icc";
        for parent in [None, Some(group.as_str())] {
            let part = with("ward-group", LayerRole::Part, parent);
            assert_eq!(role_errors(&layers, &part), [needs_parent]);
        }
        let part = with("ward-group", LayerRole::Part, Some("icc"));
        assert!(role_errors(&layers, &part).is_empty());
        layers[1].kind = LayerKind::Partition;
        let errors = role_errors(&layers, &layers[1]);
        let expected = "layer `resilience-group`: the role is `group` and the kind `partition`";
        assert!(
            errors.len() == 1 && errors[0].starts_with(expected),
            "{errors:?}"
        );
    }

    #[test]
    fn errors_of_all_layers_are_found_at_once() {
        let administrative = LayerRole::Administrative;
        let mut own_parent = with("own", administrative, Some("own"));
        own_parent.members_from = Some(layer("nowhere"));
        let layers = [
            with("a", administrative, Some("b")),
            with("b", administrative, Some("c")),
            with("c", administrative, Some("b")),
            with("d", administrative, Some("county")),
            own_parent,
            with("surgery", LayerRole::PracticeCatchment, None),
            with("practice", LayerRole::PracticeCatchment, None),
        ];
        let ids = "a, b, c, d";
        assert_eq!(
            set_errors(&layers),
            [
                "the parents of the layers `b`, `c` form a cycle".to_string(),
                "layer `d`: parent `county` is not another layer of the dataset; the others are a, \
                 b, c, own, surgery, practice"
                    .into(),
                format!(
                    "layer `own`: parent `own` is not another layer of the dataset; the others are \
                     {ids}, surgery, practice"
                ),
                format!(
                    "layer `own`: members_from `nowhere` is not another layer of the dataset; the \
                     others are {ids}, surgery, practice"
                ),
                "layers `surgery` and `practice` have the role `practice-catchment`, which only one \
                 layer can have"
                    .into(),
            ]
        );
    }
}
