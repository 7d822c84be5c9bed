//! The immutable in-memory index of one dataset. An [`Index`] never changes after it is built, does
//! no I/O and does not depend on HTTP.
//!
//! ```text
//!  postcode ──► directory ──► statistical area ──► assignments ──► areas, practices ──► groups
//!  point ─────► spatial: exact point-in-polygon ─┘                          ▲
//!  practice ──► registry: branch, successors ────► memberships ─────────────┘
//! ```

mod answer;
mod area_key;
mod area_look_up;
mod area_postcodes;
mod area_relations;
mod assignments;
mod attributes;
mod build;
mod change_dates;
mod data_dates;
mod directory;
mod disagreement;
mod divided_postcodes;
mod facts;
mod home_counts;
mod home_shares;
mod land;
mod layer;
mod layer_roles;
mod locate;
mod memberships;
mod neighbours;
mod position_grid;
mod practice_area;
mod proximity;
mod registration;
mod registry;
mod residence;
mod sector_hint;
mod spatial;
mod statistical_codes;
#[cfg(test)]
mod statistical_layer_tests;
mod statistical_query;
mod suspect_coordinates;
#[cfg(test)]
mod test_dataset;
mod upcoming;
mod uprns;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::civil::Date;

pub use answer::{
    AlternativeArea, AnswerNote, AreaMatch, AreaShare, BoundaryProximity, DisputedArea, GroupMatch,
    LayerResult, LocateAnswer, LocateQuery, Location, Locator, NamedStatisticalArea, NearbyArea,
    OtherArea, PlaceShares, PracticeMatch, PracticeRegistration, RegisteredPractice,
    RegistrationReason, ShareUnit, UnknownReason, areas_of_layer,
};
pub use area_key::AreaKey;
pub use area_look_up::{AreaLookUp, ContainingAreas};
pub use area_postcodes::{AreaPostcode, OutcodeCount, PostcodeFilter, PostcodePage};
pub use area_relations::AreaRelation;
pub use change_dates::ChangeDates;
pub use directory::PostcodeLookup;
pub use disagreement::{DisagreeingLayer, Disagreement};
pub use facts::{AreaSearchHit, Population};
pub use home_counts::{CountedHome, HomeCounter, HomeCounts};
pub use neighbours::AdjacentArea;
pub use sector_hint::SectorHint;
pub use spatial::BoundaryIndex;
pub use statistical_query::UnknownStatisticalArea;
pub use upcoming::{UpcomingChange, UpcomingChangeKind, UpcomingPractice};
pub use uprns::{ResolvedHome, UnreadableUprns, UprnList};

use crate::domain::{
    Area, Boundary, BritishGrid, FormerPremises, GroupMember, Layer, LayerKind, LayerRole,
    LineageStep, Manifest, Membership, NeighbouringPractice, OdsCode, Period, Postcode,
    PostcodeCodes, PostcodeEntry, PostcodePrefix, PostcodeStatus, Practice, PracticeSuccession,
    PrefixReading, Premises, Provenance,
};
use attributes::AttributeIndex;
use directory::PostcodeDirectory;
use facts::FactsIndex;
use layer::LayerIndex;
use layer_roles::LayerRoles;
use memberships::MembershipIndex;
use registry::PracticeRegistry;
use statistical_codes::ImplausibleCodes;
use statistical_query::StatisticalPostcodes;
use uprns::UprnIndex;

/// The immutable in-memory index of one dataset.
#[derive(Debug)]
pub struct Index {
    manifest: Manifest,
    digest: String,
    /// The layers, in the order in which they appear in answers.
    layers: Vec<LayerIndex>,
    roles: LayerRoles,
    statistical_areas: StatisticalAreaIndex,
    directory: PostcodeDirectory,
    /// The codes to which entries of the directory refer.
    postcode_codes: Vec<PostcodeCodes>,
    registry: PracticeRegistry,
    memberships: MembershipIndex,
    lineage: Vec<LineageStep>,
    facts: FactsIndex,
    attributes: AttributeIndex,
    /// For each layer of statistical areas, the postcodes of its areas.
    statistical_postcodes: Vec<StatisticalPostcodes>,
    /// The last day that is not more than a year after the newest source.
    outdated_after: Date,
    /// The list in which UPRNs are looked up, if one is loaded.
    uprns: Option<UprnIndex>,
}

/// Completions of a postcode prefix.
#[derive(Debug)]
pub struct PostcodeCompletions<'i> {
    /// Outward codes, in ascending order.
    pub outcodes: Vec<&'i str>,
    /// Postcodes: first the postcodes in use on the day, then all other postcodes, each in
    /// ascending order.
    pub postcodes: Vec<PostcodeEntry>,
    /// Whether more outward codes or postcodes match than the limit allows.
    pub is_truncated: bool,
}

