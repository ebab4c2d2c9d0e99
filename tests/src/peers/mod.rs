//! Traffic: servers and clients, legitimate and otherwise, that run in a test's namespaces.
//!
//! Every generator is bounded in count; what it opens belongs to the thread's namespace, see
//! [`crate::netns::Namespace::enter`].

pub mod alertmanager;
pub mod bulk;
pub mod crowdsec;
pub mod fleet;
pub mod hook;
pub mod http;
pub mod http2;
pub mod http2_raw;
pub mod keepalive;
pub mod keys;
pub mod login;
pub mod nginx;
pub mod prometheus;
pub mod proxy;
pub mod raw;
pub mod raw_tcp;
pub mod redis;
pub mod rsyslog;
mod running;
pub mod rustls;
pub mod shell;
pub mod site;
pub mod spoof;
pub mod tls;
pub mod tunnel;
pub mod udp;
mod web_server;
