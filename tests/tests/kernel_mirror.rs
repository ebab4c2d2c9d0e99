//! The mirror on the running kernel.

use sensor_tests::mirror;
use sensor_tests::netns::Namespace;

#[test]
fn copies_what_was_asked_for() {
    let namespace = Namespace::new("mirror").unwrap();
    namespace.ip("link set lo up").unwrap();
    namespace.enter(mirror::check).unwrap();
}
