"""Floor 3, the machine: the dispatcher, the only writer of mailboxes, and the router."""
