//! Plans: what is looked for when a topic of so many segments is matched, and how the hash of each comes from its sums.
use super::cut::{Cut, FIRST};
use super::records::Home;
use super::shapes::Search;
use super::table::Sparse;

/// The most segments whose plans are kept.
const KEPT: usize = 32;

/// What is looked for: the hash, and whose it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) hash: u64,
    pub(super) home: Home,
}

/// A hash that is `start`, plus two of the first sums of a cut, less a third: most are.
#[derive(Clone, Copy, Debug)]
struct Step {
    start: u64,
    plus: [u8; 2],
    minus: u8,
}

impl Step {
    /// A step with the sums at these places, if they are among the first.
    fn new(start: u64, plus: [usize; 2], minus: usize) -> Option<Self> {
        let place = |at: usize| u8::try_from(at).ok();
        Some(Self {
            start,
            plus: [place(plus[0])?, place(plus[1])?],
            minus: place(minus)?,
        })
    }

    #[inline]
    fn hash(&self, sums: &[u64; FIRST]) -> u64 {
        let [a, b] = self.plus.map(|at| sums[usize::from(at)]);
        self.start
            .wrapping_add(a)
            .wrapping_add(b)
            .wrapping_sub(sums[usize::from(self.minus)])
    }
}

/// What is looked for when a topic of so many segments is matched: 64 patterns at most.
#[derive(Debug, Default)]
struct Plan {
    steps: Vec<Step>,
    /// Those that are no steps.
    others: Vec<Search>,
    /// Whose each of them is.
    homes: Vec<Home>,
}

impl Plan {
    fn new(searches: impl Iterator<Item = Search>) -> Self {
        let mut plan = Self::default();
        for search in searches {
            let step = search
                .summands()
                .and_then(|(plus, minus)| Step::new(search.start, plus, minus));
            if let Some(step) = step {
                plan.homes.insert(plan.steps.len(), search.home);
                plan.steps.push(step);
            } else {
                plan.homes.push(search.home);
                plan.others.push(search);
            }
        }
        plan
    }

    /// What a table may hold of what is looked for; `hashes` has room for all of it.
    ///
    /// Looks at one word of the table for each. Nothing that is looked at decides where to look next, and there is no branch
    /// on it, so the cache misses overlap.
    #[inline]
    fn probe<'p>(&'p self, cut: &Cut, table: &Sparse, hashes: &'p mut [u64]) -> Promising<'p> {
        let mut left = 0;
        let sums = cut.first_sums();
        let (of_steps, of_others) = hashes.split_at_mut(self.steps.len());
        for (step, hash) in self.steps.iter().zip(of_steps) {
            *hash = step.hash(sums);
            left = left << 1 | u64::from(table.may_hold(*hash));
        }
        for (search, hash) in self.others.iter().zip(of_others) {
            *hash = search.hash(cut.sums());
            left = left << 1 | u64::from(table.may_hold(*hash));
        }
        Promising {
            left,
            homes: &self.homes,
            hashes,
        }
    }
}

/// What a table may hold of what is looked for.
#[derive(Debug, Default)]
pub(super) struct Promising<'p> {
    /// A bit for each that was not handed out yet, the lowest for the last.
    left: u64,
    homes: &'p [Home],
    hashes: &'p [u64],
}

impl Iterator for Promising<'_> {
    type Item = Wanted;

    #[inline]
    fn next(&mut self) -> Option<Wanted> {
        let from_behind = self.left.trailing_zeros() as usize + 1;
        self.left &= self.left.wrapping_sub(1);
        let at = self.homes.len().checked_sub(from_behind)?;
        let (&hash, &home) = self.hashes.get(at).zip(self.homes.get(at))?;
        Some(Wanted { hash, home })
    }
}

/// The plans of an index, each made when it is first needed.
#[derive(Debug, Default)]
pub(super) struct Plans {
    /// What is looked for in any topic that is long enough.
    searches: Vec<Search>,
    /// By number of segments: those for topics whose first segment only a literal matches, and those for all others.
    kept: [Vec<Option<Plan>>; 2],
    /// That of the last topic that had more segments.
    last: Option<Plan>,
    /// The buffer of a search.
    hashes: Vec<u64>,
}

impl Plans {
    /// Plans for these searches.
    pub(super) fn new(searches: Vec<Search>) -> Self {
        Self {
            hashes: vec![0; searches.len()],
            searches,
            kept: Default::default(),
            last: None,
        }
    }

    /// The search for the patterns with this home.
    pub(super) fn search(&self, home: Home) -> Option<&Search> {
        self.searches.iter().find(|search| search.home == home)
    }

    /// The number of shapes.
    pub(super) fn len(&self) -> usize {
        self.searches.len()
    }

    /// Bytes owned on the heap, about.
    pub(super) fn bytes(&self) -> usize {
        let plans = self.kept.iter().flatten().flatten();
        let steps = plans.map(|plan| plan.steps.capacity() * size_of::<Step>());
        steps.sum::<usize>() + self.searches.capacity() * size_of::<Search>()
    }

    /// What a table may hold of the patterns that match a topic, where only a literal matches its first segment or anything.
    #[inline]
    pub(super) fn probe(
        &mut self,
        cut: &Cut,
        literal_first: bool,
        table: &Sparse,
    ) -> Promising<'_> {
        let kept = &self.kept[usize::from(literal_first)];
        if kept.get(cut.len()).is_none_or(Option::is_none) {
            return self.probe_anew(cut, literal_first, table);
        }
        match self.kept[usize::from(literal_first)].get(cut.len()) {
            Some(Some(plan)) => plan.probe(cut, table, &mut self.hashes),
            _ => Promising::default(),
        }
    }

    /// The same where there is no plan yet.
    #[cold]
    fn probe_anew(&mut self, cut: &Cut, literal_first: bool, table: &Sparse) -> Promising<'_> {
        let segments = cut.len();
        let plan = self.plan(segments, literal_first);
        let plan = if segments <= KEPT {
            let kept = &mut self.kept[usize::from(literal_first)];
            kept.resize_with(kept.len().max(segments + 1), || None);
            kept[segments].insert(plan)
        } else {
            self.last.insert(plan)
        };
        plan.probe(cut, table, &mut self.hashes)
    }

    fn plan(&self, segments: usize, literal_first: bool) -> Plan {
        let taking = self
            .searches
            .iter()
            .filter(|search| search.takes(segments, literal_first));
        Plan::new(taking.copied())
    }
}
