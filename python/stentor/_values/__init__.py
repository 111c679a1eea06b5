"""Floor 1, values: errors, dialects, patterns, messages, options, protocols. No trio, no clock, no I/O."""
