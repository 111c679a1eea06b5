"""The bus, attacked: every promise of delivery has tests that would show it broken."""
