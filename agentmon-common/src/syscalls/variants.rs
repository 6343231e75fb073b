//! Calls that do many things: which operation one is says an argument.
//!
//! Asked by the probes of the registers and by the decoder of the record, so that both mean the same. By comparisons alone.
//! Not for: what an operation's record has (`super::rows`), nor the names of requests (`agentmon::event`).

use super::op;

/// Requests of ioctl, from the headers that are named with them.
pub mod request {
    /// `FS_IOC_SETFLAGS`, `FS_IOC32_SETFLAGS`, `FS_IOC_FSSETXATTR` (`include/uapi/linux/fs.h`).
    pub const SET_FLAGS: u32 = 0x4008_6602;
    /// See [`SET_FLAGS`].
    pub const SET_FLAGS_32: u32 = 0x4004_6602;
    /// See [`SET_FLAGS`].
    pub const SET_XATTR: u32 = 0x401c_5820;
}

/// Whether what an operation is depends on its arguments.
#[must_use]
#[inline(always)]
pub const fn varies(op: u8) -> bool {
    matches!(op, op::IOCTL | op::PRCTL | op::IPC)
}

/// Index of the argument that says most: the first that [`of`] wants. The second is the one behind it.
#[must_use]
#[inline(always)]
pub const fn argument(op: u8) -> u8 {
    if op == op::IOCTL { 1 } else { 0 }
}

/// The operation that a call is by its arguments; [`op::NONE`] when that is of no interest. Of one that does not vary itself.
#[must_use]
#[inline(always)]
pub const fn of(op: u8, first: u64, second: u64) -> u8 {
    match op {
        op::IOCTL => of_ioctl(first as u32),
        op::PRCTL => of_prctl(first as u32, second as u32),
        op::IPC => of_ipc(first as u32 & 0xffff),
        _ => op,
    }
}

#[inline(always)]
const fn of_ioctl(number: u32) -> u8 {
    match number {
        request::SET_FLAGS | request::SET_FLAGS_32 | request::SET_XATTR => op::IOCTL,
        // TIOCSTI, TIOCLINUX (asm-generic/ioctls.h).
        0x5412 | 0x541c => op::IOCTL_TYPES,
        // TIOCCONS, TIOCSETD; KDSKBENT, KDSKBSENT, KDSETKEYCODE (linux/kd.h).
        0x541d | 0x5423 | 0x4b47 | 0x4b49 | 0x4b4d => op::IOCTL_CONSOLE,
        // BLKROSET, BLKRRPART, BLKPG (linux/fs.h, linux/blkpg.h); SG_IO (scsi/sg.h); NVME_IOCTL_ADMIN_CMD, _SUBMIT_IO, _IO_CMD and the
        // two with a result of 64 bits (linux/nvme_ioctl.h).
        0x125d | 0x125f | 0x1269 | 0x2285 | 0xc048_4e41 | 0x4030_4e42 | 0xc048_4e43 | 0xc050_4e47 | 0xc050_4e48 => op::IOCTL_DISK,
        // FS_IOC_UNRESVSP, FS_IOC_UNRESVSP64, FS_IOC_ZERO_RANGE (linux/falloc.h), and as i386 has them.
        0x4030_5829 | 0x4030_582b | 0x4030_5839 | 0x402c_5829 | 0x402c_582b | 0x402c_5839 => op::IOCTL_DISK,
        // BLKDISCARD, BLKSECDISCARD, BLKZEROOUT.
        0x1277 | 0x127d | 0x127f => op::IOCTL_DISCARD,
        // FICLONE, FICLONERANGE.
        0x4004_9409 => op::IOCTL_CLONE,
        0x4020_940d => op::IOCTL_CLONE_RANGE,
        // FIFREEZE, FITHAW, FS_IOC_SHUTDOWN; BTRFS_IOC_SNAP_DESTROY and _V2 (linux/btrfs.h); LOOP_CLR_FD.
        0xc004_5877 | 0xc004_5878 | 0x8004_587d | 0x5000_940f | 0x5000_943f | 0x4c01 => op::IOCTL_FILE_SYSTEM,
        // LOOP_SET_FD, LOOP_CHANGE_FD, LOOP_CONFIGURE (linux/loop.h).
        0x4c00 | 0x4c06 => op::IOCTL_LOOP,
        0x4c0a => op::IOCTL_LOOP_CONFIGURE,
        // FS_IOC_SET_ENCRYPTION_POLICY, _ADD_ENCRYPTION_KEY, _REMOVE_ENCRYPTION_KEY, and of all users (linux/fscrypt.h);
        // FS_IOC_ENABLE_VERITY (linux/fsverity.h).
        0x800c_6613 | 0xc050_6617 | 0xc040_6618 | 0xc040_6619 | 0x4080_6685 => op::IOCTL_PROTECTS,
        // SIOCADDRT, SIOCDELRT, SIOCDARP, SIOCSARP (linux/sockios.h).
        0x890b | 0x890c | 0x8953 | 0x8955 => op::IOCTL_ROUTE,
        _ => of_interface(number),
    }
}

