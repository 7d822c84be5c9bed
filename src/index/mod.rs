//! One dataset, put in order to be asked. An [`Index`] is built once and never changes; nothing in
//! it does I/O or knows of HTTP.
//!
//! ```text
//!  postcode ──► directory ──► statistical area ──► assignments ──► areas, practices ──► groups
//!  point ─────► spatial: exact point-in-polygon ─┘                          ▲
//!  practice ──► registry: branch, successors ────► memberships ─────────────┘
//! ```

mod directory;
mod locate;
mod registry;
mod spatial;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic::resume_unwind;
use std::thread;

use jiff::civil::Date;

pub use directory::Listing;
pub use locate::{
    Answer, AreaFound, EdgeFound, Found, GroupFound, Location, Neighbour, Note, Place,
    PracticeFound, Query, Reason, RegisteredPractice, Registration, Unknown, areas_in,
};
pub use spatial::Spatial;

use crate::dataset::{Dataset, LayerEntry, LayerKind, Manifest};
use crate::domain::{
    Area, Assignment, Boundary, BritishGrid, Extent, Layer, Lineage, Member, Membership, OdsCode,
    Period, Postcode, PostcodeEntry, PostcodeStatus, Practice, Premises, Provenance, Succession,
    YearMonth, date_from_iso,
};
use directory::Directory;
use registry::Registry;

/// A dataset in memory, ready to be asked.
#[derive(Debug)]
pub struct Index {
    manifest: Manifest,
    digest: String,
    /// In the order of answers.
    layers: Vec<LayerIndex>,
    statistical: Statistical,
    directory: Directory,
    registry: Registry,
    memberships: BTreeMap<(Member, Layer), Vec<Membership>>,
    lineage: Vec<Lineage>,
    tolerance_m: f64,
    undated_terminations_after: Option<YearMonth>,
}

/// A layer of the dataset.
#[derive(Debug)]
struct LayerIndex {
    id: Layer,
    kind: LayerKind,
    first_data: Date,
    is_on_statistical_areas: bool,
    snap_m: f64,
    /// Every version of every area, in order of id, then of time.
    areas: Vec<Area>,
    spatial: Spatial,
    /// The boundaries of an area, by its id.
    boundaries_of: HashMap<String, Vec<u32>>,
    /// The areas of each statistical area, by its row.
    assignments: Vec<Vec<Assignment>>,
    /// The areas that are made of statistical areas: their boundaries are for show.
    assigned: HashSet<String>,
}

/// The statistical areas that layers are defined on.
#[derive(Debug)]
struct Statistical {
    /// By row; the first ones are those of the boundaries, in their order.
    codes: Vec<String>,
    spatial: Spatial,
    snap_m: f64,
}

/// Parts of a dataset that contradict each other.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// The manifest holds a word or a date that it should not.
    #[error("dataset.toml: {what}: {reason}")]
    Manifest {
        /// Where.
        what: String,
        /// What would have been right.
        reason: String,
    },
    /// Something is named that is nowhere described.
    #[error("{what} names `{id}`, which is not in the dataset")]
    NotThere {
        /// Who names it.
        what: String,
        /// What.
        id: String,
    },
    /// Two versions of an area hold on the same day.
    #[error("{layer} `{id}` has two versions that hold on the same day")]
    OverlappingVersions {
        /// The layer.
        layer: Layer,
        /// The area.
        id: String,
    },
    /// More of something than there is room for.
    #[error("there are more than {limit} {what}")]
    TooMany {
        /// What.
        what: &'static str,
        /// How many there may be.
        limit: u32,
    },
    /// A practice belongs to two areas of a partition on the same day.
    #[error("practice `{practice}` belongs to `{first}` and to `{second}` on the same day")]
    TwoHomes {
        /// The practice.
        practice: String,
        /// One of them.
        first: String,
        /// The other.
        second: String,
    },
}

