use std::fmt;
use std::str::FromStr;

/// A layer: a named set of areas that look-ups can return.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// Integrated Care Communities: groups of practices with their patients, each with an area on
    /// the map.
    Icc,
    /// Parts of an Integrated Care Community that belong to resilience groups of their own.
    SubCommunity,
    /// Integrated neighbourhood teams of East Lancashire.
    NeighbourhoodTeam,
    /// Catchments of GP practices: the areas in which their patients live, or from which people may
    /// register.
    GpPractice,
    /// Community resilience groups and similar groups.
    ResilienceGroup,
    /// Primary Care Networks.
    Pcn,
    /// Sub-ICB locations; before July 2022, Clinical Commissioning Groups.
    SubIcb,
    /// Places within the area of an Integrated Care Board.
    Place,
    /// Integrated Care Boards.
    Icb,
}

/// The error for text that is not the name of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a layer: use icc, sub-community, neighbourhood-team, gp-practice, resilience-group, pcn, sub-icb, place or icb"
)]
pub struct InvalidLayer;

impl Layer {
    /// Every layer, in the order in which answers list them.
    pub const ALL: [Layer; 9] = [
        Layer::Icc,
        Layer::SubCommunity,
        Layer::NeighbourhoodTeam,
        Layer::GpPractice,
        Layer::ResilienceGroup,
        Layer::Pcn,
        Layer::SubIcb,
        Layer::Place,
        Layer::Icb,
    ];

    /// The layers of communities, on which residence and registration are compared. A patient
    /// belongs to at most one area of each of these layers.
    pub const COMMUNITIES: [Layer; 2] = [Layer::Icc, Layer::NeighbourhoodTeam];

    /// The layers of networks of practices. The practices of a network belong to communities.
    pub const NETWORKS: [Layer; 1] = [Layer::Pcn];

    /// The administrative layers. Each covers the whole area of the data, so an area that is
    /// missing is not known.
    pub const ADMINISTRATIVE: [Layer; 3] = [Layer::SubIcb, Layer::Place, Layer::Icb];

    /// Returns the name used in URLs, JSON and files.
    pub fn as_str(self) -> &'static str {
        match self {
            Layer::Icc => "icc",
            Layer::SubCommunity => "sub-community",
            Layer::NeighbourhoodTeam => "neighbourhood-team",
            Layer::GpPractice => "gp-practice",
            Layer::ResilienceGroup => "resilience-group",
            Layer::Pcn => "pcn",
            Layer::SubIcb => "sub-icb",
            Layer::Place => "place",
            Layer::Icb => "icb",
        }
    }
}

/// A set of layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerSet(u16);

impl LayerSet {
    /// The set of all layers.
    pub const ALL: LayerSet = LayerSet((1 << Layer::ALL.len()) - 1);

    /// Returns whether the set contains the layer.
    pub fn contains(self, layer: Layer) -> bool {
        self.0 & (1 << layer as u16) != 0
    }
}

impl FromIterator<Layer> for LayerSet {
    fn from_iter<T: IntoIterator<Item = Layer>>(layers: T) -> LayerSet {
        let bits = layers.into_iter().map(|layer| 1 << layer as u16);
        LayerSet(bits.fold(0, |all, bit| all | bit))
    }
}

impl FromStr for Layer {
    type Err = InvalidLayer;

    fn from_str(input: &str) -> Result<Layer, InvalidLayer> {
        Layer::ALL
            .into_iter()
            .find(|layer| layer.as_str() == input)
            .ok_or(InvalidLayer)
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_parse_display_and_form_sets() {
        let words = [
            "icc",
            "sub-community",
            "neighbourhood-team",
            "gp-practice",
            "resilience-group",
            "pcn",
            "sub-icb",
            "place",
            "icb",
        ];
        assert_eq!(Layer::ALL.map(Layer::as_str), words);
        for (layer, word) in Layer::ALL.into_iter().zip(words) {
            assert_eq!(word.parse(), Ok(layer));
            assert_eq!(format!("{layer:>20}"), format!("{word:>20}"));
            let only = LayerSet::from_iter([layer]);
            for other in Layer::ALL {
                assert!(LayerSet::ALL.contains(other));
                assert_eq!(only.contains(other), other == layer, "{only:?} {other}");
            }
        }
        assert_eq!("iccs".parse::<Layer>(), Err(InvalidLayer));
        assert_eq!(LayerSet::from_iter(Layer::ALL), LayerSet::ALL);
        let twice = [Layer::Pcn, Layer::Icc, Layer::Pcn];
        assert_eq!(
            LayerSet::from_iter(twice),
            LayerSet::from_iter([Layer::Icc, Layer::Pcn])
        );
    }
}
