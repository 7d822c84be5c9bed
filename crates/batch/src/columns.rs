//! The output columns.

use std::borrow::Cow;
use std::fmt;

use catchment_core::domain::{Attribute, Layer, LayerEntry, LayerRole, Manifest, OrganisationKind};

/// An output column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutputColumn {
    /// The result of the look-up.
    Status,
    /// Whether the residence and the registration agree.
    Agreement,
    /// The groups of a layer: the groups of the registration or, if the practice belongs to no
    /// community, the groups of the residence.
    Groups(Layer, AreaText),
    /// The reason why a result is missing.
    Reason,
    /// The code of the reason why there is no main community by residence.
    ResidenceReason,
    /// The code of the reason why there is no main community by registration.
    RegistrationReason,
    /// The code of the reason why the groups are unknown.
    GroupsReason,
    /// Notes on the answer.
    Notes,
    /// The areas of a layer that cover the location.
    Residence(Layer, AreaText, NamePattern),
    /// The areas of a layer to which the practice belongs.
    Registration(Layer, AreaText, NamePattern),
    /// A fact about the location.
    Location(LocationFact),
    /// A fact about the area of the main layer of communities that covers the location.
    Community(Layer, CommunityFact),
    /// A fact about the practice.
    Practice(PracticeFact),
    /// The location in relation to the area and the premises of the practice.
    PracticeArea(PracticeAreaFact),
    /// A fact about the nearest premises of the practices whose areas cover the location. The layer
    /// is the layer of the practices' areas.
    Premises(Layer, PremisesFact),
    /// An attribute of the location.
    Attribute(Attribute, NamePattern),
    /// A fact about the dataset.
    Dataset(DatasetFact),
    /// A comparison with the answers of a previous run, in the main layer of communities. These
    /// columns are added if rows are compared, and cannot be requested by name.
    Comparison(Layer, ComparisonFact),
}

/// The text that represents an area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AreaText {
    /// The id of the area.
    Id,
    /// The name of the area.
    Name,
    /// The national code of the area: its GSS code or, if it has no GSS code, its ODS code.
    Code,
}

/// The pattern of the column names of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NamePattern {
    /// The pattern of the main layer of communities: `icc_residence_id`, `icc_registration_name`.
    MainCommunity,
    /// The pattern of groups: `resilience_groups_residence`.
    Groups,
    /// The pattern of the practices whose areas cover a location: `practices_covering`.
    Practices,
    /// Names that begin with the layer: `pcn`, `pcn_name`, `pcn_registration`.
    Layer,
    /// Names that begin with the layer or attribute, followed by `area` or `attribute` because its
    /// id is the name of another column: `status_area`, `status_area_name`, `status_attribute`.
    Area,
}

impl NamePattern {
    /// Returns whether a cell may contain several values even if the areas of the layer do not
    /// overlap.
    pub(super) fn has_several(self) -> bool {
        matches!(self, NamePattern::Groups | NamePattern::Practices)
    }
}

/// A fact about a location.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "described in `columns_of`")]
pub enum LocationFact {
    Postcode,
    PostcodeStatus,
    Introduced,
    Terminated,
    Longitude,
    Latitude,
    Easting,
    Northing,
    PositionalQuality,
    Suggestion,
    AsOf,
    EndedAfter,
    EndedBy,
    Council,
    StatisticalArea,
    Lsoa21,
    AreaHint,
    AreaHintShare,
    NearestPractice,
    NearestPracticeDistance,
}

/// A fact about the area of the main layer of communities that covers a location.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "described in `columns_of`")]
pub enum CommunityFact {
    Certainty,
    Provenance,
    Basis,
    BoundaryDistance,
    Alternatives,
    Disputed,
    Nearest,
    NearestDistance,
    Share,
    AlternativeShares,
}

/// A fact about a practice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "described in `columns_of`")]
pub enum PracticeFact {
    Code,
    Name,
    Status,
    RequestedCode,
    RequestedStatus,
    Successors,
    BranchListed,
}

/// The location in relation to the practice with which the patient is registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "described in `columns_of`")]
pub enum PracticeAreaFact {
    InArea,
    Share,
    OutOfArea,
    Distance,
}

/// A comparison of a row with the answers of a previous run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "described in docs/users/batch.md")]
pub enum ComparisonFact {
    PreviousResidence,
    PreviousRegistration,
    ResidenceChange,
    RegistrationChange,
}

/// A fact about the nearest premises of the practices whose areas cover a location.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "described in `columns_of`")]
pub enum PremisesFact {
    Distances,
    Addresses,
}

