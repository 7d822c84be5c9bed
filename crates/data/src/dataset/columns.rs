//! The columns of the dataset's tables, in the order in which a build writes them. Columns are read
//! by name, in any order; other columns are ignored.

/// `areas.csv`: versions of areas.
pub(crate) const AREAS: [&str; 8] = [
    "layer",
    "id",
    "name",
    "kind",
    "system",
    "provenance",
    "from",
    "to",
];

/// `lineage.csv`: the predecessors and successors of areas.
pub(crate) const LINEAGE: [&str; 6] = [
    "layer",
    "predecessor",
    "successor",
    "relation",
    "date",
    "source",
];

/// `memberships.csv`: members of areas and groups, with periods.
pub(crate) const MEMBERSHIPS: [&str; 7] = [
    "member_layer",
    "member",
    "layer",
    "group",
    "from",
    "to",
    "provenance",
];

/// `practices.csv`: practices, open and closed.
pub(crate) const PRACTICES: [&str; 11] = [
    "ods_code",
    "name",
    "address",
    "postcode",
    "telephone",
    "status",
    "opened",
    "closed",
    "sub_icb",
    "pcn",
    "list_size",
];

/// `practice_sites.csv`: the premises of practices.
pub(crate) const PREMISES: [&str; 5] = ["ods_code", "kind", "postcode", "easting", "northing"];

/// `practice_successions.csv`: the successors of practices.
pub(crate) const SUCCESSIONS: [&str; 3] = ["predecessor", "successor", "from"];

/// `not_gp_practices.csv`: organisations that prescribe but have no registered patients.
pub(crate) const NOT_GP_PRACTICES: [&str; 1] = ["ods_code"];

/// `assignments.csv`: the areas to which statistical areas are assigned.
pub(crate) const ASSIGNMENTS: [&str; 6] =
    ["statistical_area", "layer", "area", "share", "from", "to"];

/// `postcodes.csv`: the postcode directory.
pub(crate) const POSTCODES: [&str; 9] = [
    "postcode",
    "easting",
    "northing",
    "positional_quality",
    "status",
    "introduced",
    "terminated",
    "statistical_area",
    "user",
];

/// `golden_queries.csv`: queries with their expected answers.
pub(crate) const GOLDEN_QUERIES: [&str; 8] = [
    "postcode",
    "easting",
    "northing",
    "practice",
    "as_of",
    "status",
    "icc_residence",
    "icc_registration",
];

/// `systems.csv`: the number of ICCs that each system's page states.
pub(crate) const SYSTEMS: [&str; 6] = [
    "system",
    "name",
    "page_date",
    "icc_count_stated",
    "icc_sections_on_page",
    "note",
];
