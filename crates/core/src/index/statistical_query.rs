//! Look-ups by the code of a statistical area, such as an LSOA, instead of a postcode.
//!
//! The result of a layer that is defined on the statistical areas is exact. For any other layer,
//! each live postcode of the statistical area is located in the same way as in a look-up by
//! postcode. The result is the area with most of the postcodes, followed by the other areas with
//! their shares. The look-up between two censuses works in the same way: for a layer that is
//! defined on the LSOAs of 2011, the postcodes in an LSOA of 2021 determine the answer, because
//! they have both codes.
//!
//! The postcodes of the areas are collected when the index is built. The shares are counted for
//! each request, because the live postcodes depend on the day.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use jiff::civil::Date;

use super::Index;
use super::answer::{
    AnswerNote, AreaMatch, AreaShare, LayerResult, LocateAnswer, Location, NamedStatisticalArea,
    PlaceShares, PracticeMatch, ShareUnit, UnknownReason,
};
use super::area_key::AreaKey;
use super::layer::LayerIndex;
use super::residence::{ResolvedPosition, is_covered};
use crate::domain::{
    Basis, CatchmentKind, Layer, LayerKind, LayerRole, LayerSet, LookupStatus, PostcodeEntry,
    PostcodeStatus, PracticeStatus, StatisticalAreaCode, StatisticalAreaLocator,
};

/// The postcodes of the areas of a layer of statistical areas.
#[derive(Debug)]
pub(super) struct StatisticalPostcodes {
    layer: Layer,
    /// The position of the layer in the index.
    position: usize,
    /// The row of each area among the statistical areas on which layers are defined, if the layer
    /// consists of these statistical areas.
    rows: Vec<Option<u32>>,
    /// The position in `postcodes` of each area's first postcode, and the total number of
    /// postcodes.
    starts: Vec<u32>,
    /// The rows of the directory, in order of area.
    postcodes: Vec<u32>,
}

/// The error for a code that does not belong to a statistical area of the dataset. The text
/// describes the type of the code and the codes in the dataset, but does not repeat the code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownStatisticalArea {
    /// The type of area that the code identifies, if its first characters show it: `an MSOA of
    /// England`.
    pub entity: Option<&'static str>,
    /// The layers of statistical areas: an item consists of the id, the title and the first code.
    pub layers: Vec<(Layer, String, Option<String>)>,
}

impl fmt::Display for UnknownStatisticalArea {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no statistical area of the dataset has this code")?;
        if let Some(entity) = self.entity {
            write!(f, ", which has the form of a code of {entity}")?;
        }
        if self.layers.is_empty() {
            return f.write_str("; the dataset has no statistical areas");
        }
        f.write_str("; give a code of ")?;
        for (index, (layer, title, example)) in self.layers.iter().enumerate() {
            let or = if index > 0 { ", or of " } else { "" };
            write!(f, "{or}{layer} ({title})")?;
            if let Some(example) = example {
                write!(f, " such as {example}")?;
            }
        }
        Ok(())
    }
}

/// The located postcodes of a statistical area.
type PostcodeAnswers<'i> = Vec<Vec<(Layer, LayerResult<'i>)>>;

impl Index {
    /// Returns the layers of statistical areas. The first layer is the layer of the statistical
    /// areas on which other layers are defined. The others are in the order in which answers list
    /// them.
    pub fn statistical_layers(&self) -> impl Iterator<Item = Layer> {
        self.statistical_postcodes.iter().map(|areas| areas.layer)
    }

    /// Returns the statistical area that a client specifies, for use as a key. The area belongs to
    /// the layer that the client specifies or, if that layer does not contain the code, to another
    /// layer.
    pub fn statistical_area_key(&self, asked: StatisticalAreaLocator) -> Option<AreaKey> {
        let (areas, ordinal) = self.find_statistical_area(asked).ok()?;
        Some(AreaKey::new(areas.layer, ordinal))
    }

