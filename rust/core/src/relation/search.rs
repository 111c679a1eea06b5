//! Words that some lines accept, and which other lines accept them too.
//!
//! A search walks over states: the place reached in each wanted line (one choice among
//! several, for a line is nondeterministic only at its runs), all places reached in the watched
//! lines, and a small guard of the alphabet. Fewer watched places accept fewer words, so of two
//! states that differ only there the one with fewer makes the other superfluous: only minimal ones
//! are kept (antichains, after De Wulf, Doyen, Henzinger and Raskin, 2006). What is still too much
//! is cut off by the number of steps.
use std::collections::{HashMap, VecDeque};

use super::bits::{Bits, insert_minimal};

/// The steps that were allowed are used up.
#[derive(Debug)]
pub(crate) struct OutOfSteps;

/// A number of steps to be used up.
#[derive(Debug)]
pub(crate) struct Steps(u32);

impl Steps {
    pub(super) fn new(allowed: u32) -> Self {
        Self(allowed)
    }

    /// Takes some steps.
    pub(super) fn take(&mut self, steps: usize) -> Result<(), OutOfSteps> {
        let steps = u32::try_from(steps).map_err(|_| OutOfSteps)?;
        self.0 = self.0.checked_sub(steps).ok_or(OutOfSteps)?;
        Ok(())
    }
}

/// One choice of a symbol, as far as it makes a difference.
pub(super) struct Move {
    /// Which of the watched atoms take the symbol, by their number in the list that was asked about.
    pub(super) taken: Bits,
    /// The guard afterwards.
    pub(super) guard: u8,
}

/// What symbols there are, and what atoms take of them.
pub(super) trait Alphabet {
    /// One place of a line.
    type Atom: 'static;

    /// An atom that takes every symbol, as a run does once.
    fn any() -> &'static Self::Atom;

    /// Whether an atom is a run of any symbols.
    fn is_run(atom: &Self::Atom) -> bool;

    /// Whether a word may end in a state with this guard; every word begins with guard 0.
    fn may_end(&self, guard: u8) -> bool;

    /// The symbols that all wanted atoms take, grouped by which watched atoms take them too. A group
    /// whose set includes that of another with the same guard may be left out. No atom is a run.
    fn moves(
        &self,
        guard: u8,
        wanted: &[&Self::Atom],
        watched: &[&Self::Atom],
        steps: &mut Steps,
    ) -> Result<Vec<Move>, OutOfSteps>;
}

/// The most lines that can be wanted at once.
const MOST_WANTED: usize = 2;

/// What it takes to keep a state, counted in steps.
const COST_OF_STATE: usize = 48;

/// What a word has led to so far.
struct State {
    /// The place reached in each wanted line.
    wanted: [usize; MOST_WANTED],
    guard: u8,
    /// The places reached in the watched lines, closed under leaving a run.
    watched: Bits,
}

pub(super) struct Search<'a, A: Alphabet> {
    alphabet: &'a A,
    wanted: &'a [&'a [A::Atom]],
    /// The places of all watched lines one after another; after each line, `None` for its end.
    places: Vec<Option<&'a A::Atom>>,
    /// Where each watched line ends in `places`.
    ends: Vec<usize>,
    seen: HashMap<([usize; MOST_WANTED], u8), Vec<Bits>>,
    queue: VecDeque<State>,
    found: Vec<Bits>,
}

impl<'a, A: Alphabet> Search<'a, A> {
    /// A search for words that all of `wanted`, at most two lines, accept.
    pub(super) fn new(
        alphabet: &'a A,
        wanted: &'a [&'a [A::Atom]],
        watched: &[&'a [A::Atom]],
    ) -> Self {
        debug_assert!(wanted.len() <= MOST_WANTED, "a state has no room for more");
        let mut places = Vec::new();
        let mut ends = Vec::new();
        for line in watched {
            places.extend(line.iter().map(Some));
            ends.push(places.len());
            places.push(None);
        }
        let (seen, queue, found) = (HashMap::new(), VecDeque::new(), Vec::new());
        Self {
            alphabet,
            wanted,
            places,
            ends,
            seen,
            queue,
            found,
        }
    }

    /// The sets of watched lines that accept such a word, as far as they are minimal; one empty set
    /// if some word is accepted by none of them; nothing if there is no such word.
    pub(super) fn minimal_sets(mut self, steps: &mut Steps) -> Result<Vec<Bits>, OutOfSteps> {
        let mut watched = Bits::new(self.places.len());
        let mut start = 0;
        for &end in &self.ends {
            self.reach(start, &mut watched);
            start = end + 1;
        }
        self.visit(
            State {
                wanted: [0; MOST_WANTED],
                guard: 0,
                watched,
            },
            steps,
        )?;
        while let Some(state) = self.next_state() {
            if self.found.first().is_some_and(Bits::is_empty) {
                break;
            }
            if !self.is_superseded(&state) {
                self.expand(&state, steps)?;
            }
        }
        Ok(self.found)
    }

