//! Counts of patients by place of registration and place of residence.

use std::collections::BTreeMap;

use super::layers::FlowLayers;
use catchment_core::domain::Layer;

/// The numbers of patients by place of registration and place of residence. Every patient is
/// counted once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowTable {
    /// The places where patients are registered.
    pub registered: FlowAxis,
    /// The places where patients live.
    pub resident: FlowAxis,
    /// The number of rows that could not be read. These rows are not included in the counts.
    pub bad_rows: u64,
    /// The counts above 0, by the positions of the two places in their axes.
    counts: BTreeMap<(usize, usize), u64>,
}

/// The places on one side of a [`FlowTable`]: the areas with at least one patient, in order of id,
/// followed by [`FlowPlaceKind::SeveralAreas`], if present, and the places that are not areas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowAxis {
    /// The layer of the areas.
    pub layer: Layer,
    /// The places.
    pub places: Vec<FlowPlace>,
}

/// A place where patients are registered or live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowPlace {
    /// Whether the place is an area.
    pub kind: FlowPlaceKind,
    /// The id of the area, or the name of the kind.
    pub id: String,
    /// The name.
    pub name: String,
}

/// The kind of a [`FlowPlace`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FlowPlaceKind {
    /// An area of the layer.
    Area,
    /// More than one area of the layer, because a practice may belong to several areas.
    SeveralAreas,
    /// Outside the areas of the layer.
    Elsewhere,
    /// The practice, or the place of residence, is not known.
    NotKnown,
}

impl FlowPlaceKind {
    /// Returns the name of the value in JSON and in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            FlowPlaceKind::Area => "area",
            FlowPlaceKind::SeveralAreas => "several_areas",
            FlowPlaceKind::Elsewhere => "elsewhere",
            FlowPlaceKind::NotKnown => "not_known",
        }
    }

    /// Returns the name for display.
    pub fn title(self) -> &'static str {
        match self {
            FlowPlaceKind::Area => "Area",
            FlowPlaceKind::SeveralAreas => "More than one area",
            FlowPlaceKind::Elsewhere => "Elsewhere",
            FlowPlaceKind::NotKnown => "Not known",
        }
    }
}

/// The counts of a table by the numbers of their places in a `FlowPlaces`.
pub(super) type NumberedCounts = BTreeMap<(usize, usize), u64>;

impl FlowTable {
    /// Creates a table. `registered` and `resident` return the place that has a number.
    pub(super) fn new(
        layers: FlowLayers,
        counts: &NumberedCounts,
        registered: impl Fn(usize) -> FlowPlace,
        resident: impl Fn(usize) -> FlowPlace,
    ) -> FlowTable {
        let mut rows = places_by_order(counts.keys().map(|(row, _)| registered(*row)));
        let mut columns = places_by_order(counts.keys().map(|(_, column)| resident(*column)));
        if layers.registered() == layers.resident() {
            // The table is square, so that each area has a count of patients who are registered and
            // live in it.
            let areas = |places: &BTreeMap<PlaceOrder, FlowPlace>| {
                let areas = places
                    .iter()
                    .filter(|(order, _)| order.0 == FlowPlaceKind::Area);
                let areas = areas.map(|(order, place)| (order.clone(), place.clone()));
                areas.collect::<Vec<_>>()
            };
            let (more_rows, more_columns) = (areas(&columns), areas(&rows));
            rows.extend(more_rows);
            columns.extend(more_columns);
        }
        let positions = |places: &BTreeMap<PlaceOrder, FlowPlace>| {
            let orders = places.keys().cloned();
            orders.zip(0..).collect::<BTreeMap<PlaceOrder, usize>>()
        };
        let (row_positions, column_positions) = (positions(&rows), positions(&columns));
        let counts = counts.iter().map(|((row, column), count)| {
            let row = row_positions[&order_of(&registered(*row))];
            let column = column_positions[&order_of(&resident(*column))];
            ((row, column), *count)
        });
        FlowTable {
            counts: counts.collect(),
            registered: FlowAxis {
                layer: layers.registered(),
                places: rows.into_values().collect(),
            },
            resident: FlowAxis {
                layer: layers.resident(),
                places: columns.into_values().collect(),
            },
            bad_rows: 0,
        }
    }

