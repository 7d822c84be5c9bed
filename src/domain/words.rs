//! The enumerations of an answer: provenance, status, basis, certainty and agreement.

/// The origin of a boundary or a membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Provenance {
    /// Published by the organisation responsible for the area.
    Official,
    /// Derived from official data by a stated rule.
    Derived,
    /// Estimated by a model.
    Modelled,
    /// Drawn from open statistics as an indication; it is not an agreed boundary.
    Indicative,
}

impl Provenance {
    /// Every provenance, the most reliable first.
    pub const ALL: [Provenance; 4] = [
        Provenance::Official,
        Provenance::Derived,
        Provenance::Modelled,
        Provenance::Indicative,
    ];

    /// Returns the value used in files and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Provenance::Official => "official",
            Provenance::Derived => "derived",
            Provenance::Modelled => "modelled",
            Provenance::Indicative => "indicative",
        }
    }

    /// Returns the provenance with this value in files and JSON.
    pub fn from_word(word: &str) -> Option<Provenance> {
        Provenance::ALL
            .into_iter()
            .find(|provenance| provenance.as_str() == word)
    }
}

/// The status of a look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LookupStatus {
    /// The position is known, and is inside areas of the dataset.
    Located,
    /// The postcode is no longer in use; the answer is for its last position.
    Terminated,
    /// ZZ99 3VZ.
    NoFixedAbode,
    /// ZZ99 3WZ.
    AddressNotKnown,
    /// Any other ZZ99 code.
    PseudoCountry,
    /// The postcode has no position.
    NoLocation,
    /// The position is outside every area of the dataset.
    OutsideCoverage,
    /// The dataset lists every postcode of the outward code, and this is not one of them.
    UnknownPostcode,
    /// The request has no location.
    Missing,
}

impl LookupStatus {
    /// Returns the value used in responses.
    pub fn as_str(self) -> &'static str {
        match self {
            LookupStatus::Located => "located",
            LookupStatus::Terminated => "terminated",
            LookupStatus::NoFixedAbode => "no_fixed_abode",
            LookupStatus::AddressNotKnown => "address_not_known",
            LookupStatus::PseudoCountry => "pseudo_country",
            LookupStatus::NoLocation => "no_location",
            LookupStatus::OutsideCoverage => "outside_coverage",
            LookupStatus::UnknownPostcode => "unknown_postcode",
            LookupStatus::Missing => "missing",
        }
    }
}

/// The basis on which an area of residence was determined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Basis {
    /// The statistical area that the postcode directory gives for the postcode.
    Directory,
    /// A boundary that covers the position.
    Boundary,
    /// The nearest area, for a position just off a generalised coastline.
    Nearest,
    /// The membership of an area that covers the position.
    Membership,
}

impl Basis {
    /// Returns the value used in responses.
    pub fn as_str(self) -> &'static str {
        match self {
            Basis::Directory => "directory",
            Basis::Boundary => "boundary",
            Basis::Nearest => "nearest",
            Basis::Membership => "membership",
        }
    }
}

/// The certainty that the position is inside the area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Certainty {
    /// The boundary is further away than the tolerance.
    Inside,
    /// The boundary is within the tolerance, or the position is too imprecise to tell.
    NearBoundary,
}

impl Certainty {
    /// Returns the value used in responses.
    pub fn as_str(self) -> &'static str {
        match self {
            Certainty::Inside => "inside",
            Certainty::NearBoundary => "near_boundary",
        }
    }
}

/// The comparison of the Integrated Care Communities of residence and of registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Agreement {
    /// They are the same.
    Agree,
    /// They are different.
    Differ,
    /// Only the registration is known.
    RegistrationOnly,
    /// Only the residence is known.
    ResidenceOnly,
    /// Neither is known.
    Neither,
}

impl Agreement {
    /// Returns the value used in responses.
    pub fn as_str(self) -> &'static str {
        match self {
            Agreement::Agree => "agree",
            Agreement::Differ => "differ",
            Agreement::RegistrationOnly => "registration_only",
            Agreement::ResidenceOnly => "residence_only",
            Agreement::Neither => "neither",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// These values appear in responses and files, so clients depend on their exact spelling.
    #[test]
    fn wire_words_are_stable() {
        for (word, provenance) in [
            ("official", Provenance::Official),
            ("derived", Provenance::Derived),
            ("modelled", Provenance::Modelled),
            ("indicative", Provenance::Indicative),
        ] {
            assert_eq!(provenance.as_str(), word);
            assert_eq!(Provenance::from_word(word), Some(provenance));
        }
        assert_eq!(Provenance::from_word("guessed"), None);
        let statuses = [
            (LookupStatus::Located, "located"),
            (LookupStatus::Terminated, "terminated"),
            (LookupStatus::NoFixedAbode, "no_fixed_abode"),
            (LookupStatus::AddressNotKnown, "address_not_known"),
            (LookupStatus::PseudoCountry, "pseudo_country"),
            (LookupStatus::NoLocation, "no_location"),
            (LookupStatus::OutsideCoverage, "outside_coverage"),
            (LookupStatus::UnknownPostcode, "unknown_postcode"),
            (LookupStatus::Missing, "missing"),
        ];
        for (status, word) in statuses {
            assert_eq!(status.as_str(), word);
        }
        let bases = [
            (Basis::Directory, "directory"),
            (Basis::Boundary, "boundary"),
            (Basis::Nearest, "nearest"),
            (Basis::Membership, "membership"),
        ];
        for (basis, word) in bases {
            assert_eq!(basis.as_str(), word);
        }
        assert_eq!(Certainty::Inside.as_str(), "inside");
        assert_eq!(Certainty::NearBoundary.as_str(), "near_boundary");
        let agreements = [
            (Agreement::Agree, "agree"),
            (Agreement::Differ, "differ"),
            (Agreement::RegistrationOnly, "registration_only"),
            (Agreement::ResidenceOnly, "residence_only"),
            (Agreement::Neither, "neither"),
        ];
        for (agreement, word) in agreements {
            assert_eq!(agreement.as_str(), word);
        }
    }
}
