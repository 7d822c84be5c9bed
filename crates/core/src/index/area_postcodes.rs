//! The postcodes of an area, in pages and in order of postcode.
//!
//! The same functions as in `locate` determine whether a postcode is in the area, so that the
//! results always agree. This module only reduces the number of postcodes that these functions
//! test. A postcode can be in an area only if the directory assigns it to one of the area's
//! statistical areas, or if its position is in the buffered bounding box of the area's geometry.
//! For a page, the module passes once over the directory's rows, starting after the last postcode
//! of the previous page. Nothing is cached between requests.

use geo::{Coord, Intersects, Rect};
use jiff::civil::Date;

use super::Index;
use super::layer::LayerIndex;
use crate::domain::LayerKind;
use crate::domain::{
    Basis, Boundary, BritishGrid, GroupMember, Layer, LayerRole, Postcode, PostcodeEntry,
    PostcodeStatus, PracticeStatus,
};
use crate::geometry::bbox::bounding_rect;

/// The postcodes of an area that are returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PostcodeFilter {
    /// The postcodes that are in use on the day.
    Live,
    /// All postcodes, including terminated postcodes and those not yet introduced.
    All,
}

/// A page of the postcodes of an area, in ascending order.
#[derive(Debug)]
pub struct PostcodePage {
    /// The postcodes. The number of postcodes is at most the requested limit.
    pub postcodes: Vec<AreaPostcode>,
    /// Whether there are more postcodes after this page.
    pub has_more: bool,
}

/// A postcode of an area.
#[derive(Debug, Clone, Copy)]
pub struct AreaPostcode {
    /// The directory's entry.
    pub entry: PostcodeEntry,
    /// The postcode's status on the day.
    pub status: PostcodeStatus,
    /// The basis on which the postcode is in the area; for a group, the basis is always
    /// [`Basis::Membership`].
    pub basis: Basis,
}

/// An outward code with postcodes in an area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcodeCount {
    /// The outward code, such as `LA9`.
    pub outcode: String,
    /// The number of the outward code's postcodes that are in the area.
    pub postcode_count: usize,
    /// The last of the outward code's postcodes that are in the area.
    pub last_postcode: Postcode,
}

/// An area whose postcodes belong to the requested area or group, with data that exclude postcodes
/// that cannot be in the candidate area.
struct CandidateArea<'i> {
    layer: &'i LayerIndex,
    /// The area's ordinal in its layer.
    ordinal: u32,
    /// Whether each statistical area is assigned to the area, by the row of the statistical area.
    contains_statistical_area: Vec<bool>,
    /// The bounding box of the area's own boundaries, extended by the layer's snap distance.
    own_bbox: Option<Rect<i32>>,
    /// The bounding box of the boundaries of the area's statistical areas, extended by the snap
    /// distance of the statistical areas.
    statistical_bbox: Option<Rect<i32>>,
}

impl Index {
    /// Returns the postcodes that are in an area or group on a day according to [`Index::locate`],
    /// in ascending order. Returns at most `limit` postcodes. If `after` is given, returns only
    /// postcodes after `after`.
    pub fn postcodes_in(
        &self,
        (layer, id): (Layer, &str),
        day: Date,
        filter: PostcodeFilter,
        after: Option<Postcode>,
        limit: usize,
    ) -> PostcodePage {
        let candidate_areas = self.candidate_areas(layer, id, day);
        let is_group = self
            .layer(layer)
            .is_some_and(|index| index.kind == LayerKind::Membership);
        let from = after.map_or(0, |postcode| self.directory.row_after(postcode));
        let area_postcodes = self.postcodes_of_candidates(&candidate_areas, day, filter, from);
        let area_postcodes = area_postcodes.map(|postcode| AreaPostcode {
            basis: if is_group {
                Basis::Membership
            } else {
                postcode.basis
            },
            ..postcode
        });
        let mut postcodes: Vec<AreaPostcode> = area_postcodes.take(limit + 1).collect();
        let has_more = postcodes.len() > limit;
        postcodes.truncate(limit);
        PostcodePage {
            postcodes,
            has_more,
        }
    }

    /// Returns the number of postcodes of each outward code that are in an area or group on a day
    /// according to [`Index::locate`], in ascending order of outward code. This function tests
    /// every candidate postcode.
    pub fn outcodes_in(
        &self,
        (layer, id): (Layer, &str),
        day: Date,
        filter: PostcodeFilter,
    ) -> Vec<OutcodeCount> {
        let candidate_areas = self.candidate_areas(layer, id, day);
        let mut outcodes: Vec<OutcodeCount> = Vec::new();
        for area_postcode in self.postcodes_of_candidates(&candidate_areas, day, filter, 0) {
            let postcode = area_postcode.entry.postcode;
            match outcodes.last_mut() {
                Some(current) if current.outcode == postcode.outcode() => {
                    current.postcode_count += 1;
                    current.last_postcode = postcode;
                }
                _ => outcodes.push(OutcodeCount {
                    outcode: postcode.outcode().to_string(),
                    postcode_count: 1,
                    last_postcode: postcode,
                }),
            }
        }
        outcodes
    }

