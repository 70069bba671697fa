"""Runs ansible-playbook: the stand-by run, its private directory, environment and processes, and its job events.

Only here is ansible_runner imported, and botocore only in credential_process. May import model, contract and log. No
secret is in the environment, the arguments or the files of a run.
"""
