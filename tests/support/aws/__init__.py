"""The AWS endpoint of the tests: ECR, ECR Public and STS over HTTP, with signatures, roles and faults."""
