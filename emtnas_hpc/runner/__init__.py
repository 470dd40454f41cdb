"""The one loop and what surrounds it: it knows neither the search nor torch."""