    /// Returns the error for a code that does not belong to a statistical area.
    pub fn unknown_statistical_area(&self, code: StatisticalAreaCode) -> UnknownStatisticalArea {
        let layers = self.statistical_postcodes.iter().map(|areas| {
            let first = self.layers[areas.position].versions().first();
            let title = self.layer_title(areas.layer).to_string();
            (areas.layer, title, first.map(|area| area.id.clone()))
        });
        UnknownStatisticalArea {
            entity: code.gss_entity(),
            layers: layers.collect(),
        }
    }

    /// Finds the statistical area that a client specifies. Returns its layer and its ordinal in the
    /// layer.
    ///
    /// # Errors
    /// If no layer has the code. The status is `OutsideCoverage` if the directory contains
    /// postcodes with the code.
    pub(super) fn find_statistical_area(
        &self,
        asked: StatisticalAreaLocator,
    ) -> Result<(&StatisticalPostcodes, u32), LookupStatus> {
        let code = asked.code.as_str();
        let is_asked = |areas: &&StatisticalPostcodes| asked.layer == Some(areas.layer);
        let first = self.statistical_postcodes.iter().filter(is_asked);
        let others = self.statistical_postcodes.iter();
        let others = others.filter(|areas| !is_asked(areas));
        let mut found = first.chain(others).filter_map(|areas| {
            let ordinal = self.layers[areas.position].ordinal(code)?;
            Some((areas, ordinal))
        });
        found.next().ok_or_else(|| {
            let is_in_directory = self
                .statistical_areas
                .codes
                .iter()
                .any(|known| known == code);
            match is_in_directory && !self.statistical_postcodes.is_empty() {
                true => LookupStatus::OutsideCoverage,
                false => LookupStatus::UnknownArea,
            }
        })
    }

