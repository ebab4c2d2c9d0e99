//! Answering requests over the limit at tc ingress: loading the program, and attaching it before the mirror.

use aya::Ebpf;
use aya::programs::tc::SchedClassifierLink;
use aya::programs::{SchedClassifier, TcAttachType};
use sensor_common::abi::programs;
use serde::{Deserialize, Serialize};

use super::attach::{Attachment, XdpMode};
use super::btf;
use super::error::KernelError;
use super::link::LinkLayer;
use super::load::Dataplane;
use super::mirror;

/// What happens to a request over the limit `requests`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TooMany {
    /// It is dropped.
    #[default]
    Drop,
    /// It is answered with `429`, if that is possible, and dropped otherwise.
    #[serde(rename = "429")]
    Answer,
}

/// The program on its interfaces. Dropping it detaches.
#[derive(Debug, Default)]
pub(super) struct TooManyLinks(Vec<(String, SchedClassifierLink)>);

/// Loads the program while its maps are open, if it was opted for.
pub(super) fn load(ebpf: &mut Ebpf, wanted: TooMany) -> Option<Result<TooManyLinks, KernelError>> {
    (wanted == TooMany::Answer).then(|| load_one(ebpf).map(|()| TooManyLinks::default()))
}

fn load_one(ebpf: &mut Ebpf) -> Result<(), KernelError> {
    if btf::field("sk_buff", "ip_summed").is_none() {
        let why = std::io::Error::other("the kernel has no BTF, which tells unfinished checksums");
        return Err(KernelError::system("answering with 429")(why));
    }
    mirror::program(ebpf, programs::TOO_MANY)?.load().map_err(KernelError::program(programs::TOO_MANY))
}

impl TooManyLinks {
    /// Attaches to an interface whose frames have a link header; before what is attached there.
    pub(super) fn attach(&mut self, ebpf: &mut Ebpf, attachment: &Attachment) -> Result<(), KernelError> {
        let interface = &attachment.interface;
        self.0.retain(|(of, _)| of != interface);
        if attachment.layer != LinkLayer::Ethernet {
            return Ok(());
        }
        if attachment.mode == XdpMode::Generic {
            // What it hands on does not arrive here in the form that the program expects.
            let why = std::io::Error::other(format!("it takes native XDP, and {interface} has generic XDP"));
            return Err(KernelError::system("answering with 429")(why));
        }
        let place = TcAttachType::Ingress;
        let program: &mut SchedClassifier = mirror::program(ebpf, programs::TOO_MANY)?;
        let link =
            mirror::attach_one(program, interface, place).map_err(mirror::refused(interface, place))?;
        self.0.push((interface.clone(), link));
        Ok(())
    }
}

impl Dataplane {
    /// Answers requests over the limit with `429`, if that was opted for; after the mirror, which is to be behind it. If
    /// it cannot be, they are dropped, and [`Self::too_many_trouble`] says why.
    pub fn attach_too_many(&mut self) {
        self.settings.set_too_many(false);
        let Some(Ok(mut links)) = self.too_many.take_if(|loaded| loaded.is_ok()) else { return };
        let attached: Result<(), KernelError> =
            self.attachments.iter().try_for_each(|attachment| links.attach(&mut self.ebpf, attachment));
        self.settings.set_too_many(attached.is_ok());
        self.too_many = Some(attached.map(|()| links));
    }

    /// The same for an interface that came back. If it cannot be, none is answered any longer: XDP has one setting for all.
    pub(super) fn too_many_again(&mut self, position: usize) {
        let (Some(Ok(links)), Some(attachment)) = (&mut self.too_many, self.attachments.get(position)) else {
            return;
        };
        if let Err(error) = links.attach(&mut self.ebpf, attachment) {
            tracing::warn!(%error, "requests over the limit are dropped, no longer answered with 429");
            self.settings.set_too_many(false);
            self.too_many = Some(Err(error));
        }
    }

    /// Why requests over the limit are dropped although they are to be answered.
    #[must_use]
    pub fn too_many_trouble(&self) -> Option<&KernelError> {
        self.too_many.as_ref()?.as_ref().err()
    }
}
