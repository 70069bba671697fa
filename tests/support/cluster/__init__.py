"""The control plane of the tests, proxies in front of it, and what tests do to its objects."""