/// A fact about the dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "described in `columns_of`")]
pub enum DatasetFact {
    Name,
    Version,
    Digest,
    DataAsOf,
}

/// The name of an output column that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no output column `{name}`; {}", self.expected())]
pub struct UnknownColumn {
    /// The name in the request.
    pub name: String,
    /// The names of the sets of columns.
    pub sets: Vec<&'static str>,
    /// The names of the columns, without [`PREFIX`].
    pub known: Vec<String>,
    /// The layers, which also have columns. See [`OutputColumn::with_defaults`].
    pub layers: Vec<Layer>,
}

impl UnknownColumn {
    /// Describes the valid names, without repeating the invalid name.
    pub fn expected(&self) -> String {
        let layers = self.layers.iter().map(|layer| layer.as_str());
        let layers: Vec<&str> = layers.collect();
        format!(
            "the sets of columns are {}; the columns are {}; LAYER, LAYER.name and LAYER.code are \
             the area of a layer by residence, its name and its national code; the layers are {}",
            self.sets.join(", "),
            self.known.join(", "),
            layers.join(", ")
        )
    }
}

/// An output column, with its name without [`PREFIX`] and a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnDescription {
    /// The column.
    pub column: OutputColumn,
    /// The name without [`PREFIX`].
    pub name: String,
    /// The description.
    pub description: String,
    /// Whether the column is written unless others are requested.
    pub is_default: bool,
}

use AreaText::{Code, Id, Name};
use OutputColumn::{
    Agreement, Community, Comparison, Dataset, Groups, GroupsReason, Location, Notes, Practice,
    PracticeArea, Premises, Reason, Registration, RegistrationReason, Residence, ResidenceReason,
    Status,
};

/// The prefix of the name of every output column.
pub const PREFIX: &str = "catchment_";

/// Returns every output column for a dataset, the default columns first. The columns of layers, and
/// their names and descriptions, are derived from the manifest.
pub fn columns_of(manifest: &Manifest) -> Vec<ColumnDescription> {
    let mut list = ColumnList::default();
    let main = manifest.main_community_layer();
    let main = main.and_then(|layer| manifest.layer(layer));
    let groups = manifest.group_layer();
    let groups = groups.and_then(|layer| manifest.layer(layer));
    list.add_defaults(manifest, main, groups);
    for column in &mut list.columns {
        column.is_default = true;
    }
    list.add_location_facts();
    if let Some(main) = main {
        list.add_community_facts(main);
    }
    for entry in &manifest.layers {
        match entry.role {
            LayerRole::Part => list.add_part(manifest, entry),
            LayerRole::Community => list.add_layer(entry, true),
            _ => {}
        }
    }
    if let Some(groups) = groups {
        list.add_groups(groups, main);
    }
    if let Some(layer) = manifest.practice_layer() {
        list.add(
            Residence(layer, Name, NamePattern::Practices),
            "the names of the practices in `practices_covering`",
        );
    }
    list.add_practice_facts(manifest);
    for entry in &manifest.layers {
        match entry.role {
            LayerRole::Network | LayerRole::Administrative | LayerRole::Statistical => {
                list.add_layer(entry, has_registration(entry));
            }
            _ => {}
        }
    }
    list.add_other_facts(manifest);
    let has_statistical_areas = manifest.layers_with_role(LayerRole::Statistical).next();
    let has_shares = has_statistical_areas.is_some() || manifest.has_homes();
    if let Some(main) = main.filter(|_| has_shares) {
        list.add_shares(main);
    }
    list.columns
}

/// Returns whether practices belong to the areas of a layer of communities, networks, administrative
/// or statistical areas.
pub(super) fn has_registration(entry: &LayerEntry) -> bool {
    match entry.role {
        // Practices belong to NHS organisations, but not to councils. No source states the places
        // of practices, so the builder derives the places from the addresses.
        LayerRole::Administrative => {
            let organisation = entry.organisation;
            organisation.is_some_and(|kind| kind != OrganisationKind::Place)
        }
        LayerRole::Statistical => false,
        _ => true,
    }
}

/// Collects the columns of a dataset.
#[derive(Default)]
struct ColumnList {
    columns: Vec<ColumnDescription>,
}

impl ColumnList {
    /// Adds a column, unless there is already a column with the same name.
    fn add(&mut self, column: OutputColumn, description: impl Into<String>) {
        let name = column.unprefixed_name();
        if self.columns.iter().all(|known| known.name != name) {
            self.columns.push(ColumnDescription {
                column,
                name,
                description: description.into(),
                is_default: false,
            });
        }
    }

