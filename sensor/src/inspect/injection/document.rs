//! Names of documents on people's Windows machines, in full.
//!
//! Browsers give scripts the name of a file to be uploaded as `C:\fakepath\photo.png` (HTML, the `value` attribute in mode
//! filename); older ones, desktop programs and intranets send real ones. They look like what reads a server's files. Quotes
//! and whatever else breaks out of a string are in none of them, nor is a step upwards; nor are servers' own files documents.

/// Longest name (`MAX_PATH` of Windows).
const MAX_PATH: usize = 260;

/// What the names of documents end with.
const EXTENSIONS: [&str; 43] = [
    "7z", "ai", "avi", "bmp", "csv", "doc", "docx", "dwg", "eml", "eps", "gif", "gz", "heic", "ics", "jpeg",
    "jpg", "key", "m4a", "md", "mov", "mp3", "mp4", "msg", "odp", "ods", "odt", "pages", "pdf", "png", "ppt",
    "pptx", "psd", "rar", "rtf", "svg", "tif", "tiff", "txt", "wav", "webp", "xls", "xlsx", "zip",
];

/// Whether a value is such a name, perhaps with words behind it.
pub(super) fn is_document(text: &[u8]) -> bool {
    if !matches!(text, [b'a'..=b'z' | b'A'..=b'Z', b':', b'\\', ..] | [b'\\', b'\\', ..])
        || text.len() > MAX_PATH
    {
        return false;
    }
    let Some(path) = std::str::from_utf8(text).ok().and_then(without_root) else { return false };
    let is_usual = |c: char| c.is_alphanumeric() || " ._-()[]+,~@!\\".contains(c);
    if !path.chars().all(is_usual) || path.contains("..") || path.contains(r"\\") {
        return false;
    }
    let name = path.rsplit('\\').next().unwrap_or(path);
    // The last word with a dot has the extension: `notes.txt was attached`.
    let mut words = name.split(' ').rev().filter_map(|word| word.rsplit_once('.'));
    words.next().is_some_and(|(name, extension)| {
        !name.is_empty() && EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(extension))
    })
}

/// What follows the drive, or a server of the intranet: its name has no domain and is no address.
fn without_root(text: &str) -> Option<&str> {
    let Some(shared) = text.strip_prefix(r"\\") else { return text.get(3..) };
    let (server, path) = shared.split_once('\\')?;
    let is_label = server.starts_with(|c: char| c.is_ascii_alphabetic())
        && server.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    is_label.then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_documents_and_what_only_looks_like_them() {
        for name in [
            r"C:\fakepath\photo.png",
            r"C:\fakepath\Urlaub 2026 (3).JPG",
            r"C:\Users\Ada\Documents\report.docx",
            "D:\\data\\Übersicht.xlsx",
            r"C:\Projects\notes.txt was attached",
            r"\\server\share\folder\file.pdf",
        ] {
            assert!(is_document(name.as_bytes()), "{name}");
        }
        for other in [
            r"C:\boot.ini",
            r"C:\Users\Ada\NTUSER.DAT",
            r"C:\xampp\htdocs\index.php",
            r"C:\a\..\..\secret.txt",
            r"C:\\x\\photo.png",
            r"C:\x' union select 1.txt",
            r"C:\x.png;id",
            r"C:\x%00.png",
            r"C:\.png",
            r"C:\photo",
            r"C:/fakepath/photo.png",
            r"\\203.0.113.7\share\x.png",
            r"\\evil.example\share\x.png",
            r"\\server",
            "C:",
            "",
        ] {
            assert!(!is_document(other.as_bytes()), "{other}");
        }
        let long = format!(r"C:\{}.png", "a".repeat(MAX_PATH));
        assert!(!is_document(long.as_bytes()));
    }
}
