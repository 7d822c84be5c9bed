//! Checks of counts: the number of communities, and the number of people in each.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;

use super::practices::is_open;
use super::{Finding, FindingSubject};
use crate::dataset::Dataset;
use crate::plural::count_with_noun;
use catchment_core::domain::StatedCount;
use catchment_core::domain::{GroupMember, Layer, LayerEntry, LayerRole, Practice};

/// The expected population of a community, as published for the ICCs of Morecambe Bay. See the row
/// with 11 ICCs in `data/source/icc_systems.csv`.
const COMMUNITY_POPULATION: std::ops::RangeInclusive<u64> = 10_000..=70_000;

pub(super) fn check(dataset: &Dataset, day: Date, findings: &mut Vec<Finding>) {
    check_stated_counts(dataset, day, findings);
    check_populations(dataset, day, findings);
}

/// For each system, compares the number of communities that its page states with the number of
/// sections on the page and with the number of communities in the dataset.
fn check_stated_counts(dataset: &Dataset, day: Date, findings: &mut Vec<Finding>) {
    let mut systems: BTreeMap<&str, Vec<&StatedCount>> = BTreeMap::new();
    for count in &dataset.stated_counts {
        systems.entry(&count.system).or_default().push(count);
    }
    for (system, counts) in systems {
        let dated = counts
            .iter()
            .filter_map(|count| Some((count.page_date?, *count)));
        let dated: Vec<(Date, &StatedCount)> = dated.collect();
        // A count without a date can be compared only if the system has no other count.
        let compared = match (dated.as_slice(), counts.as_slice()) {
            ([], [only]) => vec![(day, *only)],
            _ => dated,
        };
        for (page_day, count) in compared {
            let count_of = |layer: Layer| area_count(dataset, system, layer, page_day);
            let main = dataset.manifest.main_community_layer();
            let actual = main.map_or(0, count_of);
            let main = main.and_then(|layer| dataset.manifest.layer(layer));
            let noun = main.map_or("area", LayerEntry::noun);
            let part_layers = dataset.manifest.layers_with_role(LayerRole::Part);
            let parts: Vec<(usize, &LayerEntry)> = part_layers
                .filter_map(|layer| Some((count_of(layer), dataset.manifest.layer(layer)?)))
                .collect();
            let stated = count.stated_count as usize;
            let sections_agree = count
                .sections
                .is_none_or(|section| section as usize == stated);
            if actual == stated && sections_agree {
                continue;
            }
            let message = mismatch_message(count, (actual, noun), &parts, page_day, &counts);
            let subject = FindingSubject::new("system", system);
            findings.push(Finding::warning("count_mismatch", message).with_subject(subject));
        }
    }
}

fn mismatch_message(
    count: &StatedCount,
    (actual, noun): (usize, &str),
    parts: &[(usize, &LayerEntry)],
    day: Date,
    counts: &[&StatedCount],
) -> String {
    let sections = match count.sections {
        Some(sections) => format!(
            " and has {}",
            count_with_noun(sections, "section", "sections")
        ),
        None => String::new(),
    };
    let page = match count.page_date {
        Some(day) => format!("its page of {day}"),
        None => "its page".to_string(),
    };
    let parts: String = parts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, entry)| {
            let plural = entry.title.to_lowercase();
            format!(" and {}", count_with_noun(*count, entry.noun(), &plural))
        })
        .collect();
    let others: Vec<String> = counts
        .iter()
        .filter(|stated_count| {
            stated_count.page_date.is_none() && stated_count.stated_count != count.stated_count
        })
        .map(|count| count.stated_count.to_string())
        .collect();
    let others = match others.as_slice() {
        [] => String::new(),
        others => format!("; undated counts: {}", others.join(", ")),
    };
    let note = match count.note.as_str() {
        "" => String::new(),
        note => format!(" ({note})"),
    };
    let name = &count.name;
    let plural = format!("{noun}s");
    let stated = count_with_noun(count.stated_count, noun, &plural);
    let actual = count_with_noun(actual, noun, &plural);
    format!(
        "{name}: {page} states {stated}{sections}, but the dataset has {actual}{parts} on {day}{others}{note}"
    )
}

