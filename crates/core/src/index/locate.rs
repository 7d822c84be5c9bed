//! [`Index::locate`]: resolves a postcode or point, and combines the answer by residence with the
//! answer by registration.

use jiff::civil::Date;

use super::Index;
use super::answer::{AnswerNote, LayerResult, LocateAnswer, LocateQuery, Location, Locator};
use super::directory::PostcodeLookup;
use super::layer::LayerIndex;
use super::uprns::UnreadableUprns;
use crate::domain::{
    Agreement, LayerKind, LayerRole, LayerSet, LookupStatus, PostcodeEntry, PostcodeStatus,
    PracticeStatus, SpecialPostcode,
};
use crate::geodesy;

impl Index {
    /// Answers a query.
    ///
    /// A position is in the areas to which its statistical area is assigned. The statistical area
    /// of a position is the area to which the directory assigns the postcode or, if the directory
    /// assigns no statistical area, the statistical area whose boundary covers the position. If a
    /// layer is not defined on statistical areas, or if a practice has its own boundary, a position
    /// is in the areas whose boundary covers the position. If the position is just off a
    /// generalised coastline, the nearest boundary is used.
    pub fn locate(&self, query: &LocateQuery) -> LocateAnswer<'_> {
        self.locate_with_distances(query, LayerSet::ALL)
    }

    /// Answers a query in the same way as [`Index::locate`], but measures distances (to the
    /// boundaries of areas, to alternatives, and to the premises of practices) only in
    /// `distance_layers`. Measuring takes most of the time, and the matches do not depend on
    /// distances.
    pub fn locate_with_distances(
        &self,
        query: &LocateQuery,
        distance_layers: LayerSet,
    ) -> LocateAnswer<'_> {
        self.locate_in(query, LayerSet::ALL, distance_layers)
    }

    /// Answers a query in the same way as [`Index::locate`], but only for `layers` and for the
    /// other layers on which the answer depends. Administrative and statistical layers that are not
    /// in `layers` may be missing from the residence, and distances are measured only in `layers`.
    pub fn locate_layers(&self, query: &LocateQuery, layers: LayerSet) -> LocateAnswer<'_> {
        self.locate_in(query, layers, layers)
    }

    /// Answers a query in the same way as [`Index::locate_layers`], but measures distances in
    /// `distance_layers`.
    pub fn locate_in(
        &self,
        query: &LocateQuery,
        layers: LayerSet,
        distance_layers: LayerSet,
    ) -> LocateAnswer<'_> {
        let (status, location) = match query.locator {
            None => (LookupStatus::Missing, None),
            Some(locator) => self.resolve_locator(locator, query.as_of),
        };
        let mut answer = LocateAnswer {
            status,
            residence: Vec::new(),
            location: None,
            statistical_area: None,
            registration: query
                .practice
                .map(|practice| self.resolve_registration(practice, query.as_of)),
            agreement: Agreement::Neither,
            notes: Vec::new(),
            nearest: Vec::new(),
            as_of: query.as_of,
        };
        match (location, query.locator) {
            (Some(location), Some(Locator::StatisticalArea(asked))) => {
                self.resolve_statistical_area(&mut answer, location, asked);
            }
            (Some(location), _) => {
                self.resolve_residence(&mut answer, location, layers, distance_layers);
            }
            (None, _) => {}
        }
        if answer.residence.is_empty() {
            let empty_results = self
                .layers
                .iter()
                .map(|index| (index.id, empty_result(index)));
            answer.residence = empty_results.collect();
        }
        answer.agreement = self.agreement(&answer);
        self.add_notes(&mut answer, query);
        answer
    }

    /// Determines the status and location of a postcode or point, without searching any areas. The
    /// location of a statistical area has no position.
    pub fn resolve_locator(&self, locator: Locator, day: Date) -> (LookupStatus, Option<Location>) {
        let without_entry = |grid| {
            let location = Location {
                locator,
                grid,
                entry: None,
                home: None,
                is_terminated: false,
                is_status_unknown: false,
            };
            (LookupStatus::Located, Some(location))
        };
        match locator {
            Locator::LonLat(lonlat) => without_entry(geodesy::to_grid(lonlat)),
            Locator::Grid(grid) => without_entry(Some(grid)),
            Locator::Uprn(uprn) => match self.find_home(uprn) {
                Ok(Some((home, resolved))) => {
                    let (status, location) = without_entry(Some(home.position));
                    let home = Some(resolved);
                    let location = location.map(|location| Location { home, ..location });
                    (status, location)
                }
                Ok(None) => (LookupStatus::UnknownUprn, None),
                Err(UnreadableUprns) => (LookupStatus::UprnUnavailable, None),
            },
            Locator::StatisticalArea(asked) => match self.find_statistical_area(asked) {
                Ok(_) => without_entry(None),
                Err(status) => (status, None),
            },
            Locator::Postcode(postcode) => {
                match (postcode.special(), self.directory.lookup(postcode)) {
                    (Some(SpecialPostcode::NoFixedAbode), _) => (LookupStatus::NoFixedAbode, None),
                    (Some(SpecialPostcode::AddressNotKnown), _) => {
                        (LookupStatus::AddressNotKnown, None)
                    }
                    (Some(SpecialPostcode::PseudoCountry), _) => {
                        (LookupStatus::PseudoCountry, None)
                    }
                    (Some(SpecialPostcode::NonGeographic), _) => (LookupStatus::NoLocation, None),
                    (None, PostcodeLookup::Unknown) => (LookupStatus::UnknownPostcode, None),
                    (None, PostcodeLookup::OutsideCoverage) => {
                        (LookupStatus::OutsideCoverage, None)
                    }
                    (None, PostcodeLookup::Entry(entry)) => self.resolve_entry(locator, entry, day),
                }
            }
        }
    }

    fn resolve_entry(
        &self,
        locator: Locator,
        entry: PostcodeEntry,
        day: Date,
    ) -> (LookupStatus, Option<Location>) {
        let postcode_status = self.postcode_status(&entry, day);
        let is_terminated = postcode_status == PostcodeStatus::Terminated;
        let status = match (entry.position, is_terminated) {
            (None, _) => LookupStatus::NoLocation,
            (Some(_), true) => LookupStatus::Terminated,
            (Some(_), false) => LookupStatus::Located,
        };
        let location = Location {
            locator,
            grid: entry.position,
            entry: Some(entry),
            home: None,
            is_terminated,
            is_status_unknown: postcode_status == PostcodeStatus::Unknown,
        };
        (status, Some(location))
    }

    fn agreement(&self, answer: &LocateAnswer<'_>) -> Agreement {
        let residence: Vec<&str> = self.community_ids(&answer.residence).collect();
        let Some(registration) = &answer.registration else {
            return Agreement::between(&residence, &[], false);
        };
        let registered: Vec<&str> = self.community_ids(&registration.areas).collect();
        Agreement::between(
            &residence,
            &registered,
            registration.is_outside_communities(),
        )
    }

    fn add_notes(&self, answer: &mut LocateAnswer<'_>, query: &LocateQuery) {
        let registered = answer
            .registration
            .as_ref()
            .and_then(|registration| registration.practice.as_ref());
        if let (Some(Locator::Postcode(postcode)), Some(registered)) = (query.locator, registered) {
            let is_own = |practice| self.registry.is_address(practice, postcode);
            if is_own(registered.practice) || is_own(registered.requested) {
                answer.notes.push(AnswerNote::PracticeAddress);
            }
        }
        let entry = answer.location.and_then(|location| location.entry);
        let introduced = entry.and_then(|entry| entry.period(None).from);
        if introduced.is_some_and(|introduced| query.as_of < introduced) {
            answer.notes.push(AnswerNote::NotYetIntroduced);
        }
        if registered.is_some_and(|practice| {
            practice.status != PracticeStatus::Closed && practice.practice.closed.is_some()
        }) {
            answer.notes.push(AnswerNote::ClosesOn);
        }
        if answer
            .location
            .is_some_and(|location| location.is_status_unknown)
        {
            answer.notes.push(AnswerNote::PostcodeStatusUnknown);
        }
        if !self
            .disagreements(&answer.residence, query.as_of)
            .is_empty()
        {
            answer.notes.push(AnswerNote::LayersDisagree);
        }
        if self.is_after_data(query.as_of) {
            answer.notes.push(AnswerNote::AfterData);
        }
        if answer.status == LookupStatus::OutsideCoverage
            && query
                .locator
                .is_some_and(|locator| self.is_covered_if_corrected(locator, query.as_of))
        {
            answer.notes.push(AnswerNote::CoordinatesSuspect);
        }
    }
}

