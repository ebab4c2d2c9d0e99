//! Files served by mistake, recognised by their first bytes.

/// A file that should not be public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Given(pub(crate) &'static str);

/// First bytes of files, after leading whitespace.
const STARTS: [(&[u8], &str); 13] = [
    (b"[core]\n\trepositoryformatversion", "git-config"),
    (b"[core]\r\n\trepositoryformatversion", "git-config"),
    (b"[core]\n    repositoryformatversion", "git-config"),
    (b"ref: refs/heads/", "git-head"),
    (b"-- MySQL dump ", "sql-dump"),
    (b"-- MariaDB dump ", "sql-dump"),
    (b"-- phpMyAdmin SQL Dump", "sql-dump"),
    (b"--\n-- PostgreSQL database dump", "sql-dump"),
    (b"SQLite format 3\0", "sqlite-database"),
    (b"JAVA PROFILE 1.0.", "heap-dump"),
    (b"\0\0\0\x01Bud1", "ds-store"),
    (b"DIRC\0\0\0", "git-index"),
    (b"openssh-key-v1\0", "private-key"),
];

/// Settings that tell a configuration with secrets from other lists of assignments.
const SETTINGS: [&[u8]; 18] = [
    b"APP_KEY=",
    b"DB_PASSWORD=",
    b"DB_PASS=",
    b"DATABASE_URL=",
    b"AWS_SECRET_ACCESS_KEY=",
    b"aws_secret_access_key",
    b"SECRET_KEY=",
    b"JWT_SECRET=",
    b"REDIS_PASSWORD=",
    b"MAIL_PASSWORD=",
    b"POSTGRES_PASSWORD=",
    b"MYSQL_ROOT_PASSWORD=",
    b"MYSQL_PASSWORD=",
    b"API_SECRET=",
    b"SESSION_SECRET=",
    b"ENCRYPTION_KEY=",
    b":_authToken=",
    b"PRIVATE_KEY=",
];

/// How much of a file is looked at.
const HEAD: usize = 4_096;

/// The file that a response body is, if it is one of these.
pub(crate) fn given(body: &[u8]) -> Option<Given> {
    let trimmed = body.trim_ascii_start();
    // JSON, HTML and XML do not begin like any of these.
    if matches!(trimmed.first(), None | Some(b'{' | b'<' | b'"')) || trimmed.starts_with(b"[{") {
        return None;
    }
    if let Some((_, name)) =
        STARTS.iter().find(|(start, _)| trimmed.starts_with(start) || body.starts_with(start))
    {
        return Some(Given(name));
    }
    // A list of assignments starts with a name, a comment or a section.
    if !matches!(trimmed.first(), Some(b'A'..=b'Z' | b'a'..=b'z' | b'#' | b'_' | b'/' | b'[')) {
        return None;
    }
    let head = trimmed.get(..trimmed.len().min(HEAD)).unwrap_or_default();
    assignments(head).or_else(|| password_file(head))
}

fn assignments(head: &[u8]) -> Option<Given> {
    let mut assigned = 0_u32;
    let mut others = 0_u32;
    let mut is_secret = false;
    for line in head.split(|byte| *byte == b'\n').take(64) {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") || line.starts_with(b"[") {
            continue;
        }
        let line = line.strip_prefix(b"export ").unwrap_or(line);
        let name =
            memchr::memchr(b'=', line).and_then(|at| line.get(..at)).unwrap_or_default().trim_ascii_end();
        let is_name =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'/' | b':' | b'-');
        if !name.is_empty() && name.iter().all(is_name) {
            assigned = assigned.saturating_add(1);
            let has_value = line.len() > name.len().saturating_add(4);
            is_secret |=
                has_value && SETTINGS.iter().any(|setting| memchr::memmem::find(line, setting).is_some());
        } else {
            others = others.saturating_add(1);
        }
    }
    (is_secret && assigned > others).then_some(Given("env"))
}

/// `/etc/passwd` and `.htpasswd`.
fn password_file(head: &[u8]) -> Option<Given> {
    let line = head.split(|byte| *byte == b'\n').next()?;
    let mut fields = line.split(|byte| *byte == b':');
    let (user, password) = (fields.next()?, fields.next()?);
    let count = fields.count();
    if user == b"root" && count == 5 {
        return Some(Given("passwd"));
    }
    let is_hash = [b"$apr1$".as_slice(), b"$2y$", b"{SHA}", b"$6$", b"$5$"]
        .iter()
        .any(|start| password.starts_with(start));
    let is_user = !user.is_empty() && user.len() <= 64 && user.iter().all(u8::is_ascii_graphic);
    (is_user && is_hash).then_some(Given("htpasswd"))
}
