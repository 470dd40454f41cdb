"""The commands that there are."""

VERBS = (
    *("prepare", "run", "retrain", "report", "inspect", "export", "verify"),
    *("launch", "status", "logs", "cancel", "resume", "doctor"),
)