/// Returns an empty result for a layer, for a locator without a position.
fn empty_result(layer: &LayerIndex) -> LayerResult<'_> {
    match (layer.role, layer.kind) {
        (LayerRole::PracticeCatchment, _) => LayerResult::Practices(Vec::new()),
        (_, LayerKind::Membership) => LayerResult::Groups(Vec::new()),
        _ => LayerResult::Areas(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::answer::{
        AreaMatch, GroupMatch, PracticeMatch, RegistrationReason, areas_of_layer,
    };
    use super::super::test_dataset::{
        DAY, FIRST_DATA, area, build, code, dataset, index, km, layer_entry, postcode, practice,
        practice_membership, registration_query, residence_query, strip, succession,
    };
    use super::*;
    use crate::domain::{Basis, DirectoryStatus, LonLat, Provenance, Termination};
    use crate::domain::{Layer, layers};

    fn postcode_query(text: &str) -> LocateQuery {
        residence_query(Locator::Postcode(postcode(text)))
    }

    fn grid_query(east: f64, north: f64) -> LocateQuery {
        residence_query(Locator::Grid(km(east, north)))
    }

    fn layer_result<'a, 'i>(
        layers: &'a [(Layer, LayerResult<'i>)],
        layer: Layer,
    ) -> &'a LayerResult<'i> {
        let result = layers.iter().find(|(id, _)| *id == layer);
        &result.expect("every layer has a result").1
    }

    /// Describes each match in a layer and its basis.
    fn describe(found: &LayerResult<'_>) -> Vec<String> {
        match found {
            LayerResult::Areas(areas) => {
                let description = |area_match: &AreaMatch<'_>| {
                    format!("{} {}", area_match.area.name, area_match.basis.as_str())
                };
                areas.iter().map(description).collect()
            }
            LayerResult::Practices(practices) => {
                let description = |practice_match: &PracticeMatch<'_>| {
                    format!(
                        "{} {:?}",
                        practice_match.practice.code, practice_match.catchment_kind
                    )
                };
                practices.iter().map(description).collect()
            }
            LayerResult::Groups(groups) => {
                let description = |group_match: &GroupMatch<'_>| {
                    format!("{} via {}", group_match.area.id, group_match.via.id)
                };
                groups.iter().map(description).collect()
            }
            LayerResult::Unknown(unknown) => vec![unknown.as_str().into()],
        }
    }

    #[track_caller]
    fn check(query: LocateQuery, status: LookupStatus, layers: [&[&str]; 5]) {
        let index = index();
        let answer = index.locate(&query);
        assert_eq!(answer.status, status);
        let actual: Vec<Vec<String>> = answer
            .residence
            .iter()
            .map(|value| describe(&value.1))
            .collect();
        assert_eq!(actual, layers);
    }

    /// The layers are, in order: communities, sub-communities, practices, groups and ICBs.
    #[test]
    fn areas_are_decided_by_the_directory_or_else_by_boundaries() {
        let first = ["A00002 Whole", "A00001 Whole"];
        check(
            postcode_query("LA1 1AA"),
            LookupStatus::Located,
            [
                &["K directory"],
                &["M boundary"],
                &first,
                &["h via m", "g via k"],
                &["WIDER boundary"],
            ],
        );
        check(
            postcode_query("LA1 1AB"),
            LookupStatus::Located,
            [
                &["L directory"],
                &["N boundary"],
                &["A00003 Inner"],
                &["none named by the source"],
                &["WIDER boundary"],
            ],
        );
        check(
            postcode_query("LA2 1AA"),
            LookupStatus::Located,
            [
                &["L directory"],
                &["N boundary"],
                &["A00003 Outer"],
                &["none named by the source"],
                &["WIDER boundary"],
            ],
        );
        check(
            postcode_query("LA1 1AD"),
            LookupStatus::Located,
            [
                &["K boundary"],
                &["N boundary"],
                &first,
                &["g via k"],
                &["WIDER boundary"],
            ],
        );
        check(
            postcode_query("LA1 1AJ"),
            LookupStatus::Located,
            [
                &["L directory"],
                &["N boundary"],
                &[],
                &["none named by the source"],
                &["WIDER boundary"],
            ],
        );
    }

    #[test]
    fn off_a_generalised_coast_the_nearest_area_within_the_snap_distance_decides() {
        let first = ["A00002 Whole", "A00001 Whole"];
        let nearest: [&[&str]; 5] = [
            &["K nearest"],
            &["M nearest"],
            &first,
            &["h via m", "g via k"],
            &[],
        ];
        check(postcode_query("LA1 1AE"), LookupStatus::Located, nearest);
        check(grid_query(-0.15, 5.0), LookupStatus::Located, nearest);
        check(
            grid_query(-0.150_001, 5.0),
            LookupStatus::Located,
            [&[], &["M nearest"], &[], &["h via m"], &[]],
        );
        check(
            grid_query(-0.2, 5.0),
            LookupStatus::Located,
            [&[], &["M nearest"], &[], &["h via m"], &[]],
        );
        check(
            grid_query(-0.200_001, 5.0),
            LookupStatus::OutsideCoverage,
            [&[], &[], &[], &[], &[]],
        );
        // The snap distance does not apply inside another area.
        check(
            grid_query(5.05, 5.0),
            LookupStatus::Located,
            [
                &["K boundary"],
                &["N boundary"],
                &first,
                &["g via k"],
                &["WIDER boundary"],
            ],
        );
    }

    #[test]
    fn locators_without_a_position_have_an_empty_residence() {
        let nothing: [&[&str]; 5] = [&[], &[], &[], &[], &[]];
        check(postcode_query("LA1 1AH"), LookupStatus::NoLocation, nothing);
        check(
            postcode_query("LA1 9ZZ"),
            LookupStatus::UnknownPostcode,
            nothing,
        );
        check(
            postcode_query("LA3 1AA"),
            LookupStatus::OutsideCoverage,
            nothing,
        );
        check(
            postcode_query("LA2 1AB"),
            LookupStatus::OutsideCoverage,
            nothing,
        );
        check(
            postcode_query("ZZ99 3VZ"),
            LookupStatus::NoFixedAbode,
            nothing,
        );
        check(
            postcode_query("ZZ99 3WZ"),
            LookupStatus::AddressNotKnown,
            nothing,
        );
        check(
            postcode_query("ZZ99 1AA"),
            LookupStatus::PseudoCountry,
            nothing,
        );
        check(postcode_query("GIR 0AA"), LookupStatus::NoLocation, nothing);
        let mut no_locator = postcode_query("LA1 1AA");
        no_locator.locator = None;
        check(no_locator, LookupStatus::Missing, nothing);
        let far = residence_query(Locator::LonLat(
            LonLat::new(20.0, 50.0).expect("on the Earth"),
        ));
        check(far, LookupStatus::OutsideCoverage, nothing);
        let index = index();
        let kinds = index.locate(&far).residence;
        assert!(matches!(kinds[0].1, LayerResult::Areas(_)));
        assert!(matches!(kinds[2].1, LayerResult::Practices(_)));
        assert!(matches!(kinds[3].1, LayerResult::Groups(_)));
    }

    #[test]
    fn outside_all_areas_the_nearest_community_is_reported() {
        let index = index();
        let answer = index.locate(&postcode_query("LA2 1AB"));
        let [(layer, nearest)] = answer.nearest[..] else {
            panic!("only the communities")
        };
        assert_eq!(layer, layers::icc());
        assert_eq!(nearest.area.id, "l");
        assert!((nearest.distance_m - 10_000.0).abs() < 1e-6);
        assert!(index.locate(&postcode_query("LA1 1AA")).nearest.is_empty());
    }

    #[test]
    fn a_catchment_alone_counts_as_coverage() {
        let mut dataset = dataset();
        let (_, boundaries) = dataset.boundaries.last_mut().expect("layers");
        boundaries[0] = strip("A00003", 14.0, 40.0);
        let index = build(dataset);
        let answer = index.locate(&postcode_query("LA2 1AB"));
        assert_eq!(answer.status, LookupStatus::Located);
        assert!(answer.nearest.is_empty());
    }

    #[test]
    fn layers_are_unknown_before_their_first_data() {
        let mut query = postcode_query("LA1 1AA");
        query.as_of = FIRST_DATA.yesterday().expect("a day");
        let unknown = &["no_data_for_date"][..];
        check(query, LookupStatus::Located, [unknown; 5]);
        query.practice = Some("A00001".parse());
        let index = index();
        let answer = index.locate(&query);
        let registration = answer.registration.expect("requested");
        assert_eq!(registration.areas.len(), 4);
        for (_, found) in &registration.areas {
            assert_eq!(describe(found), unknown);
        }
        assert_eq!(registration.reason, None);
        query.as_of = FIRST_DATA;
        let answer = index.locate(&query);
        assert_eq!(describe(&answer.residence[0].1), ["K directory"]);
        let registration = answer.registration.expect("requested");
        assert_eq!(describe(&registration.areas[0].1), ["K membership"]);
    }

    #[test]
    fn layers_that_are_not_requested_are_left_out_if_nothing_depends_on_them() {
        let index = index();
        let requested = |layers: &[Layer]| LayerSet::from_iter(layers.iter().copied());
        let layers_of = |answer: &LocateAnswer<'_>| -> Vec<Layer> {
            answer.residence.iter().map(|(layer, _)| *layer).collect()
        };
        let query = postcode_query("LA1 1AA");
        let full = index.locate(&query);
        let some = index.locate_layers(&query, requested(&[layers::icc()]));
        let mut expected = layers_of(&full);
        expected.retain(|layer| *layer != layers::icb());
        assert_eq!(layers_of(&some), expected);
        assert_eq!(some.status, full.status);
        assert_eq!(some.agreement, full.agreement);
        let only = index.locate_layers(&query, requested(&[layers::icb()]));
        assert_eq!(layers_of(&only), layers_of(&full));
        // If the position is outside every other layer, all layers determine whether the data cover
        // the position.
        for query in [grid_query(19.0, 30.0), postcode_query("LA2 1AB")] {
            let full = index.locate(&query);
            let some = index.locate_layers(&query, requested(&[layers::icc()]));
            assert_eq!(some.status, full.status);
            assert_eq!(some.nearest.len(), full.nearest.len());
        }
    }

    #[test]
    fn results_do_not_depend_on_which_distances_are_measured() {
        let index = index();
        let measured = [layers::icc()].into_iter().collect();
        let answer = index.locate_with_distances(&postcode_query("LA1 1AA"), measured);
        let full_answer = index.locate(&postcode_query("LA1 1AA"));
        for ((layer, some), (_, all)) in answer.residence.iter().zip(&full_answer.residence) {
            assert_eq!(describe(some), describe(all));
            match (some, all) {
                (LayerResult::Areas(some), LayerResult::Areas(all)) => {
                    assert_eq!(some[0].proximity.is_some(), *layer == layers::icc());
                    assert!(all[0].proximity.is_some());
                }
                (LayerResult::Practices(some), LayerResult::Practices(all)) => {
                    assert!(
                        some.iter()
                            .all(|practice_match| practice_match.distance_m.is_none()
                                && practice_match.premises.is_none())
                    );
                    assert!(
                        all.iter()
                            .all(|practice_match| practice_match.distance_m.is_some())
                    );
                }
                _ => {}
            }
        }
    }

    #[test]
    fn practices_are_sorted_by_share_then_code_and_have_distances() {
        let mut dataset = dataset();
        dataset.assignments[3].share = Some(0.75);
        let index = build(dataset);
        let answer = index.locate(&postcode_query("LA1 1AA"));
        let LayerResult::Practices(practices) =
            layer_result(&answer.residence, layers::gp_practice())
        else {
            panic!("practices")
        };
        let actual = practices.iter().map(|practice_match| {
            (
                practice_match.practice.code.to_string(),
                practice_match.share,
                practice_match.distance_m,
                practice_match.provenance,
                practice_match.basis,
            )
        });
        let actual: Vec<_> = actual.collect();
        // The distance is to the nearer of two premises.
        let premises = practices[0].premises.expect("measured");
        assert_eq!(premises.position, km(1.0, 1.0));
        let modelled = |text: &str, distance_m| {
            (
                text.to_string(),
                Some(0.75),
                Some(distance_m),
                Provenance::Modelled,
                Basis::Directory,
            )
        };
        assert_eq!(
            actual,
            [modelled("A00001", 0.0), modelled("A00002", 2_000.0)]
        );
        let answer = index.locate(&postcode_query("LA2 1AA"));
        let LayerResult::Practices(practices) =
            layer_result(&answer.residence, layers::gp_practice())
        else {
            panic!("practices")
        };
        assert_eq!(practices[0].provenance, Provenance::Official);
        assert_eq!(practices[0].basis, Basis::Boundary);
        assert_eq!(practices[0].share, None);
    }

    #[test]
    fn unconfirmed_postcodes_are_located_with_a_note() {
        let mut dataset = dataset();
        dataset.postcodes[1].status = DirectoryStatus::NotConfirmed;
        let index = build(dataset);
        let answer = index.locate(&postcode_query("LA1 1AB"));
        assert_eq!(answer.status, LookupStatus::Located);
        assert_eq!(answer.notes, [AnswerNote::PostcodeStatusUnknown]);
        let location = answer.location.expect("known");
        assert_eq!(location.postcode_status(), Some(PostcodeStatus::Unknown));
        assert!(!areas_of_layer(&answer.residence, layers::icc()).is_empty());
    }

    #[test]
    fn between_two_editions_an_ended_postcode_is_located_with_a_note() {
        let mut dataset = dataset();
        let month = |text: &str| text.parse().expect("a month");
        dataset.postcodes[1].status = DirectoryStatus::Terminated;
        dataset.postcodes[1].termination = Termination::between(month("2024-10"), month("2025-04"));
        let index = build(dataset);
        let on = |as_of| {
            let query = postcode_query("LA1 1AB");
            let answer = index.locate(&LocateQuery { as_of, ..query });
            (answer.status, answer.notes)
        };
        let (located, unknown) = (LookupStatus::Located, AnswerNote::PostcodeStatusUnknown);
        assert_eq!(on(date(2024, 10, 31)), (located, vec![]));
        assert_eq!(on(date(2024, 11, 1)), (located, vec![unknown]));
        assert_eq!(on(date(2025, 4, 30)), (located, vec![unknown]));
        assert_eq!(on(date(2025, 5, 1)), (LookupStatus::Terminated, vec![]));
    }

    #[test]
    fn locations_repeat_the_locator() {
        let index = index();
        let lonlat = LonLat::new(-3.27, 54.21).expect("on the Earth");
        let (status, location) = index.resolve_locator(Locator::LonLat(lonlat), DAY);
        let location = location.expect("known");
        assert_eq!(status, LookupStatus::Located);
        assert_eq!(location.lonlat().map(LonLat::lon), Some(-3.27));
        assert_eq!(location.grid, geodesy::to_grid(lonlat));
        let (_, location) = index.resolve_locator(Locator::Grid(km(1.0, 1.0)), DAY);
        let location = location.expect("known");
        assert!(location.entry.is_none() && !location.is_terminated);
        let expected = geodesy::to_lonlat(km(1.0, 1.0)).expect("on the grid");
        assert_eq!(location.lonlat().map(LonLat::lat), Some(expected.lat()));
        let (status, location) = index.resolve_locator(Locator::Postcode(postcode("LA1 1AF")), DAY);
        let location = location.expect("known");
        assert_eq!(
            (status, location.is_terminated),
            (LookupStatus::Terminated, true)
        );
        assert_eq!(location.grid, Some(km(2.0, 2.0)));
        assert!(location.entry.is_some());
    }

    #[test]
    fn debug_output_contains_no_request_data() {
        let index = index();
        let answer = index.locate(&LocateQuery {
            practice: Some("A00001".parse()),
            ..postcode_query("LA1 1AA")
        });
        assert_eq!(
            format!("{answer:?}"),
            "LocateAnswer { status: Located, .. }"
        );
        let location = answer.location.expect("known");
        assert_eq!(format!("{location:?}"), "Location(…)");
        let registration = answer.registration.expect("requested");
        assert_eq!(format!("{registration:?}"), "PracticeRegistration(…)");
    }

    #[test]
    fn registrations_follow_successions_to_the_current_practice() {
        let index = index();
        let answer = index.locate(&registration_query("A00004"));
        assert_eq!(answer.status, LookupStatus::Missing);
        let registration = answer.registration.expect("requested");
        assert_eq!(registration.reason, None);
        let actual: Vec<Vec<String>> = registration
            .areas
            .iter()
            .map(|value| describe(&value.1))
            .collect();
        assert_eq!(
            actual,
            [vec!["K membership"], vec![], vec!["g via k"], vec![]]
        );
        let communities = areas_of_layer(&registration.areas, layers::icc());
        assert_eq!(communities[0].provenance, Provenance::Derived);
        assert!(communities[0].proximity.is_none());
        let practice = registration.practice.expect("known");
        assert_eq!(practice.practice.code, code("A00001"));
        assert_eq!(practice.status, PracticeStatus::Active);
        assert_eq!(practice.requested.code, code("A00004"));
        assert_eq!(practice.requested_status, PracticeStatus::Closed);
        assert_eq!(practice.branch_is_listed, None);
        assert_eq!(practice.successions, [&succession("A00004", "A00001")]);
    }

    #[test]
    fn groups_are_unknown_if_the_source_names_none_or_omits_the_member() {
        let mut without_member = dataset();
        // The source does not list area l.
        without_member.memberships.remove(4);
        let without_member = build(without_member);
        let groups = |index: &Index, text| -> Vec<String> {
            let registration = index.locate(&registration_query(text)).registration;
            let areas = registration.expect("requested").areas;
            describe(layer_result(&areas, layers::resilience_group()))
        };
        assert_eq!(groups(&without_member, "A00002"), ["no source"]);
        assert_eq!(groups(&index(), "A00002"), ["none named by the source"]);
        // A practice that belongs to no area has no groups, so its groups are known.
        assert_eq!(groups(&without_member, "A00006"), [""; 0]);
    }

    #[track_caller]
    fn check_reason(text: &str, expected: Option<RegistrationReason>) {
        let index = index();
        let registration = index.locate(&registration_query(text)).registration;
        let registration = registration.expect("requested");
        assert_eq!(registration.reason, expected);
        let has_no_practice = |reason| {
            let with_practice = [
                RegistrationReason::ClosedNoSuccessor,
                RegistrationReason::OutsideCoverage,
            ];
            !with_practice.contains(&reason)
        };
        assert_eq!(
            registration.practice.is_none(),
            expected.is_some_and(has_no_practice)
        );
    }

    #[test]
    fn empty_registrations_have_a_reason() {
        check_reason("A00001", None);
        check_reason("", Some(RegistrationReason::Missing));
        check_reason("A-1", Some(RegistrationReason::Malformed));
        check_reason("V81999", Some(RegistrationReason::DefaultCode));
        check_reason("X99999", Some(RegistrationReason::UnknownPractice));
        check_reason("Y00001", Some(RegistrationReason::NotAGpPractice));
        check_reason("A00005", Some(RegistrationReason::ClosedNoSuccessor));
        check_reason("A00006", Some(RegistrationReason::OutsideCoverage));
        let mut cycle = dataset();
        cycle.successions.push(succession("A00005", "A00005"));
        let index = build(cycle);
        let registration = index.locate(&registration_query("A00005")).registration;
        let registration = registration.expect("requested");
        assert_eq!(
            registration.reason,
            Some(RegistrationReason::SuccessionCycle)
        );
        assert_eq!(
            registration.practice.map(|practice| practice.practice.code),
            Some(code("A00005"))
        );
        assert!(areas_of_layer(&registration.areas, layers::icc()).is_empty());
    }

    #[test]
    fn neighbourhood_teams_are_communities() {
        let mut dataset = dataset();
        let entry = layer_entry(layers::neighbourhood_team(), LayerKind::Partition);
        dataset.manifest.layers.push(entry);
        dataset.areas.push(area(layers::neighbourhood_team(), "t"));
        let member = practice_membership("A00006", layers::neighbourhood_team(), Some("t"));
        dataset.memberships.push(member);
        let index = build(dataset);
        let answer = index.locate(&registration_query("A00006"));
        assert_eq!(
            answer
                .registration
                .and_then(|registration| registration.reason),
            None
        );
        assert_eq!(answer.agreement, Agreement::RegistrationOnly);
    }

    #[test]
    fn no_practice_is_outside_coverage_without_community_layers() {
        let mut dataset = dataset();
        dataset
            .manifest
            .layers
            .retain(|entry| entry.id != layers::icc());
        let index = build(dataset);
        let answer = index.locate(&registration_query("A00006"));
        assert_eq!(
            answer
                .registration
                .and_then(|registration| registration.reason),
            None
        );
    }

    #[test]
    fn branch_codes_resolve_to_the_parent_practice() {
        let mut dataset = dataset();
        dataset.practices.push(practice("A00001002"));
        let index = build(dataset);
        let listed = |text| {
            let registration = index.locate(&registration_query(text)).registration;
            let practice = registration.expect("requested").practice.expect("known");
            (practice.practice.code, practice.branch_is_listed)
        };
        assert_eq!(listed("A00001001"), (code("A00001"), Some(false)));
        assert_eq!(listed("A00001002"), (code("A00001"), Some(true)));
    }

    #[test]
    fn agreement_compares_residence_and_registration() {
        let index = index();
        let agreement = |place: Option<&str>, practice: Option<&str>| {
            let place = place.map(|text| Locator::Postcode(postcode(text)));
            let query = LocateQuery {
                locator: place,
                practice: practice.map(str::parse),
                as_of: DAY,
            };
            index.locate(&query).agreement
        };
        let (home, away) = (Some("LA1 1AA"), Some("LA2 1AB"));
        assert_eq!(agreement(home, Some("A00001")), Agreement::Agree);
        assert_eq!(agreement(home, Some("A00002")), Agreement::Differ);
        // The practice belongs to no community in the dataset.
        assert_eq!(agreement(home, Some("A00006")), Agreement::Differ);
        assert_eq!(agreement(home, Some("A00005")), Agreement::ResidenceOnly);
        assert_eq!(agreement(home, Some("X99999")), Agreement::ResidenceOnly);
        assert_eq!(agreement(home, None), Agreement::ResidenceOnly);
        assert_eq!(agreement(away, Some("A00001")), Agreement::RegistrationOnly);
        assert_eq!(agreement(None, Some("A00001")), Agreement::RegistrationOnly);
        assert_eq!(agreement(away, Some("A00006")), Agreement::Neither);
        assert_eq!(agreement(None, None), Agreement::Neither);
    }

    #[test]
    fn communities_unknown_on_the_date_do_not_count_as_a_difference() {
        let mut dataset = dataset();
        // The first data on neighbourhood teams are earlier than the first data on ICCs.
        dataset.manifest.layers[0].first_data = date(2026, 1, 1);
        let teams = layer_entry(layers::neighbourhood_team(), LayerKind::Partition);
        dataset.manifest.layers.push(teams);
        dataset.areas.push(area(layers::neighbourhood_team(), "t"));
        let boundaries = (layers::neighbourhood_team(), vec![strip("t", 0.0, 20.0)]);
        dataset.boundaries.push(boundaries);
        let index = build(dataset);
        let answer = index.locate(&LocateQuery {
            practice: Some("A00006".parse()),
            ..postcode_query("LA1 1AA")
        });
        assert_eq!(answer.agreement, Agreement::ResidenceOnly);
    }

    #[test]
    fn notes_report_practice_addresses_introductions_and_closures() {
        let mut dataset = dataset();
        dataset.practices[1].postcode = Some(postcode("LA1 1AA"));
        dataset.premises[4].postcode = Some(postcode("LA2 1AA"));
        let index = build(dataset);
        let notes = |text: &str, practice: Option<&str>, as_of| {
            let query = LocateQuery {
                locator: Some(Locator::Postcode(postcode(text))),
                practice: practice.map(str::parse),
                as_of,
            };
            let mut notes = index.locate(&query).notes;
            // Another test covers this note.
            notes.retain(|note| *note != AnswerNote::LayersDisagree);
            notes
        };
        let address = [AnswerNote::PracticeAddress];
        assert_eq!(notes("LA1 1AA", Some("A00001"), DAY), address);
        assert_eq!(notes("LA1 1AB", Some("A00001"), DAY), []);
        assert_eq!(notes("LA1 1AA", None, DAY), []);
        // The address of the responsible practice and the address of the requested practice both
        // lead to a note.
        assert_eq!(notes("LA1 1AA", Some("A00004"), DAY), address);
        assert_eq!(notes("LA2 1AA", Some("A00004"), DAY), address);
        assert_eq!(notes("LA2 1AA", Some("A00001"), DAY), []);
        let introduced = date(2025, 6, 1);
        let before = introduced.yesterday().expect("a day");
        assert_eq!(
            notes("LA1 1AG", None, before),
            [AnswerNote::NotYetIntroduced]
        );
        assert_eq!(notes("LA1 1AG", None, introduced), []);
        assert_eq!(
            notes("LA1 1AB", Some("A00002"), DAY),
            [AnswerNote::ClosesOn]
        );
        // The practice has closed, and the dataset is more than a year old.
        assert_eq!(
            notes("LA1 1AB", Some("A00002"), date(2026, 4, 1)),
            [AnswerNote::AfterData]
        );
        assert_eq!(notes("LA1 1AB", Some("A00005"), DAY), []);
    }

    #[test]
    fn areas_of_layer_returns_only_that_layer() {
        let index = index();
        let answer = index.locate(&postcode_query("LA1 1AA"));
        let ids = |layer| -> Vec<&str> {
            let areas = areas_of_layer(&answer.residence, layer).iter();
            areas
                .map(|area_match| area_match.area.id.as_str())
                .collect()
        };
        assert_eq!(ids(layers::icc()), ["k"]);
        assert_eq!(ids(layers::sub_community()), ["m"]);
        assert_eq!(ids(layers::resilience_group()), [""; 0]);
        assert_eq!(ids(layers::pcn()), [""; 0]);
    }

    #[test]
    fn answers_are_in_the_order_of_the_manifest_and_groups_need_no_place_in_it() {
        let mut dataset = dataset();
        dataset.manifest.layers.reverse();
        let index = build(dataset);
        let query = LocateQuery {
            practice: Some(Ok(code("A00001"))),
            ..postcode_query("LA1 1AA")
        };
        let answer = index.locate(&query);
        let ids: Vec<&str> = answer.residence.iter().map(|(id, _)| id.as_str()).collect();
        let expected = [
            "icb",
            "resilience-group",
            "gp-practice",
            "sub-community",
            "icc",
        ];
        assert_eq!(ids, expected);
        let groups = |results| describe(layer_result(results, layers::resilience_group()));
        assert_eq!(groups(&answer.residence), ["g via k", "h via m"]);
        let registration = answer.registration.expect("the query has a practice");
        assert_eq!(groups(&registration.areas), ["g via k"]);
    }
}
