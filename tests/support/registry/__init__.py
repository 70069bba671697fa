"""The registry of the tests, with ECR's host names and ECR's refusals."""
