//! The configuration as it takes effect: the file, the environment and every default, as TOML.
//! Secrets are dots, because it is made from a configuration that was loaded with
//! [`super::Secrets::Hide`].

use super::sections::Config;

/// The configuration as TOML.
///
/// # Errors
/// When a value cannot be written as TOML.
pub fn show(config: &Config) -> Result<String, toml::ser::Error> {
    toml::to_string_pretty(config)
}
