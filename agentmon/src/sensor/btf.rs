//! Member offsets out of BTF, the kernel's description of its own types.
//!
//! aya reads BTF to attach programs but shows no members. Format: `Documentation/bpf/btf.rst`. Not for: which members
//! are wanted (`agentmon_common::offsets`), nor for anything but structures.

use std::collections::HashMap;
use thiserror::Error;
use zerocopy::{FromBytes, Immutable, KnownLayout};

/// Where the running kernel keeps its BTF.
pub const KERNEL_BTF: &str = "/sys/kernel/btf/vmlinux";

/// Deepest nesting of anonymous structures that is searched.
const NESTING_MAX: u32 = 16;

/// Why BTF could not be read or did not have what was asked.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum BtfError {
    /// The bytes are not BTF of this machine's byte order.
    #[error("not BTF: {0}")]
    Invalid(&'static str),
    /// There is no structure of this name.
    #[error("the kernel's BTF has no struct {0}")]
    NoStruct(String),
    /// The structure has no such member.
    #[error("the kernel's struct {of} has no member {member}")]
    NoMember {
        /// The structure.
        of: String,
        /// The member, as a dotted path.
        member: String,
    },
    /// The member does not start at a byte.
    #[error("member {member} of struct {of} is a bit field")]
    BitField {
        /// The structure.
        of: String,
        /// The member, as a dotted path.
        member: String,
    },
}

/// `struct btf_header`.
#[derive(FromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Header {
    magic: u16,
    version: u8,
    flags: u8,
    header_len: u32,
    type_off: u32,
    type_len: u32,
    str_off: u32,
    str_len: u32,
}

/// `struct btf_type`.
#[derive(Clone, Copy, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Type {
    name: u32,
    info: u32,
    size_or_type: u32,
}

/// `struct btf_member`.
#[derive(Clone, Copy, FromBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Member {
    name: u32,
    ty: u32,
    offset: u32,
}

const MAGIC: u16 = 0xeb9f;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
/// typedef, volatile, const, restrict, type tag: they name another type.
const WRAPPERS: [u32; 5] = [8, 9, 10, 11, 18];

impl Type {
    const fn kind(self) -> u32 {
        (self.info >> 24) & 0x1f
    }

    const fn vlen(self) -> usize {
        (self.info & 0xffff) as usize
    }

    const fn has_bitfields(self) -> bool {
        self.info >> 31 == 1
    }

    /// Bytes that follow the type; `None` for a kind this reader does not know.
    const fn extra(self) -> Option<usize> {
        match self.kind() {
            2 | 7..=12 | 16 | 18 => Some(0),
            1 | 14 | 17 => Some(4),
            3 => Some(12),
            4 | 5 | 15 | 19 => Some(12 * self.vlen()),
            6 | 13 => Some(8 * self.vlen()),
            _ => None,
        }
    }
}

/// The structures of one kernel.
pub struct Btf<'a> {
    types: &'a [u8],
    strings: &'a [u8],
    /// Byte offset of each type in `types`, by id - 1 (id 0 is void).
    index: Vec<u32>,
    structs: HashMap<&'a [u8], u32>,
}

impl<'a> Btf<'a> {
    /// Reads the index of `bytes`, as they stand in [`KERNEL_BTF`].
    ///
    /// # Errors
    /// [`BtfError::Invalid`] when a header or type reaches beyond the bytes.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, BtfError> {
        let (header, _) = Header::read_from_prefix(bytes).map_err(|_| BtfError::Invalid("shorter than its header"))?;
        if header.magic != MAGIC {
            return Err(BtfError::Invalid("wrong magic number"));
        }
        let section = |off: u32, len: u32| {
            let start = header.header_len as usize + off as usize;
            bytes.get(start..start + len as usize).ok_or(BtfError::Invalid("a section reaches beyond the end"))
        };
        let mut btf = Self {
            types: section(header.type_off, header.type_len)?,
            strings: section(header.str_off, header.str_len)?,
            index: Vec::new(),
            structs: HashMap::new(),
        };
        btf.build_index()?;
        Ok(btf)
    }

    fn build_index(&mut self) -> Result<(), BtfError> {
        let mut at = 0;
        while at < self.types.len() {
            let (ty, _) = Type::read_from_prefix(&self.types[at..]).map_err(|_| BtfError::Invalid("a type is cut off"))?;
            let extra = ty.extra().ok_or(BtfError::Invalid("a type of an unknown kind"))?;
            self.index.push(u32::try_from(at).map_err(|_| BtfError::Invalid("too large"))?);
            let id = u32::try_from(self.index.len()).map_err(|_| BtfError::Invalid("too many types"))?;
            if ty.kind() == STRUCT && ty.vlen() > 0 {
                self.structs.entry(self.name(ty.name)).or_insert(id);
            }
            at += size_of::<Type>() + extra;
        }
        if at == self.types.len() { Ok(()) } else { Err(BtfError::Invalid("the last type is cut off")) }
    }

    /// Offset in bytes of a member; dots step into nested structures, anonymous ones are looked through, and of names
    /// parted by `|` the first that is there counts.
    ///
    /// # Errors
    /// When the structure or the member is not there, or is a bit field.
    pub fn offset(&self, of: &str, member: &str) -> Result<u32, BtfError> {
        let mut ty = *self.structs.get(of.as_bytes()).ok_or_else(|| BtfError::NoStruct(of.to_owned()))?;
        let mut bits: u32 = 0;
        for names in member.split('.') {
            let (found, next) = names
                .split('|')
                .find_map(|name| self.find(ty, name.as_bytes(), 0))
                .ok_or_else(|| BtfError::NoMember { of: of.to_owned(), member: member.to_owned() })?;
            bits = found.checked_add(bits).ok_or(BtfError::Invalid("a member beyond the end of its structure"))?;
            ty = next;
        }
        if bits.is_multiple_of(8) { Ok(bits / 8) } else { Err(BtfError::BitField { of: of.to_owned(), member: member.to_owned() }) }
    }

    /// Offset in bits and type of a member of the structure `id`.
    fn find(&self, id: u32, name: &[u8], depth: u32) -> Option<(u32, u32)> {
        let (ty, at) = self.structure(id)?;
        for i in 0..ty.vlen() {
            let (member, _) = Member::read_from_prefix(self.types.get(at + i * size_of::<Member>()..)?).ok()?;
            let bits = if ty.has_bitfields() { member.offset & 0x00ff_ffff } else { member.offset };
            if member.name != 0 && self.name(member.name) == name {
                return Some((bits, member.ty));
            }
            if member.name == 0
                && depth < NESTING_MAX
                && let Some((inner, ty)) = self.find(member.ty, name, depth + 1)
            {
                return Some((bits.checked_add(inner)?, ty));
            }
        }
        None
    }

    /// The structure or union behind `id`, typedefs and qualifiers looked through, and where its members start.
    fn structure(&self, mut id: u32) -> Option<(Type, usize)> {
        for _ in 0..NESTING_MAX {
            let at = *self.index.get((id as usize).checked_sub(1)?)? as usize;
            let (ty, _) = Type::read_from_prefix(self.types.get(at..)?).ok()?;
            match ty.kind() {
                STRUCT | UNION => return Some((ty, at + size_of::<Type>())),
                kind if WRAPPERS.contains(&kind) => id = ty.size_or_type,
                _ => return None,
            }
        }
        None
    }

    fn name(&self, at: u32) -> &'a [u8] {
        let rest = self.strings.get(at as usize..).unwrap_or_default();
        rest.split(|b| *b == 0).next().unwrap_or_default()
    }
}
