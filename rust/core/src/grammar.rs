//! Grammars: what separates segments, which segments are wildcards, what a text may hold.
//!
//! A dialect is data. Everything that parses, matches or compares reads a [`Grammar`]; nothing asks
//! which dialect it is.
use std::fmt;
use std::hash::{Hash, Hasher};

use crate::charset::CharSet;
use crate::error::GrammarError;
use crate::rules::{Limits, Rules, WildcardText};
use crate::scan::{ByteKinds, Segments};

/// How a grammar reads a text: by segments, or as one run of bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Kind {
    Segments(Box<Rules>),
    Bytes,
}

/// The name of a built-in dialect, and what makes its grammar.
type Dialect = (&'static str, fn() -> Grammar);

/// What topics and patterns look like.
///
/// ```
/// use stentor_core::Grammar;
///
/// let grammar = Grammar::mqtt();
/// assert!(grammar.validate_topic("a//b").is_ok());
/// assert!(grammar.validate_topic("a/+").is_err());
/// assert!(grammar.is_hidden("$SYS/uptime"));
/// ```
#[derive(Clone)]
pub struct Grammar {
    kind: Kind,
    limits: Limits,
    bytes: ByteKinds,
}

impl fmt::Debug for Grammar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            limits,
            bytes: _,
        } = self;
        f.debug_struct("Grammar")
            .field("kind", kind)
            .field("limits", limits)
            .finish()
    }
}

impl PartialEq for Grammar {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && self.limits == other.limits
    }
}

impl Eq for Grammar {}

impl Hash for Grammar {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.kind.hash(state);
        self.limits.hash(state);
    }
}

impl Grammar {
    /// A grammar with segments.
    ///
    /// # Errors
    ///
    /// [`GrammarError`] if the parts contradict each other.
    ///
    /// ```
    /// use stentor_core::{Grammar, Limits, Rules};
    ///
    /// assert!(Grammar::new(Rules::new(':', "+", "..."), Limits::default()).is_ok());
    /// assert!(Grammar::new(Rules::new(':', "+", "+"), Limits::default()).is_err());
    /// ```
    pub fn new(rules: Rules, limits: Limits) -> Result<Self, GrammarError> {
        rules.check()?;
        limits.check()?;
        Ok(Self::of_rules(rules, limits))
    }

    fn of_rules(rules: Rules, limits: Limits) -> Self {
        Self {
            bytes: ByteKinds::new(&rules),
            kind: Kind::Segments(Box::new(rules)),
            limits,
        }
    }

    /// The default dialect: `.`, `*`, `**`, globs inside segments, a lone `*` for every topic.
    #[must_use]
    pub fn mailbox() -> Self {
        let rules = Rules {
            globs: true,
            global: Some("*".into()),
            ..Rules::new('.', "*", "**")
        };
        Self::of_rules(rules, Limits::default())
    }

    /// MQTT 3.1.1 and 5: `/`, `+`, `#` last, empty levels, `$` topics hidden from wildcards.
    #[must_use]
    pub fn mqtt() -> Self {
        let rules = Rules {
            multi_anywhere: false,
            empty_segments: true,
            hidden_prefix: Some("$".into()),
            forbidden: disallowed_in_mqtt(),
            ..Rules::new('/', "+", "#")
        };
        Self::of_rules(
            rules,
            Limits {
                max_bytes: 65_535,
                ..Limits::default()
            },
        )
    }

    /// NATS, as a pedantic client is told: `.`, `*`, `>` last and for one or more, no white space.
    #[must_use]
    pub fn nats() -> Self {
        let rules = Rules {
            multi_min: 1,
            multi_anywhere: false,
            wildcard_text: WildcardText::Inside,
            forbidden: CharSet::new([' ', '\t', '\r', '\n'].map(|c| (c, c))),
            ..Rules::new('.', "*", ">")
        };
        Self::of_rules(rules, Limits::default())
    }

    /// The topic exchange of AMQP 0-9-1: `.`, `*`, `#` anywhere, empty words, `""` is zero words.
    #[must_use]
    pub fn amqp() -> Self {
        let rules = Rules {
            empty_segments: true,
            empty_topic: true,
            wildcard_text: WildcardText::Topics,
            ..Rules::new('.', "*", "#")
        };
        Self::of_rules(
            rules,
            Limits {
                max_bytes: 255,
                ..Limits::default()
            },
        )
    }

    /// The PSUBSCRIBE globs of Redis: no segments, byte for byte.
    #[must_use]
    pub fn redis() -> Self {
        let limits = Limits {
            max_bytes: 65_535,
            max_multi: 64,
            ..Limits::default()
        };
        Self {
            kind: Kind::Bytes,
            limits,
            bytes: ByteKinds::without_segments(),
        }
    }

    /// The built-in grammars by the name of their dialect.
    pub const DIALECTS: [Dialect; 5] = [
        ("mailbox", Self::mailbox),
        ("mqtt", Self::mqtt),
        ("nats", Self::nats),
        ("amqp", Self::amqp),
        ("redis", Self::redis),
    ];

    /// The same grammar with other limits.
    ///
    /// # Errors
    ///
    /// [`GrammarError`] if a limit is 0.
    pub fn with_limits(&self, limits: Limits) -> Result<Self, GrammarError> {
        limits.check()?;
        Ok(Self {
            limits,
            ..self.clone()
        })
    }

    /// The bounds on topics and patterns.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// The rules of a grammar with segments; `None` for `redis`.
    #[must_use]
    pub fn rules(&self) -> Option<&Rules> {
        match &self.kind {
            Kind::Segments(rules) => Some(rules),
            Kind::Bytes => None,
        }
    }

    /// Whether wildcards in the first segment do not match this topic (`$` in `mqtt`).
    #[must_use]
    pub fn is_hidden(&self, topic: &str) -> bool {
        self.rules()
            .and_then(|rules| rules.hidden_prefix.as_deref())
            .is_some_and(|prefix| topic.starts_with(prefix))
    }

    /// The segments of a valid topic, in order; the empty topic of `amqp` has none, and a topic of
    /// `redis` is one segment.
    pub fn segments<'t>(&self, topic: &'t str) -> impl Iterator<Item = &'t str> + use<'t> {
        let is_nothing = topic.is_empty() && self.rules().is_some_and(|rules| rules.empty_topic);
        let segments = if is_nothing {
            Segments::none()
        } else {
            self.bytes.split(topic)
        };
        segments.map(|(_, segment)| segment)
    }

    /// What the bytes of its texts can be.
    pub(crate) fn bytes(&self) -> &ByteKinds {
        &self.bytes
    }
}

/// What section 1.5.4 of MQTT 5 lets a server treat as a malformed packet, and mosquitto does:
/// control characters and non-characters.
fn disallowed_in_mqtt() -> CharSet {
    let controls = [('\0', '\x1f'), ('\x7f', '\u{9f}'), ('\u{fdd0}', '\u{fdef}')];
    let last_two = |plane: u32| {
        let at = |low: u32| char::from_u32(plane << 16 | low);
        at(0xfffe).zip(at(0xffff))
    };
    CharSet::new(controls.into_iter().chain((0..=16).filter_map(last_two)))
}
