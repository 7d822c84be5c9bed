//! Facts about areas and partnerships: other names, population, links, disputes and announcements.

use std::collections::{BTreeMap, HashMap};

use jiff::civil::Date;

use super::Index;
use super::answer::{AreaMatch, LayerResult};
use super::layer::LayerIndex;
use super::memberships::MembershipIndex;
use super::registry::PracticeRegistry;
use crate::domain::{
    Announcement, Area, AreaFacts, AreaLink, AreaName, GroupMember, GssCode, Layer, LayerRole,
    ModelShare, OdsCode, Period, PracticeStatus, SourceDate, StatedCount,
};

/// The facts of a dataset, with indexes for look-ups.
#[derive(Debug)]
pub(super) struct FactsIndex {
    facts: AreaFacts,
    stated_counts: Vec<StatedCount>,
    /// For each layer with modelled shares, the modelled share of each statistical area, by row.
    model_shares: HashMap<Layer, Vec<Option<IndexedShare>>>,
    /// The newest number of residents of each statistical area, by row, and the date of these
    /// numbers.
    residents: Option<(Date, Vec<Option<u32>>)>,
    /// The communities of each network's practices, by the network's ordinal.
    network_communities: HashMap<Layer, Vec<Vec<NetworkCommunity>>>,
}

/// The modelled share of the people in a statistical area who belong to the area to which the
/// statistical area is assigned.
#[derive(Debug)]
pub(super) struct IndexedShare {
    /// The ordinal of the area.
    pub(super) ordinal: u32,
    pub(super) share: f64,
    /// The ordinals of the other areas and their shares, if the assignment is disputed.
    pub(super) disputed: Vec<(u32, f64)>,
}

/// A community to which practices of a network belong during a period.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NetworkCommunity {
    pub(super) layer: Layer,
    /// The ordinal of the community.
    pub(super) ordinal: u32,
    period: Period,
}

/// The number of people of an area.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Population {
    /// The number of people on the lists of the area's open practices, if any list size is known.
    pub registered: Option<u32>,
    /// The newest date of a list size, if any such date is known.
    pub registered_as_of: Option<SourceDate>,
    /// The number of people who live in the area's statistical areas, if the numbers for all of
    /// them are known.
    pub resident: Option<u32>,
    /// The date of the number of residents.
    pub resident_as_of: Option<Date>,
}

impl Population {
    /// Returns the number of residents to the nearest hundred. The Office for National Statistics
    /// publishes the exact numbers for calculations, and requests that displayed numbers are
    /// rounded.
    pub fn resident_rounded(&self) -> Option<u32> {
        self.resident
            .map(|people| people.saturating_add(50) / 100 * 100)
    }
}

/// An area that was found by its name or by one of its other names.
#[derive(Debug, Clone, Copy)]
pub struct AreaSearchHit<'i> {
    /// The version of the area on the day, or its last version.
    pub area: &'i Area,
    /// The other name that matches, if the area's own name does not match.
    pub other_name: Option<&'i AreaName>,
}

impl FactsIndex {
    pub(super) fn new(
        facts: AreaFacts,
        stated_counts: Vec<StatedCount>,
        scheme: Option<&str>,
        statistical_areas: &[String],
        layers: &[LayerIndex],
    ) -> FactsIndex {
        FactsIndex {
            model_shares: index_shares(&facts.model_shares, statistical_areas, layers),
            residents: index_residents(&facts, scheme, statistical_areas),
            network_communities: HashMap::new(),
            facts,
            stated_counts,
        }
    }

