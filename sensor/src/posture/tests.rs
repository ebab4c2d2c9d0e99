//! Properties of the inventory.
