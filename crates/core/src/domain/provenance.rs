//! The provenance of boundaries and memberships.

use super::keyword::keyword_enum;

/// The origin of a boundary or a membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Provenance {
    /// Published by the organisation responsible for the area.
    Official,
    /// Derived from official data by a documented rule.
    Derived,
    /// Estimated by a model.
    Modelled,
    /// Drawn from open statistics as an indication only. The boundary is not an agreed boundary.
    Indicative,
}

keyword_enum!(Provenance {
    Official = "official",
    Derived = "derived",
    Modelled = "modelled",
    Indicative = "indicative",
});

#[cfg(test)]
mod tests {
    use super::*;

    /// These values appear in responses and files, so clients depend on their exact spelling.
    #[test]
    fn keywords_are_stable() {
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
    }
}
