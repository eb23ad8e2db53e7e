//! Zoho Analytics' export API. What is here so far: names, ids, and the query languages.

pub mod ids;
pub mod names;
pub mod sql;