impl Index {
    /// Puts a dataset in order.
    ///
    /// # Errors
    /// When parts of it contradict each other.
    pub fn build(dataset: Dataset) -> Result<Index, IndexError> {
        let Dataset {
            manifest,
            digest,
            statistical_areas,
            ..
        } = dataset;
        let registry = Registry::new(
            dataset.practices,
            dataset.premises,
            dataset.successions,
            dataset.not_gp_practices,
        );
        let statistical_boundaries = dataset.statistical_boundaries;
        // The statistical areas are as much work as all layers together.
        let (statistical, layers) = thread::scope(|scope| {
            let statistical = scope.spawn(|| Spatial::build(statistical_boundaries));
            let layers = layers_of(&manifest, &registry, &dataset.areas, dataset.boundaries);
            let statistical = statistical.join();
            let statistical = statistical.unwrap_or_else(|panic| resume_unwind(panic));
            (statistical, layers)
        });
        let mut layers = layers?;
        layers.sort_by_key(|layer| layer.id);
        assign(&mut layers, dataset.assignments, &statistical_areas)?;
        let mut memberships: BTreeMap<(Member, Layer), Vec<Membership>> = BTreeMap::new();
        for membership in dataset.memberships {
            let key = (membership.member.clone(), membership.layer);
            memberships.entry(key).or_default().push(membership);
        }
        let index = Index {
            statistical: Statistical {
                codes: statistical_areas,
                spatial: statistical,
                snap_m: manifest
                    .statistical_areas
                    .as_ref()
                    .map_or(0.0, |entry| entry.snap_m),
            },
            directory: Directory::new(dataset.postcodes, &manifest.complete_outcodes)?,
            tolerance_m: manifest.tolerance_m,
            undated_terminations_after: manifest
                .undated_terminations_after
                .as_deref()
                .map(|text| parsed(text, "undated_terminations_after"))
                .transpose()?,
            lineage: dataset.lineage,
            manifest,
            digest,
            layers,
            registry,
            memberships,
        };
        index.check_memberships()?;
        Ok(index)
    }

    /// What the dataset is.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// SHA-256 of the manifest, which holds that of every file.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The layers that the dataset holds, in the order of answers.
    pub fn layers(&self) -> impl Iterator<Item = Layer> {
        self.layers.iter().map(|layer| layer.id)
    }

    /// The areas of a layer in their versions of a day, in order of id; `None` where the dataset
    /// does not hold the layer.
    pub fn areas(&self, layer: Layer, day: Date) -> Option<impl Iterator<Item = &Area>> {
        let layer = self.layer(layer)?;
        let holds = move |area: &&Area| area.period.contains(day);
        Some(layer.areas.iter().filter(holds))
    }

    /// The area in its version of a day.
    pub fn area(&self, layer: Layer, id: &str, day: Date) -> Option<&Area> {
        self.layer(layer)?.area(id, day)
    }

    /// The area in its version of a day, or else in its last one: an old id says what it was.
    pub fn area_ever(&self, layer: Layer, id: &str, day: Date) -> Option<&Area> {
        let layer = self.layer(layer)?;
        layer
            .area(id, day)
            .or_else(|| layer.areas.iter().rfind(|area| area.id == id))
    }

    /// The ground of an area on a day.
    pub fn boundary(&self, layer: Layer, id: &str, day: Date) -> Option<&Boundary> {
        let layer = self.layer(layer)?;
        Some(layer.spatial.boundary(layer.boundary(id, day)?))
    }

    /// The grounds of a layer's areas on a day, in order of id.
    pub fn boundaries(&self, layer: Layer, day: Date) -> impl Iterator<Item = &Boundary> {
        let boundaries = self
            .layer(layer)
            .map_or(&[][..], |layer| layer.spatial.boundaries());
        boundaries
            .iter()
            .filter(move |boundary| boundary.period.contains(day))
    }

    /// The first day on which anything is known of the layer.
    pub fn first_data(&self, layer: Layer) -> Option<Date> {
        self.layer(layer).map(|layer| layer.first_data)
    }

    /// The areas of a layer that cover a point on a day by their boundary alone.
    pub fn areas_covering(&self, layer: Layer, point: BritishGrid, day: Date) -> Vec<&Area> {
        let Some(layer) = self.layer(layer) else {
            return Vec::new();
        };
        let around = layer.spatial.covering(point, day);
        let ids = around.into_iter().map(|at| &layer.spatial.boundary(at).id);
        ids.filter_map(|id| layer.area(id, day)).collect()
    }

