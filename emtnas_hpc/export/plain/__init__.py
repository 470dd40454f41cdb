"""Exported modules brought to life with their weights; all of export that takes torch."""
