//! Events as JSON, for recordings: nothing is lost, and people can read and edit it.
//!
//! Bytes are a string where they are UTF-8 that shows itself as it is; else `{"base64": "…"}`. A path that the kernel resolved
//! is its bytes; another says how far it can be believed: `{"joined": "…"}`. What was cut says its original length. Not for: the
//! lines of a recording (`crate::recording`), nor the log's (`crate::log`).

use super::{CgroupAction, Detail, Event, Kind, Path, PathTrust, Text};
use crate::log::text::steers;
use agentmon_common::hooks::HOOKS;
use agentmon_common::{syscalls, uring};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::HashSet;
use std::fmt;
use std::sync::OnceLock;

/// Whether a field can be left out.
pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Of [`Event::repeated`]: an event that stands for itself.
pub(super) const fn once() -> u64 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out a reference")]
pub(super) const fn is_once(repeated: &u64) -> bool {
    *repeated == 1
}

/// Bytes on their way out.
struct Readable<'a>(&'a [u8]);

impl Readable<'_> {
    /// As text, when whoever reads that sees what is there.
    fn text(&self) -> Option<&str> {
        let text = std::str::from_utf8(self.0).ok()?;
        // JSON escapes ASCII's own control characters, but for DEL.
        text.chars().all(|c| c < '\x7f' || !steers(c)).then_some(text)
    }
}

impl Serialize for Readable<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.text() {
            Some(text) => serializer.serialize_str(text),
            None => keyed(serializer, "base64", &STANDARD.encode(self.0)),
        }
    }
}

fn keyed<S: Serializer>(serializer: S, key: &str, value: &impl Serialize) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(key, value)?;
    map.end()
}

/// Bytes on their way in, with all that can be said beside them.
#[derive(Default)]
struct Spelled {
    bytes: Bytes,
    /// None: as a path of the kernel's, or as bytes that are no path.
    trust: Option<PathTrust>,
    original: Option<u32>,
}

impl Spelled {
    fn plain<E: Error>(self) -> Result<Bytes, E> {
        if self.trust.is_some() || self.original.is_some() {
            return Err(E::custom("only text or `base64` may stand here"));
        }
        Ok(self.bytes)
    }
}

impl<'de> Deserialize<'de> for Spelled {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Spelling)
    }
}

struct Spelling;

impl<'de> Visitor<'de> for Spelling {
    type Value = Spelled;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, or an object with one of `base64`, `joined`, `partial`, `bytes`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Spelled, E> {
        Ok(Spelled { bytes: Bytes::copy_from_slice(text.as_bytes()), ..Spelled::default() })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Spelled, A::Error> {
        let mut spelled = Spelled::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "base64" => {
                    let text: String = map.next_value()?;
                    spelled.bytes = STANDARD.decode(text).map_err(A::Error::custom)?.into();
                }
                "joined" => {
                    spelled.bytes = map.next_value::<Spelled>()?.plain()?;
                    spelled.trust = Some(PathTrust::Joined);
                }
                "partial" => {
                    spelled.bytes = map.next_value::<Spelled>()?.plain()?;
                    spelled.trust = Some(PathTrust::Partial);
                }
                "bytes" => spelled.bytes = map.next_value::<Spelled>()?.plain()?,
                "original" => spelled.original = Some(map.next_value()?),
                _ => return Err(A::Error::unknown_field(&key, &["base64", "joined", "partial", "bytes", "original"])),
            }
        }
        Ok(spelled)
    }
}

impl Serialize for Path {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.trust {
            PathTrust::Resolved => Readable(&self.bytes).serialize(serializer),
            PathTrust::Joined => keyed(serializer, "joined", &Readable(&self.bytes)),
            PathTrust::Partial => keyed(serializer, "partial", &Readable(&self.bytes)),
        }
    }
}

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spelled = Spelled::deserialize(deserializer)?;
        if spelled.original.is_some() {
            return Err(D::Error::custom("a path has no `original`"));
        }
        Ok(Self { bytes: spelled.bytes, trust: spelled.trust.unwrap_or(PathTrust::Resolved) })
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.original as usize == self.bytes.len() {
            return Readable(&self.bytes).serialize(serializer);
        }
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("bytes", &Readable(&self.bytes))?;
        map.serialize_entry("original", &self.original)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Spelled { bytes, trust, original } = Spelled::deserialize(deserializer)?;
        if trust.is_some() {
            return Err(D::Error::custom("text is neither `joined` nor `partial`"));
        }
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        match original.unwrap_or(len) {
            original if original < len => Err(D::Error::custom("`original` is less than what is there")),
            original => Ok(Self { bytes, original }),
        }
    }
}

/// Of fields that are plain [`Bytes`].
pub(super) mod bytes_field {
    use super::{Bytes, Deserialize, Deserializer, Readable, Serialize, Serializer, Spelled};

    pub fn serialize<S: Serializer>(bytes: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
        Readable(bytes).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
        Spelled::deserialize(deserializer)?.plain()
    }
}

/// Of names of threads: without the NULs at their end.
pub(super) mod comm {
    use super::{Deserialize, Deserializer, Error, Readable, Serialize, Serializer, Spelled};