/// An area that has geometry, as it is shown on maps.
#[derive(Debug)]
pub struct MapArea<'i> {
    /// The position of the area among all areas of the layer in order of id, on all dates.
    pub ordinal: u32,
    /// The display name of the area.
    pub title: String,
    /// The provenance of the area's boundary.
    pub provenance: Provenance,
    /// The geometry of the area.
    pub boundary: &'i Boundary,
}

/// The radius of searches for the nearest postcodes and practices, in metres. Every point on land
/// in Great Britain has a postcode within 20 km.
pub const NEAREST_RADIUS_M: u32 = 50_000;

/// The statistical areas on which layers are defined.
#[derive(Debug)]
struct StatisticalAreaIndex {
    /// The codes, by row. The areas that have boundaries come first, in the order of the
    /// boundaries.
    codes: Vec<String>,
    boundary_index: Arc<BoundaryIndex>,
    snap_m: f64,
    /// The rows of the statistical areas that the directory states but that are not used.
    implausible: ImplausibleCodes,
}

/// The reason why an index cannot be built. In each case, the dataset contradicts itself or exceeds
/// a limit.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// A record refers to an id that the dataset does not contain.
    #[error("{what} refers to `{id}`, which is not in the dataset")]
    UnknownReference {
        /// The record that refers to the id.
        what: String,
        /// The id that is not in the dataset.
        id: String,
    },
    /// Two versions of an area are valid on the same day.
    #[error("{layer} `{id}` has two versions valid on the same day")]
    OverlappingVersions {
        /// The layer of the area.
        layer: Layer,
        /// The id of the area.
        id: String,
    },
    /// The dataset exceeds a limit of the index.
    #[error("there are more than {limit} {what}")]
    TooMany {
        /// The plural noun for the limited items, such as "outward codes".
        what: &'static str,
        /// The maximum number.
        limit: u32,
    },
    /// A practice belongs to two communities of a layer on the same day.
    #[error("practice `{practice}` belongs to `{first}` and to `{second}` on the same day")]
    ConflictingMemberships {
        /// The code of the practice.
        practice: String,
        /// The id of one of the communities.
        first: String,
        /// The id of the other community.
        second: String,
    },
}

impl Index {
    /// Returns the manifest of the dataset.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Returns the title of a layer in the plural, or its id if the dataset does not contain the
    /// layer.
    pub fn layer_title(&self, layer: Layer) -> &str {
        self.manifest.layer_title(layer)
    }

    /// Returns the SHA-256 of the manifest, which contains the SHA-256 of every other file.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Returns the role of a layer; `None` if the dataset does not contain the layer.
    pub fn role(&self, layer: Layer) -> Option<LayerRole> {
        self.layer(layer).map(|layer| layer.role)
    }

    /// Returns the layers of communities, in the order in which answers list them. Residence and
    /// registration are compared by community.
    pub fn community_layers(&self) -> &[Layer] {
        &self.roles.communities
    }

    /// Returns the layers of the dataset, in the order in which answers list them.
    pub fn layers(&self) -> impl Iterator<Item = Layer> {
        self.layers.iter().map(|layer| layer.id)
    }

    /// Returns the version of each area of a layer that is valid on a day, in order of id; `None`
    /// if the dataset does not contain the layer.
    pub fn areas(&self, layer: Layer, day: Date) -> Option<impl Iterator<Item = &Area>> {
        let layer = self.layer(layer)?;
        let is_valid = move |area: &&Area| area.period.contains(day);
        Some(layer.versions().iter().filter(is_valid))
    }

    /// Returns every version of every area of a layer, in order of id.
    pub fn all_areas(&self, layer: Layer) -> impl Iterator<Item = &Area> {
        let layer = self.layer(layer).into_iter();
        layer.flat_map(|layer| layer.versions())
    }

    /// Returns the version of an area that is valid on a day.
    pub fn area(&self, layer: Layer, id: &str, day: Date) -> Option<&Area> {
        self.layer(layer)?.area(id, day)
    }

    /// Returns the version of an area that is valid on a day. If there is no such version, returns
    /// the last version, so that an id that is no longer in use can still be explained.
    pub fn area_or_last_version(&self, layer: Layer, id: &str, day: Date) -> Option<&Area> {
        self.layer(layer)?.area_or_last_version(id, day)
    }

    /// Returns the boundary of an area on a day.
    pub fn boundary(&self, layer: Layer, id: &str, day: Date) -> Option<&Boundary> {
        let layer = self.layer(layer)?;
        let index = layer.boundary(layer.ordinal(id)?, day)?;
        Some(layer.boundary_index.boundary(index))
    }

    /// Returns the boundaries of a layer's areas on a day, in order of id.
    pub fn boundaries(&self, layer: Layer, day: Date) -> impl Iterator<Item = &Boundary> {
        let boundaries = self
            .layer(layer)
            .map_or(&[][..], |layer| layer.boundary_index.boundaries());
        boundaries
            .iter()
            .filter(move |boundary| boundary.period.contains(day))
    }

