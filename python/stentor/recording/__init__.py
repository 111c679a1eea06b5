"""Recordings: all that happened on a bus, in a file to be read, compared, replayed and looked at.

`record` begins one and `read` opens one; `diff` finds where two part, `replay` feeds one to changed handlers, and
`Digest` is one number for a whole run. The modules: `_entries` and `_scribe` (what is written of what happens; most of
it is native), `_recorder` and `_digest` (what becomes of it), `_file` and `_skipping` (how it stands in the file),
`_records`, `_gathering`, `_reading` and `_frames` (what is read), `_difference` and `_replaying`.
"""

from __future__ import annotations

from stentor.recording._difference import Difference as Difference
from stentor.recording._difference import diff as diff
from stentor.recording._digest import Digest as Digest
from stentor.recording._file import RecordingError as RecordingError
from stentor.recording._file import RecordingWarning as RecordingWarning
from stentor.recording._reading import Recording as Recording
from stentor.recording._reading import read as read
from stentor.recording._recorder import Recorder as Recorder
from stentor.recording._recorder import record as record
from stentor.recording._records import Entry as Entry
from stentor.recording._records import ErrorText as ErrorText
from stentor.recording._records import Inside as Inside
from stentor.recording._records import Kind as Kind
from stentor.recording._records import Outcome as Outcome
from stentor.recording._records import RecordedDelivery as RecordedDelivery
from stentor.recording._records import RecordedMessage as RecordedMessage
from stentor.recording._replaying import replay as replay

for _name, _value in list(globals().items()):
    if not _name.startswith("_") and getattr(_value, "__module__", "").startswith("stentor.recording."):
        _value.__module__ = "stentor.recording"
del _name, _value  # pyright: ignore[reportPossiblyUnboundVariable] - there are names
