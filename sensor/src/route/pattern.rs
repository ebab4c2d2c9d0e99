//! Configured patterns.

use foldhash::fast::RandomState;
use hashbrown::HashTable;

use super::config::{Config, MAX_DEPTH};
use super::segment::{Cut, Raw, Scratch, Segment};
use super::templates::{Route, Templates};
use super::trie::hash;

/// Why a pattern is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It does not begin with a slash.
    #[error("`{0}` does not begin with `/`")]
    Relative(String),
    /// It is too deep to match.
    #[error("`{0}` has more than {MAX_DEPTH} segments")]
    Deep(String),
    /// Braces that do not pair, or are empty.
    #[error("`{0}` has unbalanced or empty braces; expected a pattern such as `/users/{{id}}`")]
    Braces(String),
    /// Parameters with nothing between them.
    #[error("`{0}` has two parameters with nothing between them")]
    Adjacent(String),
    /// `**` somewhere else.
    #[error("`{0}` has `**` before its end")]
    Tail(String),
    /// There are too many.
    #[error("{count} patterns; at most {max} are possible")]
    TooMany {
        /// Their number.
        count: usize,
        /// Their bound.
        max: usize,
    },
}

/// One segment of a pattern.
enum Part {
    Literal(Box<[u8]>),
    /// A parameter with text around it.
    Mixed(Mixed),
    Any,
}

/// The texts before, between and after the parameters of a segment; each parameter takes at least one byte.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mixed {
    first: Box<[u8]>,
    between: Vec<Box<[u8]>>,
    last: Box<[u8]>,
}

impl Mixed {
    /// Each text between parameters matches at its first occurrence.
    fn matches(&self, segment: &[u8]) -> bool {
        let Some(mut rest) =
            segment.strip_prefix(&*self.first).and_then(|rest| rest.strip_suffix(&*self.last))
        else {
            return false;
        };
        for piece in &self.between {
            let found = rest.get(1..).and_then(|rest| memchr::memmem::find(rest, piece));
            let after = found.and_then(|found| found.checked_add(1)?.checked_add(piece.len()));
            let Some(after) = after.and_then(|after| rest.get(after..)) else { return false };
            rest = after;
        }
        !rest.is_empty()
    }
}

/// A tree, so that a path visits each node at most once, however much it has to backtrack.
#[derive(Clone, Debug, Default)]
struct Node {
    mixed: Vec<(Mixed, u32)>,
    any: Option<u32>,
    /// The pattern that ends here.
    end: Option<Route>,
    /// The pattern whose `**` stands here.
    tail: Option<Route>,
}

/// All patterns. At each segment, a literal comes before a mixed one, then a parameter, then `**`.
#[derive(Clone, Debug)]
pub(super) struct Patterns {
    nodes: Vec<Node>,
    /// Literal segments of all nodes.
    literals: HashTable<Literal>,
    state: RandomState,
    count: usize,
}

#[derive(Clone, Debug)]
struct Literal {
    parent: u32,
    text: Box<[u8]>,
    child: u32,
}

