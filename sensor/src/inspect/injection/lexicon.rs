//! Words that injections consist of, and their function.

use hashbrown::HashMap;

/// The function of a word. The weights depend on the classes: retrain after a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// Catalogues and procedures of databases.
    Catalogue,
    /// Functions of databases.
    Function,
    /// Verbs of SQL.
    Statement,
    /// Other words of SQL.
    Clause,
    /// Operators of SQL that are words.
    Logic,
    /// Commands of shells.
    Command,
    /// Parts of names of a system's files.
    File,
    /// Of JavaScript in browsers.
    Script,
    /// Of PHP, Python, Ruby.
    Code,
    /// Of Java and its frameworks.
    Java,
    /// Of XML.
    Markup,
    /// Operators of `MongoDB`.
    Operator,
    /// Attributes of LDAP.
    Directory,
}

impl Word {
    const ALL: [(&'static str, Self); 13] = [
        ("catalogue", Self::Catalogue),
        ("function", Self::Function),
        ("statement", Self::Statement),
        ("clause", Self::Clause),
        ("logic", Self::Logic),
        ("command", Self::Command),
        ("file", Self::File),
        ("script", Self::Script),
        ("code", Self::Code),
        ("java", Self::Java),
        ("markup", Self::Markup),
        ("operator", Self::Operator),
        ("directory", Self::Directory),
    ];

    /// The name of its class in n-grams.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Catalogue => "N",
            Self::Function => "F",
            Self::Statement => "S",
            Self::Clause => "C",
            Self::Logic => "L",
            Self::Command => "U",
            Self::File => "D",
            Self::Script => "J",
            Self::Code => "P",
            Self::Java => "Q",
            Self::Markup => "X",
            Self::Operator => "M",
            Self::Directory => "H",
        }
    }
}

/// The committed lexicon.
pub const TEXT: &str = include_str!("lexicon.txt");

/// The words by their text.
pub(super) struct Lexicon {
    words: HashMap<&'static [u8], Word, foldhash::fast::FixedState>,
    /// Tags of HTML, and whether they do something.
    tags: HashMap<&'static [u8], bool, foldhash::fast::FixedState>,
    schemes: HashMap<&'static [u8], (), foldhash::fast::FixedState>,
}

/// Longest word.
pub(super) const LONGEST: usize = 32;

impl Lexicon {
    pub(super) fn new() -> Self {
        let mut lexicon =
            Self { words: HashMap::default(), tags: HashMap::default(), schemes: HashMap::default() };
        for line in TEXT.lines().filter(|line| !line.starts_with('#')) {
            let Some((class, words)) = line.split_once(':') else { continue };
            for word in words.split_ascii_whitespace() {
                lexicon.add(class, word.as_bytes());
            }
        }
        lexicon
    }

    fn add(&mut self, class: &str, word: &'static [u8]) {
        match class {
            "tag-active" => {
                self.tags.insert(word, true);
            }
            "tag-plain" => {
                self.tags.insert(word, false);
            }
            "scheme" => {
                self.schemes.insert(word, ());
            }
            _ => {
                if let Some((_, class)) = Word::ALL.iter().find(|(name, _)| *name == class) {
                    self.words.insert(word, *class);
                }
            }
        }
    }

    pub(super) fn word(&self, word: &[u8]) -> Option<Word> {
        if word.len() > LONGEST { None } else { self.words.get(word).copied() }
    }

    pub(super) fn tag(&self, word: &[u8]) -> Option<bool> {
        if word.len() > LONGEST { None } else { self.tags.get(word).copied() }
    }

    pub(super) fn is_scheme(&self, word: &[u8]) -> bool {
        word.len() <= LONGEST && self.schemes.contains_key(word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_a_class_and_every_word_one() {
        let lexicon = Lexicon::new();
        let lines = TEXT.lines().filter(|line| !line.starts_with('#'));
        let mut words = 0;
        for line in lines {
            let (class, rest) = line.split_once(':').expect("a class");
            let known = Word::ALL.iter().any(|(name, _)| *name == class);
            assert!(known || ["tag-active", "tag-plain", "scheme"].contains(&class), "{class}");
            for word in rest.split_ascii_whitespace() {
                assert!(word.len() <= LONGEST && word == word.to_lowercase(), "{word}");
                words += 1;
            }
        }
        let known = lexicon.words.len() + lexicon.tags.len() + lexicon.schemes.len();
        assert_eq!(known, words, "no word twice");
    }
}
