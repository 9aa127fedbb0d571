"""A real Linux kernel with simulated 802.11 radios, booted under qemu for experiments and tests."""
