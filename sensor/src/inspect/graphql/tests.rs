//! Against another parser: its documents, and documents made at random.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use graphql_parser::query::{
    Definition, Document, OperationDefinition, Selection, SelectionSet, parse_query,
};

use super::super::personal::tests::Random;
use super::{Measures, Unread, measure};

const NONE: &dyn Fn(&str) -> Option<u64> = &|_| None;

fn measured(text: &str) -> Measures {
    measure(text, NONE, 100_000)
}

/// What the other parser's tree has, counted by plain recursion.
#[derive(Default)]
struct Count {
    depth: u32,
    fields: u64,
    aliases: u64,
    introspects: bool,
}

type Fragments<'d> = BTreeMap<&'d str, &'d SelectionSet<'d, String>>;

fn count<'d>(set: &'d SelectionSet<'d, String>, fragments: &Fragments<'d>, open: &mut Vec<&'d str>) -> Count {
    let mut sum = Count::default();
    let mut add = |inner: Count, down: u32| {
        sum.depth = sum.depth.max(inner.depth + down);
        sum.fields += inner.fields;
        sum.aliases += inner.aliases;
        sum.introspects |= inner.introspects;
    };
    for selection in &set.items {
        match selection {
            Selection::Field(field) => {
                add(count(&field.selection_set, fragments, open), 1);
                let introspects = field.name == "__schema" || field.name == "__type";
                add(Count { depth: 0, fields: 1, aliases: field.alias.is_some().into(), introspects }, 0);
            }
            Selection::InlineFragment(inline) => add(count(&inline.selection_set, fragments, open), 0),
            Selection::FragmentSpread(spread) => {
                let name = spread.fragment_name.as_str();
                if !open.contains(&name)
                    && let Some(set) = fragments.get(name)
                {
                    open.push(name);
                    add(count(set, fragments, open), 0);
                    open.pop();
                }
            }
        }
    }
    sum
}

fn compare<'d>(text: &str, document: &'d Document<'d, String>) {
    let mut fragments = Fragments::new();
    let mut operations = Vec::new();
    for definition in &document.definitions {
        match definition {
            Definition::Fragment(fragment) => {
                fragments.entry(fragment.name.as_str()).or_insert(&fragment.selection_set);
            }
            Definition::Operation(operation) => operations.push(match operation {
                OperationDefinition::SelectionSet(set) => set,
                OperationDefinition::Query(query) => &query.selection_set,
                OperationDefinition::Mutation(mutation) => &mutation.selection_set,
                OperationDefinition::Subscription(subscription) => &subscription.selection_set,
            }),
        }
    }
    let counts: Vec<Count> = operations.iter().map(|set| count(set, &fragments, &mut Vec::new())).collect();
    let ours = measured(text);
    assert_eq!(ours.unread, None, "{text}");
    assert_eq!(ours.operations as usize, counts.len(), "{text}");
    assert_eq!(ours.depth, counts.iter().map(|count| count.depth).max().unwrap_or(0), "{text}");
    assert_eq!(ours.fields, counts.iter().map(|count| count.fields).max().unwrap_or(0), "{text}");
    assert_eq!(ours.aliases, counts.iter().map(|count| count.aliases).max().unwrap_or(0), "{text}");
    if counts.iter().any(|count| count.introspects) {
        assert!(ours.introspects, "{text}");
    }
}

/// Documents of all forms that the specification has.
const FORMS: &[&str] = &[
    "{a}",
    "query{a b c}",
    "query Q($a:Int=1,$b:[[String!]!]!){a(b:$b){c}}",
    "mutation M@a(b:1)@c{a:b}",
    "subscription S{a}",
    "{a{b{c{d}}}}",
    "{...on A{a}...{b{c}}...@skip(if:true){d}}",
    "{...F}fragment F on A{a...G}fragment G on B@x{b{c{...H}}}fragment H on C{d}",
    "{a(s:\"}{\",b:\"\"\"block } \\\"\"\" \"quoted\" { \"\"\",n:-1.5e+3,l:[1,[2],{x:{y:$z}}],e:ENUM,t:true,u:null)}",
    "# comment } {\n{a # b\n b}",
    "\u{feff}{a,b,,c}",
    "query on{on(on:on){on}}",
    "{__schema{types{name}}}",
    "{a{...F}b{...F}c{x{...F}}}fragment F on A{p q:r}",
    "{query{mutation{subscription{fragment}}}}",
    "query A{a}query B{a{b{c}}}",
    "{fragment:on type:query}",
    "{a(b:\"\\\\\")c(d:\"\\\"\")}",
    "{a(b:\"\")c(d:\"\"\"\"\"\")}",
];

#[test]
fn measures_are_those_of_another_parser() {
    for text in FORMS {
        let document = parse_query::<String>(text.trim_start_matches('\u{feff}')).expect(text);
        compare(text, &document);
    }
}