    /// Adds the result of each layer for the statistical area that a client specifies.
    pub(super) fn resolve_statistical_area<'i>(
        &'i self,
        answer: &mut LocateAnswer<'i>,
        location: Location,
        asked: StatisticalAreaLocator,
    ) {
        let Ok((areas, ordinal)) = self.find_statistical_area(asked) else {
            return;
        };
        let day = answer.as_of;
        let layer = &self.layers[areas.position];
        let area = layer.version_or_last(ordinal, day);
        let area = area.expect("an area has a version");
        let answers: PostcodeAnswers<'i> = self
            .live_postcodes_of(areas, ordinal, day)
            .iter()
            .filter_map(ResolvedPosition::of_entry)
            .map(|resolved| self.residence_at(&resolved, day, LayerSet::ALL, LayerSet::NONE))
            .collect();
        answer.location = Some(location);
        answer.statistical_area = Some(NamedStatisticalArea {
            area,
            postcode_count: answers.len(),
        });
        let row = areas.rows.get(ordinal as usize).copied().flatten();
        let results = self.layers.iter().enumerate().map(|(position, other)| {
            let result = if day < other.first_data {
                LayerResult::Unknown(UnknownReason::NoDataForDate)
            } else if position == areas.position {
                let whole = self.area_match(other, ordinal, PlaceShares::of_whole(), day);
                LayerResult::Areas(whole.into_iter().collect())
            } else {
                self.result_for_area(position, row, &answers, day)
            };
            (other.id, result)
        });
        answer.residence = results.collect();
        self.add_groups(&mut answer.residence, day);
        self.mark_unknown_administrative_areas(&mut answer.residence);
        if asked.layer.is_some_and(|layer| layer != areas.layer) {
            answer.notes.push(AnswerNote::CodeOfOtherLayer);
        }
        if !is_covered(&answer.residence) {
            answer.status = LookupStatus::OutsideCoverage;
        }
    }

    /// Returns the result of the layer at a position for a statistical area, given the answers for
    /// its postcodes and, if layers are defined on it, its row.
    fn result_for_area<'i>(
        &'i self,
        position: usize,
        row: Option<u32>,
        answers: &PostcodeAnswers<'i>,
        day: Date,
    ) -> LayerResult<'i> {
        let layer = &self.layers[position];
        let row = row.filter(|_| layer.uses_statistical_areas && layer.postcode_column.is_none());
        let is_practices = layer.role == LayerRole::PracticeCatchment;
        match row {
            // The groups are determined later from the areas, because the layers of areas may
            // follow this layer.
            _ if layer.kind == LayerKind::Membership => LayerResult::Groups(Vec::new()),
            Some(row) if is_practices => {
                LayerResult::Practices(self.practices_of_row(position, row, answers, day))
            }
            Some(row) if layer.is_display_only => {
                let assigned = layer.assignments_on(row, day);
                let areas = assigned.filter_map(|assignment| {
                    let ordinal = assignment.ordinal;
                    let found = self.area_match(layer, ordinal, PlaceShares::of_whole(), day)?;
                    let on_row = Some((row, Basis::StatisticalArea));
                    let (model_share, disputed_with) =
                        self.model_share(layer, on_row, ordinal, day);
                    Some(AreaMatch {
                        model_share,
                        disputed_with,
                        ..found
                    })
                });
                LayerResult::Areas(areas.collect())
            }
            _ if answers.is_empty() => LayerResult::Unknown(UnknownReason::NoLivePostcodes),
            _ if is_practices => {
                LayerResult::Practices(self.practices_of_postcodes(position, answers, |_| true))
            }
            _ => LayerResult::Areas(self.areas_of_postcodes(position, answers, day)),
        }
    }

    fn area_match<'i>(
        &'i self,
        layer: &'i LayerIndex,
        ordinal: u32,
        shares: PlaceShares<'i>,
        day: Date,
    ) -> Option<AreaMatch<'i>> {
        let area = layer.version(ordinal, day)?;
        Some(AreaMatch {
            area,
            basis: Basis::StatisticalArea,
            provenance: area.provenance,
            proximity: None,
            model_share: None,
            disputed_with: Vec::new(),
            shares: Some(Box::new(shares)),
            ordinal,
        })
    }

    /// Counts the postcodes in each area of a layer, and in no area. If the areas may overlap,
    /// returns every area. Otherwise, returns the area with most postcodes, unless most postcodes
    /// are in no area.
    fn areas_of_postcodes<'i>(
        &'i self,
        position: usize,
        answers: &PostcodeAnswers<'i>,
        day: Date,
    ) -> Vec<AreaMatch<'i>> {
        let layer = &self.layers[position];
        let mut counts: BTreeMap<Option<u32>, f64> = BTreeMap::new();
        for residence in answers {
            let areas = match &residence[position].1 {
                LayerResult::Areas(areas) => areas.as_slice(),
                _ => &[],
            };
            // Areas of a partition may share a statistical area, so each area is counted with its
            // part of the statistical area.
            let weight = match layer.kind {
                LayerKind::Partition => 1.0 / to_f64(areas.len().max(1)),
                _ => 1.0,
            };
            for found in areas {
                *counts.entry(Some(found.ordinal)).or_default() += weight;
            }
            if areas.is_empty() {
                *counts.entry(None).or_default() += 1.0;
            }
        }
        let total = to_f64(answers.len());
        let mut shares: Vec<(Option<u32>, f64)> = counts.into_iter().collect();
        // The sort is stable, so areas with equal shares stay in order of id.
        shares.sort_by(|a, b| b.1.total_cmp(&a.1));
        let shares = shares
            .into_iter()
            .map(|(area, count)| (area, count / total));
        let shares: Vec<(Option<u32>, f64)> = shares.collect();
        if layer.kind != LayerKind::Partition {
            let areas = shares.into_iter().filter_map(|(ordinal, share)| {
                let others = Vec::new();
                self.area_match(
                    layer,
                    ordinal?,
                    PlaceShares::of_postcodes(share, others),
                    day,
                )
            });
            return areas.collect();
        }
        let Some((&(Some(ordinal), share), others)) = shares.split_first() else {
            return Vec::new();
        };
        let others = others.iter().map(|&(ordinal, share)| AreaShare {
            area: ordinal.and_then(|ordinal| layer.version(ordinal, day)),
            share,
        });
        let others: Vec<AreaShare<'i>> = others.collect();
        let mut found = self.area_match(
            layer,
            ordinal,
            PlaceShares::of_postcodes(share, others),
            day,
        );
        if let Some(found) = &mut found {
            add_model_share(found, position, answers);
        }
        found.into_iter().collect()
    }

    /// Returns the practices to which a statistical area is assigned and the practices whose own
    /// boundary covers one of its postcodes.
    fn practices_of_row<'i>(
        &'i self,
        position: usize,
        row: u32,
        answers: &PostcodeAnswers<'i>,
        day: Date,
    ) -> Vec<PracticeMatch<'i>> {
        let layer = &self.layers[position];
        let assigned = layer.assignments_on(row, day).filter_map(|assignment| {
            let area = layer.version(assignment.ordinal, day)?;
            // Each practice is an area of this layer, and both are sorted by code.
            let practice = &self.registry.practices()[assignment.ordinal as usize];
            Some(PracticeMatch {
                practice,
                basis: Basis::StatisticalArea,
                provenance: area.provenance,
                catchment_kind: CatchmentKind::Whole,
                share: assignment.share,
                distance_m: None,
                premises: None,
            })
        });
        let mut practices: Vec<PracticeMatch<'i>> = assigned
            .filter(|found| found.practice.status_on(day) == PracticeStatus::Active)
            .collect();
        let by_boundary =
            |found: &PracticeMatch<'_>| matches!(found.basis, Basis::Boundary | Basis::Nearest);
        for other in self.practices_of_postcodes(position, answers, by_boundary) {
            if practices
                .iter()
                .all(|known| known.practice.code != other.practice.code)
            {
                practices.push(other);
            }
        }
        sort_practices(&mut practices);
        practices
    }

    /// Returns the practices whose area covers one of the postcodes, each with its average share.
    fn practices_of_postcodes<'i>(
        &'i self,
        position: usize,
        answers: &PostcodeAnswers<'i>,
        is_included: impl Fn(&PracticeMatch<'_>) -> bool,
    ) -> Vec<PracticeMatch<'i>> {
        let mut practices: Vec<PracticeMatch<'i>> = Vec::new();
        for residence in answers {
            let LayerResult::Practices(covering) = &residence[position].1 else {
                continue;
            };
            for found in covering.iter().filter(|found| is_included(found)) {
                let share = found.share.map(|share| share / to_f64(answers.len()));
                let mut known = practices.iter_mut();
                match known.find(|known| known.practice.code == found.practice.code) {
                    Some(known) => {
                        let shares = [known.share, share].into_iter().flatten();
                        known.share = shares.reduce(|a, b| a + b);
                        known.catchment_kind = known.catchment_kind.min(found.catchment_kind);
                    }
                    None => practices.push(PracticeMatch {
                        practice: found.practice,
                        basis: Basis::StatisticalArea,
                        provenance: found.provenance,
                        catchment_kind: found.catchment_kind,
                        share,
                        distance_m: None,
                        premises: None,
                    }),
                }
            }
        }
        sort_practices(&mut practices);
        practices
    }

    /// Returns the postcodes of a statistical area that are in use on a day.
    fn live_postcodes_of(
        &self,
        areas: &StatisticalPostcodes,
        ordinal: u32,
        day: Date,
    ) -> Vec<PostcodeEntry> {
        let ordinal = ordinal as usize;
        let (start, end) = (areas.starts[ordinal], areas.starts[ordinal + 1]);
        let rows = areas.postcodes[start as usize..end as usize].iter();
        rows.map(|&row| self.directory.entry(row as usize))
            .filter(|entry| self.postcode_status(entry, day) == PostcodeStatus::Live)
            .collect()
    }

    /// Collects the postcodes of each layer of statistical areas.
    pub(super) fn find_statistical_postcodes(&self) -> Vec<StatisticalPostcodes> {
        let own = self.manifest.statistical_area_layer();
        let is_own = |layer: &LayerIndex| Some(layer.id) == own;
        let mut layers: Vec<(usize, &LayerIndex)> = self
            .layers
            .iter()
            .enumerate()
            .filter(|(_, layer)| layer.role == LayerRole::Statistical)
            .collect();
        layers.sort_by_key(|(_, layer)| Reverse(is_own(layer)));
        let layers = layers.into_iter().map(|(position, layer)| {
            let rows = if is_own(layer) {
                self.rows_of_areas(layer)
            } else {
                Vec::new()
            };
            self.collect_postcodes(position, rows)
        });
        layers.collect()
    }

    /// Returns the row of each area of a layer in the list of the statistical areas on which layers
    /// are defined.
    fn rows_of_areas(&self, layer: &LayerIndex) -> Vec<Option<u32>> {
        let mut rows = vec![None; layer.area_count()];
        for (row, code) in (0_u32..).zip(&self.statistical_areas.codes) {
            if let Some(ordinal) = layer.ordinal(code) {
                rows[ordinal as usize] = Some(row);
            }
        }
        rows
    }

    fn collect_postcodes(&self, position: usize, rows: Vec<Option<u32>>) -> StatisticalPostcodes {
        let layer = &self.layers[position];
        // Statistical areas do not change between two censuses, so any day for which they have data
        // can be used.
        let day = self.manifest.as_of.max(layer.first_data);
        let mut ordinals: Vec<Option<u32>> = vec![None; self.statistical_areas.codes.len()];
        for (ordinal, row) in (0..).zip(&rows) {
            if let Some(row) = row {
                ordinals[*row as usize] = Some(ordinal);
            }
        }
        let area_of = |entry: &PostcodeEntry| {
            let resolved = ResolvedPosition::of_entry(entry)?;
            // Pseudo postcodes have no location, whatever the directory states.
            if entry.postcode.special().is_some() {
                return None;
            }
            if rows.is_empty() {
                return self.area_of_postcode(layer, entry, &resolved, day);
            }
            let (row, _) = self.statistical_area_at(&resolved, day)?;
            ordinals.get(row as usize).copied().flatten()
        };
        let areas: Vec<Option<u32>> = self
            .directory
            .entries()
            .map(|entry| area_of(&entry))
            .collect();
        let mut starts = vec![0_u32; layer.area_count() + 1];
        for ordinal in areas.iter().flatten() {
            starts[*ordinal as usize + 1] += 1;
        }
        for index in 1..starts.len() {
            starts[index] += starts[index - 1];
        }
        let mut next = starts.clone();
        let mut postcodes = vec![0; starts.last().map_or(0, |end| *end as usize)];
        for (row, ordinal) in (0_u32..).zip(&areas) {
            if let Some(ordinal) = ordinal {
                let slot = &mut next[*ordinal as usize];
                postcodes[*slot as usize] = row;
                *slot += 1;
            }
        }
        StatisticalPostcodes {
            layer: layer.id,
            position,
            rows,
            starts,
            postcodes,
        }
    }

    /// Returns the area that contains a postcode, in a layer of statistical areas.
    fn area_of_postcode(
        &self,
        layer: &LayerIndex,
        entry: &PostcodeEntry,
        resolved: &ResolvedPosition,
        day: Date,
    ) -> Option<u32> {
        let statistical_area = self.statistical_area_at(resolved, day);
        // For almost all postcodes of a country, this determines the area without a search for
        // boundaries.
        let row = statistical_area.map(|(row, _)| row);
        let in_directory = layer.area_in_directory(entry.codes, row);
        if in_directory.is_some() {
            return in_directory;
        }
        if let (Some(row), true) = (row, layer.is_display_only) {
            let mut assigned = layer.assignments_on(row, day);
            return assigned.next().map(|assignment| assignment.ordinal);
        }
        let covering = layer.covering(resolved.position, day);
        let hits = Index::area_hits(layer, resolved, statistical_area, &covering, day);
        hits.first().map(|hit| hit.ordinal)
    }
}

