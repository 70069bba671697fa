"""Watches custom resources and runs the playbook of the collection kube_ecr.secrets whenever one is due.

Files that say "Pure." do no I/O and take the time and a source of randomness as arguments. The folder cluster alone
talks to the API server, the folder runs alone starts Ansible; the folder controller puts them together. The runner
knows nothing of AWS, but for the program that hands its own identity to a run.
"""

# The name of the command and of its package; the API server and clients of the runner are told it, too.
PROGRAM = "kube-ecr-runner"
