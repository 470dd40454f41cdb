"""Figures of searches. Only the modules that draw import matplotlib, none of them by itself."""
