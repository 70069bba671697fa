"""Watches custom resources and runs the playbook of the collection kube_ecr.secrets whenever one is due.

Files that say "Pure." do no I/O and take the time and a source of randomness as arguments. kube.py alone talks to
the API server, batch.py alone starts Ansible; controller.py puts them together. The runner knows nothing of AWS.
"""