    /// Keeps a state for later if no better one was seen, and looks whether the word may end here.
    fn visit(&mut self, state: State, steps: &mut Steps) -> Result<(), OutOfSteps> {
        let seen = self.seen.entry((state.wanted, state.guard)).or_default();
        steps.take(COST_OF_STATE + state.watched.words() * (1 + seen.len()))?;
        if !insert_minimal(seen, &state.watched) {
            return Ok(());
        }
        let ended =
            self.wanted
                .iter()
                .zip(state.wanted)
                .all(|(line, place)| match &line[place..] {
                    [] => true,
                    [atom] => A::is_run(atom),
                    _ => false,
                });
        if ended && self.alphabet.may_end(state.guard) {
            let ends = &self.ends;
            let accepting = Bits::of(ends.len(), |line| state.watched.contains(ends[line]));
            insert_minimal(&mut self.found, &accepting);
        }
        self.queue.push_back(state);
        Ok(())
    }

    /// The next state: the oldest, so that of many the minimal are found first; the newest where no
    /// line is watched and one word is enough.
    fn next_state(&mut self) -> Option<State> {
        if self.ends.is_empty() {
            self.queue.pop_back()
        } else {
            self.queue.pop_front()
        }
    }

    /// Whether a better state was seen since this one was queued.
    fn is_superseded(&self, state: &State) -> bool {
        let minimal = self.seen.get(&(state.wanted, state.guard));
        !minimal.is_some_and(|sets| sets.contains(&state.watched))
    }

    /// Visits every state that one more symbol leads to.
    fn expand(&mut self, state: &State, steps: &mut Steps) -> Result<(), OutOfSteps> {
        let (mut stay, mut live, mut atoms) =
            (Bits::new(self.places.len()), Vec::new(), Vec::new());
        for place in state.watched.iter() {
            match self.places[place] {
                Some(atom) if A::is_run(atom) => self.reach(place, &mut stay),
                Some(atom) => {
                    live.push(place);
                    atoms.push(atom);
                }
                None => {}
            }
        }
        for Choice {
            atoms: wanted,
            places,
        } in self.choices(state)
        {
            let wanted = &wanted[..self.wanted.len()];
            for step in self.alphabet.moves(state.guard, wanted, &atoms, steps)? {
                let mut watched = stay.clone();
                for number in step.taken.iter() {
                    self.reach(live[number] + 1, &mut watched);
                }
                self.visit(
                    State {
                        wanted: places,
                        guard: step.guard,
                        watched,
                    },
                    steps,
                )?;
            }
        }
        Ok(())
    }

    /// Adds a place, and the one after it if it is a run, which may take nothing.
    fn reach(&self, place: usize, watched: &mut Bits) {
        watched.insert(place);
        if self.places[place].is_some_and(A::is_run) {
            watched.insert(place + 1);
        }
    }

    /// Every way to choose one atom in each wanted line to take the next symbol; those that leave a
    /// run come last.
    fn choices(&self, state: &State) -> Vec<Choice<'a, A>> {
        let mut choices = vec![Choice {
            atoms: [A::any(); MOST_WANTED],
            places: state.wanted,
        }];
        for (line, atoms) in self.wanted.iter().enumerate() {
            let mut place = state.wanted[line];
            let mut extended = Vec::with_capacity(2 * choices.len());
            if atoms.get(place).is_some_and(A::is_run) {
                extended.extend_from_slice(&choices);
                place += 1;
            }
            if let Some(atom) = atoms.get(place) {
                extended.extend(
                    choices
                        .iter()
                        .map(|choice| choice.with(line, atom, place + 1)),
                );
            }
            choices = extended;
        }
        choices
    }
}

/// One way to take the next symbol in the wanted lines.
struct Choice<'a, A: Alphabet> {
    /// The atom of each wanted line that takes it.
    atoms: [&'a A::Atom; MOST_WANTED],
    /// The place of each after it.
    places: [usize; MOST_WANTED],
}

impl<'a, A: Alphabet> Choice<'a, A> {
    fn with(&self, line: usize, atom: &'a A::Atom, place: usize) -> Self {
        let mut choice = *self;
        choice.atoms[line] = atom;
        choice.places[line] = place;
        choice
    }
}

impl<A: Alphabet> Clone for Choice<'_, A> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<A: Alphabet> Copy for Choice<'_, A> {}