/// Returns the number of areas of a system that are valid on `day`.
fn area_count(dataset: &Dataset, system: &str, layer: Layer, day: Date) -> usize {
    let areas = dataset.areas.iter().filter(|area| {
        area.layer == layer && area.system.as_deref() == Some(system) && area.period.contains(day)
    });
    let ids: BTreeSet<&str> = areas.map(|area| area.id.as_str()).collect();
    ids.len()
}

/// Checks the number of people who are registered with the open practices of each community.
fn check_populations(dataset: &Dataset, day: Date, findings: &mut Vec<Finding>) {
    let open: BTreeMap<_, &Practice> = dataset
        .practices
        .iter()
        .filter(|practice| is_open(practice, day))
        .map(|practice| (practice.code, practice))
        .collect();
    let areas = dataset
        .areas
        .iter()
        .filter(|area| area.period.contains(day));
    let layers: Vec<Layer> = dataset
        .manifest
        .layers_with_role(LayerRole::Community)
        .collect();
    // The key begins with the position of the layer, so that the findings are sorted by layer.
    let communities: BTreeMap<(usize, &str), &str> = areas
        .filter_map(|area| {
            let position = layers.iter().position(|layer| *layer == area.layer)?;
            Some(((position, area.id.as_str()), area.title()))
        })
        .collect();
    for ((position, id), title) in communities {
        let layer = layers[position];
        let members: BTreeSet<_> = dataset
            .memberships
            .iter()
            .filter(|membership| {
                membership.layer == layer && membership.group.as_deref() == Some(id)
            })
            .filter(|membership| membership.period.contains(day))
            .filter_map(|membership| match &membership.member {
                GroupMember::Practice(code) => Some(*code),
                GroupMember::Area(..) => None,
            })
            .collect();
        let practices: Vec<&Practice> = members
            .iter()
            .filter_map(|code| open.get(code).copied())
            .collect();
        findings.extend(population_finding(
            (layer, id),
            title,
            &practices,
            position == 0,
        ));
    }
}

fn population_finding(
    (layer, id): (Layer, &str),
    title: &str,
    practices: &[&Practice],
    is_main_layer: bool,
) -> Option<Finding> {
    let warning = |code, message| {
        Some(Finding::warning(code, message).with_subject(FindingSubject::area(layer, id)))
    };
    if practices.is_empty() {
        let message = format!("{title} has no open practices");
        return warning("community_without_practices", message).filter(|_| is_main_layer);
    }
    let list_sizes: Vec<u64> = practices
        .iter()
        .filter_map(|practice| practice.list_size.map(u64::from))
        .collect();
    let people: u64 = list_sizes.iter().sum();
    if list_sizes.is_empty() || COMMUNITY_POPULATION.contains(&people) {
        return None;
    }
    let unknown_note = match practices.len() - list_sizes.len() {
        0 => String::new(),
        unknown => format!(
            "; {} no known list size",
            count_with_noun(unknown, "more practice has", "more practices have")
        ),
    };
    let message = format!(
        "{title} has {} people on the lists of {}{unknown_note}; a community \
         usually has {} to {}",
        format_thousands(people),
        count_with_noun(list_sizes.len(), "open practice", "open practices"),
        format_thousands(*COMMUNITY_POPULATION.start()),
        format_thousands(*COMMUNITY_POPULATION.end())
    );
    warning("population_out_of_range", message)
}

/// Formats a number with thousands separators: `80,600`.
pub(super) fn format_thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_separated_by_commas() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (1_080_600, "1,080,600"),
        ] {
            assert_eq!(format_thousands(number), text);
        }
    }
}
