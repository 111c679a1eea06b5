//! How durations are distributed: buckets whose width grows with their size.
use pyo3::prelude::*;

use super::cell::LockedCell;

/// Buckets for each doubling: a percentile is right to one part in 16.
const STEPS: i32 = 16;
/// The bucket of 2⁻⁴⁰ s, about a picosecond: what is shorter counts as that.
const FIRST: i32 = -39 * STEPS;
/// The bucket of 2⁴⁰ s, about 35,000 years: what is longer counts as that.
const LAST: i32 = 41 * STEPS;

#[derive(Default)]
struct Counts {
    /// Durations that were no time at all.
    none: u64,
    /// The bucket that `buckets` begins with.
    first: i32,
    buckets: Vec<u64>,
    count: u64,
    total: f64,
    maximum: f64,
}

impl Counts {
    fn add(&mut self, duration: f64) {
        self.count += 1;
        if duration > 0.0 {
            self.total += duration;
            if duration > self.maximum {
                self.maximum = duration;
            }
            let bucket = bucket_of(duration);
            let place = usize::try_from(bucket - self.first);
            match place.ok().and_then(|place| self.buckets.get_mut(place)) {
                Some(count) => *count += 1,
                None => *self.bucket(bucket) += 1,
            }
        } else {
            self.none += 1;
        }
    }

    /// The count of a bucket, made if need be.
    #[inline(never)] // most buckets are there
    fn bucket(&mut self, bucket: i32) -> &mut u64 {
        if self.buckets.is_empty() {
            self.first = bucket;
        }
        if let Ok(missing) = usize::try_from(self.first - bucket) {
            self.buckets.splice(0..0, std::iter::repeat_n(0, missing));
            self.first = bucket;
        }
        let place = usize::try_from(bucket - self.first).unwrap_or(0);
        if place >= self.buckets.len() {
            self.buckets.resize(place + 1, 0);
        }
        #[allow(clippy::indexing_slicing, reason = "it was made long enough")]
        &mut self.buckets[place]
    }

    fn merge(&mut self, other: &Self) {
        self.none += other.none;
        self.count += other.count;
        self.total += other.total;
        self.maximum = self.maximum.max(other.maximum);
        for (bucket, &count) in (other.first..).zip(&other.buckets) {
            if count > 0 {
                *self.bucket(bucket) += count;
            }
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "a share of a count")]
    fn percentile(&self, share: f64) -> f64 {
        let wanted = share * self.count as f64;
        let mut seen = self.none;
        if seen as f64 >= wanted {
            return 0.0;
        }
        for (bucket, count) in (self.first..).zip(&self.buckets) {
            seen += count;
            if seen as f64 >= wanted {
                return middle(bucket).min(self.maximum);
            }
        }
        0.0
    }
}

/// A duration is `mantissa * 2^exponent` with a mantissa from 0.5 to 1, which is cut into steps.
fn bucket_of(duration: f64) -> i32 {
    // The exponent, of 11 bits, and the first four of the mantissa stand next to each other behind the sign.
    let steps = i32::try_from((duration.to_bits() >> 48) & 0x7fff).unwrap_or(0);
    (steps - 1022 * STEPS).clamp(FIRST, LAST)
}

/// The middle of a bucket.
fn middle(bucket: i32) -> f64 {
    let (exponent, step) = (bucket.div_euclid(STEPS), bucket.rem_euclid(STEPS));
    (0.5 + (f64::from(step) + 0.5) / f64::from(2 * STEPS)) * 2f64.powi(exponent)
}

/// What a histogram has counted, as plain values.
type State = (u64, i32, Vec<u64>, u64, f64, f64);

/// Durations in buckets whose width grows with their size, after the idea of HdrHistogram; adding is O(1).
#[pyclass(module = "stentor._native", frozen)]
#[derive(Default)]
pub(crate) struct Histogram(LockedCell<Counts>);

impl Default for LockedCell<Counts> {
    fn default() -> Self {
        Self::new(Counts::default())
    }
}

impl Histogram {
    #[inline]
    pub(crate) fn count(&self, duration: f64) {
        self.0.with(|counts| counts.add(duration));
    }
}

#[pymethods]
impl Histogram {
    /// Make an empty histogram, or one as `state` says.
    #[new]
    #[pyo3(signature = (state = None))]
    fn new(state: Option<State>) -> Self {
        let counts = state.map_or_else(Counts::default, |state| {
            let (none, first, buckets, count, total, maximum) = state;
            Counts {
                none,
                first,
                buckets,
                count,
                total,
                maximum,
            }
        });
        Self(LockedCell::new(counts))
    }

    fn __getnewargs__(&self) -> (State,) {
        self.0.with(|counts| {
            let buckets = counts.buckets.clone();
            let Counts {
                none,
                first,
                count,
                total,
                maximum,
                ..
            } = *counts;
            ((none, first, buckets, count, total, maximum),)
        })
    }

    /// Count one duration in seconds; a negative one counts as none at all.
    fn add(&self, duration: f64) {
        self.count(duration);
    }

    /// Add all durations of `other`.
    fn merge(&self, other: &Self) {
        let theirs = other.0.with(|counts| Counts {
            buckets: counts.buckets.clone(),
            ..*counts
        });
        self.0.with(|counts| counts.merge(&theirs));
    }

    /// Return a duration that `share` (0 to 1) of all do not exceed: the middle of its bucket.
    fn percentile(&self, share: f64) -> f64 {
        self.0.with(|counts| counts.percentile(share))
    }

    /// How many durations were counted.
    #[getter(count)]
    fn how_many(&self) -> u64 {
        self.0.with(|counts| counts.count)
    }

    /// The sum of all, in seconds.
    #[getter]
    fn total(&self) -> f64 {
        self.0.with(|counts| counts.total)
    }

    /// The longest, exactly.
    #[getter]
    fn maximum(&self) -> f64 {
        self.0.with(|counts| counts.maximum)
    }
}
