//! What the tests of both APIs stand on: a server without wires ([`server`]), and conversations that
//! are played to it ([`wire`]).

pub mod openapi;
pub mod server;
pub mod wire;
