use std::fs;
use std::path::Path;
use std::time::Duration;

use tokio::runtime::Handle;

use super::{alert, eventually};
use crate::decide::Alert;
use crate::notify::{Notifier, NotifyConfig, Output};

fn start(path: &Path) -> Notifier {
    let config = NotifyConfig { output: Output::File(path.to_owned()), ..NotifyConfig::default() };
    Notifier::start(&config, &Handle::current(), || 0).unwrap()
}

fn read(path: &Path) -> Vec<Alert> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn each_alert_is_a_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("alerts.jsonl");
    let notifier = start(&path);
    (0..100).for_each(|n| notifier.alert(&alert(n)));
    let stats = notifier.close(Duration::ZERO).await.lines;
    assert_eq!((stats.written, stats.failed, stats.dropped, stats.depth), (100, 0, 0, 0));
    assert_eq!(read(&path), (0..100).map(alert).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_file_that_is_rotated_is_begun_anew() {
    let directory = tempfile::tempdir().unwrap();
    let (path, rotated) = (directory.path().join("alerts.jsonl"), directory.path().join("alerts.jsonl.1"));
    let notifier = start(&path);
    notifier.alert(&alert(1));
    eventually(|| notifier.stats().lines.written == 1).await;
    fs::rename(&path, &rotated).unwrap();
    notifier.alert(&alert(2));
    eventually(|| notifier.stats().lines.written == 2).await;
    fs::remove_file(&path).unwrap();
    notifier.alert(&alert(3));
    notifier.close(Duration::ZERO).await;
    assert_eq!(read(&rotated), [alert(1)]);
    assert_eq!(read(&path), [alert(3)]);
}

#[tokio::test]
async fn what_cannot_be_written_is_counted_and_the_next_is_tried() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("missing").join("alerts.jsonl");
    let notifier = start(&path);
    notifier.alert(&alert(1));
    eventually(|| notifier.stats().lines.failed == 1).await;
    fs::create_dir(path.parent().unwrap()).unwrap();
    notifier.alert(&alert(2));
    let stats = notifier.close(Duration::ZERO).await.lines;
    assert_eq!((stats.written, stats.failed), (1, 1));
    assert_eq!(read(&path), [alert(2)]);
}

#[tokio::test]
async fn a_full_device_is_counted() {
    // Every write to it fails as on a full disk.
    let notifier = start(Path::new("/dev/full"));
    (0..3).for_each(|n| notifier.alert(&alert(n)));
    let stats = notifier.close(Duration::ZERO).await.lines;
    assert_eq!((stats.written, stats.failed), (0, 3));
}