    /// The practices, open and closed, in order of code.
    pub fn practices(&self) -> &[Practice] {
        self.registry.practices()
    }

    /// The practice of that code.
    pub fn practice(&self, code: OdsCode) -> Option<&Practice> {
        self.registry.find(code)
    }

    /// A practice's buildings, its own address first.
    pub fn premises(&self, code: OdsCode) -> &[Premises] {
        self.registry.premises(code)
    }

    /// Who took over from a practice.
    pub fn successors(&self, code: OdsCode) -> &[Succession] {
        self.registry.successors(code)
    }

    /// Whose patients went to a practice, the earliest first.
    pub fn predecessors(&self, code: OdsCode) -> Vec<Succession> {
        self.registry.predecessors(code)
    }

    /// What the directory knows of a postcode.
    pub fn postcode(&self, postcode: Postcode) -> Listing {
        self.directory.find(postcode)
    }

    /// The same for each of many, in their order: of a long list each takes half the time and less.
    pub fn postcodes_listed(&self, postcodes: &[Postcode]) -> Vec<Listing> {
        self.directory.find_each(postcodes)
    }

    /// The code of the statistical area that the directory gives the postcode.
    pub fn statistical_area(&self, entry: &PostcodeEntry) -> Option<&str> {
        self.statistical
            .codes
            .get(entry.statistical_area? as usize)
            .map(String::as_str)
    }

    /// Every postcode of the directory, in order.
    pub fn postcodes(&self) -> impl ExactSizeIterator<Item = PostcodeEntry> {
        self.directory.entries()
    }

    /// Whether the postcode had come to its end by the day.
    pub fn is_terminated(&self, entry: &PostcodeEntry, day: Date) -> bool {
        entry.is_terminated_on(day, self.undated_terminations_after)
    }

    /// Whether the postcode is in use on the day.
    pub fn postcode_status(&self, entry: &PostcodeEntry, day: Date) -> PostcodeStatus {
        entry.status_on(day, self.undated_terminations_after)
    }

    /// What became of areas, and of which others an area came.
    pub fn lineage(&self) -> &[Lineage] {
        &self.lineage
    }

    /// The groups of a kind that a member is in on a day, in the source's order.
    pub fn memberships_of(
        &self,
        member: &Member,
        layer: Layer,
        day: Date,
    ) -> impl Iterator<Item = &Membership> {
        let found = self
            .memberships
            .get(&(member.clone(), layer))
            .map_or(&[][..], Vec::as_slice);
        found
            .iter()
            .filter(move |membership| membership.period.contains(day))
    }

    /// The members of a group on a day.
    pub fn members(&self, layer: Layer, id: &str, day: Date) -> Vec<&Membership> {
        let all = self.memberships.values().flatten();
        all.filter(|it| {
            it.layer == layer && it.group.as_deref() == Some(id) && it.period.contains(day)
        })
        .collect()
    }

    fn layer(&self, id: Layer) -> Option<&LayerIndex> {
        self.layers.iter().find(|layer| layer.id == id)
    }

    fn check_memberships(&self) -> Result<(), IndexError> {
        for membership in self.memberships.values().flatten() {
            let what = || match &membership.member {
                Member::Practice(code) => format!("the membership of practice `{code}`"),
                Member::Area(layer, id) => format!("the membership of {layer} `{id}`"),
            };
            let is_there = |layer: Layer, id: &str| {
                self.layer(layer).is_none_or(|layer| has(&layer.areas, id))
            };
            let member_is_there = match &membership.member {
                Member::Practice(code) => self.practice(*code).is_some(),
                Member::Area(layer, id) => is_there(*layer, id),
            };
            if let Some(group) = &membership.group
                && !is_there(membership.layer, group)
            {
                return Err(IndexError::NotThere {
                    what: what(),
                    id: group.clone(),
                });
            }
            if !member_is_there {
                return Err(IndexError::NotThere {
                    what: what(),
                    id: "its member".into(),
                });
            }
        }
        self.check_homes()
    }

