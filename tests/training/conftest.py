"""Property tests have no deadline an example: the machine may be busy with other work."""

from hypothesis import settings

settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
