"""An in-process message bus for multi-agent simulations."""
