//! The mirror on the running kernel.

use sensor_tests::mirror;
use sensor_tests::netns::Namespace;
use sensor_tests::tools;

#[test]
fn copies_what_was_asked_for() {
    let namespace = Namespace::new("mirror").unwrap();
    namespace.ip("link set lo up").unwrap();
    namespace.enter(mirror::check).unwrap();
}

#[test]
fn odd_frames_are_copied_or_counted() {
    if tools::skipped("odd_frames_are_copied_or_counted", &["python3"]) {
        return;
    }
    let namespace = Namespace::new("oddmirror").unwrap();
    namespace.ip("link set lo up").unwrap();
    namespace.enter(mirror::check_odd_frames).unwrap();
}