    /// A practice is in one community at a time.
    fn check_homes(&self) -> Result<(), IndexError> {
        for ((member, layer), memberships) in &self.memberships {
            let (Member::Practice(code), Layer::Icc) = (member, layer) else {
                continue;
            };
            for (at, first) in memberships.iter().enumerate() {
                let clash = memberships[at + 1..].iter().find(|second| {
                    second.group != first.group && overlap(second.period, first.period)
                });
                if let Some(second) = clash {
                    return Err(IndexError::TwoHomes {
                        practice: code.to_string(),
                        first: first.group.clone().unwrap_or_default(),
                        second: second.group.clone().unwrap_or_default(),
                    });
                }
            }
        }
        Ok(())
    }
}

/// The layers in the manifest's order, with the areas and boundaries of each.
fn layers_of(
    manifest: &Manifest,
    registry: &Registry,
    areas: &[Area],
    boundaries: Vec<(Layer, Vec<Boundary>)>,
) -> Result<Vec<LayerIndex>, IndexError> {
    let mut boundaries: HashMap<Layer, Vec<Boundary>> = boundaries.into_iter().collect();
    let layer = |entry: &LayerEntry| {
        let id: Layer = parsed(&entry.id, "layer")?;
        let areas = match id {
            Layer::GpPractice => practice_areas(registry, entry, areas)?,
            _ => areas
                .iter()
                .filter(|area| area.layer == id)
                .cloned()
                .collect(),
        };
        let boundaries = boundaries.remove(&id).unwrap_or_default();
        LayerIndex::build(id, entry, areas, boundaries)
    };
    manifest.layers.iter().map(layer).collect()
}

impl LayerIndex {
    fn build(
        id: Layer,
        entry: &LayerEntry,
        mut areas: Vec<Area>,
        boundaries: Vec<Boundary>,
    ) -> Result<LayerIndex, IndexError> {
        areas.sort_by(|a, b| (&a.id, a.period.from).cmp(&(&b.id, b.period.from)));
        check_versions(id, areas.iter().map(|area| (area.id.as_str(), area.period)))?;
        for extent in [Extent::Whole, Extent::Inner, Extent::Outer] {
            let of_extent = boundaries.iter().filter(|it| it.extent == extent);
            check_versions(id, of_extent.map(|it| (it.id.as_str(), it.period)))?;
        }
        let mut boundaries_of: HashMap<String, Vec<u32>> = HashMap::new();
        for (at, boundary) in (0..).zip(&boundaries) {
            if !has(&areas, &boundary.id) {
                let what = format!("a boundary of {id}");
                return Err(IndexError::NotThere {
                    what,
                    id: boundary.id.clone(),
                });
            }
            boundaries_of
                .entry(boundary.id.clone())
                .or_default()
                .push(at);
        }
        Ok(LayerIndex {
            id,
            kind: entry.kind,
            first_data: first_data(entry)?,
            is_on_statistical_areas: entry.on_statistical_areas,
            snap_m: entry.snap_m,
            areas,
            spatial: Spatial::build(boundaries),
            boundaries_of,
            assignments: Vec::new(),
            assigned: HashSet::new(),
        })
    }

    fn area(&self, id: &str, day: Date) -> Option<&Area> {
        let first = self.areas.partition_point(|area| area.id.as_str() < id);
        let versions = self.areas[first..].iter().take_while(|area| area.id == id);
        versions.into_iter().find(|area| area.period.contains(day))
    }

    fn boundary(&self, id: &str, day: Date) -> Option<u32> {
        let versions = self.boundaries_of.get(id)?;
        versions
            .iter()
            .copied()
            .find(|&at| self.spatial.boundary(at).period.contains(day))
    }

    fn assigned(&self, row: u32) -> &[Assignment] {
        self.assignments
            .get(row as usize)
            .map_or(&[], Vec::as_slice)
    }

    fn is_assigned(&self, id: &str) -> bool {
        self.assigned.contains(id)
    }

    /// The answer for a place that is nowhere.
    fn nothing(&self) -> Found<'_> {
        match (self.id, self.kind) {
            (Layer::GpPractice, _) => Found::Practices(Vec::new()),
            (_, LayerKind::Membership) => Found::Groups(Vec::new()),
            _ => Found::Areas(Vec::new()),
        }
    }
}

