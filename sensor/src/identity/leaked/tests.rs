//! Lists, as the public ones are written, and what is found in them.

use std::io::Write as _;
use std::thread;
use std::time::Duration;

use proptest::prelude::*;
use tempfile::NamedTempFile;

use super::*;
use crate::identity::Key;

fn hex(digest: &Digest, algorithm: Algorithm) -> String {
    digest.iter().take(algorithm.digits() / 2).map(|byte| format!("{byte:02X}")).collect()
}

/// A list of passwords, as the public ones are written.
fn list(passwords: &[String], algorithm: Algorithm, end: &str) -> NamedTempFile {
    let mut lines: Vec<String> =
        passwords.iter().map(|text| hex(&algorithm.digest(text.as_bytes()).unwrap(), algorithm)).collect();
    lines.sort_unstable();
    let mut file = NamedTempFile::new().unwrap();
    for (number, line) in lines.iter().enumerate() {
        write!(file, "{line}:{}{end}", number * 7919 % 100_000).unwrap();
    }
    file.flush().unwrap();
    file
}

#[test]
fn digests_are_those_of_the_standards() {
    // FIPS 180-4's example, and the NTLM hash of an empty and of a well-known password.
    let of = |algorithm: Algorithm, text: &str| hex(&algorithm.digest(text.as_bytes()).unwrap(), algorithm);
    assert_eq!(of(Algorithm::Sha1, "abc"), "A9993E364706816ABA3E25717850C26C9CD0D89D");
    assert_eq!(of(Algorithm::Ntlm, ""), "31D6CFE0D16AE931B73C59D7E0C089C0");
    assert_eq!(of(Algorithm::Ntlm, "password"), "8846F7EAEE8FB117AD06BDD830B7586C");
    assert!(Algorithm::Ntlm.digest(&[0xff, 0xfe]).is_none());
}

#[test]
fn each_password_of_a_list_is_found_and_no_other() {
    for algorithm in [Algorithm::Sha1, Algorithm::Ntlm] {
        for (size, end) in [(1, "\r\n"), (3, "\n"), (5_000, "\r\n")] {
            let passwords: Vec<String> = (0..size).map(|number| format!("secret{number}")).collect();
            let file = list(&passwords, algorithm, end);
            let leaked = Leaked::open(file.path()).unwrap();
            assert_eq!(leaked.algorithm, algorithm);
            let has = |text: &str| leaked.has(&algorithm.digest(text.as_bytes()).unwrap()).unwrap();
            assert!(passwords.iter().all(|text| has(text)), "{algorithm:?} {size}");
            assert!((0..2_000).all(|number| !has(&format!("other{number}"))), "{algorithm:?} {size}");
        }
    }
}

#[test]
fn what_is_no_list_is_refused() {
    let hash = "A9993E364706816ABA3E25717850C26C9CD0D89D";
    for (text, says) in [
        ("", "expected lines"),
        ("hunter2\n", "expected lines"),
        (
            "A9993E364706816ABA3E25717850C26C9CD0D89D:1\n0000000000000000000000000000000000000000:1\n",
            "not sorted",
        ),
    ] {
        let mut file = NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let error = Leaked::open(file.path()).unwrap_err();
        assert!(error.contains(says) && error.contains(file.path().to_str().unwrap()), "{error}");
    }
    let mut endless = NamedTempFile::new().unwrap();
    endless.write_all(format!("{hash}:{}", "1".repeat(10_000)).as_bytes()).unwrap();
    assert!(Leaked::open(endless.path()).is_err());
    assert!(Leaked::open(Path::new("/no/such/list")).unwrap_err().contains("/no/such/list"));
    assert!(Leaked::open(Path::new("/")).is_err());
}

#[test]
fn digests_last_for_one_exchange_and_answers_are_remembered() {
    let file = list(&["hunter2".to_owned()], Algorithm::Sha1, "\n");
    let leaked = Arc::new(Leaked::open(file.path()).unwrap());
    let hasher = Hasher::new(&Key::from_bytes([7; 32])).looked_up(Some(leaked.algorithm()));
    let mut leaks = Leaks::new(Some(leaked));
    let (weak, good) = (hasher.password(b"hunter2"), hasher.password(b"correct horse"));
    assert_eq!((leaks.has(weak, &hasher), leaks.has(good, &hasher)), (Some(true), Some(false)));
    hasher.forget();
    assert!(hasher.digest(weak).is_none());
    assert_eq!(leaks.has(weak, &hasher), Some(true));
    // Of a password whose digest is gone nothing is said.
    let unknown = Hasher::new(&Key::from_bytes([7; 32])).password(b"other");
    assert_eq!((leaks.has(unknown, &hasher), leaks.failed()), (None, 0));
    assert_eq!(Leaks::new(None).has(weak, &hasher), None);
}

