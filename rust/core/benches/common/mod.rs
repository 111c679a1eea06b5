//! What the benches share: workloads drawn from a seed, and a clock for ratios.
#![allow(dead_code, reason = "each bench uses its own part of it")]
#![allow(clippy::cast_precision_loss, reason = "a figure needs few digits")]
use std::collections::HashMap;
use std::sync::Arc;

use rustix::time::{ClockId, clock_gettime};
use stentor_core::{Grammar, Index};

/// Distinct topics of a cold pass.
pub(crate) const COLD: usize = 200_000;

/// Topics that are asked for again and again.
pub(crate) const HOT: usize = 100;

/// The generator of Vigna's splitmix64: small, and the same everywhere.
pub(crate) struct Draw(pub(crate) u64);

impl Draw {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        let wide = u128::from(self.next()) * bound as u128;
        usize::try_from(wide >> 64).unwrap()
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }
}

const KINDS: [&str; 16] = [
    "chat", "vote", "trade", "query", "reply", "offer", "alert", "state", "score", "plan", "fact",
    "claim", "task", "news", "price", "move",
];

/// Patterns, and topics to match against them.
pub(crate) struct Workload {
    pub(crate) patterns: Vec<String>,
    pub(crate) topics: Vec<String>,
}

/// Five levels: site, agent, room, kind, peer. Agents and rooms grow with the number of subscriptions.
fn segments(draw: &mut Draw, subscriptions: usize) -> [String; 5] {
    let agents = (subscriptions / 10).max(10);
    let rooms = (subscriptions / 100).max(10);
    [
        format!("s{}", draw.below(8)),
        format!("agent{}", draw.below(agents)),
        format!("room{}", draw.below(rooms)),
        KINDS[draw.below(KINDS.len())].to_owned(),
        format!("agent{}", draw.below(agents)),
    ]
}

/// A pattern with one `*`.
fn with_star(draw: &mut Draw, of: &[String; 5]) -> String {
    let mut parts = of.clone();
    "*".clone_into(&mut parts[draw.below(5)]);
    parts.join(".")
}

/// A pattern with one `**`: at the tail, in the middle or at the head.
fn with_run(draw: &mut Draw, [site, agent, room, kind, peer]: &[String; 5]) -> String {
    match draw.below(3) {
        0 => format!("{site}.{agent}.{room}.**"),
        1 => format!("{site}.**.{kind}.{peer}"),
        _ => format!("**.{room}.{kind}.{peer}"),
    }
}

/// Workload M1: 70 % exact, 20 % with one `*`, 10 % with one `**`; half of the topics are subscribed exactly, a quarter
/// is made from the literals of a wildcard pattern, a quarter is drawn anew.
pub(crate) fn mixed(subscriptions: usize, topics: usize, seed: u64) -> Workload {
    let mut draw = Draw(seed);
    let mut exact = Vec::new();
    let mut wild = Vec::new();
    let mut patterns = Vec::with_capacity(subscriptions);
    for _ in 0..subscriptions {
        let of = segments(&mut draw, subscriptions);
        let pattern = match draw.below(10) {
            0..7 => of.join("."),
            7..9 => with_star(&mut draw, &of),
            _ => with_run(&mut draw, &of),
        };
        if pattern.contains('*') {
            wild.push(of.join("."));
        } else {
            exact.push(pattern.clone());
        }
        patterns.push(pattern);
    }
    let topics = (0..topics).map(|at| match at % 4 {
        0 | 2 => exact[draw.below(exact.len())].clone(),
        1 => wild[draw.below(wild.len())].clone(),
        _ => segments(&mut draw, subscriptions).join("."),
    });
    let topics = topics.collect();
    Workload { patterns, topics }
}

