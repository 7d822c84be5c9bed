//! The facts that publishers state about areas and partnerships, other than names and boundaries.

use jiff::civil::Date;

use super::{AttributeValues, Layer, OdsCode, Period, StatisticalAreaCode, YearMonth};

/// The facts about the areas of a dataset. Every list may be empty.
#[derive(Debug, Clone, Default)]
pub struct AreaFacts {
    /// Former names, other spellings and the names of networks.
    pub names: Vec<AreaName>,
    /// The codes of areas in other schemes.
    pub codes: Vec<AreaCode>,
    /// The organisations that communities work with.
    pub links: Vec<AreaLink>,
    /// For statistical areas, the modelled share that belongs to the area to which the statistical
    /// area is assigned.
    pub model_shares: Vec<ModelShare>,
    /// The numbers of residents of statistical areas.
    pub residents: Vec<ResidentCount>,
    /// The published numbers of patients by practice and statistical area.
    pub registrations: Vec<PatientCount>,
    /// The stages in which the teams of a partnership were introduced.
    pub stages: Vec<TeamStage>,
    /// The partners, meetings and priorities of Integrated Care Partnerships.
    pub care_partnerships: Vec<CarePartnershipFact>,
    /// Announcements about areas that were made after the data were published.
    pub announcements: Vec<Announcement>,
    /// Councils, before and after reorganisations.
    pub councils: Vec<Council>,
    /// The values of the attributes of postcodes and areas.
    pub attributes: Vec<AttributeValues>,
}

/// Another name of an area: a former name, another spelling, or the name that a network uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AreaName {
    /// The layer of the area.
    pub layer: Layer,
    /// The id of the area.
    pub area: String,
    /// The name as published.
    pub name: String,
    /// The kind of name: `former name`.
    pub kind: String,
    /// The source of the name.
    pub source: String,
    /// The date of the source, if known.
    pub as_of: Option<Date>,
}

/// The code of an area in a scheme other than the scheme of the area's id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AreaCode {
    /// The layer of the area.
    pub layer: Layer,
    /// The id of the area.
    pub area: String,
    /// The scheme: `gss`, or `region` or `region_gss` for the NHS England region that contains the
    /// area.
    pub scheme: String,
    /// The code.
    pub code: String,
}

/// An organisation that a community works with, as stated on the community's own page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AreaLink {
    /// The id of the community.
    pub community: String,
    /// The name of the organisation.
    pub organisation: String,
    /// The kind of organisation: `church`.
    pub kind: String,
    /// The relation between the community and the organisation: `helped to establish`.
    pub relation: String,
    /// The id of the organisation, if it is a group of the dataset.
    pub group: Option<String>,
    /// The source of the link.
    pub source: String,
    /// The date of the source, if known.
    pub as_of: Option<Date>,
    /// A remark; may be blank.
    pub note: String,
}

/// The modelled share of the people in a statistical area who are registered with the practices of
/// the area to which the statistical area is assigned.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelShare {
    /// The code of the statistical area.
    pub statistical_area: String,
    /// The layer of the areas.
    pub layer: Layer,
    /// The id of the area to which the statistical area is assigned.
    pub area: String,
    /// The share that belongs to the area, from 0 to 1.
    pub share: f64,
    /// The ids of the other areas and their shares, if the assignment is disputed.
    pub disputed: Vec<(String, f64)>,
}

/// The number of people who live in a statistical area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResidentCount {
    /// The id of the statistical areas: `lsoa11`.
    pub scheme: String,
    /// The code of the statistical area.
    pub statistical_area: String,
    /// The date of the count or estimate.
    pub as_of: Date,
    /// The number of people, as published.
    pub people: u32,
}

/// The number of patients of a practice who live in a statistical area, as published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatientCount {
    /// The code of the practice, which may have closed after the count.
    pub practice: OdsCode,
    /// The code of the statistical area, which may be outside the area of the dataset.
    pub statistical_area: StatisticalAreaCode,
    /// The date of the count.
    pub as_of: Date,
    /// The number of patients.
    pub patients: u32,
}

/// A stage in which the teams of a partnership were introduced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TeamStage {
    /// The id of the partnership.
    pub system: String,
    /// The number of the stage, from 1.
    pub stage: u32,
    /// The first and the last year of the stage, if known.
    pub years: (Option<u16>, Option<u16>),
    /// The people for whom the teams work.
    pub people: String,
    /// The wording of the source.
    pub wording: String,
    /// The source.
    pub source: String,
    /// The date of the source, if known.
    pub as_of: Option<Date>,
}

/// A partner, a meeting or a priority of an Integrated Care Partnership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarePartnershipFact {
    /// The id of the Integrated Care Partnership.
    pub partnership: String,
    /// The kind of fact: `partner`, `meeting` or `draft priority`.
    pub kind: String,
    /// The name of the partner or meeting, or the priority.
    pub name: String,
    /// The role of the partner, the date of the meeting, or the heading of the priority.
    pub role: String,
    /// The wording of the source; may be blank.
    pub wording: String,
    /// The source.
    pub source: String,
    /// The month of the source, if known.
    pub as_of: Option<YearMonth>,
}

/// An announcement about areas that was made after the data were published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// The month of the source.
    pub month: YearMonth,
    /// The sentences that are shown to users.
    pub text: String,
    /// The source.
    pub source: String,
    /// The ids of the partnerships and areas that the announcement is about.
    pub areas: Vec<String>,
}

/// A council.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Council {
    /// The GSS code.
    pub code: String,
    /// The name.
    pub name: String,
    /// The kind: `unitary authority`.
    pub kind: String,
    /// The GSS code and the name of the county of a district.
    pub county: Option<(String, String)>,
    /// The dates on which the council existed.
    pub period: Period,
    /// The GSS codes of the councils that replaced this council.
    pub successors: Vec<String>,
    /// The sub-ICB locations that the area of the council overlaps.
    pub sub_icbs: Vec<String>,
}
