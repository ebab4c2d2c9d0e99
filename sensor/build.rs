//! Builds the kernel side and leaves it in `OUT_DIR/dataplane`.

fn main() -> anyhow::Result<()> {
    sensor_toolchain::build(
        "sensor-ebpf",
        concat!(env!("CARGO_MANIFEST_DIR"), "/../sensor-ebpf"),
        &["dataplane", "secrets"],
    )
}
