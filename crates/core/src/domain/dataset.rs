//! A dataset in memory.

use super::{
    Area, AreaFacts, Boundary, FormerPremises, GoldenQuery, Layer, LineageStep, Manifest,
    Membership, NeighbouringPractice, OdsCode, PostcodeCodes, PostcodeEntry, PostcodeHomes,
    Practice, PracticeSuccession, Premises, StatedCount, StatisticalAssignment,
};

/// A dataset in memory. [`crate::index::Index::build`] builds the index of a dataset.
#[derive(Debug, Clone)]
pub struct Dataset {
    /// The manifest.
    pub manifest: Manifest,
    /// The SHA-256 of the manifest, which contains the SHA-256 of every file. Two datasets with the
    /// same digest are identical.
    pub digest: String,
    /// Every version of every area.
    pub areas: Vec<Area>,
    /// The boundaries of each layer that has boundaries.
    pub boundaries: Vec<(Layer, Vec<Boundary>)>,
    /// The predecessors and successors of areas.
    pub lineage: Vec<LineageStep>,
    /// The members of areas and groups.
    pub memberships: Vec<Membership>,
    /// Practices, open and closed.
    pub practices: Vec<Practice>,
    /// The premises of practices.
    pub premises: Vec<Premises>,
    /// The successors of practices.
    pub successions: Vec<PracticeSuccession>,
    /// The codes of statistical areas that have a boundary or that a postcode refers to.
    pub statistical_areas: Vec<String>,
    /// The boundaries of statistical areas, by code.
    pub statistical_boundaries: Vec<Boundary>,
    /// The areas to which statistical areas are assigned.
    pub assignments: Vec<StatisticalAssignment>,
    /// Buildings that practices used before.
    pub former_premises: Vec<FormerPremises>,
    /// GP practices outside the area of the dataset.
    pub neighbouring_practices: Vec<NeighbouringPractice>,
    /// Organisations that prescribe medicines but have no registered patients.
    pub not_gp_practices: Vec<OdsCode>,
    /// The entries of the postcode directory, sorted by postcode.
    pub postcodes: Vec<PostcodeEntry>,
    /// The codes that the entries of the directory refer to.
    pub postcode_codes: Vec<PostcodeCodes>,
    /// The homes of the postcodes that are divided between areas, in order of postcode and layer.
    pub postcode_homes: Vec<PostcodeHomes>,
    /// Queries with their expected answers.
    pub golden_queries: Vec<GoldenQuery>,
    /// The numbers of ICCs that the systems state on their own pages.
    pub stated_counts: Vec<StatedCount>,
    /// Further facts about areas and partnerships.
    pub facts: AreaFacts,
}
