//! From the text of a pattern to its elements, in one pass from the left.
use crate::class::Class;
use crate::error::{Flaw, Reason};
use crate::glob::{Atom, Glob};
use crate::grammar::Grammar;
use crate::pattern::Element;
use crate::rules::{Rules, WildcardText};

/// Reads a pattern of a grammar with segments. The elements come in canonical order.
pub(crate) fn parse_elements(
    text: &str,
    grammar: &Grammar,
    rules: &Rules,
) -> Result<Vec<Element>, Flaw> {
    if let Some(flaw) = grammar.find_excess_bytes(text) {
        return Err(flaw);
    }
    if text.is_empty() {
        return rules.empty_text_flaw().map_or_else(|| Ok(Vec::new()), Err);
    }
    let scan = grammar.bytes().scan(text);
    let elements = Vec::with_capacity(scan.separators + 1 + rules.multi_min);
    let mut parser = Parser {
        grammar,
        rules,
        elements,
        multis: 0,
    };
    if rules.global.as_deref() == Some(text) {
        parser.push_multi();
    } else if !scan.is_notable && grammar.accepts_segments(rules, &scan) {
        let literals = grammar.bytes().split(text);
        parser
            .elements
            .extend(literals.map(|(_, segment)| Element::Literal(segment.into())));
    } else {
        for (index, (at, segment)) in grammar.bytes().split(text).enumerate() {
            let is_last = at + segment.len() == text.len();
            let read = parser.read_segment(index, segment, is_last);
            read.map_err(|(byte, reason)| (at + byte, reason))?;
        }
    }
    Ok(parser.finish())
}

struct Parser<'g> {
    grammar: &'g Grammar,
    rules: &'g Rules,
    elements: Vec<Element>,
    multis: usize,
}

impl Parser<'_> {
    fn read_segment(&mut self, index: usize, segment: &str, is_last: bool) -> Result<(), Flaw> {
        if let Some(flaw) = self.grammar.find_excess_segment(index) {
            return Err(flaw);
        }
        if segment == &*self.rules.multi {
            self.check_multi(is_last)?;
            self.push_multi();
        } else if segment == &*self.rules.single {
            self.push(Element::Single);
        } else if self.grammar.bytes().is_plain(segment) {
            if segment.is_empty() && !self.rules.empty_segments {
                return Err((0, Reason::EmptySegment));
            }
            self.push(Element::Literal(segment.into()));
        } else {
            let atoms = read_atoms(segment, self.rules);
            let atoms = match self.rules.find_forbidden(segment) {
                Some(flaw) => Err(atoms.err().filter(|(at, _)| *at < flaw.0).unwrap_or(flaw)),
                None => atoms,
            };
            self.push(element_of(atoms?, segment, self.rules));
        }
        Ok(())
    }

    fn check_multi(&mut self, is_last: bool) -> Result<(), Flaw> {
        let most = self.grammar.limits().max_multi;
        self.multis += 1;
        if !self.rules.multi_anywhere && !is_last {
            return Err((0, Reason::WildcardNotLast(self.rules.multi.clone())));
        }
        if self.multis > most {
            return Err((
                0,
                Reason::Limit {
                    name: "max_multi",
                    what: "multi wildcards",
                    most,
                },
            ));
        }
        Ok(())
    }

    fn push_multi(&mut self) {
        for _ in 0..self.rules.multi_min {
            self.push(Element::Single);
        }
        self.push(Element::Multi);
    }

    /// Appends an element so that runs of multi wildcards collapse and singles stand before them.
    fn push(&mut self, element: Element) {
        match (self.elements.last(), &element) {
            (Some(Element::Multi), Element::Multi) => {}
            (Some(Element::Multi), Element::Single) => {
                self.elements.insert(self.elements.len() - 1, element);
            }
            _ => self.elements.push(element),
        }
    }

    /// Where no topic has zero segments, "one and any more" is every topic.
    fn finish(mut self) -> Vec<Element> {
        let everything = matches!(*self.elements, [Element::Single, Element::Multi]);
        if everything && !self.rules.empty_topic && self.rules.multi_min == 0 {
            self.elements.remove(0);
        }
        self.elements
    }
}

/// The atoms of a segment that is not a wildcard as a whole; all characters where globs are off.
fn read_atoms(segment: &str, rules: &Rules) -> Result<Vec<Atom>, Flaw> {
    let mut atoms = Vec::with_capacity(segment.len());
    let mut at = 0;
    while let Some(c) = segment[at..].chars().next() {
        if let Some(wildcard) = rules.mixed_wildcard(&segment[at..]) {
            return Err((at, Reason::WildcardMixed(wildcard)));
        }
        let mut read = c.len_utf8();
        let atom = match c {
            '*' if rules.globs => Atom::Run,
            '?' if rules.globs => Atom::Any,
            ']' if rules.globs => return Err((at, Reason::StrayBracket)),
            '[' if rules.globs => {
                let class = Class::parse(&segment[at..]);
                let class = class.map_err(|(byte, reason)| (at + byte, reason))?;
                read = class.text().len();
                Atom::Class(class)
            }
            _ => Atom::Char(c),
        };
        push_atom(&mut atoms, atom);
        at += read;
    }
    Ok(atoms)
}

/// Appends an atom so that runs collapse and `?` stands before a run beside it.
fn push_atom(atoms: &mut Vec<Atom>, atom: Atom) {
    match (atoms.last(), &atom) {
        (Some(Atom::Run), Atom::Run) => {}
        (Some(Atom::Run), Atom::Any) => atoms.insert(atoms.len() - 1, atom),
        _ => atoms.push(atom),
    }
}

/// A glob that any segment matches is a single wildcard; one of characters alone is a literal.
fn element_of(atoms: Vec<Atom>, segment: &str, rules: &Rules) -> Element {
    match *atoms {
        [Atom::Run] => Element::Single,
        [Atom::Any, Atom::Run] if !rules.empty_segments => Element::Single,
        _ if atoms.iter().all(|atom| atom.character().is_some()) => {
            Element::Literal(segment.into())
        }
        _ => Element::Glob(Glob::new(atoms)),
    }
}

impl Rules {
    fn find_forbidden(&self, segment: &str) -> Option<Flaw> {
        let found = segment
            .char_indices()
            .find(|&(_, c)| self.forbidden.contains(c));
        found.map(|(at, c)| (at, Reason::Forbidden(c)))
    }

    /// The wildcard whose text begins here inside a longer segment and may not stand there.
    fn mixed_wildcard(&self, rest: &str) -> Option<Box<str>> {
        if self.wildcard_text != WildcardText::Nowhere {
            return None;
        }
        let is_atom = |text: &str| self.globs && matches!(text, "*" | "?");
        let mut wildcards = [&self.multi, &self.single].into_iter();
        wildcards
            .find(|text| !is_atom(text) && rest.starts_with(&***text))
            .cloned()
    }
}