/// Whether one of the areas, which are in order of id, has that id.
fn has(areas: &[Area], id: &str) -> bool {
    areas
        .binary_search_by(|area| area.id.as_str().cmp(id))
        .is_ok()
}

/// Each practice is an area of its own layer; the dataset says where its area comes from, if it is
/// not from where most do.
fn practice_areas(
    registry: &Registry,
    entry: &LayerEntry,
    areas: &[Area],
) -> Result<Vec<Area>, IndexError> {
    let usual = provenance(entry)?;
    let listed = areas.iter().filter(|area| area.layer == Layer::GpPractice);
    let provenances: HashMap<&str, Provenance> = listed
        .map(|area| (area.id.as_str(), area.provenance))
        .collect();
    let area = |practice: &Practice| Area {
        layer: Layer::GpPractice,
        id: practice.code.to_string(),
        name: practice.name.clone(),
        kind: None,
        system: None,
        provenance: provenances
            .get(practice.code.as_str())
            .copied()
            .unwrap_or(usual),
        period: Period {
            from: practice.opened,
            to: practice
                .closed
                .map(|closed| closed.tomorrow().unwrap_or(closed)),
        },
    };
    Ok(registry.practices().iter().map(area).collect())
}

/// Gives each layer the areas of every statistical area.
fn assign(
    layers: &mut [LayerIndex],
    assignments: Vec<Assignment>,
    statistical_areas: &[String],
) -> Result<(), IndexError> {
    let rows: HashMap<&str, usize> = statistical_areas
        .iter()
        .map(String::as_str)
        .zip(0..)
        .collect();
    for layer in layers
        .iter_mut()
        .filter(|layer| layer.is_on_statistical_areas)
    {
        layer.assignments = vec![Vec::new(); statistical_areas.len()];
    }
    for assignment in assignments {
        let what = || format!("an assignment to {}", assignment.layer);
        let not_there = |id: &str| IndexError::NotThere {
            what: what(),
            id: id.to_string(),
        };
        let Some(layer) = layers.iter_mut().find(|layer| layer.id == assignment.layer) else {
            continue;
        };
        let row = *rows
            .get(assignment.statistical_area.as_str())
            .ok_or_else(|| not_there(&assignment.statistical_area))?;
        if !has(&layer.areas, &assignment.area) {
            return Err(not_there(&assignment.area));
        }
        if !layer.assigned.contains(&assignment.area) {
            layer.assigned.insert(assignment.area.clone());
        }
        if let Some(areas) = layer.assignments.get_mut(row) {
            areas.push(assignment);
        }
    }
    Ok(())
}

fn check_versions<'a>(
    layer: Layer,
    versions: impl Iterator<Item = (&'a str, Period)>,
) -> Result<(), IndexError> {
    let mut seen: HashMap<&str, Vec<Period>> = HashMap::new();
    for (id, period) in versions {
        let earlier = seen.entry(id).or_default();
        if earlier.iter().any(|&other| overlap(other, period)) {
            return Err(IndexError::OverlappingVersions {
                layer,
                id: id.into(),
            });
        }
        earlier.push(period);
    }
    Ok(())
}

fn overlap(a: Period, b: Period) -> bool {
    let ends_before =
        |a: Period, b: Period| matches!((a.to, b.from), (Some(to), Some(from)) if to <= from);
    !ends_before(a, b) && !ends_before(b, a)
}

fn first_data(entry: &LayerEntry) -> Result<Date, IndexError> {
    date_from_iso(&entry.first_data).map_err(|error| IndexError::Manifest {
        what: format!("first_data of layer `{}`", entry.id),
        reason: error.to_string(),
    })
}

fn provenance(entry: &LayerEntry) -> Result<Provenance, IndexError> {
    Provenance::from_word(&entry.provenance).ok_or_else(|| IndexError::Manifest {
        what: format!("provenance of layer `{}`", entry.id),
        reason: "official, derived, modelled or indicative".into(),
    })
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(
    text: &str,
    what: &str,
) -> Result<T, IndexError> {
    text.parse().map_err(|error: T::Err| IndexError::Manifest {
        what: format!("{what} `{text}`"),
        reason: error.to_string(),
    })
}
