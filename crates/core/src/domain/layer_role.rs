use super::keyword::keyword_enum;

/// The role of a layer in look-ups. How a layer is answered and shown follows from its role, never
/// from its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LayerRole {
    /// Communities, on which residence and registration are compared. A patient belongs to at most
    /// one area of each such layer.
    Community,
    /// Parts of communities.
    Part,
    /// Areas of GP practices: one area for each practice of the dataset.
    PracticeCatchment,
    /// Groups whose members are areas or practices.
    Group,
    /// Networks of practices. The practices of a network belong to communities.
    Network,
    /// Administrative areas. Each such layer covers the whole area of the data, so an area that is
    /// missing is not known.
    Administrative,
    /// Statistical areas, whose codes other data refer to.
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

/// A kind of NHS organisation whose areas may be a layer. The ids of the areas are the ODS codes of
/// the organisations, so records with these codes refer to the areas.
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
