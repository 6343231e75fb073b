//! Lists in a recording, as people write them in a configuration.

use super::{Destination, Directory, Globs};
use crate::event::{Path, PathTrust};
use bytes::Bytes;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

impl Serialize for Directory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Path { bytes: Bytes::copy_from_slice(&self.0), trust: PathTrust::Resolved }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Directory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let path = Path::deserialize(deserializer)?;
        Self::new(&path.bytes).ok_or_else(|| D::Error::custom("not the absolute path of a directory"))
    }
}

impl Serialize for Globs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.patterns.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Globs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(Vec::deserialize(deserializer)?).map_err(|(_, reason)| D::Error::custom(reason))
    }
}

impl Serialize for Destination {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Destination {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use crate::allow::{AllowList, Directory, Globs};

    #[test]
    fn lists_are_read_as_they_were_written() {
        let destinations = ["api.example.com", "*.example.com:443", "10.0.0.0/8", "10.1.2.3:22", "2001:db8::7", "[2001:db8::]/32:443"];
        let list = AllowList {
            workdir: vec![Directory::new(b"/work/\xff").unwrap(), Directory::new(b"/work/repo").unwrap()],
            executables: Some(Globs::new(vec!["/usr/bin/*".to_owned()]).unwrap()),
            destinations: Some(destinations.iter().map(|text| text.parse().unwrap()).collect()),
            read: None,
            write: Some(Globs::new(Vec::new()).unwrap()),
            ports: Some(vec![3000..=3009]),
        };
        let text = serde_json::to_string(&list).unwrap();
        assert_eq!(serde_json::from_str::<AllowList>(&text).unwrap(), list, "{text}");
        assert!(text.contains("*.example.com:443") && text.contains("/work/repo"), "{text}");
        assert_eq!(serde_json::to_string(&AllowList::default()).unwrap(), "{}");
    }
}
