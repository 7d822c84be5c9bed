//! The postcodes of an area, page by page in order of postcode.
//!
//! Whether a postcode is in the area is decided by the functions that `locate` uses, so the two
//! always agree. This module limits how many postcodes are tested. A postcode can be in an area
//! only if the directory gives it one of the area's statistical areas, or if its position is in the
//! buffered bounding box of the area's geometry. A page takes one pass over the directory's rows,
//! from the end of the previous page. Nothing is stored between requests, whatever the day.

use jiff::civil::Date;

use super::Index;
use super::layer::LayerIndex;
use crate::dataset::LayerKind;
use crate::domain::{
    Basis, Boundary, BritishGrid, Layer, Member, Postcode, PostcodeEntry, PostcodeStatus,
    PracticeStatus,
};

/// Which postcodes of an area to return.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Those in use on the day.
    Live,
    /// All of them, including terminated postcodes and those not yet introduced.
    All,
}

/// A page of the postcodes of an area, in ascending order.
#[derive(Debug)]
pub struct Page {
    /// The postcodes, at most as many as requested.
    pub postcodes: Vec<CoveredPostcode>,
    /// Whether more postcodes follow.
    pub has_more: bool,
}

/// A postcode of an area.
#[derive(Debug, Clone, Copy)]
pub struct CoveredPostcode {
    /// The directory's entry.
    pub entry: PostcodeEntry,
    /// The postcode's status on the day.
    pub status: PostcodeStatus,
    /// What places the postcode in the area; for a group, always [`Basis::Membership`].
    pub basis: Basis,
}

/// An outward code with postcodes in an area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcodeIn {
    /// The outward code, such as `LA9`.
    pub outcode: String,
    /// How many of its postcodes are in the area.
    pub postcodes: usize,
    /// The last of them.
    pub last: Postcode,
}

/// An area whose postcodes belong to the requested area or group, and what is needed to exclude
/// postcodes that cannot be in it.
struct Ground<'i> {
    layer: &'i LayerIndex,
    /// Its ordinal.
    area: u32,
    /// For each row of a statistical area, whether that is in the area.
    statistical: Vec<bool>,
    /// The bounding box of its own boundaries.
    own: Option<Around>,
    /// The bounding box of the boundaries of its statistical areas.
    of_statistical: Option<Around>,
}

/// A bounding box in millimetres on the British National Grid.
#[derive(Debug, Clone, Copy)]
struct Around {
    low: (i32, i32),
    high: (i32, i32),
}

impl Index {
    /// Returns the postcodes that [`Index::locate`] places in an area or group on a day, in
    /// ascending order: at most `limit`, and only those after `after` if that is given.
    pub fn postcodes_in(
        &self,
        (layer, id): (Layer, &str),
        day: Date,
        which: Which,
        after: Option<Postcode>,
        limit: usize,
    ) -> Page {
        let grounds = self.grounds(layer, id, day);
        let is_group = self
            .layer(layer)
            .is_some_and(|it| it.kind == LayerKind::Membership);
        let from = after.map_or(0, |postcode| self.directory.row_after(postcode));
        let covered = self.covered(&grounds, day, which, from);
        let covered = covered.map(|it| CoveredPostcode {
            basis: if is_group {
                Basis::Membership
            } else {
                it.basis
            },
            ..it
        });
        let mut postcodes: Vec<CoveredPostcode> = covered.take(limit + 1).collect();
        let has_more = postcodes.len() > limit;
        postcodes.truncate(limit);
        Page {
            postcodes,
            has_more,
        }
    }

    /// Returns how many postcodes [`Index::locate`] places in an area or group on a day, by outward
    /// code, in ascending order. Every candidate postcode is tested.
    pub fn outcodes_in(
        &self,
        (layer, id): (Layer, &str),
        day: Date,
        which: Which,
    ) -> Vec<OutcodeIn> {
        let grounds = self.grounds(layer, id, day);
        let mut outcodes: Vec<OutcodeIn> = Vec::new();
        for covered in self.covered(&grounds, day, which, 0) {
            let postcode = covered.entry.postcode;
            match outcodes.last_mut() {
                Some(known) if known.outcode == postcode.outcode() => {
                    known.postcodes += 1;
                    known.last = postcode;
                }
                _ => outcodes.push(OutcodeIn {
                    outcode: postcode.outcode().to_string(),
                    postcodes: 1,
                    last: postcode,
                }),
            }
        }
        outcodes
    }

