//! Reads executable documents into what has to be known to measure them: for each definition its own counts, and where it
//! spreads which fragments.

use super::lexer::{Lexer, NoToken, Token};

/// Maximum nesting of selection sets or values. Servers with a limit allow fewer.
pub(super) const MAX_NESTING: u16 = 200;
/// Maximum definitions of a document.
const MAX_DEFINITIONS: usize = 1_024;
/// Maximum fragment spreads of a document.
const MAX_SPREADS: usize = 8_192;
/// Arguments that request the size of a list.
const SIZES: [&str; 12] = [
    "first",
    "last",
    "limit",
    "size",
    "count",
    "take",
    "pagesize",
    "page_size",
    "perpage",
    "per_page",
    "top",
    "max",
];

/// Why a document is not measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is not an executable document.
    Syntax,
    /// It defines types. Servers do not execute it.
    TypeSystem,
    /// It exceeds the bounds on nesting, definitions or spreads.
    Bounds,
}

impl From<NoToken> for Unread {
    fn from(_: NoToken) -> Self {
        Self::Syntax
    }
}

/// Where a fragment is spread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spread<'t> {
    pub(super) name: &'t str,
    /// Fields around it.
    pub(super) depth: u16,
    /// How often it is executed, by the sizes of the lists around it.
    pub(super) times: u64,
}

/// An operation or a fragment.
#[derive(Clone, Debug, Default)]
pub(super) struct Definition<'t> {
    /// The name of a fragment; none of an operation.
    pub(super) fragment: Option<&'t str>,
    /// The deepest of its own fields.
    pub(super) depth: u16,
    pub(super) fields: u64,
    pub(super) aliases: u64,
    /// Fields, each as often as the lists around it are long.
    pub(super) cost: u64,
    pub(super) spreads: Vec<Spread<'t>>,
}

/// What is counted of a document as a whole.
#[derive(Clone, Debug, Default)]
pub(super) struct Document<'t> {
    pub(super) definitions: Vec<Definition<'t>>,
    pub(super) tokens: u32,
    pub(super) directives: u32,
    pub(super) introspects: bool,
    spreads: usize,
}

/// A variable's value, where it is a number.
pub(crate) type Variables<'v> = &'v dyn Fn(&str) -> Option<u64>;

/// Reads a document of at most `max_tokens`.
pub(super) fn parse<'t>(
    text: &'t str,
    variables: Variables<'_>,
    max_tokens: u32,
) -> (Document<'t>, Option<Unread>) {
    let mut parser = Parser {
        lexer: Lexer::new(text),
        ahead: None,
        document: Document::default(),
        current: Definition::default(),
        variables,
        max_tokens,
    };
    let unread = parser.document().err();
    (parser.document, unread)
}

struct Parser<'t, 'v> {
    lexer: Lexer<'t>,
    ahead: Option<Token<'t>>,
    document: Document<'t>,
    current: Definition<'t>,
    variables: Variables<'v>,
    max_tokens: u32,
}

/// Where a selection set stands.
#[derive(Clone, Copy)]
struct Place {
    nesting: u16,
    depth: u16,
    times: u64,
}

type Parsed = Result<(), Unread>;

