//! The time told from ticks, beside clocks to which something happens.
#[path = "../src/delivery/estimate.rs"]
mod estimate;

use std::cell::Cell;

use estimate::{Clocks, Estimate};

const HERTZ: f64 = 2.5e9;
/// Seconds between one reading and the next.
const STEP: f64 = 0.3e-6;
const READINGS: u32 = 1_000_000;

/// A clock and a counter that a test moves on, each by itself.
struct Played {
    seconds: Cell<f64>,
    ticks: Cell<f64>,
    /// How much faster than the counter the clock goes.
    rate: Cell<f64>,
}

impl Played {
    fn pass(&self, seconds: f64) {
        self.seconds
            .set(self.seconds.get() + seconds * self.rate.get());
        self.count(seconds);
    }

    /// Lets the counter go on while the clock stands still.
    fn count(&self, seconds: f64) {
        self.ticks.set(self.ticks.get() + seconds * HERTZ);
    }
}

impl Clocks for Played {
    fn seconds(&self) -> f64 {
        self.pass(12e-9);
        let seconds = self.seconds.get();
        self.pass(12e-9);
        seconds
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a counter that is positive, and told in whole ticks"
    )]
    fn ticks(&self) -> u64 {
        self.ticks.get() as u64
    }
}

/// By how much the estimate was ahead of the clock and behind it at most, in nanoseconds.
struct Errors {
    ahead: f64,
    behind: f64,
}

/// Reads again and again, while `happen` does something before some of the readings; no reading goes back.
fn read(happen: impl Fn(u32, &Played)) -> Errors {
    let clocks = Played {
        seconds: Cell::new(1000.0),
        ticks: Cell::new(1e12),
        rate: Cell::new(1.0),
    };
    let mut estimate = Estimate::new();
    let mut errors = Errors {
        ahead: 0.0,
        behind: 0.0,
    };
    let mut last = 0.0;
    for number in 0..READINGS {
        happen(number, &clocks);
        clocks.pass(STEP);
        let told = estimate.seconds(&clocks);
        assert!(told >= last, "reading {number} goes back");
        last = told;
        let wrong = (told - clocks.seconds.get()) * 1e9;
        errors.ahead = errors.ahead.max(wrong);
        errors.behind = errors.behind.max(-wrong);
    }
    errors
}

#[test]
fn beside_clocks_that_go_steadily_it_is_never_ahead_and_little_behind() {
    let Errors { ahead, behind } = read(|_, _| {});
    assert!(ahead <= 0.0, "{ahead} ns ahead");
    assert!(behind < 100.0, "{behind} ns behind");
}

#[test]
fn a_clock_that_is_set_right_by_going_faster_and_slower_is_not_left_behind() {
    let Errors { ahead, behind } = read(|number, clocks| {
        let faster = (number / 100_000) % 2 == 0;
        clocks.rate.set(if faster { 1.0004 } else { 0.9996 });
    });
    assert!(ahead <= 0.0, "{ahead} ns ahead");
    assert!(behind < 150.0, "{behind} ns behind");
}

#[test]
fn after_a_suspend_in_which_the_clock_stood_still_it_goes_on_as_the_clock_does() {
    for seconds in [0.5, 20.0, 28_800.0] {
        let Errors { ahead, behind } = read(|number, clocks| {
            if number == READINGS / 4 {
                clocks.count(seconds);
            }
        });
        assert!(ahead <= 0.0, "{ahead} ns ahead after {seconds} s");
        assert!(behind < 100.0, "{behind} ns behind after {seconds} s");
    }
}

#[test]
fn a_counter_that_begins_anew_does_no_harm() {
    let Errors { ahead, behind } = read(|number, clocks| {
        if number == READINGS / 4 {
            clocks.ticks.set(0.0);
        }
    });
    assert!(ahead <= 0.0, "{ahead} ns ahead");
    assert!(behind < 100.0, "{behind} ns behind");
}

#[test]
fn a_counter_that_differs_from_core_to_core_is_wrong_by_no_more_than_it_is_trusted() {
    let Errors { ahead, behind } = read(|number, clocks| {
        if number % 33_333 == 0 {
            let there = (number / 33_333) % 2 == 0;
            clocks.count(if there { 5e-6 } else { -5e-6 });
        }
    });
    assert!(ahead <= 51_000.0, "{ahead} ns ahead");
    assert!(behind <= 51_000.0, "{behind} ns behind");
}
