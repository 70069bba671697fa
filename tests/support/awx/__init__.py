"""AWX for the tests, as far as a playbook of ours talks to it."""
