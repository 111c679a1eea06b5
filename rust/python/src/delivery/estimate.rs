//! What a clock says, told from a counter of ticks since it was asked.

/// A clock that it takes long to ask, and a counter that it does not.
pub(super) trait Clocks {
    /// Seconds, by the clock.
    fn seconds(&self) -> f64;
    /// By the counter, which goes on at one rate as long as nothing happens to it.
    fn ticks(&self) -> u64;
}

/// Seconds for which ticks are trusted: whatever happens to the counter, the time is wrong by no more.
const TRUST: f64 = 50e-6;
/// Seconds from which on a comparison of the two is exact enough: to one part in 50,000.
const COMPARED: f64 = 10e-3;
/// The share by which a tick is taken for less than it seems: more than the comparison can be wrong by, and than a system
/// changes the rate of its clock at once to set it right, so that the estimate is behind the clock, and never ahead.
const CAUTION: f64 = 1e-3;
/// The share by which one comparison may differ from the next, for as long as nothing has happened to either of the two.
const ALIKE: f64 = 1e-3;
/// The most ticks for one look at both, some 100 ns: in a longer one something came between them.
const CLOSE: u64 = 256;

/// What the clock says: behind it by up to 50 ns for its caution, and by no more than one look at both takes.
///
/// It never goes back. Where something happens to either, like a suspend in which one stands still, a comparison differs
/// from the last one, and the clock is asked every time until two are alike again.
pub(super) struct Estimate {
    /// Both when the clock was last asked, or what had been told if that was more.
    ticks: u64,
    seconds: f64,
    /// What was told last.
    told: f64,
    /// Ticks from then on after which it is asked again; 0 while it is to be asked every time.
    trusted: u64,
    seconds_a_tick: f64,
    /// A tick by the last comparison, before any caution.
    measured: f64,
    /// Both at the look from which on a tick is measured; None before the first close one.
    since: Option<(u64, f64)>,
}

impl Estimate {
    pub(super) const fn new() -> Self {
        Self {
            ticks: 0,
            seconds: 0.0,
            told: 0.0,
            trusted: 0,
            seconds_a_tick: 0.0,
            measured: 0.0,
            since: None,
        }
    }

    #[inline(always)]
    #[allow(clippy::inline_always, reason = "it is read for every delivery")]
    pub(super) fn seconds(&mut self, clocks: &impl Clocks) -> f64 {
        let passed = clocks.ticks().wrapping_sub(self.ticks);
        let seconds = match u32::try_from(passed) {
            Ok(passed) if u64::from(passed) < self.trusted => {
                self.seconds + f64::from(passed) * self.seconds_a_tick
            }
            _ => self.look(clocks),
        };
        if seconds > self.told {
            self.told = seconds;
        }
        self.told
    }

    /// Asks the clock, and measures a tick.
    #[inline(never)]
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "ticks of some milliseconds, and fewer"
    )]
    fn look(&mut self, clocks: &impl Clocks) -> f64 {
        let before = clocks.ticks();
        let said = clocks.seconds();
        let ticks = clocks.ticks();
        self.seconds = said.max(self.told);
        self.ticks = ticks;
        self.trusted = 0;
        if ticks.wrapping_sub(before) > CLOSE {
            return self.seconds;
        }
        match self.since {
            Some((first, then)) if said - then >= COMPARED => {
                let measured = (said - then) / ticks.wrapping_sub(first) as f64;
                let alike = (measured - self.measured).abs() <= measured * ALIKE;
                self.measured = measured;
                self.seconds_a_tick = if alike {
                    measured * (1.0 - CAUTION)
                } else {
                    0.0
                };
                self.since = Some((ticks, said));
            }
            Some(_) => {}
            None => self.since = Some((ticks, said)),
        }
        if self.seconds_a_tick > 0.0 {
            self.trusted = (TRUST / self.seconds_a_tick) as u64;
        }
        self.seconds
    }
}