    fn add_defaults(
        &mut self,
        manifest: &Manifest,
        main: Option<&LayerEntry>,
        groups: Option<&LayerEntry>,
    ) {
        self.add(Status, "the result of the look-up");
        if let Some(main) = main {
            let (id, noun) = (main.id, main.noun());
            self.add(
                Registration(id, Id, NamePattern::MainCommunity),
                format!("the {noun} of the practice"),
            );
            self.add(
                Residence(id, Id, NamePattern::MainCommunity),
                format!("the {noun} that covers the location"),
            );
        }
        self.add(
            Agreement,
            "whether the two communities agree: agree, differ, registration_only, residence_only, neither",
        );
        if let Some(groups) = groups {
            let noun = groups.noun();
            let community = main.map_or("community", LayerEntry::noun);
            self.add(
                Groups(groups.id, Id),
                format!(
                    "the {noun}s of the {community} by registration or, if there is no such \
                     {community}, those that cover the location; `unknown` if the source names no \
                     groups"
                ),
            );
        }
        if let Some(layer) = manifest.practice_layer() {
            self.add(
                Residence(layer, Id, NamePattern::Practices),
                "the practices whose area covers the location, largest share first",
            );
        }
        if let Some(main) = main {
            let (id, noun) = (main.id, main.noun());
            self.add(
                Community(id, CommunityFact::Certainty),
                format!("the certainty of the {noun} by residence: inside, near_boundary or split"),
            );
            self.add(
                Community(id, CommunityFact::Provenance),
                format!(
                    "the provenance of the {noun} by residence: official, derived, modelled or \
                     indicative"
                ),
            );
        }
        self.add(Reason, "why a result is missing");
        self.add(Dataset(DatasetFact::Version), "the version of the dataset");
    }

    fn add_location_facts(&mut self) {
        for (fact, description) in [
            (LocationFact::Postcode, "the postcode in its usual form"),
            (
                LocationFact::PostcodeStatus,
                "the status of the postcode: live, terminated or unknown",
            ),
            (
                LocationFact::Introduced,
                "the month in which the postcode was introduced",
            ),
            (
                LocationFact::Terminated,
                "the month in which the postcode was terminated",
            ),
            (LocationFact::Longitude, "the longitude in degrees, WGS84"),
            (LocationFact::Latitude, "the latitude in degrees, WGS84"),
            (
                LocationFact::Easting,
                "the easting in metres, British National Grid",
            ),
            (
                LocationFact::Northing,
                "the northing in metres, British National Grid",
            ),
            (
                LocationFact::PositionalQuality,
                "the positional quality in the directory, on its publisher's scale",
            ),
            (
                LocationFact::Suggestion,
                "the probable correction of a malformed postcode; the correction was not looked up",
            ),
            (LocationFact::AsOf, "the as-of date of the answer"),
        ] {
            self.add(Location(fact), description);
        }
    }

    fn add_community_facts(&mut self, main: &LayerEntry) {
        let (id, noun) = (main.id, main.noun());
        self.add(
            Registration(id, Name, NamePattern::MainCommunity),
            format!("the name of the {noun} by registration"),
        );
        self.add(
            Residence(id, Name, NamePattern::MainCommunity),
            format!("the name of the {noun} by residence"),
        );
        for (fact, description) in [
            (
                CommunityFact::Basis,
                format!(
                    "how the {noun} by residence was determined: directory, boundary, nearest or \
                     statistical_area"
                ),
            ),
            (
                CommunityFact::BoundaryDistance,
                format!(
                    "the distance in metres from the location to the nearest boundary of the {noun} \
                     by residence; open coast is not a boundary"
                ),
            ),
            (
                CommunityFact::Alternatives,
                format!(
                    "the {noun}s across a nearby boundary, nearest first; outside is land in no {noun}. \
                     Where shares are known, the {noun}s with a share come first, the largest first"
                ),
            ),
            (
                CommunityFact::Disputed,
                format!(
                    "the other {noun}s to which the location may belong, largest share first, if the \
                     source disputes the {noun} by residence"
                ),
            ),
            (
                CommunityFact::Nearest,
                format!("the nearest {noun}, if the location is outside every area of the dataset"),
            ),
            (
                CommunityFact::NearestDistance,
                format!("the distance in metres to the nearest {noun}"),
            ),
        ] {
            self.add(Community(id, fact), description);
        }
    }

