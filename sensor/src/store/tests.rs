//! State files that were damaged, written by another version, or put there by somebody else.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use super::*;
use crate::clock::Timestamp;
use crate::enforce::{BlockRule, Mode, Origin};

const AT: Timestamp = Timestamp::from_unix_micros(1_700_000_000_000_000);

fn blocking(prefixes: &[&str]) -> Saved {
    let mut saved = Saved::default();
    saved.commands.mode = Some(Mode::Enforce);
    let rule =
        BlockRule { until: None, reason: Some("ticket 4711".into()), origin: Origin::Command, since: AT };
    saved.commands.blocks = prefixes.iter().map(|prefix| (prefix.parse().unwrap(), rule.clone())).collect();
    saved
}

fn store(directory: &Path) -> CommandStore {
    CommandStore::open(directory, COMMANDS).unwrap().with_previous()
}

fn recall(directory: &Path) -> (Saved, Option<Damage>) {
    store(directory).recall_with(AT, Saved::read)
}

/// A directory with a file that was written twice; what stood there first, and last.
fn written() -> (tempfile::TempDir, Saved, Saved) {
    let directory = tempfile::tempdir().unwrap();
    let (first, last) = (blocking(&["192.0.2.7/32"]), blocking(&["192.0.2.7/32", "2001:db8::/32"]));
    for saved in [&first, &last] {
        store(directory.path()).save(saved).unwrap();
    }
    (directory, first, last)
}

#[test]
fn a_file_cut_anywhere_costs_one_change_and_is_kept() {
    let (directory, first, last) = written();
    let path = directory.path().join(COMMANDS);
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        let (found, damage) = recall(directory.path());
        assert_eq!(found, first, "cut at {length}");
        let damage = damage.unwrap();
        let kept = damage.kept.clone().unwrap();
        assert_eq!(fs::read(&kept).unwrap(), &whole[..length], "cut at {length}");
        assert!(
            !path.exists() && damage.lacks_rules && damage.to_string().contains(&*kept.to_string_lossy())
        );
        fs::remove_file(kept).unwrap();
    }
    fs::write(&path, &whole).unwrap();
    assert_eq!(recall(directory.path()), (last, None));
}

#[test]
fn without_an_earlier_version_nothing_is_made_up() {
    let directory = tempfile::tempdir().unwrap();
    for text in ["", "{", "null", "[]", "7", "\"x\"", "{\"commands\": 1", "\u{0}\u{0}"] {
        fs::write(directory.path().join(COMMANDS), text).unwrap();
        let (found, damage) = recall(directory.path());
        assert_eq!(found, Saved::default(), "{text}");
        assert!(damage.unwrap().to_string().contains("none of it is in force"), "{text}");
    }
    // Each stays until three others came.
    let kept =
        |found: &fs::DirEntry| found.file_name().to_string_lossy().starts_with("commands.json.corrupt-");
    let all = fs::read_dir(directory.path()).unwrap().map(Result::unwrap);
    assert_eq!(all.filter(kept).count(), 3);
}

#[test]
fn of_a_newer_file_each_rule_that_is_understood_holds() {
    let (directory, _, last) = written();
    let path = directory.path().join(COMMANDS);
    let mut newer: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    newer["version"] = 2.into();
    newer["moods"] = "unknown".into();
    newer["commands"]["blocks"]["AS64496"] = "a prefix of another kind".into();
    newer["commands"]["limits"]["default"] = serde_json::json!({"packets": {"adaptive": true}});
    newer["pending"] = serde_json::json!([{"scope": "a mystery"}]);
    let text = serde_json::to_vec(&newer).unwrap();
    fs::write(&path, &text).unwrap();
    let (found, damage) = recall(directory.path());
    assert_eq!(found.commands.blocks, last.commands.blocks);
    assert_eq!(found.commands.mode, Some(Mode::Enforce));
    let damage = damage.unwrap();
    for part in ["version 2", "`moods`", "blocks of AS64496", "limits of default", "pending change 0"] {
        assert!(damage.why.contains(part), "{part} is not in {}", damage.why);
    }
    let kept = damage.kept.unwrap();
    assert_eq!(fs::read(&kept).unwrap(), text);
    assert!(kept.to_string_lossy().ends_with("commands.json.newer-20231114T221320Z"), "{kept:?}");
    // A file of before there were versions is no newer one.
    newer = serde_json::from_slice(&text).unwrap();
    let plain = serde_json::json!({"commands": {"blocks": newer["commands"]["blocks"]["192.0.2.7/32"].clone(), "mode": "enforce"}});
    fs::write(&path, plain.to_string()).unwrap();
    let (found, damage) = recall(directory.path());
    assert_eq!(
        (found.commands.mode, damage.is_some()),
        (Some(Mode::Enforce), true),
        "one part of it is not understood"
    );
}

