//! Finds the layers of an answer that point to different communities.

use jiff::civil::Date;

use super::Index;
use super::answer::{LayerResult, areas_of_layer};
use crate::domain::{Area, Layer, Practice};

/// A network or practice whose people belong to a different community from the community that
/// covers the position.
#[derive(Debug)]
pub struct Disagreement<'i> {
    /// The network or practice.
    pub of: DisagreeingLayer<'i>,
    /// The communities to which the people of the network or practice belong.
    pub communities: Vec<&'i Area>,
}

/// The network or practice of a [`Disagreement`].
#[derive(Debug)]
pub enum DisagreeingLayer<'i> {
    /// The network that covers the position.
    Network(&'i Area),
    /// The practice with the largest share at the position.
    Practice(&'i Practice),
}

impl Index {
    /// Returns the network that covers a position, and the practice with the largest share there,
    /// if their people belong to a different community from the community that covers the position.
    /// The result is empty if no community covers the position.
    pub fn disagreements(
        &self,
        residence: &[(Layer, LayerResult<'_>)],
        day: Date,
    ) -> Vec<Disagreement<'_>> {
        let mut disagreements = Vec::new();
        let is_community_here = |layer: Layer, ordinal: u32| {
            let mut areas = areas_of_layer(residence, layer).iter();
            areas.any(|found| found.ordinal == ordinal)
        };
        let communities = self.roles.communities.iter().copied();
        let has_community = communities
            .clone()
            .any(|layer| !areas_of_layer(residence, layer).is_empty());
        if !has_community {
            return disagreements;
        }
        let area = |layer, ordinal| self.layer(layer)?.version(ordinal, day);
        let networks = self.roles.networks.iter();
        let networks = networks.flat_map(|layer| areas_of_layer(residence, *layer));
        for network in networks {
            let (layer, ordinal) = (network.area.layer, network.ordinal);
            let communities = || self.facts.communities_of_network(layer, ordinal, day);
            if communities().any(|found| is_community_here(found.layer, found.ordinal)) {
                continue;
            }
            let communities = communities().filter_map(|found| area(found.layer, found.ordinal));
            let of = area(layer, ordinal).map(DisagreeingLayer::Network);
            push(&mut disagreements, of, communities);
        }
        let largest = residence.iter().find_map(|(_, found)| match found {
            LayerResult::Practices(practices) => practices.first(),
            _ => None,
        });
        let row = largest.and_then(|found| self.registry.row(found.practice.code));
        if let Some(row) = row {
            let communities = || {
                communities.clone().flat_map(move |layer| {
                    let memberships = self.memberships.of_practice(row, layer, day);
                    memberships.filter_map(move |(_, group)| Some((layer, group?)))
                })
            };
            if !communities().any(|(layer, ordinal)| is_community_here(layer, ordinal)) {
                let of = Some(DisagreeingLayer::Practice(&self.registry.practices()[row]));
                let communities = communities().filter_map(|(layer, ordinal)| area(layer, ordinal));
                push(&mut disagreements, of, communities);
            }
        }
        disagreements
    }
}

/// Adds a disagreement, unless no community is known. A community to which the practices belong
/// during several periods is listed once.
fn push<'i>(
    disagreements: &mut Vec<Disagreement<'i>>,
    of: Option<DisagreeingLayer<'i>>,
    communities: impl Iterator<Item = &'i Area>,
) {
    let mut named: Vec<&Area> = Vec::new();
    for area in communities {
        if !named.iter().any(|known| known.id == area.id) {
            named.push(area);
        }
    }
    if let (Some(of), false) = (of, named.is_empty()) {
        disagreements.push(Disagreement {
            of,
            communities: named,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::answer::AnswerNote;
    use super::super::test_dataset::{
        DAY, area, build, dataset, layer_entry, postcode, practice_membership, residence_query,
        strip,
    };
    use super::super::{LocateAnswer, Locator};
    use super::*;
    use crate::domain::layers;
    use crate::domain::{Dataset, LayerKind};

    /// Returns the dataset with the network `w`, whose area includes every statistical area.
    fn with_network(members: &[&str]) -> Dataset {
        let mut dataset = dataset();
        let entry = layer_entry(layers::pcn(), LayerKind::Partition);
        dataset.manifest.layers.push(entry);
        dataset.areas.push(area(layers::pcn(), "w"));
        dataset
            .boundaries
            .push((layers::pcn(), vec![strip("w", 0.0, 20.0)]));
        let members = members.iter();
        let members = members.map(|code| practice_membership(code, layers::pcn(), Some("w")));
        dataset.memberships.extend(members);
        dataset
    }

    fn describe(answer: &LocateAnswer<'_>, index: &Index) -> Vec<String> {
        let disagreements = index.disagreements(&answer.residence, DAY);
        assert_eq!(
            !disagreements.is_empty(),
            answer.notes.contains(&AnswerNote::LayersDisagree)
        );
        let text = |found: &Disagreement<'_>| {
            let of = match found.of {
                DisagreeingLayer::Network(area) => area.id.clone(),
                DisagreeingLayer::Practice(practice) => practice.code.to_string(),
            };
            let ids: Vec<&str> = found.communities.iter().map(|area| &*area.id).collect();
            format!("{of} {}", ids.join(","))
        };
        disagreements.iter().map(text).collect()
    }

    #[track_caller]
    fn check(dataset: Dataset, place: &str, expected: &[&str]) {
        let index = build(dataset);
        let answer = index.locate(&residence_query(Locator::Postcode(postcode(place))));
        assert_eq!(describe(&answer, &index), expected);
    }

    #[test]
    fn the_network_and_the_largest_practice_are_compared_with_the_community() {
        // In k, most people are registered with A00002, which belongs to l.
        check(dataset(), "LA1 1AA", &["A00002 l"]);
        check(with_network(&["A00001"]), "LA1 1AA", &["A00002 l"]);
        check(with_network(&["A00002"]), "LA1 1AA", &["w l", "A00002 l"]);
        // A network with practices of both communities points to both.
        check(
            with_network(&["A00001", "A00002"]),
            "LA1 1AA",
            &["A00002 l"],
        );
        check(with_network(&["A00002"]), "LA1 1AB", &[]);
        check(with_network(&["A00001"]), "LA1 1AB", &["w k"]);
        // The practices of the network belong to no community.
        check(with_network(&["A00006"]), "LA1 1AB", &[]);
        // Both practices belong to l, but from different days on.
        let mut both = with_network(&["A00002", "A00003"]);
        both.memberships[2].period.from = Some(DAY);
        check(both, "LA1 1AA", &["w l", "A00002 l"]);
        // No community covers this place.
        check(with_network(&["A00001"]), "LA2 1AB", &[]);
    }
}
