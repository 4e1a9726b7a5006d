"""The picture vendor: its API as published, in memory, steered through `/_sandbox/`."""
