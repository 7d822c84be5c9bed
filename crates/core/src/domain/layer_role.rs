use super::keyword::keyword_enum;

/// The role of a layer in look-ups. The role, and never the id, determines how answers and pages
/// show a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LayerRole {
    /// Communities. Residence and registration are compared by community. A patient belongs to at
    /// most one area of each layer with this role.
    Community,
    /// Parts of communities.
    Part,
    /// Areas of GP practices: one area for each practice of the dataset.
    PracticeCatchment,
    /// Groups whose members are areas or practices.
    Group,
    /// Networks of practices. The practices of a network belong to communities.
    Network,
    /// Administrative areas. Each layer with this role covers the whole area of the dataset, so a
    /// missing area means that the area is not known.
    Administrative,
    /// Statistical areas. Other data refer to the codes of these areas.
    Statistical,
}

keyword_enum!(LayerRole {
    Community = "community",
    Part = "part",
    PracticeCatchment = "practice-catchment",
    Group = "group",
    Network = "network",
    Administrative = "administrative",
    Statistical = "statistical",
});

/// A kind of NHS organisation whose areas may form a layer. The id of each area is the ODS code of
/// its organisation, so a record with such a code refers to an area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrganisationKind {
    /// Primary Care Networks.
    PrimaryCareNetwork,
    /// Sub-ICB locations.
    SubIcbLocation,
    /// Places within the area of an Integrated Care Board.
    Place,
    /// Integrated Care Boards.
    IntegratedCareBoard,
}

keyword_enum!(OrganisationKind {
    PrimaryCareNetwork = "pcn",
    SubIcbLocation = "sub-icb",
    Place = "place",
    IntegratedCareBoard = "icb",
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_and_organisations_round_trip() {
        for (word, role) in [
            ("community", LayerRole::Community),
            ("part", LayerRole::Part),
            ("practice-catchment", LayerRole::PracticeCatchment),
            ("group", LayerRole::Group),
            ("network", LayerRole::Network),
            ("administrative", LayerRole::Administrative),
            ("statistical", LayerRole::Statistical),
        ] {
            assert_eq!(role.as_str(), word);
            assert_eq!(word.parse(), Ok(role));
        }
        for (word, kind) in [
            ("pcn", OrganisationKind::PrimaryCareNetwork),
            ("sub-icb", OrganisationKind::SubIcbLocation),
            ("place", OrganisationKind::Place),
            ("icb", OrganisationKind::IntegratedCareBoard),
        ] {
            assert_eq!(kind.as_str(), word);
            assert_eq!(word.parse(), Ok(kind));
        }
    }
}
