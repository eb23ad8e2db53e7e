//! Sends a mail.

use outhaul_delivery::mail::{FileLink, Refusal, compose};
use outhaul_exports::export::{Export, State};
use outhaul_exports::limits;
use outhaul_exports::notice::Message;
use outhaul_exports::service::standing_link;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{Failed, Notifier};

impl Notifier {
    pub(super) async fn mail(&self, message: &Message, file_url: &str) -> Result<(), Failed> {
        let Some(mailer) = &self.mailer else {
            let internal = "mail.transport is off";
            return Err(Failed::passing("this server sends no mail at present", internal));
        };
        let export = self.told(message).await?;
        let links = self.links(&export, file_url).await?;
        let mail = compose(&export, message, &links, self.clock.now());
        Ok(mailer.send(&mail).await?)
    }

    /// The links to the export's first files.
    async fn links(&self, export: &Export, file_url: &str) -> Result<Vec<FileLink>, Failed> {
        let artifacts = export.manifest.iter().flat_map(|manifest| &manifest.artifacts);
        let mut links = Vec::new();
        let listed = if export.state == State::Completed { limits::NOTICE_FILES_MAX } else { 0 };
        for artifact in artifacts.take(listed) {
            let link = standing_link(&*self.access, export, artifact.id, self.clock.now()).await?;
            let url = file_address(file_url, &link.token, &artifact.file_name);
            links.push(FileLink { url, expires_at: link.expires_at });
        }
        Ok(links)
    }
}

impl From<Refusal> for Failed {
    fn from(refusal: Refusal) -> Self {
        let Refusal { is_final, public, internal } = refusal;
        Self { is_final, ..Self::passing(&public, &internal) }
    }
}

/// What is not a letter, a digit or a mark that has no meaning in a URL (RFC 3986, section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The address of a file: the pattern with the link's secret and the file's name in their places.
/// Each place is filled once: nothing in a name is read as a place.
fn file_address(pattern: &str, link: &str, file_name: &str) -> String {
    let name = utf8_percent_encode(file_name, RESERVED).to_string();
    pattern.replace("{link}", link).replace("{file}", &name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_its_address() {
        let pattern = "https://x.org/a/{link}/{file}?name={file}";
        let address = file_address(pattern, "00ff", "{link} \u{e4}/b.csv");
        let name = "%7Blink%7D%20%C3%A4%2Fb.csv";
        assert_eq!(address, format!("https://x.org/a/00ff/{name}?name={name}"));
    }
}
