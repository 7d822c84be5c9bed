//! Map colouring: assigns different colours to adjacent areas.

use std::cmp::Reverse;
use std::collections::BTreeSet;

/// Assigns each area a colour from 0 to `count - 1`. Adjacent areas have different colours if
/// `count` colours are enough for this greedy method.
///
/// The colours are used about equally often. `neighbours` contains, for each area, the indices of
/// the adjacent areas.
pub(crate) fn assign_colours(neighbours: &[BTreeSet<usize>], count: usize) -> Vec<usize> {
    let mut colours: Vec<Option<usize>> = vec![None; neighbours.len()];
    let mut uses = vec![0_usize; count];
    // Start with the areas that have the most neighbours, because there are the fewest possible
    // colours for them (Welsh and Powell 1967).
    let mut order: Vec<usize> = (0..neighbours.len()).collect();
    order.sort_by_key(|&area| Reverse(neighbours[area].len()));
    for area in order {
        let taken: BTreeSet<usize> = neighbours[area]
            .iter()
            .filter_map(|&neighbour| colours[neighbour])
            .collect();
        let free = (0..count).filter(|colour| !taken.contains(colour));
        let colour = free.min_by_key(|&colour| uses[colour]).unwrap_or(0);
        uses[colour] += 1;
        colours[area] = Some(colour);
    }
    colours.into_iter().map(Option::unwrap_or_default).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjacent_areas_differ_if_there_are_enough_colours() {
        // A hub and a rim of five areas need four colours.
        let rim = |index: usize| BTreeSet::from([0, (index + 3) % 5 + 1, index % 5 + 1]);
        let mut wheel = vec![BTreeSet::from([1, 2, 3, 4, 5])];
        wheel.extend((1..=5).map(rim));
        let colours = assign_colours(&wheel, 4);
        for (area, neighbours) in wheel.iter().enumerate() {
            assert!(
                neighbours
                    .iter()
                    .all(|&neighbour| colours[neighbour] != colours[area])
            );
        }
        assert!(assign_colours(&wheel, 3).iter().all(|&colour| colour < 3));
        let isolated = vec![BTreeSet::new(); 14];
        let frequency = |colour| {
            assign_colours(&isolated, 7)
                .iter()
                .filter(|&&assigned| assigned == colour)
                .count()
        };
        assert!((0..7).all(|colour| frequency(colour) == 2));
        assert!(assign_colours(&[], 7).is_empty());
    }
}
