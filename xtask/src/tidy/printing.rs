//! The program's output is escaped in one place: nothing else writes JSON, and few files access standard output. Clippy
//! (`print_stdout`, `print_stderr`) ensures that nothing prints by macro.

use super::Violation;
use super::tokens::{self, Token};
use super::tree::{File, Tree};

const SOURCES: &str = "sensor/src/";
const PRINTER: &str = "sensor/src/printable.rs";

/// Writers of JSON that escape no more than JSON needs.
const WRITERS: [&str; 7] = [
    "to_string",
    "to_string_pretty",
    "to_vec",
    "to_vec_pretty",
    "to_writer",
    "to_writer_pretty",
    "Serializer",
];

/// Files with access to standard output: the command line's printer, the score and inspection rows, whose fields are
/// escaped individually, the alert lines, which are escaped JSON already, the terminal view, and those that only query what it
/// is.
const OUTPUTS: [&str; 7] = [
    "sensor/src/cli/say.rs",
    "sensor/src/cli/inspect.rs",
    "sensor/src/cli/score.rs",
    "sensor/src/notify/lines.rs",
    "sensor/src/tui/terminal.rs",
    "sensor/src/cli/live.rs",
    "sensor/src/cli/alerts.rs",
];

pub(super) fn check(tree: &Tree) -> Vec<Violation> {
    let files = tree.rust().filter(|file| {
        file.path.starts_with(SOURCES) && file.path != PRINTER && !file.path.contains("/tests")
    });
    files.flat_map(check_file).collect()
}

fn check_file(file: &File) -> Vec<Violation> {
    let tokens = tokens::flatten(&file.text);
    let tokens = before_tests(&tokens);
    let may_print = OUTPUTS.contains(&file.path.as_str());
    let found = tokens.windows(4).filter_map(|window| {
        let writes = WRITERS.iter().any(|name| tokens::starts_with_path(window, "serde_json", name));
        let prints = !may_print && tokens::starts_with_path(window, "io", "stdout");
        let advice = match (writes, prints) {
            (true, _) => format!(
                "write JSON by `to_json` or `write_json` of {PRINTER}, which escape what steers terminals"
            ),
            (false, true) => "print by `say`, `say_json` or `Out` of sensor/src/cli/say.rs".to_owned(),
            (false, false) => return None,
        };
        Some(Violation { path: file.path.clone(), line: window.first()?.line, rule: "printing", advice })
    });
    found.collect()
}

/// The tokens before the tests of a file.
fn before_tests(tokens: &[Token]) -> &[Token] {
    let texts = |window: &[Token]| window.iter().map(|token| token.text.clone()).collect::<Vec<_>>();
    let start = tokens.windows(6).position(|window| texts(window) == ["cfg", "(", "test", ")", "]", "mod"]);
    tokens.get(..start.unwrap_or(tokens.len())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_around_the_printer_is_found() {
        let text = "fn f() {\n    serde_json::to_string(&a);\n    serde_json::to_value(&a);\n    let o = io::stdout();\n}\n\
                    #[cfg(test)]\nmod tests {\n    fn g() { serde_json::to_string(&a); }\n}\n";
        let tree = Tree::from_files(&[
            ("sensor/src/daemon/a.rs", text),
            (PRINTER, text),
            ("sensor/src/cli/say.rs", "fn f() { std::io::stdout(); }\n"),
            ("sensor/src/cli/tests.rs", text),
            ("tests/a.rs", text),
        ]);
        let found: Vec<(String, usize)> = check(&tree).into_iter().map(|v| (v.path, v.line)).collect();
        assert_eq!(found, [2, 4].map(|line| ("sensor/src/daemon/a.rs".to_owned(), line)));
    }
}
