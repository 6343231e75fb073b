//! Modifiers that turn one text into others: dashes, UTF-16, Base64.
//!
//! Pure text work when a rule is loaded. Not for: comparing (`super::pattern`), which modifiers may stand together
//! (`super::modifiers`).

use super::sigma::Piece;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What begins an option on one system or another.
const DASHES: [char; 5] = ['-', '/', '–', '—', '―'];
/// Most dashes of a text that `windash` varies: each makes five times as many texts.
const DASHES_MAX: usize = 4;

/// A modifier that changes the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Windash,
    Utf16,
    Utf16Le,
    Utf16Be,
    Base64,
    Base64Offset,
}

impl Encoding {
    /// Its name as a modifier.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Windash => "windash",
            Self::Utf16 => "utf16",
            Self::Utf16Le => "utf16le",
            Self::Utf16Be => "utf16be",
            Self::Base64 => "base64",
            Self::Base64Offset => "base64offset",
        }
    }

    /// The texts that this one becomes.
    ///
    /// # Errors
    /// Why it cannot, in words.
    pub fn apply(self, pieces: &[Piece]) -> Result<Vec<Vec<Piece>>, String> {
        match self {
            Self::Windash => dashes(pieces),
            Self::Utf16 => Ok(vec![merged([Piece::Text(vec![0xff, 0xfe])].into_iter().chain(wide(pieces, u16::to_le_bytes)?))]),
            Self::Utf16Le => Ok(vec![merged(wide(pieces, u16::to_le_bytes)?)]),
            Self::Utf16Be => Ok(vec![merged(wide(pieces, u16::to_be_bytes)?)]),
            Self::Base64 => Ok(vec![vec![Piece::Text(STANDARD.encode(self.plain(pieces)?).into_bytes())]]),
            Self::Base64Offset => self.offsets(self.plain(pieces)?),
        }
    }

    /// The only piece, which is no wildcard.
    fn plain(self, pieces: &[Piece]) -> Result<&[u8], String> {
        match pieces {
            [Piece::Text(text)] => Ok(text),
            [] => Err(format!("an empty text has no `{}`", self.name())),
            _ => Err(format!("a text with wildcards has no `{}`: escape `*` and `?` with a backslash", self.name())),
        }
    }

    /// What of a text shows in Base64 whatever stands before and behind it: one text for each of three alignments.
    fn offsets(self, text: &[u8]) -> Result<Vec<Vec<Piece>>, String> {
        if text.len() < 2 {
            return Err(format!("`{}` needs at least two bytes: fewer leave no letter that is certain", self.name()));
        }
        let shifted = |shift: usize| {
            let mut bytes = vec![b' '; shift];
            bytes.extend_from_slice(text);
            let encoded = STANDARD.encode(&bytes).into_bytes();
            // The first letters hold bits of what stands before, the last ones of what stands behind.
            let from = [0, 2, 3][shift];
            let until = encoded.len() - [0, 3, 2][bytes.len() % 3];
            vec![Piece::Text(encoded[from..until].to_vec())]
        };
        Ok((0..3).map(shifted).collect())
    }
}

/// UTF-16 of the texts; a wildcard for one character stands for both its bytes.
fn wide(pieces: &[Piece], bytes: fn(u16) -> [u8; 2]) -> Result<Vec<Piece>, String> {
    let mut encoded = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => {
                let text = std::str::from_utf8(text).map_err(|_| "what is encoded already cannot become UTF-16".to_owned())?;
                encoded.push(Piece::Text(text.encode_utf16().flat_map(bytes).collect()));
            }
            Piece::Many => encoded.push(Piece::Many),
            Piece::One => encoded.extend([Piece::One, Piece::One]),
        }
    }
    Ok(encoded)
}

/// The pieces with texts that follow each other made one.
fn merged(pieces: impl IntoIterator<Item = Piece>) -> Vec<Piece> {
    let mut merged: Vec<Piece> = Vec::new();
    for piece in pieces {
        match (merged.last_mut(), piece) {
            (Some(Piece::Text(before)), Piece::Text(text)) => before.extend(text),
            (_, piece) => merged.push(piece),
        }
    }
    merged
}

