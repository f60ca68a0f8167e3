"""A disk that is full or can't be written, said so that an operator can mend it."""

import errno
import os
import shutil
from pathlib import Path

from pipeline import duck
from pipeline.messages import Problem
from pipeline.settings import settings

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
SHUT = {errno.EROFS, errno.EACCES, errno.EPERM}
SPILL = "max_temp_directory_size"  # by default what was free when DuckDB began to spill


def problem(error: BaseException) -> Problem | None:
    """`disk_full` or `disk_shut`, when that is what an error of ours or of DuckDB's says."""
    number, text = getattr(error, "errno", None), str(error)
    if isinstance(error, duck.Error):
        known = FULL | {errno.EROFS}
        number = next((one for one in sorted(known) if os.strerror(one) in text), None)
        number = errno.ENOSPC if SPILL in text else number
    if number not in FULL | SHUT:
        return None
    root = settings().home.absolute()
    path = Path(os.fsdecode(getattr(error, "filename", None) or root)).absolute()
    if number != errno.ENOSPC and isinstance(error, OSError) and not path.is_relative_to(root):
        return None  # a source, say, that may not be read
    place = next(one for one in (path, *path.parents) if one.exists())
    mount = next(one for one in (place, *place.parents) if one.is_mount())
    facts = {"disk": mount, "path": path, "error": text}
    if number in FULL:
        return Problem("disk_full", free=f"{shutil.disk_usage(place).free:,}", **facts)
    return Problem("disk_shut", free=f"{shutil.disk_usage(place).free:,}", **facts)
