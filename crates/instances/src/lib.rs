//! Private database servers, for the demo, the tests and the benchmarks: started from what is
//! installed, on a free port of the loopback address, in a folder of their own, and stopped when
//! they are dropped.
//!
//! Nothing here downloads or installs anything (a missing program is an error that names the Debian
//! package), nothing touches the machine's own database server, and nothing is asynchronous: a
//! server is started before the work that needs it.
//!
//! ```no_run
//! # fn main() -> anyhow::Result<()> {
//! use outhaul_instances::{Options, Postgres};
//!
//! let server = Postgres::start(Options::default())?;
//! server.sql("create table account (id bigint primary key)")?;
//! assert_eq!(server.sql("select count(*) from account")?, "0");
//! println!("{}", server.url());
//! # Ok(())
//! # }
//! ```

mod account;
mod client;
mod folder;
mod mariadb;
mod options;
mod postgres;
mod process;
mod programs;
mod tls;

pub use account::can_enter;
pub use mariadb::MariaDb;
pub use options::{Access, Options, Stop, Tls, random_password};
pub use postgres::Postgres;