    fn add_part(&mut self, manifest: &Manifest, entry: &LayerEntry) {
        let (id, noun) = (entry.id, entry.noun());
        let parent = entry.parent.and_then(|parent| manifest.layer(parent));
        let parent = parent.map_or("community", LayerEntry::noun);
        let pattern = area_pattern(id);
        self.add(
            Residence(id, Id, pattern),
            format!("the {noun} that covers the location: a part of the {parent}"),
        );
        self.add(
            Residence(id, Name, pattern),
            format!("the name of the {noun}"),
        );
    }

    /// Adds the columns of a layer, unless the layer is the main layer of communities.
    fn add_layer(&mut self, entry: &LayerEntry, has_registration: bool) {
        let (id, noun) = (entry.id, entry.noun());
        let main = Residence(id, Id, NamePattern::MainCommunity);
        if self.columns.iter().any(|known| known.column == main) {
            return;
        }
        let pattern = area_pattern(id);
        self.add(
            Residence(id, Id, pattern),
            format!("the {noun} by residence"),
        );
        self.add(
            Residence(id, Name, pattern),
            format!("the name of the {noun} by residence"),
        );
        // The ids of other administrative areas are GSS codes.
        if entry.role == LayerRole::Administrative && entry.organisation.is_some() {
            self.add(
                Residence(id, Code, pattern),
                format!("the GSS code of the {noun} by residence or, if it has none, its ODS code"),
            );
        }
        if has_registration {
            self.add(
                Registration(id, Id, pattern),
                match entry.role {
                    LayerRole::Community => format!("the {noun} by registration"),
                    _ => format!("the {noun} of the practice"),
                },
            );
        }
    }

    /// Adds the columns for rows with the code of a statistical area, and for postcodes whose homes are in
    /// several areas.
    fn add_shares(&mut self, main: &LayerEntry) {
        let (id, noun) = (main.id, main.noun());
        self.add(
            Community(id, CommunityFact::Share),
            format!(
                "for the code of a statistical area, the share of its live postcodes in the {noun} by \
                 residence; for a postcode whose homes are in several areas, the share of its homes"
            ),
        );
        self.add(
            Community(id, CommunityFact::AlternativeShares),
            "the share of each area in `alternatives`, if `residence_share` is below 1",
        );
    }

    fn add_groups(&mut self, groups: &LayerEntry, main: Option<&LayerEntry>) {
        let (id, noun) = (groups.id, groups.noun());
        let community = main.map_or("community", LayerEntry::noun);
        let column = Groups(id, Id).unprefixed_name();
        self.add(
            Groups(id, Name),
            format!("the names of the groups in `{column}`"),
        );
        self.add(
            Residence(id, Id, NamePattern::Groups),
            format!("the {noun}s that cover the location"),
        );
        self.add(
            Registration(id, Id, NamePattern::Groups),
            format!("the {noun}s of the practice's {community}"),
        );
    }

    fn add_practice_facts(&mut self, manifest: &Manifest) {
        for (fact, description) in [
            (
                PracticeFact::Code,
                "the practice that is responsible for the patients on the as-of date, which may be the parent practice of a branch or the successor of a closed practice",
            ),
            (PracticeFact::Name, "the name of the practice in `practice`"),
            (
                PracticeFact::Status,
                "the status, on the as-of date, of the practice in `practice`: active, dormant, closed or proposed",
            ),
            (
                PracticeFact::RequestedCode,
                "the practice in the row, or the parent practice of the branch in the row",
            ),
            (
                PracticeFact::RequestedStatus,
                "the status, on the as-of date, of the practice in `practice_asked`",
            ),
            (
                PracticeFact::Successors,
                "the codes of the practices that took over from `practice_asked`, in order, ending with \
                 `practice`",
            ),
            (
                PracticeFact::BranchListed,
                "for a branch: yes if the source lists the branch, no if it lists only the parent practice",
            ),
        ] {
            self.add(Practice(fact), description);
        }
        if manifest.practice_layer().is_some() {
            for (fact, description) in [
                (
                    PracticeAreaFact::InArea,
                    "whether the location is in the area of `practice`: inner, outer, yes (if the practice \
                     has a single area), no, or unknown (if the location, the practice or its area is not \
                     known)",
                ),
                (
                    PracticeAreaFact::Share,
                    "the modelled share of the people of the location's statistical area who are registered \
                     with `practice`, if several practices share the statistical area",
                ),
                (
                    PracticeAreaFact::OutOfArea,
                    "yes if the location is outside every area of `practice`, no if it is in one, or unknown",
                ),
            ] {
                self.add(PracticeArea(fact), description);
            }
        }
        self.add(
            PracticeArea(PracticeAreaFact::Distance),
            "the distance in metres from the location to the nearest premises of `practice`, in a \
             straight line between the positions of their postcodes",
        );
    }