    /// Adds the communities to which the practices of networks belong.
    pub(super) fn add_network_communities(
        &mut self,
        layers: &[LayerIndex],
        memberships: &MembershipIndex,
        registry: &PracticeRegistry,
    ) {
        for network_layer in layers
            .iter()
            .filter(|layer| layer.role == LayerRole::Network)
        {
            let mut communities: Vec<Vec<NetworkCommunity>> = Vec::new();
            communities.resize_with(network_layer.area_count(), Vec::new);
            for row in 0..registry.practices().len() {
                let own = || memberships.all_of_practice(row);
                for network in own().filter(|membership| membership.layer == network_layer.id) {
                    let id = network.group.as_deref();
                    let Some(ordinal) = id.and_then(|id| network_layer.ordinal(id)) else {
                        continue;
                    };
                    let found = &mut communities[ordinal as usize];
                    for community in own() {
                        let layer = layers.iter().find(|layer| layer.id == community.layer);
                        let Some(layer) = layer.filter(|layer| layer.role == LayerRole::Community)
                        else {
                            continue;
                        };
                        let id = community.group.as_deref();
                        let Some(ordinal) = id.and_then(|id| layer.ordinal(id)) else {
                            continue;
                        };
                        let entry = NetworkCommunity {
                            layer: layer.id,
                            ordinal,
                            period: intersection(network.period, community.period),
                        };
                        if !found.contains(&entry) {
                            found.push(entry);
                        }
                    }
                }
            }
            self.network_communities
                .insert(network_layer.id, communities);
        }
    }

    /// Returns the model's share for a statistical area in a layer.
    pub(super) fn model_share(&self, layer: Layer, row: u32) -> Option<&IndexedShare> {
        self.model_shares.get(&layer)?.get(row as usize)?.as_ref()
    }

    /// Returns the communities to which a network's practices belong on a day.
    pub(super) fn communities_of_network(
        &self,
        layer: Layer,
        ordinal: u32,
        day: Date,
    ) -> impl Iterator<Item = &NetworkCommunity> {
        let communities = self.network_communities.get(&layer);
        let communities = communities.and_then(|all| all.get(ordinal as usize));
        let communities = communities.map_or(&[][..], Vec::as_slice).iter();
        communities.filter(move |community| community.period.contains(day))
    }
}

/// Returns the days that are in both periods. If the periods do not overlap, the result contains no
/// day.
pub(super) fn intersection(a: Period, b: Period) -> Period {
    let earlier = match (a.to, b.to) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    Period {
        from: a.from.max(b.from),
        to: earlier,
    }
}

fn index_shares(
    shares: &[ModelShare],
    statistical_areas: &[String],
    layers: &[LayerIndex],
) -> HashMap<Layer, Vec<Option<IndexedShare>>> {
    let rows: BTreeMap<&str, usize> = rows_by_code(statistical_areas);
    let mut indexed: HashMap<Layer, Vec<Option<IndexedShare>>> = HashMap::new();
    for share in shares {
        let Some(layer) = layers.iter().find(|layer| layer.id == share.layer) else {
            continue;
        };
        let row = rows.get(share.statistical_area.as_str());
        let (Some(&row), Some(ordinal)) = (row, layer.ordinal(&share.area)) else {
            continue;
        };
        let others = share.disputed.iter();
        let disputed = others.filter_map(|(id, share)| Some((layer.ordinal(id)?, *share)));
        let by_row = indexed.entry(share.layer).or_default();
        if by_row.is_empty() {
            by_row.resize_with(statistical_areas.len(), || None);
        }
        by_row[row] = Some(IndexedShare {
            ordinal,
            share: share.share,
            disputed: disputed.collect(),
        });
    }
    indexed
}

/// Returns the newest numbers of residents of the dataset's statistical areas, by row.
fn index_residents(
    facts: &AreaFacts,
    scheme: Option<&str>,
    statistical_areas: &[String],
) -> Option<(Date, Vec<Option<u32>>)> {
    let of_scheme = || {
        facts
            .residents
            .iter()
            .filter(|count| Some(count.scheme.as_str()) == scheme)
    };
    let newest = of_scheme().map(|count| count.as_of).max()?;
    let rows = rows_by_code(statistical_areas);
    let mut by_row = vec![None; statistical_areas.len()];
    for count in of_scheme().filter(|count| count.as_of == newest) {
        if let Some(&row) = rows.get(count.statistical_area.as_str()) {
            by_row[row] = Some(count.people);
        }
    }
    Some((newest, by_row))
}

fn rows_by_code(statistical_areas: &[String]) -> BTreeMap<&str, usize> {
    let codes = statistical_areas.iter().map(String::as_str);
    codes.zip(0..).collect()
}

