//! The kernel structure members the probes read, as one table: from it come the `Offsets` value that the probes find
//! in their `.rodata`, and the list by which the daemon looks each member up in the running kernel's BTF.
//!
//! rustc emits no CO-RE relocations, so this is our own. Not for: BTF parsing (`agentmon::sensor::btf`).

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Value of an optional member that this kernel does not have.
pub const ABSENT: u32 = u32::MAX;

/// How one member is found in BTF. A member of a kernel that lacks it stays [`ABSENT`] when no probe must have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Structure, without `struct`.
    pub of: &'static str,
    /// Member; dots step into nested structures, anonymous ones are looked through, `|` parts names of which kernels
    /// have one.
    pub path: &'static str,
    /// Where the offset goes in [`Offsets`]: the index of the `u32`.
    pub index: usize,
    /// Whether only some kinds of events need it: without it those are missed, and all else works.
    pub optional: bool,
}

macro_rules! is_optional {
    () => {
        false
    };
    (optional) => {
        true
    };
}

macro_rules! members {
    ($($(#[$optional:ident])? $field:ident = $of:literal . $path:literal),* $(,)?) => {
        /// Byte offsets of kernel members, in the running kernel.
        #[repr(C)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
        pub struct Offsets {
            $(
                #[doc = concat!("`", $of, ".", $path, "`")]
                pub $field: u32,
            )*
        }

        impl Offsets {
            /// Before the daemon has looked them up.
            pub const UNSET: Self = Self { $($field: ABSENT,)* };
            /// Every member, in the order of the fields.
            pub const MEMBERS: &'static [Member] = &[
                $(Member {
                    of: $of,
                    path: $path,
                    index: core::mem::offset_of!(Offsets, $field) / 4,
                    optional: is_optional!($($optional)?),
                },)*
            ];
        }
    };
}

members! {
    task_tgid = "task_struct"."tgid",
    task_pid = "task_struct"."pid",
    task_real_parent = "task_struct"."real_parent",
    task_group_leader = "task_struct"."group_leader",
    task_start_boottime = "task_struct"."start_boottime",
    task_cred = "task_struct"."cred",
    task_comm = "task_struct"."comm",
    task_cgroups = "task_struct"."cgroups",
    task_fs = "task_struct"."fs",
    task_files = "task_struct"."files",
    task_mm = "task_struct"."mm",
    task_signal = "task_struct"."signal",
    task_exit_code = "task_struct"."exit_code",
    #[optional] task_flags = "task_struct"."flags",
    task_status = "task_struct"."thread_info.status",
    #[optional] task_self_exec_id = "task_struct"."self_exec_id",
    #[optional] user_namespace_level = "user_namespace"."level",
    #[optional] pid_numbers = "pid"."numbers",
    cred_uid = "cred"."uid",
    cred_euid = "cred"."euid",
    cred_suid = "cred"."suid",
    cred_fsuid = "cred"."fsuid",
    cred_gid = "cred"."gid",
    cred_egid = "cred"."egid",
    cred_sgid = "cred"."sgid",
    cred_fsgid = "cred"."fsgid",
    cred_cap_effective = "cred"."cap_effective",
    cred_cap_permitted = "cred"."cap_permitted",
    css_set_dfl_cgrp = "css_set"."dfl_cgrp",
    cgroup_kn = "cgroup"."kn",
    cgroup_root = "cgroup"."root",
    cgroup_self_parent = "cgroup"."self.parent",
    css_cgroup = "cgroup_subsys_state"."cgroup",
    cgroup_root_hierarchy_id = "cgroup_root"."hierarchy_id",
    kernfs_node_id = "kernfs_node"."id",
    fs_pwd_dentry = "fs_struct"."pwd.dentry",
    fs_pwd_mnt = "fs_struct"."pwd.mnt",
    #[optional] fs_seq = "fs_struct"."seq",
    files_fdt = "files_struct"."fdt",
    fdtable_fd = "fdtable"."fd",
    fdtable_max_fds = "fdtable"."max_fds",
    file_path_dentry = "file"."f_path.dentry",
    file_path_mnt = "file"."f_path.mnt",
    file_inode = "file"."f_inode",
    file_mode = "file"."f_mode",
    file_private_data = "file"."private_data",
    inode_ino = "inode"."i_ino",
    inode_mode = "inode"."i_mode",
    inode_nlink = "inode"."i_nlink",
    inode_sb = "inode"."i_sb",
    #[optional] inode_private = "inode"."i_private",
    super_block_dev = "super_block"."s_dev",
    #[optional] dentry_inode = "dentry"."d_inode",
    dentry_parent = "dentry"."d_parent",
    dentry_name = "dentry"."d_name.name",
    dentry_name_len = "dentry"."d_name.len",
    // d_iname before 6.14.
    dentry_short_name = "dentry"."d_shortname|d_iname",
    #[optional] path_mnt = "path"."mnt",
    #[optional] path_dentry = "path"."dentry",
    mount_parent = "mount"."mnt_parent",
    mount_mountpoint = "mount"."mnt_mountpoint",
    mount_mnt = "mount"."mnt",
    vfsmount_root = "vfsmount"."mnt_root",
    mm_arg_start = "mm_struct"."arg_start",
    mm_arg_end = "mm_struct"."arg_end",
    mm_exe_file = "mm_struct"."exe_file",
    bprm_file = "linux_binprm"."file",
    bprm_filename = "linux_binprm"."filename",
    bprm_interp = "linux_binprm"."interp",
    bprm_argc = "linux_binprm"."argc",
    signal_live = "signal_struct"."live",
    signal_flags = "signal_struct"."flags",
    signal_group_exit_code = "signal_struct"."group_exit_code",
    regs_nr = "pt_regs"."orig_ax",
    regs_di = "pt_regs"."di",
    regs_si = "pt_regs"."si",
    regs_dx = "pt_regs"."dx",
    regs_r10 = "pt_regs"."r10",
    regs_bx = "pt_regs"."bx",
    regs_cx = "pt_regs"."cx",
    regs_r8 = "pt_regs"."r8",
    regs_r9 = "pt_regs"."r9",
    regs_bp = "pt_regs"."bp",
    socket_sk = "socket"."sk",
    sock_type = "sock"."sk_type",
    sock_protocol = "sock"."sk_protocol",
    sock_family = "sock"."__sk_common.skc_family",
    sock_peer_port = "sock"."__sk_common.skc_dport",
    sock_local_port = "sock"."__sk_common.skc_num",
    sock_peer_v4 = "sock"."__sk_common.skc_daddr",
    sock_local_v4 = "sock"."__sk_common.skc_rcv_saddr",
    sock_peer_v6 = "sock"."__sk_common.skc_v6_daddr",
    sock_local_v6 = "sock"."__sk_common.skc_v6_rcv_saddr",
    #[optional] sock_state = "sock"."__sk_common.skc_state",
    #[optional] sock_flags = "sock"."__sk_common.skc_flags",
    #[optional] tcp_bytes_sent = "tcp_sock"."bytes_sent",
    #[optional] tcp_bytes_retrans = "tcp_sock"."bytes_retrans",
    #[optional] tcp_bytes_received = "tcp_sock"."bytes_received",
    #[optional] siginfo_code = "kernel_siginfo"."si_code",
    #[optional] kiocb_opcode = "io_kiocb"."opcode",
    #[optional] kiocb_fd = "io_kiocb"."cqe.fd",
    #[optional] kiocb_flags = "io_kiocb"."flags",
    #[optional] filename_name = "filename"."name",
    #[optional] io_open_dfd = "io_open"."dfd",
    #[optional] io_open_filename = "io_open"."filename",
    #[optional] io_open_flags = "io_open"."how.flags",
    #[optional] io_open_mode = "io_open"."how.mode",
    #[optional] io_unlink_dfd = "io_unlink"."dfd",
    #[optional] io_unlink_flags = "io_unlink"."flags",
    #[optional] io_unlink_filename = "io_unlink"."filename",
    #[optional] io_mkdir_dfd = "io_mkdir"."dfd",
    #[optional] io_mkdir_mode = "io_mkdir"."mode",
    #[optional] io_mkdir_filename = "io_mkdir"."filename",
    #[optional] io_rename_old_dfd = "io_rename"."old_dfd",
    #[optional] io_rename_new_dfd = "io_rename"."new_dfd",
    #[optional] io_rename_oldpath = "io_rename"."oldpath",
    #[optional] io_rename_newpath = "io_rename"."newpath",
    #[optional] io_rename_flags = "io_rename"."flags",
    #[optional] io_link_old_dfd = "io_link"."old_dfd",
    #[optional] io_link_new_dfd = "io_link"."new_dfd",
    #[optional] io_link_oldpath = "io_link"."oldpath",
    #[optional] io_link_newpath = "io_link"."newpath",
    #[optional] io_link_flags = "io_link"."flags",
    #[optional] io_xattr_filename = "io_xattr"."filename",
    #[optional] io_xattr_name = "io_xattr"."ctx.kname",
    #[optional] io_ftrunc_len = "io_ftrunc"."len",
    #[optional] io_sync_len = "io_sync"."len",
    #[optional] io_sync_off = "io_sync"."off",
    #[optional] io_sync_mode = "io_sync"."mode",
    #[optional] io_socket_domain = "io_socket"."domain",
    #[optional] io_socket_type = "io_socket"."type",
    #[optional] io_socket_protocol = "io_socket"."protocol",
    #[optional] io_uring_cmd_op = "io_uring_cmd"."cmd_op",
    #[optional] io_listen_backlog = "io_listen"."backlog",
    #[optional] io_connect_addr = "io_connect"."addr",
    #[optional] io_connect_addr_len = "io_connect"."addr_len",
}
