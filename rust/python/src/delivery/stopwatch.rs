//! A stopwatch that is read for every delivery.
//!
//! To ask the system for the time takes as long as a fifth of a delivery: on x86 it waits until all that the processor
//! has begun is done. Its counter of ticks alone costs a third of that, and lets what comes next begin. So where there is
//! such a counter, the system is asked from time to time, and what has passed since is told from the ticks.
#[cfg(not(target_os = "linux"))]
use std::time::Instant;

#[cfg(target_os = "linux")]
pub(super) use linux::Stopwatch;

/// An instant from which it is told how many seconds have passed.
#[cfg(not(target_os = "linux"))]
pub(super) struct Stopwatch(Instant);

#[cfg(not(target_os = "linux"))]
impl Stopwatch {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    pub(super) fn passed(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use crate::delivery::cell::LockedCell;

    /// An instant from which it is told how many seconds have passed.
    pub(in crate::delivery) struct Stopwatch {
        start: f64,
        /// None where no counter can be trusted.
        estimate: Option<LockedCell<Estimate>>,
    }

    impl Stopwatch {
        pub(in crate::delivery) fn start() -> Self {
            Self {
                start: system_seconds(),
                estimate: counter::is_steady().then(|| LockedCell::new(Estimate::new())),
            }
        }

        #[inline]
        pub(in crate::delivery) fn passed(&self) -> f64 {
            let now = match &self.estimate {
                Some(estimate) => estimate.with(Estimate::seconds),
                None => system_seconds(),
            };
            now - self.start
        }
    }

    /// What the system's monotonic clock says.
    #[allow(unsafe_code, reason = "a call of the system")]
    #[allow(clippy::cast_precision_loss, reason = "a machine that runs for 2^53 s")]
    fn system_seconds() -> f64 {
        let mut now = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: it writes into `now`; it cannot fail for this clock, which every Linux has.
        unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
        now.tv_sec as f64 + now.tv_nsec as f64 * 1e-9
    }

    /// Seconds for which ticks are trusted: whatever may happen to a counter, the time is wrong by no more.
    const TRUST: f64 = 100e-6;
    /// Seconds from which on a comparison of the two clocks is exact enough: to one part in 50,000.
    const COMPARED: f64 = 10e-3;
    /// The share by which a tick is taken for less than it seems: more than the comparison can be wrong by, so that the
    /// estimate is behind the system's clock, and never ahead.
    const CAUTION: f64 = 1e-4;
    /// The most ticks for one look at both clocks, some 100 ns: in a longer one something came between them.
    const CLOSE: u64 = 256;

    /// What the system's clock says, told from the ticks since it was asked.
    ///
    /// It is behind by up to 10 ns for its caution, and by no more than one look at both clocks takes.
    struct Estimate {
        /// Both clocks when the system was last asked.
        ticks: u64,
        seconds: f64,
        /// Ticks from then on after which it is asked again; 0 while it is to be asked every time.
        trusted: u64,
        seconds_a_tick: f64,
        /// Both clocks at a look from which on a tick is measured; None before the first close one.
        since: Option<(u64, f64)>,
    }

    impl Estimate {
        const fn new() -> Self {
            Self {
                ticks: 0,
                seconds: 0.0,
                trusted: 0,
                seconds_a_tick: 0.0,
                since: None,
            }
        }

        #[inline]
        fn seconds(&mut self) -> f64 {
            let passed = counter::ticks().wrapping_sub(self.ticks);
            match u32::try_from(passed) {
                Ok(passed) if u64::from(passed) < self.trusted => {
                    self.seconds + f64::from(passed) * self.seconds_a_tick
                }
                _ => self.look(),
            }
        }

        /// Asks the system, and measures a tick.
        #[inline(never)]
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "ticks of some milliseconds, and fewer"
        )]
        fn look(&mut self) -> f64 {
            let before = counter::ticks();
            let seconds = system_seconds();
            let ticks = counter::ticks();
            self.trusted = 0;
            if ticks.wrapping_sub(before) > CLOSE {
                return seconds;
            }
            (self.ticks, self.seconds) = (ticks, seconds);
            match self.since {
                Some((first, then)) if seconds - then >= COMPARED => {
                    let measured = (seconds - then) / ticks.wrapping_sub(first) as f64;
                    self.seconds_a_tick = measured * (1.0 - CAUTION);
                    self.since = Some((ticks, seconds));
                }
                Some(_) => {}
                None => self.since = Some((ticks, seconds)),
            }
            if self.seconds_a_tick > 0.0 {
                self.trusted = (TRUST / self.seconds_a_tick) as u64;
            }
            seconds
        }
    }

    /// The counter of ticks of the processor.
    #[cfg(target_arch = "x86_64")]
    mod counter {
        use std::arch::x86_64::{__cpuid, _rdtsc};
        use std::sync::OnceLock;

        /// Whether it counts at one rate, whatever the processor does, and sleeping or not.
        pub(super) fn is_steady() -> bool {
            static STEADY: OnceLock<bool> = OnceLock::new();
            const EXTENDED: u32 = 0x8000_0000;
            const POWER: u32 = 0x8000_0007;
            const INVARIANT: u32 = 1 << 8;
            *STEADY.get_or_init(|| {
                __cpuid(EXTENDED).eax >= POWER && __cpuid(POWER).edx & INVARIANT != 0
            })
        }

        #[inline]
        #[allow(unsafe_code, reason = "an instruction")]
        pub(super) fn ticks() -> u64 {
            // SAFETY: every such processor has it.
            unsafe { _rdtsc() }
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    mod counter {
        pub(super) fn is_steady() -> bool {
            false
        }

        pub(super) fn ticks() -> u64 {
            0
        }
    }
}
