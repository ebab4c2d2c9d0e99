//! Whether the paths in the configuration exist, and whether the daemon may write to them.

use std::cell::RefCell;
use std::env;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::{AccessFlags, Gid, Group, User, access, geteuid};

use super::unit::{Refusal, Unit};
use crate::config::{Document, Form, Problem, Section};

/// The source of information about write access.
#[derive(Debug)]
pub(super) enum Judge {
    /// None: only existence is checked.
    Nobody,
    /// The files of the unit that will run it.
    Files(Unit),
    /// The kernel, because this process runs in the unit, where not all of its files are visible.
    Kernel,
}

impl Judge {
    /// For an installed unit.
    pub(super) fn of(unit: Unit) -> Self {
        let own = User::from_uid(geteuid()).ok().flatten().map(|user| user.name);
        // systemd.exec(5): it is set for whatever systemd starts.
        let is_inside = env::var_os("INVOCATION_ID").is_some() && own.is_some() && own == unit.user;
        if is_inside { Self::Kernel } else { Self::Files(unit) }
    }
}

/// Errors about files that the daemon is to write.
pub(super) fn problems(document: &Document, judge: &Judge) -> Vec<Problem> {
    let problems = RefCell::default();
    let root = Section::root(document, &problems);
    let (http, alerts) = (root.section("http"), root.section("alerts"));
    let deny_file = alerts.section("deny_file");
    let (mut enabled, mut log, mut output, mut deny) = (true, None, None, None);
    http.boolean("enabled", &mut enabled);
    http.optional("exchange_log", &Form::path("/"), &mut log);
    alerts.optional("output", &Form::any("a path", "/"), &mut output);
    deny_file.optional("path", &Form::path("/"), &mut deny);
    // Errors in these values are reported by the full parse.
    problems.take();
    let log = log.filter(|_| enabled);
    let output = output.filter(|path: &String| path.starts_with('/')).map(PathBuf::from);
    for (section, key, path) in
        [(&http, "exchange_log", log), (&alerts, "output", output), (&deny_file, "path", deny)]
    {
        if let Some(message) = path.as_deref().and_then(|path| objection(path, judge)) {
            section.reject(key, message);
        }
    }
    problems.take()
}

/// What prevents the daemon from writing a file, with the remedy.
fn objection(path: &Path, judge: &Judge) -> Option<String> {
    let directory = path.parent()?;
    let shown = directory.display();
    if let Judge::Files(unit) = judge
        && let Some(refusal) = unit.refuses(directory)
    {
        return Some(match refusal {
            Refusal::ReadOnly => drop_in(directory, "ReadWritePaths"),
            Refusal::Hidden => drop_in(directory, "BindPaths"),
            Refusal::Private => format!(
                "{shown}: the unit has a private directory there, invisible to others; use another one, such as \
                 /var/lib/sensor"
            ),
        });
    }
    let Ok(metadata) = directory.metadata() else {
        return Some(format!("{shown}: no such directory; create it first"));
    };
    if !metadata.is_dir() {
        return Some(format!("{shown}: not a directory"));
    }
    match judge {
        Judge::Nobody => None,
        Judge::Files(unit) => {
            let name = unit.user.as_deref()?;
            // A missing user will be created by the package.
            let user = User::from_name(name).ok()??;
            (!may_write(&metadata, &user)).then(|| not_theirs(directory, name))
        }
        Judge::Kernel => match access(directory, AccessFlags::W_OK | AccessFlags::X_OK) {
            Ok(()) => None,
            Err(Errno::EROFS) => Some(drop_in(directory, "ReadWritePaths")),
            Err(_) => Some(not_theirs(directory, "sensor")),
        },
    }
}

fn not_theirs(directory: &Path, user: &str) -> String {
    let shown = directory.display();
    format!("{shown}: not writable by the unit's user {user}; run `chown {user} {shown}`")
}

fn drop_in(directory: &Path, key: &str) -> String {
    let shown = directory.display();
    format!(
        "{shown}: the unit sensor.service does not let the daemon write there; type `systemctl edit sensor`, add the \
         lines `[Service]` and `{key}={shown}`, and restart"
    )
}

fn may_write(directory: &Metadata, user: &User) -> bool {
    let mode = directory.mode();
    if directory.uid() == user.uid.as_raw() || user.uid.is_root() {
        return user.uid.is_root() || mode & 0o300 == 0o300;
    }
    let gid = Gid::from_raw(directory.gid());
    let is_member = gid == user.gid
        || Group::from_gid(gid).ok().flatten().is_some_and(|group| group.mem.contains(&user.name));
    if is_member { mode & 0o030 == 0o030 } else { mode & 0o003 == 0o003 }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn complaints(text: &str, judge: &Judge) -> Vec<String> {
        let mut document = Document::default();
        document.add(Path::new("sensor.toml"), text).unwrap();
        problems(&document, judge).iter().map(ToString::to_string).collect()
    }

    fn shipped() -> Judge {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join("usr/lib/systemd/system");
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("sensor.service"), include_str!("../../dist/sensor.service")).unwrap();
        Judge::Files(Unit::read(root.path()).unwrap())
    }

    #[test]
    fn a_place_outside_of_the_unit_is_named_with_the_drop_in_that_helps() {
        let unit = shipped();
        for (text, key, remedy) in [
            (
                "[alerts.deny_file]\npath = \"/etc/nginx/deny.conf\"\n",
                "alerts.deny_file.path",
                "ReadWritePaths=/etc/nginx`",
            ),
            ("[alerts]\noutput = \"/srv/alerts.jsonl\"\n", "alerts.output", "ReadWritePaths=/srv`"),
            ("[http]\nexchange_log = \"/run/logs/x\"\n", "http.exchange_log", "BindPaths=/run/logs`"),
            (
                "[alerts.deny_file]\npath = \"/tmp/deny.conf\"\n",
                "alerts.deny_file.path",
                "such as /var/lib/sensor",
            ),
        ] {
            let found = complaints(text, &unit);
            let [one] = found.as_slice() else { panic!("{text}: {found:?}") };
            assert!(one.contains(&format!("sensor.toml:2: {key}: ")) && one.contains(remedy), "{one}");
            // Outside of any unit these are places like others.
            let others = complaints(text, &Judge::Nobody);
            assert!(others.iter().all(|other| !other.contains("unit")), "{others:?}");
        }
    }

    #[test]
    fn values_that_name_no_file_are_none_of_this() {
        for text in [
            "",
            "[alerts]\noutput = \"stdout\"\n",
            "[http]\nenabled = false\nexchange_log = \"/no/such/log\"\n",
        ] {
            assert!(complaints(text, &shipped()).is_empty(), "{text}");
        }
    }

    #[test]
    fn directories_have_to_be_there() {
        let found = complaints("[alerts.deny_file]\npath = \"/no/such/deny.conf\"\n", &Judge::Nobody);
        assert!(found.len() == 1 && found[0].contains("/no/such: no such directory"), "{found:?}");
    }

    #[test]
    fn whom_a_directory_belongs_to_decides() {
        let directory = tempfile::tempdir().unwrap();
        let somebody = User { uid: 4_294_000_000.into(), ..User::from_uid(0.into()).unwrap().unwrap() };
        let stranger = User { gid: 4_294_000_000.into(), name: "stranger".to_owned(), ..somebody };
        for (mode, expected) in [(0o755, false), (0o777, true), (0o770, false)] {
            fs::set_permissions(directory.path(), Permissions::from_mode(mode)).unwrap();
            assert_eq!(may_write(&directory.path().metadata().unwrap(), &stranger), expected, "{mode:o}");
        }
    }
}
