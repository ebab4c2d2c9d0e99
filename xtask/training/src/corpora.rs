//! The corpora: where each comes from, and what may be done with it.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use flate2::read::GzDecoder;

use crate::gotestwaf;
use crate::request::Request;

/// A source: what is trained on or judged as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// `HttpParamsDataset`, MIT: made by sqlmap for the most part.
    Params,
    /// `PayloadsAllTheThings`, MIT: lists.
    Lists,
    /// `gotestwaf`, MIT.
    GoTestWaf,
    /// `vulnbank`, MIT: requests of a test.
    Vulnbank,
    /// Tests of the Core Rule Set, Apache-2.0.
    Crs,
    /// `ModSec-Learn`'s training half; no licence.
    ModSec,
    /// WAD-MCA; parts are CC BY-NC.
    Wad,
    /// Logs of scanners; no licence.
    Scanners,
    /// This project's own documents and code.
    Own,
    /// Legitimate traffic of the WAF comparison project: for thresholds.
    Traffic,
}

impl Source {
    /// Whether shipped weights may come from it.
    pub(crate) const fn is_licensed(self) -> bool {
        matches!(self, Self::Params | Self::Lists | Self::GoTestWaf | Self::Vulnbank | Self::Crs | Self::Own)
    }
}

/// A request with what it is.
pub(crate) struct Sample {
    pub(crate) source: Source,
    pub(crate) is_attack: bool,
    /// Class of an attack, or family of legitimate traffic.
    pub(crate) class: String,
    pub(crate) request: Request,
}

/// All samples, and the files they came from.
#[derive(Default)]
pub(crate) struct Corpora {
    pub(crate) samples: Vec<Sample>,
    pub(crate) files: Vec<(PathBuf, Vec<u8>)>,
}

impl Corpora {
    pub(crate) fn read(directory: &Path, root: &Path) -> Result<Self> {
        let mut corpora = Self::default();
        corpora.params(&directory.join("HttpParamsDataset/payload_train.csv"))?;
        corpora.lists(&directory.join("PayloadsAllTheThings"))?;
        corpora.gotestwaf(&directory.join("gotestwaf/testcases"))?;
        corpora.vulnbank(&directory.join("pt-vulnbank/datasets/vulnbank_anomaly.txt"))?;
        corpora.crs(&directory.join("coreruleset-tests.tar.gz"))?;
        corpora.modsec(&directory.join("modsec-learn/malicious_train.json.gz"))?;
        corpora.wad(&directory.join("wad-mca/WAD-PACT_v1.0/WAD_MCA_v1.0.json"))?;
        corpora.scanners(&directory.join("apache-http-logs"))?;
        corpora.traffic(&directory.join("wcp_legit_dev.jsonl.gz"))?;
        corpora.own(root)?;
        for (class, value) in crate::made::values() {
            corpora.add(Source::Own, false, class, Request::of_value(value.as_bytes()));
        }
        Ok(corpora)
    }

    fn open(&mut self, path: &Path) -> Result<Vec<u8>> {
        let bytes = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        self.files.push((path.to_owned(), bytes.clone()));
        let is_compressed = path.extension().is_some_and(|extension| extension == "gz");
        if !is_compressed {
            return Ok(bytes);
        }
        let mut text = Vec::new();
        GzDecoder::new(bytes.as_slice()).read_to_end(&mut text)?;
        Ok(text)
    }

    fn add(&mut self, source: Source, is_attack: bool, class: &str, request: Request) {
        self.samples.push(Sample { source, is_attack, class: class.to_owned(), request });
    }

    fn params(&mut self, path: &Path) -> Result<()> {
        let text = self.open(path)?;
        let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(text.as_slice());
        for row in reader.byte_records() {
            let row = row?;
            let (Some(value), Some(kind), Some(label)) = (row.get(0), row.get(2), row.get(3)) else {
                continue;
            };
            let class = String::from_utf8_lossy(kind).into_owned();
            self.add(Source::Params, label == b"anom", &class, Request::of_value(value));
        }
        Ok(())
    }

    fn lists(&mut self, directory: &Path) -> Result<()> {
        let mut folders: Vec<PathBuf> =
            fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
        folders.sort();
        for folder in folders {
            let class = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            for inner in ["Intruder", "Intruders"] {
                let Ok(entries) = fs::read_dir(folder.join(inner)) else { continue };
                let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
                files.sort();
                for file in files {
                    self.list(&file, &class)?;
                }
            }
        }
        Ok(())
    }

    fn list(&mut self, file: &Path, class: &str) -> Result<()> {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // Names of attributes and addresses that anybody asks for are no attacks by themselves.
        if ["LDAP_attributes", "jsonp_endpoint", "Web-files"].iter().any(|skipped| name.contains(skipped)) {
            return Ok(());
        }
        let text = self.open(file)?;
        for line in text.split(|byte| *byte == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.trim_ascii().len() > 1 && !(line.starts_with(b"# ") || line.starts_with(b"##")) {
                self.add(Source::Lists, true, class, Request::of_value(line));
            }
        }
        Ok(())
    }

    fn gotestwaf(&mut self, directory: &Path) -> Result<()> {
        for folder in ["community", "owasp", "owasp-api", "false-pos"] {
            let mut files: Vec<PathBuf> =
                fs::read_dir(directory.join(folder))?.filter_map(|entry| Some(entry.ok()?.path())).collect();
            files.sort();
            for file in files {
                let text = self.open(&file)?;
                let is_attack = folder != "false-pos";
                let class = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                for request in gotestwaf::requests(&String::from_utf8_lossy(&text)) {
                    self.add(Source::GoTestWaf, is_attack, &class, request);
                }
            }
        }
        Ok(())
    }

