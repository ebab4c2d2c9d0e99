//! Values beside schemas: a table, and Python's `jsonschema` as an independent source of what is valid.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::check::Check;
use super::compile::document;
use super::node::Id;
use super::{Compiled, message, values};
use crate::inspect::Side;
use crate::random::Random;

/// A document with one schema, and where that is.
fn compiled(schema: &Value, version: &str) -> (Compiled, Id) {
    let text = json!({
        "openapi": version,
        "paths": { "/a": { "post": {
            "requestBody": { "content": { "application/json": { "schema": schema } } }, "responses": {}
        } } },
        "components": { "schemas": {
            "Tree": { "type": "object", "required": ["name"], "additionalProperties": false, "properties": {
                "name": { "type": "string" }, "children": { "type": "array", "items": { "$ref": "#/components/schemas/Tree" } }
            } }
        } }
    });
    let compiled = document(&text.to_string()).unwrap();
    let id = compiled.paths["/a"][0].body.as_ref().unwrap().1[0].1.unwrap();
    (compiled, id)
}

fn rule(schema: &Value, value: &Value) -> (&'static str, String) {
    let (compiled, id) = compiled(schema, "3.1.0");
    let checked = Check::new(&compiled.nodes, Side::Request).value(id, value);
    checked.map_or_else(|fault| (fault.rule, fault.field), |()| ("", String::new()))
}

#[test]
fn faults_have_a_rule_and_a_field() {
    let order = json!({
        "type": "object", "required": ["id", "secret"], "additionalProperties": false,
        "properties": {
            "id": { "type": "integer", "minimum": 1, "maximum": 9 },
            "secret": { "type": "string", "readOnly": true },
            "kind": { "enum": ["a", "b", 1] },
            "at": { "type": "string", "format": "date-time" },
            "code": { "type": "string", "pattern": "^[A-Z]{3}$", "maxLength": 3 },
            "tags": { "type": "array", "items": { "type": "string" }, "maxItems": 2, "uniqueItems": true },
            "step": { "type": "number", "multipleOf": 0.1 },
            "tree": { "$ref": "#/components/schemas/Tree" },
            "note": { "type": ["string", "null"] }
        }
    });
    for (value, expected) in [
        (json!({ "id": 1 }), ("", "")),
        (json!({ "id": 1.0, "kind": 1.0, "step": 0.3, "note": null }), ("", "")),
        (json!({ "id": 1.5 }), ("type", "id")),
        (json!({ "id": "1" }), ("type", "id")),
        (json!({}), ("required", "id")),
        (json!({ "id": 0 }), ("range", "id")),
        (json!({ "id": 10 }), ("range", "id")),
        (json!({ "id": 1, "kind": "c" }), ("enum", "kind")),
        (json!({ "id": 1, "at": "2026-02-29T00:00:00Z" }), ("format", "at")),
        (json!({ "id": 1, "at": "2026-02-28T23:59:60.5+01:00" }), ("", "")),
        (json!({ "id": 1, "code": "ABCD" }), ("length", "code")),
        (json!({ "id": 1, "code": "abc" }), ("pattern", "code")),
        (json!({ "id": 1, "tags": ["a", 1] }), ("type", "tags[]")),
        (json!({ "id": 1, "tags": ["a", "a"] }), ("unique", "tags")),
        (json!({ "id": 1, "tags": ["a", "b", "c"] }), ("items", "tags")),
        (json!({ "id": 1, "step": 0.35 }), ("multiple", "step")),
        (json!({ "id": 1, "step": 5e-324 }), ("multiple", "step")),
        (json!({ "id": 1, "step": 0 }), ("", "")),
        (json!({ "id": 1, "admin": true }), ("extra", "admin")),
        (
            json!({ "id": 1, "tree": { "name": "a", "children": [{ "name": "b", "x": 1 }] } }),
            ("extra", "tree.children[].x"),
        ),
        (json!([]), ("type", "")),
    ] {
        let (rule, field) = rule(&order, &value);
        assert_eq!((rule, field.as_str()), expected, "{value}");
    }
}

#[test]
fn what_is_not_understood_refuses_nothing() {
    for schema in [
        json!({ "not": { "if": { "type": "string" }, "then": { "minLength": 3 } } }),
        json!({ "$ref": "other.yaml#/A" }),
        json!({ "type": "string", "pattern": "(?!a)b" }),
        json!({ "oneOf": [{ "format": "date" }, { "format": "email" }] }),
        json!({ "unevaluatedProperties": false }),
    ] {
        for value in [json!("x"), json!({ "a": 1 }), json!("2026-01-01")] {
            let found = rule(&schema, &value).0;
            assert!(
                found.is_empty() || found == "alternatives" || found == "type",
                "{schema} {value}: {found}"
            );
            if !schema.to_string().contains("oneOf")
                && (value.is_string() || !schema.to_string().contains("pattern"))
            {
                assert_eq!(found, "", "{schema} {value}");
            }
        }
    }
}