/// What changes a network interface; the argument begins with its name.
#[inline(always)]
const fn of_interface(number: u32) -> u8 {
    match number {
        // SIOCSIFLINK, -FLAGS, -ADDR, -DSTADDR, -BRDADDR, -NETMASK, -METRIC, -MEM, -MTU, -NAME, -HWADDR, -ENCAP.
        0x8911 | 0x8914 | 0x8916 | 0x8918 | 0x891a | 0x891c | 0x891e | 0x8920 | 0x8922 | 0x8923 | 0x8924 | 0x8926 => op::IOCTL_INTERFACE,
        // SIOCSIFSLAVE, SIOCADDMULTI, SIOCDELMULTI, SIOCSIFPFLAGS, SIOCDIFADDR, SIOCSIFHWBROADCAST, SIOCSIFTXQLEN, SIOCSIFMAP.
        0x8930 | 0x8931 | 0x8932 | 0x8934 | 0x8936 | 0x8937 | 0x8943 | 0x8971 => op::IOCTL_INTERFACE,
        // SIOCBONDENSLAVE, -RELEASE, -SETHWADDR, -CHANGEACTIVE; SIOCBRADDBR, -DELBR, -ADDIF, -DELIF.
        0x8990..=0x8992 | 0x8995 | 0x89a0..=0x89a3 => op::IOCTL_INTERFACE,
        // SIOCADDTUNNEL, SIOCDELTUNNEL, SIOCCHGTUNNEL (linux/if_tunnel.h); TUNSETIFF (linux/if_tun.h).
        0x89f1..=0x89f3 | 0x4004_54ca => op::IOCTL_INTERFACE,
        _ => op::NONE,
    }
}

/// By option (`include/uapi/linux/prctl.h`), and what else the option asks for.
#[inline(always)]
const fn of_prctl(option: u32, second: u32) -> u8 {
    match (option, second) {
        // PR_SET_MM with _ARG_START, _ARG_END, _MAP; with _EXE_FILE.
        (35, 8 | 9 | 14) => op::PRCTL,
        (35, 13) => op::PRCTL_EXE_FILE,
        // PR_SET_KEEPCAPS, PR_CAPBSET_DROP, PR_SET_SECUREBITS; PR_CAP_AMBIENT but for the question (_IS_SET).
        (8 | 24 | 28, _) | (47, 2..) => op::PRCTL_CAPABILITIES,
        // PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_CHILD_SUBREAPER, PR_SET_SYSCALL_USER_DISPATCH, PR_SET_PTRACER.
        (4 | 22 | 36 | 59 | 0x5961_6d61, _) => op::PRCTL_SETTING,
        _ => op::NONE,
    }
}

/// SEMCTL, MSGCTL, SHMCTL (`include/uapi/linux/ipc.h`).
#[inline(always)]
const fn of_ipc(call: u32) -> u8 {
    match call {
        3 => op::IPC_SEMCTL,
        14 | 24 => op::IPC_CTL,
        _ => op::NONE,
    }
}