impl<'i> PlaceShares<'i> {
    fn of_postcodes(share: f64, others: Vec<AreaShare<'i>>) -> PlaceShares<'i> {
        PlaceShares {
            unit: ShareUnit::Postcodes,
            share,
            others,
        }
    }

    /// The shares of a layer that is defined on the statistical area.
    fn of_whole() -> PlaceShares<'i> {
        PlaceShares::of_postcodes(1.0, Vec::new())
    }
}

/// Adds the modelled share for the area of a match, if all postcodes are in that area and have the
/// same share.
fn add_model_share<'i>(found: &mut AreaMatch<'i>, position: usize, answers: &PostcodeAnswers<'i>) {
    let mut matches = answers
        .iter()
        .map(|residence| match &residence[position].1 {
            LayerResult::Areas(areas) => areas.first(),
            _ => None,
        });
    let Some(Some(first)) = matches.next() else {
        return;
    };
    let is_same = |other: Option<&AreaMatch<'_>>| {
        other.is_some_and(|other| {
            other.ordinal == first.ordinal && other.model_share == first.model_share
        })
    };
    if first.ordinal == found.ordinal && matches.all(is_same) {
        found.model_share = first.model_share;
        found.disputed_with.clone_from(&first.disputed_with);
    }
}

/// Sorts practices in descending order of their shares. Practices with equal shares are in order of
/// code.
fn sort_practices(practices: &mut [PracticeMatch<'_>]) {
    practices.sort_by(|a, b| {
        let share = |found: &PracticeMatch<'_>| found.share.unwrap_or(0.0);
        share(b)
            .total_cmp(&share(a))
            .then(a.practice.code.cmp(&b.practice.code))
    });
}

fn to_f64(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("at most the number of postcodes"))
}