    /// Returns the postcodes that are in one of the candidate areas, starting at a row of the
    /// directory.
    fn postcodes_of_candidates<'g>(
        &'g self,
        candidate_areas: &'g [CandidateArea<'g>],
        day: Date,
        filter: PostcodeFilter,
        from: usize,
    ) -> impl Iterator<Item = AreaPostcode> + 'g {
        let may_be_in = move |position, row| {
            candidate_areas
                .iter()
                .any(|area| area.may_contain(position, row))
        };
        let entries = self.directory.entries_where(from, may_be_in);
        entries.filter_map(move |entry| {
            let status = self.postcode_status(&entry, day);
            let is_included = filter == PostcodeFilter::All || status == PostcodeStatus::Live;
            // Pseudo postcodes have no location, whatever the directory states.
            if !is_included || entry.postcode.special().is_some() {
                return None;
            }
            let mut bases = candidate_areas
                .iter()
                .filter_map(|area| self.basis_in_area((area.layer, area.ordinal), &entry, day));
            let basis = bases.next()?;
            Some(AreaPostcode {
                entry,
                status,
                basis,
            })
        })
    }

    /// Returns the areas whose postcodes belong to an area or group: the area itself, or the
    /// group's members.
    fn candidate_areas(&self, layer: Layer, id: &str, day: Date) -> Vec<CandidateArea<'_>> {
        let Some(area) = self.area(layer, id, day) else {
            return Vec::new();
        };
        let is_group = self
            .layer(layer)
            .is_some_and(|index| index.kind == LayerKind::Membership);
        let members = self.members(layer, id, day).into_iter();
        let areas = if is_group {
            members
                .filter_map(|membership| match &membership.member {
                    GroupMember::Area(layer, id) => self.area(*layer, id, day),
                    GroupMember::Practice(_) => None,
                })
                .collect()
        } else {
            vec![area]
        };
        let candidates = areas
            .into_iter()
            .filter_map(|area| self.candidate_area(area.layer, &area.id, day));
        candidates.collect()
    }

    /// Returns an area as a candidate; `None` if no position can be in the area on the day.
    fn candidate_area(&self, layer: Layer, id: &str, day: Date) -> Option<CandidateArea<'_>> {
        let layer = self.layer(layer)?;
        let is_inactive = layer.role == LayerRole::PracticeCatchment
            && !id
                .parse()
                .ok()
                .and_then(|code| self.practice(code))
                .is_some_and(|practice| practice.status_on(day) == PracticeStatus::Active);
        if is_inactive || day < layer.first_data || layer.kind == LayerKind::Membership {
            return None;
        }
        let ordinal = layer.ordinal(id)?;
        let rows = (0..).take(self.statistical_areas.codes.len());
        let is_assigned = |row| {
            layer
                .assignments_on(row, day)
                .any(|assignment| assignment.ordinal == ordinal)
        };
        let mut contains_statistical_area: Vec<bool> = rows.map(is_assigned).collect();
        for row in layer.rows_in_directory(ordinal) {
            contains_statistical_area[row as usize] = true;
        }
        let boundaries = self.statistical_areas.boundary_index.boundaries().iter();
        let statistical_boundaries = boundaries
            .zip(&contains_statistical_area)
            .filter(|(_, is_assigned)| **is_assigned);
        let own_boundaries = layer.boundaries_of(ordinal).iter();
        let own_boundaries =
            own_boundaries.map(|&own_boundary| layer.boundary_index.boundary(own_boundary));
        Some(CandidateArea {
            own_bbox: buffered_bbox(own_boundaries, layer.snap_m),
            statistical_bbox: buffered_bbox(
                statistical_boundaries.map(|statistical_boundary| statistical_boundary.0),
                self.statistical_areas.snap_m,
            ),
            layer,
            ordinal,
            contains_statistical_area,
        })
    }
}

impl CandidateArea<'_> {
    /// Returns whether a postcode must be tested because it may be in the area, given its position
    /// and its statistical area in the directory.
    fn may_contain(&self, position: BritishGrid, statistical_area: Option<u32>) -> bool {
        let is_in_bbox =
            |bbox: Option<Rect<i32>>| bbox.is_some_and(|bbox| bbox.intersects(&to_mm(&position)));
        let by_statistical = match statistical_area {
            Some(row) => self
                .contains_statistical_area
                .get(row as usize)
                .is_some_and(|contains| *contains),
            // The directory may state the area of a postcode even if it states no statistical area.
            None if self.layer.postcode_column.is_some() => true,
            None => is_in_bbox(self.statistical_bbox),
        };
        by_statistical || is_in_bbox(self.own_bbox)
    }
}

