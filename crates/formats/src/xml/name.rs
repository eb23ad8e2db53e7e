//! Names of columns as names of elements. What a name cannot hold is written by its number, as
//! SQL/XML does it (ISO/IEC 9075-14, "Mapping SQL identifiers to XML Names", fully escaped): `_x0020_`
//! is a blank, and `_x005F_x` is what stood as `_x`, so that two columns never share a name and the
//! column's name can be had back.

use std::fmt::Write;

/// Letters, besides ASCII, that are letters of a name to readers of every edition of XML 1.0: the fourth
/// listed far fewer than the fifth, and common readers (expat, in Python and Perl) still follow it.
const LETTERS: &[(char, char)] = &[
    ('\u{C0}', '\u{D6}'),
    ('\u{D8}', '\u{F6}'),
    ('\u{F8}', '\u{131}'),
    ('\u{134}', '\u{13E}'),
    ('\u{141}', '\u{148}'),
    ('\u{14A}', '\u{17E}'),
    ('\u{386}', '\u{386}'),
    ('\u{388}', '\u{38A}'),
    ('\u{38C}', '\u{38C}'),
    ('\u{38E}', '\u{3A1}'),
    ('\u{3A3}', '\u{3CE}'),
    ('\u{401}', '\u{40C}'),
    ('\u{40E}', '\u{44F}'),
    ('\u{451}', '\u{45C}'),
    ('\u{45E}', '\u{481}'),
    ('\u{5D0}', '\u{5EA}'),
    ('\u{621}', '\u{63A}'),
    ('\u{641}', '\u{64A}'),
    ('\u{3041}', '\u{3094}'),
    ('\u{30A1}', '\u{30FA}'),
    ('\u{4E00}', '\u{9FA5}'),
    ('\u{AC00}', '\u{D7A3}'),
];

/// The element's name of a column.
pub(super) fn of_column(column: &str) -> String {
    if column.is_empty() {
        // What no other name becomes: a literal `_x` is never left.
        return "_x_".to_owned();
    }
    let mut name = String::with_capacity(column.len());
    // Names that begin like this are the standard's own.
    let reserved = column.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("xml"));
    for (at, letter) in column.char_indices() {
        let stays = match letter {
            '_' => !column[at + 1..].starts_with('x'),
            _ if at == 0 => is_first(letter) && !reserved,
            _ => is_further(letter),
        };
        if stays {
            name.push(letter);
        } else {
            let width = if letter > '\u{FFFF}' { 6 } else { 4 };
            // Cannot fail because a String takes everything.
            let _ = write!(name, "_x{:0width$X}_", u32::from(letter));
        }
    }
    name
}

/// Whether a text is the name of an element or an attribute, without a namespace.
pub(super) fn is_name(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(|first| first == '_' || is_first(first))
        && letters.all(is_further)
        && !text.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("xml"))
}

fn is_first(letter: char) -> bool {
    letter.is_ascii_alphabetic()
        || LETTERS.iter().any(|(first, last)| (*first..=*last).contains(&letter))
}

fn is_further(letter: char) -> bool {
    is_first(letter) || letter.is_ascii_digit() || matches!(letter, '_' | '-' | '.')
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_those_of_sql_xml() {
        for (column, name) in [
            ("Amount", "Amount"),
            ("Account.Name", "Account.Name"),
            ("Total Amount", "Total_x0020_Amount"),
            ("_id", "_id"),
            ("_", "_"),
            ("_x", "_x005F_x"),
            ("a_x0020_b", "a_x005F_x0020_b"),
            ("1st", "_x0031_st"),
            ("-5", "_x002D_5"),
            (".a", "_x002E_a"),
            ("a:b", "a_x003A_b"),
            ("xmlData", "_x0078_mlData"),
            ("XML", "_x0058_ML"),
            ("", "_x_"),
            ("_x_", "_x005F_x_"),
            ("größe", "größe"),
            ("金額", "金額"),
            ("सं", "_x0938__x0902_"),
            ("a😀", "a_x01F600_"),
            ("<b> & \"c\"", "_x003C_b_x003E__x0020__x0026__x0020__x0022_c_x0022_"),
            ("\0", "_x0000_"),
        ] {
            assert_eq!(of_column(column), name);
            assert!(is_name(name), "{name}");
        }
    }

    #[test]
    fn no_two_columns_share_a_name() {
        let letters = ['_', 'x', '0', '5', 'F', ' ', 'é', '\u{5F0}', '😀'];
        let mut columns = vec![String::new()];
        let mut all = HashSet::from([of_column("")]);
        for _ in 0..5 {
            columns = columns
                .iter()
                .flat_map(|column| letters.iter().map(move |letter| format!("{column}{letter}")))
                .collect();
            for column in &columns {
                let name = of_column(column);
                assert!(is_name(&name), "{column} became {name}");
                assert!(all.insert(name), "{column} has the name of another");
            }
        }
        assert_eq!(all.len(), (0..=5).map(|n| 9usize.pow(n)).sum::<usize>());
    }

    #[test]
    fn what_is_no_name_is_known() {
        for text in ["", "1a", "-a", "a b", "a:b", "xml", "XmlRows", "a<", "ॐ", "😀"] {
            assert!(!is_name(text), "{text}");
        }
        assert!(is_name("_rows-1.é"));
    }
}