impl<'t> Parser<'t, '_> {
    fn document(&mut self) -> Parsed {
        self.advance()?;
        if self.ahead.is_none() {
            return Err(Unread::Syntax);
        }
        while self.ahead.is_some() {
            self.definition()?;
            if self.document.definitions.len() >= MAX_DEFINITIONS {
                return Err(Unread::Bounds);
            }
            self.document.definitions.push(std::mem::take(&mut self.current));
        }
        Ok(())
    }

    fn definition(&mut self) -> Parsed {
        match self.ahead {
            Some(Token::Mark(b'{')) => {}
            Some(Token::Name("query" | "mutation" | "subscription")) => {
                self.advance()?;
                if matches!(self.ahead, Some(Token::Name(_))) {
                    self.advance()?;
                }
                if self.is_mark(b'(') {
                    self.variable_definitions()?;
                }
                self.directives()?;
            }
            Some(Token::Name("fragment")) => {
                self.advance()?;
                self.current.fragment = Some(self.name()?);
                if self.is_mark(b'(') {
                    self.variable_definitions()?;
                }
                self.keyword("on")?;
                self.name()?;
                self.directives()?;
            }
            Some(Token::Text(_)) => return Err(Unread::TypeSystem),
            Some(Token::Name(
                "schema" | "scalar" | "type" | "interface" | "union" | "enum" | "input" | "directive"
                | "extend",
            )) => return Err(Unread::TypeSystem),
            _ => return Err(Unread::Syntax),
        }
        self.selections(Place { nesting: 1, depth: 0, times: 1 })
    }

    /// `($a: [Int!]! = 1 @b, ...)`
    fn variable_definitions(&mut self) -> Parsed {
        self.mark(b'(')?;
        while !self.is_mark(b')') {
            self.mark(b'$')?;
            self.name()?;
            self.mark(b':')?;
            let mut open = 0_u16;
            while self.is_mark(b'[') {
                open = self.deeper(open)?;
                self.advance()?;
            }
            self.name()?;
            while self.is_mark(b']') || self.is_mark(b'!') {
                self.advance()?;
            }
            if self.is_mark(b'=') {
                self.advance()?;
                self.value(0)?;
            }
            self.directives()?;
        }
        self.mark(b')')
    }

    fn selections(&mut self, place: Place) -> Parsed {
        let inner = self.deeper(place.nesting)?;
        self.mark(b'{')?;
        if self.is_mark(b'}') {
            return Err(Unread::Syntax);
        }
        while !self.is_mark(b'}') {
            if self.ahead == Some(Token::Spread) {
                self.spread(Place { nesting: inner, ..place })?;
            } else {
                self.field(Place { nesting: inner, ..place })?;
            }
        }
        self.mark(b'}')
    }

    fn spread(&mut self, place: Place) -> Parsed {
        self.advance()?;
        match self.ahead {
            Some(Token::Name(name)) if name != "on" => {
                self.advance()?;
                self.document.spreads = self.document.spreads.saturating_add(1);
                if self.document.spreads > MAX_SPREADS {
                    return Err(Unread::Bounds);
                }
                self.current.spreads.push(Spread { name, depth: place.depth, times: place.times });
                self.directives()
            }
            Some(Token::Name(_)) => {
                self.advance()?;
                self.name()?;
                self.directives()?;
                self.selections(place)
            }
            _ => {
                self.directives()?;
                self.selections(place)
            }
        }
    }

    fn field(&mut self, place: Place) -> Parsed {
        let mut name = self.name()?;
        if self.is_mark(b':') {
            self.advance()?;
            name = self.name()?;
            self.current.aliases = self.current.aliases.saturating_add(1);
        }
        let depth = place.depth.saturating_add(1);
        let current = &mut self.current;
        current.fields = current.fields.saturating_add(1);
        current.cost = current.cost.saturating_add(place.times);
        current.depth = current.depth.max(depth);
        self.document.introspects |= matches!(name, "__schema" | "__type");
        let mut times = place.times;
        if self.is_mark(b'(') {
            times = times.saturating_mul(self.arguments()?);
        }
        self.directives()?;
        if self.is_mark(b'{') {
            self.selections(Place { nesting: place.nesting, depth, times })?;
        }
        Ok(())
    }

    /// The number of elements requested, 1 if none is given.
    fn arguments(&mut self) -> Result<u64, Unread> {
        let mut most = 1;
        self.mark(b'(')?;
        while !self.is_mark(b')') {
            let name = self.name()?;
            self.mark(b':')?;
            if let Some(size) = self.value(0)?
                && SIZES.iter().any(|known| known.eq_ignore_ascii_case(name))
            {
                most = size.max(most);
            }
        }
        self.mark(b')')?;
        Ok(most)
    }

    /// The number that it is, where it is one.
    fn value(&mut self, nesting: u16) -> Result<Option<u64>, Unread> {
        match self.ahead {
            Some(Token::Number(number)) => {
                self.advance()?;
                Ok(number.parse().ok())
            }
            Some(Token::Text(_) | Token::Name(_)) => {
                self.advance()?;
                Ok(None)
            }
            Some(Token::Mark(b'$')) => {
                self.advance()?;
                let name = self.name()?;
                Ok((self.variables)(name))
            }
            Some(Token::Mark(b'[')) => {
                let inner = self.deeper(nesting)?;
                self.advance()?;
                while !self.is_mark(b']') {
                    self.value(inner)?;
                }
                self.mark(b']')?;
                Ok(None)
            }
            Some(Token::Mark(b'{')) => {
                let inner = self.deeper(nesting)?;
                self.advance()?;
                while !self.is_mark(b'}') {
                    self.name()?;
                    self.mark(b':')?;
                    self.value(inner)?;
                }
                self.mark(b'}')?;
                Ok(None)
            }
            _ => Err(Unread::Syntax),
        }
    }

    fn directives(&mut self) -> Parsed {
        while self.is_mark(b'@') {
            self.advance()?;
            self.name()?;
            self.document.directives = self.document.directives.saturating_add(1);
            if self.is_mark(b'(') {
                self.arguments()?;
            }
        }
        Ok(())
    }

    fn deeper(&self, nesting: u16) -> Result<u16, Unread> {
        if nesting >= MAX_NESTING { Err(Unread::Bounds) } else { Ok(nesting.saturating_add(1)) }
    }

    fn advance(&mut self) -> Parsed {
        self.ahead = self.lexer.next()?;
        if self.ahead.is_some() {
            if self.document.tokens >= self.max_tokens {
                return Err(Unread::Bounds);
            }
            self.document.tokens = self.document.tokens.saturating_add(1);
        }
        Ok(())
    }

    fn is_mark(&self, mark: u8) -> bool {
        self.ahead == Some(Token::Mark(mark))
    }

    fn mark(&mut self, mark: u8) -> Parsed {
        if self.is_mark(mark) { self.advance() } else { Err(Unread::Syntax) }
    }

    fn name(&mut self) -> Result<&'t str, Unread> {
        let Some(Token::Name(name)) = self.ahead else { return Err(Unread::Syntax) };
        self.advance()?;
        Ok(name)
    }

    fn keyword(&mut self, word: &str) -> Parsed {
        if self.name()? == word { Ok(()) } else { Err(Unread::Syntax) }
    }
}