#[cfg(test)]
mod tests {
    use super::super::answer::{LocateQuery, Locator, areas_of_layer};
    use super::super::test_dataset::{
        DAY, area, assignment, build, dataset, entry, km, layer_entry, residence_query, strip,
    };
    use super::*;
    use crate::domain::{Dataset, LayerEntry, layers};

    fn layer(id: &str) -> Layer {
        Layer::declare(id).expect("an id")
    }

    fn asked(layer: Option<Layer>, code: &str) -> StatisticalAreaLocator {
        let code = code.parse().expect("a code");
        StatisticalAreaLocator { layer, code }
    }

    fn query(layer: Option<Layer>, code: &str) -> LocateQuery {
        residence_query(Locator::StatisticalArea(asked(layer, code)))
    }

    /// Returns the dataset with two layers of statistical areas. Other layers are defined on the
    /// areas of the first layer. The second layer has boundaries: `T0` is west of 8 km, and `T1` is
    /// east of 8 km.
    fn statistical_dataset() -> Dataset {
        let mut dataset = dataset();
        let (own, other) = (layer("lsoa11"), layer("lsoa21"));
        let statistical = |id| LayerEntry {
            role: LayerRole::Statistical,
            ..layer_entry(id, LayerKind::Partition)
        };
        dataset.manifest.layers.push(LayerEntry {
            on_statistical_areas: true,
            boundaries: Some("areas/lsoa11.geojson".into()),
            ..statistical(own)
        });
        dataset.manifest.layers.push(statistical(other));
        for code in ["S0", "S1", "S2"] {
            dataset.areas.push(area(own, code));
            dataset.assignments.push(assignment(code, own, code, None));
        }
        dataset
            .areas
            .extend(["T0", "T1", "T2"].map(|code| area(other, code)));
        let boundaries = vec![strip("T0", 0.0, 8.0), strip("T1", 8.0, 20.0)];
        dataset.boundaries.push((other, boundaries));
        dataset
    }

