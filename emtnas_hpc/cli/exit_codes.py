"""What a command leaves with, besides the codes that errors carry (`errors`)."""

DONE = 0
FAILED = 1
STOPPED = 4
DIFFERENCE = 5
INTERRUPTED = 130
