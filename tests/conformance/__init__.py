"""The dialects against their real brokers: what each answered is kept in ``facts``, and asked again live."""
