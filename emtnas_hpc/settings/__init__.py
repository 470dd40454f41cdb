"""What a user asks for: settings with bounds, presets, overrides, and the identity they give."""
