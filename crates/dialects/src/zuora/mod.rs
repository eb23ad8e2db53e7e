//! How Zuora speaks: what its Export API and AQuA share.

pub mod export;
pub mod zoql;
