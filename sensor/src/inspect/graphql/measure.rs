//! Measures of a document.

use std::collections::BTreeMap;

use super::parse::{self, Definition, Document, Unread, Variables};

/// What a document requests; the maximum over its operations. All counts saturate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Measures {
    /// Tokens, as far as it was read.
    pub(crate) tokens: u32,
    /// Depth of nested fields, including fragments.
    pub(crate) depth: u32,
    /// Fields, counted as often as their fragment is spread.
    pub(crate) fields: u64,
    /// Aliases, counted in the same way.
    pub(crate) aliases: u64,
    /// Directives, as written.
    pub(crate) directives: u32,
    /// Fields, multiplied by the requested sizes of the lists around them.
    pub(crate) cost: u64,
    /// Operations.
    pub(crate) operations: u32,
    /// Fragments.
    pub(crate) fragments: u32,
    /// A fragment spreads itself, directly or through others.
    pub(crate) has_cycle: bool,
    /// It queries the schema.
    pub(crate) introspects: bool,
    /// Why it was not read to the end.
    pub(crate) unread: Option<Unread>,
}

/// Measures a document of at most `max_tokens`.
pub(crate) fn measure(text: &str, variables: Variables<'_>, max_tokens: u32) -> Measures {
    let (document, unread) = parse::parse(text, variables, max_tokens);
    let mut resolver = Resolver::new(&document);
    let mut measures = Measures {
        tokens: document.tokens,
        directives: document.directives,
        introspects: document.introspects,
        unread,
        ..Measures::default()
    };
    for definition in &document.definitions {
        if definition.fragment.is_some() {
            measures.fragments = measures.fragments.saturating_add(1);
        } else {
            measures.operations = measures.operations.saturating_add(1);
            let sum = resolver.sum(definition);
            measures.depth = measures.depth.max(sum.depth);
            measures.fields = measures.fields.max(sum.fields);
            measures.aliases = measures.aliases.max(sum.aliases);
            measures.cost = measures.cost.max(sum.cost);
        }
    }
    // Fragments that no operation uses may spread each other, too.
    for definition in document.definitions.iter().filter(|definition| definition.fragment.is_some()) {
        resolver.sum(definition);
    }
    measures.has_cycle = resolver.has_cycle;
    measures
}

/// A definition with its spreads.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    depth: u32,
    fields: u64,
    aliases: u64,
    cost: u64,
}

impl Sum {
    fn of(definition: &Definition<'_>) -> Self {
        Self {
            depth: definition.depth.into(),
            fields: definition.fields,
            aliases: definition.aliases,
            cost: definition.cost,
        }
    }

    fn add(&mut self, spread: &parse::Spread<'_>, other: Self) {
        self.depth = self.depth.max(u32::from(spread.depth).saturating_add(other.depth));
        self.fields = self.fields.saturating_add(other.fields);
        self.aliases = self.aliases.saturating_add(other.aliases);
        self.cost = self.cost.saturating_add(spread.times.saturating_mul(other.cost));
    }
}

#[derive(Clone, Copy)]
enum State {
    New,
    /// Its spreads are being added up.
    Open,
    Known(Sum),
}

/// Adds fragments up, each once.
struct Resolver<'d, 't> {
    definitions: &'d [Definition<'t>],
    by_name: BTreeMap<&'t str, usize>,
    states: Vec<State>,
    has_cycle: bool,
}

/// A definition on the way, its sum so far, and which spread comes next.
struct Frame<'d, 't> {
    definition: &'d Definition<'t>,
    number: Option<usize>,
    sum: Sum,
    next: usize,
}

impl<'d, 't> Resolver<'d, 't> {
    fn new(document: &'d Document<'t>) -> Self {
        let definitions = document.definitions.as_slice();
        let named = definitions.iter().enumerate();
        // Of two fragments of one name, which is an error, the first counts.
        let by_name = named.rev().filter_map(|(number, one)| Some((one.fragment?, number))).collect();
        Self { definitions, by_name, states: vec![State::New; definitions.len()], has_cycle: false }
    }

    /// With a stack of its own: chains of fragments are as long as their sender likes.
    fn sum(&mut self, root: &'d Definition<'t>) -> Sum {
        let number = root.fragment.and_then(|name| self.by_name.get(name).copied());
        if let Some(State::Known(sum)) = number.and_then(|number| self.states.get(number)) {
            return *sum;
        }
        let mut stack = vec![self.open(root, number)];
        let mut done = Sum::default();
        while let Some(frame) = stack.last_mut() {
            let Some(spread) = frame.definition.spreads.get(frame.next) else {
                done = frame.sum;
                if let Some(state) = frame.number.and_then(|number| self.states.get_mut(number)) {
                    *state = State::Known(done);
                }
                stack.pop();
                continue;
            };
            let target = self.by_name.get(spread.name).copied();
            let state = target.and_then(|number| self.states.get(number)).copied();
            match (state, target.and_then(|number| self.definitions.get(number))) {
                (Some(State::Known(sum)), _) => frame.sum.add(spread, sum),
                (Some(State::New), Some(definition)) => {
                    // It is looked at again once its target is known.
                    let opened = self.open(definition, target);
                    stack.push(opened);
                    continue;
                }
                (Some(State::Open), _) => self.has_cycle = true,
                (Some(State::New) | None, _) => {}
            }
            frame.next = frame.next.saturating_add(1);
        }
        done
    }

    fn open(&mut self, definition: &'d Definition<'t>, number: Option<usize>) -> Frame<'d, 't> {
        if let Some(state) = number.and_then(|number| self.states.get_mut(number)) {
            *state = State::Open;
        }
        Frame { definition, number, sum: Sum::of(definition), next: 0 }
    }
}
