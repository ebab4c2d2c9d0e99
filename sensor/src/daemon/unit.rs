//! Where the systemd unit lets the daemon write, according to the unit's own files.
//!
//! `sensor check` runs outside the unit, where it could write anywhere. Only the unit's files and drop-ins
//! (systemd.unit(5), systemd.exec(5)) determine what the unit may do.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The daemon's unit.
const NAME: &str = "sensor.service";
/// Where systemd searches for units, highest priority first.
const DIRECTORIES: [&str; 4] =
    ["etc/systemd/system", "run/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system"];
/// Directories that systemd creates for a unit, and their paths.
const OWN: [(&str, &str); 4] = [
    ("StateDirectory", "/var/lib"),
    ("LogsDirectory", "/var/log"),
    ("CacheDirectory", "/var/cache"),
    ("RuntimeDirectory", "/run"),
];

/// Access of a unit to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Access {
    Write,
    /// The unit has a private directory here, invisible to others.
    Private,
    /// An empty, read-only private directory: its contents must be bind-mounted.
    Hidden,
    No,
}

/// What prevents writing to a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// `ReadWritePaths=` would allow it.
    ReadOnly,
    /// `BindPaths=` would allow it.
    Hidden,
    /// Others cannot see what is written there.
    Private,
}

/// A unit, from its files.
#[derive(Debug)]
pub(super) struct Unit {
    places: Vec<(PathBuf, Access)>,
    /// The daemon's user.
    pub(super) user: Option<String>,
}

impl Unit {
    /// The unit installed below `root`. `None` if there is none, or if it does not confine the daemon in a known way:
    /// then nothing is reported about it.
    pub(super) fn read(root: &Path) -> Option<Self> {
        let found = DIRECTORIES.iter().map(|directory| root.join(directory).join(NAME));
        let main = found.into_iter().find_map(|file| fs::read_to_string(file).ok())?;
        let mut settings = Settings::default();
        settings.add(&main);
        for drop_in in drop_ins(root) {
            settings.add(&fs::read_to_string(drop_in).ok()?);
        }
        settings.unit()
    }

    /// Why the unit may not write to a directory; `None` if it may.
    pub(super) fn refuses(&self, directory: &Path) -> Option<Refusal> {
        let covering = self.places.iter().filter(|(place, _)| directory.starts_with(place));
        // The nearest entry counts, and of two for the same path the stricter, as in systemd.
        let nearest = covering.max_by_key(|(place, access)| (place.components().count(), *access));
        match nearest.map_or(Access::No, |(_, access)| *access) {
            Access::Write => None,
            Access::Private => Some(Refusal::Private),
            Access::Hidden => Some(Refusal::Hidden),
            Access::No => Some(Refusal::ReadOnly),
        }
    }
}

/// Drop-ins in the order in which they are applied. One in a higher-priority directory replaces others of its name.
fn drop_ins(root: &Path) -> impl Iterator<Item = PathBuf> {
    let mut by_name = BTreeMap::new();
    for directory in DIRECTORIES {
        let directory = root.join(directory).join(format!("{NAME}.d"));
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "conf") {
                by_name.entry(entry.file_name()).or_insert(path);
            }
        }
    }
    by_name.into_values()
}

/// Values by key, in order; an empty one clears earlier ones.
#[derive(Debug, Default)]
struct Settings(BTreeMap<String, Vec<String>>);

impl Settings {
    fn add(&mut self, text: &str) {
        let text = text.replace("\\\n", " ");
        let mut is_service = false;
        for line in text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';'])) {
            if line.starts_with('[') {
                is_service = line == "[Service]";
            } else if let Some((key, value)) = line.split_once('=').filter(|_| is_service) {
                let values = self.0.entry(key.trim().to_owned()).or_default();
                match value.trim() {
                    "" => values.clear(),
                    value => values.push(value.to_owned()),
                }
            }
        }
    }

    fn last(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.last().map(String::as_str)
    }

    /// Words of a list, without quotes and prefixes.
    fn words(&self, key: &str) -> impl Iterator<Item = &str> {
        let values = self.0.get(key).into_iter().flatten();
        let words = values.flat_map(|value| value.split_ascii_whitespace());
        words.map(|word| word.trim_matches('"').trim_start_matches(['-', '+']))
    }

    fn is_on(&self, key: &str) -> bool {
        self.last(key).is_some_and(|value| ["yes", "true", "on", "1", "tmpfs"].contains(&value))
    }

    fn unit(&self) -> Option<Unit> {
        // A weaker setting leaves most of the file system writable; another root is another file system.
        if self.last("ProtectSystem") != Some("strict")
            || self.last("RootDirectory").or(self.last("RootImage")).is_some()
        {
            return None;
        }
        let mut places = Vec::new();
        for (key, base) in OWN {
            places.extend(self.words(key).map(|name| (Path::new(base).join(name), Access::Write)));
        }
        let lists = [
            ("ReadWritePaths", Access::Write),
            ("BindPaths", Access::Write),
            ("ReadOnlyPaths", Access::No),
            ("BindReadOnlyPaths", Access::No),
            ("InaccessiblePaths", Access::No),
            ("TemporaryFileSystem", Access::Hidden),
        ];
        for (key, access) in lists {
            for word in self.words(key) {
                places.push((place(key, word)?, access));
            }
        }
        if self.is_on("ProtectHome") {
            places.extend(["/home", "/root", "/run/user"].map(|home| (home.into(), Access::No)));
        }
        if self.is_on("PrivateTmp") {
            places.extend(["/tmp", "/var/tmp"].map(|tmp| (tmp.into(), Access::Private)));
        }
        Some(Unit { places, user: self.last("User").map(str::to_owned) })
    }
}

