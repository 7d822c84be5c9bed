//! The postcodes of an area, page by page in order of postcode.
//!
//! Whether a postcode is in the area is for `locate` to say, by the same functions, so the two never
//! differ. Here it is only kept from being asked of all: what can put a postcode into an area is that
//! the directory gives it one of the area's statistical areas, or that its position is in or near the
//! box around the area's ground. One pass over the rows from where the last page ended finds those;
//! nothing is kept between requests, whatever the day.

use jiff::civil::Date;

use super::Index;
use super::layer::LayerIndex;
use crate::dataset::LayerKind;
use crate::domain::{
    Basis, Boundary, BritishGrid, Layer, Member, Postcode, PostcodeEntry, PostcodeStatus,
    PracticeStatus,
};

/// Which postcodes of an area are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Those in use on the day.
    Live,
    /// Those of before and of later too.
    All,
}

/// Postcodes of an area, in order.
#[derive(Debug)]
pub struct Page {
    /// As many as were asked for, or the last ones.
    pub postcodes: Vec<CoveredPostcode>,
    /// Whether there are more after the last.
    pub has_more: bool,
}

/// A postcode of an area.
#[derive(Debug, Clone, Copy)]
pub struct CoveredPostcode {
    /// What the directory says of it.
    pub entry: PostcodeEntry,
    /// Whether it is in use on the day.
    pub status: PostcodeStatus,
    /// What puts it into the area: for a group, membership.
    pub basis: Basis,
}

/// An outward code of which postcodes are in an area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcodeIn {
    /// It: `LA9`.
    pub outcode: String,
    /// How many of its postcodes.
    pub postcodes: usize,
    /// The last of them.
    pub last: Postcode,
}

/// An area that puts postcodes into the one that is asked about, and what it is worth to look at.
struct Ground<'i> {
    layer: &'i LayerIndex,
    /// Its number.
    area: u32,
    /// By row, whether the statistical area lies in it.
    statistical: Vec<bool>,
    /// Around its own boundaries.
    own: Option<Around>,
    /// Around the boundaries of its statistical areas.
    of_statistical: Option<Around>,
}

/// A box in millimetres.
#[derive(Debug, Clone, Copy)]
struct Around {
    low: (i32, i32),
    high: (i32, i32),
}

impl Index {
    /// The postcodes that [`Index::locate`] puts into an area on a day, in order, those after one
    /// postcode alone where one is given, at most so many.
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

    /// How many postcodes [`Index::locate`] puts into an area on a day, by outward code, in order. Every
    /// postcode of the area is asked about.
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

    /// The postcodes from a row on that lie in one of the grounds, with what puts them there.
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
            // Of what is not a place nothing is answered, whatever the directory says.
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

    /// The areas that a postcode can be in to be in this one: itself, or the members of a group.
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

    /// `None` where no place is in the area on the day.
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
    /// Whether a postcode there, with that statistical area by the directory, is worth the test.
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

/// The box around all boundaries, and so many metres more on every side.
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