    /// Describes the areas of a layer: the area, its share, its certainty, and the other areas.
    fn describe(index: &Index, query: &LocateQuery, layer: Layer) -> Vec<String> {
        let answer = index.locate(query);
        let describe = |found: &AreaMatch<'_>| {
            let shares = found.shares.as_ref().expect("shares");
            let certainty = found.certainty().expect("a certainty");
            let others: Vec<String> = shares
                .others
                .iter()
                .map(|other| {
                    let id = other.area.map_or("none", |area| area.id.as_str());
                    format!(" {id} {:.2}", other.share)
                })
                .collect();
            let (id, share) = (&found.area.id, shares.share);
            assert_eq!(found.basis, Basis::StatisticalArea);
            format!("{id} {share:.2} {certainty}{}", others.concat())
        };
        let areas = areas_of_layer(&answer.residence, layer).iter();
        areas.map(describe).collect()
    }

    #[test]
    fn layers_on_the_statistical_areas_are_exact() {
        let index = build(statistical_dataset());
        let own = layer("lsoa11");
        for code in [query(Some(own), "S0"), query(None, "S0")] {
            assert_eq!(describe(&index, &code, layers::icc()), ["k 1.00 inside"]);
            assert_eq!(describe(&index, &code, own), ["S0 1.00 inside"]);
            let answer = index.locate(&code);
            assert_eq!(answer.status, LookupStatus::Located);
            assert!(!answer.notes.contains(&AnswerNote::CodeOfOtherLayer));
            let found = answer.statistical_area.expect("a statistical area");
            assert_eq!((found.area.layer, found.area.id.as_str()), (own, "S0"));
        }
        // The assignment of S2 to l begins in 2024.
        let mut early = query(Some(own), "S2");
        assert_eq!(describe(&index, &early, layers::icc()), ["l 1.00 inside"]);
        early.as_of = jiff::civil::date(2023, 6, 1);
        assert_eq!(describe(&index, &early, layers::icc()), [""; 0]);
    }

    #[test]
    fn other_layers_follow_the_live_postcodes() {
        let index = build(statistical_dataset());
        let other = Some(layer("lsoa21"));
        // T1 has LA1 1AB, LA1 1AJ and LA2 1AA in l, and LA1 1AD in k.
        let code = query(other, "T1");
        let answer = index.locate(&code);
        assert_eq!(answer.statistical_area.expect("found").postcode_count, 4);
        let split = ["l 0.75 split k 0.25"];
        assert_eq!(describe(&index, &code, layers::icc()), split);
        let part = ["n 1.00 inside"];
        assert_eq!(describe(&index, &code, layers::sub_community()), part);
        // The share of a practice is the average of its shares at the postcodes. A00003 has no
        // shares.
        let practices = answer.residence.iter().find_map(|(_, found)| match found {
            LayerResult::Practices(practices) => Some(practices),
            _ => None,
        });
        let practices = practices.expect("practices").iter();
        let practices: Vec<String> = practices
            .map(|found| format!("{} {:?}", found.practice.code, found.share))
            .collect();
        assert_eq!(
            practices,
            ["A00002 Some(0.1875)", "A00001 Some(0.0625)", "A00003 None"]
        );
    }

    #[test]
    fn postcodes_in_no_area_count() {
        let mut dataset = statistical_dataset();
        // 3 of 4 postcodes of T1 are east of 10 km.
        for (id, boundaries) in &mut dataset.boundaries {
            if *id == layers::icb() {
                boundaries.clear();
                boundaries.push(strip("north", 0.0, 9.9));
            }
        }
        let index = build(dataset);
        let code = query(None, "T1");
        let answer = index.locate(&code);
        assert_eq!(describe(&index, &code, layers::icb()), [""; 0]);
        assert_eq!(answer.status, LookupStatus::Located);
        let mut dataset = statistical_dataset();
        for (id, boundaries) in &mut dataset.boundaries {
            if *id == layers::icb() {
                boundaries.clear();
                boundaries.push(strip("north", 0.0, 16.5));
            }
        }
        let index = build(dataset);
        let share = ["north 0.75 split none 0.25"];
        assert_eq!(describe(&index, &code, layers::icb()), share);
    }

    #[test]
    fn statistical_areas_without_live_postcodes_are_exact_or_unknown() {
        let mut dataset = statistical_dataset();
        dataset.postcodes.clear();
        let index = build(dataset);
        let exact = query(None, "S1");
        assert_eq!(describe(&index, &exact, layers::icc()), ["l 1.00 inside"]);
        for code in ["T1", "T2"] {
            let answer = index.locate(&query(None, code));
            let icc = answer.residence.iter().find(|(id, _)| *id == layers::icc());
            let is_unknown = matches!(
                icc,
                Some((_, LayerResult::Unknown(UnknownReason::NoLivePostcodes)))
            );
            assert!(is_unknown, "{code}");
        }
    }

    #[test]
    fn codes_of_another_layer_are_answered_with_a_note() {
        let index = build(statistical_dataset());
        for (id, code) in [("lsoa11", "T1"), ("lsoa21", "S0")] {
            let answer = index.locate(&query(Some(layer(id)), code));
            assert!(
                answer.notes.contains(&AnswerNote::CodeOfOtherLayer),
                "{code}"
            );
            assert_eq!(answer.statistical_area.expect("found").area.id, code);
        }
        let key = |id, code| index.statistical_area_key(asked(Some(layer(id)), code));
        assert_eq!(key("lsoa11", "T1"), Some(AreaKey::new(layer("lsoa21"), 1)));
        assert_eq!(key("lsoa21", "T1"), key("lsoa11", "T1"));
        assert_eq!(key("lsoa21", "S2"), Some(AreaKey::new(layer("lsoa11"), 2)));
        assert_eq!(key("lsoa21", "S9"), None);
        let order: Vec<Layer> = index.statistical_layers().collect();
        assert_eq!(order, [layer("lsoa11"), layer("lsoa21")]);
    }

    #[test]
    fn unknown_codes_name_what_would_have_been_right() {
        let mut dataset = statistical_dataset();
        dataset.statistical_areas.push("E01000001".into());
        let outside = entry("LA2 2AA", Some(km(40.0, 5.0)), Some(3));
        dataset.postcodes.insert(10, outside);
        let index = build(dataset);
        let status = |code| index.locate(&query(None, code)).status;
        assert_eq!(status("E01000001"), LookupStatus::OutsideCoverage);
        assert_eq!(status("E02003984"), LookupStatus::UnknownArea);
        let text = |code: &str| {
            let code = code.parse().expect("a code");
            index.unknown_statistical_area(code).to_string()
        };
        let known = "; give a code of lsoa11 (lsoa11) such as S0, or of lsoa21 (lsoa21) such as T0";
        assert_eq!(
            text("E02003984"),
            format!(
                "no statistical area of the dataset has this code, which has the form of a code of an \
                 MSOA of England{known}"
            )
        );
        assert_eq!(
            text("S9"),
            format!("no statistical area of the dataset has this code{known}")
        );
        let without = super::super::test_dataset::index();
        let answer = without.locate(&query(None, "S0"));
        assert_eq!(answer.status, LookupStatus::UnknownArea);
        let code = "S0".parse().expect("a code");
        assert_eq!(
            without.unknown_statistical_area(code).to_string(),
            "no statistical area of the dataset has this code; the dataset has no statistical areas"
        );
        assert_eq!(answer.as_of, DAY);
    }
}
