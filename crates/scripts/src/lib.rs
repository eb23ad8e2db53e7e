//! Runs customers' JavaScript in processes that hold nothing and can be killed. It does not know what
//! a script is for, and offers it nothing that its caller did not name.
//!
#![doc = include_str!("../docs.md")]
//!
//! # For who builds with it
//!
//! [`Sandbox`] starts, watches and kills; [`Host`] answers what a script asks; [`child_main`] is
//! what the started program calls. This room knows nothing of exports, and wires itself into
//! nothing.
//!
//! ```no_run
//! # async fn example(host: impl outhaul_scripts::Host) -> Result<(), Box<dyn std::error::Error>> {
//! use outhaul_scripts::{Check, Limits, Module, Sandbox};
//!
//! // The program calls `outhaul_scripts::child_main()` when its first argument is `script`.
//! let sandbox = Sandbox::new(std::env::current_exe()?, vec!["script".into()])?;
//! let http = Module { name: "http".into(), functions: vec!["post".into()], calls: 5 };
//! let (modules, limits) = ([http], Limits::default());
//! let source = "require('http').post(script.arguments.url, { done: true })";
//! if sandbox.check(source, &modules, &limits).await? == Check::Good {
//!     let globals = r#"{"script":{"arguments":{"url":"https://example.com/"}}}"#;
//!     let outcome = sandbox.run(source, globals, &modules, &limits, &host).await?;
//!     println!("{:?} {:?}", outcome.end, outcome.logs);
//! }
//! # Ok(())
//! # }
//! ```

mod child;
mod host;
mod limits;
mod outcome;
mod parent;
mod protocol;
mod text;

pub use child::child_main;
pub use host::{Host, Module, NoHost};
pub use limits::{GRACE, Limits, NESTING_MAX, OVERHEAD_BYTES, START_MAX};
pub use outcome::{Check, End, Failure, Level, LogLine, Logs, Outcome, Refusal};
pub use parent::{Error, Sandbox};
