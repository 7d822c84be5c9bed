//! The columns of the dataset's tables, in the order in which a build writes them. A reader finds
//! them by name, in any order and among others.

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

/// `lineage.csv`: what became of areas.
pub(crate) const LINEAGE: [&str; 6] = [
    "layer",
    "predecessor",
    "successor",
    "relation",
    "date",
    "source",
];

/// `memberships.csv`: who is a member of what, and when.
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

/// `practice_sites.csv`: their buildings.
pub(crate) const PREMISES: [&str; 5] = ["ods_code", "kind", "postcode", "easting", "northing"];

/// `practice_successions.csv`: who took over from whom.
pub(crate) const SUCCESSIONS: [&str; 3] = ["predecessor", "successor", "from"];

/// `not_gp_practices.csv`: organisations that prescribe and have no registered patients.
pub(crate) const NOT_GP_PRACTICES: [&str; 1] = ["ods_code"];

/// `assignments.csv`: the areas that statistical areas lie in.
pub(crate) const ASSIGNMENTS: [&str; 6] =
    ["statistical_area", "layer", "area", "share", "from", "to"];

/// `postcodes.csv`: the directory.
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

/// `golden_queries.csv`: questions with the answers that the dataset must give.
pub(crate) const CANARIES: [&str; 8] = [
    "postcode",
    "easting",
    "northing",
    "practice",
    "as_of",
    "status",
    "icc_residence",
    "icc_registration",
];

/// `systems.csv`: how many ICCs each system's page states.
pub(crate) const SYSTEMS: [&str; 6] = [
    "system",
    "name",
    "page_date",
    "icc_count_stated",
    "icc_sections_on_page",
    "note",
];