impl Patterns {
    /// The templates' texts are the patterns as written.
    pub(super) fn new(config: &Config, templates: &mut Templates) -> Result<Self, PatternError> {
        let mut patterns = Self {
            nodes: vec![Node::default()],
            literals: HashTable::new(),
            state: RandomState::default(),
            count: config.patterns.len(),
        };
        if patterns.count > config.max_patterns {
            return Err(PatternError::TooMany { count: patterns.count, max: config.max_patterns });
        }
        for pattern in &config.patterns {
            let (parts, tail) = parse(pattern)?;
            let route = templates.intern(pattern).unwrap_or(Route::OTHER);
            patterns.insert(parts, tail, route);
        }
        Ok(patterns)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn insert(&mut self, parts: Vec<Part>, tail: bool, route: Route) {
        let mut at = 0;
        for part in parts {
            at = self.child(at, part);
        }
        if let Some(node) = self.nodes.get_mut(usize::try_from(at).unwrap_or(usize::MAX)) {
            let place = if tail { &mut node.tail } else { &mut node.end };
            place.get_or_insert(route);
        }
    }

    fn child(&mut self, at: u32, part: Part) -> u32 {
        let new = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        let Some(node) = self.nodes.get_mut(usize::try_from(at).unwrap_or(usize::MAX)) else { return at };
        let child = match part {
            Part::Literal(text) => self.literal(at, &text).unwrap_or_else(|| self.add_literal(at, text, new)),
            Part::Mixed(mixed) => match node.mixed.iter().find(|(known, _)| *known == mixed) {
                Some((_, child)) => *child,
                None => {
                    node.mixed.push((mixed, new));
                    new
                }
            },
            Part::Any => *node.any.get_or_insert(new),
        };
        if child == new {
            self.nodes.push(Node::default());
        }
        child
    }

    fn literal(&self, parent: u32, text: &[u8]) -> Option<u32> {
        let same = |one: &Literal| one.parent == parent && *one.text == *text;
        self.literals.find(hash(&self.state, parent, text), same).map(|one| one.child)
    }

    fn add_literal(&mut self, parent: u32, text: Box<[u8]>, child: u32) -> u32 {
        let hashed = hash(&self.state, parent, &text);
        let state = &self.state;
        let again = |one: &Literal| hash(state, one.parent, &one.text);
        self.literals.insert_unique(hashed, Literal { parent, text, child }, again);
        child
    }

    pub(super) fn find(&self, segments: &Cut<'_>, scratch: &mut Scratch) -> Option<Route> {
        self.descend(0, segments, segments.list, scratch)
    }

    /// No deeper than [`MAX_DEPTH`].
    fn descend(&self, at: u32, cut: &Cut<'_>, rest: &[Segment], scratch: &mut Scratch) -> Option<Route> {
        let node = self.nodes.get(usize::try_from(at).ok()?)?;
        let Some((segment, rest)) = rest.split_first() else {
            return if cut.deeper { node.tail } else { node.end.or(node.tail) };
        };
        let raw = cut.raw(segment);
        let segment = scratch.literal(raw);
        let literal = self.literal(at, segment);
        let mixed = |from: usize, segment: &[u8]| {
            let found =
                node.mixed.iter().enumerate().skip(from).find(|(_, (mixed, _))| mixed.matches(segment));
            found.map(|(index, (_, child))| (index, *child))
        };
        let mut next_mixed = mixed(0, segment);
        if let Some(route) = literal.and_then(|child| self.descend(child, cut, rest, scratch)) {
            return Some(route);
        }
        while let Some((index, child)) = next_mixed {
            if let Some(route) = self.descend(child, cut, rest, scratch) {
                return Some(route);
            }
            next_mixed = mixed(index.saturating_add(1), scratch.literal(raw));
        }
        let any = node.any.and_then(|child| self.descend(child, cut, rest, scratch));
        any.or(node.tail)
    }
}

/// # Errors
/// If it is not a valid pattern.
pub(super) fn check(pattern: &str) -> Result<(), PatternError> {
    parse(pattern).map(|_| ())
}

fn parse(pattern: &str) -> Result<(Vec<Part>, bool), PatternError> {
    let Some(path) = pattern.strip_prefix('/') else {
        return Err(PatternError::Relative(pattern.to_owned()));
    };
    let mut parts = Vec::new();
    let mut tail = false;
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        if tail {
            return Err(PatternError::Tail(pattern.to_owned()));
        }
        if segment == "**" {
            tail = true;
        } else {
            parts.push(parse_segment(segment, pattern)?);
        }
    }
    if parts.len() > MAX_DEPTH { Err(PatternError::Deep(pattern.to_owned())) } else { Ok((parts, tail)) }
}

fn parse_segment(segment: &str, pattern: &str) -> Result<Part, PatternError> {
    let braces = || PatternError::Braces(pattern.to_owned());
    let mut scratch = Scratch::default();
    let mut literal = |text: &str| -> Box<[u8]> { scratch.literal(Raw::new(text.as_bytes())).into() };
    if segment == "*" {
        return Ok(Part::Any);
    }
    let mut pieces = Vec::new();
    let mut rest = segment;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or_else(braces)?;
        if name.is_empty() || name.contains('{') || before.contains('}') {
            return Err(braces());
        }
        pieces.push(literal(before));
        rest = after;
    }
    if rest.contains('}') {
        return Err(braces());
    }
    let last = literal(rest);
    let mut pieces = pieces.into_iter();
    let Some(first) = pieces.next() else { return Ok(Part::Literal(last)) };
    let between: Vec<_> = pieces.collect();
    if between.iter().any(|piece| piece.is_empty()) {
        return Err(PatternError::Adjacent(pattern.to_owned()));
    }
    if first.is_empty() && between.is_empty() && last.is_empty() {
        return Ok(Part::Any);
    }
    Ok(Part::Mixed(Mixed { first, between, last }))
}

