# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Acts as another user, for the files in his home.

Root that writes into the home of somebody is led astray by a link there: it would read, replace and give away any file
of the machine. So a module takes on the rights of that user before it looks at his files.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from .._contract.errors import ResourceError


@contextmanager
def acting_as(name: str | None) -> Iterator[tuple[Path, Mapping[str, str]]]:
    """Act as a user within the context; give his home, and his variables as far as they are known.

    Without a name, that is the user who runs this process. Raises ResourceError if there is no such user, or this
    process may not act as him.
    """
    user = None if name is None else _user(name)
    if user is None or user.pw_uid == os.geteuid():
        yield Path(user.pw_dir) if user else Path.home(), os.environ
        return
    uid, gid, groups = os.geteuid(), os.getegid(), os.getgroups()
    if uid != 0:
        own = pwd.getpwuid(uid).pw_name
        raise ResourceError("user", f"{own} may not write files of {name}; set 'become: true' on the task")
    try:
        # The kernel looks at the effective IDs. The real ones stay, so that there is a way back.
        os.initgroups(user.pw_name, user.pw_gid)
        os.setegid(user.pw_gid)
        os.seteuid(user.pw_uid)
        yield Path(user.pw_dir), {}
    finally:
        os.seteuid(uid)
        os.setegid(gid)
        os.setgroups(groups)


def _user(name: str) -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise ResourceError("user", f"there is no user {name!r} on this host") from None
