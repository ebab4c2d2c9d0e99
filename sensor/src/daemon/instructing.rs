//! Instructs the mirror about what the pipeline does not need.

use sensor_common::abi::{FlowKey, MirrorDirection};

use crate::capture::Endpoint;
use crate::kernel::{KernelError, Mirror, key_of};
use crate::stream::{Instruction, Side};

/// Applies an instruction to the mirror.
pub(super) fn instruct(mirror: &mut Mirror, instruction: Instruction) -> Result<(), KernelError> {
    match instruction {
        Instruction::SkipUntil { side, source, destination, sequence } => {
            let (client, server, direction) = match side {
                Side::Client => (source, destination, MirrorDirection::Ingress),
                Side::Server => (destination, source, MirrorDirection::Egress),
            };
            mirror.skip_until(&flow(client, server), direction, sequence)
        }
        Instruction::Copy { client, server, whole } => mirror.copy_whole(&flow(client, server), whole),
        Instruction::Stop { client, server } => mirror.stop(&flow(client, server)),
    }
}

fn flow(client: Endpoint, server: Endpoint) -> FlowKey {
    FlowKey {
        client: key_of(client.address()),
        server: key_of(server.address()),
        client_port: client.port(),
        server_port: server.port(),
        reserved: 0,
    }
}