    /// Returns the postcodes that are in one of the candidate areas, from a row of the directory
    /// onwards.
    fn covered<'g>(
        &'g self,
        grounds: &'g [Ground<'g>],
        day: Date,
        which: Which,
        from: usize,
    ) -> impl Iterator<Item = CoveredPostcode> + 'g {
        let may_be_in = move |position, row| grounds.iter().any(|it| it.may_hold(position, row));
        let candidates = self.directory.entries_where(from, may_be_in);
        candidates.filter_map(move |entry| {
            let status = self.postcode_status(&entry, day);
            let is_wanted = which == Which::All || status == PostcodeStatus::Live;
            // Pseudo postcodes have no location, whatever the directory says.
            if !is_wanted || entry.postcode.special().is_some() {
                return None;
            }
            let mut bases = grounds
                .iter()
                .filter_map(|it| self.basis_in((it.layer, it.area), &entry, day));
            let basis = bases.next()?;
            Some(CoveredPostcode {
                entry,
                status,
                basis,
            })
        })
    }

    /// Returns the areas whose postcodes belong to an area or group: the area itself, or the
    /// group's members.
    fn grounds(&self, layer: Layer, id: &str, day: Date) -> Vec<Ground<'_>> {
        let Some(area) = self.area(layer, id, day) else {
            return Vec::new();
        };
        let is_group = self
            .layer(layer)
            .is_some_and(|it| it.kind == LayerKind::Membership);
        let members = self.members(layer, id, day).into_iter();
        let areas = match is_group {
            true => members
                .filter_map(|it| match &it.member {
                    Member::Area(layer, id) => self.area(*layer, id, day),
                    Member::Practice(_) => None,
                })
                .collect(),
            false => vec![area],
        };
        let grounds = areas
            .into_iter()
            .filter_map(|area| self.ground(area.layer, &area.id, day));
        grounds.collect()
    }

    /// Prepares an area; `None` if no position can be in it on the day.
    fn ground(&self, layer: Layer, id: &str, day: Date) -> Option<Ground<'_>> {
        let layer = self.layer(layer)?;
        let is_idle = layer.id == Layer::GpPractice
            && !id
                .parse()
                .ok()
                .and_then(|code| self.practice(code))
                .is_some_and(|practice| practice.status_on(day) == PracticeStatus::Active);
        if is_idle || day < layer.first_data || layer.kind == LayerKind::Membership {
            return None;
        }
        let area = layer.number(id)?;
        let rows = (0..).take(self.statistical.codes.len());
        let holds = |row| layer.assigned(row, day).any(|it| it.area == area);
        let statistical: Vec<bool> = rows.map(holds).collect();
        let boundaries = self.statistical.spatial.boundaries().iter();
        let of_statistical = boundaries.zip(&statistical).filter(|(_, holds)| **holds);
        let own = layer.boundaries_of(area).iter();
        let own = own.map(|&at| layer.spatial.boundary(at));
        Some(Ground {
            own: around(own, layer.snap_m),
            of_statistical: around(of_statistical.map(|it| it.0), self.statistical.snap_m),
            layer,
            area,
            statistical,
        })
    }
}

impl Ground<'_> {
    /// Returns whether a postcode with this position, and this statistical area in the directory,
    /// may be in the area and must be tested.
    fn may_hold(&self, position: BritishGrid, listed_in: Option<u32>) -> bool {
        let is_around = |around: Option<Around>| around.is_some_and(|it| it.holds(position));
        let by_statistical = match listed_in {
            Some(row) => self
                .statistical
                .get(row as usize)
                .is_some_and(|holds| *holds),
            None => is_around(self.of_statistical),
        };
        by_statistical || is_around(self.own)
    }
}

impl Around {
    fn holds(self, position: BritishGrid) -> bool {
        let (x, y) = (position.easting_mm(), position.northing_mm());
        (self.low.0..=self.high.0).contains(&x) && (self.low.1..=self.high.1).contains(&y)
    }
}