/// The next answer, waited for.
fn answer(aside: &mut Aside) -> (KeyedHash, Option<bool>) {
    let until = crate::clock::monotonic() + Duration::from_secs(10);
    loop {
        if let Some(answer) = aside.answer() {
            return answer;
        }
        assert!(crate::clock::monotonic() < until, "no answer in ten seconds");
        thread::yield_now();
    }
}

#[test]
fn answers_of_the_thread_are_those_of_the_list() {
    let file = list(&["hunter2".to_owned()], Algorithm::Sha1, "\n");
    let leaked = Arc::new(Leaked::open(file.path()).unwrap());
    let hasher = Hasher::new(&Key::from_bytes([7; 32])).looked_up(Some(leaked.algorithm()));
    let mut leaks = Leaks::new(Some(leaked));
    leaks.move_aside().unwrap();
    let (weak, good) = (hasher.password(b"hunter2"), hasher.password(b"correct horse"));
    for (password, expected) in [(weak, true), (good, false)] {
        assert_eq!((leaks.has(password, &hasher), leaks.awaits(password)), (None, true));
        let told = answer(leaks.aside.as_mut().unwrap());
        assert_eq!(told, (password, Some(expected)));
        assert!(!leaks.awaits(password));
    }
    // Through the same door as the pipeline's, it is remembered.
    assert_eq!(leaks.has(weak, &hasher), None);
    while leaks.awaits(weak) {
        let _of_the_only_one = leaks.answer();
        thread::yield_now();
    }
    assert_eq!(leaks.has(weak, &hasher), Some(true));
}

/// A disk that does not answer delays nobody who asks; beyond the bound, questions are refused and not kept.
#[test]
fn a_disk_that_hangs_delays_nobody() {
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let mut aside = Aside::start_with(move |digest| {
        // Until the other side is gone.
        let _hung = wait.recv();
        Ok(digest[0] % 2 == 0)
    })
    .unwrap();
    let hasher = Hasher::new(&Key::from_bytes([7; 32]));
    let of = |number: u32| {
        let password = hasher.hash(crate::identity::Kind::Password, &number.to_le_bytes());
        (password, Digest::new([number.to_le_bytes()[0]; 20]))
    };
    let mut longest = Duration::ZERO;
    let mut asked = Vec::new();
    for number in 0..5_000 {
        let before = crate::clock::monotonic();
        let (password, digest) = of(number);
        if aside.ask(password, digest) {
            asked.push(number);
        }
        assert!(aside.answer().is_none());
        longest = longest.max(crate::clock::monotonic() - before);
    }
    // One of them is with the thread.
    assert!((1_024..=1_025).contains(&asked.len()), "{asked:?}");
    let (password, digest) = of(0);
    assert!(aside.ask(password, digest), "who waits already is not asked for twice");
    // The bound is for a machine that does other things, too: each look-up would have taken for ever.
    assert!(longest < Duration::from_secs(1), "{longest:?}");
    drop(go);
    for number in asked {
        let (password, found) = answer(&mut aside);
        assert_eq!((password, found), (of(number).0, Some(number % 2 == 0)));
    }
    assert!(!aside.awaits(of(0).0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Beside a search through all of it, for lists of any distribution and lines of any length.
    #[test]
    fn it_finds_what_is_there(
        mut hashes in prop::collection::vec((any::<[u8; 2]>(), any::<u8>(), 0_u64..1_000_000_000_000), 1..800),
        skewed: bool,
        asked in prop::collection::vec(any::<[u8; 2]>(), 20),
    ) {
        let of = |start: &[u8; 2], last: u8| {
            let mut digest = Digest::default();
            digest[if skewed { 10 } else { 0 }..][..2].copy_from_slice(start);
            digest[19] = last;
            digest
        };
        hashes.sort_unstable();
        let mut file = NamedTempFile::new().unwrap();
        for (start, last, count) in &hashes {
            writeln!(file, "{}:{count}", hex(&of(start, *last), Algorithm::Sha1)).unwrap();
        }
        file.flush().unwrap();
        let leaked = Leaked::open(file.path()).unwrap();
        for (start, last, _) in &hashes {
            prop_assert!(leaked.has(&of(start, *last)).unwrap());
        }
        for start in asked {
            let expected = hashes.iter().any(|(known, last, _)| *known == start && *last == 3);
            prop_assert_eq!(leaked.has(&of(&start, 3)).unwrap(), expected);
        }
    }
}
