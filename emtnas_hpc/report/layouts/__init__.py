"""The layouts of the paper's tables: their columns, and what each row asks for."""

from emtnas_hpc.report.layouts.choosing import layouts_of, own_layout, paper_layout
from emtnas_hpc.report.layouts.layout import Layout, LayoutRow

__all__ = ["Layout", "LayoutRow", "layouts_of", "own_layout", "paper_layout"]
