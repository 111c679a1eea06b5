"""Several processes, one bus: messages cross by way of a Redis server."""
