//! The groups that may use the socket, and how its file mode and ACL express that.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use nix::unistd::{Gid, Group, Uid, chown};
use rustix::fs::{XattrFlags, setxattr};
use tracing::warn;

use super::wire::Role;
use crate::kernel::peer_groups;

/// The groups, by name and number; without a number if the group does not exist.
#[derive(Clone, Debug)]
pub(super) struct Groups {
    readers: (String, Option<Gid>),
    administrators: (String, Option<Gid>),
}

impl Groups {
    /// Resolves the names.
    pub(super) fn named(readers: &str, administrators: &str) -> Self {
        let known =
            |name: &str| (name.to_owned(), Group::from_name(name).ok().flatten().map(|group| group.gid));
        Self { readers: known(readers), administrators: known(administrators) }
    }

    /// Groups given without names.
    #[cfg(test)]
    pub(super) fn numbered(readers: u32, administrators: u32) -> Self {
        Self {
            readers: ("sensor".to_owned(), Some(Gid::from_raw(readers))),
            administrators: ("sensor-admin".to_owned(), Some(Gid::from_raw(administrators))),
        }
    }

    /// What the process behind a connection may do: root, the daemon's own user, and members of the groups. The kernel
    /// reports its groups, including those that no file lists.
    pub(super) fn role(&self, socket: impl AsFd, uid: u32, gid: u32) -> Option<Role> {
        if is_root(uid) {
            return Some(Role::Administrator);
        }
        let groups = peer_groups(socket).unwrap_or_else(|error| {
            warn!(%error, uid, "the groups of a control connection's peer are unknown");
            Vec::new()
        });
        self.role_of(gid, &groups)
    }

    fn role_of(&self, gid: u32, groups: &[u32]) -> Option<Role> {
        let has = |group: Option<Gid>| {
            group.is_some_and(|group| group.as_raw() == gid || groups.contains(&group.as_raw()))
        };
        if has(self.administrators.1) {
            Some(Role::Administrator)
        } else {
            has(self.readers.1).then_some(Role::Reader)
        }
    }

    /// The refusal for somebody without a role.
    pub(super) fn outsider(&self) -> String {
        let (Self { readers: (readers, _), administrators: (administrators, _) }, user) = (self, "USER");
        format!(
            "the daemon answers root and members of two groups only: of `{readers}`, who may look, and of \
             `{administrators}`, who may change; `adduser {user} {readers}`, and log in again"
        )
    }

    /// The refusal for a reader who tries to change something.
    pub(super) fn refusal(&self, user: Option<&str>, uid: u32) -> String {
        let (readers, administrators) = (&self.readers.0, &self.administrators.0);
        let who = user.map_or_else(|| format!("user {uid}"), str::to_owned);
        let missing = if self.administrators.1.is_some() {
            ""
        } else {
            " (there is no such group: `addgroup --system` makes it)"
        };
        format!(
            "{who} may look and not change: a change takes root, or a member of the group `{administrators}`{missing}; \
             as root: `adduser {} {administrators}`, then log in again. Members of `{readers}` may look.",
            user.unwrap_or("USER")
        )
    }

    /// Lets both groups connect: mode 0660 with the readers as its group, and an ACL entry for the administrators, so
    /// that they need not be in both.
    pub(super) fn admit(&self, path: &Path) -> io::Result<()> {
        if let Some(readers) = self.readers.1 {
            chown(path, None, Some(readers))?;
        }
        let Some(administrators) = self.administrators.1 else { return Ok(()) };
        let list = access_list(administrators.as_raw());
        if let Err(error) = setxattr(path, "system.posix_acl_access", &list, XattrFlags::empty()) {
            warn!(
                error = %io::Error::from(error), socket = %path.display(),
                "no access list for the control socket: members of `{}` need to be in `{}`, too", self.administrators.0, self.readers.0
            );
        }
        Ok(())
    }
}

/// Root, and the daemon's own user.
pub(super) fn is_root(uid: u32) -> bool {
    let uid = Uid::from_raw(uid);
    uid.is_root() || uid == Uid::effective()
}

/// `u::rw- g::rw- g:GROUP:rw- m::rw- o::---` as the kernel has it (`include/uapi/linux/posix_acl_xattr.h`).
fn access_list(group: u32) -> Vec<u8> {
    const UNDEFINED: u32 = u32::MAX;
    let entries: [(u16, u16, u32); 5] = [
        (0x01, 6, UNDEFINED),
        (0x04, 6, UNDEFINED),
        (0x08, 6, group),
        (0x10, 6, UNDEFINED),
        (0x20, 0, UNDEFINED),
    ];
    let mut list = 2_u32.to_le_bytes().to_vec();
    for (tag, permissions, id) in entries {
        list.extend(tag.to_le_bytes());
        list.extend(permissions.to_le_bytes());
        list.extend(id.to_le_bytes());
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_follow_groups() {
        let groups = Groups {
            readers: ("sensor".to_owned(), Some(Gid::from_raw(100))),
            administrators: ("sensor-admin".to_owned(), Some(Gid::from_raw(200))),
        };
        for (gid, others, expected) in [
            (1, vec![], None),
            (1, vec![2, 3], None),
            (100, vec![], Some(Role::Reader)),
            (1, vec![2, 100], Some(Role::Reader)),
            (200, vec![], Some(Role::Administrator)),
            (1, vec![200], Some(Role::Administrator)),
            (100, vec![200], Some(Role::Administrator)),
        ] {
            assert_eq!(groups.role_of(gid, &others), expected, "{gid} {others:?}");
        }
        let none = Groups { readers: ("a".to_owned(), None), administrators: ("b".to_owned(), None) };
        assert_eq!(none.role_of(0, &[0, 1]), None, "a group that is not there has no members");
        let told = groups.refusal(Some("alice"), 1_000);
        assert!(told.contains("adduser alice sensor-admin"), "{told}");
        assert!(groups.outsider().contains("adduser USER sensor"));
    }
}
