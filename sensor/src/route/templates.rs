//! Interned templates.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// A template: an index that represents its text as long as its [`Routes`](super::Routes) live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Route(u32);

impl Route {
    /// `/{other}`: paths that have no template.
    pub const OTHER: Self = Self(0);

    /// The index; small, so that tables by route can be arrays.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.0
    }
}

/// Texts by index. Hash seeds differ from run to run, but this never shows: indexes are assigned in order of use.
#[derive(Clone, Debug)]
pub(super) struct Templates {
    texts: Vec<Box<str>>,
    index: HashTable<u32>,
    state: RandomState,
    max: usize,
}

impl Templates {
    /// Room for `max` texts besides `/{other}`.
    pub(super) fn new(max: usize) -> Self {
        let mut templates = Self {
            texts: Vec::new(),
            index: HashTable::new(),
            state: RandomState::default(),
            max: usize::MAX,
        };
        templates.intern("/{other}");
        templates.max = max.saturating_add(1);
        templates
    }

    pub(super) fn text(&self, route: Route) -> &str {
        let index = usize::try_from(route.0).unwrap_or(usize::MAX);
        self.texts.get(index).map_or("", |text| text)
    }

    pub(super) fn len(&self) -> usize {
        self.texts.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.texts.len() >= self.max
    }

    /// The route with a text; `None` if it is new and the table is full.
    pub(super) fn intern(&mut self, text: &str) -> Option<Route> {
        let texts = &self.texts;
        let at = |index: u32| usize::try_from(index).ok().and_then(|index| texts.get(index));
        let hash = self.state.hash_one(text);
        let same = |index: &u32| at(*index).is_some_and(|known| **known == *text);
        if let Some(index) = self.index.find(hash, same) {
            return Some(Route(*index));
        }
        if self.is_full() {
            return None;
        }
        let new = u32::try_from(texts.len()).ok()?;
        let state = &self.state;
        self.index.insert_unique(hash, new, |index| at(*index).map_or(0, |text| state.hash_one(&**text)));
        self.texts.push(text.into());
        Some(Route(new))
    }
}
