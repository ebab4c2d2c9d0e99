//! Connections by address, and by how long they have been idle.

use std::hash::{BuildHasher, Hash, Hasher};

use ahash::RandomState;
use hashbrown::HashTable;
use slab::Slab;

use super::connection::{Class, Connection};
use super::protocol::Side;
use crate::capture::Endpoint;

const NONE: u32 = u32::MAX;

/// The neighbours of an entry in its list.
#[derive(Clone, Copy, Debug)]
struct Link {
    older: u32,
    newer: u32,
}

/// A list from the oldest entry to the newest.
#[derive(Clone, Copy, Debug)]
struct List {
    oldest: u32,
    newest: u32,
    length: usize,
}

/// Connections. Both directions reach the same entry with one look-up. Every connection is in its class's list, in the
/// order of the last segment. The links are separate from the connections, because moving an entry touches its
/// neighbours' links, which are closer together this way.
///
/// The order of the hash table never shows: it is never iterated.
#[derive(Debug)]
pub(super) struct Table<S> {
    index: HashTable<u32>,
    hasher: RandomState,
    connections: Slab<Connection<S>>,
    links: Vec<Link>,
    lists: [List; 4],
    serial: u32,
}

impl<S> Table<S> {
    /// A table with this capacity. Up to a million entries, its memory is reserved at once, so that it never moves, but
    /// touched only as it fills.
    pub(super) fn new(capacity: usize, seed: u64) -> Self {
        let capacity = capacity.min(1 << 20);
        Self {
            index: HashTable::with_capacity(capacity),
            hasher: RandomState::with_seeds(seed, !seed, seed.rotate_left(21), seed.rotate_left(43)),
            connections: Slab::with_capacity(capacity),
            links: Vec::with_capacity(capacity),
            lists: [List { oldest: NONE, newest: NONE, length: 0 }; 4],
            serial: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.connections.len()
    }

    /// The entry of the connection between two endpoints, and which side the first endpoint is.
    #[inline]
    pub(super) fn find(&self, source: Endpoint, destination: Endpoint) -> Option<(usize, Side)> {
        let hash = hash(&self.hasher, source, destination);
        let mut side = Side::Client;
        let found = self.index.find(hash, |index| {
            let Some(connection) = self.connections.get(*index as usize) else { return false };
            let forward = connection.client == source && connection.server == destination;
            side = if forward { Side::Client } else { Side::Server };
            forward || (connection.client == destination && connection.server == source)
        })?;
        Some((*found as usize, side))
    }

    /// Entries allocated so far; each connection is one of them.
    pub(super) fn slots(&self) -> usize {
        self.links.len()
    }

    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<&Connection<S>> {
        self.connections.get(index)
    }

    #[inline]
    pub(super) fn get_mut(&mut self, index: usize) -> Option<&mut Connection<S>> {
        self.connections.get_mut(index)
    }

    /// Adds a connection that is not in the table.
    pub(super) fn insert(&mut self, mut connection: Connection<S>) -> usize {
        self.serial = self.serial.wrapping_add(1);
        connection.serial = self.serial;
        connection.class = connection.proper_class();
        let class = connection.class;
        let hash = hash(&self.hasher, connection.client, connection.server);
        let index = self.connections.insert(connection);
        let short = u32::try_from(index).unwrap_or(NONE);
        let (hasher, connections) = (&self.hasher, &self.connections);
        self.index.insert_unique(hash, short, |index| {
            connections
                .get(*index as usize)
                .map_or(0, |connection| self::hash(hasher, connection.client, connection.server))
        });
        if self.links.len() <= index {
            self.links.resize(index.saturating_add(1), Link { older: NONE, newer: NONE });
        }
        self.append(class, short);
        index
    }

    /// Removes a connection.
    pub(super) fn remove(&mut self, index: usize) -> Option<Connection<S>> {
        let connection = self.connections.try_remove(index)?;
        let short = u32::try_from(index).unwrap_or(NONE);
        let hash = hash(&self.hasher, connection.client, connection.server);
        if let Ok(entry) = self.index.find_entry(hash, |entry| *entry == short) {
            entry.remove();
        }
        self.unlink(connection.class, short);
        Some(connection)
    }

    /// The oldest entry of a class.
    pub(super) fn oldest(&self, class: Class) -> Option<usize> {
        let oldest = self.list(class).oldest;
        (oldest != NONE).then_some(oldest as usize)
    }

    /// Number of entries of a class.
    pub(super) fn count(&self, class: Class) -> usize {
        self.list(class).length
    }

    /// Makes an entry the newest of its class.
    #[inline]
    pub(super) fn renew(&mut self, index: usize, class: Class) {
        if self.list(class).newest as usize != index {
            let short = u32::try_from(index).unwrap_or(NONE);
            self.unlink(class, short);
            self.append(class, short);
        }
    }

    /// Moves an entry to the list of its current class, as the newest there; returns that class if it has changed.
    pub(super) fn reclass(&mut self, index: usize) -> Option<Class> {
        let connection = self.connections.get_mut(index)?;
        let (from, to) = (connection.class, connection.proper_class());
        if from == to {
            return None;
        }
        connection.class = to;
        let short = u32::try_from(index).unwrap_or(NONE);
        self.unlink(from, short);
        self.append(to, short);
        Some(to)
    }

    const fn list(&self, class: Class) -> &List {
        let [half_open, open, stopped, closed] = &self.lists;
        match class {
            Class::HalfOpen => half_open,
            Class::Open => open,
            Class::Stopped => stopped,
            Class::Closed => closed,
        }
    }

    const fn list_mut(&mut self, class: Class) -> &mut List {
        let [half_open, open, stopped, closed] = &mut self.lists;
        match class {
            Class::HalfOpen => half_open,
            Class::Open => open,
            Class::Stopped => stopped,
            Class::Closed => closed,
        }
    }

    fn append(&mut self, class: Class, index: u32) {
        let list = self.list_mut(class);
        let older = std::mem::replace(&mut list.newest, index);
        list.length = list.length.saturating_add(1);
        if older == NONE {
            list.oldest = index;
        }
        if let Some(link) = self.links.get_mut(older as usize) {
            link.newer = index;
        }
        if let Some(link) = self.links.get_mut(index as usize) {
            *link = Link { older, newer: NONE };
        }
    }

    fn unlink(&mut self, class: Class, index: u32) {
        let Some(Link { older, newer }) = self.links.get(index as usize).copied() else { return };
        match self.links.get_mut(older as usize) {
            Some(link) => link.newer = newer,
            None => self.list_mut(class).oldest = newer,
        }
        match self.links.get_mut(newer as usize) {
            Some(link) => link.older = older,
            None => self.list_mut(class).newest = older,
        }
        let list = self.list_mut(class);
        list.length = list.length.saturating_sub(1);
    }
}

/// Hashes two endpoints, in either order.
#[inline]
fn hash(hasher: &RandomState, one: Endpoint, other: Endpoint) -> u64 {
    let (low, high) = if one <= other { (one, other) } else { (other, one) };
    let mut state = hasher.build_hasher();
    low.hash(&mut state);
    high.hash(&mut state);
    state.finish()
}
