use super::super::jwt::tests::{encode, token};
use super::super::{Config, Hasher, Identifier, Key};
use super::{Exchange, identify};

/// Nothing that this room gives out shows what it was given.
#[test]
fn no_output_shows_a_secret() {
    let secrets =
        ["KeyOfTheHouse0123456789abcdefghi", "s3cretToken", "AlicesName", "hunter2pw", "sessionS3cret"];
    let [key, secret, user, password, session] = secrets;
    let key = Key::from_bytes(*key.as_bytes().first_chunk().unwrap());
    let mut identifier = Identifier::new(&Config::default(), &key).unwrap();
    let mut output = format!("{key:?} {identifier:?} {:?}", Hasher::new(&key));
    let basic = encode(&format!("{user}:{password}"));
    let jwt = token(&format!(r#"{{"iss":"{secret}","sub":"{user}"}}"#));
    let headers = [
        format!("Authorization: Bearer {secret}"),
        format!("Authorization: Bearer {jwt}"),
        format!("Authorization: Bearer {jwt}x{secret}"),
        format!("Authorization: Basic {basic}"),
        format!("Authorization: Basic {basic}!{secret}"),
        format!("Authorization: {secret}"),
        format!("X-Api-Key: {secret}"),
        format!("Cookie: sid={session}; {secret}"),
        format!("X-Forwarded-For: {secret}"),
    ];
    let queries = [String::new(), format!("api_key={secret}"), format!("access_token={secret}%20{user}")];
    for (header, query) in headers.iter().flat_map(|header| queries.iter().map(move |query| (header, query)))
    {
        let exchange = Exchange { peer: "192.0.2.1", proxied: None, headers: &[header], query };
        let identity = identify(&mut identifier, &exchange);
        let login = identifier.always_login(header.split_once(": ").unwrap().1.as_bytes());
        let principal = identity.principal.map(|principal| principal.to_string());
        output.push_str(&format!("{identity:?} {login:?} {principal:?} {identifier:?}"));
    }
    let hasher = identifier.hasher();
    output.push_str(&format!("{} {}", hasher.user(user.as_bytes()), hasher.password(password.as_bytes())));
    assert!(output.contains("jwt:") && output.contains("password:"), "{output}");
    for secret in secrets.iter().copied().chain([basic.as_str(), jwt.as_str()]) {
        for shown in [secret.to_owned(), format!("{:?}", secret.as_bytes()), hex(secret)] {
            assert!(!output.to_lowercase().contains(&shown.to_lowercase()), "{secret} in {output}");
        }
    }
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}
