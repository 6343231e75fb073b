//! Excerpts of a kernel's BTF: only the structures whose members the probes read, and what those members' types need.
//!
//! Makes the fixtures under `tests/fixtures/btf` (by the program `btf-excerpt`), so that offsets are tested against
//! kernels that are not running. An excerpt is valid BTF. Not for: reading BTF in the daemon (`agentmon::sensor::btf`).

use agentmon_common::offsets::Member;
use std::collections::{BTreeMap, BTreeSet, HashMap};

const HEADER_BYTES: usize = 24;
const MAGIC: u16 = 0xeb9f;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
/// `BTF_KIND_INT`: what a type outside the excerpt is replaced by.
const INT: u32 = 1;
/// Kinds that name one other type: typedef, volatile, const, restrict, type tag.
const WRAPPERS: [u32; 5] = [8, 9, 10, 11, 18];

/// One type as it stands in the blob.
struct Type<'a> {
    name: &'a [u8],
    info: u32,
    size_or_type: u32,
    extra: &'a [u8],
}

impl Type<'_> {
    const fn kind(&self) -> u32 {
        (self.info >> 24) & 0x1f
    }
}

/// A member of a structure: name offset, type, bit offset.
fn members<'a>(ty: &'a Type<'_>) -> impl Iterator<Item = [u32; 3]> + 'a {
    ty.extra.chunks_exact(12).map(|member| [word(member, 0), word(member, 4), word(member, 8)])
}

/// Writes the excerpt with the structures of the members `wanted`; optional ones that the kernel lacks are left out.
///
/// # Errors
/// Says what is not as BTF is laid out, or which other member is missing.
pub fn excerpt(blob: &[u8], wanted: &[Member]) -> Result<Vec<u8>, String> {
    let (types, strings) = parse(blob)?;
    let mut by_name: HashMap<&[u8], u32> = HashMap::new();
    for (id, ty) in (1..).zip(&types) {
        if ty.kind() == STRUCT && !ty.extra.is_empty() {
            by_name.entry(ty.name).or_insert(id);
        }
    }
    let mut keep = BTreeSet::new();
    for Member { of, path, optional, .. } in wanted {
        let mut of_member = BTreeSet::new();
        let id = by_name.get(of.as_bytes()).ok_or_else(|| format!("no struct {of}"));
        match id.and_then(|id| follow(&types, strings, *id, path, &mut of_member)) {
            Ok(()) => keep.append(&mut of_member),
            Err(_) if *optional => {}
            Err(error) => return Err(error),
        }
    }
    Ok(write(&types, strings, &keep))
}

/// Keeps the structure `id`, what is nested in it without a name, and what the path steps into.
fn follow(types: &[Type<'_>], strings: &[u8], id: u32, path: &str, keep: &mut BTreeSet<u32>) -> Result<(), String> {
    let mut at = vec![id];
    for step in path.split('.') {
        let mut next = Vec::new();
        while let Some(id) = at.pop() {
            let Some(ty) = (id as usize).checked_sub(1).and_then(|i| types.get(i)) else { continue };
            if WRAPPERS.contains(&ty.kind()) {
                keep.insert(id);
                at.push(ty.size_or_type);
            } else if matches!(ty.kind(), STRUCT | UNION) {
                keep.insert(id);
                for [name, member, _] in members(ty) {
                    match string(strings, name) {
                        b"" => at.push(member),
                        name if step.split('|').any(|step| name == step.as_bytes()) => next.push(member),
                        _ => {}
                    }
                }
            }
        }
        if next.is_empty() {
            return Err(format!("no member {step} of {path}"));
        }
        at = next;
    }
    Ok(())
}

/// The kept types under new numbers; types outside become one int, names of their own.
fn write(types: &[Type<'_>], strings: &[u8], keep: &BTreeSet<u32>) -> Vec<u8> {
    // 1 is the int.
    let numbers: BTreeMap<u32, u32> = keep.iter().copied().zip(2..).collect();
    let number = |id: u32| if id == 0 { 0 } else { numbers.get(&id).copied().unwrap_or(1) };
    let mut names = Names { bytes: vec![0], at: HashMap::from([(Vec::new(), 0)]) };
    let mut body = Vec::new();
    let int = names.add(b"elsewhere");
    for value in [int, INT << 24, 4, 32] {
        push(&mut body, value);
    }
    for id in keep {
        let ty = &types[*id as usize - 1];
        let aggregate = matches!(ty.kind(), STRUCT | UNION);
        let name = names.add(ty.name);
        push(&mut body, name);
        push(&mut body, ty.info);
        push(&mut body, if aggregate { ty.size_or_type } else { number(ty.size_or_type) });
        for [name, member, offset] in members(ty) {
            let name = names.add(string(strings, name));
            push(&mut body, name);
            push(&mut body, number(member));
            push(&mut body, offset);
        }
    }
    let (body_len, names_len) = (body.len() as u32, names.bytes.len() as u32);
    let mut blob = Vec::new();
    blob.extend_from_slice(&MAGIC.to_le_bytes());
    blob.extend_from_slice(&[1, 0]);
    for value in [HEADER_BYTES as u32, 0, body_len, body_len, names_len] {
        push(&mut blob, value);
    }
    blob.extend_from_slice(&body);
    blob.extend_from_slice(&names.bytes);
    blob
}

/// The strings of an excerpt, each once.
struct Names {
    bytes: Vec<u8>,
    at: HashMap<Vec<u8>, u32>,
}

impl Names {
    fn add(&mut self, name: &[u8]) -> u32 {
        if let Some(at) = self.at.get(name) {
            return *at;
        }
        let at = self.bytes.len() as u32;
        self.bytes.extend_from_slice(name);
        self.bytes.push(0);
        self.at.insert(name.to_vec(), at);
        at
    }
}

fn parse(blob: &[u8]) -> Result<(Vec<Type<'_>>, &[u8]), String> {
    if blob.len() < HEADER_BYTES || blob[..2] != MAGIC.to_le_bytes() {
        return Err("not BTF of this byte order".to_owned());
    }
    let header = word(blob, 4) as usize;
    let section = |off: usize| {
        let start = header + word(blob, off) as usize;
        blob.get(start..start + word(blob, off + 4) as usize).ok_or("a section reaches beyond the end")
    };
    let (body, strings) = (section(8)?, section(16)?);
    let mut types = Vec::new();
    let mut at = 0;
    while at + 12 <= body.len() {
        let info = word(body, at + 4);
        let len = extra((info >> 24) & 0x1f, info & 0xffff)?;
        let extra = body.get(at + 12..at + 12 + len).ok_or("a type is cut off")?;
        types.push(Type { name: string(strings, word(body, at)), info, size_or_type: word(body, at + 8), extra });
        at += 12 + len;
    }
    Ok((types, strings))
}

/// Bytes behind a type of this kind (`Documentation/bpf/btf.rst`).
fn extra(kind: u32, vlen: u32) -> Result<usize, String> {
    let vlen = vlen as usize;
    Ok(match kind {
        2 | 7..=12 | 16 | 18 => 0,
        1 | 14 | 17 => 4,
        3 => 12,
        4 | 5 | 15 | 19 => 12 * vlen,
        6 | 13 => 8 * vlen,
        _ => return Err(format!("unknown kind {kind}")),
    })
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn push(bytes: &mut Vec<u8>, value: u32) {
    bytes.extend_from_slice(&value.to_le_bytes());
}

fn string(strings: &[u8], at: u32) -> &[u8] {
    let rest = strings.get(at as usize..).unwrap_or_default();
    rest.split(|b| *b == 0).next().unwrap_or_default()
}
