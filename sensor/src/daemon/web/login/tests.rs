use super::*;

/// Cheap, since tests check often.
const COST: u32 = 4;

fn header(user: &str, password: &str) -> HeaderValue {
    let encoded = BASE64_STANDARD.encode(format!("{user}:{password}"));
    HeaderValue::from_str(&format!("Basic {encoded}")).unwrap()
}

fn hashes(users: &[(&str, &str)]) -> BTreeMap<String, String> {
    let hash = |password: &&str| bcrypt::hash(password, COST).unwrap();
    users.iter().map(|(user, password)| ((*user).to_owned(), hash(password))).collect()
}

fn logins(users: &[(&str, &str)]) -> Arc<Logins> {
    Arc::new(Logins::new(hashes(users)).unwrap())
}

fn peer(n: u8) -> Owner {
    Owner::User(n.into())
}

fn basic(scheme: &str, encoded: &str) -> HeaderValue {
    HeaderValue::from_str(&format!("{scheme} {encoded}")).unwrap()
}

#[tokio::test]
async fn who_may_read() {
    let logins = logins(&[("prometheus", "right"), ("grafana", "other: with colon")]);
    let cases = [
        (Some(header("prometheus", "right")), Outcome::Granted),
        (Some(header("grafana", "other: with colon")), Outcome::Granted),
        (Some(header("prometheus", "wrong")), Outcome::Refused),
        (Some(header("prometheus", "")), Outcome::Refused),
        (Some(header("grafana", "right")), Outcome::Refused),
        (Some(header("nobody", "right")), Outcome::Refused),
        (Some(header("", "")), Outcome::Refused),
        (Some(basic("Bearer", "right")), Outcome::Refused),
        (Some(HeaderValue::from_static("Basic")), Outcome::Refused),
        (Some(basic("Basic", "!!!")), Outcome::Refused),
        (Some(basic("Basic", &BASE64_STANDARD.encode("no colon"))), Outcome::Refused),
        (None, Outcome::Refused),
        // What has been right stays right, in any case of the scheme.
        (Some(header("prometheus", "right")), Outcome::Granted),
        (Some(basic("bAsIc", &BASE64_STANDARD.encode("prometheus:right"))), Outcome::Granted),
    ];
    for (number, (header, expected)) in cases.into_iter().enumerate() {
        let from = peer(u8::try_from(number).unwrap());
        assert_eq!(logins.check(header.as_ref(), from).await, expected, "{number}: {header:?}");
    }
}

#[tokio::test]
async fn without_users_everybody_may() {
    assert_eq!(logins(&[]).check(None, peer(1)).await, Outcome::Granted);
}

#[tokio::test]
async fn what_is_proven_needs_no_turn() {
    let logins = logins(&[("a", "right")]);
    assert_eq!(logins.check(Some(&header("a", "right")), peer(1)).await, Outcome::Granted);
    let _turn = Arc::clone(&logins.turn).acquire_owned().await.unwrap();
    let _places = Arc::clone(&logins.places).acquire_many_owned(8).await.unwrap();
    assert_eq!(logins.check(Some(&header("a", "right")), peer(1)).await, Outcome::Granted);
    assert_eq!(logins.check(Some(&header("a", "wrong")), peer(1)).await, Outcome::Busy);
}

#[tokio::test]
async fn a_flood_waits_for_its_turn() {
    let logins = logins(&[("a", "right")]);
    let turn = Arc::clone(&logins.turn).acquire_owned().await.unwrap();
    let mut checks = tokio::task::JoinSet::new();
    for number in 0..100_u8 {
        let logins = Arc::clone(&logins);
        // Two of each address.
        let from = peer(number / 2);
        checks.spawn(async move { logins.check(Some(&header("a", &number.to_string())), from).await });
    }
    // All that find no place are turned away before the first has its turn.
    for _ in MAX_WAITING..100 {
        assert_eq!(checks.join_next().await.unwrap().unwrap(), Outcome::Busy);
    }
    assert_eq!(logins.state().checking.len(), MAX_WAITING, "one of each address");
    drop(turn);
    let first = checks.join_next().await.unwrap().unwrap();
    assert_eq!(first, Outcome::Refused);
    assert_eq!(logins.turn.available_permits(), 0, "a failed check holds up the next");
    checks.abort_all();
    while checks.join_next().await.is_some() {}
    // Though their clients have gone, the checks hold their places until they have been done.
    assert_eq!(logins.state().checking.len(), MAX_WAITING - 1);
}

#[tokio::test]
async fn another_hash_makes_void_what_was_proven() {
    let logins = logins(&[("a", "old"), ("b", "same")]);
    for (user, password) in [("a", "old"), ("b", "same")] {
        assert_eq!(logins.check(Some(&header(user, password)), peer(1)).await, Outcome::Granted);
    }
    let mut changed = logins.state().hashes.clone();
    changed.extend(hashes(&[("a", "new")]));
    logins.replace(changed);
    let is_proven = |user, password| logins.is_proven(&parse(&header(user, password)).unwrap());
    assert!(is_proven("b", "same") && !is_proven("a", "old") && !is_proven("a", "new"));
    assert_eq!(logins.check(Some(&header("a", "old")), peer(1)).await, Outcome::Refused);
    assert_eq!(logins.check(Some(&header("a", "new")), peer(2)).await, Outcome::Granted);
    logins.replace(hashes(&[("b", "same")]));
    assert_eq!(logins.check(Some(&header("a", "new")), peer(3)).await, Outcome::Refused);
}
