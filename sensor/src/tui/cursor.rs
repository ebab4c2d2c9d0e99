//! The selection in a list whose order changes every second.

/// The selected row. Until it is moved it is the first one, whatever that is. From then on it follows its item, not its
/// index.
#[derive(Clone, Debug)]
pub(super) struct Cursor<K> {
    at: usize,
    on: Option<K>,
    follows: bool,
}

impl<K> Default for Cursor<K> {
    fn default() -> Self {
        Self { at: 0, on: None, follows: false }
    }
}

impl<K: Clone + PartialEq> Cursor<K> {
    /// The number of the row.
    pub(super) const fn at(&self) -> usize {
        self.at
    }

    /// The selected item.
    pub(super) const fn on(&self) -> Option<&K> {
        self.on.as_ref()
    }

    /// Follows the item in a new list. If it has gone, the index stays.
    pub(super) fn settle(&mut self, keys: &[K]) {
        if !self.follows {
            return self.go(0, keys);
        }
        let found = self.on.as_ref().and_then(|on| keys.iter().position(|key| key == on));
        self.go(found.unwrap_or(self.at), keys);
    }

    /// Moves by rows, within the list. Moved to the first row, it behaves as if never moved.
    pub(super) fn step(&mut self, rows: isize, keys: &[K]) {
        self.follows = rows != isize::MIN;
        self.go(self.at.saturating_add_signed(rows), keys);
    }

    fn go(&mut self, to: usize, keys: &[K]) {
        self.at = to.min(keys.len().saturating_sub(1));
        self.on = keys.get(self.at).cloned();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn until_it_is_moved_it_is_the_first_row() {
        let mut cursor = Cursor::default();
        cursor.settle(&['a', 'b']);
        cursor.settle(&['b', 'a']);
        assert_eq!((cursor.at(), cursor.on()), (0, Some(&'b')));
        cursor.step(1, &['b', 'a']);
        cursor.step(isize::MIN, &['b', 'a']);
        cursor.settle(&['c', 'b', 'a']);
        assert_eq!((cursor.at(), cursor.on()), (0, Some(&'c')));
    }

    #[test]
    fn it_stays_with_what_it_stands_on() {
        let mut cursor = Cursor::default();
        cursor.settle(&['a', 'b', 'c']);
        cursor.step(1, &['a', 'b', 'c']);
        assert_eq!((cursor.at(), cursor.on()), (1, Some(&'b')));
        cursor.settle(&['b', 'c', 'a']);
        assert_eq!((cursor.at(), cursor.on()), (0, Some(&'b')));
        cursor.step(9, &['b', 'c', 'a']);
        assert_eq!((cursor.at(), cursor.on()), (2, Some(&'a')));
        cursor.settle(&['b', 'c']);
        assert_eq!((cursor.at(), cursor.on()), (1, Some(&'c')), "where it went, the last one");
        cursor.step(-9, &['b', 'c']);
        assert_eq!((cursor.at(), cursor.on()), (0, Some(&'b')));
        cursor.settle(&[]);
        assert_eq!((cursor.at(), cursor.on()), (0, None));
    }
}
