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
    use super::super::cell::LockedCell;
    use super::super::estimate::{Clocks, Estimate};

    /// An instant from which it is told how many seconds have passed.
    pub(in super::super) struct Stopwatch {
        start: f64,
        /// None where no counter can be trusted.
        estimate: Option<LockedCell<Estimate>>,
    }

    impl Stopwatch {
        pub(in super::super) fn start() -> Self {
            Self {
                start: System.seconds(),
                estimate: counter::is_steady().then(|| LockedCell::new(Estimate::new())),
            }
        }

        #[inline(always)]
        pub(in super::super) fn passed(&self) -> f64 {
            let now = match &self.estimate {
                Some(estimate) => estimate.with(|estimate| estimate.seconds(&System)),
                None => System.seconds(),
            };
            now - self.start
        }
    }

    /// The system's monotonic clock, and the processor's counter.
    struct System;

    impl Clocks for System {
        #[allow(unsafe_code, reason = "a call of the system")]
        #[allow(clippy::cast_precision_loss, reason = "a machine that runs for 2^53 s")]
        fn seconds(&self) -> f64 {
            let mut now = libc::timespec {
                tv_sec: 0,
                tv_nsec: 0,
            };
            // SAFETY: it writes into `now`; it cannot fail for this clock, which every Linux has.
            unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
            now.tv_sec as f64 + now.tv_nsec as f64 * 1e-9
        }

        #[inline]
        fn ticks(&self) -> u64 {
            counter::ticks()
        }
    }

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
