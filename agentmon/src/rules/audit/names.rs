//! Names that auditd has and this view has not: fields, types of records.
//!
//! From `include/uapi/linux/audit.h`, and `msg_typetab.h` and `audit-records.h` of audit 4.0. Not for: what is given
//! (`super::given`).

/// Fields, with why they are absent.
#[rustfmt::skip]
pub(super) const UNKNOWABLE: &[(&str, &[&str])] = &[
    ("auditctl's rules give keys, and there are none here", &["key"]),
    ("events do not tell it", &[
        "auid", "gid", "egid", "suid", "fsuid", "sgid", "fsgid", "tty", "ses", "subj", "items", "item", "inode", "dev", "mode", "ouid", "ogid",
        "rdev", "obj", "cap_fp", "cap_fi", "cap_fe", "cap_fver", "cap_frootid", "saddr", "syscall", "per", "msg", "node", "argv", "fp", "fd",
    ]),
    ("names of users live in files that an agent may see differently", &[
        "ARCH", "AUID", "UID", "GID", "EUID", "SUID", "FSUID", "EGID", "SGID", "FSGID", "OUID", "OGID", "SADDR", "ID",
    ]),
    ("it belongs to records that other programs write", &[
        "unit", "acct", "cmd", "terminal", "hostname", "addr", "res", "op", "grantors", "id", "grp", "data", "new-disk", "vm", "uuid", "reason",
        "sw", "sw_type", "root_dir",
    ]),
];

/// Types of records that programs write: PAM, systemd, sudo, shadow, auditd itself.
#[rustfmt::skip]
pub(super) const BY_PROGRAMS: &[&str] = &[
    "USER", "USER_AUTH", "USER_ACCT", "USER_MGMT", "CRED_ACQ", "CRED_DISP", "CRED_REFR", "USER_START", "USER_END", "USER_AVC",
    "USER_CHAUTHTOK", "USER_ERR", "USYS_CONFIG", "USER_LOGIN", "USER_LOGOUT", "ADD_USER", "DEL_USER", "ADD_GROUP", "DEL_GROUP", "DAC_CHECK",
    "CHGRP_ID", "CHUSER_ID", "TEST", "TRUSTED_APP", "USER_SELINUX_ERR", "USER_CMD", "USER_TTY", "GRP_AUTH", "GRP_MGMT", "GRP_CHAUTHTOK",
    "SYSTEM_BOOT", "SYSTEM_SHUTDOWN", "SYSTEM_RUNLEVEL", "SERVICE_START", "SERVICE_STOP", "MAC_CHECK", "ACCT_LOCK", "ACCT_UNLOCK",
    "USER_DEVICE", "SOFTWARE_UPDATE", "ROLE_ASSIGN", "ROLE_REMOVE", "LABEL_OVERRIDE", "LABEL_LEVEL_CHANGE", "USER_LABELED_EXPORT",
    "USER_UNLABELED_EXPORT", "USER_ROLE_CHANGE", "USER_MAC_POLICY_LOAD", "USER_MAC_CONFIG_CHANGE", "DEV_ALLOC", "DEV_DEALLOC", "FS_RELABEL",
    "DAEMON_START", "DAEMON_END", "DAEMON_ABORT", "DAEMON_CONFIG", "DAEMON_ROTATE", "DAEMON_RESUME", "DAEMON_ACCEPT", "DAEMON_CLOSE",
    "DAEMON_ERR", "ANOM_LOGIN_FAILURES", "ANOM_LOGIN_TIME", "ANOM_LOGIN_SESSIONS", "ANOM_LOGIN_ACCT", "ANOM_LOGIN_LOCATION", "ANOM_MAX_DAC",
    "ANOM_MAX_MAC", "ANOM_AMTU_FAIL", "ANOM_RBAC_FAIL", "ANOM_RBAC_INTEGRITY_FAIL", "ANOM_CRYPTO_FAIL", "ANOM_ACCESS_FS", "ANOM_EXEC",
    "ANOM_MK_EXEC", "ANOM_DEL_ACCT", "ANOM_ADD_ACCT", "ANOM_MOD_ACCT", "ANOM_ROOT_TRANS", "CRYPTO_KEY_USER", "CRYPTO_SESSION",
    "CRYPTO_LOGIN", "CRYPTO_LOGOUT", "VIRT_CONTROL", "VIRT_RESOURCE", "VIRT_MACHINE_ID", "VIRT_CREATE", "VIRT_DESTROY", "VIRT_MIGRATE_IN",
    "VIRT_MIGRATE_OUT", "RESP_ANOMALY", "RESP_ALERT", "RESP_KILL_PROC", "RESP_ACCT_LOCK",
];

/// Types of records that the kernel writes and this view does not have.
#[rustfmt::skip]
pub(super) const OF_KERNEL: &[&str] = &[
    "TTY", "LOGIN", "AVC", "AVC_PATH", "SELINUX_ERR", "CONFIG_CHANGE", "IPC", "IPC_SET_PERM", "SOCKETCALL", "MQ_OPEN", "MQ_SENDRECV", "MQ_NOTIFY",
    "MQ_GETSETATTR", "KERNEL_OTHER", "FD_PAIR", "OBJ_PID", "EOE", "BPRM_FCAPS", "CAPSET", "MMAP", "NETFILTER_PKT", "NETFILTER_CFG",
    "SECCOMP", "FEATURE_CHANGE", "REPLACE", "KERN_MODULE", "FANOTIFY", "TIME_INJOFFSET", "TIME_ADJNTPVAL", "BPF", "EVENT_LISTENER",
    "URINGOP", "OPENAT2", "DM_CTRL", "DM_EVENT", "ANOM_PROMISCUOUS", "ANOM_ABEND", "ANOM_LINK", "ANOM_CREAT", "INTEGRITY_DATA",
    "INTEGRITY_METADATA", "INTEGRITY_STATUS", "INTEGRITY_HASH", "INTEGRITY_PCR", "INTEGRITY_RULE", "INTEGRITY_EVM_XATTR",
    "INTEGRITY_POLICY_RULE", "KERNEL", "MAC_POLICY_LOAD", "MAC_STATUS", "MAC_CONFIG_CHANGE", "MAC_UNLBL_ALLOW", "MAC_CIPSOV4_ADD",
    "MAC_CIPSOV4_DEL", "MAC_MAP_ADD", "MAC_MAP_DEL", "MAC_IPSEC_EVENT", "MAC_UNLBL_STCADD", "MAC_UNLBL_STCDEL", "CONTAINER_ID",
    "CONTAINER_OP", "LANDLOCK_ACCESS", "LANDLOCK_DOMAIN",
];