#[cfg(test)]
mod tests {
    use super::super::Routes;
    use super::*;

    fn routes(patterns: &[&str]) -> Result<Routes, PatternError> {
        let patterns = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        Routes::new(&Config { patterns, ..Config::default() })
    }

    #[test]
    fn the_most_specific_pattern_wins() {
        let patterns = [
            "/users/{id}",
            "/users/me",
            "/users/{id}/orders/{order}",
            "/users/me/settings",
            "/files/{name}.json",
            "/files/{name}.{extension}",
            "/files/**",
            "/jobs/{id}:cancel",
            "/a/*/c",
            "/a/b/d",
            "/a/**",
            "/caf\u{e9}/{x}",
            "/users/{other}",
            "/",
        ];
        let cases = [
            ("/", "/"),
            ("/users/me", "/users/me"),
            ("/users/me/", "/users/me"),
            ("//users/./me", "/users/me"),
            ("/users/alice", "/users/{id}"),
            ("/users/7", "/users/{id}"),
            ("/users/%6De", "/users/me"),
            ("/users/me/orders/3", "/users/{id}/orders/{order}"),
            ("/users/me/settings", "/users/me/settings"),
            ("/files/a.json", "/files/{name}.json"),
            ("/files/a.xml", "/files/{name}.{extension}"),
            ("/files/a", "/files/**"),
            ("/files/.json", "/files/**"),
            ("/files/a/b/c", "/files/**"),
            ("/files", "/files/**"),
            ("/jobs/12:cancel", "/jobs/{id}:cancel"),
            ("/a/b/c", "/a/*/c"),
            ("/a/b/d", "/a/b/d"),
            ("/a/b/e", "/a/**"),
            ("/caf%C3%A9/1", "/caf\u{e9}/{x}"),
            ("/caf%c3%a9/1", "/caf\u{e9}/{x}"),
            ("/jobs/12", "/{other}"),
            ("/other", "/{other}"),
        ];
        let mut routes = routes(&patterns).unwrap();
        for (path, template) in cases {
            let route = routes.template(path.as_bytes());
            assert_eq!(routes.text(route), template, "{path}");
        }
        assert_eq!(routes.counters().configured, 21);
        let deep = format!("/a/{}", "b/".repeat(40));
        let route = routes.template(deep.as_bytes());
        assert_eq!(routes.text(route), "/a/**");
    }

    #[test]
    fn patterns_come_before_what_is_learned() {
        let mut routes = routes(&["/users/{name}"]).unwrap();
        for path in ["/users/17", "/users/17/posts"] {
            routes.learn(path.as_bytes(), Some(200));
        }
        for (path, template) in [("/users/17", "/users/{name}"), ("/users/17/posts", "/users/{id}/posts")] {
            let route = routes.template(path.as_bytes());
            assert_eq!(routes.text(route), template);
        }
    }

    #[test]
    fn mistakes_quote_the_pattern() {
        let deep = "/a".repeat(MAX_DEPTH + 1);
        let cases = [
            ("users", PatternError::Relative("users".to_owned())),
            (&deep, PatternError::Deep(deep.clone())),
            ("/{", PatternError::Braces("/{".to_owned())),
            ("/}", PatternError::Braces("/}".to_owned())),
            ("/{}", PatternError::Braces("/{}".to_owned())),
            ("/{a{b}", PatternError::Braces("/{a{b}".to_owned())),
            ("/{a}{b}", PatternError::Adjacent("/{a}{b}".to_owned())),
            ("/**/a", PatternError::Tail("/**/a".to_owned())),
        ];
        for (pattern, error) in cases {
            assert_eq!(routes(&[pattern]).unwrap_err(), error);
            assert!(error.to_string().contains(pattern), "{error}");
        }
        let many = Config { patterns: vec!["/a".to_owned(); 3], max_patterns: 2, ..Config::default() };
        assert_eq!(Routes::new(&many).unwrap_err(), PatternError::TooMany { count: 3, max: 2 });
    }

    /// Literals and parameters at every level would take 2^15 attempts if nodes were shared; a tree of two
    /// patterns has 32 nodes.
    #[test]
    fn trying_again_is_bounded() {
        let literal = format!("{}/x", "/a".repeat(15));
        let any = format!("{}/y", "/*".repeat(15));
        let mut routes = routes(&[&literal, &any]).unwrap();
        let path = format!("{}/y", "/a".repeat(15));
        let route = routes.template(path.as_bytes());
        assert_eq!(routes.text(route), any);
    }
}
