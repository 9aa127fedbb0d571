"""Proves meshwatch's table against the air; shares nothing with it but the form of its lines."""
