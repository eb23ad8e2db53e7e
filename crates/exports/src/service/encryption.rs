//! The key to which an export's files are encrypted whole: looked at when the export is created, so
//! that a wrong one is refused at once and not by a failed export.

use super::Exports;
use crate::principal::Principal;
use crate::{Error, ErrorKind, Result};

impl Exports {
    /// The principal's tenant's key for whole files, as [`crate::spec::ExportSpec::encryption_key`]
    /// takes it: an OpenPGP public key that encrypts today.
    ///
    /// # Errors
    /// `Invalid` when the tenant has no key, one of another kind, or one that does not encrypt any
    /// more; `Unauthenticated` when the tenant was taken out of the configuration.
    pub fn encryption_key(&self, who: &Principal) -> Result<String> {
        let Some(key) = &self.tenant(who)?.public_key else {
            let text = "encrypted files were asked for, but this tenant has no public key \
                        registered: ask the operator to register an OpenPGP key";
            return Err(Error::invalid("encryption", text));
        };
        let checked = self.parts.formats.check_encryption_key(key, self.now());
        checked.map_err(|error| match error.kind() {
            ErrorKind::Invalid { field } => {
                let text = "encrypted files were asked for, but this tenant's public key cannot be \
                            used for them";
                Error::invalid(field.clone(), format!("{text}: {}", error.public()))
            }
            _ => error,
        })?;
        Ok(key.clone())
    }
}
