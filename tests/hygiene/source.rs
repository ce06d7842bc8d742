//! A Rust file as the checks see it: its text, and its code with comments and literals blanked at the same offsets,
//! so that a word in a string is no hit. No grammar: a scanner that knows comments, literals and braces.

use std::ops::Range;

/// One file of the tree.
pub(crate) struct Source {
    /// Its path from the root of the tree, with `/`.
    pub(crate) path: String,
    /// As it is.
    pub(crate) text: String,
    /// With comments and literals blanked.
    pub(crate) code: String,
    /// With code and literals blanked: comments alone.
    pub(crate) comments: String,
}

/// A function's name and the lines from its `fn` to its closing brace.
#[derive(Debug, PartialEq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) line: usize,
    pub(crate) lines: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Code,
    Comment,
    Literal,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        let kinds = classify(text.as_bytes());
        let keep = |kind: Kind| {
            let bytes = text
                .bytes()
                .zip(&kinds)
                .map(|(byte, &k)| if k == kind || byte == b'\n' { byte } else { b' ' });
            String::from_utf8_lossy(&bytes.collect::<Vec<_>>()).into_owned()
        };
        Self { path: path.into(), text: text.into(), code: keep(Kind::Code), comments: keep(Kind::Comment) }
    }

    /// The line of an offset, from 1.
    pub(crate) fn line(&self, offset: usize) -> usize {
        self.text.as_bytes()[..offset.min(self.text.len())].iter().filter(|&&byte| byte == b'\n').count() + 1
    }

    /// Where `word` stands in the code as a whole word.
    pub(crate) fn words<'a>(&'a self, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        words_in(&self.code, word)
    }

    /// Whether the file is in one of these folders, or is one of these files.
    pub(crate) fn is_in(&self, places: &[&str]) -> bool {
        places.iter().any(|place| {
            if place.ends_with('/') { self.path.starts_with(place) } else { self.path == *place }
        })
    }

    /// Every function with a body.
    pub(crate) fn functions(&self) -> Vec<Function> {
        let code = self.code.as_bytes();
        let body = |at: usize| {
            let open = at + code[at..].iter().position(|byte| matches!(byte, b'{' | b';'))?;
            (code[open] == b'{').then(|| self.block(open)).flatten()
        };
        let function = |at: usize| {
            let name =
                self.code[at + 2..].trim_start().split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
            let end = body(at)?.end;
            let line = self.line(at);
            (!name.is_empty()).then(|| Function { name: name.into(), line, lines: self.line(end) - line + 1 })
        };
        self.words("fn").filter_map(function).collect()
    }

    /// The block that opens at `open`.
    fn block(&self, open: usize) -> Option<Range<usize>> {
        let mut depth = 0usize;
        for (at, byte) in self.code.bytes().enumerate().skip(open) {
            match byte {
                b'{' => depth += 1,
                b'}' if depth == 1 => return Some(open..at),
                b'}' => depth -= 1,
                _ => {}
            }
        }
        None
    }
}

/// Where `word` stands in `text` as a whole word (or path, or macro name with its `!`).
pub(crate) fn words_in<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let is_word = |byte: Option<&u8>| byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let bytes = text.as_bytes();
    let open_ended = !word.ends_with(|c: char| c.is_alphanumeric() || c == '_');
    text.match_indices(word).map(|(at, _)| at).filter(move |&at| {
        let before = at.checked_sub(1).map(|i| &bytes[i]);
        !is_word(before) && (open_ended || !is_word(bytes.get(at + word.len())))
    })
}

fn classify(text: &[u8]) -> Vec<Kind> {
    let mut kinds = vec![Kind::Code; text.len()];
    let mut at = 0;
    while at < text.len() {
        let (end, kind) = next(text, at);
        kinds[at..end].fill(kind);
        at = end;
    }
    kinds
}

/// The end and the kind of what begins at `at`.
fn next(text: &[u8], at: usize) -> (usize, Kind) {
    let rest = &text[at..];
    let after_word = at > 0 && (text[at - 1].is_ascii_alphanumeric() || text[at - 1] == b'_');
    match rest {
        [b'/', b'/', ..] => (at + find(rest, b"\n").unwrap_or(rest.len()), Kind::Comment),
        [b'/', b'*', ..] => (at + block_comment(rest), Kind::Comment),
        [b'"', ..] => (at + 1 + string_end(&rest[1..]), Kind::Literal),
        [b'r', b'"' | b'#', ..] | [b'b', b'r', ..] if !after_word => match raw_string(rest) {
            Some(len) => (at + len, Kind::Literal),
            None => (at + 1, Kind::Code),
        },
        [b'\'', b'\\', ..] => (at + 2 + char_end(&rest[2..]), Kind::Literal),
        [b'\'', ..] => match char_literal(rest) {
            Some(len) => (at + len, Kind::Literal),
            None => (at + 1, Kind::Code),
        },
        _ => (at + 1, Kind::Code),
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

fn block_comment(text: &[u8]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        match &text[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] if depth == 1 => return at + 2,
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
    text.len()
}

fn string_end(text: &[u8]) -> usize {
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

fn raw_string(text: &[u8]) -> Option<usize> {
    let start = text.iter().position(|&byte| byte == b'r')? + 1;
    let hashes = text[start..].iter().take_while(|&&byte| byte == b'#').count();
    (text.get(start + hashes) == Some(&b'"')).then_some(())?;
    let close = [b"\"".as_slice(), &b"#".repeat(hashes)].concat();
    let body = start + hashes + 1;
    Some(find(&text[body..], &close).map_or(text.len(), |end| body + end + close.len()))
}

/// The end of a character literal behind its backslash.
fn char_end(text: &[u8]) -> usize {
    // The escaped character may itself be a quote.
    find(text.get(1..).unwrap_or(&[]), b"'").map_or(text.len(), |end| end + 2)
}

/// A character literal, which unlike a lifetime closes behind one character.
fn char_literal(text: &[u8]) -> Option<usize> {
    let first = std::str::from_utf8(text.get(1..text.len().min(5))?)
        .map_or_else(|e| e.valid_up_to(), str::len)
        .min(4);
    let first = std::str::from_utf8(&text[1..1 + first]).ok()?.chars().next()?.len_utf8();
    (text.get(1 + first) == Some(&b'\'')).then_some(2 + first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_no_code() {
        let text = "let a = \"unsafe \\\" x\"; // unsafe\nlet b = r#\"unsafe \" \"#; /* unsafe /* x */ */ let c = 'u'; b'\\'';";
        let source = Source::new("a.rs", text);
        assert_eq!(source.words("unsafe").count(), 0, "{}", source.code);
        assert_eq!(source.words("let").count(), 3);
        assert_eq!(words_in(&source.comments, "unsafe").count(), 2);
    }

    #[test]
    fn a_lifetime_is_no_literal() {
        let source = Source::new("a.rs", "fn f<'a>(x: &'a str) -> &'a str { unsafe { g('\\u{41}', x) } }");
        assert_eq!(source.words("unsafe").count(), 1);
        assert_eq!(source.functions()[0].name, "f");
    }

    #[test]
    fn a_functions_lines_are_counted_from_its_name_to_its_brace() {
        let source =
            Source::new("a.rs", "trait T { fn none(&self); }\nfn two() {\n}\nfn three() {\n  \"}\";\n}\n");
        let found: Vec<_> = source.functions().into_iter().map(|f| (f.name, f.line, f.lines)).collect();
        assert_eq!(found, [("two".to_string(), 2, 2), ("three".to_string(), 4, 3)]);
    }
}
