//! The words of an answer.

/// Where a boundary or a membership comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Provenance {
    /// Published by the body whose area it is.
    Official,
    /// Follows from official data by a stated rule.
    Derived,
    /// Estimated by a model.
    Modelled,
    /// Drawn from open statistics to give an idea; nobody has agreed to it.
    Indicative,
}

impl Provenance {
    /// Every one, the surest first.
    pub const ALL: [Provenance; 4] = [
        Provenance::Official,
        Provenance::Derived,
        Provenance::Modelled,
        Provenance::Indicative,
    ];

    /// The word in files and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Provenance::Official => "official",
            Provenance::Derived => "derived",
            Provenance::Modelled => "modelled",
            Provenance::Indicative => "indicative",
        }
    }

    /// The provenance of that word.
    pub fn from_word(word: &str) -> Option<Provenance> {
        Provenance::ALL.into_iter().find(|it| it.as_str() == word)
    }
}

/// What became of a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Its place is known, and lies in areas that we hold.
    Located,
    /// The postcode is no longer in use; answered from its last position.
    Terminated,
    /// ZZ99 3VZ.
    NoFixedAbode,
    /// ZZ99 3WZ.
    AddressNotKnown,
    /// Any other ZZ99.
    PseudoCountry,
    /// A postcode without a place.
    NoLocation,
    /// A place outside every area that we hold.
    OutsideCoverage,
    /// The dataset holds every code of its outcode, and not this one.
    UnknownPostcode,
    /// No place was asked about.
    Missing,
}

impl Status {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Located => "located",
            Status::Terminated => "terminated",
            Status::NoFixedAbode => "no_fixed_abode",
            Status::AddressNotKnown => "address_not_known",
            Status::PseudoCountry => "pseudo_country",
            Status::NoLocation => "no_location",
            Status::OutsideCoverage => "outside_coverage",
            Status::UnknownPostcode => "unknown_postcode",
            Status::Missing => "missing",
        }
    }
}

/// What an area by residence was decided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Basis {
    /// The statistical area that the postcode directory gives.
    Directory,
    /// The boundary around the point.
    Boundary,
    /// The nearest area, off a generalised coast.
    Nearest,
    /// Inherited through a member.
    Membership,
}

impl Basis {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Basis::Directory => "directory",
            Basis::Boundary => "boundary",
            Basis::Nearest => "nearest",
            Basis::Membership => "membership",
        }
    }
}

/// How sure it is that the place lies in the area.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Certainty {
    /// The boundary is further away than the tolerance.
    Inside,
    /// It is not, or the place is not known well enough to say.
    NearBoundary,
}

impl Certainty {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Certainty::Inside => "inside",
            Certainty::NearBoundary => "near_boundary",
        }
    }
}

/// How the Integrated Care Communities of residence and of registration compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Agreement {
    /// The same one.
    Agree,
    /// Different ones.
    Differ,
    /// Only the registration is known.
    RegistrationOnly,
    /// Only the residence is known.
    ResidenceOnly,
    /// Neither is known.
    Neither,
}

impl Agreement {
    /// The word on the wire.
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

    /// They are on the wire and in files: whoever reads them goes by the letters.
    #[test]
    fn words_stay_as_they_are() {
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
            (Status::Located, "located"),
            (Status::Terminated, "terminated"),
            (Status::NoFixedAbode, "no_fixed_abode"),
            (Status::AddressNotKnown, "address_not_known"),
            (Status::PseudoCountry, "pseudo_country"),
            (Status::NoLocation, "no_location"),
            (Status::OutsideCoverage, "outside_coverage"),
            (Status::UnknownPostcode, "unknown_postcode"),
            (Status::Missing, "missing"),
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