    /// Returns every boundary of a layer's areas, on all dates.
    pub fn all_boundaries(&self, layer: Layer) -> impl Iterator<Item = &Boundary> {
        let layer = self.layer(layer);
        layer
            .into_iter()
            .flat_map(|layer| layer.boundary_index.boundaries())
    }

    /// Returns every version of an area, in order of time.
    pub fn versions(&self, layer: Layer, id: &str) -> &[Area] {
        let layer = self.layer(layer);
        let ordinal = layer.and_then(|layer| Some((layer, layer.ordinal(id)?)));
        ordinal.map_or(&[], |(layer, ordinal)| layer.versions_of(ordinal))
    }

    /// Returns whether the areas of a layer do not overlap.
    pub fn is_partition(&self, layer: Layer) -> bool {
        self.layer(layer)
            .is_some_and(|layer| layer.kind == LayerKind::Partition)
    }

    /// Returns the revision of a layer on a day: the number of days, up to and including that day,
    /// on which the layer's areas with geometry changed. If two days have the same revision, these
    /// areas are the same on both days.
    pub fn revision(&self, layer: Layer, day: Date) -> usize {
        self.layer(layer).map_or(0, |layer| layer.revision(day))
    }

    /// Returns the day on which the revision of a layer on `day` began; `None` for revision 0.
    pub fn revision_date(&self, layer: Layer, day: Date) -> Option<Date> {
        self.layer(layer)?.revision_date(day)
    }

