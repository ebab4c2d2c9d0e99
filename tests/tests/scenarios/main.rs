//! Recorded and simulated traffic, run through the program; no kernel and no network needed.

mod access_log;
mod detection;
mod forged_sources;
mod hostile_cost;
mod posture;
