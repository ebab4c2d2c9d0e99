//! Totals of what was seen and what was missed.

use super::anomaly::{Anomalies, Anomaly};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// Totals since the start.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Counters {
            $($(#[$doc])* pub $name: u64,)*
            anomalies: [u64; Anomaly::ALL.len()],
        }

        impl Default for Counters {
            fn default() -> Self {
                Self { $($name: 0,)* anomalies: [0; Anomaly::ALL.len()] }
            }
        }

        impl Counters {
            /// All except the anomalies, by name.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name)),*].into_iter()
            }
        }
    };
}

counters! {
    /// Exchanges handed to the sink, paired or not.
    exchanges,
    /// Of these, requests without a response.
    unpaired_requests,
    /// Of these, responses without a request.
    unpaired_responses,
    /// Of these, with bytes missing.
    gapped,
    /// Interim responses (1xx but 101).
    interim_responses,
    /// Connections that changed protocol after 101.
    upgraded,
    /// Connections that became tunnels after CONNECT.
    tunnelled,
    /// Connections in HTTP/2.
    http2,
    /// HTTP/2 fields hidden by an incomplete HPACK table.
    hidden_fields,
    /// WebSockets that were opened.
    websockets_opened,
    /// Of these, those that have ended.
    websockets,
    /// Messages in WebSockets, open ones included.
    websocket_messages,
    /// Payload bytes of these messages.
    websocket_bytes,
    /// Messages that clients sent.
    websocket_client_messages,
    /// Payload bytes of these.
    websocket_client_bytes,
    /// Connections that do not speak HTTP.
    not_http,
    /// PROXY protocol headers.
    proxy_headers,
    /// Times that the start of the next message was unknown.
    desynchronisations,
    /// Times that a message was found again after that.
    resynchronisations,
    /// Bytes skipped while searching for it.
    unparsed_bytes,
    /// Holes where no framing survived: in a head, in a line of the chunked coding, between messages.
    gaps,
    /// Missing bytes that were never seen.
    lost_bytes,
    /// Missing bytes that were left out on purpose.
    not_captured_bytes,
    /// Requests given up as unanswered because too many waited.
    pipeline_overflows,
    /// Messages not read because [`Config::messages`](super::Config::messages) were held.
    messages_exhausted,
    /// Messages not read, or bodies not kept, since [`Config::buffer_bytes`](super::Config::buffer_bytes) were
    /// held.
    buffers_exhausted,
    /// Bodies not wholly kept.
    bodies_truncated,
    /// Exchanges with a compressed body that comes to more than one may.
    inflations_bounded,
    /// Exchanges with a compressed body for which the budget of the connection and of all was used up.
    inflations_refused,
    /// Client bytes not read because they followed the announced end of the connection.
    after_close_bytes,
}

impl Counters {
    /// How often each anomaly was found: at most once an exchange.
    pub fn anomalies(&self) -> impl Iterator<Item = (Anomaly, u64)> {
        Anomaly::ALL.into_iter().zip(self.anomalies)
    }

    /// With every anomaly found once, to show which there are.
    #[must_use]
    pub fn of_everything() -> Self {
        Self { anomalies: [1; Anomaly::ALL.len()], ..Self::default() }
    }

    pub(super) fn note(&mut self, anomalies: Anomalies) {
        if anomalies.is_empty() {
            return;
        }
        anomalies.iter().for_each(|anomaly| self.note_one(anomaly));
    }

    pub(super) fn note_one(&mut self, anomaly: Anomaly) {
        if let Some(count) = self.anomalies.get_mut(anomaly as usize) {
            add(count, 1);
        }
    }
}

/// Counts.
pub(super) const fn add(counter: &mut u64, by: u64) {
    *counter = counter.wrapping_add(by);
}