/// A selection set at random, some of it in fragments.
fn selections(random: &mut Random, depth: u64, out: &mut String) {
    out.push('{');
    for number in 0..=random.below(4) {
        match random.below(10) {
            0 => write!(out, "...F{} ", random.below(5)).unwrap(),
            1 if depth > 0 => {
                out.push_str(random.of::<&str>(&["... on T ", "...", "...@include(if:$x)"]));
                selections(random, depth - 1, out);
            }
            2 => write!(out, "a{number}:f(first:{},s:\"x{{\")", random.below(9)).unwrap(),
            3 => out.push_str("f@d(a:{b:[1,2]})\n"),
            _ => {
                write!(out, "f{number}").unwrap();
                if depth > 0 && random.below(2) == 0 {
                    selections(random, depth - 1, out);
                }
                out.push(' ');
            }
        }
    }
    out.push_str("z}");
}

/// With the documents of the other parser's own tests, where its sources are: `GRAPHQL_DOCUMENTS` names their directory.
#[test]
#[ignore = "needs documents that are not ours"]
fn measures_of_its_own_documents_are_those_of_another_parser() {
    let directory = std::env::var("GRAPHQL_DOCUMENTS").expect("a directory");
    let mut read = 0;
    for entry in std::fs::read_dir(directory).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        if let Ok(document) = parse_query::<String>(&text) {
            compare(&text, &document);
            read += 1;
        }
    }
    assert!(read > 20, "{read}");
}

#[test]
fn measures_of_random_documents_are_those_of_another_parser() {
    let mut random = Random::new(7);
    let (mut deepest, mut cycles) = (0, 0);
    for _ in 0..2_000 {
        let mut text = String::from("query Q");
        selections(&mut random, 5, &mut text);
        for number in 0..5 {
            write!(text, " fragment F{number} on T").unwrap();
            // A fragment spreads only later ones, unless it is to have a cycle.
            let mut inner = String::new();
            selections(&mut random, 2, &mut inner);
            let keep = random.below(20) == 0;
            for other in 0..=number {
                if !keep {
                    inner = inner.replace(&format!("...F{other} "), "g ");
                }
            }
            text.push_str(&inner);
        }
        let document = parse_query::<String>(&text).expect(&text);
        let ours = measured(&text);
        if ours.has_cycle {
            cycles += 1;
            continue;
        }
        compare(&text, &document);
        deepest = deepest.max(ours.depth);
    }
    assert!(deepest > 8 && cycles > 10, "{deepest} {cycles}");
}

#[test]
fn cycles_lists_and_bounds() {
    for text in [
        "{...A}fragment A on T{...A}",
        "{...A}fragment A on T{...B}fragment B on T{x{...A}}",
        "{a}fragment A on T{...B}fragment B on T{...A}",
    ] {
        assert!(measured(text).has_cycle, "{text}");
    }
    assert!(!measured("{...A...A}fragment A on T{...B...B}fragment B on T{x}").has_cycle);
    let lists = "{users(first:100){posts(first:50){comments(last:10){text}}}}";
    assert_eq!(measured(lists).cost, 1 + 100 + 100 * 50 + 100 * 50 * 10);
    let by_variable = "query($n:Int){a(first:$n){b}}";
    assert_eq!(measure(by_variable, &|name| (name == "n").then_some(1_000), 100).cost, 1_001);
    // Fifty fragments that each spread the next one twice: 2^50 fields, told at once.
    let mut text = String::from("{...F0}");
    for number in 0..50 {
        write!(text, "fragment F{number} on T{{...F{next} ...F{next}}}", next = number + 1).unwrap();
    }
    text.push_str("fragment F50 on T{x}");
    assert_eq!(measured(&text).fields, 1 << 50);
    let deep = "{a".repeat(100_000);
    assert_eq!(measured(&deep).unread, Some(Unread::Bounds));
    assert_eq!(measured(&format!("{{a(b:{})}}", "[".repeat(100_000))).unread, Some(Unread::Bounds));
    assert_eq!(measure("{a b c d e}", NONE, 3).unread, Some(Unread::Bounds));
    assert_eq!(measured("type A{b:C}").unread, Some(Unread::TypeSystem));
    for text in ["", "{", "{}", "a", "{a(}", "{a(b:)}", "{a(b:\"x", "query{a}}", "{..a}", "{a:}", "\u{e9}"] {
        assert_eq!(measured(text).unread, Some(Unread::Syntax), "{text}");
    }
}

#[test]
fn suggestions_are_told_and_errors_without_are_not() {
    let told =
        br#"{"errors":[{"message":"Cannot query field \"usr\" on type \"Query\". Did you mean \"user\"?"}]}"#;
    assert!(super::suggests_fields(told));
    for quiet in [
        &br#"{"errors":[{"message":"Cannot query field \"usr\" on type \"Query\"."}]}"#[..],
        br#"{"message":"Did you mean to log in?"}"#,
    ] {
        assert!(!super::suggests_fields(quiet));
    }
}
