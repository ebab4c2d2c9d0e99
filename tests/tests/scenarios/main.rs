//! Recorded and simulated traffic, run through the program; no kernel and no network needed.

mod detection;
mod forged_sources;
mod hostile_cost;
mod posture;
