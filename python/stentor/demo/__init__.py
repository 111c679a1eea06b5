"""The demo: opinions form in a club whose members are agents on the bus.

From bottom to top: `_topics` (who publishes where), `_network` (who is a friend of whom), `_opinions` (the model,
free of any bus), `_club` (the members and the observers on the bus), `_score` (against what really happened),
`_layout` and `_picture` (needs matplotlib and networkx), `_terminal` (needs rich). The command line stands in
`stentor._cli.demo`.
"""
