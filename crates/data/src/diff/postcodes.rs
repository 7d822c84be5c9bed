//! Differences in postcodes and their answers.

use super::{ChangeKind, DatasetOnDate};
use catchment_core::domain::{Layer, LayerRole, Postcode};
use catchment_core::index::{Index, LayerResult, LocateQuery, Locator, PostcodeLookup};

/// Returns the layers whose answers are compared: the communities, and then their parts.
pub(super) fn compared_layers(old: &Index, new: &Index) -> Vec<Layer> {
    let layers = new.manifest().layers_of_both(old.manifest());
    let has_role = |layer: Layer, role| {
        let roles = [new.role(layer), old.role(layer)];
        roles.contains(&Some(role))
    };
    let of_role = |role| layers.iter().filter(move |layer| has_role(**layer, role));
    let communities = of_role(LayerRole::Community);
    communities
        .chain(of_role(LayerRole::Part))
        .copied()
        .collect()
}

/// A postcode that was added or removed, or whose answer changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostcodeChange {
    /// The postcode.
    pub postcode: Postcode,
    /// Whether the postcode was added or removed, or its answer changed.
    pub change: ChangeKind,
    /// The answer of the old dataset.
    pub old: Option<PostcodeAnswer>,
    /// The answer of the new dataset.
    pub new: Option<PostcodeAnswer>,
}

/// The answer for a postcode, from the point of view of residence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostcodeAnswer {
    /// The status of the answer.
    pub status: &'static str,
    /// The ids of the areas in the compared layers. A blank id means that the postcode is in no
    /// area of the layer. Text in brackets is the reason why the area is unknown.
    pub areas: Vec<String>,
}

pub(super) fn compare(
    old: DatasetOnDate<'_>,
    new: DatasetOnDate<'_>,
    layers: &[Layer],
) -> Vec<PostcodeChange> {
    let (mut before, mut after) = (
        directory_postcodes(old.index).peekable(),
        directory_postcodes(new.index).peekable(),
    );
    let mut changes = Vec::new();
    loop {
        let next = match (before.peek(), after.peek()) {
            (None, None) => return changes,
            (Some(&old), Some(&new)) => old.min(new),
            (Some(&only), None) | (None, Some(&only)) => only,
        };
        let old_answer = before
            .next_if_eq(&next)
            .map(|postcode| locate_postcode(old, postcode, layers));
        let new_answer = after
            .next_if_eq(&next)
            .map(|postcode| locate_postcode(new, postcode, layers));
        let change = match (&old_answer, &new_answer) {
            (None, _) => ChangeKind::Added,
            (_, None) => ChangeKind::Removed,
            (old_answer, new_answer) if old_answer != new_answer => ChangeKind::Changed,
            _ => continue,
        };
        changes.push(PostcodeChange {
            postcode: next,
            change,
            old: old_answer,
            new: new_answer,
        });
    }
}

fn directory_postcodes(index: &Index) -> impl Iterator<Item = Postcode> + '_ {
    index.postcodes().map(|entry| entry.postcode)
}

fn locate_postcode(
    DatasetOnDate { index, day }: DatasetOnDate<'_>,
    postcode: Postcode,
    layers: &[Layer],
) -> PostcodeAnswer {
    debug_assert!(matches!(
        index.lookup_postcode(postcode),
        PostcodeLookup::Entry(_)
    ));
    let answer = index.locate(&LocateQuery {
        locator: Some(Locator::Postcode(postcode)),
        practice: None,
        as_of: day,
    });
    let ids = |layer: Layer| match answer.residence.iter().find(|value| value.0 == layer) {
        Some((_, LayerResult::Areas(areas))) => {
            let ids: Vec<&str> = areas
                .iter()
                .map(|area_match| area_match.area.id.as_str())
                .collect();
            ids.join(" ")
        }
        Some((_, LayerResult::Unknown(why))) => format!("[{}]", why.as_str()),
        _ => String::new(),
    };
    PostcodeAnswer {
        status: answer.status.as_str(),
        areas: layers.iter().copied().map(ids).collect(),
    }
}
