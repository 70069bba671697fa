"""The molecule scenarios, on the control plane and the AWS endpoint of the tests."""