    /// Returns the areas of a layer that have geometry in a revision (see [`Index::revision`]), in
    /// order of id.
    pub fn areas_with_geometry(&self, layer: Layer, revision: usize) -> Vec<MapArea<'_>> {
        let Some(layer) = self.layer(layer) else {
            return Vec::new();
        };
        let day = layer.date_of_revision(revision);
        let areas = layer.versions().iter();
        areas
            .filter(|area| area.period.contains(day))
            .filter_map(|area| {
                let ordinal = layer.ordinal(&area.id)?;
                Some(MapArea {
                    ordinal,
                    title: area.title().to_string(),
                    provenance: area.provenance,
                    boundary: layer.boundary_index.boundary(layer.boundary(ordinal, day)?),
                })
            })
            .collect()
    }

    /// Returns the first day for which the dataset has data for the layer.
    pub fn first_data(&self, layer: Layer) -> Option<Date> {
        self.layer(layer).map(|layer| layer.first_data)
    }

    /// Returns the first day for which the dataset has data on the members of the layer's areas.
    pub fn first_memberships(&self, layer: Layer) -> Option<Date> {
        self.layer(layer).map(|layer| layer.first_memberships)
    }

    /// Returns the areas of a layer whose boundary on a day covers a point. Assignments of
    /// statistical areas are not considered.
    pub fn areas_covering(&self, layer: Layer, point: BritishGrid, day: Date) -> Vec<&Area> {
        let Some(layer) = self.layer(layer) else {
            return Vec::new();
        };
        let covering = layer.boundary_index.covering(point, day);
        let ordinals = covering.into_iter().map(|index| layer.area_of(index));
        ordinals
            .filter_map(|ordinal| layer.version(ordinal, day))
            .collect()
    }

    /// Returns the open and closed practices, in order of code.
    pub fn practices(&self) -> &[Practice] {
        self.registry.practices()
    }

    /// Returns every code for which a look-up of a practice returns more than "unknown": the codes
    /// of practices in and outside the area of the dataset, the codes of other prescribers, and the
    /// default codes.
    pub fn practice_codes(&self) -> BTreeSet<OdsCode> {
        let neighbouring = self.neighbouring_practices().iter();
        let mut codes: BTreeSet<OdsCode> = (self.practices().iter())
            .map(|practice| practice.code)
            .chain(neighbouring.map(|found| found.practice.code))
            .chain(OdsCode::defaults())
            .collect();
        codes.extend(self.not_gp_practices());
        codes
    }

    /// Returns the practice with a code.
    pub fn practice(&self, code: OdsCode) -> Option<&Practice> {
        self.registry.find(code)
    }

    /// Returns the premises of a practice. The main address is first.
    pub fn premises(&self, code: OdsCode) -> &[Premises] {
        self.registry.premises(code)
    }

    /// Returns the successions by which other practices took over the patients of a practice.
    pub fn successors(&self, code: OdsCode) -> &[PracticeSuccession] {
        self.registry.successors(code)
    }

    /// Returns the successions by which a practice took over the patients of other practices,
    /// starting with the earliest succession.
    pub fn predecessors(&self, code: OdsCode) -> Vec<&PracticeSuccession> {
        self.registry.predecessors(code)
    }

    /// Returns the buildings that a practice used before and that are not its premises.
    pub fn former_premises(&self, code: OdsCode) -> &[FormerPremises] {
        self.registry.former_premises(code)
    }

    /// Returns the practices outside the area of the dataset, in order of code.
    pub fn neighbouring_practices(&self) -> &[NeighbouringPractice] {
        self.registry.neighbouring()
    }

    /// Returns the practice with a code that is outside the area of the dataset.
    pub fn neighbouring_practice(&self, code: OdsCode) -> Option<&NeighbouringPractice> {
        self.registry.find_neighbouring(code)
    }

    /// Looks up a postcode in the directory.
    pub fn lookup_postcode(&self, postcode: Postcode) -> PostcodeLookup {
        self.directory.lookup(postcode)
    }

    /// Looks up many postcodes and returns the results in the same order. In a large batch, a
    /// look-up takes less than half the time of a single look-up.
    pub fn lookup_postcodes(&self, postcodes: &[Postcode]) -> Vec<PostcodeLookup> {
        self.directory.lookup_all(postcodes)
    }

    /// Returns the row of a postcode, which is its position among the directory's postcodes in
    /// ascending order. Rows are used as indices into tables that have an entry for each postcode.
    pub fn postcode_row(&self, postcode: Postcode) -> Option<u32> {
        self.directory.find_row(postcode)
    }

    /// Returns the rows of many postcodes, in the same order.
    pub fn postcode_rows(&self, postcodes: &[Postcode]) -> Vec<Option<u32>> {
        self.directory.find_rows(postcodes)
    }

    /// Returns the code of the statistical area to which the directory assigns the postcode.
    pub fn statistical_area_code(&self, entry: &PostcodeEntry) -> Option<&str> {
        let areas = &self.statistical_areas;
        let implausible = || areas.implausible.row_of(entry.postcode);
        let row = entry.statistical_area.or_else(implausible)?;
        areas.codes.get(row.get() as usize).map(String::as_str)
    }

    /// Returns the codes of a postcode other than its statistical area. If the directory states no
    /// such codes, the result contains no codes.
    pub fn postcode_codes(&self, entry: &PostcodeEntry) -> PostcodeCodes {
        let codes = entry.codes.map(|row| row.get() as usize);
        codes
            .and_then(|row| self.postcode_codes.get(row).copied())
            .unwrap_or_default()
    }

    /// Returns every postcode of the directory, in ascending order.
    pub fn postcodes(&self) -> impl ExactSizeIterator<Item = PostcodeEntry> {
        self.directory.entries()
    }

    /// Returns whether the postcode was terminated on or before a day.
    pub fn is_terminated(&self, entry: &PostcodeEntry, day: Date) -> bool {
        entry.is_terminated_on(day, self.manifest.undated_terminations_after)
    }

    /// Returns the status of the postcode on a day.
    pub fn postcode_status(&self, entry: &PostcodeEntry, day: Date) -> PostcodeStatus {
        entry.status_on(day, self.manifest.undated_terminations_after)
    }

    /// Returns the completions of a prefix: at most `limit` outward codes, in ascending order, and
    /// at most `limit` postcodes. Postcodes in use on the day are first, followed by all other
    /// postcodes.
    pub fn completions(
        &self,
        prefix: &PostcodePrefix,
        limit: usize,
        day: Date,
    ) -> PostcodeCompletions<'_> {
        let mut outcodes: Vec<&str> = self.outcodes_with_prefix(prefix).take(limit + 1).collect();
        let readings = prefix.readings().iter();
        let matching = readings.flat_map(|reading| self.directory.entries_matching(reading));
        let mut postcodes = Vec::new();
        let mut others = Vec::new();
        for entry in matching {
            if self.postcode_status(&entry, day) == PostcodeStatus::Live {
                postcodes.push(entry);
            } else if others.len() <= limit {
                others.push(entry);
            }
            if postcodes.len() > limit {
                break;
            }
        }
        postcodes.append(&mut others);
        let is_truncated = outcodes.len() > limit || postcodes.len() > limit;
        outcodes.truncate(limit);
        postcodes.truncate(limit);
        PostcodeCompletions {
            outcodes,
            postcodes,
            is_truncated,
        }
    }

    /// Returns the outward codes of the directory of which a prefix may be an incomplete form, in
    /// ascending order.
    pub fn outcodes_with_prefix<'i>(
        &'i self,
        prefix: &PostcodePrefix,
    ) -> impl Iterator<Item = &'i str> {
        self.directory.outcodes_with_prefix(prefix)
    }

    /// Returns the postcodes that match a reading of a prefix and have one of these statuses on the
    /// day, in ascending order. Pseudo postcodes are not returned. The postcodes are read one by
    /// one, so that a caller who needs only the first postcodes reads only these.
    pub fn postcodes_matching<'i>(
        &'i self,
        reading: &PrefixReading,
        statuses: &'i [PostcodeStatus],
        day: Date,
    ) -> impl Iterator<Item = PostcodeEntry> + use<'i> {
        let matching = self.directory.entries_matching(reading);
        matching.filter(move |entry| {
            let status = self.postcode_status(entry, day);
            statuses.contains(&status) && entry.postcode.special().is_none()
        })
    }

    /// Returns the postcodes in use on the day that are nearest to a point, with their distances in
    /// metres on the grid: the nearest postcodes first, and postcodes at equal distances in order
    /// of postcode. The result contains at most `limit` postcodes, all of them within
    /// [`NEAREST_RADIUS_M`].
    pub fn nearest_postcodes(
        &self,
        point: BritishGrid,
        limit: usize,
        day: Date,
    ) -> Vec<(PostcodeEntry, f64)> {
        self.directory
            .nearest(point, NEAREST_RADIUS_M, limit, |entry| {
                self.postcode_status(entry, day) == PostcodeStatus::Live
            })
    }

    /// Returns the practices active on the day whose premises are nearest to a point, each with its
    /// nearest premises and the distance to these premises in metres on the grid. The nearest
    /// practice comes first; practices at equal distances are in order of code. At most `limit`
    /// practices are returned, all within [`NEAREST_RADIUS_M`].
    pub fn nearest_practices(
        &self,
        point: BritishGrid,
        limit: usize,
        day: Date,
    ) -> Vec<(&Practice, &Premises, f64)> {
        self.registry
            .nearest(point, f64::from(NEAREST_RADIUS_M), limit, day)
    }

    /// Returns the lineage of areas, which states the successors of areas that ended.
    pub fn lineage(&self) -> &[LineageStep] {
        &self.lineage
    }

    /// Returns the memberships of a member in groups of a layer on a day, in the order of the
    /// source.
    pub fn memberships_of(
        &self,
        member: &GroupMember,
        layer: Layer,
        day: Date,
    ) -> impl Iterator<Item = &Membership> {
        self.memberships.of_member(member, layer, day)
    }

    /// Returns the memberships in a group on a day.
    pub fn members(&self, layer: Layer, id: &str, day: Date) -> Vec<&Membership> {
        let all = self.memberships.all();
        all.filter(|membership| {
            membership.layer == layer
                && membership.group.as_deref() == Some(id)
                && membership.period.contains(day)
        })
        .collect()
    }

    /// Returns every membership on any date, sorted by member.
    pub fn memberships(&self) -> impl Iterator<Item = &Membership> {
        self.memberships.all()
    }

    fn layer(&self, id: Layer) -> Option<&LayerIndex> {
        self.layers.iter().find(|layer| layer.id == id)
    }
}

