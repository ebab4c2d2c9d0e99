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

#[test]
fn comes_before_a_program_that_accepts() {
    if aya::util::KernelVersion::current()
        .is_ok_and(|version| version < aya::util::KernelVersion::new(6, 6, 0))
    {
        return tools::say_skipped("comes_before_a_program_that_accepts", "this kernel has no tcx");
    }
    let namespace = Namespace::new("first").unwrap();
    namespace.enter(mirror::check_comes_first).unwrap();
}
