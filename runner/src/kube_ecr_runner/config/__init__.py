"""What the runner is told: command line options, environment variables and watches.yaml.

May import model, contract and log. A value that is not supported is refused by name, with what to give instead.
"""
