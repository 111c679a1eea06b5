//! Matching in Rust, hot and cold, on the workloads M1 to M6, beside a hit in a hash map of the same size.
//!
//! `cargo bench -p stentor-core --bench matching`; a name behind `--` measures only what it is part of.
mod common;

use std::hint::black_box;

use common::{COLD, Draw, HOT, Workload, all_wild, devices, index_of, map_beside, mixed, wide};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use stentor_core::Index;

/// Measures matches of these topics, one after another and again from the first.
fn bench_matches(criterion: &mut Criterion, name: &str, index: &mut Index, topics: &[String]) {
    let mut ids = Vec::new();
    let mut following = topics.iter().cycle();
    criterion.bench_function(name, |bencher| {
        bencher.iter(|| {
            let topic = following.next().expect("a cycle does not end");
            index.match_into(topic, &mut ids).expect("it is a topic");
            ids.len()
        });
    });
}

fn bench_workload(criterion: &mut Criterion, name: &str, work: &Workload) {
    let mut index = index_of(&work.patterns);
    bench_matches(
        criterion,
        &format!("{name}/hot"),
        &mut index,
        &work.topics[..HOT],
    );
    bench_matches(criterion, &format!("{name}/cold"), &mut index, &work.topics);
}

fn mixed_and_wild(criterion: &mut Criterion) {
    for size in [1_000, 10_000, 100_000, 1_000_000] {
        let work = mixed(size, COLD, 1);
        bench_workload(criterion, &format!("M1 mixed/{size}"), &work);
        let (map, hits) = map_beside(&work.patterns);
        let mut following = hits.iter().cycle();
        criterion.bench_function(&format!("M1 mixed/{size}/HashMap hit"), |bencher| {
            bencher.iter(|| map.get(following.next().expect("a cycle does not end").as_str()));
        });
        bench_workload(
            criterion,
            &format!("M2 all wildcards/{size}"),
            &all_wild(size, COLD, 1),
        );
    }
}

fn wide_and_devices(criterion: &mut Criterion) {
    bench_workload(criterion, "M3 wide", &wide());
    bench_workload(criterion, "M4 devices", &devices(20_000));
}

/// One subscription comes and goes between so many lookups.
fn churn(criterion: &mut Criterion) {
    let work = mixed(10_000, 10_000, 1);
    let mut index = index_of(&work.patterns);
    let mut group = criterion.benchmark_group("M5 churn");
    for period in [1_usize, 10, 100, 1000] {
        let mut draw = Draw(3);
        let mut ids = Vec::new();
        group.throughput(Throughput::Elements(period as u64));
        group.bench_function(format!("a change per {period}"), |bencher| {
            bencher.iter(|| {
                let number = draw.below(1000);
                let changing = [
                    format!("reply.r{number}"),
                    format!("agent.{number}.*"),
                    "room.*.msg.3".into(),
                    "*".into(),
                ];
                let added = index.add(&changing[number % 4]).expect("it is a pattern");
                for _ in 0..period {
                    let topic = &work.topics[draw.below(work.topics.len())];
                    index.match_into(topic, &mut ids).expect("it is a topic");
                }
                index.remove(added).expect("it is there")
            });
        });
    }
    group.finish();
}

fn fan_in_and_removal(criterion: &mut Criterion) {
    let mut index = index_of(&vec!["fan.in".to_owned(); 100_000]);
    bench_matches(
        criterion,
        "M6 100,000 of one pattern",
        &mut index,
        &["fan.in".to_owned()],
    );
    let patterns = mixed(100_000, 0, 1).patterns;
    let mut group = criterion.benchmark_group("M6 removal");
    group
        .sample_size(10)
        .throughput(Throughput::Elements(100_000));
    group.bench_function("100,000 in random order", |bencher| {
        let full = || {
            let mut index = index_of(&[]);
            let mut ids = index.add_many(&patterns).expect("they are patterns");
            Draw(8).shuffle(&mut ids);
            (index, ids)
        };
        bencher.iter_batched(
            full,
            |(mut index, ids)| {
                for id in ids {
                    drop(index.remove(id));
                }
                index
            },
            BatchSize::LargeInput,
        );
    });
    group.finish();
    let mut once = 0_u64;
    criterion.bench_function("M6 one-shot topics", |bencher| {
        bencher.iter(|| {
            once += 1;
            black_box(index.matches(&format!("once.t{once}.done")))
        });
    });
}

criterion_group!(
    benches,
    mixed_and_wild,
    wide_and_devices,
    churn,
    fan_in_and_removal
);
criterion_main!(benches);
