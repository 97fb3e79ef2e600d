"""The virtual board's parts: packages and images, the machine, and what can be seen of it from outside."""
