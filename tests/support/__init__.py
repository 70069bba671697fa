"""What the tests run for real or stand in for: a control plane, an AWS endpoint, a registry."""