    fn add_other_facts(&mut self, manifest: &Manifest) {
        self.add(
            Notes,
            "notes: practice_address, not_yet_introduced, closes_on, postcode_status_unknown, layers_disagree, \
             after_data, coordinates_suspect, code_of_other_layer",
        );
        let main = manifest.main_community_layer();
        let main = main.and_then(|layer| manifest.layer(layer));
        let noun = main.map_or("community", LayerEntry::noun);
        self.add(
            ResidenceReason,
            format!("why there is no {noun} by residence, as a single code"),
        );
        self.add(
            RegistrationReason,
            format!("why there is no {noun} by registration, as a single code"),
        );
        if manifest.group_layer().is_some() {
            self.add(
                GroupsReason,
                "why the groups are unknown, as a single code: none_named, no_source or no_data_for_date",
            );
        }
        self.add(Dataset(DatasetFact::Name), "the name of the dataset");
        self.add(
            Dataset(DatasetFact::Digest),
            "the SHA-256 digest of the manifest of the dataset",
        );
        for entry in &manifest.attributes {
            let pattern = column_pattern(entry.id.as_str());
            self.add(OutputColumn::Attribute(entry.id, pattern), &entry.title);
        }
        for (fact, description) in [
            (
                LocationFact::EndedAfter,
                "for a terminated postcode without a month: the last month in which it was listed as live",
            ),
            (
                LocationFact::EndedBy,
                "for a terminated postcode without a month: the month in which it was no longer listed as \
                 live",
            ),
            (
                LocationFact::Council,
                "the GSS code of the council of the postcode, from the directory",
            ),
            (
                LocationFact::StatisticalArea,
                "the code of the postcode's statistical area (in the embedded dataset the LSOA of 2011), \
                 from the directory",
            ),
            (
                LocationFact::Lsoa21,
                "the code of the LSOA of 2021 of the postcode, from the directory",
            ),
            (
                LocationFact::AreaHint,
                "for an unknown postcode: the community that has most live postcodes of its \
                 sector; a hint, not \
                 an answer",
            ),
            (
                LocationFact::AreaHintShare,
                "the share of the sector's live postcodes that are in the community in `area_hint`",
            ),
            (
                LocationFact::NearestPractice,
                "the active practice of the dataset whose premises are nearest to the location, within 50 km",
            ),
            (
                LocationFact::NearestPracticeDistance,
                "the distance in metres from the location to the nearest premises of `nearest_practice`, \
                 in a straight line between the positions of their postcodes",
            ),
        ] {
            self.add(Location(fact), description);
        }
        if let Some(layer) = manifest.practice_layer() {
            self.add(
                Premises(layer, PremisesFact::Distances),
                "the distance in metres to the nearest premises of each practice in `practices_covering`",
            );
            self.add(
                Premises(layer, PremisesFact::Addresses),
                "the premises to which each of `practices_covering_distances_m` was measured: postcode, \
                 `main`, `branch` or `predecessor`, and the date of the source",
            );
        }
        self.add(
            Dataset(DatasetFact::DataAsOf),
            "the date of the source of each part of the dataset: postcodes, practices and layers",
        );
    }
}

impl OutputColumn {
    /// Returns the default columns for a dataset.
    pub fn defaults(manifest: &Manifest) -> Vec<OutputColumn> {
        let columns = columns_of(manifest).into_iter();
        let defaults = columns.filter(|column| column.is_default);
        defaults.map(|column| column.column).collect()
    }

    /// Returns the columns that compare each row with the answers of a previous run. Returns no
    /// columns if the dataset contains no communities.
    pub fn of_comparison(manifest: &Manifest) -> Vec<OutputColumn> {
        let main = manifest.main_community_layer().into_iter();
        let columns = main.flat_map(|layer| {
            [
                ComparisonFact::PreviousResidence,
                ComparisonFact::PreviousRegistration,
                ComparisonFact::ResidenceChange,
                ComparisonFact::RegistrationChange,
            ]
            .map(|fact| Comparison(layer, fact))
        });
        columns.collect()
    }

