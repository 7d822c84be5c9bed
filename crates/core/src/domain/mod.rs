//! Domain types: postcodes, positions, areas, practices, periods and datasets. Parsing validates a
//! value, and later code trusts it.
//!
//! This module does no I/O and does not use async code, serde or HTTP. `Debug` does not print the
//! value of types that can contain a user's query (`Postcode`, `PostcodePrefix`, `OdsCode`,
//! `LonLat`, `BritishGrid`, `StatisticalAreaCode`, `Uprn`, `Home`).

mod agreement;
mod area;
mod area_facts;
mod attribute;
mod basis;
mod data_date;
mod dataset;
mod expectation;
mod grid_reference;
mod gss_code;
mod home;
mod keyword;
mod layer;
mod layer_role;
mod manifest;
mod ods_code;
mod period;
mod position;
mod postcode;
mod postcode_area;
mod postcode_entry;
mod postcode_prefix;
mod practice;
mod provenance;
mod record_index;
mod sentence_case;
mod source_date;
mod source_frequency;
mod statistical_area_code;
mod status;
mod suppression;
mod timeliness;
mod uprn;

pub use agreement::Agreement;
pub use area::{
    Area, Boundary, CatchmentKind, GridPolygon, GroupMember, LineageRelation, LineageStep,
    Membership, StatisticalAssignment,
};
pub use area_facts::{
    Announcement, AreaCode, AreaFacts, AreaLink, AreaName, CarePartnershipFact, Council,
    ModelShare, PatientCount, ResidentCount, TeamStage,
};
pub use attribute::{Attribute, AttributeEntry, AttributeKey, AttributeValues};
pub use basis::{Basis, Certainty};
pub use data_date::DataDate;
pub use dataset::Dataset;
pub use expectation::{GoldenQuery, StatedCount};
pub use grid_reference::{GridReference, InvalidGridReference};
pub use gss_code::{GssCode, InvalidGssCode};
pub use home::{Home, PostcodeHomes};
pub use keyword::UnknownKeyword;
#[cfg(test)]
pub(crate) use layer::layers;
pub use layer::{InvalidLayerId, Layer, LayerSet};
pub use layer_role::{LayerRole, OrganisationKind};
pub use manifest::{
    DatedSource, FileEntry, HOMES_KEY, LayerEntry, LayerKind, Manifest, POSTCODE_HOMES_FILE,
    POSTCODES_KEY, PRACTICES_KEY, SourceEntry, SourceUse, StatisticalAreasEntry, UnknownLayer,
    phrases,
};
pub use ods_code::{InvalidOdsCode, OdsCode};
pub use period::{
    InvalidDate, Period, YearMonth, date_from_iso, date_in_london, now, today_in_london,
};
pub use position::{BritishGrid, InvalidBritishGrid, InvalidLonLat, LonLat};
pub use postcode::{InvalidPostcode, Postcode, PostcodeHint, SpecialPostcode, is_outcode};
pub use postcode_entry::{
    DirectoryStatus, PositionalQuality, PostcodeCodes, PostcodeColumn, PostcodeEntry,
    PostcodeStatus, Termination,
};
pub use postcode_prefix::{InvalidPrefix, PostcodePrefix, PrefixReading};
pub use practice::{
    FormerPremises, NeighbouringPractice, Practice, PracticeStatus, PracticeSuccession, Premises,
    PremisesKind, SuccessionEvidence, parse_succession_basis,
};
pub use provenance::Provenance;
pub use record_index::RecordIndex;
pub use sentence_case::sentence_case;
pub use source_date::SourceDate;
pub use source_frequency::SourceFrequency;
pub use statistical_area_code::{
    InvalidStatisticalAreaCode, StatisticalAreaCode, StatisticalAreaLocator,
};
pub use status::LookupStatus;
pub use suppression::{InvalidSuppressionRule, SuppressionRule};
pub use timeliness::{Edition, OverdueSource, SourceTimeliness};
pub use uprn::{InvalidUprn, Uprn};