impl Index {
    /// Returns the facts about areas and partnerships.
    pub fn facts(&self) -> &AreaFacts {
        &self.facts.facts
    }

    /// Returns the numbers of ICCs that the partnerships state on their own pages.
    pub fn stated_counts(&self) -> &[StatedCount] {
        &self.facts.stated_counts
    }

    /// Returns other names of an area: former names, other spellings and the names that networks
    /// use.
    pub fn other_names<'i>(&'i self, area: &Area) -> impl Iterator<Item = &'i AreaName> + use<'i> {
        let (layer, id) = (area.layer, area.id.clone());
        let names = self.facts().names.iter();
        names.filter(move |name| name.layer == layer && name.area == id)
    }

    /// Returns the codes of an area, each as a pair of the scheme and the code. The codes are the
    /// id, if it is a GSS code (`gss`) or the ODS code of an NHS organisation (`ods`), and the
    /// codes in other schemes.
    pub fn codes_of<'i>(&'i self, area: &'i Area) -> impl Iterator<Item = (&'i str, &'i str)> {
        let layer = self.layer(area.layer);
        let ordinal = layer.and_then(|layer| layer.ordinal(&area.id));
        self.codes_of_ordinal(layer, area, ordinal)
    }

    /// Returns the codes of an area in an answer, in the same form as [`Index::codes_of`].
    pub fn codes_of_match<'i>(
        &'i self,
        found: &AreaMatch<'i>,
    ) -> impl Iterator<Item = (&'i str, &'i str)> + use<'i> {
        self.codes_of_ordinal(
            self.layer(found.area.layer),
            found.area,
            Some(found.ordinal),
        )
    }

    fn codes_of_ordinal<'i>(
        &'i self,
        layer: Option<&'i LayerIndex>,
        area: &'i Area,
        ordinal: Option<u32>,
    ) -> impl Iterator<Item = (&'i str, &'i str)> + use<'i> {
        let id = area.id.as_str();
        let is_gss = id.parse::<GssCode>().is_ok();
        let is_organisation = layer.is_some_and(|layer| layer.is_organisation);
        let is_ods = is_organisation
            && !is_gss
            && id.parse::<OdsCode>().is_ok_and(|code| code.as_str() == id);
        let of_id = [("gss", is_gss), ("ods", is_ods)].into_iter();
        let of_id = of_id.filter_map(move |(scheme, is_code)| is_code.then_some((scheme, id)));
        let all = &self.facts().codes;
        let in_layer = layer.map_or(&[][..], |layer| &layer.codes);
        let first = ordinal.map_or(in_layer.len(), |ordinal| {
            in_layer.partition_point(|(other, _)| *other < ordinal)
        });
        let others = in_layer[first..]
            .iter()
            .take_while(move |(other, _)| Some(*other) == ordinal);
        let others = others.map(move |&(_, row)| &all[row]);
        let others = others.filter(move |code| !is_gss || code.scheme != "gss");
        of_id.chain(others.map(|code| (code.scheme.as_str(), code.code.as_str())))
    }

    /// Returns the code with which national data refer to an area: its GSS code or, if it has no
    /// GSS code, its ODS code; `None` if it has neither. Communities, for example, have neither.
    pub fn national_code<'i>(&'i self, area: &'i Area) -> Option<&'i str> {
        let with_scheme = |wanted: &str| {
            let mut codes = self.codes_of(area);
            let found = codes.find(|(scheme, _)| *scheme == wanted);
            found.map(|(_, code)| code)
        };
        with_scheme("gss").or_else(|| with_scheme("ods"))
    }

    /// Returns the organisations that a community works with.
    pub fn links_of<'i>(&'i self, area: &Area) -> impl Iterator<Item = &'i AreaLink> + use<'i> {
        let is_linkable = self.roles.communities.contains(&area.layer) || area.system.is_some();
        let id = area.id.clone();
        let links = self.facts().links.iter();
        links.filter(move |link| is_linkable && link.community == id)
    }

    /// Returns the population figures of an area on a day: the number of people on the lists of its
    /// open practices, and the number of people who live in its statistical areas.
    pub fn population(&self, area: &Area, day: Date) -> Population {
        let members = self.members(area.layer, &area.id, day).into_iter();
        let practices = members.filter_map(|membership| match &membership.member {
            GroupMember::Practice(code) => self.practice(*code),
            GroupMember::Area(..) => None,
        });
        let open = practices.filter(|practice| practice.status_on(day) != PracticeStatus::Closed);
        let (mut registered, mut registered_as_of): (Option<u32>, _) = (None, None);
        for practice in open {
            if let Some(people) = practice.list_size {
                registered = Some(registered.unwrap_or(0).saturating_add(people));
                registered_as_of = registered_as_of.max(practice.list_size_as_of);
            }
        }
        let resident = self.residents(area, day);
        Population {
            registered,
            registered_as_of,
            resident: resident.map(|(people, _)| people),
            resident_as_of: resident.map(|(_, as_of)| as_of),
        }
    }

    /// Returns the number of people who live in the statistical areas that are wholly assigned to
    /// an area on a day, and the date of that number; `None` if the number for a statistical area
    /// is not known, or if the area does not consist of statistical areas.
    fn residents(&self, area: &Area, day: Date) -> Option<(u32, Date)> {
        let (as_of, by_row) = self.facts.residents.as_ref()?;
        let layer = self.layer(area.layer)?;
        let ordinal = layer.ordinal(&area.id)?;
        let mut sum: Option<u32> = None;
        for (row, people) in (0..).zip(by_row) {
            let mut assignments = layer.assignments_on(row, day);
            if assignments.any(|found| found.ordinal == ordinal && found.share.is_none()) {
                sum = Some(sum.unwrap_or(0).saturating_add((*people)?));
            }
        }
        sum.map(|people| (people, *as_of))
    }

    /// Returns the announcements that concern an area. These announcements are about the area
    /// itself, about its partnership, or about another area that has a statistical area in common
    /// with the area on a day.
    pub fn announcements_about(&self, area: &Area, day: Date) -> Vec<&Announcement> {
        let announcements = self.facts().announcements.iter();
        announcements
            .filter(|announcement| {
                announcement.areas.iter().any(|id| {
                    *id == area.id
                        || Some(id) == area.system.as_ref()
                        || self.overlaps(area, id, day)
                })
            })
            .collect()
    }

    /// Returns the announcements about the areas in the result of a look-up and about the
    /// partnerships of these areas.
    pub fn announcements_at(&self, results: &[(Layer, LayerResult<'_>)]) -> Vec<&Announcement> {
        let areas = results.iter().filter_map(|(_, found)| match found {
            LayerResult::Areas(areas) => Some(areas),
            _ => None,
        });
        let areas: Vec<&Area> = areas.flatten().map(|found| found.area).collect();
        let announcements = self.facts().announcements.iter();
        announcements
            .filter(|announcement| {
                let ids = &announcement.areas;
                areas.iter().any(|area| {
                    ids.contains(&area.id)
                        || area.system.as_ref().is_some_and(|id| ids.contains(id))
                })
            })
            .collect()
    }

    /// Returns whether an area has a statistical area in common with an area of any layer that has
    /// this id.
    fn overlaps(&self, area: &Area, other: &str, day: Date) -> bool {
        let Some((own, ordinal)) = self
            .layer(area.layer)
            .and_then(|layer| Some((layer, layer.ordinal(&area.id)?)))
        else {
            return false;
        };
        let others = self.layers.iter();
        let mut others = others.filter_map(|layer| Some((layer, layer.ordinal(other)?)));
        others.any(|(layer, other)| {
            let has = |layer: &LayerIndex, row, ordinal| {
                let mut assignments = layer.assignments_on(row, day);
                assignments.any(|found| found.ordinal == ordinal && found.share.is_none())
            };
            let rows = u32::try_from(self.statistical_areas.codes.len()).unwrap_or(u32::MAX);
            (0..rows).any(|row| has(own, row, ordinal) && has(layer, row, other))
        })
    }

    /// Returns the areas and the practices with a name that matches `text`. A name matches if each
    /// word of the text is the start of a word of the name, in any order. The result includes areas
    /// that have ended. Matches of whole names are first, followed by names that begin with the
    /// text, and statistical areas are last. The result contains at most `limit` areas.
    pub fn search_areas(&self, text: &str, day: Date, limit: usize) -> Vec<AreaSearchHit<'_>> {
        let wanted = search_words(text);
        if wanted.is_empty() {
            return Vec::new();
        }
        let mut hits: Vec<(u8, AreaSearchHit<'_>)> = Vec::new();
        for layer in &self.layers {
            for versions in layer.versions().chunk_by(|a, b| a.id == b.id) {
                let Some(area) = layer.area_or_last_version(&versions[0].id, day) else {
                    continue;
                };
                let own = versions.iter().flat_map(|version| {
                    let names = [&version.name, version.title(), &version.id];
                    names.map(|name| name_rank(&wanted, name))
                });
                if let Some(rank) = own.flatten().min() {
                    let other_name = None;
                    hits.push((rank, AreaSearchHit { area, other_name }));
                    continue;
                }
                let others = self.facts().names.iter();
                let others = others.filter(|name| name.layer == layer.id && name.area == area.id);
                let ranked =
                    others.filter_map(|name| Some((name_rank(&wanted, &name.name)?, name)));
                let best = ranked.min_by_key(|(rank, _)| *rank);
                hits.extend(best.map(|(rank, name)| {
                    let other_name = Some(name);
                    (rank, AreaSearchHit { area, other_name })
                }));
            }
        }
        // Statistical areas are last, because the names of hundreds of them begin with the name of
        // their district.
        let is_statistical = |area: &Area| self.role(area.layer) == Some(LayerRole::Statistical);
        hits.sort_by_key(|(rank, hit)| (is_statistical(hit.area), *rank));
        hits.truncate(limit);
        hits.into_iter().map(|(_, hit)| hit).collect()
    }
}

/// Returns the words of a name in lower case, without punctuation and without the word `and`.
fn search_words(text: &str) -> Vec<String> {
    let words = text.split(|letter: char| !letter.is_alphanumeric());
    let words = words.filter(|word| !word.is_empty()).map(str::to_lowercase);
    words.filter(|word| word != "and").collect()
}

/// Returns how well a name matches: 0 for the whole name, 1 for its beginning, 2 for other words;
/// `None` if the name does not match.
fn name_rank(wanted: &[String], name: &str) -> Option<u8> {
    let words = search_words(name);
    let begins = |word: &String, wanted: &String| word.starts_with(wanted.as_str());
    if words == wanted {
        return Some(0);
    }
    let is_beginning = words.len() >= wanted.len()
        && words
            .iter()
            .zip(wanted)
            .all(|(word, wanted)| begins(word, wanted));
    if is_beginning {
        return Some(1);
    }
    let has = |wanted: &String| words.iter().any(|word| begins(word, wanted));
    wanted.iter().all(has).then_some(2)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::test_dataset::{DAY, area, build, dataset, from, until};
    use super::*;
    use crate::domain::layers;
    use crate::domain::{Dataset, ResidentCount};

    fn name(area: &str, name: &str) -> AreaName {
        AreaName {
            layer: layers::icc(),
            area: area.into(),
            name: name.into(),
            kind: "former name".into(),
            source: "a page".into(),
            as_of: None,
        }
    }

    fn residents(code: &str, as_of: Date, people: u32) -> ResidentCount {
        ResidentCount {
            scheme: "lsoa11".into(),
            statistical_area: code.into(),
            as_of,
            people,
        }
    }

    fn with_facts(facts: AreaFacts) -> Index {
        build(Dataset { facts, ..dataset() })
    }

    fn found(index: &Index, text: &str) -> Vec<String> {
        let hits = index.search_areas(text, DAY, 10).into_iter();
        hits.map(|hit| hit.area.id.clone()).collect()
    }

    #[test]
    fn areas_are_found_by_other_names_in_any_order_of_words() {
        let index = with_facts(AreaFacts {
            names: vec![name("k", "Ulverston, Dalton & Askam"), name("l", "Dalton")],
            ..AreaFacts::default()
        });
        assert_eq!(found(&index, "Ulverston, Dalton and Askam"), ["k"]);
        assert_eq!(found(&index, "askam ulv"), ["k"]);
        assert_eq!(found(&index, "dalton"), ["l", "k"]);
        assert_eq!(found(&index, "L ICC"), ["l"]);
        assert_eq!(found(&index, "Garstang"), [""; 0]);
        assert_eq!(found(&index, " ,"), [""; 0]);
        let hits = index.search_areas("askam", DAY, 10);
        let other = hits[0].other_name.map(|name| name.name.as_str());
        assert_eq!(other, Some("Ulverston, Dalton & Askam"));
        assert_eq!(index.search_areas("dalton", DAY, 1).len(), 1);
        let own: Vec<_> = index.other_names(&area(layers::icc(), "k")).collect();
        assert_eq!(own.len(), 1);
    }

    #[test]
    fn residents_are_those_of_the_newest_date() {
        let older = date(2018, 6, 30);
        let newer = date(2020, 6, 30);
        let mut facts = AreaFacts {
            residents: vec![
                residents("S0", newer, 1_500),
                residents("S1", newer, 2_000),
                residents("S2", newer, 300),
                residents("S0", older, 1_400),
            ],
            ..AreaFacts::default()
        };
        let population = |facts: &AreaFacts, id| {
            let index = with_facts(facts.clone());
            index.population(&area(layers::icc(), id), DAY)
        };
        let found = population(&facts, "l");
        assert_eq!(
            (found.resident, found.resident_as_of),
            (Some(2_300), Some(newer))
        );
        assert_eq!(population(&facts, "k").resident, Some(1_500));
        assert_eq!(population(&facts, "k").registered, None);
        // One number is not known.
        facts.residents.remove(2);
        assert_eq!(population(&facts, "l").resident, None);
        assert_eq!(population(&AreaFacts::default(), "l").resident, None);
    }

    #[test]
    fn registered_people_are_those_of_open_practices() {
        let mut dataset = dataset();
        for practice in &mut dataset.practices {
            practice.list_size = Some(1_000);
        }
        let index = build(dataset);
        let registered = |day| index.population(&area(layers::icc(), "l"), day).registered;
        assert_eq!(registered(DAY), Some(2_000));
        // A00002 has closed.
        assert_eq!(registered(date(2026, 4, 1)), Some(1_000));
    }

    #[test]
    fn announcements_are_about_the_area_or_an_overlapping_one() {
        let announcement = |text: &str, areas: &[&str]| Announcement {
            month: "2025-09".parse().expect("a month"),
            text: text.into(),
            source: "a page".into(),
            areas: areas.iter().map(|id| (*id).to_string()).collect(),
        };
        let index = with_facts(AreaFacts {
            announcements: vec![
                announcement("k", &["k"]),
                announcement("bay", &["bay"]),
                announcement("practice", &["A00001"]),
            ],
            ..AreaFacts::default()
        });
        let about = |area: &Area| -> Vec<&str> {
            let announcements = index.announcements_about(area, DAY).into_iter();
            announcements
                .map(|announcement| announcement.text.as_str())
                .collect()
        };
        assert_eq!(about(&area(layers::icc(), "k")), ["k"]);
        let mut of_bay = area(layers::icc(), "l");
        of_bay.system = Some("bay".into());
        assert_eq!(about(&of_bay), ["bay"]);
    }

    #[test]
    fn residents_are_rounded_to_the_nearest_hundred() {
        for (people, rounded) in [(0, 0), (49, 0), (50, 100), (31_747, 31_700), (949, 900)] {
            let population = Population {
                registered: None,
                registered_as_of: None,
                resident: Some(people),
                resident_as_of: None,
            };
            assert_eq!(population.resident_rounded(), Some(rounded));
        }
    }

    #[test]
    fn periods_intersect() {
        let (first, second) = (date(2020, 1, 1), date(2021, 1, 1));
        let both = intersection(from(first), until(second));
        assert_eq!((both.from, both.to), (Some(first), Some(second)));
        let apart = intersection(from(second), until(first));
        assert!(!apart.contains(first) && !apart.contains(second));
        assert_eq!(
            intersection(Period::default(), Period::default()),
            Period::default()
        );
    }
}