    fn vulnbank(&mut self, path: &Path) -> Result<()> {
        let text = self.open(path)?;
        let text = String::from_utf8_lossy(&text).into_owned();
        for block in text.split("ST@RT").skip(1) {
            let block = block.split("\nEND").next().unwrap_or_default();
            let wire = block.trim_start().split_once('\n').map(|(_, wire)| wire);
            if let Some(request) = wire.and_then(Request::of_wire) {
                self.add(Source::Vulnbank, true, "requests", request);
            }
        }
        Ok(())
    }

    fn crs(&mut self, path: &Path) -> Result<()> {
        let bytes = self.open(path)?;
        let mut archive = tar::Archive::new(bytes.as_slice());
        for entry in archive.entries()? {
            let mut entry = entry?;
            let name = entry.path()?.to_string_lossy().into_owned();
            let Some(class) = crs_class(&name) else { continue };
            let mut text = String::new();
            if entry.read_to_string(&mut text).is_err() {
                continue;
            }
            for (request, is_attack) in crate::crs::requests(&text) {
                // What must not trip one rule may be an attack for another.
                if is_attack {
                    self.add(Source::Crs, true, class, request);
                }
            }
        }
        Ok(())
    }

    fn modsec(&mut self, path: &Path) -> Result<()> {
        let text = self.open(path)?;
        let queries: Vec<String> = serde_json::from_slice(&text)?;
        for query in queries {
            let request = Request { path: b"/".to_vec(), query: query.into_bytes(), ..Request::default() };
            self.add(Source::ModSec, true, "sqli", request);
        }
        Ok(())
    }

    fn wad(&mut self, path: &Path) -> Result<()> {
        let text = self.open(path)?;
        let rows: Vec<serde_json::Value> = serde_json::from_slice(&text)?;
        for row in rows {
            let of = |key: &str| row.get(key).and_then(serde_json::Value::as_str).unwrap_or_default();
            let class = of("attack_type").to_owned();
            let request = Request::of_target(of("url"));
            self.add(Source::Wad, class != "Normal", &class, request);
        }
        Ok(())
    }

    fn scanners(&mut self, directory: &Path) -> Result<()> {
        for name in ["acunetix", "netsparker", "w3af"] {
            let text = self.open(&directory.join(format!("{name}.txt.gz")))?;
            for line in String::from_utf8_lossy(&text).lines() {
                let target = line.split('"').nth(2).and_then(|line| line.split(' ').nth(1));
                if let Some(target) = target.filter(|target| target.contains('?')) {
                    self.add(Source::Scanners, true, name, Request::of_target(target));
                }
            }
        }
        Ok(())
    }

    fn traffic(&mut self, path: &Path) -> Result<()> {
        let text = self.open(path)?;
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let row: Row = serde_json::from_slice(line)?;
            let mut request = Request::of_target(&row.uri);
            request.body = row.body.unwrap_or_default().into_bytes();
            for (name, value) in row.headers {
                request.header(&name, &value.unwrap_or_default());
            }
            self.add(Source::Traffic, false, &row.cls, request);
        }
        Ok(())
    }

    /// Prose, and the same as editors of web pages send it.
    fn own(&mut self, root: &Path) -> Result<()> {
        let mut files: Vec<PathBuf> =
            vec![root.join("README.md"), root.join("ARCHITECTURE.md"), root.join("CHANGELOG.md")];
        files.extend(fs::read_dir(root.join("docs"))?.filter_map(|entry| Some(entry.ok()?.path())));
        files.retain(|file| file.extension().is_some_and(|extension| extension == "md"));
        files.retain(|file| !file.ends_with("detection.md"));
        files.sort();
        for file in files {
            let text = fs::read_to_string(&file).with_context(|| format!("{}", file.display()))?;
            for paragraph in text.split("\n\n").filter(|part| part.len() > 40 && !part.contains("```")) {
                let one = paragraph.replace('\n', " ");
                self.add(Source::Own, false, "prose", Request::of_value(one.as_bytes()));
                let html =
                    format!("<p>{}</p><ul><li><b>{}</b></li></ul>", one, one.get(..20).unwrap_or_default());
                self.add(Source::Own, false, "html", Request::of_value(html.as_bytes()));
            }
        }
        Ok(())
    }
}

#[derive(serde::Deserialize)]
struct Row {
    cls: String,
    uri: String,
    headers: Vec<(String, Option<String>)>,
    body: Option<String>,
}

/// The class that a test of the Core Rule Set is about; none for protocol rules.
fn crs_class(name: &str) -> Option<&'static str> {
    let classes = [
        ("APPLICATION-ATTACK-LFI", "traversal"),
        ("APPLICATION-ATTACK-RFI", "inclusion"),
        ("APPLICATION-ATTACK-RCE", "command"),
        ("APPLICATION-ATTACK-PHP", "php"),
        ("APPLICATION-ATTACK-GENERIC", "generic"),
        ("APPLICATION-ATTACK-XSS", "xss"),
        ("APPLICATION-ATTACK-SQLI", "sqli"),
        ("APPLICATION-ATTACK-JAVA", "java"),
    ];
    classes.iter().find(|(part, _)| name.contains(part)).map(|(_, class)| *class)
}
