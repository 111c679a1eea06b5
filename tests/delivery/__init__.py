"""Delivery, feature by feature: modes, overflow, filters, retries, requests, routing and all the rest."""
