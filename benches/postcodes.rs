//! Measures the time to find the directory entry for a postcode, given as text, among all postcodes
//! of Great Britain. Compares this time with the time of the straightforward solution, a
//! `HashMap<String, u32>`. The benchmark then measures other operations of the directory: finding
//! the nearest postcodes and completing a prefix.
//!
//! If `CATCHMENT_CODE_POINT_OPEN=codepo_gb.zip` is set, the benchmark imports and uses the real
//! postcodes of Code-Point Open. Otherwise, it generates about the same number of synthetic
//! postcodes in the postcode areas of Great Britain.
//!
//! The benchmark sums all results, so that a fast wrong answer is not mistaken for an improvement.

use std::collections::HashMap;
use std::hint::black_box;
use std::path::Path;

use catchment::builder::build;
use catchment::dataset::{self, Dataset, DatasetSource, read};
use catchment::domain::{
    AreaFacts, BritishGrid, DirectoryStatus, PositionalQuality, Postcode, PostcodeEntry,
    PostcodePrefix, RecordIndex,
};
use catchment::index::{Index, PostcodeLookup};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use jiff::civil::{Date, date};

const DAY: Date = date(2026, 4, 30);

/// The number of postcodes that a batch looks up at a time.
const BATCH_SIZE: usize = 256;

/// A small random number generator (splitmix64) with a fixed seed.
struct SplitMix64(u64);

impl SplitMix64 {
    /// Returns a number below `end`.
    fn next_below(&mut self, end: u32) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed = (mixed ^ (mixed >> 31)) >> 32;
        u32::try_from((mixed * u64::from(end)) >> 32).expect("below `end`")
    }

    /// Returns an index below `len`.
    fn next_index(&mut self, len: usize) -> usize {
        self.next_below(u32::try_from(len).expect("a few million")) as usize
    }
}

/// The postcode areas of Great Britain, each with its approximate number of districts.
const AREAS: &str = "AB 45 AL 10 B 98 BA 22 BB 18 BD 24 BH 31 BL 9 BN 45 BR 8 BS 49 CA 28 CB 25 CF 72 \
    CH 66 CM 77 CO 16 CR 9 CT 21 CV 47 CW 12 DA 18 DD 11 DE 75 DG 16 DH 9 DL 17 DN 55 DT 11 DY 14 E 20 \
    EC 4 EH 55 EN 11 EX 39 FK 21 FY 8 G 84 GL 56 GU 52 HA 9 HD 9 HG 5 HP 27 HR 9 HS 9 HU 20 HX 7 IG 11 \
    IP 33 IV 63 KA 30 KT 24 KW 17 KY 16 L 40 LA 23 LD 8 LE 67 LL 78 LN 13 LS 29 LU 7 M 46 ME 20 MK 46 \
    ML 12 N 22 NE 71 NG 34 NN 29 NP 26 NR 35 NW 11 OL 16 OX 49 PA 78 PE 38 PH 50 PL 35 PO 41 PR 26 RG 45 \
    RH 20 RM 20 S 81 SA 73 SE 28 SG 19 SK 23 SL 9 SM 7 SN 26 SO 53 SP 11 SR 8 SS 17 ST 21 SW 20 SY 25 \
    TA 24 TD 15 TF 13 TN 40 TQ 14 TR 27 TS 29 TW 20 UB 11 W 14 WA 16 WC 2 WD 25 WF 17 WN 8 WR 15 WS 15 \
    WV 16 YO 62 ZE 3";

const SYNTHETIC_POSTCODES: usize = 1_739_034;

fn outcodes() -> Vec<String> {
    let words: Vec<&str> = AREAS.split_whitespace().collect();
    let districts = words.chunks(2).flat_map(|area| {
        let last: u32 = area[1].parse().expect("a number");
        (1..=last).map(move |district| format!("{}{district}", area[0]))
    });
    districts.collect()
}

/// Returns sorted synthetic postcodes that are spread over the outward codes.
fn synthetic_postcodes() -> Vec<PostcodeEntry> {
    const LETTERS: &[u8] = b"ABDEFGHJLNPQRSTUWXYZ";
    let outcodes = outcodes();
    let mut rng = SplitMix64(1);
    let mut codes: Vec<Postcode> = Vec::new();
    while codes.len() < SYNTHETIC_POSTCODES {
        for _ in codes.len()..SYNTHETIC_POSTCODES + SYNTHETIC_POSTCODES / 50 {
            let outcode = &outcodes[rng.next_index(outcodes.len())];
            let letter = |rng: &mut SplitMix64| char::from(LETTERS[rng.next_below(20) as usize]);
            // Use four of the ten possible sectors of each outward code, about as many as real
            // outward codes have.
            let (digit, first, second) = (rng.next_below(4), letter(&mut rng), letter(&mut rng));
            let text = format!("{outcode} {digit}{first}{second}");
            codes.push(text.parse().expect("a postcode"));
        }
        codes.sort_unstable();
        codes.dedup();
    }
    codes.truncate(SYNTHETIC_POSTCODES);
    let entry = |postcode| PostcodeEntry {
        postcode,
        position: BritishGrid::from_metres(
            f64::from(rng.next_below(655_000)),
            f64::from(rng.next_below(1_213_000)),
        )
        .ok(),
        positional_quality: PositionalQuality::new(10),
        is_large_user: false,
        status: DirectoryStatus::Live,
        introduced: None,
        termination: None,
        statistical_area: Some(RecordIndex::new(rng.next_below(43_000))),
        codes: None,
    };
    codes.into_iter().map(entry).collect()
}

