//! The fonts at the end of a document: the glyphs that it uses and no others, which code means
//! which of them, and which text each stands for (ISO 32000-2, 9.7 and 9.10).

use std::fmt::Write as _;

use subsetter::GlyphRemapper;

use super::fonts::{Face, Style, Used};
use super::object::{Objects, Ref};
use crate::error::{Error, Result};
use crate::pack::FileWriter;

/// Codes of one list of a character map, at most (Adobe Technical Note 5411).
const LIST_MAX: usize = 100;

/// Writes the font of a style as the object `font`. Answers false when the document does not use it.
pub(super) fn embed(
    style: Style,
    font: Ref,
    used: &Used,
    objects: &mut Objects,
    file: &mut FileWriter<'_>,
) -> Result<bool> {
    let face = Face::of(style).ok_or(Error::Usage("the built-in font could not be read"))?;
    let cids: Vec<u16> = used.cids(style).iter().collect();
    if cids.is_empty() {
        return Ok(false);
    }
    let mut mapper = GlyphRemapper::new();
    let glyphs: Vec<u16> = cids.iter().map(|cid| mapper.remap(face.glyph(*cid))).collect();
    let program = subsetter::subset(face.data, 0, &mapper)
        .map_err(|_| Error::Usage("the built-in font could not be cut to its used glyphs"))?;
    let name = format!("{}+{}", tag(&program), face.name);
    let [cid_font, descriptor, data, texts, map] = [(); 5].map(|()| objects.reserve());

    let length = program.len();
    objects.stream(data, &format!("/Length1 {length}"), &program, file)?;
    objects.stream(texts, "", to_unicode(style, &cids, used).as_bytes(), file)?;
    objects.stream(map, "", &cid_to_glyph(&cids, &glyphs), file)?;
    let per_mille = |units: i32| i64::from(units) * 1_000 / i64::from(face.em);
    let [left, bottom, right, top] = face.bounds.map(per_mille);
    let (ascent, descent) = (per_mille(face.ascent), per_mille(face.descent));
    let cap_height = per_mille(face.cap_height);
    let stem = if style == Style::Bold { 140 } else { 80 };
    objects.object(
        descriptor,
        &format!(
            "<</Type/FontDescriptor/FontName/{name}/Flags 4/FontBBox[{left} {bottom} {right} {top}]\
             /ItalicAngle 0/Ascent {ascent}/Descent {descent}/CapHeight {cap_height}/StemV {stem}\
             /FontFile2 {data}>>"
        ),
        file,
    )?;
    let missing = per_mille(face.advance(0));
    let widths = widths(face, &cids);
    objects.object(
        cid_font,
        &format!(
            "<</Type/Font/Subtype/CIDFontType2/BaseFont/{name}/CIDSystemInfo<</Registry{}\
             /Ordering{}/Supplement 0>>/FontDescriptor {descriptor}/DW {missing}/W[{widths}]\
             /CIDToGIDMap {map}>>",
            objects.bytes(b"Adobe"),
            objects.bytes(b"Identity"),
        ),
        file,
    )?;
    objects.object(
        font,
        &format!(
            "<</Type/Font/Subtype/Type0/BaseFont/{name}/Encoding/Identity-H\
             /DescendantFonts[{cid_font}]/ToUnicode {texts}>>"
        ),
        file,
    )?;
    Ok(true)
}

/// Six letters that tell subsets of a font apart.
fn tag(program: &[u8]) -> String {
    let mut sum = crc32fast::hash(program);
    (0..6)
        .map(|_| {
            let letter = char::from(b'A' + (sum % 26) as u8);
            sum /= 26;
            letter
        })
        .collect()
}

/// Advances in thousandths of an em: runs of codes that follow one another.
fn widths(face: &Face, cids: &[u16]) -> String {
    let mut text = String::new();
    let mut next = None;
    for cid in cids {
        if next != Some(u32::from(*cid)) {
            if next.is_some() {
                text.push(']');
            }
            // Writing into a text cannot fail.
            let _ = write!(text, "{cid}[");
        } else {
            text.push(' ');
        }
        let thousandths = f64::from(face.cid_advance(*cid)) * 1_000.0 / f64::from(face.em);
        let _ = write!(text, "{}", (thousandths * 100.0).round() / 100.0);
        next = Some(u32::from(*cid) + 1);
    }
    text.push(']');
    text
}

/// Two bytes for each code up to the last one in use: its glyph.
fn cid_to_glyph(cids: &[u16], glyphs: &[u16]) -> Vec<u8> {
    let codes = cids.last().map_or(0, |last| usize::from(*last) + 1);
    let mut map = vec![0; codes * 2];
    for (cid, glyph) in cids.iter().zip(glyphs) {
        map[usize::from(*cid) * 2..][..2].copy_from_slice(&glyph.to_be_bytes());
    }
    map
}

/// Which text each code stands for.
fn to_unicode(style: Style, cids: &[u16], used: &Used) -> String {
    let mut map = String::from(
        "/CIDInit/ProcSet findresource begin\n12 dict begin\nbegincmap\n\
         /CIDSystemInfo<</Registry(Adobe)/Ordering(UCS)/Supplement 0>>def\n\
         /CMapName/Adobe-Identity-UCS def\n/CMapType 2 def\n\
         1 begincodespacerange\n<0000><FFFF>\nendcodespacerange\n",
    );
    let said: Vec<_> = cids
        .iter()
        .map(|cid| (*cid, used.text(style, *cid)))
        .filter(|(_, text)| !text.is_empty())
        .collect();
    for list in said.chunks(LIST_MAX) {
        let _ = writeln!(map, "{} beginbfchar", list.len());
        for (cid, text) in list {
            let _ = write!(map, "<{cid:04X}><");
            for unit in text.encode_utf16() {
                let _ = write!(map, "{unit:04X}");
            }
            map.push_str(">\n");
        }
        map.push_str("endbfchar\n");
    }
    map.push_str("endcmap\nCMapName currentdict/CMap defineresource pop\nend\nend\n");
    map
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_lead_to_glyphs_widths_and_texts() {
        let face = Face::of(Style::Regular).unwrap();
        assert_eq!(cid_to_glyph(&[1, 3], &[7, 258]), [0, 0, 0, 7, 0, 0, 1, 2]);
        let text = widths(face, &[65, 66, 97]);
        assert!(
            text.starts_with("65[615.") && text.contains("]97[") && text.ends_with(']'),
            "{text}"
        );
        let mut used = Used::default();
        used.add(Style::Regular, 65);
        used.add_shaped(Style::Regular, 0xE001, "لا");
        let map = to_unicode(Style::Regular, &[65, 0xE001], &used);
        assert!(map.contains("2 beginbfchar\n<0041><0041>\n<E001><06440627>\nendbfchar"), "{map}");
    }
}
