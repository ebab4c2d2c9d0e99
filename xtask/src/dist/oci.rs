//! The OCI image layout: blobs that are named by their digest, and an index (Image Format Specification 1.1).
//!
//! The same files give the same bytes: there are no times, and names are in their order.

use std::collections::BTreeMap;
use std::io::Write as _;

use anyhow::Result;
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// A file or a directory of an image; root's.
#[derive(Debug)]
pub(super) struct Entry {
    /// From the root, without a slash at its beginning.
    pub(super) path: String,
    mode: u32,
    /// None for a directory.
    content: Option<Vec<u8>>,
}

impl Entry {
    pub(super) fn directory(path: &str, mode: u32) -> Self {
        Self { path: path.to_owned(), mode, content: None }
    }

    pub(super) fn file(path: &str, mode: u32, content: Vec<u8>) -> Self {
        Self { path: path.to_owned(), mode, content: Some(content) }
    }
}

/// An image of one layer.
pub(super) struct Image<'a> {
    /// As Go names it: `amd64`, `arm64`.
    pub(super) architecture: &'a str,
    pub(super) version: &'a str,
    pub(super) entries: &'a [Entry],
}

/// Blobs by their path in the layout.
#[derive(Default)]
struct Blobs(BTreeMap<String, Vec<u8>>);

impl Blobs {
    /// Adds one; returns what refers to it.
    fn add(&mut self, media_type: &str, bytes: Vec<u8>) -> Value {
        let (digest, size) = (hex(&bytes), bytes.len());
        self.0.insert(format!("blobs/sha256/{digest}"), bytes);
        json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": size})
    }
}

impl Image<'_> {
    /// The layout as one archive, which `skopeo copy oci-archive:FILE …`, `podman load` and `ctr images import` read.
    pub(super) fn archive(&self) -> Result<Vec<u8>> {
        let layer =
            tar(self.entries.iter().map(|entry| (&*entry.path, entry.mode, entry.content.as_deref())))?;
        let mut compressed = GzEncoder::new(Vec::new(), Compression::best());
        compressed.write_all(&layer)?;
        let mut blobs = Blobs::default();
        let config = json!({
            "architecture": self.architecture,
            "os": "linux",
            "config": {
                "Entrypoint": ["/usr/bin/sensor"],
                "Cmd": ["run"],
                "Env": ["PATH=/usr/bin"],
                "User": "0:0",
                "WorkingDir": "/",
                "Labels": self.labels(),
            },
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", hex(&layer))]},
            "history": [{"created_by": "cargo xtask dist --image"}],
        });
        let layer = blobs.add(LAYER, compressed.finish()?);
        let config = blobs.add(CONFIG, serde_json::to_vec(&config)?);
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config,
            "layers": [layer],
            "annotations": self.labels(),
        });
        let mut manifest = blobs.add(MANIFEST, serde_json::to_vec(&manifest)?);
        if let Some(object) = manifest.as_object_mut() {
            object.insert("platform".to_owned(), json!({"architecture": self.architecture, "os": "linux"}));
            let name = json!({"org.opencontainers.image.ref.name": self.version});
            object.insert("annotations".to_owned(), name);
        }
        let index = json!({"schemaVersion": 2, "manifests": [manifest]});
        let mut files = blobs.0;
        files.insert("index.json".to_owned(), serde_json::to_vec(&index)?);
        files.insert("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec());
        let directories = ["blobs", "blobs/sha256"].map(|path| (path, 0o755, None));
        let files = files.iter().map(|(path, bytes)| (&**path, 0o644, Some(&**bytes)));
        tar(directories.into_iter().chain(files))
    }

    fn labels(&self) -> Value {
        json!({
            "org.opencontainers.image.title": "sensor",
            "org.opencontainers.image.version": self.version,
            "org.opencontainers.image.licenses": "MIT OR Apache-2.0",
        })
    }
}

fn tar<'a>(entries: impl Iterator<Item = (&'a str, u32, Option<&'a [u8]>)>) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, mode, content) in entries {
        let mut header = tar::Header::new_gnu();
        let (kind, bytes) = match content {
            Some(bytes) => (tar::EntryType::Regular, bytes),
            None => (tar::EntryType::Directory, [].as_slice()),
        };
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(u64::try_from(bytes.len())?);
        archive.append_data(&mut header, path, bytes)?;
    }
    Ok(archive.into_inner()?)
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn image() -> Vec<u8> {
        let entries = [Entry::directory("usr", 0o755), Entry::file("usr/x", 0o755, b"program".to_vec())];
        Image { architecture: "arm64", version: "1.2.3", entries: &entries }.archive().unwrap()
    }

    fn files(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
        let mut archive = tar::Archive::new(archive);
        let read = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).unwrap();
            (entry.path().unwrap().to_string_lossy().into_owned(), bytes)
        });
        read.collect()
    }

    /// What a descriptor refers to is there, as long as it says and with the digest that it says.
    fn blob<'a>(files: &'a BTreeMap<String, Vec<u8>>, descriptor: &Value) -> &'a [u8] {
        let digest = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
        let bytes = &files[&format!("blobs/sha256/{digest}")];
        assert_eq!(
            (hex(bytes), bytes.len() as u64),
            (digest.to_owned(), descriptor["size"].as_u64().unwrap())
        );
        bytes
    }

    #[test]
    fn an_image_is_what_its_index_leads_to() {
        let files = files(&image());
        assert_eq!(files["oci-layout"], br#"{"imageLayoutVersion":"1.0.0"}"#);
        let index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
        let manifest: Value = serde_json::from_slice(blob(&files, &index["manifests"][0])).unwrap();
        let config: Value = serde_json::from_slice(blob(&files, &manifest["config"])).unwrap();
        assert_eq!((&config["architecture"], &config["os"]), (&json!("arm64"), &json!("linux")));
        let mut layer = Vec::new();
        let compressed = blob(&files, &manifest["layers"][0]);
        flate2::read::GzDecoder::new(compressed).read_to_end(&mut layer).unwrap();
        assert_eq!(config["rootfs"]["diff_ids"][0], format!("sha256:{}", hex(&layer)));
        let inner = self::files(&layer);
        assert_eq!(inner["usr/x"], b"program");
        assert_eq!(files.len(), 7, "{:?}", files.keys());
    }

    #[test]
    fn the_same_files_give_the_same_image() {
        assert_eq!(image(), image());
    }
}