/// Returns the bounding box of boundaries, extended by `buffer_m` metres on every side.
fn around<'i>(boundaries: impl Iterator<Item = &'i Boundary>, more_m: f64) -> Option<Around> {
    let rings = boundaries
        .flat_map(|it| &it.grid)
        .flat_map(|polygon| &polygon.rings);
    let vertices = rings
        .flatten()
        .map(|it| (it.easting_mm(), it.northing_mm()));
    let (low, high) = vertices.fold(None, |corners, (x, y)| {
        let (low, high) = corners.unwrap_or(((x, y), (x, y)));
        Some(((x.min(low.0), y.min(low.1)), (x.max(high.0), y.max(high.1))))
    })?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a cast of a float saturates"
    )]
    let more = (more_m * 1_000.0).ceil() as i32;
    Some(Around {
        low: (low.0.saturating_sub(more), low.1.saturating_sub(more)),
        high: (high.0.saturating_add(more), high.1.saturating_add(more)),
    })
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::world::{
        DAY, FIRST_DATA, built, dataset, index, km, of_practice, postcode, rectangle, strip,
    };
    use super::*;

    /// Returns postcodes and bases; postcodes of `LA1 1` are shortened to their last two letters.
    fn listed(page: Page) -> Vec<(String, Basis)> {
        let postcodes = page.postcodes.into_iter();
        let short = |text: String| {
            text.strip_prefix("LA1 1")
                .map(str::to_string)
                .unwrap_or(text)
        };
        postcodes
            .map(|it| (short(it.entry.postcode.to_string()), it.basis))
            .collect()
    }

    fn all_of(index: &Index, area: (Layer, &str), day: Date, which: Which) -> Vec<(String, Basis)> {
        listed(index.postcodes_in(area, day, which, None, 99))
    }

    #[track_caller]
    fn check(area: (Layer, &str), which: Which, expected: &[(&str, Basis)]) {
        let expected = expected
            .iter()
            .map(|&(text, basis)| (text.to_string(), basis));
        let expected: Vec<_> = expected.collect();
        assert_eq!(all_of(&index(), area, DAY, which), expected);
    }

    #[test]
    fn an_area_has_the_postcodes_that_locate_puts_there() {
        use Basis::{Boundary, Directory, Membership, Nearest};
        let k = [("AA", Directory), ("AD", Boundary), ("AE", Nearest)];
        check((Layer::Icc, "k"), Which::Live, &k);
        let ever = [
            ("AA", Directory),
            ("AD", Boundary),
            ("AE", Nearest),
            ("AF", Directory),
            ("AG", Directory),
        ];
        check((Layer::Icc, "k"), Which::All, &ever);
        let l = [("AB", Directory), ("AJ", Directory), ("LA2 1AA", Directory)];
        check((Layer::Icc, "l"), Which::Live, &l);
        let m = [("AA", Boundary), ("AE", Nearest)];
        check((Layer::SubCommunity, "m"), Which::Live, &m);
        check((Layer::GpPractice, "A00001"), Which::Live, &k);
        let inner_and_outer = [("AB", Boundary), ("LA2 1AA", Boundary)];
        check((Layer::GpPractice, "A00003"), Which::Live, &inner_and_outer);
        // The practice has closed, although it has a share.
        check((Layer::GpPractice, "A00004"), Which::Live, &[]);
        let of_k = k.map(|(text, _)| (text, Membership));
        check((Layer::ResilienceGroup, "g"), Which::Live, &of_k);
        let of_m = m.map(|(text, _)| (text, Membership));
        check((Layer::ResilienceGroup, "h"), Which::Live, &of_m);
        check((Layer::Icc, "z"), Which::Live, &[]);
    }

    #[test]
    fn nothing_is_in_an_area_before_its_layers_first_data() {
        let index = index();
        let before = FIRST_DATA.yesterday().expect("a day");
        let area = (Layer::Icc, "k");
        assert_eq!(all_of(&index, area, before, Which::All), []);
        assert_eq!(all_of(&index, area, FIRST_DATA, Which::All).len(), 5);
        assert_eq!(index.outcodes_in(area, before, Which::All), []);
    }

    #[test]
    fn pages_go_on_after_a_postcode_and_tell_whether_there_is_more() {
        let index = index();
        let page = |after: Option<&str>, limit| {
            let after = after.map(postcode);
            index.postcodes_in((Layer::Icc, "k"), DAY, Which::Live, after, limit)
        };
        let texts =
            |page: Page| -> Vec<String> { listed(page).into_iter().map(|it| it.0).collect() };
        assert!(page(None, 2).has_more);
        assert_eq!(texts(page(None, 2)), ["AA", "AD"]);
        assert!(!page(None, 3).has_more);
        assert!(!page(Some("LA1 1AD"), 1).has_more);
        assert_eq!(texts(page(Some("LA1 1AD"), 1)), ["AE"]);
        assert_eq!(texts(page(Some("LA1 1AB"), 1)), ["AD"]);
        assert_eq!(texts(page(Some("LA1 1AE"), 1)), [""; 0]);
    }

    #[test]
    fn outward_codes_are_counted() {
        let counts = index().outcodes_in((Layer::Icc, "l"), DAY, Which::Live);
        let told = |outcode: &str, postcodes, last| OutcodeIn {
            outcode: outcode.into(),
            postcodes,
            last: postcode(last),
        };
        assert_eq!(
            counts,
            [told("LA1", 2, "LA1 1AJ"), told("LA2", 1, "LA2 1AA")]
        );
    }

    #[test]
    fn a_group_of_practices_has_no_ground() {
        let mut dataset = dataset();
        let member = of_practice("A00003", Layer::ResilienceGroup, Some("h"));
        dataset.memberships.push(member);
        let index = built(dataset);
        let group = (Layer::ResilienceGroup, "h");
        assert_eq!(all_of(&index, group, DAY, Which::Live).len(), 2);
    }

    #[test]
    fn a_ground_of_another_day_is_looked_around_and_not_counted() {
        let index = index();
        let north = |day| all_of(&index, (Layer::Icb, "north"), day, Which::Live).len();
        // Of AA, AB, AD, AJ and LA2 1AA, two are east of 15 km.
        assert_eq!(north(date(2024, 6, 30)), 3);
        assert_eq!(north(DAY), 5);
    }

    #[test]
    fn only_what_may_be_in_an_area_is_asked_about() {
        let index = index();
        let ground = |layer, id| index.ground(layer, id, DAY).expect("it has a boundary");
        let k = ground(Layer::Icc, "k");
        let (inside, outside) = (km(5.0, 5.0), km(15.0, 5.0));
        // In its statistical area wherever the position is; with another statistical area, only
        // inside its own bounding box.
        assert!(k.may_hold(outside, Some(0)) && k.may_hold(inside, Some(1)));
        assert!(!k.may_hold(outside, Some(1)) && !k.may_hold(outside, None));
        // Off the coast, up to the snap distance of the statistical areas.
        assert!(k.may_hold(km(-0.15, 5.0), None) && !k.may_hold(km(-0.15, 5.0), Some(1)));
        assert!(!k.may_hold(km(-0.150_001, 5.0), None));
        let m = ground(Layer::SubCommunity, "m");
        assert!(m.may_hold(km(5.2, 5.0), Some(1)) && !m.may_hold(km(5.200_001, 5.0), None));
    }

    #[test]
    fn a_box_is_so_much_larger_than_its_boundaries() {
        let two = [
            rectangle("a", (0.0, 2.0), (3.0, 5.0)),
            rectangle("b", (-1.0, 3.0), (2.0, 9.0)),
        ];
        let both = around(two.iter(), 0.5).expect("they have vertices");
        for (east, north, expected) in [
            (-1.000_5, 1.999_5, true),
            (3.000_5, 9.000_5, true),
            (-1.000_501, 5.0, false),
            (3.000_501, 5.0, false),
            (0.0, 1.999_499, false),
            (0.0, 9.000_501, false),
        ] {
            assert_eq!(both.holds(km(east, north)), expected, "{east} {north}");
        }
        assert!(around([].iter(), 1.0).is_none());
        let bare = around([strip("a", 0.0, 1.0)].iter(), 0.0).expect("it has vertices");
        assert!(bare.holds(km(1.0, 10.0)) && !bare.holds(km(1.000_001, 10.0)));
    }
}