/// The path inside the unit that a word refers to: `SOURCE:PLACE:OPTIONS` for bind mounts, else `PLACE:OPTIONS`.
fn place(key: &str, word: &str) -> Option<PathBuf> {
    let mut parts = word.split(':');
    let first = parts.next()?;
    let inside = if key.starts_with("Bind") { parts.next().unwrap_or(first) } else { first };
    let directories = [("%S", "/var/lib"), ("%L", "/var/log"), ("%C", "/var/cache"), ("%t", "/run")];
    let expanded =
        directories.iter().fold(inside.to_owned(), |text, (short, long)| text.replace(short, long));
    // Only systemd can expand other specifiers.
    (!expanded.contains('%')).then(|| expanded.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHIPPED: &str = include_str!("../../dist/sensor.service");

    fn installed(drop_ins: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let file = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        file("usr/lib/systemd/system/sensor.service", SHIPPED);
        for (path, text) in drop_ins {
            file(path, text);
        }
        root
    }

    fn refuses(drop_ins: &[(&str, &str)], directory: &str) -> Option<Refusal> {
        Unit::read(installed(drop_ins).path()).unwrap().refuses(Path::new(directory))
    }

    #[test]
    fn the_shipped_unit_writes_to_its_own_directories_alone() {
        for (directory, expected) in [
            ("/var/lib/sensor", None),
            ("/var/lib/sensor/deny", None),
            ("/var/log/sensor", None),
            ("/run/sensor", None),
            ("/etc/sensor", Some(Refusal::ReadOnly)),
            ("/etc/nginx", Some(Refusal::ReadOnly)),
            ("/srv/deny", Some(Refusal::ReadOnly)),
            ("/var/lib/sensors", Some(Refusal::ReadOnly)),
            ("/var/lib/docker/volumes", Some(Refusal::ReadOnly)),
            ("/home/me", Some(Refusal::ReadOnly)),
            ("/run/haproxy", Some(Refusal::Hidden)),
            ("/run/systemd/notify", Some(Refusal::ReadOnly)),
            ("/tmp", Some(Refusal::Private)),
            ("/var/tmp/deny", Some(Refusal::Private)),
        ] {
            assert_eq!(refuses(&[], directory), expected, "{directory}");
        }
        assert_eq!(Unit::read(installed(&[]).path()).unwrap().user.as_deref(), Some("sensor"));
    }

    #[test]
    fn drop_ins_are_heard_in_their_order() {
        let etc = "etc/systemd/system/sensor.service.d/a.conf";
        let write = "[Service]\nReadWritePaths=/srv/deny \\\n  -/srv/more\n";
        for (drop_ins, directory, expected) in [
            (vec![(etc, write)], "/srv/deny", None),
            (vec![(etc, write)], "/srv/more/below", None),
            // Of another section, or commented out.
            (vec![(etc, "[Unit]\nReadWritePaths=/srv\n")], "/srv", Some(Refusal::ReadOnly)),
            (vec![(etc, "[Service]\n#ReadWritePaths=/srv\n")], "/srv", Some(Refusal::ReadOnly)),
            (vec![(etc, "[Service]\nBindPaths=/srv/x:/run/haproxy\n")], "/run/haproxy", None),
            // The file of the same name in /usr is ignored.
            (
                vec![(etc, "[Service]\n"), ("usr/lib/systemd/system/sensor.service.d/a.conf", write)],
                "/srv/deny",
                Some(Refusal::ReadOnly),
            ),
            (
                vec![
                    (etc, write),
                    ("run/systemd/system/sensor.service.d/b.conf", "[Service]\nReadWritePaths=\n"),
                ],
                "/srv/deny",
                Some(Refusal::ReadOnly),
            ),
            (vec![(etc, "[Service]\nPrivateTmp=no\nReadWritePaths=/tmp\n")], "/tmp", None),
        ] {
            assert_eq!(refuses(&drop_ins, directory), expected, "{drop_ins:?} {directory}");
        }
    }

    #[test]
    fn nothing_is_said_of_units_that_are_not_understood() {
        assert!(Unit::read(tempfile::tempdir().unwrap().path()).is_none());
        let drop_in = "etc/systemd/system/sensor.service.d/a.conf";
        for text in ["ProtectSystem=full", "RootDirectory=/srv/root", "ReadWritePaths=/srv/%i"] {
            let root = installed(&[(drop_in, &format!("[Service]\n{text}\n"))]);
            assert!(Unit::read(root.path()).is_none(), "{text}");
        }
    }
}
