//! Tests of the layer of the statistical areas, and of layers that are based on the postcode
//! directory.

use super::answer::{LayerResult, UnknownReason};
use super::test_dataset::{
    DAY, area, assignment, build, dataset, entry, km, layer_entry, postcode, registration_query,
    residence_query,
};
use super::{Index, Locator, PostcodeFilter, PostcodeLookup};
use crate::domain::{
    Dataset, Layer, LayerEntry, LayerKind, LayerRole, LookupStatus, PostcodeCodes, PostcodeColumn,
    RecordIndex, layers,
};

fn own_layer() -> Layer {
    layers::named("lsoa11")
}

fn later_layer() -> Layer {
    layers::named("lsoa21")
}

/// Returns the dataset with the layer of its statistical areas, and a layer in which `E01000001` is
/// S0, and `E01000002` and `E01000003` are parts of S1. According to the directory, `LA1 1AB` and
/// `LA2 2AA` are in `E01000002`, although the position of `LA2 2AA` is in S0.
fn with_statistical_layers() -> Dataset {
    let mut dataset = dataset();
    let statistical = |id| LayerEntry {
        role: LayerRole::Statistical,
        on_statistical_areas: true,
        ..layer_entry(id, LayerKind::Partition)
    };
    dataset.manifest.layers.push(LayerEntry {
        boundaries: Some("areas/lsoa11.geojson".into()),
        ..statistical(own_layer())
    });
    dataset.manifest.layers.push(LayerEntry {
        postcode_column: Some(PostcodeColumn::Lsoa21),
        ..statistical(later_layer())
    });
    for code in ["S0", "S1", "S2"] {
        dataset.areas.push(area(own_layer(), code));
        let own = assignment(code, own_layer(), code, None);
        dataset.assignments.push(own);
    }
    for code in ["E01000001", "E01000002", "E01000003"] {
        dataset.areas.push(area(later_layer(), code));
    }
    let whole = assignment("S0", later_layer(), "E01000001", None);
    dataset.assignments.push(whole);
    dataset.postcode_codes = vec![PostcodeCodes {
        lsoa21: "E01000002".parse().ok(),
        ..PostcodeCodes::default()
    }];
    let pseudo = dataset.postcodes.pop().expect("a pseudo postcode");
    let implausible = entry("LA2 2AA", Some(km(5.0, 5.0)), Some(1));
    dataset.postcodes.push(implausible);
    dataset.postcodes.push(pseudo);
    for entry in &mut dataset.postcodes {
        if [postcode("LA1 1AB"), postcode("LA2 2AA")].contains(&entry.postcode) {
            entry.codes = Some(RecordIndex::new(0));
        }
    }
    dataset
}

/// Returns the area in the layer of the statistical areas and in the other layer, each with its
/// basis.
fn areas_at(index: &Index, locator: Locator) -> [String; 2] {
    let answer = index.locate(&residence_query(locator));
    assert_eq!(answer.status, LookupStatus::Located);
    [own_layer(), later_layer()].map(|layer| {
        let mut results = answer.residence.iter();
        match results.find(|(id, _)| *id == layer) {
            Some((_, LayerResult::Areas(areas))) => {
                let [found] = areas.as_slice() else {
                    panic!("{areas:?}");
                };
                assert!(found.proximity.is_none());
                format!("{} {}", found.area.id, found.basis.as_str())
            }
            Some((_, LayerResult::Unknown(reason))) => reason.as_str().into(),
            other => panic!("{other:?}"),
        }
    })
}

#[test]
fn the_directory_decides_and_areas_without_a_boundary_need_it() {
    let index = build(with_statistical_layers());
    let no_boundary = UnknownReason::NoBoundary.as_str();
    for (text, expected) in [
        ("LA1 1AA", ["S0 directory", "E01000001 directory"]),
        ("LA1 1AB", ["S1 directory", "E01000002 directory"]),
        // The directory contains no code of the later census for this postcode.
        ("LA2 1AA", ["S1 directory", "no source"]),
        // The directory's statistical area is too far away, so the other codes in the directory are
        // not used.
        ("LA2 2AA", ["S0 boundary", "E01000001 boundary"]),
    ] {
        let found = areas_at(&index, Locator::Postcode(postcode(text)));
        assert_eq!(found, expected, "{text}");
    }
    for (position, expected) in [
        (km(5.0, 5.0), ["S0 boundary", "E01000001 boundary"]),
        (km(15.0, 5.0), ["S1 boundary", no_boundary]),
    ] {
        assert_eq!(areas_at(&index, Locator::Grid(position)), expected);
    }
    // The codes themselves are the same as in the directory.
    let PostcodeLookup::Entry(entry) = index.lookup_postcode(postcode("LA2 2AA")) else {
        panic!("not in the directory");
    };
    let code = index.postcode_codes(&entry).lsoa21;
    assert_eq!(code, "E01000002".parse().ok());
}

#[test]
fn areas_without_a_boundary_have_postcodes() {
    let index = build(with_statistical_layers());
    let postcodes = |id: &str| -> Vec<String> {
        let area = (later_layer(), id);
        let page = index.postcodes_in(area, DAY, PostcodeFilter::All, None, 99);
        let postcodes = page.postcodes.iter();
        postcodes
            .map(|found| found.entry.postcode.to_string())
            .collect()
    };
    assert_eq!(postcodes("E01000002"), ["LA1 1AB"]);
    assert_eq!(postcodes("E01000003"), Vec::<String>::new());
    assert!(postcodes("E01000001").contains(&"LA2 2AA".to_string()));
}

#[test]
fn the_layer_of_the_statistical_areas_shares_their_boundaries() {
    let index = build(with_statistical_layers());
    let ids = index.boundaries(own_layer(), DAY);
    let ids: Vec<&str> = ids.map(|boundary| boundary.id.as_str()).collect();
    assert_eq!(ids, ["S0", "S1", "S2"]);
    assert_eq!(index.areas_with_geometry(own_layer(), 0).len(), 3);
    let keys = index.manifest().statistical_area_layer();
    assert_eq!(keys, Some(own_layer()));
}

#[test]
fn nobody_is_registered_with_a_statistical_area() {
    let index = build(with_statistical_layers());
    let answer = index.locate(&registration_query("A00001"));
    let registration = answer.registration.expect("a practice");
    let mut layers = registration.areas.iter().map(|(layer, _)| *layer);
    assert!(!layers.any(|layer| [own_layer(), later_layer()].contains(&layer)));
}

#[test]
fn ids_that_are_codes_are_codes_of_their_scheme() {
    let index = build(with_statistical_layers());
    let codes = |layer, id| -> Vec<(&str, &str)> {
        let area = index.area(layer, id, DAY).expect("an area");
        index.codes_of(area).collect()
    };
    assert_eq!(codes(later_layer(), "E01000001"), [("gss", "E01000001")]);
    assert!(codes(layers::icc(), "k").is_empty());
}
