//! The families about what changes around the daemon: interfaces that go and come, civil time that jumps.

use prometheus::proto::{MetricFamily, MetricType};

use super::families::{Family, families};

/// An interface that is to be served.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InterfacePresence {
    /// Its name.
    pub interface: String,
    /// Whether HTTP is read there and nothing is limited or blocked.
    pub is_inner: bool,
    /// Whether it is up and has the program.
    pub is_up: bool,
    /// How often the program was attached again.
    pub reattached: u64,
}

families! {
    /// Whether an interface is up and served by the program.
    UP: GAUGE "sensor_interface_up";
    /// Interfaces by role; `inner` is only read.
    ROLE: GAUGE "sensor_interface_role_info";
    /// Times the program was reattached.
    REATTACHED: COUNTER "sensor_interface_reattached_total";
    /// System clock steps of a second or more.
    CLOCK_STEPS: COUNTER "sensor_clock_steps_total";
}

pub(super) fn gather(interfaces: &[InterfacePresence], clock_steps: u64) -> Vec<MetricFamily> {
    let each = |family: &Family, value: fn(&InterfacePresence) -> u64| {
        let metrics = interfaces.iter().map(|of| family.metric(&[("interface", &of.interface)], value(of)));
        family.with(metrics.collect())
    };
    let role = |of: &InterfacePresence| if of.is_inner { "inner" } else { "outer" };
    let roles =
        interfaces.iter().map(|of| ROLE.metric(&[("interface", &of.interface), ("role", role(of))], 1));
    vec![
        ROLE.with(roles.collect()),
        each(&UP, |of| u64::from(of.is_up)),
        each(&REATTACHED, |of| of.reattached),
        CLOCK_STEPS.one(clock_steps),
    ]
}
