//! Zoho Analytics' export API by clients that nobody here wrote, in every format that it has, and
//! under what clients get wrong.

mod callbacks;
mod client;
mod clients;
mod formats;
mod limits;
mod malformed;
mod million;
mod slots;
