//! What the configuration says about attempts to log in.

use std::sync::Arc;

use documented::DocumentedFields as _;

use crate::config::{Form, Section};
use crate::identity::{
    Conditions, HEADER_SIGN, LOGIN_ROUTE, Leaked, LoginConfig, LoginRoute, LoginRule, MAX_LOGIN_RULES,
    STATUSES, login_text,
};

const ABOUT_RULE: &str = "A login that is recognised wrongly or not at all, under any name; at most 64.";

/// What a sign in the answer means for the outcome.
fn about_sign(key: &str) -> Option<String> {
    let (outcome, sign) = key.split_once('_')?;
    let sign = Conditions::get_field_docs(sign).ok()?;
    let rule = if outcome == "failure" {
        "overriding any success"
    } else {
        "unless something marks it as a failure"
    };
    Some(format!("Marks a response as a {outcome}, {rule}. {sign}"))
}

fn read_conditions(
    section: &Section<'_>,
    keys: [&'static str; 4],
    examples: [&'static str; 4],
) -> Conditions {
    let mut read = Conditions::default();
    let [status, text, redirect, header] = keys;
    let [one_status, one_text, one_redirect, one_header] = examples;
    section.list(status, &Form { example: one_status, ..STATUSES }, &mut read.status);
    section.list(text, &login_text(one_text), &mut read.text);
    section.list(redirect, &login_text(one_redirect), &mut read.redirect);
    section.list(header, &Form { example: one_header, ..HEADER_SIGN }, &mut read.header);
    read
}

fn read_login(section: &Section<'_>) -> Option<LoginRule> {
    let mut route: Option<LoginRoute> = None;
    let (mut user_field, mut password_field) = (None, None);
    section.explain::<LoginRule>();
    section.explain_by(about_sign);
    section.optional("route", &LOGIN_ROUTE, &mut route);
    section.optional("user_field", &login_text("customer"), &mut user_field);
    section.optional("password_field", &login_text("secret"), &mut password_field);
    let success = ["success_status", "success_text", "success_redirect", "success_header"];
    let success = read_conditions(section, success, ["302", "Welcome", "/account", "X-User"]);
    let failure = ["failure_status", "failure_text", "failure_redirect", "failure_header"];
    let failure =
        read_conditions(section, failure, ["5xx", "wrong password", "/enter?again", "X-Auth: denied"]);
    route.map(|route| LoginRule { route, user_field, password_field, success, failure })
}

pub(super) fn read(login: Section<'_>, config: &mut LoginConfig) {
    login.explain::<LoginConfig>();
    login.boolean("enabled", &mut config.enabled);
    let mut list = None;
    login.optional("leaked_passwords", &Form::path("/etc/sensor/leaked.txt"), &mut list);
    if let Some(path) = list {
        match Leaked::open(&path) {
            Ok(list) => config.leaked_passwords = Some(Arc::new(list)),
            Err(error) => login.reject("leaked_passwords", error),
        }
    }
    for (name, section) in login.sections("shop") {
        let section = section.about(ABOUT_RULE);
        match read_login(&section) {
            _ if config.rules.len() >= MAX_LOGIN_RULES => {
                login.reject(name, format!("too many logins; at most {MAX_LOGIN_RULES} are possible"));
            }
            Some(rule) => config.rules.push(rule),
            None if !section.has("route") => login.reject(name, "`route`, the path of the login, is missing"),
            None => {}
        }
        section.finish();
    }
    login.finish_values();
}
