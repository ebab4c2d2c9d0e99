//! Builds the eBPF programs of the tests and leaves them in `OUT_DIR/testplane`.

fn main() -> anyhow::Result<()> {
    sensor_toolchain::build("sensor-tests-ebpf", concat!(env!("CARGO_MANIFEST_DIR"), "/ebpf"), &["testplane"])
}
