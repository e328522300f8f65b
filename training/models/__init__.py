"""Networks that can be trained and exported."""