    /// Returns the layer whose areas by residence are in the column, if any.
    pub(super) fn residence_layer(&self) -> Option<Layer> {
        match self {
            Residence(layer, ..) => Some(*layer),
            _ => None,
        }
    }

    /// Returns the layer for which the column needs distances, if any.
    pub(super) fn distance_layer(&self) -> Option<Layer> {
        use CommunityFact::{Alternatives, BoundaryDistance, Certainty};
        match self {
            Community(layer, Certainty | BoundaryDistance | Alternatives) | Premises(layer, _) => {
                Some(*layer)
            }
            _ => None,
        }
    }

    /// Returns the name without [`PREFIX`].
    fn unprefixed_name(self) -> String {
        let fixed = match self {
            Groups(layer, text) => return group_name(layer, text),
            Residence(layer, text, pattern) => return residence_name(layer, text, pattern),
            Registration(layer, text, pattern) => return registration_name(layer, text, pattern),
            Community(layer, fact) => return community_fact_name(layer, fact).into_owned(),
            OutputColumn::Attribute(attribute, pattern) => {
                return attribute_name(attribute, pattern);
            }
            Comparison(layer, fact) => return comparison_name(layer, fact),
            Status => "status",
            Agreement => "agreement",
            Reason => "reason",
            ResidenceReason => "reason_residence",
            RegistrationReason => "reason_registration",
            GroupsReason => "reason_groups",
            Notes => "notes",
            Location(fact) => location_fact_name(fact),
            Practice(fact) => practice_fact_name(fact),
            PracticeArea(PracticeAreaFact::InArea) => "in_area",
            PracticeArea(PracticeAreaFact::Share) => "in_area_share",
            PracticeArea(PracticeAreaFact::OutOfArea) => "out_of_area",
            PracticeArea(PracticeAreaFact::Distance) => "practice_distance_m",
            Premises(_, PremisesFact::Distances) => "practices_covering_distances_m",
            Premises(_, PremisesFact::Addresses) => "practices_covering_premises",
            Dataset(DatasetFact::Name) => "dataset",
            Dataset(DatasetFact::Version) => "dataset_version",
            Dataset(DatasetFact::Digest) => "dataset_digest",
            Dataset(DatasetFact::DataAsOf) => "data_as_of",
        };
        fixed.into()
    }
}

/// Returns the id of a layer in the form that column names contain, such as `sub_icb`.
pub(super) fn layer_word(layer: Layer) -> String {
    layer.as_str().replace('-', "_")
}

fn group_name(layer: Layer, text: AreaText) -> String {
    let layer = layer_word(layer);
    match text {
        Id => format!("{layer}s"),
        Name => format!("{layer}_names"),
        Code => format!("{layer}_codes"),
    }
}

/// Names, with underscores, that are not available for columns of layers and attributes, because
/// other columns or sets of columns have these names. (A layer with the id `council` or `lsoa21`
/// replaces the column of the directory's codes, because the ids of the layer's areas are these
/// codes.)
const RESERVED_NAMES: [&str; 70] = [
    "agreement",
    "all",
    "alternatives",
    "alternatives_shares",
    "area_hint",
    "area_hint_share",
    "as_of",
    "attributes",
    "basis",
    "boundary_distance_m",
    "certainty",
    "codes",
    "data_as_of",
    "dataset",
    "dataset_digest",
    "dataset_version",
    "default",
    "disputed",
    "distances",
    "easting",
    "in_area",
    "in_area_share",
    "latitude",
    "location",
    "longitude",
    "match",
    "names",
    "nearest_practice",
    "nearest_practice_distance_m",
    "northing",
    "notes",
    "out_of_area",
    "positional_quality",
    "postcode",
    "postcode_ended_after",
    "postcode_ended_by",
    "postcode_introduced",
    "postcode_status",
    "postcode_terminated",
    "practice",
    "practice_asked",
    "practice_asked_status",
    "practice_branch_listed",
    "practice_distance_m",
    "practice_name",
    "practice_status",
    "practice_successors",
    "practices",
    "practices_covering",
    "practices_covering_codes",
    "practices_covering_distances_m",
    "practices_covering_names",
    "practices_covering_premises",
    "provenance",
    "reason",
    "reason_groups",
    "reason_registration",
    "reason_residence",
    "reasons",
    "registration_change",
    "registration_reason",
    "residence_change",
    "residence_reason",
    "residence_share",
    "sources",
    "statistical_area",
    "status",
    "suggestion",
    "valid_from",
    "valid_to",
];

