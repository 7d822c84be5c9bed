//! Scopes: the parts of the service to which an API key gives access.

use std::fmt;
use std::str::FromStr;

/// A part of the service that can require an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Batches and the batch page.
    Batch,
    /// Single look-ups.
    Locate,
    /// The postcode directory, and the postcodes of an area.
    Postcodes,
    /// The practice directory.
    Practices,
    /// Areas and their boundaries.
    Areas,
    /// The OGC API.
    Ogc,
    /// Vector tiles.
    Tiles,
    /// Static maps and the data of the widget.
    Maps,
    /// The look-up page, and the pages of groups, comparisons and embedded maps.
    Pages,
}

/// The error for text that is not a scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a scope: batch, locate, postcodes, practices, areas, ogc, tiles, maps or pages")]
pub struct InvalidScope;

impl Scope {
    /// All scopes.
    pub const ALL: [Scope; 9] = [
        Scope::Batch,
        Scope::Locate,
        Scope::Postcodes,
        Scope::Practices,
        Scope::Areas,
        Scope::Ogc,
        Scope::Tiles,
        Scope::Maps,
        Scope::Pages,
    ];

    /// Returns the name of the scope.
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Batch => "batch",
            Scope::Locate => "locate",
            Scope::Postcodes => "postcodes",
            Scope::Practices => "practices",
            Scope::Areas => "areas",
            Scope::Ogc => "ogc",
            Scope::Tiles => "tiles",
            Scope::Maps => "maps",
            Scope::Pages => "pages",
        }
    }
}

impl FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Scope, InvalidScope> {
        let mut all = Scope::ALL.into_iter();
        all.find(|scope| scope.as_str() == text).ok_or(InvalidScope)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
