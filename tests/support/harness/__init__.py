"""Starts what is tested: Ansible's commands, the runner, helm, the demo, and the tools that they need."""
