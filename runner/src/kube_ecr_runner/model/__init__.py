"""Values that the other folders pass to each other: resources, observed objects, results, runs and conditions.

May import contract and nothing else of the package. Everything here is pure, frozen, and tolerant of malformed objects:
the CRDs refuse them and the playbook reports them.
"""
