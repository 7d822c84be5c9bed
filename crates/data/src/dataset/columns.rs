//! The columns of the dataset's tables, in the order in which a build writes them. When a table is
//! read, columns are matched by name, in any order, and other columns are ignored.

use catchment_core::domain::Layer;

/// `areas.csv`: versions of areas. The last column is optional.
pub(crate) const AREAS: [&str; 9] = [
    "layer",
    "id",
    "name",
    "kind",
    "system",
    "provenance",
    "from",
    "to",
    "ended_by",
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

/// `postcode_homes.csv`: the homes of the postcodes that are divided between areas.
pub(crate) const POSTCODE_HOMES: [&str; 6] = ["postcode", "layer", "area", "homes", "from", "to"];

/// The member layer of a practice in a dataset without a layer of the practices' areas. Otherwise,
/// it is the id of that layer.
pub(crate) const PRACTICE_MEMBER: &str = "practice";

/// The member layer of a practice in every dataset of earlier versions.
pub(crate) const EARLIER_PRACTICE_MEMBER: &str = "gp-practice";

/// Returns the member layer of a practice in `memberships.csv`. `practice_layer` is the layer of
/// the practices' areas.
pub fn practice_member(practice_layer: Option<Layer>) -> &'static str {
    practice_layer.map_or(PRACTICE_MEMBER, Layer::as_str)
}

/// The provenance of a membership that was copied from a published page.
pub(crate) const AS_PUBLISHED: &str = "as_published";

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

/// The columns of `practices.csv` that are not in older datasets.
pub(crate) const PRACTICES_OPTIONAL: [&str; 3] = ["list_size_as_of", "as_of", "note"];

/// `practice_sites.csv`: the premises of practices.
pub(crate) const PREMISES: [&str; 5] = ["ods_code", "kind", "postcode", "easting", "northing"];

/// The columns of `practice_sites.csv` that are not in older datasets.
pub(crate) const PREMISES_OPTIONAL: [&str; 3] = ["name", "as_of", "source"];

/// `practice_sites_former.csv`: buildings that practices used in the past.
pub(crate) const FORMER_PREMISES: [&str; 6] = [
    "ods_code", "postcode", "name", "held_as", "reason", "source",
];

/// `practices_neighbouring.csv`: practices outside the area of the dataset.
pub(crate) const NEIGHBOURING_PRACTICES: [&str; 12] = [
    "ods_code",
    "name",
    "postcode",
    "sub_icb",
    "icb",
    "status",
    "closed",
    "as_of",
    "list_size",
    "list_size_as_of",
    "easting",
    "northing",
];

/// `practice_successions.csv`: the successors of practices.
pub(crate) const SUCCESSIONS: [&str; 3] = ["predecessor", "successor", "from"];

/// The columns of `practice_successions.csv` that are not in older datasets.
pub(crate) const SUCCESSIONS_OPTIONAL: [&str; 4] = ["basis", "pcn_left", "note", "source"];

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

/// The columns of `postcodes.csv` that are only in some datasets.
pub(crate) const POSTCODES_OPTIONAL: [&str; 6] = [
    "council",
    "lsoa21",
    "ended_after",
    "ended_by",
    "statistical_area_by",
    "lsoa21_by",
];

/// `golden_queries.csv`: queries with their expected answers.
pub(crate) const GOLDEN_QUERIES: [&str; 8] = [
    "postcode",
    "easting",
    "northing",
    "practice",
    "as_of",
    "status",
    "residence",
    "registration",
];

/// `systems.csv`: the number of communities according to each system's page.
pub(crate) const SYSTEMS: [&str; 6] = [
    "system",
    "name",
    "page_date",
    "count_stated",
    "sections_on_page",
    "note",
];

/// The optional columns of `systems.csv`: statements on the page about boundaries and people.
pub(crate) const SYSTEMS_OPTIONAL: [&str; 4] =
    ["boundaries", "people_from", "people_to", "wording"];

/// `area_names.csv`: former names, other spellings and the names of networks.
pub(crate) const AREA_NAMES: [&str; 6] = ["layer", "area", "name", "kind", "source", "as_of"];

/// `area_codes.csv`: the codes of areas in other schemes.
pub(crate) const AREA_CODES: [&str; 4] = ["layer", "area", "scheme", "code"];

/// `area_links.csv`: the organisations that communities work with.
pub(crate) const AREA_LINKS: [&str; 8] = [
    "community",
    "organisation",
    "kind",
    "relation",
    "group_id",
    "source",
    "as_of",
    "note",
];

/// `model_shares.csv`: the model's share of a statistical area's people for the assigned area and,
/// if the assignment is disputed, the other areas with their shares.
pub(crate) const MODEL_SHARES: [&str; 5] =
    ["statistical_area", "layer", "area", "share", "disputed"];

/// `residents.csv`: the people who live in statistical areas.
pub(crate) const RESIDENTS: [&str; 4] = ["scheme", "statistical_area", "as_of", "people"];

/// `registrations.csv`: the patients of practices by statistical area.
pub(crate) const REGISTRATIONS: [&str; 4] = ["practice", "statistical_area", "as_of", "patients"];

/// `attributes/….csv`: the values of an attribute of postcodes or areas.
pub(crate) const ATTRIBUTE: [&str; 2] = ["code", "value"];

/// `team_stages.csv`: the stages in which the teams of a partnership were introduced.
pub(crate) const TEAM_STAGES: [&str; 8] = [
    "system",
    "stage",
    "from_year",
    "to_year",
    "people",
    "wording",
    "source",
    "as_of",
];

/// `care_partnerships.csv`: partners, meetings and priorities of Integrated Care Partnerships.
pub(crate) const CARE_PARTNERSHIPS: [&str; 7] =
    ["icp", "kind", "name", "role", "wording", "source", "as_of"];

/// `announcements.csv`: announcements about areas since the publication of the data.
pub(crate) const ANNOUNCEMENTS: [&str; 4] = ["month", "text", "source", "areas"];

/// `councils.csv`: councils, before and after reorganisations.
pub(crate) const COUNCILS: [&str; 9] = [
    "code",
    "name",
    "kind",
    "county_code",
    "county_name",
    "from",
    "to",
    "successor",
    "sub_icbs",
];
