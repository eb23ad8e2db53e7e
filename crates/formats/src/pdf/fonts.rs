//! The two faces that pages are set in, and which of their glyphs a document uses.
//!
//! A character is written as its own code: the CID of a character of the basic plane is the
//! character, so that text can be encoded by many threads that know nothing of one another, and
//! what a reader copies is exact. Glyphs that shaping chose (Arabic forms, marks, emoji) have CIDs in
//! the private area, by their number in the face. Which glyph a CID means is written at the end.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use harfrust::font::Source;
use harfrust::{Font, GlyphId, ShaperFont};

/// Where the CIDs of shaped glyphs begin, and where they end.
pub(super) const SHAPED_FIRST: u16 = 0xE000;
pub(super) const SHAPED_LAST: u16 = 0xF8FF;

/// The CID under which characters beyond the basic plane stand when the face has no glyph.
pub(super) const BOXED: u16 = 0xFFFF;

/// Which face.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Style {
    Regular,
    Bold,
}

pub(super) const STYLES: [Style; 2] = [Style::Regular, Style::Bold];

/// One face, read once.
pub(super) struct Face {
    pub(super) style: Style,
    pub(super) data: &'static [u8],
    /// PostScript name.
    pub(super) name: &'static str,
    pub(super) font: Font,
    /// Glyph of each character of the basic plane; 0 where there is none.
    glyphs: Vec<u16>,
    /// Advance of each glyph, in units.
    advances: Vec<u16>,
    /// Units of an em.
    pub(super) em: i32,
    /// Of a line, in units, the second below zero.
    pub(super) ascent: i32,
    pub(super) descent: i32,
    pub(super) cap_height: i32,
    /// Left, bottom, right, top of all glyphs, in units.
    pub(super) bounds: [i32; 4],
}

impl Face {
    /// The face of a style. `None` when its data is no font, which a test rules out.
    pub(super) fn of(style: Style) -> Option<&'static Self> {
        static FACES: OnceLock<Option<[Face; 2]>> = OnceLock::new();
        let faces = FACES.get_or_init(|| {
            let regular = dejavu::sans_condensed::regular();
            let bold = dejavu::sans_condensed::bold();
            Some([
                Self::read(Style::Regular, regular, "DejaVuSansCondensed")?,
                Self::read(Style::Bold, bold, "DejaVuSansCondensed-Bold")?,
            ])
        });
        faces.as_ref().map(|faces| &faces[style as usize])
    }

    fn read(style: Style, data: &'static [u8], name: &'static str) -> Option<Self> {
        let font = Font::new(Source::from(data), 0)?;
        let metrics = *font.metrics();
        let line = metrics.h_line()?;
        let whole = |units: f64| units.round() as i32;
        let bounds = metrics.bounds;
        let shaper = ShaperFont::new(&font);
        let glyphs = (0..=0xFFFF_u32)
            .map(|code| {
                let glyph = shaper.nominal_glyph(code).map(GlyphId::to_u32);
                glyph.and_then(|glyph| u16::try_from(glyph).ok()).unwrap_or(0)
            })
            .collect();
        let advances = (0..font.num_glyphs())
            .map(|glyph| shaper.glyph_h_advance(GlyphId::new(glyph)) as u16)
            .collect();
        drop(shaper);
        Some(Self {
            style,
            data,
            name,
            glyphs,
            advances,
            em: i32::from(metrics.units_per_em),
            ascent: whole(line.ascender.to_f64()),
            descent: whole(line.descender.to_f64()),
            cap_height: whole(metrics.cap_height.unwrap_or(line.ascender).to_f64()),
            bounds: [bounds.x_min, bounds.y_min, bounds.x_max, bounds.y_max]
                .map(|at| whole(at.to_f64())),
            font,
        })
    }

    /// Glyph of a CID.
    pub(super) fn glyph(&self, cid: u16) -> u16 {
        match cid {
            BOXED => 0,
            SHAPED_FIRST..=SHAPED_LAST => cid - SHAPED_FIRST,
            character => self.glyphs[usize::from(character)],
        }
    }

    /// Advance of a glyph, in units.
    pub(super) fn advance(&self, glyph: u16) -> i32 {
        self.advances.get(usize::from(glyph)).copied().unwrap_or(0).into()
    }

    /// Advance of a CID, in units.
    pub(super) fn cid_advance(&self, cid: u16) -> i32 {
        self.advance(self.glyph(cid))
    }

    /// CID of a glyph that shaping chose.
    pub(super) fn shaped(glyph: u32) -> Option<u16> {
        let cid = glyph.checked_add(SHAPED_FIRST.into())?;
        u16::try_from(cid).ok().filter(|cid| *cid <= SHAPED_LAST)
    }
}

