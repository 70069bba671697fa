"""The ends of what is supported: `make matrix` runs tests of this repository with each of them.

environments.py is the list, and the truth that documents are compared with. Everything else of a run is as in
`make test`: the same tests, the same endpoints. Only what an environment names is another one.
"""
