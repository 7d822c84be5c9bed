//! The enumerated values of an answer: provenance, status, basis, certainty and agreement.

use super::keyword::keyword_enum;

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

keyword_enum!(Provenance {
    Official = "official",
    Derived = "derived",
    Modelled = "modelled",
    Indicative = "indicative",
});

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

keyword_enum!(LookupStatus {
    Located = "located",
    Terminated = "terminated",
    NoFixedAbode = "no_fixed_abode",
    AddressNotKnown = "address_not_known",
    PseudoCountry = "pseudo_country",
    NoLocation = "no_location",
    OutsideCoverage = "outside_coverage",
    UnknownPostcode = "unknown_postcode",
    Missing = "missing",
});

/// The basis on which an area of residence was determined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Basis {
    /// The statistical area of the postcode in the postcode directory.
    Directory,
    /// A boundary that covers the position.
    Boundary,
    /// The nearest area, for a position just off a generalised coastline.
    Nearest,
    /// The membership of an area that covers the position.
    Membership,
}

keyword_enum!(Basis {
    Directory = "directory",
    Boundary = "boundary",
    Nearest = "nearest",
    Membership = "membership",
});

/// The certainty that the position is inside the area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Certainty {
    /// The boundary is further away than the tolerance.
    Inside,
    /// The boundary is within the tolerance, or the position is too imprecise to tell.
    NearBoundary,
}

keyword_enum!(Certainty {
    Inside = "inside",
    NearBoundary = "near_boundary",
});

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

keyword_enum!(Agreement {
    Agree = "agree",
    Differ = "differ",
    RegistrationOnly = "registration_only",
    ResidenceOnly = "residence_only",
    Neither = "neither",
});

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
            assert_eq!(word.parse(), Ok(provenance));
        }
        assert!("guessed".parse::<Provenance>().is_err());
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