/// The CIDs of one face that are in use.
#[derive(Clone)]
pub(super) struct Cids(Box<[u64; 1_024]>);

impl Default for Cids {
    fn default() -> Self {
        Self(Box::new([0; 1_024]))
    }
}

impl Cids {
    #[inline(always)]
    fn add(&mut self, cid: u16) {
        self.0[usize::from(cid >> 6)] |= 1 << (cid & 63);
    }

    /// All of them, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.0.iter().zip(0_u16..).flat_map(|(bits, word)| {
            (0..64).filter(move |bit| bits >> bit & 1 == 1).map(move |bit| word << 6 | bit)
        })
    }
}

/// What a text, a piece or a document uses of the faces.
#[derive(Clone, Default)]
pub(super) struct Used {
    cids: [Cids; 2],
    /// What shaped glyphs stand for.
    shaped: BTreeMap<(Style, u16), String>,
}

impl Used {
    #[inline(always)]
    pub(super) fn add(&mut self, style: Style, cid: u16) {
        self.cids[style as usize].add(cid);
    }

    /// Adds a shaped glyph. The first text that it stood for is the one that is kept.
    pub(super) fn add_shaped(&mut self, style: Style, cid: u16, text: &str) {
        self.add(style, cid);
        self.shaped.entry((style, cid)).or_insert_with(|| text.to_owned());
    }

    /// Adds what a later piece uses.
    pub(super) fn merge(&mut self, later: &Self) {
        for (mine, theirs) in self.cids.iter_mut().zip(&later.cids) {
            for (mine, theirs) in mine.0.iter_mut().zip(theirs.0.iter()) {
                *mine |= theirs;
            }
        }
        for (glyph, text) in &later.shaped {
            self.shaped.entry(*glyph).or_insert_with(|| text.clone());
        }
    }

    pub(super) fn cids(&self, style: Style) -> &Cids {
        &self.cids[style as usize]
    }

    /// The text that a CID stands for.
    pub(super) fn text(&self, style: Style, cid: u16) -> String {
        match cid {
            BOXED => "\u{fffd}".to_owned(),
            SHAPED_FIRST..=SHAPED_LAST => {
                self.shaped.get(&(style, cid)).cloned().unwrap_or_default()
            }
            character => char::from_u32(character.into()).map(String::from).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_faces_are_read_and_show_what_the_docs_say() {
        for style in STYLES {
            let face = Face::of(style).unwrap();
            assert_eq!(face.em, 2_048);
            // Latin, Vietnamese, Greek, Cyrillic, Armenian, Georgian.
            for shown in "Aßőạ€ωЖѫԱა".chars() {
                assert_ne!(face.glyph(shown as u16), 0, "{shown} {style:?}");
            }
            for missing in "請かก한".chars() {
                assert_eq!(face.glyph(missing as u16), 0, "{missing} {style:?}");
            }
            // All glyphs have a CID of their own.
            assert!(Face::shaped(face.font.num_glyphs() - 1).is_some());
            assert!(face.advance(face.glyph(u16::from(b'W'))) > face.advance(face.glyph(0x6C)));
        }
    }

    #[test]
    fn what_is_used_is_kept_in_order() {
        let mut one = Used::default();
        for cid in [0xFFFF, 65, 0, 64, 63] {
            one.add(Style::Bold, cid);
        }
        one.add_shaped(Style::Bold, SHAPED_FIRST + 7, "first");
        let mut other = Used::default();
        other.add_shaped(Style::Bold, SHAPED_FIRST + 7, "second");
        other.add(Style::Bold, 66);
        one.merge(&other);
        let all: Vec<_> = one.cids(Style::Bold).iter().collect();
        assert_eq!(all, [0, 63, 64, 65, 66, SHAPED_FIRST + 7, 0xFFFF]);
        assert_eq!(one.text(Style::Bold, SHAPED_FIRST + 7), "first");
        assert_eq!(one.cids(Style::Regular).iter().count(), 0);
    }
}