/// Returns the pattern of the column names of a layer without special columns.
pub(super) fn area_pattern(layer: Layer) -> NamePattern {
    column_pattern(layer.as_str())
}

fn attribute_name(attribute: Attribute, pattern: NamePattern) -> String {
    let word = attribute.as_str().replace('-', "_");
    match pattern {
        NamePattern::Area => word + "_attribute",
        _ => word,
    }
}

/// Returns the pattern of the column name of a layer or attribute with this id.
fn column_pattern(id: &str) -> NamePattern {
    if RESERVED_NAMES.contains(&id.replace('-', "_").as_str()) {
        NamePattern::Area
    } else {
        NamePattern::Layer
    }
}

fn residence_name(layer: Layer, text: AreaText, pattern: NamePattern) -> String {
    let layer = layer_word(layer);
    match (pattern, text) {
        (NamePattern::MainCommunity, Id) => format!("{layer}_residence_id"),
        (NamePattern::MainCommunity, Name) => format!("{layer}_residence_name"),
        (NamePattern::Groups, Id) => format!("{layer}s_residence"),
        (NamePattern::Groups, Name) => format!("{layer}s_residence_names"),
        (NamePattern::Practices, Id) => "practices_covering".into(),
        (NamePattern::Practices, Name) => "practices_covering_names".into(),
        (NamePattern::Layer, Id) => layer,
        (NamePattern::Layer, Name) => format!("{layer}_name"),
        (NamePattern::Area, Id) => format!("{layer}_area"),
        (NamePattern::Area, Name) => format!("{layer}_area_name"),
        (NamePattern::MainCommunity, Code) => format!("{layer}_residence_code"),
        (NamePattern::Groups, Code) => format!("{layer}s_residence_codes"),
        (NamePattern::Practices, Code) => "practices_covering_codes".into(),
        (NamePattern::Layer, Code) => format!("{layer}_code"),
        (NamePattern::Area, Code) => format!("{layer}_area_code"),
    }
}

fn registration_name(layer: Layer, text: AreaText, pattern: NamePattern) -> String {
    let layer = layer_word(layer);
    let (prefix, words) = match pattern {
        NamePattern::Groups => (format!("{layer}s_registration"), ["", "_names", "_codes"]),
        NamePattern::MainCommunity => (format!("{layer}_registration"), ["_id", "_name", "_code"]),
        NamePattern::Area => (format!("{layer}_area_registration"), ["", "_name", "_code"]),
        NamePattern::Layer | NamePattern::Practices => {
            (format!("{layer}_registration"), ["", "_name", "_code"])
        }
    };
    let [id, name, code] = words;
    let suffix = match text {
        Id => id,
        Name => name,
        Code => code,
    };
    prefix + suffix
}

fn community_fact_name(layer: Layer, fact: CommunityFact) -> Cow<'static, str> {
    Cow::Borrowed(match fact {
        CommunityFact::Certainty => "certainty",
        CommunityFact::Provenance => "provenance",
        CommunityFact::Basis => "basis",
        CommunityFact::BoundaryDistance => "boundary_distance_m",
        CommunityFact::Alternatives => "alternatives",
        CommunityFact::Disputed => "disputed",
        CommunityFact::Share => "residence_share",
        CommunityFact::AlternativeShares => "alternatives_shares",
        CommunityFact::Nearest => return format!("nearest_{}", layer_word(layer)).into(),
        CommunityFact::NearestDistance => {
            return format!("nearest_{}_distance_m", layer_word(layer)).into();
        }
    })
}

fn location_fact_name(fact: LocationFact) -> &'static str {
    match fact {
        LocationFact::Postcode => "postcode",
        LocationFact::PostcodeStatus => "postcode_status",
        LocationFact::Introduced => "postcode_introduced",
        LocationFact::Terminated => "postcode_terminated",
        LocationFact::Longitude => "longitude",
        LocationFact::Latitude => "latitude",
        LocationFact::Easting => "easting",
        LocationFact::Northing => "northing",
        LocationFact::PositionalQuality => "positional_quality",
        LocationFact::Suggestion => "suggestion",
        LocationFact::AsOf => "as_of",
        LocationFact::EndedAfter => "postcode_ended_after",
        LocationFact::EndedBy => "postcode_ended_by",
        LocationFact::Council => "council",
        LocationFact::StatisticalArea => "statistical_area",
        LocationFact::Lsoa21 => "lsoa21",
        LocationFact::AreaHint => "area_hint",
        LocationFact::AreaHintShare => "area_hint_share",
        LocationFact::NearestPractice => "nearest_practice",
        LocationFact::NearestPracticeDistance => "nearest_practice_distance_m",
    }
}

