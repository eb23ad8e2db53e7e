//! How the pages of a pdf are laid out: CONFIG's keys in the words of the format.
//!
//! `exportLanguage` is checked and has no effect: every file embeds the letters that it needs.

use serde_json::{Map, Value, json};

use super::error::Trouble;
use super::request::{Config, not_allowed};

/// Characters of a text in a page's corner.
const TEXT_CHARS_MAX: usize = 500;
/// What stands in the corners when CONFIG is silent: the names here, there, and the slot's number.
const CORNERS: [(&str, &str, u64); 6] = [
    ("leftHeader", "header_left", 1),
    ("centerHeader", "header_center", 0),
    ("rightHeader", "header_right", 2),
    ("leftFooter", "footer_left", 0),
    ("centerFooter", "footer_center", 3),
    ("rightFooter", "footer_right", 0),
];

/// The format's options that CONFIG sets; the texts of title, description and date are not among
/// them (Zoho Analytics API v2, "Export data", keys of PDF).
///
/// # Errors
/// 8119 for a number that is none of a key's, 8516 for a value of another type, 7801 for a margin,
/// 8507 for a long text.
pub fn read(config: &Config) -> Result<Map<String, Value>, Trouble> {
    let mut options = Map::new();
    let mut set = |key: &str, value: Value| options.insert(key.to_owned(), value);
    let paper = config.choice("paperSize", 0..=5)?.unwrap_or(4);
    set("paper", word(paper, ["letter", "legal", "tabloid", "a3", "a4", "auto_width"]));
    set("orientation", orientation(config)?.into());
    let mut margins = Map::new();
    for side in ["top", "bottom", "left", "right"] {
        let inches = config.inches(&format!("{side}Margin"))?.unwrap_or(0.25);
        margins.insert(side.to_owned(), thousandths(inches).into());
    }
    set("margins", margins.into());
    let places = ["top", "bottom", "none"];
    set("title_at", word(config.choice("showTitle", 0..=2)?.unwrap_or(0), places));
    set("description_at", word(config.choice("showDesc", 0..=2)?.unwrap_or(0), places));
    let widths = config.choice("columnWidthRatio", 0..=2)?.unwrap_or(1);
    set("widths", word(widths, ["content", "content", "equal"]));
    config.choice("exportLanguage", 0..=4)?;
    for (key, option, standard) in CORNERS {
        set(option, corner(config, key, standard)?);
    }
    Ok(options)
}

fn word<const N: usize>(number: u64, words: [&str; N]) -> Value {
    let place = usize::try_from(number).ok();
    place.and_then(|place| words.get(place)).copied().unwrap_or_default().into()
}

fn orientation(config: &Config) -> Result<&'static str, Trouble> {
    match config.text("paperStyle")? {
        None => Ok("portrait"),
        Some(word) if word.eq_ignore_ascii_case("portrait") => Ok("portrait"),
        Some(word) if word.eq_ignore_ascii_case("landscape") => Ok("landscape"),
        Some(word) => Err(not_allowed("paperStyle", word, "Portrait, Landscape")),
    }
}

/// Thousandths of an inch; `inches` are between 0 and 1.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1,000")]
fn thousandths(inches: f64) -> u64 {
    (inches * 1_000.0).round() as u64
}

fn corner(config: &Config, key: &str, standard: u64) -> Result<Value, Trouble> {
    let text_key = format!("{key}Text");
    let text = config.text_within(&text_key, TEXT_CHARS_MAX)?;
    Ok(match config.choice(key, 0..=6)?.unwrap_or(standard) {
        1 => "title".into(),
        2 => "date".into(),
        3 => "page".into(),
        4 => "page_of_total".into(),
        5 => json!({ "text": text.unwrap_or_default() }),
        // A logo, of which there is none, is blank too.
        _ => "blank".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_become_options() {
        let config = Config::of_keys([
            ("paperSize", json!("5")),
            ("paperStyle", json!("LANDSCAPE")),
            ("topMargin", json!(0.5)),
            ("showTitle", json!(2)),
            ("columnWidthRatio", json!(2)),
            ("rightFooter", json!(5)),
            ("rightFooterText", json!("Confidential")),
            ("centerFooter", json!(4)),
        ]);
        let options = Value::Object(read(&config).expect("it is right"));
        let expected = json!({
            "paper": "auto_width", "orientation": "landscape",
            "margins": { "top": 500, "bottom": 250, "left": 250, "right": 250 },
            "title_at": "none", "description_at": "top", "widths": "equal",
            "header_left": "title", "header_center": "blank", "header_right": "date",
            "footer_left": "blank", "footer_center": "page_of_total",
            "footer_right": { "text": "Confidential" },
        });
        assert_eq!(options, expected);
    }

    #[test]
    fn what_is_out_of_range_is_refused() {
        for (key, value, code) in [
            ("paperSize", json!(6), 8119),
            ("paperStyle", json!("sideways"), 8119),
            ("leftMargin", json!(1.01), 7801),
            ("leftMargin", json!("wide"), 7801),
            ("showDesc", json!(3), 8119),
            ("exportLanguage", json!(9), 8119),
            ("leftHeader", json!(7), 8119),
            ("leftHeader", json!([]), 8516),
            ("leftHeaderText", json!("x".repeat(501)), 8507),
        ] {
            let refused = read(&Config::of_keys([(key, value)])).expect_err(key);
            assert_eq!(refused.code(), code, "{key}");
        }
    }
}