    /// Returns the counts above 0, by the positions of the two places in their axes.
    pub fn counts(&self) -> impl Iterator<Item = ((usize, usize), u64)> + '_ {
        self.counts.iter().map(|(places, count)| (*places, *count))
    }

    /// Returns the number of patients with this registration and residence.
    pub fn count(&self, registered: usize, resident: usize) -> u64 {
        let count = self.counts.get(&(registered, resident));
        count.copied().unwrap_or_default()
    }

    /// Returns the number of patients.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Returns whether patients are registered and live in areas of the same layer.
    pub fn has_one_layer(&self) -> bool {
        self.registered.layer == self.resident.layer
    }
}

/// The sort key of a place.
type PlaceOrder = (FlowPlaceKind, String);

fn order_of(place: &FlowPlace) -> PlaceOrder {
    (place.kind, place.id.clone())
}

/// Returns the places in order, including all places that are not areas.
fn places_by_order(places: impl Iterator<Item = FlowPlace>) -> BTreeMap<PlaceOrder, FlowPlace> {
    let always = [FlowPlaceKind::Elsewhere, FlowPlaceKind::NotKnown];
    let always = always.map(|kind| FlowPlace {
        kind,
        id: kind.as_str().into(),
        name: kind.title().into(),
    });
    let all = places.chain(always);
    all.map(|place| (order_of(&place), place)).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Returns a table of made-up areas of one layer, in which area `a` has number 3, area `b`
    /// number 4, and so on.
    pub(in crate::flows) fn table_of(counts: &[(usize, usize, u64)]) -> FlowTable {
        let layer = Layer::declare("flow-areas").expect("an id");
        let counts = counts.iter();
        let counts = counts.map(|(row, column, count)| ((*row, *column), *count));
        let place = |number: usize| {
            let kind = match number {
                0 => FlowPlaceKind::NotKnown,
                1 => FlowPlaceKind::Elsewhere,
                2 => FlowPlaceKind::SeveralAreas,
                _ => FlowPlaceKind::Area,
            };
            let letter =
                char::from(b'a' + u8::try_from(number.saturating_sub(3)).expect("a letter"));
            let (id, name) = match kind {
                FlowPlaceKind::Area => (letter.to_string(), format!("Area {letter}")),
                other => (other.as_str().into(), other.title().into()),
            };
            FlowPlace { kind, id, name }
        };
        FlowTable::new(
            FlowLayers::for_tests(layer),
            &counts.collect(),
            place,
            place,
        )
    }

    fn ids(axis: &FlowAxis) -> Vec<&str> {
        axis.places.iter().map(|place| place.id.as_str()).collect()
    }

    #[test]
    fn a_table_of_one_layer_is_square_in_its_areas() {
        let table = table_of(&[(4, 3, 10), (3, 5, 20), (2, 0, 1)]);
        let areas = ["a", "b", "c"];
        let registered = ids(&table.registered);
        assert_eq!(registered[..3], areas);
        assert_eq!(registered[3..], ["several_areas", "elsewhere", "not_known"]);
        assert_eq!(ids(&table.resident)[..3], areas);
        assert_eq!(ids(&table.resident)[3..], ["elsewhere", "not_known"]);
        assert_eq!(table.count(1, 0), 10);
        assert_eq!(table.count(0, 2), 20);
        assert_eq!(table.count(3, 4), 1);
        assert_eq!((table.count(0, 0), table.total()), (0, 31));
    }

    #[test]
    fn an_empty_table_has_the_places_that_are_no_area() {
        let table = table_of(&[]);
        assert_eq!(ids(&table.registered), ["elsewhere", "not_known"]);
        assert_eq!(table.total(), 0);
    }
}