/// Every text that results when each dash that begins an option is written in each of the five ways.
fn dashes(pieces: &[Piece]) -> Result<Vec<Vec<Piece>>, String> {
    let mut variants: Vec<Vec<Piece>> = vec![Vec::new()];
    let mut varied = 0;
    for piece in pieces {
        let Piece::Text(text) = piece else {
            variants.iter_mut().for_each(|variant| variant.push(piece.clone()));
            continue;
        };
        let text = std::str::from_utf8(text).map_err(|_| "`windash` must stand before what encodes".to_owned())?;
        variants.iter_mut().for_each(|variant| variant.push(Piece::Text(Vec::new())));
        let mut before = ' ';
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            let begins = DASHES.contains(&character) && !is_word(before) && characters.peek().is_some_and(|next| is_word(*next));
            before = character;
            if begins {
                varied += 1;
                if varied > DASHES_MAX {
                    return Err(format!("`windash` varies at most {DASHES_MAX} dashes of a text"));
                }
                variants = variants.iter().flat_map(|variant| DASHES.map(|dash| followed(variant.clone(), dash))).collect();
            } else {
                variants = variants.into_iter().map(|variant| followed(variant, character)).collect();
            }
        }
    }
    Ok(variants)
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn followed(mut variant: Vec<Piece>, character: char) -> Vec<Piece> {
    if let Some(Piece::Text(text)) = variant.last_mut() {
        text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }
    variant
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::sigma::pieces;

    fn texts(encoding: Encoding, text: &str) -> Vec<Vec<u8>> {
        let variants = encoding.apply(&pieces(text)).unwrap();
        variants
            .into_iter()
            .map(|variant| if let [Piece::Text(text)] = &variant[..] { text.clone() } else { panic!("{variant:?}") })
            .collect()
    }

    #[test]
    fn encodings_are_those_of_the_specification() {
        assert_eq!(texts(Encoding::Utf16Le, "cmd"), [b"c\0m\0d\0"]);
        assert_eq!(texts(Encoding::Utf16Be, "cmd"), [b"\0c\0m\0d"]);
        assert_eq!(texts(Encoding::Utf16, "cmd"), [b"\xff\xfec\0m\0d\0"]);
        assert_eq!(texts(Encoding::Base64, "/bin/sh"), [b"L2Jpbi9zaA=="]);
        assert_eq!(texts(Encoding::Base64Offset, "/bin/bash"), [&b"L2Jpbi9iYXNo"[..], b"9iaW4vYmFza", b"vYmluL2Jhc2"]);
    }

    #[test]
    fn an_offset_text_stands_in_the_base64_of_whatever_surrounds_it() {
        for text in ["ab", "abc", "abcd", "/etc/shadow"] {
            let found = texts(Encoding::Base64Offset, text);
            for before in ["", "x", "xy", "xyz", "wxyz"] {
                for behind in ["", "u", "uv", "uvw"] {
                    let whole = STANDARD.encode(format!("{before}{text}{behind}"));
                    assert!(found.iter().any(|found| whole.contains(std::str::from_utf8(found).unwrap())), "{whole} {text}");
                }
            }
        }
        assert!(Encoding::Base64Offset.apply(&pieces("a")).is_err() && Encoding::Base64.apply(&pieces("a*")).is_err());
    }

    #[test]
    fn every_dash_that_begins_an_option_varies_by_itself() {
        let variants = texts(Encoding::Windash, "x -a /b a-b -");
        assert_eq!(variants.len(), 25);
        assert!(variants.contains(&"x /a -b a-b -".as_bytes().to_vec()) && variants.contains(&"x —a ―b a-b -".as_bytes().to_vec()));
        assert!(Encoding::Windash.apply(&pieces("-a -b -c -d -e")).is_err());
        assert_eq!(Encoding::Windash.apply(&pieces("*-a")).unwrap().len(), 5);
    }
}
