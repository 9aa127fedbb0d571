"""meshwatch: one true table of 802.11s neighbors, published to whoever asks."""

__version__ = "0.1.0"