/// Builds a dataset from Code-Point Open, and returns the postcodes of the dataset.
fn import_code_point_open(archive: &str) -> Vec<PostcodeEntry> {
    let folder = tempfile::tempdir().expect("a folder");
    let config = format!(
        "name = \"gb\"\nversion = \"1\"\ntitle = \"\"\nas_of = \"2025-05-01\"\nattribution = \"\"\n\
         licence = \"https://example.org/licence\"\ntolerance_m = 100\noutput = \"gb\"\nsources = []\nlayers = []\n\
         [postcodes]\ndirectories = [{{ format = \"code-point-open\", file = {archive:?} }}]\n"
    );
    let path = folder.path().join("build.toml");
    std::fs::write(&path, config).expect("a configuration");
    build(&path, None).expect("Code-Point Open as published");
    read(&DatasetSource::Folder(folder.path().join("gb")))
        .expect("a dataset")
        .postcodes
}

fn load_entries() -> Vec<PostcodeEntry> {
    match std::env::var("CATCHMENT_CODE_POINT_OPEN") {
        Ok(archive) => {
            let archive = std::fs::canonicalize(Path::new(&archive)).expect("the archive exists");
            import_code_point_open(archive.to_str().expect("a path in UTF-8"))
        }
        Err(_) => synthetic_postcodes(),
    }
}

fn dataset_with(postcodes: Vec<PostcodeEntry>) -> Dataset {
    let manifest = "name = \"gb\"\nversion = \"1\"\ntitle = \"\"\nas_of = \"2025-01-01\"\n\
         attribution = \"\"\nlicence = \"https://example.org/licence\"\ntolerance_m = 100.0\ncomplete_outcodes = []\n\
         layers = []\nsources = []\n[files]\n";
    Dataset {
        manifest: dataset::manifest_from_toml(manifest).expect("a manifest"),
        digest: String::new(),
        areas: Vec::new(),
        boundaries: Vec::new(),
        lineage: Vec::new(),
        memberships: Vec::new(),
        practices: Vec::new(),
        premises: Vec::new(),
        successions: Vec::new(),
        statistical_areas: Vec::new(),
        statistical_boundaries: Vec::new(),
        assignments: Vec::new(),
        former_premises: Vec::new(),
        neighbouring_practices: Vec::new(),
        not_gp_practices: Vec::new(),
        postcodes,
        postcode_codes: Vec::new(),
        postcode_homes: Vec::new(),
        golden_queries: Vec::new(),
        stated_counts: Vec::new(),
        facts: AreaFacts::default(),
    }
}

/// Returns the easting in metres, or 0 if there is no position. The benchmarks compare the sum of
/// the eastings.
fn easting_m(entry: &PostcodeEntry) -> i64 {
    let position = entry.position;
    position.map_or(0, |position| i64::from(position.easting_mm() / 1_000))
}

fn listed_easting_m(listing: &PostcodeLookup) -> i64 {
    match black_box(listing) {
        PostcodeLookup::Entry(entry) => easting_m(entry),
        _ => panic!("every postcode is in the directory"),
    }
}