fn periods_overlap(a: Period, b: Period) -> bool {
    let ends_before =
        |a: Period, b: Period| matches!((a.to, b.from), (Some(to), Some(from)) if to <= from);
    !ends_before(a, b) && !ends_before(b, a)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::test_dataset::{
        DAY, FIRST_DATA, WIDENED, area, area_membership, build, closed_practice, code, dataset,
        entry, from, index, km, postcode, practice, rectangle, until,
    };
    use super::*;
    use crate::domain::layers;
    use crate::domain::{DirectoryStatus, RecordIndex};

    const BEFORE: Date = date(2024, 6, 30);

    fn ids<'a>(areas: impl IntoIterator<Item = &'a Area>) -> Vec<&'a str> {
        areas.into_iter().map(|area| area.id.as_str()).collect()
    }

    #[test]
    fn layers_are_listed_in_answer_order() {
        let index = index();
        let layers = [
            layers::icc(),
            layers::sub_community(),
            layers::gp_practice(),
            layers::resilience_group(),
            layers::icb(),
        ];
        assert!(index.layers().eq(layers));
        assert_eq!(index.manifest().name, "world");
        assert_eq!(index.digest(), "0123");
        assert_eq!(index.first_data(layers::icc()), Some(FIRST_DATA));
        assert_eq!(index.first_data(layers::pcn()), None);
        let partitions = layers.map(|layer| index.is_partition(layer));
        assert_eq!(partitions, [true, true, false, false, true]);
        assert!(!index.is_partition(layers::pcn()));
    }

    #[test]
    fn areas_are_returned_in_the_version_of_the_date() {
        let mut dataset = dataset();
        dataset.areas.push(Area {
            period: until(WIDENED),
            ..area(layers::icc(), "j")
        });
        let index = build(dataset);
        let of = |day| ids(index.areas(layers::icc(), day).expect("in the dataset"));
        assert_eq!(of(BEFORE), ["j", "k", "l"]);
        assert_eq!(of(DAY), ["k", "l"]);
        assert!(index.areas(layers::pcn(), DAY).is_none());
        assert!(index.area(layers::icc(), "j", DAY).is_none());
        assert!(index.area(layers::icc(), "j", BEFORE).is_some());
        assert!(
            index
                .area_or_last_version(layers::icc(), "j", DAY)
                .is_some()
        );
        assert!(
            index
                .area_or_last_version(layers::icc(), "z", DAY)
                .is_none()
        );
        assert_eq!(index.versions(layers::icb(), "north").len(), 2);
        assert!(index.versions(layers::icb(), "z").is_empty());
    }

    #[test]
    fn boundaries_are_those_of_the_date_or_all() {
        let index = index();
        let width_m = |boundary: &Boundary| {
            let ring = &boundary.grid[0].rings[0];
            ring[1].easting_m() - ring[0].easting_m()
        };
        let north = |day| index.boundary(layers::icb(), "north", day).map(width_m);
        assert_eq!(north(BEFORE), Some(15_000.0));
        assert_eq!(north(DAY), Some(20_000.0));
        assert!(index.boundary(layers::icb(), "z", DAY).is_none());
        assert_eq!(index.boundaries(layers::icb(), DAY).count(), 1);
        assert_eq!(index.boundaries(layers::icc(), DAY).count(), 2);
        assert_eq!(index.boundaries(layers::pcn(), DAY).count(), 0);
        assert_eq!(index.all_boundaries(layers::icb()).count(), 2);
        let covering = |layer, east, day| ids(index.areas_covering(layer, km(east, 5.0), day));
        assert_eq!(covering(layers::icb(), 17.0, BEFORE), [""; 0]);
        assert_eq!(covering(layers::icb(), 17.0, DAY), ["north"]);
        assert_eq!(covering(layers::icc(), 9.0, DAY), ["k"]);
        assert_eq!(covering(layers::pcn(), 9.0, DAY), [""; 0]);
    }

    #[test]
    fn areas_with_geometry_are_those_of_the_revision() {
        let mut dataset = dataset();
        // The first of the two areas has no geometry, and the second is not valid on the first
        // date.
        dataset.areas.push(area(layers::icb(), "bare"));
        dataset.areas.push(Area {
            period: from(WIDENED),
            ..area(layers::icb(), "south")
        });
        let mut south = rectangle("south", (0.0, -5.0), (20.0, 0.0));
        south.period = from(WIDENED);
        dataset.boundaries[0].1.push(south);
        let index = build(dataset);
        let areas_at = |revision| -> Vec<(u32, String, Option<Date>)> {
            let areas = index
                .areas_with_geometry(layers::icb(), revision)
                .into_iter();
            areas
                .map(|area| (area.ordinal, area.title, area.boundary.period.from))
                .collect()
        };
        assert_eq!(areas_at(0), [(1, "NORTH".to_string(), None)]);
        assert_eq!(
            areas_at(1),
            [
                (1, "WIDER".to_string(), Some(WIDENED)),
                (2, "SOUTH".to_string(), Some(WIDENED))
            ]
        );
        assert!(index.areas_with_geometry(layers::pcn(), 0).is_empty());
        let revision_on =
            |layer, day| (index.revision(layer, day), index.revision_date(layer, day));
        assert_eq!(revision_on(layers::icb(), BEFORE), (0, None));
        assert_eq!(revision_on(layers::icb(), DAY), (1, Some(WIDENED)));
        assert_eq!(revision_on(layers::pcn(), DAY), (0, None));
    }

    #[test]
    fn batch_lookups_equal_single_lookups() {
        let index = index();
        let queries = ["LA2 1AA", "LA1 1AA", "LA1 9ZZ", "LA3 1AA"].map(postcode);
        let rows = [Some(8), Some(0), None, None];
        let summary = |lookup: PostcodeLookup| match lookup {
            PostcodeLookup::Entry(entry) => entry
                .position
                .map(|position| position.easting_m() - 300_000.0),
            PostcodeLookup::Unknown => Some(-1.0),
            PostcodeLookup::OutsideCoverage => Some(-2.0),
        };
        let expected = [Some(17_000.0), Some(1_000.0), Some(-1.0), Some(-2.0)];
        for (position, postcode) in queries.into_iter().enumerate() {
            assert_eq!(index.postcode_row(postcode), rows[position]);
            assert_eq!(summary(index.lookup_postcode(postcode)), expected[position]);
        }
        assert_eq!(index.postcode_rows(&queries), rows);
        let batch = index.lookup_postcodes(&queries).into_iter().map(summary);
        assert!(batch.eq(expected));
        assert_eq!(index.postcodes().len(), 11);
    }

    #[test]
    fn postcode_entries_have_codes() {
        let mut dataset = dataset();
        let codes = PostcodeCodes {
            council: "E06000063".parse().ok(),
            lsoa21: "E01019311".parse().ok(),
            is_statistical_area_by_polygon: false,
            is_lsoa21_by_polygon: true,
        };
        dataset.postcode_codes = vec![PostcodeCodes::default(), codes];
        dataset.postcodes[2].codes = Some(RecordIndex::new(1));
        let index = build(dataset);
        let codes_of = |text| match index.lookup_postcode(postcode(text)) {
            PostcodeLookup::Entry(entry) => index.postcode_codes(&entry),
            other => panic!("{other:?}"),
        };
        assert_eq!(codes_of("LA1 1AD"), codes);
        assert_eq!(codes_of("LA1 1AA"), PostcodeCodes::default());
    }

    #[test]
    fn postcode_entries_have_a_statistical_area_and_a_status() {
        let mut dataset = dataset();
        dataset.manifest.undated_terminations_after = Some("2024-05".parse().expect("a month"));
        let mut undated = entry("LA2 1AD", None, None);
        undated.status = DirectoryStatus::Terminated;
        dataset.postcodes.insert(10, undated);
        let index = build(dataset);
        let entry = |text| match index.lookup_postcode(postcode(text)) {
            PostcodeLookup::Entry(entry) => entry,
            other => panic!("{other:?}"),
        };
        assert_eq!(index.statistical_area_code(&entry("LA1 1AJ")), Some("S2"));
        assert_eq!(index.statistical_area_code(&entry("LA1 1AD")), None);
        let undated = entry("LA2 1AD");
        assert!(index.is_terminated(&undated, BEFORE));
        assert!(!index.is_terminated(&undated, date(2024, 5, 31)));
        assert_eq!(
            index.postcode_status(&undated, date(2024, 5, 31)),
            PostcodeStatus::Live
        );
        assert_eq!(
            index.postcode_status(&undated, BEFORE),
            PostcodeStatus::Terminated
        );
    }

    #[test]
    fn completions_are_limited_and_flagged_as_truncated() {
        let index = index();
        let complete = |text: &str, limit| {
            let prefix: PostcodePrefix = text.parse().expect("a prefix");
            let completions = index.completions(&prefix, limit, DAY);
            let postcodes = completions.postcodes.iter();
            let postcodes: Vec<String> =
                postcodes.map(|entry| entry.postcode.to_string()).collect();
            (
                completions.outcodes.join(" "),
                postcodes.join(", "),
                completions.is_truncated,
            )
        };
        let expected = |outcodes: &str, postcodes: &str, is_cut| {
            (outcodes.to_string(), postcodes.to_string(), is_cut)
        };
        assert_eq!(complete("LA", 2), expected("LA1 LA2", "", false));
        assert_eq!(complete("LA", 1), expected("LA1", "", true));
        assert_eq!(
            complete("LA2 1", 2),
            expected("", "LA2 1AA, LA2 1AB", false)
        );
        assert_eq!(complete("LA2 1", 1), expected("", "LA2 1AA", true));
        // Postcodes that are in use come first.
        assert_eq!(
            complete("LA1 1A", 7).1,
            "LA1 1AA, LA1 1AB, LA1 1AD, LA1 1AE, LA1 1AH, LA1 1AJ, LA1 1AF"
        );
        assert_eq!(complete("LA1 1AF", 7), expected("", "LA1 1AF", false));
    }

    #[test]
    fn matching_postcodes_have_one_of_the_statuses() {
        let index = index();
        let found = |outcode: &str, statuses: &'static [PostcodeStatus]| {
            let reading = PrefixReading::of_outcode(outcode).expect("an outward code");
            let found = index.postcodes_matching(&reading, statuses, DAY);
            let texts: Vec<String> = found.map(|entry| entry.postcode.to_string()).collect();
            texts.join(", ")
        };
        let live = found("LA1", &[PostcodeStatus::Live]);
        assert!(
            live.contains("LA1 1AA, ") && !live.contains("LA1 1AF"),
            "{live}"
        );
        assert_eq!(found("LA1", &[PostcodeStatus::Terminated]), "LA1 1AF");
        assert_eq!(found("LA9", &[PostcodeStatus::Live]), "");
        assert!(PrefixReading::of_outcode("la1").is_none());
    }

    #[test]
    fn nearest_results_are_in_use_and_within_50_km() {
        let index = index();
        let postcodes = |east, north, limit| -> Vec<String> {
            let near = index.nearest_postcodes(km(east, north), limit, DAY);
            near.iter()
                .map(|value| value.0.postcode.to_string())
                .collect()
        };
        // LA1 1AF and LA1 1AG are nearer to the point than LA1 1AA.
        assert_eq!(postcodes(2.0, 2.0, 2), ["ZZ99 3VZ", "LA1 1AA"]);
        assert_eq!(postcodes(80.0, 5.0, 1), ["LA2 1AB"]);
        assert_eq!(postcodes(80.000_001, 5.0, 1), [""; 0]);
        let practices = |east, limit| -> Vec<(String, f64)> {
            let near = index.nearest_practices(km(east, 2.0), limit, DAY);
            let near = near.into_iter();
            near.map(|value| (value.0.code.to_string(), value.2))
                .collect()
        };
        assert_eq!(practices(1.0, 1), [("A00001".to_string(), 1_000.0)]);
        assert_eq!(practices(67.0, 9).len(), 1);
        assert!(practices(67.001, 9).is_empty());
    }

    #[test]
    fn practices_have_premises_successors_and_predecessors() {
        let index = index();
        let codes = index
            .practices()
            .iter()
            .map(|practice| practice.code.to_string());
        let codes: Vec<String> = codes.collect();
        assert!(codes.is_sorted());
        assert_eq!(codes.len(), 6);
        let first = code("A00001");
        assert_eq!(
            index.practice(first).map(|practice| practice.name.as_str()),
            Some("a00001")
        );
        assert!(index.practice(code("X99999")).is_none());
        let positions = index
            .premises(first)
            .iter()
            .map(|premises| premises.position);
        assert!(positions.eq([km(1.0, 1.0), km(4.0, 1.0)]));
        assert!(index.premises(code("X99999")).is_empty());
        let before = code("A00004");
        assert_eq!(index.successors(before)[0].successor, first);
        assert!(index.successors(first).is_empty());
        let predecessors = index.predecessors(first);
        assert_eq!(predecessors.len(), 1);
        assert_eq!(predecessors[0].predecessor, before);
        assert!(index.predecessors(before).is_empty());
    }

    #[test]
    fn group_members_are_those_of_the_date() {
        let mut dataset = dataset();
        dataset.memberships[3].period = from(WIDENED);
        dataset.lineage.push(LineageStep {
            layer: layers::icc(),
            predecessor: "j".into(),
            successor: Some("k".into()),
            relation: crate::domain::LineageRelation::Renamed,
            date: None,
            source: "a map".into(),
        });
        // This membership is in a group that has the same id, but in a different layer.
        let mut other = area_membership(layers::icc(), "l", Some("g"));
        other.layer = layers::pcn();
        dataset.memberships.push(other);
        let index = build(dataset);
        let members = |id, day| index.members(layers::resilience_group(), id, day).len();
        assert_eq!((members("g", BEFORE), members("g", DAY)), (0, 1));
        assert_eq!((members("h", DAY), members("z", DAY)), (1, 0));
        let k = GroupMember::Area(layers::icc(), "k".into());
        let groups = |day| {
            index
                .memberships_of(&k, layers::resilience_group(), day)
                .count()
        };
        assert_eq!((groups(BEFORE), groups(DAY)), (0, 1));
        assert_eq!(index.memberships().count(), 7);
        assert_eq!(index.lineage().len(), 1);
    }

    #[test]
    fn practice_areas_last_from_opening_to_the_day_after_closing() {
        let index = index();
        let area = |id| {
            index
                .area_or_last_version(layers::gp_practice(), id, DAY)
                .expect("listed")
        };
        let closes = area("A00002");
        assert_eq!(closes.period.from, Some(date(1974, 4, 1)));
        assert_eq!(closes.period.to, Some(date(2026, 4, 1)));
        assert_eq!(closes.provenance, Provenance::Modelled);
        assert_eq!(area("A00003").provenance, Provenance::Official);
        assert_eq!(area("A00003").period.to, None);
    }

    #[test]
    fn periods_overlap_if_they_share_a_day() {
        let (may, june) = (date(2024, 5, 1), date(2024, 6, 1));
        let in_may = Period {
            from: Some(may),
            to: Some(june),
        };
        for (other, expected) in [
            (Period::default(), true),
            (until(may), false),
            (until(date(2024, 5, 2)), true),
            (from(june), false),
            (from(date(2024, 5, 31)), true),
            (from(may), true),
            (until(june), true),
            (in_may, true),
        ] {
            assert_eq!(periods_overlap(in_may, other), expected, "{other:?}");
            assert_eq!(periods_overlap(other, in_may), expected, "{other:?}");
        }
    }

    #[test]
    fn premises_determine_a_practices_own_postcodes() {
        let mut dataset = dataset();
        let mut own = practice("A00007");
        own.postcode = Some(postcode("LA1 1AB"));
        dataset.practices.push(own);
        dataset.practices.push(closed_practice("A00008", BEFORE));
        dataset.premises[1].postcode = Some(postcode("LA1 1AA"));
        let index = build(dataset);
        let is_own = |text, of| {
            let practice = index.practice(code(of)).expect("listed");
            index.registry.is_address(practice, postcode(text))
        };
        assert!(is_own("LA1 1AA", "A00001") && is_own("LA1 1AB", "A00007"));
        assert!(!is_own("LA1 1AB", "A00001") && !is_own("LA1 1AA", "A00008"));
        let distance_m = |of, east| {
            let row = index.registry.row(code(of)).expect("listed");
            let nearest = index.registry.nearest_premises(row, km(east, 1.0));
            nearest.map(|(_, distance_m)| distance_m)
        };
        assert_eq!(distance_m("A00001", 3.5), Some(500.0));
        assert_eq!(distance_m("A00007", 3.5), None);
    }
}
