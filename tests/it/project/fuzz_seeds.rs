//! Runs the fuzz targets on their seeds.

use std::fs;
use std::path::Path;

use catchment_fuzz::{TARGETS, shapefile};

#[test]
fn seeds_pass_and_every_target_accepts_one() {
    let seeds = Path::new("fuzz/seeds");
    for (name, target) in TARGETS {
        let folder = fs::read_dir(seeds.join(name)).unwrap_or_else(|_| panic!("no {name}"));
        let mut accepted = Vec::new();
        for seed in folder {
            let path = seed.expect("a seed").path();
            let bytes = fs::read(&path).expect("a seed");
            // The path is printed if the target panics.
            eprintln!("{}", path.display());
            accepted.extend(target(&bytes).then_some(path));
        }
        assert!(!accepted.is_empty(), "no seed of {name} is accepted");
    }
}

/// A Shapefile has no checksum, so some flipped bits are not detected. See
/// docs/operators/faults.md.
#[test]
fn flipped_bits_of_a_shapefile_are_rejected_or_move_something() {
    let seed = include_bytes!("../../../fuzz/seeds/shapefile/two");
    // The flips begin after the two lengths, which are not part of the Shapefile.
    let bits = 64..8 * seed.len();
    let flips = bits.len();
    let is_accepted = |bit: &usize| {
        let mut flipped = seed.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        shapefile(&flipped)
    };
    let accepted = bits.filter(is_accepted).count();
    println!("{accepted} of {flips} flips are not detected");
    assert!((1..flips).contains(&accepted));
}

#[test]
fn every_target_has_a_fuzz_binary() {
    let manifest = include_str!("../../../fuzz/Cargo.toml");
    let manifest: toml::Table = toml::from_str(manifest).expect("a manifest");
    let listed = manifest["bin"].as_array().expect("binaries").iter();
    let mut listed: Vec<&str> = listed.filter_map(|value| value["name"].as_str()).collect();
    listed.sort_unstable();
    assert_eq!(listed, TARGETS.map(|(name, _)| name));
}