#[test]
fn openapi_3_0_has_its_own_words() {
    let schema = json!({ "type": "integer", "nullable": true, "minimum": 0, "exclusiveMinimum": true });
    let (compiled, id) = compiled(&schema, "3.0.3");
    let takes = |value: Value| Check::new(&compiled.nodes, Side::Request).value(id, &value).is_ok();
    assert!(takes(json!(null)) && takes(json!(1)) && !takes(json!(0)) && !takes(json!("a")));
}

#[test]
fn parameters_are_what_their_schema_makes_of_them() {
    for (schema, good, bad) in [
        (json!({ "type": "integer", "maximum": 100 }), vec!["1", "-7", "100"], vec!["x", "1.5", "101", ""]),
        (json!({ "type": "boolean" }), vec!["true", "false"], vec!["yes", "2"]),
        (json!({ "type": "string", "maxLength": 3 }), vec!["1", "abc", "yes"], vec!["abcd", "12345", "true"]),
        (
            json!({ "type": "string", "format": "uuid" }),
            vec!["3f2b8c1e-7d4a-4b6f-9e21-00000000ab00"],
            vec!["7"],
        ),
        (json!({ "enum": ["up", "down"] }), vec!["up"], vec!["left"]),
    ] {
        let (compiled, id) = compiled(&schema, "3.1.0");
        good.iter().for_each(|text| assert!(message::takes_text(&compiled, id, text), "{schema} {text:?}"));
        bad.iter().for_each(|text| assert!(!message::takes_text(&compiled, id, text), "{schema} {text:?}"));
    }
    let (compiled, id) =
        compiled(&json!({ "type": "array", "items": { "type": "integer" }, "maxItems": 2 }), "3.1.0");
    let takes = |texts: &[&str], separator| {
        let texts: Vec<_> = texts.iter().map(|text| (*text).into()).collect();
        values::several(&compiled.nodes, id, &texts, separator).is_ok()
    };
    assert!(takes(&["1", "2"], None) && takes(&["1,2"], Some(',')) && takes(&["1"], None));
    assert!(!takes(&["1", "x"], None) && !takes(&["1,2,3"], Some(',')));
    // An empty list has a name and nothing else; one that must not be empty is told.
    assert!(takes(&[""], None) && takes(&[""], Some(',')));
    let some = json!({ "type": "array", "items": { "type": "integer" }, "minItems": 1 });
    let (compiled, id) = self::compiled(&some, "3.1.0");
    assert!(values::several(&compiled.nodes, id, &["".into()], None).is_err());
}

/// Which of several values counts is the server's to say: one of them has to be right.
#[test]
fn a_parameter_that_comes_twice_is_right_once() {
    for (schema, texts, is_right) in [
        (json!({ "type": "integer" }), ["1", "x"], true),
        (json!({ "type": "integer" }), ["x", "1"], true),
        (json!({ "type": "integer" }), ["x", "y"], false),
        (json!({ "enum": ["up", "down"] }), ["left", "up"], true),
        (json!({ "enum": ["up", "down"] }), ["left", "right"], false),
        (json!({}), ["left", "right"], true),
    ] {
        let (compiled, id) = compiled(&schema, "3.1.0");
        let found = values::several(&compiled.nodes, id, &texts.map(Into::into), None);
        assert_eq!(found.is_ok(), is_right, "{schema} {texts:?}");
    }
}

#[test]
fn forms_are_objects() {
    let schema = json!({
        "type": "object", "required": ["user"], "additionalProperties": false,
        "properties": { "user": { "type": "string", "minLength": 2 }, "age": { "type": "integer" } }
    });
    let (compiled, id) = compiled(&schema, "3.1.0");
    let rule = |body: &str| {
        values::form(&compiled.nodes, id, body.as_bytes()).map_or_else(|fault| fault.rule, |()| "")
    };
    assert_eq!(
        ["user=ab&age=7", "user=a%20b", "age=7", "user=ab&age=x", "user=ab&admin=1", "user=a"].map(rule),
        ["", "", "required", "type", "extra", "length"]
    );
    // Fields that are none of the members hide nothing of the others; those that may be make it unclear.
    let open = json!({
        "type": "object", "required": ["user"],
        "properties": { "user": { "type": "string", "minLength": 2 }, "list": { "type": "array" } }
    });
    let (compiled, id) = self::compiled(&open, "3.1.0");
    let rule = |body: &str| {
        values::form(&compiled.nodes, id, body.as_bytes()).map_or_else(|fault| fault.rule, |()| "")
    };
    assert_eq!(
        ["a[b]=1&user=a", "a=1&a=2&user=a", "a.b=1", "user[]=a", "user=a&user=ab", "list[x]=1"].map(rule),
        ["length", "length", "required", "", "length", ""]
    );
}

