"""What stands below a table: what its numbers are, and what speaks against comparing them."""

from emtnas_hpc.report.notes.meaning import meaning_notes
from emtnas_hpc.report.notes.reservations import reservations

__all__ = ["meaning_notes", "reservations"]