    pub fn serialize<S: Serializer>(name: &[u8; 16], serializer: S) -> Result<S::Ok, S::Error> {
        let len = name.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        Readable(&name[..len]).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 16], D::Error> {
        let bytes = Spelled::deserialize(deserializer)?.plain::<D::Error>()?;
        let mut name = [0; 16];
        let room = name.get_mut(..bytes.len()).ok_or_else(|| D::Error::custom("the name of a thread has 16 bytes at most"))?;
        room.copy_from_slice(&bytes);
        Ok(name)
    }
}

/// Of arguments, each ended by a NUL: a list, where that says all.
pub(super) mod argv {
    use super::{Arguments, BufMut, BytesMut, Deserializer, Readable, Serialize, Serializer, Text};

    pub fn serialize<S: Serializer>(argv: &Text, serializer: S) -> Result<S::Ok, S::Error> {
        match argv.bytes.strip_suffix(b"\0") {
            Some(all) if !argv.is_truncated() => serializer.collect_seq(all.split(|byte| *byte == 0).map(Readable)),
            _ => argv.serialize(serializer),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Text, D::Error> {
        deserializer.deserialize_any(Arguments)
    }

    /// A list of arguments as the kernel keeps them.
    pub(super) fn joined(arguments: impl Iterator<Item = impl AsRef<[u8]>>) -> Text {
        let mut bytes = BytesMut::new();
        for argument in arguments {
            bytes.put_slice(argument.as_ref());
            bytes.put_u8(0);
        }
        Text { original: u32::try_from(bytes.len()).unwrap_or(u32::MAX), bytes: bytes.freeze() }
    }
}

struct Arguments;

impl<'de> Visitor<'de> for Arguments {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of arguments")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
        Text::deserialize(serde::de::value::StrDeserializer::new(text))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Text, A::Error> {
        Text::deserialize(serde::de::value::MapAccessDeserializer::new(map))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Text, A::Error> {
        let mut arguments = Vec::new();
        while let Some(argument) = list.next_element::<Spelled>()? {
            arguments.push(argument.plain::<A::Error>()?);
        }
        Ok(argv::joined(arguments.iter()))
    }
}

/// Of the name of an operation: one that the decoder gives.
pub(super) mod operation {
    use super::{Deserialize, Deserializer, Error, Serializer, operations};

    pub fn serialize<S: Serializer>(name: &'static str, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(name)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<&'static str, D::Error> {
        let name = String::deserialize(deserializer)?;
        operations()
            .get(name.as_str())
            .copied()
            .ok_or_else(|| D::Error::custom(format_args!("unknown operation `{}`", name.escape_debug())))
    }
}

/// Of the name of an operation that may be missing.
pub(super) mod some_operation {
    use super::{Deserialize, Deserializer, Error, Serialize, Serializer, operations};

    pub fn serialize<S: Serializer>(name: &Option<&'static str>, serializer: S) -> Result<S::Ok, S::Error> {
        name.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'static str>, D::Error> {
        let Some(name) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        let known = operations().get(name.as_str()).copied();
        known.map(Some).ok_or_else(|| D::Error::custom(format_args!("unknown operation `{}`", name.escape_debug())))
    }
}

/// Every name that [`super::decode`] gives an operation.
fn operations() -> &'static HashSet<&'static str> {
    static NAMES: OnceLock<HashSet<&'static str>> = OnceLock::new();
    NAMES.get_or_init(|| {
        let senders = (0..=u16::MAX).flat_map(|number| [false, true].map(|compat| syscalls::sender_name(compat, number)));
        let actions = [CgroupAction::Made, CgroupAction::Removed, CgroupAction::Frozen, CgroupAction::Thawed];
        Kind::ALL
            .into_iter()
            .map(Kind::name)
            .chain(syscalls::NAMES)
            .chain(senders.flatten())
            .chain((0..=u8::MAX).filter_map(|opcode| Some(uring::named(opcode)?.0)))
            .chain(HOOKS.iter().map(|hook| hook.function))
            .chain(actions.map(CgroupAction::operation))
            .chain(["dns_egress", "dns_ingress", "capability_use"])
            .filter(|name| !name.is_empty())
            .collect()
    })
}

impl Event {
    /// Whether the decoder could have made it: what comes from a file is anybody's.
    ///
    /// # Errors
    /// Says which field says something that no record does.
    pub fn check(&self) -> Result<(), &'static str> {
        let is_sound = match &self.detail {
            Detail::Call(call) => usize::from(call.op) < syscalls::OPS && is_told_by_arguments(call.kind),
            Detail::Socket(socket) => {
                matches!(socket.kind, Kind::Connect | Kind::Bind | Kind::Listen | Kind::Accept | Kind::Socket | Kind::Send)
            }
            Detail::Uring(uring) => uring::named(uring.opcode).is_some(),
            Detail::Resolved(resolved) => HOOKS.get(resolved.hook as usize).is_some_and(|hook| hook.kind == resolved.kind as u16),
            _ => true,
        };
        match (self.agent.0, self.repeated, is_sound) {
            (0, ..) => Err("agent 0 is none"),
            (_, 0, _) => Err("an event stands for at least one operation"),
            (_, _, false) => Err("the detail's numbers do not belong together"),
            _ => Ok(()),
        }
    }
}

/// Whether events of this kind are [`super::Call`]s.
fn is_told_by_arguments(kind: Kind) -> bool {
    syscalls::SHAPES.iter().any(|shape| shape.kind == kind as u16)
}
