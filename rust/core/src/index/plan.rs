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
    home: Home,
}

impl Step {
    /// A step with the sums at these places, if they are among the first.
    fn new(home: Home, start: u64, plus: [usize; 2], minus: usize) -> Option<Self> {
        let place = |at: usize| u8::try_from(at).ok();
        Some(Self {
            start,
            plus: [place(plus[0])?, place(plus[1])?],
            minus: place(minus)?,
            home,
        })
    }

    #[inline]
    fn hash(self, sums: &[u64; FIRST]) -> u64 {
        let [a, b] = self.plus.map(|at| sums[usize::from(at)]);
        self.start
            .wrapping_add(a)
            .wrapping_add(b)
            .wrapping_sub(sums[usize::from(self.minus)])
    }
}

/// What is looked for when a topic of so many segments is matched.
#[derive(Debug, Default)]
struct Plan {
    steps: Vec<Step>,
    /// Those that are no steps.
    others: Vec<Search>,
}

impl Plan {
    fn new(searches: impl Iterator<Item = Search>) -> Self {
        let mut plan = Self::default();
        for search in searches {
            match search
                .summands()
                .and_then(|(plus, minus)| Step::new(search.home, search.start, plus, minus))
            {
                Some(step) => plan.steps.push(step),
                None => plan.others.push(search),
            }
        }
        plan
    }

    /// Fills in what a table may hold of what is looked for; answers with how much it is.
    ///
    /// Looks at one word of the table for each. Nothing that is looked at decides where to look next, and there is no branch
    /// on it, so the cache misses overlap.
    #[inline]
    fn probe(&self, cut: &Cut, table: &Sparse, promising: &mut [Wanted]) -> usize {
        let mut kept = 0;
        let sums = cut.first_sums();
        for &step in &self.steps {
            let hash = step.hash(sums);
            promising[kept] = Wanted {
                hash,
                home: step.home,
            };
            kept += usize::from(table.may_hold(hash));
        }
        for search in &self.others {
            let hash = search.hash(cut.sums());
            promising[kept] = Wanted {
                hash,
                home: search.home,
            };
            kept += usize::from(table.may_hold(hash));
        }
        kept
    }
}

/// The plans of an index, each made when it is first needed.
#[derive(Debug, Default)]
pub(super) struct Plans {
    /// What is looked for in any topic that is long enough.
    searches: Vec<Search>,
    /// By number of segments: those for topics whose first segment only a literal matches, and those for all others.
    kept: [Vec<Option<Plan>>; 2],
    /// The buffer of a search.
    promising: Vec<Wanted>,
}

impl Plans {
    /// Plans for these searches.
    pub(super) fn new(searches: Vec<Search>) -> Self {
        let nothing = Wanted {
            hash: 0,
            home: Home::EXACT,
        };
        let promising = vec![nothing; searches.len()];
        Self {
            searches,
            kept: Default::default(),
            promising,
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
    pub(super) fn probe(&mut self, cut: &Cut, literal_first: bool, table: &Sparse) -> &[Wanted] {
        if let Some(Some(plan)) = self.kept[usize::from(literal_first)].get(cut.len()) {
            let count = plan.probe(cut, table, &mut self.promising);
            return &self.promising[..count];
        }
        self.probe_anew(cut, literal_first, table)
    }

    /// The same where there is no plan yet.
    #[cold]
    fn probe_anew(&mut self, cut: &Cut, literal_first: bool, table: &Sparse) -> &[Wanted] {
        let segments = cut.len();
        let plan = self.plan(segments, literal_first);
        let count = plan.probe(cut, table, &mut self.promising);
        if segments <= KEPT {
            let kept = &mut self.kept[usize::from(literal_first)];
            kept.resize_with(kept.len().max(segments + 1), || None);
            kept[segments] = Some(plan);
        }
        &self.promising[..count]
    }

    fn plan(&self, segments: usize, literal_first: bool) -> Plan {
        let taking = self
            .searches
            .iter()
            .filter(|search| search.takes(segments, literal_first));
        Plan::new(taking.copied())
    }
}
