//! Measures the start-up time, from reading the embedded dataset to the first answer.

use std::hint::black_box;

use catchment::dataset::{DatasetSource, read};
use catchment::domain::{Layer, LookupStatus};
use catchment::index::{Index, LayerResult, LocateQuery, Locator};
use criterion::{Criterion, criterion_group, criterion_main};
use jiff::civil::date;

fn first_answer(index: &Index) {
    let place = Some(Locator::Postcode("LA18 4DB".parse().expect("a postcode")));
    let answer = index.locate(&LocateQuery {
        locator: black_box(place),
        practice: None,
        as_of: date(2026, 4, 30),
    });
    assert_eq!(answer.status, LookupStatus::Located);
    let icc = answer
        .residence
        .iter()
        .find(|(layer, _)| *layer == Layer::declare("icc").expect("an id"));
    let Some((_, LayerResult::Areas(areas))) = icc else {
        panic!("the answer has no areas of the ICC layer");
    };
    assert_eq!(areas[0].area.id, "mb-barrow-and-millom");
}

fn load(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("load");
    group.sample_size(20);
    group.bench_function("read and verify", |bencher| {
        bencher.iter(|| {
            let dataset = read(&DatasetSource::Embedded).expect("the embedded dataset is valid");
            assert_eq!(black_box(dataset).postcodes.len(), 68_062);
        });
    });
    group.bench_function("to the first answer", |bencher| {
        bencher.iter(|| {
            let dataset = read(&DatasetSource::Embedded).expect("the embedded dataset is valid");
            first_answer(&Index::build(dataset).expect("the dataset is consistent"));
        });
    });
    group.finish();
}

criterion_group!(benches, load);
criterion_main!(benches);
