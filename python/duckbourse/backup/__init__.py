"""
Backups of what cannot be made again, and their restoration.

`sources` lists the files and copies each as it was at one instant, also while they are in use;
`folder` keeps the copies by their checksum, and a manifest for each snapshot; `run` makes a
snapshot; `restoration` verifies one and puts it in place.
"""

from duckbourse.backup.folder import BackupFolder, Damage, Snapshot
from duckbourse.backup.progress import step_of
from duckbourse.backup.restoration import Restored, restore
from duckbourse.backup.run import back_up

__all__ = ["BackupFolder", "Damage", "Restored", "Snapshot", "back_up", "restore", "step_of"]
