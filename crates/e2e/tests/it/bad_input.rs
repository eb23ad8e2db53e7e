//! Placeholder until the shared runner lands.
