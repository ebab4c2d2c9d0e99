use std::collections::{HashMap, HashSet};

use ipnet::IpNet;
use proptest::prelude::*;

use super::{at, decision, prefix};
use crate::crowdsec::standing::{Known, Standing};
use crate::crowdsec::{CrowdsecBounds, Left};

fn standing(max_decisions: usize) -> Standing {
    Standing::new(CrowdsecBounds { max_decisions, ..CrowdsecBounds::default() })
}

#[test]
fn of_decisions_about_a_client_the_one_that_ends_last_counts() {
    let mut all = standing(10);
    for (id, until, expected, stands) in [
        (1, 100, Ok(true), 100),
        // Said again, a little later.
        (1, 102, Ok(false), 100),
        // Its end was changed.
        (1, 50, Ok(true), 50),
        // Others.
        (2, 40, Ok(false), 50),
        (3, 200, Ok(true), 200),
        // Over.
        (4, 10, Ok(false), 200),
    ] {
        assert_eq!(all.offer(decision(id, "192.0.2.7/32", until), at(10)), expected, "{id}");
        assert_eq!(all.get(&prefix("192.0.2.7/32")).unwrap().until, at(stands), "{id}");
    }
    assert_eq!(all.len(), 1);
    assert!(all.retract(&prefix("192.0.2.7/32")) && !all.retract(&prefix("192.0.2.7/32")));
    assert!(all.is_empty() && all.expire(at(1_000)).is_empty(), "no index has it any more");
}

#[test]
fn bounds_hold() {
    let mut all = standing(2);
    for (whom, expected) in [
        ("10.0.0.0/7", Err(Left::Wide)),
        ("2001::/18", Err(Left::Wide)),
        ("0.0.0.0/0", Err(Left::Wide)),
        ("10.0.0.0/8", Ok(true)),
        ("2001:db8::/32", Ok(true)),
        ("192.0.2.1/32", Err(Left::Full)),
        // It has its place.
        ("10.0.0.0/8", Ok(false)),
    ] {
        assert_eq!(all.offer(decision(1, whom, 100), at(10)), expected, "{whom}");
    }
    assert_eq!(all.expire(at(99)), []);
    assert_eq!(all.expire(at(100)).len(), 2);
    assert_eq!(all.offer(decision(1, "192.0.2.1/32", 200), at(100)), Ok(true), "there is room again");
}

#[test]
fn whom_a_person_let_go_stays_so_until_something_else_is_decided() {
    let mut all = standing(10);
    let whom = prefix("192.0.2.7/32");
    assert!(!all.decline(&whom), "nothing to decline");
    all.offer(decision(1, "192.0.2.7/32", 100), at(10)).unwrap();
    assert!(all.decline(&whom) && all.get(&whom).is_none());
    assert_eq!(all.offer(decision(1, "192.0.2.7/32", 100), at(20)), Err(Left::Declined));
    let mut later = standing(10);
    later.recall(all.known(), at(20));
    assert_eq!(
        later.offer(decision(1, "192.0.2.7/32", 100), at(20)),
        Err(Left::Declined),
        "after a restart, too"
    );
    assert_eq!(all.offer(decision(2, "192.0.2.7/32", 200), at(20)), Ok(true));
    assert_eq!(later.expire(at(100)), []);
    assert_eq!(later.known(), Known::default(), "nothing is remembered for ever");
}

#[test]
fn a_whole_list_replaces_what_was_known() {
    let mut all = standing(10);
    for (id, whom) in [(1, "192.0.2.1/32"), (2, "192.0.2.2/32"), (3, "198.51.100.0/24")] {
        all.offer(decision(id, whom, 100), at(10)).unwrap();
    }
    let listed = HashMap::from([(prefix("192.0.2.2/32"), 2), (prefix("203.0.113.9/32"), 9)]);
    let kept = all.keep_only(&listed, |whom| *whom == prefix("192.0.2.1/32"));
    assert_eq!(kept.changed, [prefix("192.0.2.1/32")]);
    assert_eq!(kept.doubts, HashSet::from([prefix("198.51.100.0/24")]));
    assert_eq!(all.len(), 2, "who is missing stands for now");
    let kept = all.keep_only(&listed, |_| true);
    assert_eq!((kept.changed.as_slice(), kept.doubts.len()), (&[prefix("198.51.100.0/24")][..], 0));
    assert_eq!(all.prefixes().collect::<Vec<_>>(), [prefix("192.0.2.2/32")]);
    // Another decision about the same client is another one.
    let kept = all.keep_only(&HashMap::from([(prefix("192.0.2.2/32"), 5)]), |_| false);
    assert_eq!((kept.changed.as_slice(), all.len()), (&[prefix("192.0.2.2/32")][..], 0));
}

#[test]
fn a_restart_forgets_what_has_ended_and_what_is_too_wide_by_now() {
    let mut all = standing(10);
    for (id, whom, until) in [(1, "192.0.2.1/32", 50), (2, "10.0.0.0/8", 100), (3, "192.0.2.3/32", 100)] {
        all.offer(decision(id, whom, until), at(10)).unwrap();
    }
    let text = serde_json::to_string(&all.known()).unwrap();
    let bounds = CrowdsecBounds { shortest_v4: 16, ..CrowdsecBounds::default() };
    let mut later = Standing::new(bounds);
    later.recall(serde_json::from_str(&text).unwrap(), at(60));
    assert_eq!(later.prefixes().collect::<Vec<_>>(), [prefix("192.0.2.3/32")]);
    assert_eq!(serde_json::from_str::<Known>("{}").unwrap(), Known::default());
}

proptest! {
    /// Whatever comes, the bound holds, and each decision ends when it says.
    #[test]
    fn indexes_agree(
        steps in prop::collection::vec((0_u8..4, 0_i64..6, 0_u8..8, 1_u64..60), 0..60),
    ) {
        let mut all = standing(5);
        let mut now = 0;
        for (what, id, host, number) in steps {
            let whom = format!("192.0.2.{host}/32");
            match what {
                0 | 1 => _ = all.offer(decision(id, &whom, now + number), at(now)),
                2 => _ = all.retract(&prefix(&whom)),
                _ => {
                    now += number;
                    let before: Vec<IpNet> = all.prefixes().collect();
                    let over = |whom: &&IpNet| all.get(whom).is_some_and(|found| found.until <= at(now));
                    let expected: HashSet<IpNet> = before.iter().filter(over).copied().collect();
                    prop_assert_eq!(all.expire(at(now)).into_iter().collect::<HashSet<_>>(), expected);
                }
            }
            prop_assert!(all.len() <= 5);
        }
        all.expire(at(now + 1_000));
        prop_assert!(all.is_empty());
    }
}
