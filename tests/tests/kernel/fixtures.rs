//! The fixture table on the running kernel.

use std::collections::HashSet;

use sensor_common::abi::Event;
use sensor_tests::fixtures;
use sensor_tests::packet::Frame;
use sensor_tests::plane::{Plane, SMALL};

#[test]
fn every_row() {
    let mut plane = Plane::load(SMALL).unwrap();
    let report = fixtures::run_all(&mut plane).unwrap();
    let failures: Vec<String> = report.failures.iter().map(ToString::to_string).collect();
    assert!(failures.is_empty(), "{} rows passed, these did not:\n{}", report.passed, failures.join("\n"));
}

#[test]
fn rows_are_told_apart_by_their_descriptions() {
    let table = fixtures::table();
    let descriptions: HashSet<&str> = table.iter().map(|row| row.description).collect();
    assert_eq!(descriptions.len(), table.len());
}

#[test]
fn frames_of_interfaces_that_are_not_served_are_counted_as_such() {
    let plane = Plane::load(SMALL).unwrap();
    let before = plane.event(Event::UnknownInterface).unwrap();
    plane.run(&Frame::arp().bytes(), 3).unwrap();
    assert_eq!(plane.event(Event::UnknownInterface).unwrap(), before + 3);
}
