"""The errors that end a run with one clear message instead of a traceback.

Every message says what is wrong, where (file and row, or key of the job file), and what would mend it.
The command line turns the class into the exit status.
"""


class CurationError(Exception):
    """Something that a person must mend; the message is for them. Exit status 1."""

    exit_status = 1


class JobError(CurationError):
    """The job file or the command is wrong: a key, a value, a path or a column it names. Exit status 2."""

    exit_status = 2


class InputError(CurationError):
    """An input file is damaged, changed since it was counted, or holds too many bad rows."""


class StorageError(CurationError):
    """The storage failed and no retry helped: a full disk, a quota, a permission, a network or server that is down."""


class RunError(CurationError):
    """The run could not go on: a lost worker, a busy run directory, a promise that does not hold."""