fn comparison_name(layer: Layer, fact: ComparisonFact) -> String {
    let layer = layer_word(layer);
    match fact {
        ComparisonFact::PreviousResidence => format!("previous_{layer}_residence_id"),
        ComparisonFact::PreviousRegistration => format!("previous_{layer}_registration_id"),
        ComparisonFact::ResidenceChange => "residence_change".into(),
        ComparisonFact::RegistrationChange => "registration_change".into(),
    }
}

fn practice_fact_name(fact: PracticeFact) -> &'static str {
    match fact {
        PracticeFact::Code => "practice",
        PracticeFact::Name => "practice_name",
        PracticeFact::Status => "practice_status",
        PracticeFact::RequestedCode => "practice_asked",
        PracticeFact::RequestedStatus => "practice_asked_status",
        PracticeFact::Successors => "practice_successors",
        PracticeFact::BranchListed => "practice_branch_listed",
    }
}

impl fmt::Display for OutputColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.unprefixed_name())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::test_manifest::manifest;

    #[test]
    fn default_columns_are_the_first_ten() {
        let names: Vec<String> = OutputColumn::defaults(&manifest())
            .iter()
            .map(OutputColumn::to_string)
            .collect();
        let expected = "catchment_status catchment_icc_registration_id catchment_icc_residence_id \
            catchment_agreement catchment_resilience_groups catchment_practices_covering \
            catchment_certainty catchment_provenance catchment_reason catchment_dataset_version";
        assert_eq!(names.join(" "), expected);
    }

    #[test]
    fn columns_of_layers_follow_from_the_manifest() {
        let names: Vec<String> = columns_of(&manifest())
            .into_iter()
            .map(|column| column.name)
            .collect();
        let expected = "status icc_registration_id icc_residence_id agreement resilience_groups \
            practices_covering certainty provenance reason dataset_version postcode postcode_status \
            postcode_introduced postcode_terminated longitude latitude easting northing \
            positional_quality suggestion as_of icc_registration_name icc_residence_name basis \
            boundary_distance_m alternatives disputed nearest_icc nearest_icc_distance_m \
            sub_community sub_community_name neighbourhood_team neighbourhood_team_name \
            neighbourhood_team_registration resilience_group_names resilience_groups_residence \
            resilience_groups_registration practices_covering_names practice practice_name \
            practice_status practice_asked practice_asked_status practice_successors \
            practice_branch_listed in_area in_area_share out_of_area practice_distance_m pcn pcn_name pcn_registration sub_icb sub_icb_name sub_icb_code \
            sub_icb_registration place place_name place_code icb icb_name icb_code \
            icb_registration council council_name lsoa11 lsoa11_name lsoa21 lsoa21_name notes \
            reason_residence reason_registration reason_groups dataset \
            dataset_digest postcode_ended_after postcode_ended_by statistical_area \
            area_hint area_hint_share nearest_practice nearest_practice_distance_m \
            practices_covering_distances_m practices_covering_premises data_as_of residence_share alternatives_shares";
        assert_eq!(names.join(" "), expected);
    }

    #[test]
    fn columns_and_names_are_unique() {
        let all = columns_of(&manifest());
        let columns: HashSet<OutputColumn> = all.iter().map(|column| column.column).collect();
        let names: HashSet<&str> = all.iter().map(|column| &*column.name).collect();
        assert_eq!((columns.len(), names.len()), (all.len(), all.len()));
    }

    #[test]
    fn no_layer_takes_the_name_of_another_column() {
        let manifest = manifest();
        let layer_words: Vec<String> = manifest
            .layers
            .iter()
            .map(|entry| layer_word(entry.id))
            .collect();
        for column in columns_of(&manifest) {
            let of_layer = column.name.strip_prefix("nearest_");
            let is_reserved = |name: &&str| RESERVED_NAMES.contains(name);
            let name = of_layer.filter(|_| !is_reserved(&&*column.name));
            let name = name.unwrap_or(&column.name);
            let is_of_layer = layer_words
                .iter()
                .any(|word| name.starts_with(word.as_str()));
            assert!(is_of_layer || RESERVED_NAMES.contains(&name), "{name}");
        }
        let layer = Layer::declare("practice-status").expect("an id");
        let column = Residence(layer, Name, area_pattern(layer));
        assert_eq!(column.to_string(), "catchment_practice_status_area_name");
    }
}
