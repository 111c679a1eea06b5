//! The goals of the matcher that concern Rust alone: ratios of things measured in turns in this run, and absolutes.
//!
//! `cargo bench -p stentor-core --bench goals`
#![allow(clippy::cast_precision_loss, reason = "a figure needs few digits")]
mod common;
#[path = "common/counting.rs"]
mod counting;
mod hostile;

use std::hint::black_box;

use common::{COLD, Draw, in_turns, index_of, map_beside, mixed};
use stentor_core::SubscriptionId;

const MILLION: usize = 1_000_000;
const ROUNDS: usize = 11;

fn row(what: &str, measured: f64, unit: &str, goal: f64, worst: f64) {
    let verdict = match measured {
        m if m <= goal => "goal met",
        m if m <= worst => "accepted",
        _ => "NOT met",
    };
    println!("{what:<64} {measured:>9.2} {unit:<7} goal {goal:>6} worst {worst:>6}  {verdict}");
}

/// Nanoseconds of a cold match and of a hit in a hash map of the same size, and bytes a subscription.
fn cold(subscriptions: usize) -> (f64, f64, f64) {
    let work = mixed(subscriptions, COLD, 1);
    let before = counting::in_use();
    let mut index = index_of(&work.patterns);
    let bytes = (counting::in_use() - before) as f64 / subscriptions as f64;
    let (map, hits) = map_beside(&work.patterns);
    let (mut ids, mut found) = (Vec::new(), 0_usize);
    let mut matches = || {
        for topic in &work.topics {
            index.match_into(topic, &mut ids).expect("it is a topic");
            found += ids.len();
        }
    };
    let mut lookups = || {
        for key in &hits {
            black_box(map.get(key.as_str()));
        }
    };
    let times = in_turns(ROUNDS, COLD, &mut [&mut matches, &mut lookups]);
    println!(
        "  {subscriptions} subscriptions: match {:.0} ns, HashMap hit {:.0} ns, {:.2} found a topic",
        times[0],
        times[1],
        found as f64 / (ROUNDS * COLD) as f64
    );
    (times[0], times[1], bytes)
}

/// Nanoseconds of adding and of removing, in random order, at a million.
fn change() -> (f64, f64) {
    let mut index = index_of(&mixed(MILLION, 0, 1).patterns);
    let more = mixed(MILLION, 0, 9).patterns;
    let fresh = &more[..COLD];
    let mut live: Vec<SubscriptionId> = Vec::new();
    let mut draw = Draw(4);
    let mut medians = [Vec::new(), Vec::new()];
    for _ in 0..5 {
        let mut add = || {
            for pattern in fresh {
                live.push(index.add(pattern).expect("it is a pattern"));
            }
        };
        medians[0].push(in_turns(1, COLD, &mut [&mut add])[0]);
        draw.shuffle(&mut live);
        let mut remove = || {
            for id in live.drain(..) {
                drop(index.remove(id).expect("it is there"));
            }
        };
        medians[1].push(in_turns(1, COLD, &mut [&mut remove])[0]);
    }
    let [add, remove] = medians.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[2]
    });
    (add, remove)
}

/// Bytes in use after so many adds and removes, beside those before.
fn kept_after_a_million_changes() -> (usize, usize) {
    let work = mixed(MILLION, 0, 5);
    let mut index = index_of(&[]);
    let before = counting::in_use();
    let mut live: Vec<SubscriptionId> = work
        .patterns
        .iter()
        .map(|pattern| index.add(pattern).expect("it is a pattern"))
        .collect();
    let full = counting::in_use() - before;
    Draw(6).shuffle(&mut live);
    for id in live {
        drop(index.remove(id).expect("it is there"));
    }
    (full, counting::in_use() - before)
}

fn main() {
    let (small, small_hit, _) = cold(1_000);
    let (middle, ..) = cold(100_000);
    let (large, large_hit, bytes) = cold(MILLION);
    let (add, remove) = change();
    let (full, kept) = kept_after_a_million_changes();
    row(
        "cold match at 1,000 / HashMap<Box<str>, u32> hit",
        small / small_hit,
        "",
        2.5,
        4.0,
    );
    row(
        "cold match at 1,000,000 / HashMap hit",
        large / large_hit,
        "",
        4.0,
        6.0,
    );
    row(
        "cold match at 1,000,000 / at 1,000",
        large / small,
        "",
        5.0,
        8.0,
    );
    row(
        "cold match at 100,000 / at 1,000",
        middle / small,
        "",
        10.0,
        10.0,
    );
    row(
        "bytes a subscription at 1,000,000 mixed, text included",
        bytes,
        "bytes",
        72.0,
        128.0,
    );
    row("add at 1,000,000", add / 1e3, "us", 1.0, 2.0);
    row("remove at 1,000,000", remove / 1e3, "us", 1.0, 2.0);
    row(
        "256 patterns of 8 `**` against 24 segments",
        hostile::many_runs(),
        "us",
        50.0,
        100.0,
    );
    let mut worst: f64 = 0.0;
    for (what, microseconds) in hostile::each() {
        println!("  {what}: {microseconds:.1} us");
        worst = worst.max(microseconds);
    }
    row("the worst of these matches", worst, "us", 100.0, 1000.0);
    println!(
        "1,000,000 added in {full} bytes; after their removal in random order {kept} bytes are left"
    );
}