#[test]
fn what_others_may_have_written_is_not_taken() {
    let (directory, first, _) = written();
    let path = directory.path().join(COMMANDS);
    let elsewhere = tempfile::tempdir().unwrap();
    let planted = elsewhere.path().join("planted");
    fs::write(&planted, serde_json::to_vec(&blocking(&["0.0.0.0/0"])).unwrap()).unwrap();
    for how in ["link", "mode", "directory"] {
        fs::remove_file(&path).unwrap();
        match how {
            "link" => symlink(&planted, &path).unwrap(),
            "mode" => {
                fs::copy(&planted, &path).unwrap();
                fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
            }
            _ => fs::create_dir(&path).unwrap(),
        }
        let mut store = store(directory.path());
        let (found, damage) = store.recall_with(AT, Saved::read);
        assert_eq!(found, first, "{how}");
        assert!(damage.unwrap().kept.is_ok(), "{how}");
        store.save(&first).unwrap();
        assert_eq!(recall(directory.path()), (first.clone(), None), "{how}");
    }
    assert!(planted.exists(), "what a link leads to is left alone");
}

#[test]
fn what_cannot_be_moved_aside_is_not_overwritten() {
    if nix::unistd::geteuid().is_root() {
        // Root may do everything in a directory, but replace a mount point.
        std::thread::scope(|scope| scope.spawn(sealed).join().unwrap());
    }
}

fn sealed() {
    use nix::mount::{MsFlags, mount};
    let (directory, first, _) = written();
    let path = directory.path().join(COMMANDS);
    fs::write(&path, "{").unwrap();
    nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).unwrap();
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
    mount(Some(&path), &path, none, MsFlags::MS_BIND, none).unwrap();
    let mut store = store(directory.path());
    let (found, damage) = store.recall_with(AT, Saved::read);
    assert_eq!(found, first);
    assert!(damage.unwrap().to_string().contains("could not be moved aside"));
    assert!(matches!(store.save(&first), Err(StoreError::Sealed(_))));
    assert_eq!(fs::read_to_string(&path).unwrap(), "{");
}

#[test]
fn replacing_leaves_the_old_or_the_new_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    let names = || fs::read_dir(directory.path()).unwrap().count();
    replace(&path, b"old", 0o600).unwrap();
    replace(&path, b"new", 0o644).unwrap();
    assert_eq!((fs::read(&path).unwrap(), names()), (b"new".to_vec(), 1));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o644);
    create(&path, b"another", 0o600).unwrap_err();
    assert_eq!((fs::read(&path).unwrap(), names()), (b"new".to_vec(), 1));
    // A link is replaced, and what it leads to is left alone.
    let link = directory.path().join("link");
    symlink(&path, &link).unwrap();
    replace(&link, b"own", 0o600).unwrap();
    assert_eq!((fs::read(&path).unwrap(), fs::read(&link).unwrap()), (b"new".to_vec(), b"own".to_vec()));
    // What a killed writer left goes with the next start.
    let left = directory.path().join(".commands.json.X1y2Z3.unfinished");
    fs::write(&left, "half").unwrap();
    store(directory.path());
    assert!(!left.exists());
}