#[test]
fn yaml_is_read_with_numbers_as_statuses() {
    let text = "openapi: 3.1.0\nservers: [{url: /v1}]\npaths:\n  /a/{id}:\n    get:\n      responses:\n        '200': {description: ok}\n        404: {description: no}\n";
    let compiled = document(text).unwrap();
    let answers: Vec<&str> =
        compiled.paths["/v1/a/{}"][0].answers.iter().map(|(status, _)| &**status).collect();
    assert_eq!(answers, ["200", "404"]);
}

fn pick<'a>(random: &mut Random, from: &[&'a str]) -> &'a str {
    let place = usize::try_from(random.below(u64::try_from(from.len()).unwrap())).unwrap();
    from[place]
}

fn some_schema(random: &mut Random, depth: u32) -> Value {
    match random.below(if depth == 0 { 7 } else { 11 }) {
        0 => json!({ "type": "integer", "minimum": random.below(5), "maximum": 3 + random.below(9) }),
        1 => json!({ "type": "number", "exclusiveMinimum": random.below(5) }),
        2 => json!({ "type": "string", "minLength": random.below(3), "maxLength": 2 + random.below(4) }),
        3 => {
            json!({ "type": pick(random, &["boolean", "null", "string", "integer", "number", "array", "object"]) })
        }
        4 => json!({ "enum": [pick(random, &["a", "b", "c"]), random.below(4), null] }),
        5 => json!({ "type": ["string", "null"], "pattern": "^[a-c]+$" }),
        6 => json!({ "const": random.below(3) }),
        7 => {
            json!({ "type": "array", "items": some_schema(random, depth - 1), "minItems": random.below(2), "maxItems": 3, "uniqueItems": random.below(3) == 0 })
        }
        8 => {
            let additional = if random.below(2) == 0 { json!(false) } else { some_schema(random, 0) };
            json!({
                "type": "object", "required": [pick(random, &["a", "b"])], "additionalProperties": additional,
                "properties": { "a": some_schema(random, depth - 1), "b": some_schema(random, depth - 1) }
            })
        }
        9 => {
            let word = pick(random, &["anyOf", "oneOf", "allOf"]);
            json!({ word: [some_schema(random, depth - 1), some_schema(random, depth - 1)] })
        }
        _ => json!({ "not": some_schema(random, depth - 1) }),
    }
}

fn some_value(random: &mut Random, depth: u32) -> Value {
    match random.below(if depth == 0 { 6 } else { 9 }) {
        0 => json!(random.below(12)),
        1 => json!([0.25, 1.0, 1.5, 2.0, 3.75, 9.5][usize::try_from(random.below(6)).unwrap()]),
        2 | 3 => json!(pick(random, &["", "a", "b", "ab", "abcabc", "x"])),
        4 => json!(random.below(2) == 0),
        5 => Value::Null,
        6 | 7 => {
            let mut object = serde_json::Map::new();
            for _ in 0..random.below(4) {
                object.insert(pick(random, &["a", "b", "c"]).to_owned(), some_value(random, depth - 1));
            }
            Value::Object(object)
        }
        _ => Value::Array((0..random.below(4)).map(|_| some_value(random, depth - 1)).collect()),
    }
}

#[expect(clippy::print_stderr, reason = "whoever reads the log must see that nothing was compared")]
fn skip(why: &str) {
    eprintln!("{why}: agreement is NOT checked");
}

/// Where Python's `jsonschema` is installed, it judges the same cases.
#[test]
fn a_public_validator_agrees() {
    let mut random = Random::new(11);
    let cases: Vec<(Value, Value)> =
        (0..6_000).map(|_| (some_schema(&mut random, 3), some_value(&mut random, 3))).collect();
    let python = "import json, sys\nfrom jsonschema import Draft202012Validator as V\n\
                  print(json.dumps([V(s).is_valid(v) for s, v in json.load(sys.stdin)]))\n";
    let child = Command::new("python3")
        .args(["-c", python])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut child) = child else { return skip("python3 is not installed") };
    let mut input = child.stdin.take().unwrap();
    let text = serde_json::to_string(&cases).unwrap();
    let writer = std::thread::spawn(move || drop(input.write_all(text.as_bytes())));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let Ok(judged) = serde_json::from_slice::<Vec<bool>>(&output.stdout) else {
        return skip("the Python package jsonschema is not installed");
    };
    let (mut refused, mut told, mut wrong) = (0_u32, 0_u32, Vec::new());
    for ((schema, value), is_valid) in cases.iter().zip(judged) {
        let found = !rule(schema, value).0.is_empty();
        match (is_valid, found) {
            (true, true) => wrong.push(format!("{schema} {value}")),
            (true, false) => {}
            (false, found) => {
                refused += 1;
                told += u32::from(found);
            }
        }
    }
    assert!(wrong.is_empty(), "refused what is valid: {:#?}", &wrong[..wrong.len().min(5)]);
    assert!(refused > 1_500 && told * 100 >= refused * 99, "{told} of {refused}");
}
