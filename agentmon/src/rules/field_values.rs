//! What kind of values a field has: which comparisons fit it, and what it costs to look.
//!
//! Not for: which fields there are (`super::field`).

use super::audit::AuditField;
use super::field::Field;

impl Field {
    /// Whether its value has to be looked up, beside the event.
    #[must_use]
    pub const fn is_computed(self) -> bool {
        matches!(
            self,
            Self::AncestorImages
                | Self::ImageTrusted
                | Self::ImageAllowed
                | Self::ImageFirstSeen
                | Self::TargetInWorkdir
                | Self::TargetCreatedByAgent
                | Self::TargetAllowed
                | Self::DestinationAllowed
                | Self::DestinationFirstSeen
        )
    }

    /// Whether its values are whole numbers, written with decimal digits; of a user or protocol, where it has no name.
    #[must_use]
    pub const fn is_number(self) -> bool {
        if let Self::Audit(field) = self {
            return field.is_number();
        }
        matches!(
            self,
            Self::User
                | Self::ParentUser
                | Self::Uid
                | Self::ProcessId
                | Self::ParentProcessId
                | Self::Argc
                | Self::Modified
                | Self::NewOwner
                | Self::NewGroup
                | Self::TargetProcessId
                | Self::DestinationPort
                | Self::SourcePort
                | Self::BindPort
                | Self::Protocol
                | Self::NewUid
                | Self::NewEuid
                | Self::OldEuid
                | Self::NewGid
                | Self::NewEgid
                | Self::Mode
                | Self::SyscallNumber
                | Self::BytesOut
                | Self::BytesIn
        )
    }

    /// Whether its values are addresses.
    #[must_use]
    pub const fn is_address(self) -> bool {
        matches!(self, Self::DestinationIp | Self::SourceIp | Self::BindIp | Self::Audit(AuditField::Laddr))
    }
}
