//! `[inspect]` of the configuration.

use crate::config::{Form, Section};
use crate::inspect::Config;

/// What the section is for.
pub(super) const ABOUT: &str = "What requests carry and responses give away. Values are inspected for injection, tokens, keys and personal data, and \
     are not kept.";

/// Each costs a hash of a token for each issuer.
const MAX_WEAK_SECRETS: usize = 1_000;

/// The beginning of keys. A short one would be that of secrets, too.
const KEY_START: Form<String> = Form {
    kind: "a key prefix of 4 characters or more",
    example: "shop_pub_",
    read: |text| {
        if text.len() >= 4 { Ok(text.to_owned()) } else { Err("expected 4 characters or more".to_owned()) }
    },
    show: String::clone,
};

const WEAK_SECRET: Form<String> = Form {
    kind: "a secret",
    example: "changeme",
    read: |text| if text.is_empty() { Err("expected a secret".to_owned()) } else { Ok(text.to_owned()) },
    show: String::clone,
};

/// Reads `[inspect]`.
pub(super) fn read(inspect: Section<'_>, config: &mut Config) {
    inspect.explain::<Config>();
    inspect.boolean("enabled", &mut config.enabled);
    inspect.integer("max_values", 1..=65_536, &mut config.values);
    inspect.integer("max_bytes_per_second", 0..=1 << 30, &mut config.bytes_per_second);
    inspect.boolean("responses", &mut config.responses);
    let per_second = &mut config.response_bytes_per_second;
    inspect.integer("max_response_bytes_per_second", 0..=1 << 30, per_second);
    inspect.list("public_keys", &KEY_START, &mut config.public_keys);
    inspect.list("weak_token_secrets", &WEAK_SECRET, &mut config.weak_token_secrets);
    if config.weak_token_secrets.len() > MAX_WEAK_SECRETS {
        inspect.reject("weak_token_secrets", format!("expected at most {MAX_WEAK_SECRETS} secrets"));
    }
    inspect.finish();
}
