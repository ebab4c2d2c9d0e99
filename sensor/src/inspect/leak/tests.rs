//! Answers as servers give them, and pages that speak of such things.

use super::*;

fn found(text: &str) -> Vec<Found> {
    let mut found = Vec::new();
    Scanner::new().unwrap().scan(text.as_bytes(), |one| found.push(one));
    found
}

#[test]
fn leaks_are_told() {
    let cases = [
        (
            "Traceback (most recent call last):\n  File \"/app/x.py\", line 3, in f\n",
            Leak::StackTrace,
            "python",
        ),
        (
            "{\"trace\":\"java.lang.NullPointerException\\n\\tat com.a.B.c(B.java:42)\"}",
            Leak::StackTrace,
            "java",
        ),
        (
            "TypeError: x\n    at f (/app/node_modules/express/lib/router.js:12:5)",
            Leak::StackTrace,
            "javascript",
        ),
        (
            "<b>Fatal error</b>: Uncaught Error in <b>/var/www/a.php</b> on line <b>3</b>",
            Leak::StackTrace,
            "php",
        ),
        ("   at A.B.C() in C:\\src\\a.cs:line 12", Leak::StackTrace, "dotnet"),
        ("app/models/a.rb:12:in `save'", Leak::StackTrace, "ruby"),
        ("panic: x\n\ngoroutine 1 [running]:\nmain.main()", Leak::StackTrace, "go"),
        ("thread 'main' panicked at src/main.rs:3:5", Leak::StackTrace, "rust"),
        (
            "You have an error in your SQL syntax; check the manual that corresponds to your MySQL server version for",
            Leak::DatabaseError,
            "mysql",
        ),
        ("SQLSTATE[42000]: Syntax error", Leak::DatabaseError, "pdo"),
        ("ORA-00933: SQL command not properly ended", Leak::DatabaseError, "oracle"),
        ("PG::SyntaxError: ERROR", Leak::DatabaseError, "postgresql"),
        ("Unclosed quotation mark after the character string 'x'.", Leak::DatabaseError, "mssql"),
        ("sqlite3.OperationalError: near \"x\"", Leak::DatabaseError, "sqlite"),
        ("<html><head><title>Index of /backup</title>", Leak::DirectoryListing, "apache"),
        ("<title>Directory listing for /</title>", Leak::DirectoryListing, "python"),
        ("<title>phpinfo()</title>", Leak::Diagnostics, "phpinfo"),
    ];
    for (text, leak, rule) in cases {
        assert_eq!(found(text).first(), Some(&Found { leak, rule }), "{text}");
    }
}

#[test]
fn pages_about_such_things_are_not_told() {
    for text in [
        "Java programmers write .java: files. Traceback (most recent call last) is what Python says.",
        "Our ORA-tor of the year; PG::rated films; see node_modules/ for packages.",
        "goroutine leaks are hard; a PHP Fatal error: what is that?",
        "{\"message\":\"Not found\",\"code\":404}",
        "You have an error in your SQL syntax, said the teacher.",
        "The index of /r/programming",
    ] {
        assert_eq!(found(text), [], "{text}");
    }
}

#[test]
fn files() {
    let cases: [(&[u8], Option<&str>); 14] = [
        (b"APP_NAME=x\nAPP_KEY=base64:abcdefghijkl\nDB_PASSWORD=hunter22\n", Some("env")),
        (b"# comment\nexport DATABASE_URL=postgres://a:b@c/d\nDEBUG=1", Some("env")),
        (b"[default]\naws_access_key_id = AKIA\naws_secret_access_key = abcdefgh\n", Some("env")),
        (b"//registry.npmjs.org/:_authToken=npm_abcdefgh\n", Some("env")),
        (b"[core]\n\trepositoryformatversion = 0\n", Some("git-config")),
        (b"ref: refs/heads/main\n", Some("git-head")),
        (b"-- MySQL dump 10.13\n", Some("sql-dump")),
        (b"root:x:0:0:root:/root:/bin/bash\n", Some("passwd")),
        (b"admin:$apr1$abcdefgh$abcdefghijklmnopqrstuv\n", Some("htpasswd")),
        (b"NAME=ubuntu\nVERSION=22\n", None),
        (b"<html>DB_PASSWORD=hunter22</html>", None),
        (b"{\"DB_PASSWORD=\":\"x\"}", None),
        (b"Set DB_PASSWORD=hunter22 in your .env file\nand start the server\nas described below\n", None),
        (b"", None),
    ];
    for (body, file) in cases {
        assert_eq!(given(body).map(|given| given.0), file, "{}", String::from_utf8_lossy(body));
    }
}