/// Workload M2: no exact patterns; about 13 matches a topic at a million.
pub(crate) fn all_wild(subscriptions: usize, topics: usize, seed: u64) -> Workload {
    let mut draw = Draw(seed);
    let narrow = 16_000;
    let pattern = |draw: &mut Draw| {
        let of = segments(draw, narrow);
        if draw.below(3) == 0 {
            return with_run(draw, &of);
        }
        let mut parts = of;
        for _ in 0..2 {
            "*".clone_into(&mut parts[draw.below(5)]);
        }
        parts.join(".")
    };
    let patterns = (0..subscriptions).map(|_| pattern(&mut draw)).collect();
    let topics = (0..topics)
        .map(|_| segments(&mut draw, narrow).join("."))
        .collect();
    Workload { patterns, topics }
}

/// Workload M3: 8 words, every path of one to five of them, and wildcards above; topics with many results, and topics that
/// miss at the fifth segment.
pub(crate) fn wide() -> Workload {
    let words: Vec<String> = (0..8).map(|word| format!("word{word}")).collect();
    let longer = |paths: &Vec<String>| -> Vec<String> {
        let next = |path| words.iter().map(move |word| format!("{path}.{word}"));
        paths.iter().flat_map(next).collect()
    };
    let mut levels = vec![words.clone()];
    for depth in 0..4 {
        levels.push(longer(&levels[depth]));
    }
    let mut topics: Vec<String> = levels.concat().into_iter().step_by(4).collect();
    let misses = levels[4].iter().step_by(16);
    topics.extend(misses.map(|path| format!("{path}-nobody")));
    Draw(6).shuffle(&mut topics);
    let mut patterns = levels.concat();
    patterns.extend(levels[0].iter().map(|path| format!("{path}.**")));
    patterns.extend(levels[2].iter().map(|path| format!("{path}.**")));
    for pair in &levels[1] {
        let (first, fourth) = pair.split_once('.').expect("it is two words");
        patterns.push(format!("{first}.*.*.{fourth}.*"));
    }
    Workload { patterns, topics }
}

/// Workload M4: 80 agents with 1,000 patterns `device.<id>.*.<n>.**` each; topics of ten levels, one hit each.
pub(crate) fn devices(topics: usize) -> Workload {
    let pattern = |at: usize| format!("device.{}.*.{}.**", at / 1000, at % 1000);
    let patterns = (0..80_000).map(pattern).collect();
    let mut draw = Draw(7);
    let topics = (0..topics)
        .map(|at| {
            format!(
                "device.{}.part{at}.{}.a.b.c.d.e.f",
                draw.below(80),
                draw.below(1000)
            )
        })
        .collect();
    Workload { patterns, topics }
}

/// An index of the `mailbox` dialect that holds these patterns.
pub(crate) fn index_of(patterns: &[String]) -> Index {
    let mut index = Index::new(Arc::new(Grammar::mailbox()), None);
    for pattern in patterns {
        index.add(pattern).expect("it is a pattern");
    }
    index
}

/// A map of as many exact topics, those of the patterns first, and keys to look up in it in random order.
pub(crate) fn map_beside(patterns: &[String]) -> (HashMap<Box<str>, u32>, Vec<String>) {
    let mut draw = Draw(2);
    let exact = patterns.iter().filter(|pattern| !pattern.contains('*'));
    let mut keys: Vec<String> = exact.cloned().collect();
    keys.resize_with(patterns.len(), || format!("x.{}", draw.next()));
    let map = keys
        .iter()
        .map(|key| key.as_str().into())
        .zip(0..)
        .collect();
    let hits = (0..COLD).map(|_| keys[draw.below(keys.len())].clone());
    (map, hits.collect())
}

/// Nanoseconds that this thread was on a processor, so that a busy machine disturbs less.
fn time_of_thread() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

/// Nanoseconds a call of each of the candidates, measured in turns; the median of the rounds.
pub(crate) fn in_turns(
    rounds: usize,
    calls: usize,
    candidates: &mut [&mut dyn FnMut()],
) -> Vec<f64> {
    let mut times = vec![Vec::new(); candidates.len()];
    for _ in 0..rounds {
        for (candidate, times) in candidates.iter_mut().zip(&mut times) {
            let start = time_of_thread();
            candidate();
            times.push((time_of_thread() - start) / calls as f64);
        }
    }
    let median = |mut times: Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    times.into_iter().map(median).collect()
}