fn postcodes(criterion: &mut Criterion) {
    let mut entries = load_entries();
    let index = Index::build(dataset_with(entries.clone())).expect("the dataset is consistent");
    let total: i64 = entries.iter().map(easting_m).sum();
    let eastings: Vec<i64> = entries.iter().map(easting_m).collect();
    let map: HashMap<String, u32> = (0..)
        .zip(&entries)
        .map(|(row, entry)| (entry.postcode.to_string(), row))
        .collect();
    let rows: u64 = (0..entries.len() as u64).sum();
    // A Fisher-Yates shuffle. All benchmarks use the same order.
    let mut rng = SplitMix64(2);
    for position in (1..entries.len()).rev() {
        entries.swap(position, rng.next_index(position + 1));
    }
    let texts: Vec<String> = entries
        .iter()
        .map(|entry| entry.postcode.to_string())
        .collect();
    drop(entries);

    let mut group = criterion.benchmark_group("postcode");
    group
        .throughput(Throughput::Elements(texts.len() as u64))
        .sample_size(10);
    group.bench_function("text to postcode", |bencher| {
        bencher.iter(|| {
            let parsed = texts.iter().map(|text| black_box(parse(text)));
            assert_eq!(parsed.count(), texts.len());
        });
    });
    group.bench_function("text to row, one at a time", |bencher| {
        bencher.iter(|| {
            let found = texts.iter().map(|text| index.postcode_row(parse(text)));
            let found =
                found.map(|row| u64::from(row.expect("every postcode is in the directory")));
            assert_eq!(found.sum::<u64>(), rows);
        });
    });
    group.bench_function("text to row, in batches", |bencher| {
        bencher.iter(|| {
            let found = texts.chunks(BATCH_SIZE).map(|batch| {
                let postcodes: Vec<Postcode> = batch.iter().map(|text| parse(text)).collect();
                let found = index.postcode_rows(&postcodes).into_iter();
                let found =
                    found.map(|row| u64::from(row.expect("every postcode is in the directory")));
                found.sum::<u64>()
            });
            assert_eq!(found.sum::<u64>(), rows);
        });
    });
    group.bench_function("text to entry, one at a time", |bencher| {
        bencher.iter(|| {
            let found = texts
                .iter()
                .map(|text| listed_easting_m(&index.lookup_postcode(parse(text))));
            assert_eq!(found.sum::<i64>(), total);
        });
    });
    group.bench_function("text to entry, in batches", |bencher| {
        bencher.iter(|| {
            let found = texts.chunks(BATCH_SIZE).map(|batch| {
                let postcodes: Vec<Postcode> = batch.iter().map(|text| parse(text)).collect();
                let listed = index.lookup_postcodes(&postcodes);
                listed.iter().map(listed_easting_m).sum::<i64>()
            });
            assert_eq!(found.sum::<i64>(), total);
        });
    });
    group.bench_function("baseline: HashMap<String, u32>, text to row", |bencher| {
        bencher.iter(|| {
            let found = texts.iter().map(|text| u64::from(black_box(map[text])));
            assert_eq!(found.sum::<u64>(), rows);
        });
    });
    group.bench_function("baseline: the same, in batches", |bencher| {
        bencher.iter(|| {
            let found = texts.chunks(BATCH_SIZE).map(|batch| {
                let found: Vec<u32> = batch.iter().map(|text| map[text]).collect();
                black_box(found).into_iter().map(u64::from).sum::<u64>()
            });
            assert_eq!(found.sum::<u64>(), rows);
        });
    });
    group.bench_function(
        "baseline: HashMap<String, u32>, text to easting",
        |bencher| {
            bencher.iter(|| {
                let found = texts
                    .iter()
                    .map(|text| black_box(eastings[map[text] as usize]));
                assert_eq!(found.sum::<i64>(), total);
            });
        },
    );
    group.finish();
    bench_directory(criterion, &index, &texts);
}

fn parse(text: &str) -> Postcode {
    black_box(text).parse().expect("a postcode")
}

/// Measures other operations of the directory, with the first postcodes in the shuffled order.
fn bench_directory(criterion: &mut Criterion, index: &Index, texts: &[String]) {
    const LOOKUPS: usize = 1_000;
    let entries = texts
        .iter()
        .map(|text| match index.lookup_postcode(parse(text)) {
            PostcodeLookup::Entry(entry) => entry,
            _ => panic!("every postcode is in the directory"),
        });
    let located: Vec<(Postcode, BritishGrid)> = entries
        .filter_map(|entry| Some((entry.postcode, entry.position?)))
        .take(LOOKUPS)
        .collect();
    let mut group = criterion.benchmark_group("directory");
    group
        .throughput(Throughput::Elements(LOOKUPS as u64))
        .sample_size(20);
    group.bench_function("the ten nearest to a point", |bencher| {
        bencher.iter(|| {
            for (_, position) in &located {
                let near = index.nearest_postcodes(black_box(*position), 10, DAY);
                assert!(near.len() == 10 && near[0].1 < 1e-9);
            }
        });
    });
    group.bench_function("ten completions of an outward code", |bencher| {
        bencher.iter(|| {
            for (postcode, _) in &located {
                let prefix: PostcodePrefix =
                    black_box(postcode.outcode()).parse().expect("a prefix");
                let found = index.completions(&prefix, 10, DAY);
                assert_eq!(found.postcodes[0].postcode.outcode(), postcode.outcode());
            }
        });
    });
    group.finish();
}

criterion_group!(benches, postcodes);
criterion_main!(benches);
