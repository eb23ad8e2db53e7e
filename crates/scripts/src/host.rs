//! What a script may ask of the world: modules that the caller names, answered by the caller.
//!
//! Nothing is offered here. Each function of a [`Module`] is one that a script can call, with JSON
//! both ways; what it does, for whom, and which further caps hold, is the [`Host`]'s to decide.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// A module that a script gets by `require(name)` or `import`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Module {
    /// Its name.
    pub name: String,
    /// The names of its functions.
    pub functions: Vec<String>,
    /// Calls of all its functions that one run may make.
    pub calls: u32,
}

/// Answers call-outs.
#[async_trait]
pub trait Host: Send + Sync {
    /// Answers one call. It is dropped when it takes longer than the limit.
    ///
    /// `function` is one of those that `module` was declared with, and the call is within its
    /// number and size; `arguments` is a JSON array. The answer is JSON.
    ///
    /// # Errors
    /// A text that the script gets as the message of an exception.
    async fn call(&self, module: &str, function: &str, arguments: String)
    -> Result<String, String>;
}

/// Refuses every call: for scripts that have no modules of a host.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoHost;

#[async_trait]
impl Host for NoHost {
    async fn call(&self, module: &str, function: &str, _: String) -> Result<String, String> {
        Err(format!("{module}.{function} is not offered here"))
    }
}