/// Returns the position in millimetres on the British National Grid.
fn to_mm(position: &BritishGrid) -> Coord<i32> {
    Coord {
        x: position.easting_mm(),
        y: position.northing_mm(),
    }
}

/// Returns the bounding box of boundaries in millimetres on the British National Grid, extended by
/// `buffer_m` metres on every side.
fn buffered_bbox<'i>(
    boundaries: impl Iterator<Item = &'i Boundary>,
    buffer_m: f64,
) -> Option<Rect<i32>> {
    let rings = boundaries
        .flat_map(|boundary| &boundary.grid)
        .flat_map(|polygon| &polygon.rings);
    let bbox = bounding_rect(rings.flatten().map(to_mm))?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a cast of a float saturates"
    )]
    let buffer_mm = (buffer_m * 1_000.0).ceil() as i32;
    let (min, max) = (bbox.min(), bbox.max());
    Some(Rect::new(
        (
            min.x.saturating_sub(buffer_mm),
            min.y.saturating_sub(buffer_mm),
        ),
        (
            max.x.saturating_add(buffer_mm),
            max.y.saturating_add(buffer_mm),
        ),
    ))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::test_dataset::{
        DAY, FIRST_DATA, build, dataset, index, km, postcode, practice_membership, rectangle, strip,
    };
    use super::*;
    use crate::domain::layers;

    /// Returns postcodes and bases; postcodes of `LA1 1` are shortened to their last two letters.
    fn summary(page: PostcodePage) -> Vec<(String, Basis)> {
        let postcodes = page.postcodes.into_iter();
        let short = |text: String| {
            text.strip_prefix("LA1 1")
                .map(str::to_string)
                .unwrap_or(text)
        };
        postcodes
            .map(|postcode| (short(postcode.entry.postcode.to_string()), postcode.basis))
            .collect()
    }

    fn postcodes_of(
        index: &Index,
        area: (Layer, &str),
        day: Date,
        filter: PostcodeFilter,
    ) -> Vec<(String, Basis)> {
        summary(index.postcodes_in(area, day, filter, None, 99))
    }

    #[track_caller]
    fn check(area: (Layer, &str), filter: PostcodeFilter, expected: &[(&str, Basis)]) {
        let expected = expected
            .iter()
            .map(|&(text, basis)| (text.to_string(), basis));
        let expected: Vec<_> = expected.collect();
        assert_eq!(postcodes_of(&index(), area, DAY, filter), expected);
    }

    #[test]
    fn area_postcodes_agree_with_locate() {
        use Basis::{Boundary, Directory, Membership, Nearest};
        let k = [("AA", Directory), ("AD", Boundary), ("AE", Nearest)];
        check((layers::icc(), "k"), PostcodeFilter::Live, &k);
        let all = [
            ("AA", Directory),
            ("AD", Boundary),
            ("AE", Nearest),
            ("AF", Directory),
            ("AG", Directory),
        ];
        check((layers::icc(), "k"), PostcodeFilter::All, &all);
        let l = [("AB", Directory), ("AJ", Directory), ("LA2 1AA", Directory)];
        check((layers::icc(), "l"), PostcodeFilter::Live, &l);
        let m = [("AA", Boundary), ("AE", Nearest)];
        check((layers::sub_community(), "m"), PostcodeFilter::Live, &m);
        check((layers::gp_practice(), "A00001"), PostcodeFilter::Live, &k);
        let inner_and_outer = [("AB", Boundary), ("LA2 1AA", Boundary)];
        check(
            (layers::gp_practice(), "A00003"),
            PostcodeFilter::Live,
            &inner_and_outer,
        );
        // The practice has a share of a statistical area but has closed, so it has no postcodes.
        check((layers::gp_practice(), "A00004"), PostcodeFilter::Live, &[]);
        let of_k = k.map(|(text, _)| (text, Membership));
        check(
            (layers::resilience_group(), "g"),
            PostcodeFilter::Live,
            &of_k,
        );
        let of_m = m.map(|(text, _)| (text, Membership));
        check(
            (layers::resilience_group(), "h"),
            PostcodeFilter::Live,
            &of_m,
        );
        check((layers::icc(), "z"), PostcodeFilter::Live, &[]);
    }

    #[test]
    fn areas_have_no_postcodes_before_their_layers_first_data() {
        let index = index();
        let before = FIRST_DATA.yesterday().expect("a day");
        let area = (layers::icc(), "k");
        assert_eq!(postcodes_of(&index, area, before, PostcodeFilter::All), []);
        assert_eq!(
            postcodes_of(&index, area, FIRST_DATA, PostcodeFilter::All).len(),
            5
        );
        assert_eq!(index.outcodes_in(area, before, PostcodeFilter::All), []);
    }

    #[test]
    fn pages_continue_after_a_postcode_and_report_whether_there_is_more() {
        let index = index();
        let page = |after: Option<&str>, limit| {
            let after = after.map(postcode);
            index.postcodes_in(
                (layers::icc(), "k"),
                DAY,
                PostcodeFilter::Live,
                after,
                limit,
            )
        };
        let texts = |page: PostcodePage| -> Vec<String> {
            summary(page).into_iter().map(|value| value.0).collect()
        };
        assert!(page(None, 2).has_more);
        assert_eq!(texts(page(None, 2)), ["AA", "AD"]);
        assert!(!page(None, 3).has_more);
        assert!(!page(Some("LA1 1AD"), 1).has_more);
        assert_eq!(texts(page(Some("LA1 1AD"), 1)), ["AE"]);
        assert_eq!(texts(page(Some("LA1 1AB"), 1)), ["AD"]);
        assert_eq!(texts(page(Some("LA1 1AE"), 1)), [""; 0]);
    }

    #[test]
    fn postcodes_are_counted_by_outward_code() {
        let counts = index().outcodes_in((layers::icc(), "l"), DAY, PostcodeFilter::Live);
        let count = |outcode: &str, postcodes, last| OutcodeCount {
            outcode: outcode.into(),
            postcode_count: postcodes,
            last_postcode: postcode(last),
        };
        assert_eq!(
            counts,
            [count("LA1", 2, "LA1 1AJ"), count("LA2", 1, "LA2 1AA")]
        );
    }

    #[test]
    fn groups_of_practices_add_no_postcodes() {
        let mut dataset = dataset();
        let member = practice_membership("A00003", layers::resilience_group(), Some("h"));
        dataset.memberships.push(member);
        let index = build(dataset);
        let group = (layers::resilience_group(), "h");
        assert_eq!(
            postcodes_of(&index, group, DAY, PostcodeFilter::Live).len(),
            2
        );
    }

    #[test]
    fn boundaries_of_other_dates_only_widen_the_search() {
        let index = index();
        let north =
            |day| postcodes_of(&index, (layers::icb(), "north"), day, PostcodeFilter::Live).len();
        // Two of the postcodes AA, AB, AD, AJ and LA2 1AA are east of 15 km.
        assert_eq!(north(date(2024, 6, 30)), 3);
        assert_eq!(north(DAY), 5);
    }

    #[test]
    fn candidate_areas_exclude_postcodes_that_cannot_be_in_them() {
        let index = index();
        let candidate = |layer, id| {
            index
                .candidate_area(layer, id, DAY)
                .expect("it has a boundary")
        };
        let k = candidate(layers::icc(), "k");
        let (inside, outside) = (km(5.0, 5.0), km(15.0, 5.0));
        // If the directory assigns a postcode to a statistical area of k, the postcode may be in k
        // whatever its position. Any other postcode may be in k only if its position is in the
        // bounding box of the boundaries of k.
        assert!(k.may_contain(outside, Some(0)) && k.may_contain(inside, Some(1)));
        assert!(!k.may_contain(outside, Some(1)) && !k.may_contain(outside, None));
        // A postcode off the coast may be in k if its distance is at most the snap distance of the
        // statistical areas.
        assert!(k.may_contain(km(-0.15, 5.0), None) && !k.may_contain(km(-0.15, 5.0), Some(1)));
        assert!(!k.may_contain(km(-0.150_001, 5.0), None));
        let m = candidate(layers::sub_community(), "m");
        assert!(m.may_contain(km(5.2, 5.0), Some(1)) && !m.may_contain(km(5.200_001, 5.0), None));
    }

    #[test]
    fn bounding_boxes_are_buffered() {
        let two = [
            rectangle("a", (0.0, 2.0), (3.0, 5.0)),
            rectangle("b", (-1.0, 3.0), (2.0, 9.0)),
        ];
        let both = buffered_bbox(two.iter(), 0.5).expect("they have vertices");
        for (east, north, expected) in [
            (-1.000_5, 1.999_5, true),
            (3.000_5, 9.000_5, true),
            (-1.000_501, 5.0, false),
            (3.000_501, 5.0, false),
            (0.0, 1.999_499, false),
            (0.0, 9.000_501, false),
        ] {
            assert_eq!(
                both.intersects(&to_mm(&km(east, north))),
                expected,
                "{east} {north}"
            );
        }
        assert!(buffered_bbox([].iter(), 1.0).is_none());
        let unbuffered =
            buffered_bbox([strip("a", 0.0, 1.0)].iter(), 0.0).expect("it has vertices");
        assert!(unbuffered.intersects(&to_mm(&km(1.0, 10.0))));
        assert!(!unbuffered.intersects(&to_mm(&km(1.000_001, 10.0))));
    }
}
