use super::{FORM, JSON, exchanges, login, request, response};
use crate::identity::{Identifier, Key};

/// Nothing that is given out shows what was sent.
#[test]
fn no_output_shows_a_secret() {
    let (user, password) = ("AlicesName", "hunter2pw");
    let basic = "Authorization: Basic QWxpY2VzTmFtZTpodW50ZXIycHc=\r\n";
    let mut output = String::new();
    for text in [
        request("POST /login", FORM, &format!("username={user}&password={password}")),
        request("POST /login", JSON, &format!(r#"{{"username":"{user}","password":"{password}"}}"#)),
        request("GET /", basic, ""),
    ] {
        let found = login(&text, &response(401, "", password)).unwrap();
        output.push_str(&format!("{found:?} {} ", serde_json::to_string(&found).unwrap()));
    }
    let identifier = Identifier::new(&Default::default(), &Key::from_bytes([0; 32])).unwrap();
    output.push_str(&format!("{identifier:?}"));
    assert!(output.contains("user:") && output.contains("failure"), "{output}");
    for secret in [user, password] {
        let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        for shown in [secret.to_owned(), format!("{:?}", secret.as_bytes()), hex] {
            assert!(!output.to_lowercase().contains(&shown.to_lowercase()), "{secret} in {output}");
        }
    }
}

#[test]
fn a_record_has_the_user_and_the_outcome_only() {
    let found = login(&request("POST /login", FORM, "user=a&password=b"), &response(401, "", "")).unwrap();
    let record = serde_json::to_value(found).unwrap();
    let keys: Vec<&String> = record.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["outcome", "user"]);
    assert_eq!(record["outcome"], "failure");
    let nameless = exchanges(Default::default(), request("POST /login", FORM, "password=b").as_bytes(), b"");
    assert_eq!(serde_json::to_string(&nameless[0]).unwrap(), r#"{"user":null,"outcome":"unknown"}"#);
}
